"""What is typed is a value and never SQL, a pattern or FTS5's language, by whatever door it comes."""

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from attacks import FTS5, SQL, ask, join, last_letter, post, say_yes, token, whole_database
from click.testing import CliRunner
from house import make_paper, subscribe
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markup import tree
from webfront import WebFront, web_front

from newsletter.cli import newsletter
from newsletter.csvfile import csv_line
from newsletter.errors import QueryError
from newsletter.model import Status, Suppression
from newsletter.query import normal_form, parse, tidy
from newsletter.subscriptions import Outcome

ALL = (*SQL, *FTS5)
FIELDS = (
    "email",
    "queries",
    "query",
    "topic",
    "which",
    "frequency",
    "hour",
    "zone",
    "until",
    "opened",
    "shown",
    "part",
)
READERS = ("ann@example.org", "bob@example.org", "a_b@example.org", "axb@example.org")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front")) as made:
        subscribe(made.app, *READERS, queries=["ti:secret"])
        made.bring_out(
            make_paper(1, "On Graph Neural Networks", authors=("Ada Graph",), report_no="AB-1"),
            make_paper(2, "On Graph Neural Networks, Neural", authors=("Bea Neural",), report_no="CD-2"),
        )
        while made.app.storage.search.follow():
            pass
        yield made


def of_others(front: WebFront) -> list[str]:
    """All that is stored, but for what was asked for."""
    return [line for line in whole_database(front) if not line.startswith('INSERT INTO "requests"')]


# ---------------------------------------------------------------- by the web


def test_whatever_is_posted_touches_nothing(front: WebFront) -> None:
    before, reader = of_others(front), token(front, "manage", 1)
    for text in ALL:
        for path in ("/subscribe", "/p", "/try", f"/p/{text.replace('/', '')}", "/c/x", "/u/x", "/m/x", "/r/x"):
            answer = post(front, path, do="save", **dict.fromkeys(FIELDS, text))
            assert answer.status_code < 500, (path, text)
        answer = post(front, f"/p/{reader}", do=text, **dict.fromkeys(FIELDS, text))
        assert answer.status_code == 400
    assert of_others(front) == before


def test_whatever_is_asked_for_touches_nothing(front: WebFront) -> None:
    before = whole_database(front)
    places = ("/search?q={}", "/search?q=ti:{}", "/search?page={}&q=graph", "/feeds/search.atom?q={}", "/try?query={}",
              "/editions?year={}", "/topics/1?before={}", "/topics/{}", "/editions/{}", "/editions/{}/{}", "/u/{}",
              "/c/{}", "/p/{}", "/m/{}", "/r/{}", "/feeds/topics/{}.atom", "/subscribe?topic={}")  # fmt: skip
    for text in ALL:
        for place in places:
            assert front.get(place.replace("{}", quote(text, safe=""))).status_code < 500, (place, text)
    assert whole_database(front) == before


def test_queries_are_kept_as_they_are(tmp_path: Path) -> None:
    texts = [text.translate(str.maketrans("", "", '*?"')) for text in ALL]
    queries = [f'ti:"{text} {number}"' for number, text in enumerate(texts)]
    with web_front(tmp_path) as front:
        for number in range(0, len(queries), 5):
            some = queries[number : number + 5]
            reader = join(front, f"reader{number}@example.org", which="some", queries="\n".join(some))
            kept = front.app.subscriptions.find(reader)
            assert kept is not None
            assert set(kept.queries) == set(some)


#: What was one word until the signs that nobody sees were left out, and what became an operator by that.
UNSEEN = (
    "ti:a{}b",
    "ti:{}a",
    "ti:a{}",
    "ti:{}]a b",
    "a AN{}D b",
    'ti:"a{}b" O{}R ti:c',
    "ti:a A{}ND ti:b",
    "c{}at:cs.LG",
    "{}",
)


@pytest.mark.parametrize(
    "sign", ["\0", "\a", "\x1b", "\x1c", "\x7f", "\x85", "\x9b", "\u200e", "\u202e", "\u2066", "\u2028"]
)
def test_no_query_of_a_reader_keeps_the_edition_from_coming_out(tmp_path: Path, sign: str) -> None:
    """One that is kept in another form than it was read in might not parse; everybody's edition needs it parsed."""
    with web_front(tmp_path) as front:
        queries = [form.replace("{}", sign) for form in UNSEEN]
        for number, query in enumerate(queries):
            if ask(front, f"web{number}@example.org", which="some", queries=query).status_code == 200:
                assert say_yes(front, last_letter(front)).status_code == 200
            with suppress(QueryError):
                subscribe(front.app, f"cli{number}@example.org", queries=[query])
        file = io.StringIO(csv_line(["email", "queries"]) + csv_line(["csv@example.org", queries[0]]), newline="")
        today, now = front.app.today(), front.app.now()
        assert list(front.app.subscriptions.import_csv(file, confirmed=True, today=today, now=now))
        kept = front.app.storage.database.rows("SELECT query, normal FROM topics WHERE personal = 1")
        assert kept
        for query, normal in kept:
            assert query == tidy(query)
            assert normal == normal_form(parse(query))
        front.bring_out(make_paper(1))
        assert front.app.storage.editions.newest() == front.app.today()


# ---------------------------------------------------------------- the search


def titles(front: WebFront, query: str) -> list[str]:
    """The titles that a search finds."""
    html = front.page(f"/search?{urlencode({'q': query})}")
    return [" ".join(found.text_content().split()) for found in tree(html).xpath("//h3")]


