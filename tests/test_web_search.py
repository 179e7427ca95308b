"""The search on the web, and trying a query of one's own: what is found is shown, escaped, and told to nobody else."""

import json
import logging
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from checking import CHROMIUM, FOLDER, NODE, ask, missing
from house import day, make_paper
from hypothesis import given
from hypothesis import strategies as st
from markup import tree
from searchable import DAYS, tell_of_ten_days
from webfront import WebFront, served, standalone, web_front

from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers
from newsletter.query import MAX_LENGTH, parse
from newsletter.web.searching import EXAMPLES, MOST

BAD = 'ti:"graph" author:<script>'


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front")) as made:
        tell_of_ten_days(made)
        yield made


def search(front: WebFront, query: str, status: int = 200, **arguments: object) -> str:
    rest = "".join(f"&{name}={value}" for name, value in arguments.items())
    return front.page(f"/search?q={quote(query, safe='')}{rest}", status)


def titles(html: str) -> list[str]:
    return [heading.text_content().strip() for heading in tree(html).xpath("//article/h3")]


def words(html: str) -> str:
    return " ".join(tree(html).get_element_by_id("content").text_content().split())


# ---------------------------------------------------------------- searching


def test_what_is_found_is_shown_as_it_was_announced(front: WebFront) -> None:
    page = tree(search(front, 'ti:"graph neural" ANDNOT ti:moths'))
    first, second, *_others = page.iter("article")
    assert " ".join(first.text_content().split()) == (
        "On Graph Neural Networks Ada Example Revised, version 2 · 16 Jan 2026 · cs.LG"
    )
    title, edition = first.iter("a")
    assert title.get("href") == "https://arxiv.org/abs/0001.00001v2"
    assert edition.get("href") == f"/editions/{day(DAYS)}"
    assert [mark.text for mark in first.iter("mark")] == ["Graph Neural"]
    assert "New · 15 Jan 2026 · cs.LG" in " ".join(second.text_content().split())
    assert page.xpath("//h2")[0].text_content().strip() == "10 papers"


def test_what_stands_elsewhere_than_in_the_title_is_told(front: WebFront) -> None:
    (found,) = tree(search(front, "id:0001.00002 AND abs:lamp AND au:example")).iter("article")
    assert "Found: lamp, Example" in " ".join(found.text_content().split())
    assert not list(found.iter("mark"))


def test_a_paper_is_shown_once_and_in_its_newest_version(front: WebFront) -> None:
    assert titles(search(front, "id:0001.00001")) == ["On Graph Neural Networks"]
    assert "No paper was found" in search(front, "id:0001.00001v1")


def test_whatever_stands_in_a_paper_or_a_query_is_text(front: WebFront) -> None:
    html = search(front, 'ti:"<script>alert(1)</script>" AND ti:moths')
    assert len(titles(html)) == 10
    assert titles(html)[0] == "Moths <script>alert(1)</script> & ℓ₁"
    assert "<script" not in html
    (field,) = tree(html).xpath("//input[@name='q']")
    assert field.get("value") == 'ti:"<script>alert(1)</script>" AND ti:moths'


def test_it_may_be_read_page_by_page(tmp_path: Path) -> None:
    with web_front(tmp_path, digest={"backlog": 1000}) as front:
        front.bring_out(*(make_paper(number, f"Graph Neural Networks {number}") for number in range(45)))
        seen, path = [], "/search?q=graph+neural%20%26networks"
        front.page(path)
        path = "/search?q=graph"
        for number in (1, 2, 3):
            html = front.page(path)
            assert f"45 papers · page {number} of 3" in words(html)
            seen += titles(html)
            older = tree(html).xpath("//nav[@class='turn']//a[@rel='next']/@href")
            newer = tree(html).xpath("//nav[@class='turn']//a[@rel='prev']/@href")
            assert (len(older), len(newer)) == (number < 3, number > 1)
            path = older[0] if older else path
        assert seen == [f"Graph Neural Networks {number}" for number in range(44, -1, -1)]
        assert titles(front.page("/search?q=graph&page=2")) == seen[20:40]
        assert titles(front.page("/search?q=graph&page=99")) == seen[40:]
        for page in ("0", "-1", "1", "x", "1e3", "٣", "9" * 50, "%00"):
            assert titles(front.page(f"/search?q=graph&page={page}")) == seen[:20]


