"""No script comes into a page, a feed or a mail by any field, whoever wrote what stands in it.

Pages are parsed and held to what may stand in one; that the text is shown there proves that it came so far.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import attacks
import lxml.etree
import markup
import pytest
from attacks import SCRIPTS, ask, bring_out_hostile, last_letter, post, ripe, say_yes, skeleton, strangers, token
from house import day, subscribe
from hypothesis import given, settings
from hypothesis import strategies as st
from markup import tree
from webfront import WebFront, web_front

from newsletter.joining import handle_requests
from newsletter.preview import preview

NAME = SCRIPTS[2]
TOPICS = [{"name": text.replace(";", ","), "query": "graph neural networks"} for text in SCRIPTS]
READER = "<reader>@example.org"
#: Local parts are shown, and may hold much of what markup is made of.
ADDRESSES = ("'onload='x'@example.org", "{{7*7}}@example.org", "`&amp`@example.org", "x=onload@example.org")
OURS = {"name": NAME, "postal_address": SCRIPTS[1], "sender": '"<x-evil>" <papers@example.org>'}
ATOM = "{http://www.w3.org/2005/Atom}"

lines = st.text(max_size=60) | st.lists(st.sampled_from(SCRIPTS) | st.text(max_size=5), max_size=4).map("".join)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front"), topics=TOPICS, newsletter=OURS) as made:
        subscribe(made.app, *ADDRESSES, queries=[f'ti:"{text}"' for text in SCRIPTS if '"' not in text])
        bring_out_hostile(made)
        yield made


def shown(html: str) -> str:
    """The text of a page, with what stands in its fields."""
    found = tree(html)
    return "\n".join([found.text_content(), *found.xpath("//@value"), *found.xpath("//@title")])


PAGES = (
    "/", "/editions", "/editions/today", f"/editions/{day()}", f"/editions/{day()}/{day(1)}", "/topics", "/topics/1",
    "/topics/3-x", "/status", "/search", "/subscribe", "/p", "/nowhere",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["en", "de"])
def test_pages_of_hostile_papers_and_names(front: WebFront, path: str, language: str) -> None:
    html = front.get(f"{path}?language={language}").text
    assert list(strangers(html)) == []
    assert NAME in shown(html)


def test_papers_are_shown_as_they_are_written(front: WebFront) -> None:
    """Which shows that what the pages were asked for stands in them."""
    edition, topics = shown(front.page(f"/editions/{day()}")), shown(front.page("/topics"))
    for text in SCRIPTS[:7]:
        assert edition.count(text) > 3
        assert text.replace(";", ",") in topics
    assert "https://github.com/evil/" in front.page(f"/editions/{day()}")


@pytest.mark.parametrize(
    "path",
    ["/search?q={}", "/search?page={}&q=graph", "/search?q=ti:{}", "/search?q=({}", "/search?language={}&q=graph",
     "/try?query={}", "/try?part=1&query={}", "/subscribe?query={}", "/subscribe?topic={}", "/subscribe?{}=x",
     "/editions?year={}", "/editions?language={}", "/topics/1?before={}"],
)  # fmt: skip
def test_what_is_asked_for_is_no_markup(front: WebFront, path: str) -> None:
    for text in SCRIPTS:
        assert list(strangers(front.get(path.format(quote(text, safe=""))).text)) == []


@pytest.mark.parametrize(
    "path",
    ["/{}", "/editions/{}", "/editions/{}/{}", "/topics/{}", "/topics/1-{}", "/c/{}", "/p/{}", "/p/{}/export", "/u/{}",
     "/m/{}", "/r/{}", "/feeds/topics/{}.atom"],
)  # fmt: skip
def test_paths_are_no_markup(front: WebFront, path: str) -> None:
    for text in SCRIPTS:
        assert list(strangers(front.get(path.replace("{}", quote(text, safe=""))).text)) == []


FIELDS = (
    "email",
    "queries",
    "topic",
    "which",
    "frequency",
    "hour",
    "zone",
    "language",
    "until",
    "opened",
    "do",
    "subject",
)


@pytest.mark.parametrize("text", SCRIPTS)
def test_forms_that_come_back(front: WebFront, text: str) -> None:
    reader = token(front, "manage", 1)
    for path in ("/subscribe", "/p", f"/p/{reader}", "/try"):
        for do in ("save", "pause", "move", "join", text):
            sent = dict.fromkeys(FIELDS[:-1], text) | {"do": do}
            answer = post(front, path, **sent)
            assert list(strangers(answer.text)) == []
    assert text.strip() in shown(post(front, "/subscribe", email=text).text)


@given(lines)
@settings(max_examples=60)
def test_a_search_has_one_form_whatever_is_asked(front: WebFront, text: str) -> None:
    """The page of a query that finds nothing differs from another such page in its texts alone."""
    asked = f'ti:"zyx {text.translate(_NOT_IN_A_PHRASE)}"'
    html = front.page(f"/search?{urlencode({'q': asked})}")
    assert "No paper was found" in html
    assert skeleton(html) == skeleton(front.page("/search?q=ti%3A%22zyx%22"))
    assert list(strangers(html)) == []


_NOT_IN_A_PHRASE = str.maketrans("", "", '"“”*?')


@given(lines, lines)
@settings(max_examples=40)
def test_a_form_has_one_form_whatever_was_typed(front: WebFront, email: str, topic: str) -> None:
    answer = post(front, "/subscribe", email=f"{email} ", topic=topic, which="some")
    assert answer.status_code == 422
    assert list(strangers(answer.text)) == []
    assert skeleton(answer.text) == skeleton(post(front, "/subscribe", email="x ", which="some").text)


# ---------------------------------------------------------------- pages of a reader's own


@pytest.mark.parametrize("text", [text for text in SCRIPTS if '"' not in text])
def test_queries_of_ones_own(tmp_path: Path, text: str) -> None:
    query = f'ti:"{text} x"'
    with web_front(tmp_path) as front:
        assert ask(front, "ann@example.org", which="some", queries=query).status_code == 200
        letter = last_letter(front)
        offer = front.page(letter.link)
        joined = say_yes(front, letter).text
        reader = token(front, "manage", 1)
        preferences = front.page(f"/p/{reader}")
        for html in (offer, joined, preferences, front.page(f"/p/{reader}/erase")):
            assert list(strangers(html)) == []
        for html in (offer, preferences):
            assert query in shown(html)
        export = front.get(f"/p/{reader}/export")
        assert json.loads(export.text)["subscriber"]["queries"] == [query]


@pytest.mark.parametrize("email", ADDRESSES)
def test_addresses(tmp_path: Path, email: str) -> None:
    with web_front(tmp_path) as front:
        subscribe(front.app, email)
        reader = token(front, "manage", 1)
        assert post(front, f"/p/{reader}", do="move", email=f"b{email}").status_code == 200
        handle_requests(front.app)
        moving = last_letter(front)
        for html in (front.page(f"/p/{reader}"), front.page(f"/p/{reader}/erase"), front.page(moving.link)):
            assert list(strangers(html)) == []
            assert email in shown(html)
        moved = post(front, moving.link)
        assert list(strangers(moved.text)) == []
        assert f"b{email}" in shown(moved.text)


def test_an_address_that_is_refused_is_text(front: WebFront) -> None:
    answer = post(front, "/p", email=READER, opened=ripe(front))
    assert answer.status_code == 422
    assert READER in shown(answer.text)
    assert list(strangers(answer.text)) == []


# ---------------------------------------------------------------- mails


def test_a_digest_of_hostile_papers_and_queries(front: WebFront) -> None:
    mail = preview(front.app, ADDRESSES[0], None)
    html = mail.html.decode()
    assert [*markup.strangers(html), *markup.comments(html), *markup.remote(html)] == []
    text = tree(html).text_content()
    for evil in SCRIPTS[:7]:
        assert evil in text
    assert NAME in text


# ---------------------------------------------------------------- what is no page


def test_feeds_hold_text_alone(front: WebFront) -> None:
    searches = [f"/feeds/search.atom?{urlencode({'q': f'ti:{chr(34)}{text}{chr(34)}'})}" for text in SCRIPTS[:2]]
    for path in ("/feeds/editions.atom", "/feeds/topics/1.atom", "/feeds/topics/3.atom", *searches):
        answer = front.get(path)
        assert answer.content_type == "application/atom+xml; charset=utf-8"
        root = lxml.etree.fromstring(answer.data)
        for node in root.iter():
            assert isinstance(node.tag, str)
            assert node.tag.startswith(ATOM)
            assert set(node.attrib) <= {"rel", "type", "href", "term", "{http://www.w3.org/XML/1998/namespace}lang"}
            assert node.get("type") in (None, "text/html", "application/atom+xml")  # of titles and summaries: text
            href = node.get("href")
            assert href is None or href.startswith(("https://papers.example.org/", "https://arxiv.org/abs/"))
    assert SCRIPTS[0] in (
        lxml.etree.fromstring(front.get("/feeds/topics/1.atom").data).findtext(f".//{ATOM}title") or ""
    )


def test_json_is_no_page(front: WebFront) -> None:
    for path in ("/health", f"/p/{token(front, 'manage', 1)}/export"):
        answer = front.get(path)
        assert answer.content_type.startswith("application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        json.loads(answer.text)


def test_numbers_for_prometheus_hold_nothing_that_was_asked_for(front: WebFront) -> None:
    front.get("/" + quote(SCRIPTS[0]))
    front.client.open("/", method="<X-EVIL>")
    answer = front.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    assert "evil" not in answer.text.casefold()


def test_the_script_makes_no_markup_of_text() -> None:
    """It takes over what the server made, parsed as a document of its own in which no script runs."""
    script = (Path(attacks.__file__).parents[1] / "templates" / "web" / "live.js").read_text()
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        'setAttribute("on',
    ):
        assert way not in script
