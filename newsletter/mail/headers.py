"""Header fields as they stand on the wire, folded by us.

Not by the email package: with its policies a List-Unsubscribe of 76 characters or more is turned into encoded words,
and one-click unsubscribing ends without a sign.
"""

import re
from collections.abc import Iterable, Iterator
from email import base64mime, quoprimime
from functools import lru_cache

from newsletter.addresses import quoted_uri, wire_address
from newsletter.text import INVISIBLE, LINE_ENDS

LINE_END = "\r\n"
_LINE = 76  # characters of a line that holds an encoded word (RFC 2047 §2); without one 78 would do (RFC 5322 §2.1.1)
_WORD = 75  # characters of an encoded word, and of any word that a line of its own holds
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")  # RFC 5322 §3.2.3


def clean(text: str) -> str:
    """Text as a header can hold it: one line, white space collapsed, without controls and direction characters."""
    line = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", text)).split())
    return line.encode("utf-8", "replace").decode()


def words(name: str, of_value: Iterable[str]) -> str:
    """A field of words that stay whole, on lines of 76 characters unless one word is longer (RFC 5322 §2.2.3)."""
    lines = [f"{name}:"]
    for word in of_value:
        fits = len(lines[-1]) + 1 + len(word) <= _LINE
        if not fits and (len(word) <= _WORD or lines[-1] != f"{name}:"):  # a line begun for nothing is no gain
            lines.append("")
        lines[-1] += f" {word}"
    return LINE_END.join(lines)


@lru_cache(1_024)  # all readers of a digest have one subject
def unstructured(name: str, text: str) -> str:
    """A field of free text (RFC 5322 §2.2.1); what is not ASCII, or fits no line, becomes encoded words."""
    line, room = clean(text), _LINE - len(f"{name}: ")
    # One that began on its second line would be read with a blank before it.
    if _is_plain(line) and len(line.partition(" ")[0]) <= room:
        return words(name, line.split(" "))
    return words(name, _encoded_words(line, room))


def mailbox(name: str, called: str, address: str) -> str:
    """A field of one mailbox, with the name it is called by if it has one (RFC 5322 §3.4).

    Raises:
        AddressError: it is no address.

    """
    return words(name, (*_phrase(called, _LINE - len(f"{name}: ")), f"<{wire_address(address)}>"))


def list_id(called: str, identifier: str) -> str:
    """List-Id (RFC 2919): a phrase and an identifier, which is in ASCII."""
    return words("List-Id", (*_phrase(called, _LINE - len("List-Id: ")), f"<{identifier}>"))


def uris(name: str, *found: str) -> str:
    """A field of URIs in order of preference, one a line (RFC 2369); they are never folded, whatever their length."""
    first, *others = (f"<{quoted_uri(uri)}>" for uri in found)
    return f",{LINE_END} ".join((words(name, [first]), *others))


def _is_plain(line: str) -> bool:
    """Whether a line can stand as it is. What looks like an encoded word cannot, for it would be read as one."""
    return line.isascii() and "=?" not in line and max(map(len, line.split(" "))) <= _WORD


def _phrase(text: str, room: int) -> Iterable[str]:
    """The words of a phrase, of which the first has so much room (RFC 5322 §3.2.5, RFC 2047 §5)."""
    line = clean(text)
    if not line:
        return ()
    if _is_plain(line) and _ATOMS.fullmatch(line):
        return line.split(" ")
    quoted = '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if _is_plain(line) and len(quoted) <= room:
        return (quoted,)
    return _encoded_words(line, room)


def _encoded_words(line: str, room: int) -> Iterator[str]:
    """RFC 2047: words of at most 75 characters, each of whole characters, in the encoding that is shorter."""
    encode = quoprimime.header_encode
    if not line.isascii():  # which in base64 would look as if there was something to hide
        encode = min(encode, base64mime.header_encode, key=lambda encode: len(encode(line.encode())))
    chunk = b""
    for character in line:
        following = chunk + character.encode()
        if chunk and len(encode(following, "utf-8")) > min(room, _WORD):
            yield encode(chunk, "utf-8")
            following, room = character.encode(), _WORD
        chunk = following
    yield encode(chunk, "utf-8")