def test_no_more_are_counted_than_anybody_reads(tmp_path: Path) -> None:
    with web_front(tmp_path, topics=["Graph"], digest={"backlog": 2 * MOST}) as front:
        front.bring_out(*(make_paper(number, "Graph") for number in range(MOST + 5)))
        assert f"More than {MOST} papers · page 1 of {MOST // 20}" in words(search(front, "graph"))
        last = search(front, "graph", page=MOST // 20)
        assert len(titles(last)) == 20
        assert "There are more, which are older" in last
        tried = front.page("/try?query=graph")
        assert f"more than {MOST} of the papers" in tried


@pytest.mark.parametrize("query", ['ti:"a b" AND cat:cs.*', "C++ & Rust # 100% <b>", "Erdős–Rényi"])
def test_a_search_leads_to_its_feed_and_to_a_subscription(front: WebFront, query: str) -> None:
    page = tree(search(front, query))
    (feed,) = page.xpath("//link[@rel='alternate']/@href")
    assert parse_qs(urlsplit(feed).query) == {"q": [query]}
    assert front.get(feed).content_type.startswith("application/atom+xml")
    (subscription,) = page.xpath("//a[starts-with(@href, '/subscribe?')]/@href")
    assert parse_qs(urlsplit(subscription).query) == {"query": [query]}


def test_what_is_no_query_is_refused_where_it_is_wrong(front: WebFront) -> None:
    html = search(front, BAD, 400)
    page = tree(html)
    (said,) = page.xpath("//*[@role='alert']")
    assert "at character 12: there is no field author:" in said.text_content()
    assert [mark.text for mark in said.iter("mark")] == ["a"]
    assert said.xpath(".//code")[0].text_content() == BAD
    (field,) = page.xpath("//input[@name='q']")
    assert field.get("value") == BAD
    assert page.get_element_by_id(field.get("aria-describedby")) is said
    assert "<script" not in html


@pytest.mark.parametrize("path", ["/search", "/search?q=", "/search?q=%20%0A%09", "/search?page=3"])
def test_without_a_query_there_is_a_form_and_what_to_begin_with(front: WebFront, path: str) -> None:
    page = tree(front.page(path))
    (form,) = page.iter("form")
    assert (form.get("action"), form.get("method"), form.get("role")) == ("/search", "get", "search")
    examples = [parse_qs(urlsplit(link).query)["q"] for link in page.xpath("//ul[@class='queries']//a/@href")]
    assert examples == [[example] for example in EXAMPLES]
    assert len(list(map(parse, EXAMPLES))) == 3


@pytest.mark.parametrize("path", ["/search?q=", "/try?query=", "/try?part=1&query=", "/feeds/search.atom?q="])
def test_a_query_has_an_end(front: WebFront, path: str) -> None:
    path += "graph+" * 5_000
    answer = front.get(path)
    assert answer.status_code == (200 if "part" in path else 400)
    assert f"a query has at most {MAX_LENGTH} characters" in answer.text
    assert len(answer.data) < 3 * len(path)


def test_what_was_looked_for_is_kept_by_nobody(front: WebFront) -> None:
    for path in ("/search?q=graph", "/search?q=ti:", "/try?query=graph", "/try?query=graph&part=1", "/try"):
        answer = front.get(path)
        assert answer.headers["Cache-Control"] == "no-store", path
        if "part" not in path:
            assert '<meta name="robots" content="noindex">' in answer.text, path
    assert front.get("/search").cache_control.public
    assert "noindex" not in front.get("/search").text


def test_words_of_readers_are_not_in_the_log(front: WebFront, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for query in ("xylophone", 'ti:"xylophone" AND', "xylophone:x", "all:xylophone*", "xylophone\x00\ud7ff'\";--"):
        for path in ("/search?q=", "/try?query=", "/try?part=1&query=", "/feeds/search.atom?q="):
            front.get(path + quote(query))
        front.client.post("/try", data={"queries": query})
    assert len(caplog.messages) >= 25
    assert "xylophone" not in caplog.text.lower()


def test_visitors_ask_nothing_of_arxiv(tmp_path: Path) -> None:
    with ArxivStandIn(FixedAnswers({})) as arxiv, web_front(tmp_path, arxiv={"api_url": arxiv.url}) as front:
        front.bring_out(make_paper(1))
        for path in ("/search?q=graph", "/try?query=au:nobody", "/feeds/search.atom?q=graph"):
            front.page(path)
        assert not arxiv.requests


def test_what_only_readers_asked_for_is_found_by_nobody(front: WebFront) -> None:
    held = [told.paper.title for told in front.app.storage.editions.of(day())]
    assert "A Secret of Graphs" in held
    for path in ("/search?q=secret", "/try?query=ti:secret", "/feeds/search.atom?q=secret", "/search?q=cat:cs.*"):
        assert "A Secret" not in front.page(path), path


def test_a_search_that_takes_too_long_says_so(tmp_path: Path) -> None:
    seconds = iter(range(0, 100_000, 3))
    with web_front(tmp_path, outside={"monotonic": lambda: float(next(seconds))}) as front:
        front.bring_out(make_paper(1))
        assert "Looking took too long" in search(front, "graph")
        assert "Looking took too long" in front.page("/try?query=graph")
        assert front.get("/feeds/search.atom?q=graph").status_code == 503


def test_while_papers_wait_to_be_taken_up_it_says_so(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1), make_paper(2))
        assert "taken up" not in search(front, "graph")
        with front.app.storage.write():
            front.app.storage.database.execute("DELETE FROM searchable WHERE place = 2")
        html = search(front, "graph")
        assert "Not all papers have been taken up in the search yet" in html
        assert len(titles(html)) == 1


def test_it_speaks_the_language_that_was_asked_for(front: WebFront) -> None:
    page = tree(front.page("/search?q=graph&language=de"))
    assert page.get("lang") == "de"
    links = page.xpath("//main//a[starts-with(@href, '/')]/@href")
    assert links
    assert all("language=de" in link for link in links)


@given(
    st.text(max_size=200),
    st.sampled_from(("/search?q=", "/try?query=", "/try?part=1&queries=", "/feeds/search.atom?q=")),
)
def test_no_text_breaks_a_page(front: WebFront, text: str, path: str) -> None:
    answer = front.get(path + quote(text, safe="", errors="replace"))
    assert answer.status_code in (200, 400)
    assert "<script>" not in answer.text


@pytest.mark.parametrize("query", ["%ff%fe", "%00", "%ED%A0%80", "'; DROP TABLE papers; --", '" OR 1=1', "a%20NEAR(b)"])
def test_odd_bytes_and_commands_are_text(front: WebFront, query: str) -> None:
    for path in ("/search?q=", "/try?query=", "/feeds/search.atom?q="):
        assert front.get(path + query).status_code in (200, 400)
    assert len(titles(search(front, "graph"))) == 20


# ---------------------------------------------------------------- trying


def test_what_a_query_would_have_found_in_thirty_days(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1, "Old Graph Neural Networks"))
        for number in range(2, 10):
            front.pass_days(4)
            front.bring_out(replace(make_paper(number, f"Graph Neural Networks {number}"), updated=front.time.now))
        said = words(front.page("/try?query=ti:graph"))
        assert "It finds 8 of the papers announced here in the last 30 days." in said
        assert "The newest of them:" in said
        found = tree(front.page("/try?query=ti:graph")).xpath("//li[@class='line']/a")
        assert [link.text_content() for link in found] == [f"Graph Neural Networks {n}" for n in (9, 8, 7, 6, 5)]
        assert found[0].get("href") == "https://arxiv.org/abs/0001.00009v1"
        assert "It finds none of the papers announced here in the last 30 days." in front.page("/try?query=ti:old")
        assert "Only what was announced under our topics was looked through." in front.page("/try?query=ti:old")
        front.pass_days(40)
        assert "Nothing was announced here in the last 30 days" in front.page("/try?query=ti:graph")