ONE, OTHER = "On Graph Neural Networks", "On Graph Neural Networks, Neural"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('ti:"graph neural"', [OTHER, ONE]),
        ('ti:"networks neural"', [OTHER]),
        ('au:"Neural B"', [OTHER]),
        ('rn:"CD-2"', [OTHER]),
        # What would find more, were it FTS5's language.
        ('ti:"zebra OR graph"', []),
        ('ti:"graph NOT zebra"', []),
        ('ti:"graph AND neural"', []),
        ('ti:"NEAR(graph neural, 9)"', []),
        ('ti:"zebra) OR (title : graph"', []),
        ('ti:"{title abstract} : graph"', []),
        ('ti:"- abstract : graph"', []),
        ('ti:"^on"', [OTHER, ONE]),  # signs are nothing
        ('ti:"networks + neural"', [OTHER]),
        ('ti:"rowid : 1"', []),
        ('au:"zebra OR authors : graph"', []),
        ('au:"Zebra) OR (Ada"', []),
        ('rn:"zebra OR report_no : AB"', []),
        ('all:"zebra OR graph"', []),
        ('all:"zebra) OR (report_no : AB"', []),
        ('abs:"search_texts"', []),
    ],
)  # fmt: skip
def test_a_phrase_is_no_expression(front: WebFront, query: str, found: list[str]) -> None:
    assert titles(front, query) == found


@given(st.text(max_size=40) | st.lists(st.sampled_from((*ALL, "ti:", '"', " OR ", "(", ")")), max_size=5).map("".join))
@settings(max_examples=150)
@example('ti:"\0"')
@example("cat:*")
@example("cat:cs.*")
@example("id:2502.18863v999999999999999999999999")
def test_a_search_answers_or_refuses(front: WebFront, text: str) -> None:
    for path in ("/search", "/feeds/search.atom", "/try"):
        answer = front.get(f"{path}?{urlencode({'q': text, 'query': text})}")
        assert answer.status_code in (200, 400)


# ---------------------------------------------------------------- patterns, and the command line


PATTERNS = ("a_b@example.org", "%@example.org", "*@example.org", "?@example.org")


def held(front: WebFront) -> list[tuple[str, Status, Suppression | None]]:
    return [(one.email, one.status, one.suppressed) for one in front.app.storage.subscribers.all()]


@given(
    st.text(st.characters(codec="utf-8"), max_size=30)
    | st.sampled_from(("%", "*", "%@example.org", "*@example.org", "a?b@example.org", "[a-z]*@example.org", *ALL))
)
def test_who_is_named_is_nobody_else(front: WebFront, text: str) -> None:
    before, verbs = held(front), front.app.subscriptions
    today, now = front.app.today(), front.app.now()
    for who in (text, f"{text}@example.org"):
        found = verbs.find(who)
        assert found is None or found.email in READERS
        if found is None:
            verbs.unsubscribe(who, today=today, now=now)
            verbs.confirm(who, today=today, now=now)
            verbs.remove(who, now=now)
            verbs.erase(who, now=now)
            verbs.unsuppress(who, today=today)
    assert held(front) == before


def test_what_is_suppressed_is_nobody_else(front: WebFront) -> None:
    for email in PATTERNS:
        front.app.subscriptions.suppress(email, Suppression.MANUAL, now=front.app.now())
    suppressed = [email for email, _, suppression in held(front) if suppression]
    assert suppressed == ["a_b@example.org"]
    for number, email in enumerate(PATTERNS, 1):
        assert front.app.subscriptions.unsuppress(email, today=front.app.today()) is Outcome.DONE
        assert front.app.storage.subscribers.suppressed() == len(PATTERNS) - number


@pytest.mark.parametrize(
    "command",
    [
        ("show",),
        ("remove",),
        ("erase",),
        ("confirm",),
        ("pause",),
        ("resume",),
        ("unsuppress",),
        ("set", "--format", "text"),
    ],
)
def test_commands_name_one_or_nobody(front: WebFront, command: tuple[str, ...]) -> None:
    before = whole_database(front)
    for text in (*SQL, "%@example.org", "*@example.org"):
        arguments = ["--config", str(configured(front)), "subscribers", *command, "--", text]
        result = CliRunner().invoke(newsletter, arguments, standalone_mode=False)
        assert result.exit_code != 0
        assert not isinstance(result.exception, SystemExit | KeyError), result.output
    assert whole_database(front) == before


def configured(front: WebFront) -> Path:
    """A config.toml of this newsletter."""
    path = front.app.config.path
    path.write_text(
        '[newsletter]\nsender = "papers@example.org"\n'
        + "".join(f"[[topics]]\nname = '{name}'\nquery = '{query}'\n" for name, query in front.app.named_topics)
    )
    return path


def test_a_link_says_a_number_and_no_more(front: WebFront) -> None:
    """Whoever has our key could still name no more than a number."""
    before = whole_database(front)
    for number in (0, 99, 2**31, 2**63 - 1):
        for purpose, door in (("unsubscribe", "u"), ("manage", "p"), ("confirm", "c"), ("move", "m"), ("resume", "r")):
            assert post(front, f"/{door}/{token(front, purpose, number)}", do="leave").status_code in (200, 404)
    assert whole_database(front) == before
    assert ask(front, READERS[0], "/p").status_code == 200
    assert last_letter(front).template == "manage"
