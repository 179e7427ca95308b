"""What holds for every page of the web front: headers, languages, errors, the log, how the database is looked at."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Response, abort
from house import day, make_paper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markup import tree
from webfront import BASE_URL, WebFront, tell_of_two_weeks, web_front

from newsletter.errors import StorageError
from newsletter.rendering.words import LANGUAGES, _
from newsletter.web.answering import HEADERS, LARGEST_BODY
from newsletter.web.keeping import Keeper
from newsletter.web.pages import acting, kept, link, looking, page, say

PATHS = (
    "/", "/editions", f"/editions/{day()}", f"/editions/{day()}/{day(6)}", "/editions/today", "/topics", "/topics/1",
    "/status", "/health", "/metrics", "/robots.txt", "/favicon.ico", "/style.css",
)  # fmt: skip
PAGES = PATHS[:8]
NOWHERE = ("/nowhere", "/editions/2026-01-10", "/topics/99", "/editions/x")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front")) as made:
        tell_of_two_weeks(made)
        yield made


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize("path", [*PATHS, *NOWHERE])
def test_every_answer_is_guarded(front: WebFront, path: str) -> None:
    headers = front.get(path).headers
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "Set-Cookie" not in headers
    assert "Server" not in headers
    assert "Accept-Language" in headers["Vary"]
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_nothing_that_the_policy_forbids(front: WebFront, path: str) -> None:
    answer = front.get(path)
    assert answer.content_type == "text/html; charset=utf-8"
    found = tree(answer.text)
    assert not found.xpath("//script | //style | //@style | //img | //iframe | //@*[starts-with(name(), 'on')]")
    loaded = found.xpath("//link[@rel='stylesheet' or @rel='icon']/@href")
    assert all(address.startswith(("/style.css?", "/favicon.ico")) for address in loaded)


@pytest.mark.parametrize("path", PATHS)
def test_head_has_what_get_has_and_no_body(front: WebFront, path: str) -> None:
    got, head = front.get(path), front.client.head(path)
    assert head.status_code == got.status_code == 200
    assert head.data == b""
    if path != "/metrics":
        assert head.content_length == got.content_length


@pytest.mark.parametrize("path", [path for path in PATHS if path not in ("/health", "/metrics", "/robots.txt")])
def test_what_is_public_may_be_kept_and_is_not_sent_twice(front: WebFront, path: str) -> None:
    first = front.get(path)
    assert first.cache_control.public
    assert (first.cache_control.max_age or 0) >= 60
    again = front.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_the_style_sheet_is_kept_for_as_long_as_it_is_the_same(front: WebFront) -> None:
    (address,) = tree(front.page("/")).xpath("//link[@rel='stylesheet']/@href")
    assert front.get(address).cache_control.max_age == 31_536_000
    assert front.get("/style.css").cache_control.max_age == 86_400


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "a b", "<script>", "[::1", "münchen.example", "."])
def test_no_address_is_taken_from_the_request(front: WebFront, host: str) -> None:
    answer = front.get("/editions", headers={"Host": host})
    assert answer.status_code in (200, 400)
    assert "evil" not in answer.text
    assert "<script>" not in answer.text
    if answer.status_code == 200:
        assert f'<link rel="canonical" href="{BASE_URL}/editions">' in answer.text


@pytest.mark.parametrize(
    "path", ["//evil.example", "//evil.example/editions", "/\\evil.example", "/editions//", "/;evil"]
)
def test_nothing_redirects(front: WebFront, path: str) -> None:
    answer = front.site.test_client().open(base_url="http://localhost", path="/", environ_overrides={"PATH_INFO": path})
    assert answer.status_code == 404
    assert "Location" not in answer.headers
    assert "evil" not in answer.text


def test_behind_a_prefix(front: WebFront) -> None:
    html = front.page("/editions", environ_overrides={"SCRIPT_NAME": "/papers"})
    addresses = [address for address in tree(html).xpath("//@href") if not address.startswith(("https://", "#", "?"))]
    assert addresses
    assert all(address.startswith("/papers/") for address in addresses), addresses
    assert "Disallow: /papers/u/\n" in front.page("/robots.txt", environ_overrides={"SCRIPT_NAME": "/papers"})


def test_robots_are_kept_from_what_is_one_readers_own(front: WebFront) -> None:
    text = front.page("/robots.txt")
    for path in ("/u/", "/c/", "/p", "/m/", "/r/", "/search"):
        assert f"Disallow: {path}\n" in text


# ---------------------------------------------------------------- languages


@pytest.mark.parametrize(
    ("path", "accepted", "language"),
    [
        ("/", "", "en"),
        ("/", "de", "de"),
        ("/", "de-AT,en;q=0.5", "de"),
        ("/", "fr,de;q=0.8,en;q=0.3", "de"),
        ("/", "fr", "en"),
        ("/", "*", "en"),
        ("/", "en-GB,de", "en"),
        ("/", ";;;q=,,", "en"),
        ("/?language=en", "de", "en"),
        ("/?language=de", "en", "de"),
        ("/?language=fr", "de", "de"),
        ("/?language=<x>", "", "en"),
    ],
)
def test_the_language(front: WebFront, path: str, accepted: str, language: str) -> None:
    html = front.page(path, headers={"Accept-Language": accepted} if accepted else {})
    assert f'<html lang="{language}">' in html
    said = [address for address in tree(html).xpath("//header//a/@href") if "language=" in address]
    assert bool(said) == (path in ("/?language=en", "/?language=de"))


def test_the_newsletters_own_language_comes_last(tmp_path: Path) -> None:
    with web_front(tmp_path, newsletter={"language": "de"}) as front:
        assert '<html lang="de">' in front.page("/")
        assert '<html lang="de">' in front.page("/", headers={"Accept-Language": "fr"})
        assert '<html lang="en">' in front.page("/", headers={"Accept-Language": "en"})


@pytest.mark.parametrize("path", [*PAGES, "/topics/1?before=2026-01-10&utm_source=x", "/editions?year=2026"])
def test_a_language_that_was_asked_for_stays(front: WebFront, path: str) -> None:
    asked = f"{path}{'&' if '?' in path else '?'}language=de"
    page = tree(front.page(asked))
    ours = [address for address in page.xpath("//a/@href") if address.startswith("/")]
    assert all("language=de" in address for address in ours), ours
    switch = page.xpath("//footer//a[@hreflang]/@href")
    assert len(switch) == len(LANGUAGES)
    assert all("utm" not in address for address in switch)
    if "before" in path:
        assert "?before=2026-01-10&language=en" in switch


@pytest.mark.parametrize("path", PAGES)
def test_papers_are_said_to_be_in_english(front: WebFront, path: str) -> None:
    page = tree(front.page(f"{path}?language=de"))
    assert all(heading.get("lang") == "en" for heading in page.xpath("//article/h3"))
    thanks = "Thank you to arXiv for use of its open access interoperability."
    (span,) = page.xpath(f"//footer//span[text()='{thanks}']")
    assert span.get("lang") == "en"


def test_what_is_posted_offers_no_other_language(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:

        @front.site.post("/posted")
        def posted() -> Response:
            return page("web/error.html", title="Posted", reason=say(_("to come")))

        assert not tree(front.client.post("/posted").text).xpath("//a[@hreflang]")


def test_links_keep_what_they_have(front: WebFront) -> None:
    with front.site.test_request_context("/?language=de"):
        assert link("/search?q=a%20b#c") == "/search?q=a%20b&language=de#c"
        assert link("/topics") == "/topics?language=de"
    with front.site.test_request_context("/"):
        assert link("/search?q=a%20b#c") == "/search?q=a%20b#c"


# ---------------------------------------------------------------- what goes wrong


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[WebFront]:
    """A front with pages that fail, each in its own way."""
    with web_front(tmp_path) as front:
        failures: dict[str, Callable[[], Any]] = {
            "mistake": lambda: 1 / 0,
            "400": lambda: abort(400),
            "429": lambda: abort(429, "Please wait <a minute>."),
            "teapot": lambda: abort(418),
            "storage": lambda: (_ for _ in ()).throw(StorageError("/srv/secret.db: damaged")),
        }
        front.site.add_url_rule("/fail/<how>", view_func=lambda how: failures[how]())
        yield front


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/fail/mistake", 500, "The mistake is ours"),
        ("/fail/400", 400, "cannot be understood"),
        ("/fail/429", 429, "Please wait &lt;a minute&gt;."),
        ("/fail/teapot", 418, "cannot be understood"),
        ("/fail/storage", 503, "Our database cannot be read just now"),
        ("/nowhere", 404, "Nothing of ours stands at this address"),
    ],
)
def test_errors_are_pages(broken: WebFront, path: str, status: int, said: str, caplog: Any) -> None:
    html = broken.page(path, status)
    assert said in html
    assert "secret" not in html
    assert "ZeroDivision" not in html
    page = tree(html)
    assert len(page.xpath("//h1")) == 1
    assert page.xpath("//meta[@name='robots']/@content") == ["noindex"]
    assert broken.get(path).headers["Cache-Control"] == "no-store"
    assert bool([record for record in caplog.records if record.levelno >= logging.ERROR]) == (status >= 500)
    if path == "/fail/mistake":
        assert any(record.exc_info for record in caplog.records)


def test_another_method(broken: WebFront) -> None:
    answer = broken.client.post("/editions")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "not to be asked for in this way" in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_too_large(front: WebFront, method: str) -> None:
    answer = front.client.open("/editions", method=method, data=b"x" * (LARGEST_BODY + 1))
    assert answer.status_code == 413
    assert "larger than anything we expect" in answer.text


def test_a_database_that_is_gone_comes_back(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1))
        database, aside = tmp_path / "subscribers.db", tmp_path / "aside.db"
        assert front.get("/topics/1").status_code == 200
        database.rename(aside)
        answer = front.get("/topics/1-other")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert front.get("/topics/1").status_code == 200  # it was made a moment ago
        assert not database.exists()
        aside.rename(database)
        assert front.get("/topics/1-other").status_code == 200


def test_another_database_in_its_place_is_read(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with web_front(tmp_path) as front, web_front(tmp_path / "other") as other:
        other.bring_out(make_paper(1, "Of Other Graph Neural Networks"))
        assert front.get(f"/editions/{day()}").status_code == 404
        other.app.close()
        front.app.close()
        (tmp_path / "other" / "subscribers.db").replace(tmp_path / "subscribers.db")
        for end in ("-wal", "-shm"):
            (tmp_path / f"subscribers.db{end}").unlink()
        assert "Of Other Graph" in front.page(f"/editions/{day()}")


def test_a_database_that_is_locked(tmp_path: Path) -> None:
    """Readers of a write-ahead log wait for nobody; but for who locks all, as some tools do."""
    with web_front(tmp_path, outside={"patience": 0.05}) as front:
        front.bring_out(make_paper(1))
        front.app.close()
        with closing(sqlite3.connect(tmp_path / "subscribers.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("DELETE FROM jobs")
            assert front.get("/topics/1").status_code == 200
            other.execute("ROLLBACK")
            front.pool.close()
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            answer = front.get("/topics/1-other")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert front.get("/topics/1-other").status_code == 200


def test_a_template_that_is_broken(tmp_path: Path, caplog: Any) -> None:
    folder = tmp_path / "templates" / "web"
    folder.mkdir(parents=True)
    (folder / "topics.html").write_text("{{ nonsense.more }}")
    with web_front(tmp_path, digest={"templates": "templates"}) as front:
        assert "The mistake is ours" in front.page("/topics", 500)
        assert "topics.html, line 1" in caplog.text
        assert front.get("/editions").status_code == 200
        (folder / "base.html").write_text("{% broken %}")
    with web_front(tmp_path, digest={"templates": "templates"}) as front:
        answer = front.get("/editions")
        assert (answer.status_code, answer.content_type) == (500, "text/plain; charset=utf-8")
        assert answer.headers["Content-Security-Policy"]


def test_an_operators_own_templates(tmp_path: Path) -> None:
    folder = tmp_path / "templates" / "web"
    folder.mkdir(parents=True)
    (folder / "topics.html").write_text(
        '{% extends "original/web/topics.html" %}{% block heading %}<h1>What we follow</h1>{% endblock %}'
    )
    (folder / "style.css").write_text("body { color: red; }")
    with web_front(tmp_path, digest={"templates": "templates"}) as front:
        assert "<h1>What we follow</h1>" in front.page("/topics")
        assert front.page("/style.css") == "body { color: red; }"


# ---------------------------------------------------------------- the log


def test_the_log_has_a_line_for_each_answer_and_no_secrets(tmp_path: Path, caplog: Any) -> None:
    with web_front(tmp_path) as front:

        @front.site.get("/t/<token>")
        def of_a_token(token: str) -> Response:
            return page("web/error.html", title="Yours", reason="Yours.")

        caplog.set_level(logging.INFO)
        for path in ("/t/SECRET", "/t/SECRET/", "/SECRET", "/u/x/SECRET", "/topics?q=SECRET", "/topics/1%0d%0aSECRET"):
            caplog.clear()
            front.get(path)
            (line,) = [record.getMessage() for record in caplog.records if record.name == "newsletter.web.answering"]
            assert "SECRET" not in line or path.startswith("/topics/1"), line
            assert "\n" not in line
        caplog.clear()
        front.client.open("/editions", method="GET\nSECRET")
        assert "answered method=GET%0ASECRET path=" in caplog.text
        caplog.clear()
        front.get("/topics")
        assert "answered method=GET path=/topics status=200 ms=0.0" in caplog.text


# ---------------------------------------------------------------- pages that are kept


def test_a_page_is_made_once_a_minute(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        made: list[str] = []

        @front.site.get("/made/<what>")
        @kept("kind")
        def of(what: str) -> Response:
            made.append(what)
            return page("web/error.html", title=what, reason=str(len(made)), keep=60)

        first = front.page("/made/a")
        assert front.page("/made/a") == front.page("/made/a?other=1") == first
        assert made == ["a"]
        front.page("/made/a?kind=x")
        front.page("/made/a?language=de")
        front.page("/made/a", headers={"Accept-Language": "de"})
        front.page("/made/b")
        assert made == ["a", "a", "a", "a", "b"]
        front.time.sleep(59)
        assert front.page("/made/a") == first
        front.time.sleep(1)
        assert front.page("/made/a") != first


def make(text: str, keep: int = 60, status: int = 200) -> Response:
    response = Response(text, status)
    response.headers["Cache-Control"] = f"public, max-age={keep}" if keep else "no-store"
    return response


def test_pages_are_forgotten_when_there_are_too_many() -> None:
    keeper = Keeper(lambda: 0.0, most=1000)
    for name in "abcd":
        keeper.put(name, make(name * 300))
        keeper.get("a")
    assert [keeper.get(name) is not None for name in "abcd"] == [True, False, True, True]
    keeper.put("e", make("e" * 4_194_305))
    keeper.put("f", make("f", keep=0))
    keeper.put("g", make("g", status=404))
    assert [keeper.get(name) for name in "efg"] == [None] * 3
    keeper.put("a", make("again"))
    assert keeper.get("a").get_data() == b"again"  # type: ignore[union-attr]


def test_while_one_makes_a_page_anew_others_get_the_old_one() -> None:
    now = [0.0]
    keeper = Keeper(lambda: now[0])
    keeper.put("a", make("old"))
    now[0] = 60.0
    assert keeper.get("a") is None
    assert keeper.get("a") is not None
    now[0] = 65.0
    assert keeper.get("a") is None


# ---------------------------------------------------------------- apps


def test_each_thread_has_its_own_app(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        pool, found = front.pool, []

        def look() -> None:
            found.append((pool.looking(), pool.looking()))
            with pool.acting() as app:
                found.append((app, app))
            pool.close()

        threads = [threading.Thread(target=look) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(first is second for first, second in found)
        assert len({id(app) for app, _ in found}) == 4
        assert sorted(app.looking for app, _ in found) == [False, False, True, True]


def test_one_thread_at_a_time_acts(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        held, freed, done = threading.Event(), threading.Event(), []

        def act() -> None:
            with front.pool.acting():
                done.append("second")
            front.pool.close()

        def hold() -> None:
            with front.pool.acting():
                held.set()
                freed.wait(10)
                done.append("first")
            front.pool.close()

        first, second = threading.Thread(target=hold), threading.Thread(target=act)
        first.start()
        held.wait(10)
        second.start()
        freed.set()
        first.join()
        second.join()
        assert done == ["first", "second"]


def test_pages_write_nothing(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1))
        before = front.app.storage.database.value("PRAGMA data_version")
        for path in PATHS:
            front.get(path)
        assert front.app.storage.database.value("PRAGMA data_version") == before
        with front.site.test_request_context(), pytest.raises(RuntimeError, match="looking only"):
            looking().storage.write().__enter__()
        with front.site.test_request_context(), acting() as app, app.storage.write():
            app.storage.jobs.begin("x", 1, app.now())
        assert front.app.storage.database.value("PRAGMA data_version") != before


def test_a_pool_over_no_database(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.app.close()
        (tmp_path / "subscribers.db").unlink()
        with pytest.raises(StorageError, match="No such file"):
            front.pool.looking()
        assert not (tmp_path / "subscribers.db").exists()


# ---------------------------------------------------------------- whatever is asked


def raw(text: str) -> str:
    """A text as WSGI has it."""
    return text.encode("utf-8", "replace").decode("latin-1")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(max_size=60), query=st.text(max_size=40), method=st.sampled_from(["GET", "HEAD", "POST", "PUT"]))
def test_no_address_breaks_anything(front: WebFront, path: str, query: str, method: str) -> None:
    answer = front.client.open(
        "/", method=method, environ_overrides={"PATH_INFO": raw(f"/{path}"), "QUERY_STRING": raw(query)}
    )
    assert answer.status_code < 500


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.sampled_from(["/editions/", "/topics/", "/editions?year=", "/topics/1?before=", "/?language="]),
    text=st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\d(/\d{4}-\d\d-\d\d)?", fullmatch=True),
)
def test_no_date_and_no_number_breaks_anything(front: WebFront, prefix: str, text: str) -> None:
    path, _sign, query = (prefix + text).partition("?") if "?" in prefix else (prefix + text, "", "")
    answer = front.client.open("/", environ_overrides={"PATH_INFO": raw(path), "QUERY_STRING": raw(query)})
    assert answer.status_code < 500


@pytest.mark.parametrize(
    "path", ["/", "/topics", "/topics/1", "/search?q=graph", "/search?q=nothing", "/try?query=graph"]
)
@pytest.mark.parametrize("base_url", ["", "https://papers.example.org"])
def test_only_where_mail_leads_back_somebody_is_asked_to_subscribe(tmp_path: Path, path: str, base_url: str) -> None:
    with web_front(tmp_path, newsletter={"base_url": base_url}) as front:
        front.bring_out(make_paper(1))
        assert ("/subscribe" in front.page(path)) is bool(base_url)
        assert ('href="/p"' in front.page(path)) is bool(base_url)
