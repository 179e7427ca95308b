"""Atom feeds: valid by RFC 4287 and by feedparser, escaped, bounded; names stay, and asking again is cheap."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import feedparser
import lxml.etree
import pytest
from house import START, day, make_paper
from searchable import DAYS, tell_of_ten_days
from webfront import BASE_URL, TOPICS, WebFront, web_front

from newsletter.model import Paper
from newsletter.rendering.feeds import MOST

ATOM = "{http://www.w3.org/2005/Atom}"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")  # RFC 3339
_TAG = re.compile(
    r"tag:[a-z0-9.-]+,\d{4}(-\d\d(-\d\d)?)?:(?:[\w.~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})+", re.ASCII
)  # RFC 4151
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

FEEDS = ("/feeds/editions.atom", "/feeds/topics/1.atom", "/feeds/topics/2.atom", "/feeds/search.atom?q=ti:graph")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front")) as made:
        tell_of_ten_days(made)
        yield made


def read(front: WebFront, path: str, **options: Any) -> lxml.etree._Element:
    """A feed that has to be there, and to be one."""
    answer = front.get(path, **options)
    assert answer.status_code == 200
    assert answer.content_type == "application/atom+xml; charset=utf-8"
    parsed = feedparser.parse(answer.data, response_headers={"content-type": answer.content_type})
    assert parsed.bozo == 0, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    feed = lxml.etree.fromstring(answer.data)
    assert list(wrong(feed)) == []
    assert len(parsed.entries) == len(feed.findall(f"{ATOM}entry"))
    return feed


def one(element: lxml.etree._Element, name: str) -> str:
    (found,) = element.findall(ATOM + name)
    return found.text or ""


def entries(feed: lxml.etree._Element) -> list[lxml.etree._Element]:
    return list(feed.findall(f"{ATOM}entry"))


def texts(feed: lxml.etree._Element, name: str) -> list[str]:
    return [one(entry, name) for entry in entries(feed)]


def wrong(feed: lxml.etree._Element) -> Iterator[str]:
    """What RFC 4287 says MUST be otherwise, and what it says SHOULD."""
    if feed.tag != f"{ATOM}feed":
        yield f"the document is a {feed.tag}"
    yield from _wrong_with_both(feed)
    if not feed.findall(f"{ATOM}author") and not all(entry.findall(f"{ATOM}author") for entry in entries(feed)):
        yield "there is nobody who wrote it (4.1.1)"
    if sum(link.get("rel") == "self" for link in feed.findall(f"{ATOM}link")) != 1:
        yield "it does not say where it is (4.1.1)"
    allowed = {"author", "category", "contributor", "generator", "icon", "id", "link", "logo", "rights", "subtitle"}
    yield from _wrong_children(feed, allowed | {"title", "updated", "entry"})
    for entry in entries(feed):
        yield from _wrong_with_both(entry)
        allowed = {"author", "category", "content", "contributor", "id", "link", "published", "rights", "source"}
        yield from _wrong_children(entry, allowed | {"summary", "title", "updated"})
        for name in ("content", "published", "rights", "source", "summary"):
            if len(entry.findall(ATOM + name)) > 1:
                yield f"an entry has several {name} (4.1.2)"
        if entry.find(f"{ATOM}content") is None and not _alternates(entry):
            yield "an entry leads nowhere (4.1.2)"
    names = texts(feed, "id")
    if len(set(names)) != len(names):
        yield "entries share a name (4.2.6)"


def _wrong_with_both(element: lxml.etree._Element) -> Iterator[str]:
    for name in ("id", "title", "updated"):
        if len(element.findall(ATOM + name)) != 1 or not (element.find(ATOM + name).text or "").strip():
            yield f"{element.tag} has no {name}, or several (4.1.1, 4.1.2)"
    if not _TAG.fullmatch(one(element, "id")):
        yield f"{one(element, 'id')} is no tag"
    if not _MOMENT.fullmatch(one(element, "updated")):
        yield f"{one(element, 'updated')} is no moment (3.3)"
    for text in element.findall(f"{ATOM}title") + element.findall(f"{ATOM}summary"):
        if text.get("type", "text") != "text" or len(text):
            yield f"{text.tag} is no plain text (3.1.1)"
    for link in element.findall(f"{ATOM}link"):
        if not link.get("href") or not link.get("href").isascii() or " " in link.get("href"):
            yield f"a link leads to {link.get('href')!r} (4.2.7.1)"
    for person in element.findall(f"{ATOM}author"):
        if len(person.findall(f"{ATOM}name")) != 1 or not (person.find(f"{ATOM}name").text or "").strip():
            yield "somebody has no name (3.2.1)"
    if any(not category.get("term") for category in element.findall(f"{ATOM}category")):
        yield "a category has no term (4.2.2.1)"
    if len(_alternates(element)) > 1:
        yield "several are the same in another form (4.1.1)"


def _wrong_children(element: lxml.etree._Element, allowed: set[str]) -> Iterator[str]:
    for child in element:
        if not isinstance(child.tag, str) or child.tag.removeprefix(ATOM) not in allowed:
            yield f"{child.tag} may not stand in {element.tag}"


def _alternates(element: lxml.etree._Element) -> list[str]:
    return [link.get("href") for link in element.findall(f"{ATOM}link") if link.get("rel", "alternate") == "alternate"]


def _own(feed: lxml.etree._Element) -> str:
    (own,) = [link.get("href") for link in feed.findall(f"{ATOM}link") if link.get("rel") == "self"]
    return str(own)


# ---------------------------------------------------------------- what stands in them


@pytest.mark.parametrize("path", FEEDS)
def test_each_is_a_feed_and_says_where_it_is(front: WebFront, path: str) -> None:
    feed = read(front, path)
    assert entries(feed)
    assert _own(feed) == BASE_URL + path.replace(":", "%3A")
    (page,) = _alternates(feed)
    assert page.startswith(BASE_URL)
    assert front.get(page.removeprefix(BASE_URL)).status_code == 200
    assert one(feed, "updated") == max(texts(feed, "updated"))


def test_a_paper_is_told_as_it_was_announced(front: WebFront) -> None:
    feed = read(front, "/feeds/topics/2.atom")
    assert one(feed, "title") == "Moths & Lamps – Daily Papers"
    entry = next(one_ for one_ in entries(feed) if "script" in one(one_, "title"))
    assert one(entry, "title") == "Moths <script>alert(1)</script> & ℓ₁"
    assert one(entry, "summary") == "Under a lamp."
    assert [author.findtext(f"{ATOM}name") for author in entry.findall(f"{ATOM}author")] == ["Ada Example"]
    assert [category.get("term") for category in entry.findall(f"{ATOM}category")] == ["cs.LG"]
    assert _alternates(entry) == ["https://arxiv.org/abs/0001.00093v1"]
    assert one(entry, "updated") == f"{day(DAYS - 1)}T07:00:00Z"
    assert entry.get(_LANGUAGE) == "en"


def test_the_newest_comes_first_and_says_what_it_is(front: WebFront) -> None:
    for path in ("/feeds/topics/1.atom", "/feeds/search.atom?q=ti:graph"):
        feed = read(front, path)
        assert texts(feed, "title")[0] == "On Graph Neural Networks (revised, version 2)"
        assert texts(feed, "updated") == sorted(texts(feed, "updated"), reverse=True)
    assert texts(read(front, "/feeds/topics/1.atom?language=de"), "title")[0].startswith("On Graph Neural Networks (")


def test_editions_tell_how_much_they_hold(front: WebFront) -> None:
    feed = read(front, "/feeds/editions.atom")
    assert texts(feed, "title")[:2] == ["Friday, 16 January 2026", "Thursday, 15 January 2026"]
    assert texts(feed, "summary")[:2] == ["1 revised in 1 topic", "3 new in 2 topics"]
    assert _alternates(entries(feed)[1]) == [f"{BASE_URL}/editions/2026-01-15"]
    assert len(entries(feed)) == DAYS + 1


def test_what_only_readers_asked_for_is_in_none(front: WebFront) -> None:
    personal = next(topic for topic in front.app.storage.topics.all() if topic.personal)
    assert front.get(f"/feeds/topics/{personal.id}.atom").status_code == 404
    for path in (*FEEDS, "/feeds/search.atom?q=all:secret", "/feeds/search.atom?q=cat:cs.*"):
        assert "ecret" not in front.get(path).text.replace("all:secret", "").replace("all%3Asecret", ""), path


@pytest.mark.parametrize(
    "path", ["/feeds/topics/0.atom", "/feeds/topics/99999999999999999999.atom", "/feeds/topics/x.atom"]
)
def test_what_is_no_topic_has_no_feed(front: WebFront, path: str) -> None:
    assert front.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/feeds/search.atom", "/feeds/search.atom?q=ti:%3Cscript%3E(", "/feeds/search.atom?q=a:b"]
)
def test_what_is_no_query_has_none_either(front: WebFront, path: str) -> None:
    answer = front.get(path)
    assert answer.status_code == 400
    assert "This is no query: at character" in answer.text
    assert "<script" not in answer.text


ODD = "A \x00\x08\x1b\u202etitle\x85 <b>&amp; ]]> \ufffe\uffff \U0001f600 café \u200f\u2028 end"


def test_whatever_a_paper_holds_it_stays_a_feed(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        odd = make_paper(
            1, f"Graph Neural Networks {ODD}", abstract=f"{ODD} $x < y$ & more", authors=(ODD, "", " \x00")
        )
        many = make_paper(2, authors=tuple(f"Author {number}" for number in range(3_000)))
        bare = make_paper(3, abstract="", authors=(), categories=())
        long = make_paper(4, abstract="word " * 50_000)
        front.bring_out(odd, many, bare, long, make_paper(5, "Graph Neural Networks, withdrawn", comment="withdrawn"))
        for path in FEEDS:
            read(front, path)
        feed = read(front, "/feeds/topics/1.atom")
        assert len(front.get("/feeds/topics/1.atom").data) < 20_000
        title = next(title for title in texts(feed, "title") if title.startswith("Graph Neural Networks A"))
        assert "<b>&amp; ]]>" in title
        assert "😀 café" in title


def test_a_newsletter_with_an_odd_name_has_feeds(tmp_path: Path) -> None:
    name = "Zeit & <Licht> “ñ”"
    sender = {"name": name, "sender": "licht+neu@bücher.example"}
    with web_front(tmp_path, newsletter=sender, topics=["<b>&]]>", {"name": "日本", "query": "ti:graph"}]) as front:
        front.bring_out(make_paper(1))
        for path in FEEDS:
            assert name in one(read(front, path), "title")


def test_before_there_is_anything_there_is_an_empty_feed(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        for path in FEEDS:
            assert entries(read(front, path)) == []


def test_a_feed_has_an_end(tmp_path: Path) -> None:
    with web_front(tmp_path, digest={"backlog": 1_000}) as front:
        for number in range(60):
            papers = (make_paper(3 * number + n, updated=front.time.now) for n in range(3))
            front.bring_out(*(replace(paper, submitted=front.time.now) for paper in papers))
            front.pass_days()
        for path in FEEDS[:2] + FEEDS[3:]:
            feed = read(front, path)
            assert len(entries(feed)) == MOST
            assert max(texts(feed, "updated")) == f"{day(59)}T07:00:00Z"


# ---------------------------------------------------------------- names


def test_names_stay_whatever_else_changes(tmp_path: Path) -> None:
    def names(front: WebFront) -> dict[str, set[str]]:
        return {path: {one(read(front, path), "id"), *texts(read(front, path), "id")} for path in FEEDS}

    with web_front(tmp_path) as front:
        tell_of_ten_days(front)
        before = names(front)
    moved = {"base_url": "https://elsewhere.example.net/papers", "name": "Another Name", "language": "de"}
    with web_front(tmp_path, newsletter=moved, topics=[*TOPICS[::-1], "More"]) as front:
        front.time.now = START + timedelta(days=30)
        front.bring_out(replace(make_paper(901, "Graph Neural Networks"), updated=front.time.now, submitted=START))
        for path, found in names(front).items():
            assert before[path] <= found or path == "/feeds/topics/2.atom", path
        with front.app.storage.write():
            front.app.storage.database.execute("UPDATE settings SET value = '' WHERE name = 'search_reading'")
        while front.app.storage.search.follow():
            pass
        assert before[FEEDS[3]] <= names(front)[FEEDS[3]]


def test_a_version_has_one_name_in_all_feeds_and_each_has_its_own(front: WebFront) -> None:
    by_address: dict[str, set[str]] = {}
    for path in FEEDS:
        for entry in entries(read(front, path)):
            (address,) = _alternates(entry)
            by_address.setdefault(address, set()).add(one(entry, "id"))
    assert len(by_address) == 3 * DAYS + 1 + DAYS + 1
    assert all(len(names) == 1 for names in by_address.values())
    assert len(set.union(*by_address.values())) == len(by_address)


def test_feeds_have_names_of_their_own(front: WebFront) -> None:
    searches = ("ti:graph", "ti:moths", "ti:Graph", "abs:graph")
    names = [one(read(front, path), "id") for path in FEEDS[:3]]
    names += [one(read(front, f"/feeds/search.atom?q={query}"), "id") for query in searches]
    assert len(set(names)) == len(names) - 1  # two of the queries are one


# ---------------------------------------------------------------- asked for again


@pytest.mark.parametrize("path", FEEDS)
def test_who_has_it_already_is_told_so(front: WebFront, path: str) -> None:
    answer = front.get(path)
    assert answer.cache_control.public
    assert answer.cache_control.max_age
    assert "Set-Cookie" not in answer.headers
    newest = datetime.fromisoformat(one(lxml.etree.fromstring(answer.data), "updated"))
    assert parsedate_to_datetime(answer.headers["Last-Modified"]) == newest.astimezone(UTC)
    for header, value in (
        ("If-None-Match", answer.headers["ETag"]),
        ("If-Modified-Since", answer.headers["Last-Modified"]),
    ):
        again = front.get(path, headers={header: value})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == answer.headers["ETag"]
    assert front.get(path, headers={"If-None-Match": '"another"'}).status_code == 200
    assert front.client.head(path).headers["ETag"] == answer.headers["ETag"]


def test_what_is_new_is_in_it(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1))
        tags = {path: front.get(path).headers["ETag"] for path in FEEDS if "topics/2" not in path}
        front.pass_days()
        front.bring_out(_told_next_day(2))
        for path, tag in tags.items():
            answer = front.get(path, headers={"If-None-Match": tag})
            assert answer.status_code == 200, path
            assert len(entries(lxml.etree.fromstring(answer.data))) == 2, path


def _told_next_day(number: int) -> Paper:
    moment = START + timedelta(hours=12)
    return replace(make_paper(number), submitted=moment, updated=moment)


def test_without_an_address_of_the_front_links_are_those_of_this_host(tmp_path: Path) -> None:
    with web_front(tmp_path, newsletter={"base_url": ""}) as front:
        front.bring_out(make_paper(1))
        for path in FEEDS:
            feed = read(front, path, headers={"Host": "evil.example"})
            assert not urlsplit(_own(feed)).netloc
            assert "evil" not in front.get(path, headers={"Host": "evil.example"}).text