def test_the_part_is_what_stands_in_the_page(front: WebFront) -> None:
    part = front.page("/try?query=moths&part=1")
    assert "<html" not in part
    assert " ".join(tree(part).text_content().split()) in words(front.page("/try?query=moths"))
    assert front.client.post("/try", data={"query": "moths", "part": "1"}).text == part
    assert front.page("/try?part=1").strip() == ""


def test_half_a_query_is_told_what_it_lacks(front: WebFront) -> None:
    for path, status in (("/try?part=1&query=", 200), ("/try?query=", 400)):
        html = front.page(path + quote(BAD), status)
        assert "This is no query: at character 12" in " ".join(tree(html).text_content().split())
        assert "<script>" not in html


def test_the_queries_of_a_form_are_tried_together(front: WebFront) -> None:
    sent = {"queries": "ti:moths\r\n\r\n  au:nobody \nti:\nti:moths", "email": "reader@example.org"}
    answer = front.client.post("/try", data=sent)
    assert answer.status_code == 400
    page = tree(answer.text)
    assert [code.text for code in page.xpath("//p[@class='query ways']/code")] == ["ti:moths", "au:nobody", "ti:"]
    remarks = [remark.text_content() for remark in page.find_class("remark")]
    assert [text.split()[:3] for text in remarks] == [
        ["It", "finds", "20"],
        ["It", "finds", "none"],
        ["This", "is", "no"],
    ]
    assert "reader@example.org" not in answer.text
    many = front.client.post("/try", data={"queries": "\n".join(f"w{number}" for number in range(50))})
    assert len(tree(many.text).find_class("remark")) == 5


