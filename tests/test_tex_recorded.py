"""The TeX of real records becomes text: no command is left, and no word is lost, glued to another, or moved."""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from house import SHARED

from newsletter.errors import SourceError
from newsletter.model import Paper
from newsletter.sources.atom import parse_answer
from newsletter.sources.oaipmh import parse_records
from newsletter.sources.rss import parse_feed
from newsletter.text import normalise, readable

RECORDINGS = SHARED / "data" / "arxiv"
FIELDS = {"title": "title", "summary": "abstract", "abstract": "abstract", "comment": "comment", "comments": "comment"}

#: Names of commands and of what they do, without the words that are done to.
NOT_SAID = re.compile(
    r"\\(?:(?:textcolor|color|begin|end|label)\{[^}]*\}|unicode\{[^}]*\}|mkern-?\d+mu|b\{eta\}|[a-zA-Z]+|[\"'`^~=.])"
)
#: In TeX the address comes before the words of a link.
LINK = re.compile(r"\\href\{([^{}]*)\} ?\{([^{}]*)\}")
TEX = re.compile(r"[\\${}~^_\"]|``|''|--")

pytestmark = pytest.mark.skipif(not RECORDINGS.exists(), reason=f"the recordings are not in {RECORDINGS}")


@cache
def recorded() -> Sequence[tuple[str, str]]:
    """Every text once, on one line, with the field that it is of."""
    texts = (
        *(text for folder, parse in PARSERS.items() for path in files(folder) for text in of_papers(parse(path))),
        *(text for name in ("bulk/papers", "odd/odd_records", "replay/papers") for text in of_lines(name)),
    )
    return list(dict.fromkeys((field, " ".join(text.split())) for field, text in texts if text.strip()))


def files(folder: str) -> list[Path]:
    return sorted((RECORDINGS / folder).glob("*.xml"))


def of_atom(path: Path) -> Sequence[Paper]:
    try:
        return parse_answer(path.read_bytes()).papers
    except SourceError:  # one recorded answer is a refusal
        return ()


def of_papers(papers: Sequence[Paper]) -> Iterator[tuple[str, str]]:
    for paper in papers:
        yield from (("title", paper.title), ("abstract", paper.abstract), ("comment", paper.comment))
        yield from (("author", name) for name in paper.authors)


def of_lines(name: str) -> Iterator[tuple[str, str]]:
    for line in (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        record = record.get("record", record)
        yield from ((field, record[key]) for key, field in FIELDS.items() if record.get(key))
        authors = record.get("authors") or []
        names = authors if isinstance(authors, list) else [authors]
        yield from (("author", one) for one in names if isinstance(one, str))


def of_rss(path: Path) -> Sequence[Paper]:
    return [entry.paper for entry in parse_feed(path.read_bytes()).entries]


def of_oai(path: Path) -> Sequence[Paper]:
    return parse_records(path.read_bytes()).papers


PARSERS = {"atom": of_atom, "rss": of_rss, "oai": of_oai}


def test_there_is_enough_to_look_at() -> None:
    fields = [field for field, _ in recorded()]
    assert fields.count("abstract") > 2_500
    assert {"title", "abstract", "comment", "author"} == set(fields)
    assert sum("\\" in text or "$" in text for _, text in recorded()) > 450


def test_no_command_is_left() -> None:
    # The aim is less than one abstract in a hundred; of the recorded ones it is none.
    assert [text for _, text in recorded() if "\\" in readable(text)] == []


def test_dollars_left_are_money_and_braces_left_were_meant() -> None:
    for _, text in recorded():
        if "\\" in text or "$" in text:
            shown = readable(text)
            assert not re.search(r"(?<!\d)\$(?!\d)", shown), text
            assert len(re.findall("[{}]", shown)) <= len(re.findall(r"\\[{}]|\{[^{}\\$]*,[^{}\\$]*(\})", text)) * 2, (
                text
            )


def test_words_without_tex_stay_words_in_their_order() -> None:
    for _, text in recorded():
        shown = iter(readable(text).split())
        lost = [word for word in outside_of_tex(text) if word not in shown]  # which is used up to where it is found
        assert not lost, text


def outside_of_tex(text: str) -> Iterator[str]:
    """The words that hold no TeX and stand neither in a formula nor in a group."""
    depth, in_formula = 0, False
    for word in text.split():
        if not depth and not in_formula and word.isprintable() and not TEX.search(word):
            yield word
        bare = re.sub(r"\\[{}$]", "", word)
        depth = max(0, depth + bare.count("{") - bare.count("}"))
        in_formula ^= bool(bare.count("$") % 2 and not re.search(r"\$\d[\d,.]*$|\d\$$", bare))
        in_formula |= r"\[" in bare or r"\(" in bare
        in_formula &= not (r"\]" in bare or r"\)" in bare)


def test_words_of_tex_come_in_their_order_too() -> None:
    for _, text in recorded():
        together = "".join(words(readable(text)))  # where groups and formulas touch, TeX joins words
        at = 0
        for word in words(NOT_SAID.sub(" ", LINK.sub(shown_link, text)).replace("{", " ").replace("$", " ")):
            at = together.find(word, at)
            assert at >= 0, (word, text)
            at += len(word)


def shown_link(link: re.Match[str]) -> str:
    address, said = link.groups()
    return said if said == address else f"{said} {address}"


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", normalise(text))


def test_what_is_readable_stays_as_it_is() -> None:
    for _, text in recorded():
        assert readable(readable(text)) == readable(text)
