"""Bodies that a reader of XML should survive: wrong encodings, entities that explode, rubbish without end."""

import re
import zlib
from dataclasses import replace
from functools import cache
from itertools import pairwise

from newsletter.demo.exchange import Fault, Reply
from newsletter.demo.faults import answered, rewritten

_MEGABYTE = 1 << 20
_LINKS = re.compile(rb'([ ]*<link [^>]*rel="alternate"[^>]*/>\n)([ ]*<link [^>]*title="pdf"[^>]*/>\n)')
_TITLE = re.compile(rb"(<title[^>]*>)[^<]*(</title>)")
_DECLARATION = re.compile(rb"^<\?xml[^>]*\?>\s*")


def latin_1() -> Fault:
    """Send bytes in Latin-1 that say they are UTF-8; the first title has a letter that shows it."""

    def encoded(body: bytes) -> bytes:
        text = _TITLE.sub("\\1Café\\2".encode(), body, count=1).decode()
        return text.encode("latin-1", "xmlcharrefreplace")

    return rewritten(encoded)


def declared(charset: str) -> Fault:
    """Name another encoding in the header than in the document."""

    def labelled(reply: Reply) -> Reply:
        media_type = reply.headers["Content-Type"].partition(";")[0]
        return replace(reply, headers={**reply.headers, "Content-Type": f"{media_type}; charset={charset}"})

    return Fault(reply=labelled)


def billion_laughs() -> Fault:
    """Put an entity into the first title that grows to 10^9 words."""
    names = [f"lol{number}" for number in range(10)]
    steps = [f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise(names)]
    return _with_entity("\n".join(['<!ENTITY lol0 "lol">', *steps]), names[-1])


def external_entity(address: str) -> Fault:
    """Put an entity into the first title that stands for a file or another server's answer."""
    return _with_entity(f'<!ENTITY other SYSTEM "{address}">', "other")


def _with_entity(definitions: str, name: str) -> Fault:
    def changed(body: bytes) -> bytes:
        declaration = _DECLARATION.match(body)
        start = declaration.end() if declaration else 0
        root = re.search(rb"<([\w:-]+)", body[start:])
        kind = f"<!DOCTYPE {root[1].decode() if root else 'feed'} [\n{definitions}\n]>\n".encode()
        return body[:start] + kind + _TITLE.sub(f"\\1&{name};\\2".encode(), body[start:], count=1)

    return rewritten(changed)


def pdf_first() -> Fault:
    """Name each paper's PDF before its abstract page, as the query API may."""
    return rewritten(lambda body: _LINKS.sub(rb"\2\1", body))


def rubbish(megabytes: int = 50) -> Fault:
    """Send much that is no XML, without ever holding it."""
    piece = (b"All work and no play. " * (_MEGABYTE // 22 + 1))[:_MEGABYTE]
    return Fault(reply=lambda _: Reply(200, piece, {"Content-Type": "application/xml"}, megabytes))


def gzip_bomb(megabytes: int = 50) -> Fault:
    """Send a feed of blanks that is a thousandth as long on the way."""
    headers = {"Content-Type": "application/atom+xml; charset=utf-8", "Content-Encoding": "gzip"}
    return answered(200, _bomb(megabytes), headers)


@cache
def _bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * _MEGABYTE
    pieces = [packer.compress(b"<feed xmlns='http://www.w3.org/2005/Atom'>")]
    pieces += [packer.compress(blanks) for _ in range(megabytes)]
    return b"".join([*pieces, packer.compress(b"</feed>"), packer.flush()])
