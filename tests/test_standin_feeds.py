"""The invented arXiv's feeds: written as the recordings are, and holding what arXiv's would hold on that day."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from standins import ARXIV, ATOM, DC, RECORDINGS, announced, feed, get, harvest, headers, ids, needs_recordings, parsed

from newsletter.demo import taxonomy
from newsletter.demo.announcements import Announced, Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.authors import creators, cut, tex
from newsletter.demo.library import FixedAnswers
from newsletter.demo.listing import AnnounceType, Item, listing
from newsletter.demo.rss import Kind, channel, written
from newsletter.demo.world import World
from newsletter.model import Paper
from newsletter.sources.taxonomy import CATEGORIES

MONDAY = date(2026, 1, 5)


def make(number: int, *categories: str, version: int = 1, **fields: Any) -> Paper:
    moment = datetime(2026, 1, 2, 12, tzinfo=UTC) + timedelta(minutes=number)
    paper = Paper(
        f"2601.{number:05}",
        version,
        "On Graphs",
        "We look.",
        ("Ada Example",),
        categories or ("cs.LG",),
        moment,
        moment,
    )
    return replace(paper, **fields)


@dataclass
class Days:
    """An arXiv that announces what a test says."""

    now: datetime = datetime(2026, 1, 6, 12, tzinfo=UTC)
    releases: list[Release] = field(default_factory=list)

    def announce(self, *papers: Paper, on: date = MONDAY, **fields: Any) -> None:
        self.releases += [Release(paper, evening(on), **fields) for paper in papers]

    @property
    def library(self) -> Announced:
        return Announced(self.releases, lambda: self.now)


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def arxiv(days: Days) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(days.library) as server:
        yield server


# ---------------------------------------------------------------- the form

FEEDS = sorted((RECORDINGS / "rss").glob("*.xml")) if RECORDINGS.is_dir() else []


def rss_item(item: ET.Element) -> Item:
    texts = {child.tag: child.text or "" for child in item}
    return make_item(
        texts["guid"],
        texts["title"],
        texts["description"],
        [category.text or "" for category in item.iter("category")],
        texts,
    )


def atom_item(entry: ET.Element) -> Item:
    texts = {child.tag: child.text or "" for child in entry}
    terms = [category.attrib["term"] for category in entry.iter(f"{ATOM}category")]
    return make_item(texts[f"{ATOM}id"], texts[f"{ATOM}title"], texts[f"{ATOM}summary"], terms, texts)


def make_item(guid: str, title: str, described: str, categories: list[str], texts: dict[str, str]) -> Item:
    name, _, version = guid.removeprefix("oai:arXiv.org:").rpartition("v")
    paper = Paper(
        name,
        int(version),
        title,
        described.partition("\nAbstract: ")[2],
        tuple(texts[f"{DC}creator"].split(", ")),
        tuple(categories),
        datetime(2026, 1, 5, tzinfo=UTC),
        datetime(2026, 1, 5, tzinfo=UTC),
        journal_ref=texts.get(f"{ARXIV}journal_reference", ""),
        doi=texts.get(f"{ARXIV}DOI", ""),
    )
    kind: AnnounceType = texts[f"{ARXIV}announce_type"]  # type: ignore[assignment]
    return Item(Release(paper, paper.updated, license=texts[f"{DC}rights"]), kind)


def canonical(root: ET.Element) -> str:
    """A feed without the order of skipDays, which varies, and with one time of rendering."""
    for days in root.iter("skipDays"):
        days[:] = sorted(days, key=lambda day: day.text or "")
    for updated in root.iter(f"{ATOM}updated"):
        updated.text = (updated.text or "").partition(".")[0]
    return ET.canonicalize(ET.tostring(root), strip_text=True)


@needs_recordings
@pytest.mark.parametrize("path", FEEDS, ids=lambda path: path.name[:20])
def test_feeds_equal_the_recordings(path: Path) -> None:
    root = parsed(path.read_bytes())
    kind: Kind = "rss" if root.tag == "rss" else "atom"
    title = root.findtext("channel/title") or root.findtext(f"{ATOM}title") or ""
    names = title.removesuffix(" updates on arXiv.org").split(", ")
    items = [rss_item(item) for item in root.iter("item")] + [atom_item(item) for item in root.iter(f"{ATOM}entry")]
    ours = written(kind, channel(names, built(root)), items)
    assert canonical(parsed(ours)) == canonical(root)


def built(root: ET.Element) -> datetime:
    rendered = root.findtext("channel/lastBuildDate")
    if rendered:
        return parsedate_to_datetime(rendered)
    return datetime.fromisoformat(root.findtext(f"{ATOM}updated", ""))


def test_times_are_those_of_new_york(days: Days, arxiv: ArxivStandIn) -> None:
    days.announce(make(1), on=date(2026, 7, 5))
    days.now = datetime(2026, 7, 6, 13, 30, 5, tzinfo=UTC)
    root = feed(arxiv, "cs")
    assert root.findtext("channel/lastBuildDate") == "Mon, 06 Jul 2026 13:30:05 +0000"
    assert {element.text for element in root.iter("pubDate")} == {"Mon, 06 Jul 2026 00:00:00 -0400"}
    entry = next(feed(arxiv, "cs", "atom").iter(f"{ATOM}entry"))
    assert entry.findtext(f"{ATOM}published") == "2026-07-06T00:00:00-04:00"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ada Example", ("Example", "Ada", "")),
        ("Noor van der Berg", ("van der Berg", "Noor", "")),
        ("Sammy Davis Jr.", ("Davis", "Sammy", "Jr.")),
        ("Deepti", ("Deepti", "", "")),
        ("The ATLAS Collaboration", ("The ATLAS Collaboration", "", "")),
    ],
)
def test_names_are_cut(name: str, parts: tuple[str, str, str]) -> None:
    assert cut(name) == parts


def test_creators_are_one_string_in_tex() -> None:
    paper = make(1, authors=("André Søgaard", "Deepti", "Ana Pižurica"))
    affiliations = {"André Søgaard": ("Gent, Belgium", "CERN")}
    expected = "Andr\\'e S{\\o}gaard (Gent, Belgium, CERN),  Deepti, Ana Pi\\v{z}urica"
    assert creators(paper, affiliations) == expected
    assert tex("Łukasz Erdős") == "{\\L}ukasz Erd\\H{o}s"


# ---------------------------------------------------------------- the names


def test_two_opinions_on_the_categories_agree() -> None:
    ours = {name for archive in taxonomy.archives() for name in taxonomy.categories(archive)}
    assert ours == set(CATEGORIES)
    assert len(ours) == 155


def test_names_are_read_as_arxiv_reads_them(days: Days, arxiv: ArxivStandIn) -> None:
    days.announce(make(1, "cs.CV"), make(2, "stat.ML"), make(3, "hep-th"), make(4, "physics.optics"))
    root = feed(arxiv, "CS.cv+STAT+Hep-Th")
    assert root.findtext("channel/title") == "stat, hep-th, cs.CV updates on arXiv.org"
    assert list(announced(root)) == ["2601.00001v1", "2601.00002v1", "2601.00003v1"]
    assert list(announced(feed(arxiv, "PHYSICS.Optics"))) == ["2601.00004v1"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("foo", "Bad archive 'foo'."),
        ("cs.XX", "Bad subject class 'XX'."),
        ("cs.CV.2", "Bad archive/subject class structure 'cs.CV.2'."),
        ("cs+", "Invalid archive specification 'cs+'."),
    ],
)
@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_names_that_are_none(arxiv: ArxivStandIn, kind: str, query: str, reason: str) -> None:
    answer = requests.get(f"{arxiv.feed_url.removesuffix('rss')}{kind}/{query}", timeout=5)
    root = parsed(answer.content)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == f"application/{kind}+xml"
    title = root.findtext("channel/title") or root.findtext(f"{ATOM}title") or ""
    told = root.findtext("channel/description") or root.findtext(f"{ATOM}subtitle") or ""
    assert title == f"Feed error for query: http://rss.arxiv.org/{kind}/{query}"
    assert told.startswith(reason)


# ---------------------------------------------------------------- the content


def test_what_is_announced_is_called_what_it_is(days: Days, arxiv: ArxivStandIn) -> None:
    days.announce(make(1, "cs.LG"), make(2, "cs.LG"), make(3, "math.CO"), make(8, "cs.LG"), on=date(2026, 1, 4))
    days.announce(make(4, "cs.LG"), make(5, "math.CO", "cs.LG"))
    days.announce(make(1, "cs.LG", version=2), make(8, "cs.LG", version=6))
    days.announce(make(2, "cs.LG", journal_ref="J. 1"), action="absonly")
    days.announce(make(3, "math.CO", "cs.LG"), action="cross")
    expected = {"2601.00004v1": "new", "2601.00003v1": "cross", "2601.00005v1": "cross", "2601.00001v2": "replace"}
    assert list(announced(feed(arxiv, "cs.LG")).items()) == list(expected.items())
    assert announced(feed(arxiv, "math")) == {"2601.00005v1": "new"}
    assert announced(feed(arxiv, "stat")) == {}


def test_a_replacement_listed_elsewhere_is_a_replace_cross(days: Days, arxiv: ArxivStandIn) -> None:
    days.announce(make(1, "math.CO", "cs.LG"), make(2, "math.CO"), on=date(2026, 1, 4))
    days.announce(make(1, "math.CO", "cs.LG", version=2), make(2, "math.CO", "cs.LG", version=2))
    assert announced(feed(arxiv, "cs.LG")) == {"2601.00002v2": "cross", "2601.00001v2": "replace-cross"}
    assert announced(feed(arxiv, "cs+math")) == {"2601.00001v2": "replace", "2601.00002v2": "cross"}


def test_categories_with_two_names_are_one(days: Days, arxiv: ArxivStandIn) -> None:
    days.announce(make(1, "math.NA"))
    assert announced(feed(arxiv, "cs.NA")) == {"2601.00001v1": "new"}


def test_the_feed_turns_at_midnight_and_is_empty_when_nothing_was_announced(days: Days, arxiv: ArxivStandIn) -> None:
    thursday, sunday = date(2026, 1, 8), date(2026, 1, 11)
    days.announce(make(1), on=thursday)
    days.announce(make(2), on=sunday)
    contents = {}
    for moment in ("2026-01-09T04:59", "2026-01-09T05:00", "2026-01-10T04:59", "2026-01-10T12:00", "2026-01-12T04:59"):
        days.now = datetime.fromisoformat(f"{moment}:00+00:00")
        contents[moment[5:]] = list(announced(feed(arxiv, "cs")))
    assert contents == {
        "01-09T04:59": [],
        "01-09T05:00": ["2601.00001v1"],
        "01-10T04:59": ["2601.00001v1"],
        "01-10T12:00": [],
        "01-12T04:59": [],
    }
    days.now = datetime(2026, 1, 12, 5, tzinfo=UTC)
    assert list(announced(feed(arxiv, "cs"))) == ["2601.00002v1"]


def test_a_late_announcement_is_in_the_feed_of_its_day(days: Days, arxiv: ArxivStandIn) -> None:
    days.releases.append(Release(make(1), evening(date(2026, 1, 6), time(2))))
    days.now = datetime(2026, 1, 6, 6, tzinfo=UTC)
    assert announced(feed(arxiv, "cs")) == {}
    days.now = datetime(2026, 1, 6, 12, tzinfo=UTC)
    assert announced(feed(arxiv, "cs")) == {"2601.00001v1": "new"}


def test_beyond_the_limit_the_new_ones_are_cut() -> None:
    now = datetime(2026, 1, 6, 12, tzinfo=UTC)
    old = [Release(make(number), evening(date(2026, 1, 4))) for number in range(1, 1_001)]
    replaced = [Release(make(number, version=2), evening(MONDAY)) for number in range(1, 1_001)]
    new = [Release(make(number), evening(MONDAY)) for number in range(1_001, 2_101)]
    items = listing([*old, *replaced, *new], ["cs.LG"], lambda _: now)
    kinds = [item.announce_type for item in items]
    assert (len(items), kinds.count("new"), kinds.count("replace")) == (2_000, 1_000, 1_000)
    assert items[0].paper.id == "2601.01101"  # of the new ones the lowest identifiers are missing


def test_headers(days: Days, arxiv: ArxivStandIn) -> None:
    days.now = datetime(2026, 1, 6, 4, 59, tzinfo=UTC)
    answer = requests.get(f"{arxiv.feed_url}/cs", timeout=5)
    assert answer.headers["Cache-Control"] == "max-age=60"
    again = {"If-None-Match": answer.headers["ETag"]}
    assert requests.get(f"{arxiv.feed_url}/cs", headers=again, timeout=5).status_code == 304
    days.now += timedelta(seconds=1)  # rendered again, with another time: nothing else is new
    assert requests.get(f"{arxiv.feed_url}/cs", headers=again, timeout=5).status_code == 200


def test_without_announcements_there_are_no_feeds() -> None:
    with ArxivStandIn(FixedAnswers({"Graphs": [make(1)]})) as arxiv:
        assert requests.get(f"{arxiv.feed_url}/cs", timeout=5).status_code == 404
        assert requests.get(arxiv.oai_url, params={"verb": "Identify"}, timeout=5).status_code == 404
        assert get(arxiv, id_list="2601.00001").status_code == 200


# ---------------------------------------------------------------- all three


def test_api_feed_and_harvest_agree_on_what_is_new(days: Days, arxiv: ArxivStandIn) -> None:
    days.announce(make(1, "cs.CV"), make(2, "cs.CV", "cs.LG"), make(9, "stat.ML"), on=date(2026, 1, 4))
    days.announce(make(3, "cs.CV"), make(4, "cs.CV", "stat.ML"), make(5, "cs.LG", "cs.CV"))
    days.announce(make(1, "cs.CV", version=2), make(10, "hep-th"))
    days.announce(make(9, "stat.ML", "cs.CV"), action="cross")
    days.announce(make(2, "cs.CV", "cs.LG", doi="10.1/x"), action="absonly")
    fed = {name for name, kind in announced(feed(arxiv, "cs.CV")).items() if kind == "new"}
    days.now = evening(MONDAY) - timedelta(seconds=1)
    before = set(ids(parsed(get(arxiv, search_query="cat:cs.CV", max_results=100).content)))
    days.now = evening(MONDAY)
    after = set(ids(parsed(get(arxiv, search_query="cat:cs.CV", max_results=100).content)))
    pages = harvest(arxiv, set="cs:cs:CV", **{"from": "2026-01-06", "until": "2026-01-06"})
    assert set(dict(headers(pages))) == {f"2601.0000{number}" for number in (1, 2, 3, 4, 5, 9)}
    raw = "{http://arxiv.org/OAI/arXivRaw/}"
    records = [record for page in pages for record in page.iter(f"{raw}arXivRaw")]
    single = {
        f"{record.findtext(f'{raw}id')}v1"
        for record in records
        if len(record.findall(f"{raw}version")) == 1 and record.findtext(f"{raw}categories", "").split()[0] == "cs.CV"
    }
    assert fed == {"2601.00003v1", "2601.00004v1"}
    assert fed == {name for name in after - before if name.endswith("v1")} - {"2601.00005v1", "2601.00009v1"}
    assert fed == single - {"2601.00002v1"}  # a DOI was added: OAI-PMH alone cannot tell that from news


def test_the_world_agrees_with_itself() -> None:
    world = World(MONDAY)
    with ArxivStandIn(World(MONDAY, lambda: world.day_two + timedelta(hours=12))) as arxiv:
        fed = set(announced(feed(arxiv, "cs+stat+q-bio+econ+eess+physics+math")))
        harvested = {name for name, _ in headers(harvest(arxiv, **{"from": str(world.day_two.date())}))}
    old = {paper.key for paper in world.visible(world.day_one)}
    fresh = [paper for paper in world.visible(world.day_two) if paper.key not in old]
    assert fed == {f"{paper.id}v{paper.version}" for paper in fresh}
    assert harvested == {paper.id for paper in fresh}