def test_a_page_to_try_leads_to_a_subscription(front: WebFront) -> None:
    assert not tree(front.page("/try")).find_class("remark")
    (link,) = tree(front.page("/try?query=ti%3A%22a+%26b%22")).xpath(
        "//main//a[starts-with(@href, '/subscribe')]/@href"
    )
    assert parse_qs(urlsplit(link).query) == {"query": ['ti:"a &b"']}


# ---------------------------------------------------------------- in a browser


def test_the_script_is_a_file_of_ours_that_may_be_kept(front: WebFront) -> None:
    answer = front.get("/live.js")
    assert answer.content_type == "text/javascript; charset=utf-8"
    assert answer.cache_control.public
    assert front.get("/live.js", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    (script,) = tree(front.page("/try")).iter("script")
    assert script.get("src") == "/live.js"
    assert script.text is None


in_a_browser = pytest.mark.skipif(bool(missing()) or not CHROMIUM, reason=missing() or "there is no Chromium")


@in_a_browser
def test_while_one_types_it_shows_what_is_found(front: WebFront) -> None:
    texts = ["ti:moths", "au:nobody", 'ti:"<img src=x onerror=alert(1)>"', "ti:moths AND"]
    with served(front) as address:
        program = [str(NODE), str(FOLDER / "typing.mjs"), str(CHROMIUM), f"{address}/try", "#query", *texts]
        done = subprocess.run(program, cwd=FOLDER, capture_output=True, text=True, timeout=120, check=True)
    answers = json.loads(done.stdout)
    assert [answer["said"] for answer in answers] == [
        "It finds 20 of the papers announced here in the last 30 days.",
        "It finds none of the papers announced here in the last 30 days.",
        "It finds none of the papers announced here in the last 30 days.",
        "This is no query: at character 13: expected a word, a phrase, a field or (",
    ]
    assert [len(tree(answer["shown"]).find_class("line")) for answer in answers] == [5, 0, 0, 0]
    assert [answer["requests"] for answer in answers] == [["POST /try"]] * 4
    assert [answer["errors"] for answer in answers] == [[]] * 4


SHOWN = {
    "form": "/search",
    "results": "/search?q=cat:cs.*&page=2",
    "no query": f"/search?q={quote(BAD)}",
    "tried": "/try?query=moths",
    "tried several": "/try?queries=moths%0Aau:nobody%0Ati:",
}


@in_a_browser
def test_pages_are_valid_and_accessible(front: WebFront) -> None:
    pages = {name: standalone(front, path) for name, path in SHOWN.items()}
    pages = {name: re.sub(r'<script src="[^"]*" defer></script>', "", html) for name, html in pages.items()}
    for name, answer in ask(pages).items():
        assert [message for message in answer.validity if "style" not in json.dumps(message)] == [], name
        for way, sight in answer.sights.items():
            # Contrast as WCAG's AA has it; AAA is for more than we promise.
            assert [one for one in sight["wrong"] if one["rule"] != "color-contrast-enhanced"] == [], (name, way)
            assert sight["width"] <= sight["window"], (name, way)
