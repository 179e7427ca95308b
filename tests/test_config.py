"""config.toml: what it may say, and that all else is refused in one line with file, key and what is allowed."""

import os
import re
import subprocess
import sys
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signing import put_key

from newsletter.config import Config, load, parse_table
from newsletter.errors import ConfigError
from newsletter.resources import resource

SENDER = '[newsletter]\nsender = "papers@example.org"\n'
LOCAL = 'api_url = "http://localhost/a"\nfeed_url = "http://localhost/b"\n'
TOPIC = "[[topics]]\nname = "
SMTP = '[smtp]\nusername = "reader"\npassword = '


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def read(file: Path, text: str) -> Config:
    file.write_text(text, encoding="utf-8")
    return load(file)


def refused(file: Path, text: str | bytes) -> ConfigError:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_sample_is_the_defaults(file: Path) -> None:
    text = resource("config.toml").read_text(encoding="utf-8")
    sample, least = read(file, text), read(file, SENDER)
    for name in ("arxiv", "digest", "delivery", "archive"):
        assert getattr(sample, name) == getattr(least, name)
    assert [topic.name for topic in sample.topics][:1] == ["Video Anomaly Detection"]


def test_every_key_of_the_sample_may_be_used(file: Path) -> None:
    lines = resource("config.toml").read_text(encoding="utf-8").splitlines()
    used = [line.removeprefix("# ") if re.match(r"# (\[|.* = )", line) else line for line in lines]
    put_key(file.with_name("dkim.papers-rsa-202601.pem"))
    assert read(file, "\n".join(used)).newsletter.bad_days == 2


def test_paths_are_relative_to_the_file(file: Path, tmp_path: Path) -> None:
    text = (
        SENDER
        + 'database = "a/b.db"\n[archive]\npath = "../x"\n[delivery]\nmaildir = "/var/mail"\n[digest]\ntemplates = "t"'
    )
    config = read(file, text)
    assert config.newsletter.database == tmp_path / "a/b.db"
    assert config.archive.path == tmp_path.parent / "x"
    assert config.delivery.maildir == Path("/var/mail")
    assert config.digest.templates == tmp_path / "t"


def test_a_byte_order_mark_is_no_error(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + SENDER.encode())
    assert load(file).newsletter.sender_address == "papers@example.org"


def test_values(file: Path) -> None:
    text = '[newsletter]\nsender = "Papers, Daily <ü@bücher.example>"\n'.replace("Papers, Daily", '\\"Papers, Daily\\"')
    config = read(
        file,
        text
        + 'timezone = "Europe/Berlin"\npublish_at = "06:30"\n[arxiv]\ninterval = 4\n'
        + LOCAL
        + TOPIC
        + '"  A   b "',
    )
    assert config.newsletter.sender_name == "Papers, Daily"
    assert config.newsletter.domain == "xn--bcher-kva.example"
    assert config.newsletter.publish_at == time(6, 30)
    assert config.newsletter.timezone.key == "Europe/Berlin"
    assert config.arxiv.interval == 4.0
    assert config.topics[0].name == "A b"
    assert config.topics[0].written == 'ti:"a b" OR abs:"a b"'


def test_categories_are_written_as_arxiv_does(file: Path) -> None:
    assert read(file, SENDER + '[arxiv]\ncategories = ["CS.cv", "hep-TH", "math.*"]').arxiv.categories == (
        "cs.CV",
        "hep-th",
        "math.*",
    )


