"""Where a text can be cut: sentences, told from abbreviations."""

import re
from collections.abc import Iterator

#: Characters: less than this is never cut off.
LEAST_CUT = 80
_MORE = " …"
_ABBREVIATIONS = frozenset(
    re.findall(
        r"\w+",
        """
    al alg app appl approx apr assoc astron astrophys aug bull ca cf ch chap col comm commun comp comput conf
    cor corr dec def dept diff dr ed eds eg eng eq eqn eqns eqs est etc ex exp ext feb fig figs geom ie incl inf
    info inst int jan jr jul jun lect lem lett lin ltd mar math mech mon mr mrs ms nat no nos not nov nucl num
    oct op opt p par phil phys pp prof prog prop proc prob ps pub ref refs rel rem res resp rev roy sc sci sec
    secs sect sen sep sept ser soc sol sr st stat supp suppl symp syst tab tabs tech th theor thm thms trans
    univ v ver viz vol vols vs wrt
        """,
    )
)

_STOP = re.compile(r"(?<![.!?])[.!?]++[\"'”’»)\]}]*+(?=\s|$)")
_LAST_WORD = re.compile(r"[\w.&'’-]{1,30}$")


def shorten(text: str, most: int) -> tuple[str, bool]:
    """Cut a readable text at the end of a sentence so that at most `most` characters stay; and whether it was cut.

    Where no sentence ends in the last half of them, it is cut at a word and ends with `` …``. If less than `LEAST_CUT`
    characters were to go, nothing is cut: so what comes back may be longer than `most`, by less than that. A third of
    `most` stays in any case. `most` is 3 or more.
    """
    if len(text) <= most:
        return text, False
    end = max((end for end in _sentence_ends(text[: most + LEAST_CUT]) if most / 2 <= end <= most), default=0)
    kept = text[:end] if end else _cut_at_word(text, most)
    if len(text) - len(kept) < LEAST_CUT:
        return text, False
    return kept if end else kept + _MORE, True


def _cut_at_word(text: str, most: int) -> str:
    room = most - len(_MORE)
    blank = max(text.rfind(" ", 0, room + 1), text.rfind("\n", 0, room + 1), 0)
    kept = text[:blank].rstrip(" \n,;:–—-([{")
    return kept if len(kept) > most / 3 else text[:room]


def _sentence_ends(text: str) -> Iterator[int]:
    """Where sentences certainly end: after the stop, and the quotes and brackets that close behind it."""
    for stop in _STOP.finditer(text):
        following = text[stop.end() : stop.end() + 8].lstrip(" \n\t\"'“‘«([{")[:1]
        if following.isupper() and not (stop[0][0] == "." and is_abbreviated(text, stop.start())):
            yield stop.end()


def is_abbreviated(text: str, dot: int) -> bool:
    """Whether a dot belongs to the word before it: an abbreviation, an initial, or one of several dots."""
    if text[dot : dot + 2] == "..":
        return True
    match = _LAST_WORD.search(text, max(0, dot - 30), dot)
    word = match[0].strip("'’&-") if match else ""
    return "." in word or word.lower() in _ABBREVIATIONS or (len(word) == 1 and word.isalpha())
