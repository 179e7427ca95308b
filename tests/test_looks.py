"""How a reader's mail looks: brief or in full, with HTML or without, in which language, with a greeting at first."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from cProfile import Profile
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from house import Time, bring, day, make_app, make_paper, subscribe
from jinja2 import Environment
from mailing import BRAND, PREFERENCES, SAMPLE, decoded, links, mail, tree

from newsletter.app import App
from newsletter.digests import Digests
from newsletter.model import Detail, Digest, Format, Item, Kind, Look
from newsletter.preview import preview
from newsletter.preview.pages import Pages
from newsletter.rendering.cards import FRAME
from newsletter.rendering.digest import Assembler, Body, Brand
from newsletter.rendering.environment import make_environment
from newsletter.rendering.fitting import LIMIT
from newsletter.settling import settle
from newsletter.storage.deliveries import Claim

ADA, BEN, EVA = "ada@example.org", "ben@example.org", "eva@example.org"
WEB = {"base_url": "https://papers.example.org"}


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment()


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    with closing(make_app(tmp_path, time=time, newsletter=WEB)) as app:
        yield app


def claims(app: App) -> dict[str, Claim]:
    """What is to be sent, by address."""
    with app.storage.write():
        found, _ = app.storage.deliveries.claim(app.now(), 1_000)
    return {claim.delivery.email: claim for claim in found}


def sent(app: App, claim: Claim) -> EmailMessage:
    raw = app.compose(claim, Digests(app.storage))
    assert raw is not None
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n").rstrip("\n") + "\n"


def digest(app: App, email: str) -> Digest:
    """Of a reader who has nothing yet."""
    subscriber = app.storage.subscribers.find(email)
    assert subscriber is not None
    return Digests(app.storage).of(app.storage.readers.one(subscriber.id, None), app.today())


# ---------------------------------------------------------------- brief


def test_a_brief_mail_has_no_abstracts_but_all_papers(environment: Environment) -> None:
    full, brief = (mail(environment, SAMPLE, detail=detail) for detail in (Detail.FULL, Detail.BRIEF))
    assert len(brief.html) < len(full.html)
    page, text = tree(decoded(brief.html)), decoded(brief.text)
    assert not page.xpath("//td[@class='card']") + page.xpath("//p[@class='abstract']")
    assert len(page.xpath("//td[@class='brief']")) == 5, "of a minor version a line says enough"
    for item in SAMPLE:
        assert f"\n{item.paper.link}\n" in text
        assert not item.paper.abstract or item.paper.abstract.split(".")[0] not in " ".join(text.split())
    assert text.count("\nWhy: ") == page.text_content().count("Why: ") == 5
    assert brief.subject == full.subject


@pytest.mark.parametrize("number", [1, 40, 100, 170, 400, 1_500])
def test_a_brief_mail_is_fitted(environment: Environment, number: int) -> None:
    """It never takes more room than a full one, and poorer forms come only where briefs have no room."""
    some = [Item(replace(SAMPLE[0].paper, id=f"0001.{n:05}"), Kind.NEW, (), (1, 2)) for n in range(number)]
    full, brief = (mail(environment, some, detail=detail) for detail in (Detail.FULL, Detail.BRIEF))
    assert len(brief.html) <= len(full.html) <= LIMIT
    pages = [tree(decoded(body.html)) for body in (full, brief)]
    counts = [{kind: len(page.xpath(f"//td[@class='{kind}']")) for kind in ("card", "brief", "line")} for page in pages]
    assert counts[1]["card"] == 0
    assert counts[1]["brief"] == counts[0]["card"] + counts[0]["brief"]
    assert counts[1]["line"] == counts[0]["line"]


# ---------------------------------------------------------------- without HTML


def test_a_mail_of_text_alone(app: App) -> None:
    subscribe(app, ADA)
    subscribe(app, BEN, format="text")
    bring(app, make_paper(1))
    settle(app, app.today())
    queued = claims(app)
    both, alone = sent(app, queued[ADA]), sent(app, queued[BEN])
    assert both.get_content_type() == "multipart/alternative"
    assert (alone.get_content_type(), alone["Content-Transfer-Encoding"]) == ("text/plain", "quoted-printable")
    assert set(both.keys()) | {"Content-Transfer-Encoding"} == set(alone.keys())
    own = ("To", "Message-ID", "List-Unsubscribe", "Content-Type")
    for name in set(both.keys()) - set(own):
        assert alone[name] == both[name]
    assert alone["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    one_click = re.findall("<(https://[^>]+)>", alone["List-Unsubscribe"])
    text = part(alone, "plain")
    assert text.count(one_click[0]) == 2
    theirs = part(both, "plain").replace(ADA, BEN)
    assert text == theirs.replace(re.findall("<(https://[^>]+)>", both["List-Unsubscribe"])[0], one_click[0])


def test_its_lines_are_those_of_the_wire(app: App) -> None:
    subscribe(app, BEN, format="text")
    bring(app, *(make_paper(number, "Gräphs " * 40 + "Graph Neural Networks") for number in range(40)))
    settle(app, app.today())
    raw = app.compose(claims(app)[BEN], Digests(app.storage))
    assert raw is not None
    assert raw.endswith(b"\r\n")
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76


# ---------------------------------------------------------------- language


def test_each_reader_gets_their_language(app: App) -> None:
    subscribe(app, ADA)
    subscribe(app, BEN, language="de")
    subscribe(app, EVA, language="en")
    bring(app, make_paper(1))
    settle(app, app.today())
    queued = claims(app)
    assert {email: sent(app, claim)["Subject"] for email, claim in queued.items()} == {
        ADA: "Daily Papers, 6 Jan: 1 new in 1 topic",
        BEN: "Daily Papers, 6. Jan.: 1 neu in 1 Thema",
        EVA: "Daily Papers, 6 Jan: 1 new in 1 topic",
    }
    german = part(sent(app, queued[BEN]), "html")
    assert '<html lang="de" dir="ltr">' in german
    assert "Abbestellen" in german


@pytest.mark.parametrize("ours", ["en", "de"])
def test_what_readers_want_is_made_with_the_edition(tmp_path: Path, time: Time, ours: str) -> None:
    with closing(make_app(tmp_path, time=time, newsletter={"language": ours})) as app:
        subscribe(app, ADA)
        bring(app, make_paper(1))
        settle(app, app.today())
        names = [*FRAME, *(f"card/0001.00001v1/new/{form}" for form in ("line", "brief", "full"))]
        assert list(app.storage.fragments.sizes(names, ours)) == names
        (other,) = {"en", "de"} - {ours}
        assert not app.storage.fragments.sizes(names, other)
        subscribe(app, BEN, language=other)
        time.now += timedelta(days=1)
        bring(app, make_paper(2))
        settle(app, day(1))
        cards = [name.replace("1v1", "2v1") for name in names if name.startswith("card")]
        assert list(app.storage.fragments.sizes([*FRAME, *cards], other)) == [*FRAME, *cards]


def test_only_languages_that_somebody_wants_are_made(app: App) -> None:
    subscribe(app, ADA, language="de")
    assert app.storage.fragments.languages() == ["de"]
    app.subscriptions.unsubscribe(ADA, today=app.today(), now=app.now())
    assert app.storage.fragments.languages() == []


def test_what_is_missing_is_made_at_sending_time(app: App) -> None:
    subscribe(app, ADA)
    bring(app, make_paper(1))
    settle(app, app.today())
    body = app.composer.body(digest(app, ADA), Digests(app.storage).topics, 1, ADA, Look(language="de"))
    assert body.subject == "Daily Papers, 6. Jan.: 1 neu in 1 Thema"
    assert b"Abstract-Seite 0001.00001v1" in body.html


def test_a_language_that_is_no_more_is_the_newsletters(app: App) -> None:
    subscribe(app, ADA)
    bring(app, make_paper(1))
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET language = 'tlh'")
    settle(app, app.today())
    assert sent(app, claims(app)[ADA])["Subject"] == "Daily Papers, 6 Jan: 1 new in 1 topic"


def test_a_sender_of_german_renders_nothing(tmp_path: Path, time: Time) -> None:
    """What was made with the edition is joined, in any language; only its few own words come from Babel."""
    with closing(make_app(tmp_path, time=time)) as app:
        subscribe(app, BEN, language="de", detail="brief", format="text")
        bring(app, make_paper(1))
        settle(app, app.today())
    (tmp_path / "config.toml").write_text(
        '[newsletter]\nsender = "Daily Papers <papers@example.org>"\n[[topics]]\nname = "Graph Neural Networks"\n',
        encoding="utf-8",
    )
    program = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from newsletter.app import App, Outside
from newsletter.config import load
from newsletter.digests import Digests
app = App(load(Path(sys.argv[1])), Outside(clock=lambda: datetime(2026, 1, 6, 7, tzinfo=UTC)))
with app.storage.write():
    (claim,), _ = app.storage.deliveries.claim(app.now(), 9)
assert b"1 neu in 1 Thema" in app.compose(claim, Digests(app.storage))
print(sorted({"premailer", "lxml", "cssutils", "flask", "feedparser"} & set(sys.modules)), "babel" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "config.toml")], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[] True", "")


# ---------------------------------------------------------------- what readers share


def joined(work: Callable[[], object]) -> int:
    """How often a mail is joined in the course of some work."""
    profile = Profile()
    profile.runcall(work)
    return sum(entry.callcount for entry in profile.getstats() if entry.code is Assembler.shared.__code__)


def test_readers_of_one_look_share_their_mail(app: App) -> None:
    """All but their own lines is joined once; the greeting, the language and the detail make another one."""
    subscribe(app, ADA)
    bring(app, make_paper(1))
    settle(app, app.today())
    one, topics = digest(app, ADA), Digests(app.storage).topics
    ours = [Look(), Look(format=Format.TEXT), Look(language="en"), Look(language="tlh")]
    others = [Look(Detail.BRIEF), Look(language="de"), Look(Detail.BRIEF, language="de")]

    def make(looks: list[Look], *, welcome: bool = False) -> list[Body]:
        return [app.composer.body(one, topics, 1, ADA, look, welcome=welcome) for look in looks * 2]

    assert joined(lambda: make(ours)) == 1
    assert joined(lambda: make([*ours, *others])) == len(others)
    assert joined(lambda: make(ours, welcome=True)) == 1
    alike, all_of_them = make(ours), [*make([*ours, *others]), *make(ours, welcome=True)]
    assert len({(body.subject, body.text) for body in alike}) == 1
    assert {body.html for body in alike} == {alike[0].html, b""}
    assert len({body.html for body in all_of_them}) == 1 + len(others) + 1 + 1, "one has none"


# ---------------------------------------------------------------- welcome


def test_a_new_reader_is_greeted(environment: Environment) -> None:
    usual, first = mail(environment, SAMPLE), mail(environment, SAMPLE, welcome=True)
    assert first.subject == "Welcome to Daily Papers: 28 Feb, 3 new, 2 revised, 1 withdrawn in 2 topics"
    greeting = "Welcome! You are subscribed to Daily Papers, and this is the newest edition."
    page, text = tree(decoded(first.html)), decoded(first.text)
    (cell,) = page.xpath("//td[@class='welcome']")
    assert " ".join(cell.text_content().split()).startswith(greeting)
    assert [link.get("href") for link in cell.iter("a")] == [PREFERENCES]
    assert greeting in " ".join(text.split())
    assert text.index("Welcome!") < text.index("* Night Vision") < text.index("1. Moths")
    assert text.count(f"Change what you get: {PREFERENCES}\n") == 2
    assert links(decoded(first.html)).count(PREFERENCES) == 2
    assert "Welcome" not in usual.subject + decoded(usual.html) + decoded(usual.text)
    rest = text.partition("Welcome!")[2].partition("* Night")[2]
    assert rest == decoded(usual.text).partition("* Night")[2]


def test_a_greeting_of_what_is_not_on_the_web(environment: Environment) -> None:
    body = mail(environment, SAMPLE, brand=Brand("Daily Papers"), welcome=True)
    (cell,) = tree(decoded(body.html)).xpath("//td[@class='welcome']")
    assert not list(cell.iter("a"))
    assert "Change what you get" not in decoded(body.text)
    assert "To leave, follow the link" in decoded(body.text)


@pytest.mark.parametrize("welcome", [False, True])
def test_a_greeting_takes_its_room(environment: Environment, welcome: bool) -> None:
    some = [Item(replace(SAMPLE[0].paper, id=f"0001.{n:05}"), Kind.NEW, (), (1,)) for n in range(400)]
    long = Brand("N" * 90, places=BRAND.places)
    body = mail(environment, some, brand=long, welcome=welcome)
    assert 0.95 * LIMIT < len(body.html) <= LIMIT


def test_a_delivery_knows_that_it_greets(app: App) -> None:
    subscribe(app, ADA)
    bring(app, make_paper(1))
    settle(app, app.today())
    claim = claims(app)[ADA]
    assert sent(app, claim)["Subject"] == "Daily Papers, 6 Jan: 1 new in 1 topic"
    greeting = sent(app, replace(claim, welcome=True))
    assert greeting["Subject"] == "Welcome to Daily Papers: 6 Jan, 1 new in 1 topic"
    assert "https://papers.example.org/p" in links(part(greeting, "html"))


def test_a_subject_of_an_operator_greets_as_it_does(tmp_path: Path) -> None:
    """Templates from before there was a greeting go on working."""
    (tmp_path / "digest").mkdir()
    (tmp_path / "digest" / "subject.txt").write_text("{{ newsletter }} says: {{ summary }}", encoding="utf-8")
    assert mail(make_environment(tmp_path), SAMPLE, welcome=True).subject.startswith("Daily Papers says: 3 new")


# ---------------------------------------------------------------- preview


@pytest.fixture
def published(app: App) -> App:
    subscribe(app, ADA)
    subscribe(app, BEN, language="de", detail="brief", format="text")
    bring(app, make_paper(1))
    settle(app, app.today())
    return app


def test_a_preview_looks_as_the_reader_wants_it(published: App) -> None:
    ours, theirs = preview(published, ADA, None), preview(published, BEN, None)
    assert (ours.subject, theirs.subject) == (
        "Daily Papers, 6 Jan: 1 new in 1 topic",
        "Daily Papers, 6. Jan.: 1 neu in 1 Thema",
    )
    assert (theirs.html, theirs.size) == (b"", 0)
    assert b"We look at graphs." in ours.text
    assert b"We look at graphs." not in theirs.text
    assert message_from_bytes(theirs.message).get_content_type() == "text/plain"
    assert theirs.as_file(".html") == theirs.as_file(".txt") == theirs.text


def test_a_preview_in_another_language_and_of_a_greeting(published: App) -> None:
    german = preview(published, ADA, None, language="de", welcome=True)
    assert german.subject == "Willkommen bei Daily Papers: 6. Jan., 1 neu in 1 Thema"
    assert b'lang="de"' in german.html
    assert preview(published, BEN, None, language="en").subject == "Daily Papers, 6 Jan: 1 new in 1 topic"


@pytest.mark.parametrize("path", ["/", "/newest/light", "/newest/dark/phone", "/newest/bare/mail"])
def test_a_mail_of_text_alone_is_looked_at_as_text(published: App, path: str) -> None:
    page = Pages(published, BEN, None, None).answer(path)
    shown = tree(page.body.decode())
    assert page.status == 200
    assert shown.get("lang") == "en"
    assert [link.text for link in shown.xpath("//nav[@aria-label='View']//a")] == ["Plain text", "Headers"]
    assert "Graph Neural Networks (1 neu)" in shown.findtext(".//pre")
    assert not list(shown.iter("iframe", "meter"))


def test_a_mail_with_html_has_all_views(published: App) -> None:
    shown = tree(Pages(published, BEN, None, None, "de").answer("/newest/light").body.decode())
    assert "Plain text" in shown.text_content()
    whole = tree(Pages(published, ADA, None, None, "de", welcome=True).answer("/newest/light").body.decode())
    assert len(whole.xpath("//nav[@aria-label='View']//a")) == 5
    assert whole.findtext(".//h1") == "Willkommen bei Daily Papers: 6. Jan., 1 neu in 1 Thema"
    framed = Pages(published, ADA, None, None, "de", welcome=True).answer("/newest/light/mail")
    assert b"Sie haben Daily Papers abonniert" in framed.body