def test_local_domains_may_have_readers(file: Path) -> None:
    config = read(
        file,
        '[newsletter]\nsender = "a@Lab.local"\noperator = "b@localhost"\nlocal_domains = ["LAB.local", "localhost"]',
    )
    assert config.newsletter.sender_address == "a@lab.local"


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        ("", "newsletter.sender", "missing"),
        ("x = 1", "newsletter.sender", "missing"),
        (SENDER + "[smpt]", "smpt", "did you mean smtp?"),
        (SENDER + "[smtp]\nhots = 'a'", "smtp.hots", "did you mean host? (allowed: host, port"),
        (SENDER + '"a\\nb" = 1', "newsletter.'a\\nb'", "unknown key (allowed: name"),
        ("path = 'x'\n" + SENDER, "path", "unknown key"),
        ("newsletter = 3", "newsletter", "expected a table"),
        ("[[newsletter]]", "newsletter", "expected a table"),
        (SENDER + "[topics]\nname = 'a'", "topics", "expected a list"),
        (SENDER + "name = ''", "newsletter.name", "expected some text"),
        (SENDER + f"name = '{'x' * 101}'", "newsletter.name", "at most 100"),
        (SENDER + 'name = "a\\u0007"', "newsletter.name", "control characters"),
        (SENDER + "bad_days = true", "newsletter.bad_days", "a whole number"),
        (SENDER + "bad_days = 2.0", "newsletter.bad_days", "a whole number"),
        (SENDER + "bad_days = 0", "newsletter.bad_days", "1 or more"),
        (SENDER + "timezone = 'Mars/North'", "newsletter.timezone", "Europe/Berlin"),
        (SENDER + "timezone = 'europe/berlin'", "newsletter.timezone", "did you mean Europe/Berlin?"),
        (SENDER + "timezone = '../zone'", "newsletter.timezone", "no time zone"),
        (SENDER + "timezone = 'Europe'", "newsletter.timezone", "no time zone"),
        (SENDER + "timezone = 1", "newsletter.timezone", "no time zone"),
        (SENDER + "publish_at = '7:00'", "newsletter.publish_at", "00:00 to 23:59"),
        (SENDER + "publish_until = '07:00'", "newsletter.publish_until", "later than publish_at"),
        (SENDER + "base_url = 'http://example.org'", "newsletter.base_url", "https://"),
        (SENDER + "base_url = 'ftp://example.org'", "newsletter.base_url", "https://"),
        (SENDER + "language = 'xx'", "newsletter.language", "expected 'en'"),
        (SENDER + "database = ''", "newsletter.database", "a path"),
        (SENDER + "database = '~nobody-of-this-name/x'", "newsletter.database", "home folder"),
        (SENDER + "local_domains = ['a b']", "newsletter.local_domains[1]", "such as lab.local"),
        ("[newsletter]\nsender = 'x'", "newsletter.sender", "@-sign"),
        ("[newsletter]\nsender = ''", "newsletter.sender", "Name <address@example.org>"),
        ("[newsletter]\nsender = 'a@b.example, c@d.example'", "newsletter.sender", "one address"),
        ("[newsletter]\nsender = 'Doe, A <a@b.example>'", "newsletter.sender", "stands in quotes"),
        ("[newsletter]\nsender = 'a@lab.local'", "newsletter.sender", "special-use"),
        (SENDER + "reply_to = 'a b'", "newsletter.reply_to", "not an e-mail address"),
        (SENDER + TOPIC + "''", "topics[1].name", "some text"),
        (SENDER + TOPIC + "'  '", "topics[1].name", "some text"),
        (SENDER + TOPIC + "'?!'", "topics[1].name", "a letter or a digit"),
        (SENDER + TOPIC + "'a;b'", "topics[1].name", "semicolon"),
        (SENDER + TOPIC + "1", "topics[1].name", "text in quotes"),
        (SENDER + "[[topics]]\nquery = 'a'", "topics[1].name", "missing"),
        (SENDER + TOPIC + "'A b'\n" + TOPIC + "'c'\n" + TOPIC + "'a  B'", "topics[3].name", "name of topic 1"),
        (SENDER + TOPIC + "'a'\nquery = 'ti:a XOR: b'", "topics[1].query", "at character 6: there is no field XOR:"),
        (SENDER + "[arxiv]\ninterval = 2.9", "arxiv.interval", "3 or more"),
        (SENDER + "[arxiv]\ninterval = '3'", "arxiv.interval", "a number"),
        (SENDER + "[arxiv]\ninterval = true", "arxiv.interval", "a number"),
        (SENDER + "[arxiv]\ninterval = nan", "arxiv.interval", "finite"),
        (SENDER + "[arxiv]\ninterval = -1", "arxiv.interval", "0 or more"),
        (SENDER + "[arxiv]\ninterval = 1\n" + LOCAL, "arxiv.interval", "oai_url is arXiv's"),
        (SENDER + "[arxiv]\ninterval = 1\noai_url = 'http://X.arXiv.org./'\n" + LOCAL, "arxiv.interval", "3 or more"),
        (SENDER + "[arxiv]\napi_url = 'ftp://a'", "arxiv.api_url", "http:// or https://"),
        (SENDER + "[arxiv]\napi_url = 'http://a:99999'", "arxiv.api_url", "http:// or https://"),
        (SENDER + "[arxiv]\napi_url = 'http://['", "arxiv.api_url", "http:// or https://"),
        (SENDER + "[arxiv]\napi_url = 'http://a b'", "arxiv.api_url", "without"),
        (SENDER + "[arxiv]\ncategories = 'cs.*'", "arxiv.categories", "a list"),
        (SENDER + "[arxiv]\ncategories = ['cs.*', 'cs']", "arxiv.categories[2]", "expected cs.*"),
        (SENDER + "[arxiv]\ncategories = ['c s']", "arxiv.categories[1]", "such as cs.CV"),
        (SENDER + "[digest]\nrevised = 1", "digest.revised", "true or false"),
        (SENDER + "[digest]\nweekly_on = 'Monday'", "digest.weekly_on", "'monday', 'tuesday'"),
        (SENDER + "[delivery]\ntransport = 'pigeon'", "delivery.transport", "'maildir' or 'smtp'"),
        (SENDER + "[smtp]\nport = 65536", "smtp.port", "65535 or less"),
        (SENDER + "[smtp]\nper_second = 0", "smtp.per_second", "more than 0"),
        (SENDER + "[smtp]\nsecurity = 'ssl'", "smtp.security", "'none', 'starttls' or 'tls'"),
        (SENDER + "[smtp]\nusername = 'a'", "smtp.password", "{ env = "),
        (SENDER + SMTP + "{ env = 'NO_SUCH_SECRET' }", "smtp.password", "NO_SUCH_SECRET is not set"),
        (SENDER + SMTP + "{ file = 'nowhere' }", "smtp.password", "No such file"),
        (SENDER + SMTP + "{ file = '.' }", "smtp.password", "Is a directory"),
        (SENDER + SMTP + "{ env = 'A', file = 'b' }", "smtp.password", "not written here"),
        (SENDER + SMTP + "{ env = 'PATH' }\nhost = 'mx.example.org'", "smtp.security", "starttls or tls"),
        (SENDER + "[archive]\nmax_papers = 0", "archive.max_papers", "1 or more"),
    ],
)  # fmt: skip
def test_what_is_refused(file: Path, text: str, key: str, allowed: str) -> None:
    error = refused(file, text)
    assert error.key == key
    assert allowed in error.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[newsletter", "not TOML: Expected ']'"),
        ("a = 1\nb = c", "at line 2, column 5"),
        (SENDER.encode("utf-16"), "not UTF-8, at byte 1"),
        (SENDER.encode() + b"# \xfc", f"not UTF-8, at byte {len(SENDER) + 3}"),
        ("a = " + "[" * 100_000, "cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration(file: Path, text: str | bytes, reason: str) -> None:
    error = refused(file, text)
    assert not error.key
    assert reason in error.reason


def test_no_file_or_no_plain_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="newsletter init"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    with pytest.raises(ConfigError, match="home folder"):
        load(Path("~nobody-of-this-name/config.toml"))


@pytest.mark.parametrize(
    ("text", "unseen"),
    [
        (SENDER + SMTP + '"hunter2"', "hunter2"),
        (SENDER + SMTP + '["hunter2"]', "hunter2"),
        (SENDER + SMTP + '{ env = "PATH", value = "hunter2" }', "hunter2"),
        (SENDER + '[smtp]\npasword = "hunter2"', "hunter2"),
        (SENDER + "[arxiv]\napi_url = 'http://me:hunter2@example.org/'", "hunter2"),
        (SENDER + SMTP + '"hunter2', "hunter2"),
        (SENDER + SMTP + '{ file = "secret" }', "xfe"),
    ],
)
def test_secrets_are_not_repeated_in_errors(file: Path, text: str, unseen: str) -> None:
    (file.parent / "secret").write_bytes(b"hunter2\xfe")
    error = refused(file, text)
    assert unseen not in str(error)
    assert unseen not in repr(error)
    assert error.__cause__ is None or unseen not in str(error.__cause__)


def test_secrets_are_read_only_if_needed_and_never_shown(file: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    config = read(file, SENDER + SMTP + '{ file = "secret" }')
    assert config.smtp.secret is not None
    assert config.smtp.secret.get_secret_value() == "hunter2"
    assert "hunter2" not in f"{config!r} {config} {config.smtp!r} {config.smtp.secret!r} {config.model_dump()}"
    unused = read(file, SENDER + '[smtp]\npassword = { env = "NO_SUCH_SECRET" }')
    assert unused.smtp.secret is None


def test_a_configuration_does_not_change(file: Path) -> None:
    config = read(file, SENDER)
    with pytest.raises(ValueError, match="frozen"):
        config.newsletter.name = "other"


TOML = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates() | st.times(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)
SECTIONS = ("newsletter", "topics", "arxiv", "digest", "delivery", "smtp", "dkim", "archive", "other")
KEYS = (
    "sender",
    "name",
    "query",
    "timezone",
    "database",
    "interval",
    "api_url",
    "categories",
    "password",
    "username",
    "path",
    "domain",
    "selector",
    "key",
)


@given(st.dictionaries(st.sampled_from(SECTIONS), TOML | st.dictionaries(st.sampled_from(KEYS), TOML), max_size=3))
def test_any_table_is_taken_or_refused(table: dict[str, object]) -> None:
    try:
        parse_table(table, Path("/nowhere/config.toml"))
    except ConfigError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "NEWSLETTER_CONFIG"}
    program = [sys.executable, "-m", "newsletter", *arguments]
    root = Path(__file__).parents[1]
    return subprocess.run(
        program, cwd=folder, env={**environment, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SENDER + "[smpt]\nhost = 'a'", "config.toml: smpt: unknown key; did you mean smtp?"),
        ("[newsletter", "config.toml: it is not TOML"),
        (SENDER + SMTP + '"hunter2"', "config.toml: smtp.password: a secret is not written here"),
        (SENDER + TOPIC + "'a'\nquery = 'ti:a OR b AND c'", "config.toml: topics[1].query: "),
        (None, "config.toml: there is no such file; `newsletter init` writes one"),
    ],
)
def test_the_command_line_says_it_in_one_line(file: Path, text: str | None, says: str) -> None:
    if text is not None:
        file.write_text(text)
    done = command(file.parent, "topics", "list")
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (file.parent / "subscribers.db").exists()
