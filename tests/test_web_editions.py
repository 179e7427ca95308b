"""Editions, dates and topics on the web: what anybody may read, and nothing of what is one reader's own."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from house import START, bring, day, make_paper, subscribe
from markup import tree
from webfront import BASE_URL, WebFront, tell_of_two_weeks, web_front

from newsletter.model import Remark, RemarkKind
from newsletter.settling import settle
from newsletter.web.editions import LONGEST_SPAN

LAST = day(14)  # of the two weeks


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front")) as made:
        tell_of_two_weeks(made)
        yield made


def headings(html: str, level: str) -> list[str]:
    return [" ".join(element.text_content().split()) for element in tree(html).iter(level)]


def links(html: str) -> list[str]:
    return [element.get("href") for element in tree(html).iter("a")]


# ---------------------------------------------------------------- an edition


def test_an_edition_as_who_takes_all_topics_reads_it(front: WebFront) -> None:
    html = front.page(f"/editions/{day()}")
    assert headings(html, "h1") == ["Tuesday, 6 January 2026"]
    assert "3 new in 2 topics" in html
    assert [heading.replace("\u200e", "") for heading in headings(html, "h2")] == [
        "Graph Neural Networks · 2 new",
        "Moths & Lamps · 2 new",
    ]
    assert headings(html, "h3") == [
        "On Graph Neural Networks, Part 0",
        "Moths in Graph Neural Networks, Part 0",
        "Moths <script>alert(0)</script> & ℓ₁",
    ]
    assert "https://arxiv.org/abs/0001.00001v1" in links(html)
    assert "https://arxiv.org/pdf/0001.00001v1" in links(html)
    assert "https://github.com/example/graphs" in links(html)
    assert "<script" not in html


def test_a_paper_under_two_topics_stands_in_full_once(front: WebFront) -> None:
    page = tree(front.page(f"/editions/{day()}"))
    cards = [card for card in page.iter("article") if "Moths in Graph" in card.text_content()]
    assert len(cards) == 1
    assert "Why: Graph Neural Networks (“Graph Neural Networks”), Moths & Lamps (“Moths”, “lamp”)" in " ".join(
        cards[0].text_content().split()
    )
    (line,) = page.xpath("//section//p[@class='line']/a")
    assert line.get("href") == f"#{cards[0].get('id')}"
    assert page.get_element_by_id(line.get("href")[1:]) is cards[0]


def test_the_contents_lead_to_the_sections(front: WebFront) -> None:
    page = tree(front.page(f"/editions/{day()}"))
    entries = page.xpath("//nav[@class='contents']//a")
    assert [entry.text for entry in entries] == ["Graph Neural Networks", "Moths & Lamps"]
    for entry in entries:
        assert page.get_element_by_id(entry.get("href")[1:]).tag == "section"


def test_what_a_reader_asked_for_is_told_to_nobody(front: WebFront) -> None:
    """The edition holds a paper that answers a query of their own, and no topic."""
    held = front.app.storage.editions.of(day())
    assert any(told.paper.title == "A Secret of Graphs" for told in held)
    personal = next(topic for topic in front.app.storage.topics.all() if topic.personal)
    for path in (f"/editions/{day()}", "/editions", "/", "/topics", "/status", "/metrics", f"/editions/{day()}/{LAST}"):
        assert "ecret" not in front.page(path), path
    assert "3 new in 2 topics" in front.page("/editions")
    assert front.get(f"/topics/{personal.id}").status_code == 404
    assert front.get(f"/topics/{personal.id}-ti-secret").status_code == 404


def test_an_edition_only_of_what_readers_asked_for_is_none(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        subscribe(front.app, "reader@example.org", queries=["ti:secret"])
        front.bring_out(make_paper(1, "A Secret"))
        assert front.app.storage.editions.newest() == day()
        assert "There is no edition" in front.page(f"/editions/{day()}", 404)
        assert front.get("/editions/today").status_code == 404
        assert "There is no edition yet" in front.page("/status")


def test_the_editions_beside_it(front: WebFront) -> None:
    page = tree(front.page(f"/editions/{day(3)}"))
    first, last = page.xpath("//nav[@class='turn']")
    assert [link.get("href") for link in first.iter("a")] == [f"/editions/{day(2)}", f"/editions/{day(6)}"]
    assert [link.get("rel") for link in last.iter("a")] == ["prev", "next"]
    assert first.get("aria-label") != last.get("aria-label")


def test_a_revision_says_what_changed(front: WebFront) -> None:
    html = " ".join(tree(front.page(f"/editions/{LAST}")).text_content().split())
    assert "Revised, version 2 · ICML 2026 · changed: abstract · comment: Accepted at ICML 2026" in html


def test_remarks_and_minor_versions(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1))
        front.pass_days()
        again = make_paper(1, version=7, comment="Typos")
        front.bring_out(again, remarks=(Remark(RemarkKind.LATE, since=day()), Remark(RemarkKind.PARTIAL, topics=(2,))))
        page = tree(front.page(f"/editions/{day(1)}"))
        assert [remark.text for remark in page.find_class("remark")] == [
            "What was announced since 6 Jan 2026 is in here too: it could not be had before.",
            "arXiv could not be asked in full for Moths & Lamps; what is missing follows in a later edition.",
        ]
        assert not list(page.iter("article"))
        assert "Revised, version 7" in page.find_class("line")[0].text_content()


def test_the_newest_is_today(front: WebFront) -> None:
    html = front.page("/editions/today")
    assert headings(html, "h1") == ["Tuesday, 20 January 2026"]
    assert f'<link rel="canonical" href="{BASE_URL}/editions/{LAST}">' in html


# ---------------------------------------------------------------- several


def test_a_week_at_once(front: WebFront) -> None:
    html = front.page(f"/editions/{day()}/{day(6)}")
    assert headings(html, "h1") == ["Tuesday, 6 January 2026 – Monday, 12 January 2026"]
    assert "15 new in 2 topics" in html
    assert {f"/editions/{day(number)}" for number in (0, 1, 2, 3, 6)} <= set(links(html))
    assert headings(html, "h3")[0] == "On Graph Neural Networks, Part 60"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/editions/2026-01-10", "arXiv announces nothing on Friday and Saturday evenings"),
        ("/editions/2025-12-31", "had not begun yet"),
        ("/editions/2026-02-01", "still to come"),
        ("/editions/2026-01-10/2026-01-11", "There is no edition"),
        ("/editions/2026-01-20/2026-01-06", "The earlier date comes first"),
        ("/editions/2026-01-01/2026-06-06", f"{LONGEST_SPAN} days at most"),
    ],
)
def test_where_there_is_none_it_says_why(front: WebFront, path: str, said: str) -> None:
    assert said in front.page(path, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/editions/2026-02-30", "/editions/2026-1-6", "/editions/tomorrow", "/editions/20260106", "/editions/0",
        "/editions/٢٠٢٦-٠١-٠٦", "/editions/2026-01-06x", "/editions/2026-W02-2", "/editions/2026-01-06/",
        "/editions/2026-01-06/x", "/editions/2026-01-06/2026-01-06/2026-01-06", "/editions/%00",
        "/editions/..%2f..%2fetc%2fpasswd", "/editions/../config.toml", "/..%5cconfig.toml",
        "/style.css/../../config.toml", "/%2e%2e/%2e%2e/etc/passwd",
    ],
)  # fmt: skip
def test_what_is_no_date_is_nowhere(front: WebFront, path: str) -> None:
    html = front.page(path, 200 if path.endswith("06/") else 404)
    assert "root:" not in html


@pytest.mark.parametrize("path", ["/editions/0001-01-01", "/editions/9999-12-31", "/editions/9999-12-01/9999-12-31"])
def test_the_ends_of_time(front: WebFront, path: str) -> None:
    assert front.get(path).status_code == 404


# ---------------------------------------------------------------- the list


def test_the_list_of_dates(front: WebFront) -> None:
    page = tree(front.page("/editions"))
    assert [heading.text for heading in page.iter("h2")] == ["January 2026"]
    rows = [" ".join(row.text_content().split()) for row in page.xpath("//ul[@class='days']/li")]
    assert rows[:2] == ["Tue 20 Jan 1 revised in 1 topic", "Mon 19 Jan 3 new in 2 topics"]
    assert len(rows) == 15
    assert [row for row in rows if row.endswith("weekend")] == [
        "Sun 18 Jan weekend", "Sat 17 Jan weekend", "Sun 11 Jan weekend", "Sat 10 Jan weekend",
    ]  # fmt: skip
    assert rows[-1] == "Tue 6 Jan 3 new in 2 topics"


def test_years(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1))
        front.pass_days(700)
        html = front.page("/editions")
        assert {"/editions?year=2027", "/editions?year=2026"} <= set(links(html))
        assert "January 2026" not in html
        assert "6 Jan</a>" in front.page("/editions?year=2026")
        assert "6 Jan</a>" not in front.page("/editions?year=2027")
        for wrong in ("2025", "2028", "0000"):
            assert front.get(f"/editions?year={wrong}").status_code == 404
        assert headings(front.page("/editions?year=x"), "h2") == headings(html, "h2")


def test_before_the_first_edition(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        for path in ("/", "/editions", "/topics", "/topics/1", "/status"):
            front.page(path)
        assert "There is no edition" in front.page("/editions/today", 404)
        assert "has not come out yet" in front.page(f"/editions/{day()}", 404)
        assert "had not begun yet" in front.page(f"/editions/{day(-1)}", 404)


# ---------------------------------------------------------------- topics


def test_topics(front: WebFront) -> None:
    html = front.page("/topics")
    assert {"/topics/1-graph-neural-networks", "/topics/2-moths-lamps"} <= set(links(html))
    assert "<code>ti:moths AND abs:lamp</code>" in html
    feeds = re.findall(r'<link rel="alternate" type="application/atom\+xml" href="([^"]*)"', html)
    assert feeds == ["/feeds/editions.atom", "/feeds/topics/1.atom", "/feeds/topics/2.atom"]


def test_one_topic(front: WebFront) -> None:
    html = front.page("/topics/2-moths-lamps")
    assert headings(html, "h1") == ["Moths & Lamps"]
    assert headings(html, "h2")[0] == "Monday, 19 January 2026 · 2 new"
    assert len(headings(html, "h2")) == 10
    assert "On Graph Neural Networks" not in html
    assert f'<link rel="canonical" href="{BASE_URL}/topics/2-moths-lamps">' in html


@pytest.mark.parametrize("name", ["2", "2-", "2-moths", "2-something-else", "2-moths-lamps-"])
def test_its_number_is_enough(front: WebFront, name: str) -> None:
    answer = front.get(f"/topics/{name}")
    assert answer.status_code == 200
    assert "/topics/2-moths-lamps" in answer.text


@pytest.mark.parametrize("name", ["0", "3", "77-x", "x", "-1", "2x", "99999999999999999999", "%D9%A1"])
def test_no_such_topic(front: WebFront, name: str) -> None:
    assert "There is no such topic" in front.page(f"/topics/{name}", 404)


def test_older_papers_of_a_topic(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        for number in range(12):
            front.bring_out(make_paper(number, f"Part {number} of Graph Neural Networks", updated=front.time.now))
            front.pass_days()
        html = front.page("/topics/1")
        assert [f"Part {number} " in html for number in range(12)] == [False] * 2 + [True] * 10
        (older,) = tree(html).xpath("//nav[@class='turn']//a")
        html = front.page(older.get("href"))
        assert [f"Part {number} " in html for number in range(12)] == [True] * 2 + [False] * 10
        assert "/topics/1-graph-neural-networks" in links(html)
        assert "Earlier papers" not in html
        assert "before 1 Jan 2020" in front.page("/topics/1?before=2020-01-01")


def test_a_topic_that_sleeps_keeps_its_pages(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1), make_paper(2, "Moths", abstract="A lamp."))
        front.app.storage.topics.follow([("Graph Neural Networks", "ti:graph")])
        assert "not followed any more" in front.page("/topics/2")
        assert "Moths" in front.page(f"/editions/{day()}")
        assert headings(front.page("/topics"), "h2") == ["Not followed any more"]
        assert "Lamps" not in front.page("/")


# ---------------------------------------------------------------- the first page


def test_the_first_page(front: WebFront) -> None:
    html = front.page("/")
    assert headings(html, "h1") == ["Daily Papers"]
    assert "Today’s edition is out. The next edition is expected on Wednesday, 21 January 2026 at 07:00 (UTC)." in html
    expected = {"/editions", "/search", "/subscribe", "/feeds/editions.atom", "/topics/1-graph-neural-networks"}
    assert expected | {f"/editions/{LAST}", "/status", "/p"} <= set(links(html))


def test_many_papers_are_told_in_less(tmp_path: Path) -> None:
    with web_front(tmp_path, digest={"backlog": 2000}) as front:
        bring(front.app, *(make_paper(number, abstract=f"Abstract {number}.") for number in range(1, 351)))
        settle(front.app, front.app.today())
        html = front.page(f"/editions/{day()}")
        assert html.count("<article") == 350
        assert html.count('<p class="abstract"') == 300


def test_dates_are_those_of_the_newsletter(tmp_path: Path) -> None:
    """On the last evening of the year in Berlin it is New Year already in Auckland."""
    with web_front(tmp_path, newsletter={"timezone": "Pacific/Auckland"}) as front:
        front.time.now = START.replace(month=12, day=31, hour=12)
        front.bring_out(make_paper(1, submitted=START, updated=START))
        assert date(2027, 1, 1) - timedelta() == front.app.storage.editions.newest()
        assert "Friday, 1 January 2027" in front.page("/editions/2027-01-01")
