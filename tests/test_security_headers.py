"""No line, header, recipient or SMTP command comes in by address, name, query or paper; read from the bytes."""

import email
import io
import re
from collections.abc import Iterator
from contextlib import closing
from email.policy import default
from pathlib import Path

import pytest
from attacks import ENCODED_WORDS, LINE_ENDS, OWN_HOST, ask, bring_out_hostile, last_letter, say_yes
from carrying import send, to_server
from click.testing import CliRunner
from house import Time, day, make_app, make_paper, queue, subscribe
from hypothesis import given, settings
from hypothesis import strategies as st
from webfront import WebFront, web_front

from newsletter.addresses import check_address, wire_address
from newsletter.cli import newsletter
from newsletter.config import load
from newsletter.csvfile import csv_line
from newsletter.demo.smtp import SmtpStandIn
from newsletter.errors import AddressError, ConfigError
from newsletter.mail.transports import Parcel
from newsletter.sending import deliver

ANN = "ann@example.org"
EVIL = "Bcc: evil@evil.example"
#: What would be more than one address, or none, to somebody on the way.
NOT_ONE_ADDRESS = (
    *(f"ann@example.org{end}{EVIL}" for end in LINE_ENDS),
    *(f"ann{end}x@example.org" for end in LINE_ENDS),
    *(f'"ann{end}{EVIL}"@example.org' for end in LINE_ENDS),
    "ann@example.org, evil@evil.example",
    "ann@example.org; evil@evil.example",
    "ann@example.org evil@evil.example",
    "Ann <ann@example.org>, <evil@evil.example>",
    "ann@example.org>\r\nRCPT TO:<evil@evil.example",
    "ann@example.org> NOTIFY=NEVER ORCPT=rfc822;<evil@evil.example",
    "<ann@example.org>",
    "@evil.example:ann@example.org",
    "evil.example!ann@example.org@",
    '"ann@evil.example"@example.org',
    '"ann\\"@example.org',
    "ann(evil@evil.example)@example.org",
    "ann@[127.0.0.1]",
    "ann@example.org\N{RIGHT-TO-LEFT OVERRIDE}gro.live@",
    "ann@example\N{FULLWIDTH FULL STOP}org@evil.example",
    "|/bin/sh@",
    "../../etc/passwd",
    "-oQ/tmp@",
    "",
)
#: These are addresses. Nobody on the way may make others of them.
#: (G. Heyes, "Splitting the email atom", 2024: encoded words and Punycode in addresses.)
ODD_ADDRESSES = (
    "=?utf-8?q?evil=40evil.example=3e=20?=@example.org",
    "=?utf-8?b?ZXZpbEBldmlsLmV4YW1wbGU+?=@example.org",
    "ann%evil.example@example.org",
    "evil.example!ann@example.org",
    "ann%0d%0aBcc%3a@example.org",
    "ann@xn--bcher-kva.example",
    "{{7*7}}${7*7}@example.org",
    "'--@example.org",
    "`id`$IFS@example.org",
    "-oQ@example.org",
    "|id@example.org",
)
OF_A_NOTICE = [
    *("From", "Reply-To", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress"),
    *("Feedback-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
]
OF_A_DIGEST = [
    *("From", "Reply-To", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Help", "List-Owner", "List-Archive"),
    *("List-Post", "Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", "List-Unsubscribe"),
    *("List-Unsubscribe-Post", "Feedback-ID", "MIME-Version", "Content-Type"),
]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with web_front(tmp_path) as front:
        yield front


def filed(folder: Path) -> list[bytes]:
    """The mails that went out, as they were handed over: the two headers of whoever files them left out."""
    mails = [path.read_bytes() for path in sorted((folder / "outbox" / "new").glob("*"))]
    return [mail.partition(b"\n")[2].partition(b"\n")[2] for mail in mails]


def header_names(mail: bytes) -> list[str]:
    """The names of its headers, by reading its lines: a line that begins with a blank goes on."""
    head = mail.partition(b"\n\n")[0].replace(b"\n ", b" ")
    return [line.partition(b":")[0].decode() for line in head.split(b"\n")]


def check(mail: bytes, names: list[str], to: str) -> None:
    """Hold a mail against the headers it has, and the one address it goes to."""
    assert header_names(mail) == names
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", mail)
    message = email.message_from_bytes(mail, policy=default)
    assert message.keys() == names
    line = next(line for line in mail.split(b"\n") if line.startswith(b"To: "))
    assert line.decode() == f"To: {to}"
    for field in ("Cc", "Bcc", "X-Evil"):
        assert message[field] is None


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize("path", ["/subscribe", "/p"])
def test_what_is_no_one_address_is_refused_by_forms(front: WebFront, path: str) -> None:
    for text in NOT_ONE_ADDRESS:
        answer = ask(front, text, path)
        assert answer.status_code == 422, text
    assert front.app.storage.database.value("SELECT count(*) FROM requests") == 0


@pytest.mark.parametrize("email", ODD_ADDRESSES)
def test_odd_addresses_are_mailed_as_they_are_and_to_nobody_else(front: WebFront, tmp_path: Path, email: str) -> None:
    assert ask(front, email).status_code == 200
    deliver(front.app)
    (mail,) = filed(tmp_path)
    check(mail, OF_A_NOTICE, front.app.subscriptions.find(email).email.replace("bücher", "xn--bcher-kva"))  # type: ignore[union-attr]
    assert say_yes(front, last_letter(front)).status_code == 200
    assert front.app.storage.database.value("SELECT count(*) FROM subscribers") == 1


def test_no_command_comes_in_by_an_address() -> None:
    """Each text is refused before a byte of it is sent; the server hears of nobody."""
    message = b"Subject: x\r\n\r\nx\r\n"
    with SmtpStandIn() as server, closing(to_server(server.host, server.port)) as carrier:
        for text in NOT_ONE_ADDRESS:
            with pytest.raises(AddressError):
                carrier.take(Parcel(1, "papers@example.org", text, message))
            with pytest.raises(AddressError):
                carrier.take(Parcel(1, text, ANN, message))
        assert carrier.under_way == 0
        assert server.connections == 0
        assert send(server.host, server.port, "papers@example.org", ANN, message).code == 250
    ((envelope, _),) = server.received
    assert (envelope.sender, envelope.recipients) == ("papers@example.org", (ANN,))


@given(st.text(max_size=40) | st.builds("{}@{}".format, st.text(max_size=10), st.text(max_size=20)))
@settings(max_examples=300)
def test_what_passes_as_an_address_is_one_word(text: str) -> None:
    try:
        address = check_address(text)
    except AddressError:
        return
    wire = wire_address(address)
    assert re.fullmatch(r"[^\s\x00-\x20\x7f-\xa0()<>\[\]:;@\\,\"]+@[a-z0-9.-]+", wire)
    assert wire.splitlines() == [wire]


# ---------------------------------------------------------------- other doors


def test_what_is_no_one_address_is_refused_in_files(front: WebFront) -> None:
    bad = [text for text in NOT_ONE_ADDRESS if text]
    lines = csv_line(["email"]) + "".join(map(csv_line, ([text] for text in (*bad, "ok@example.org"))))
    file, moment = io.StringIO(lines, newline=""), front.app.now()
    steps = list(front.app.subscriptions.import_csv(file, confirmed=True, today=day(), now=moment))
    assert [subscriber.email for subscriber in front.app.storage.subscribers.all()] == ["ok@example.org"]
    assert sum(step.bad is not None for step in steps) == len(bad)


def test_what_is_no_one_address_is_refused_by_commands(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[newsletter]\nsender = "papers@example.org"\n')
    for text in NOT_ONE_ADDRESS:
        for command in ("add", "suppress"):
            arguments = ["--config", str(tmp_path / "config.toml"), "subscribers", command, "--", text]
            result = CliRunner().invoke(newsletter, arguments, standalone_mode=False)
            assert isinstance(result.exception, AddressError), text


CONFIG = """
[newsletter]
name = {name}
sender = {sender}
reply_to = {reply_to}
postal_address = {postal}
[[topics]]
name = {topic}
"""
KEYS = ("name", "sender", "reply_to", "postal", "topic")


def configured(folder: Path, **texts: str) -> Path:
    """A config.toml with these texts, each as TOML writes it."""
    usual = {"name": "Papers", "sender": "Papers <papers@example.org>", "reply_to": "Team <team@example.org>"}
    every = usual | {"postal": "1 Example Street", "topic": "Graph Neural Networks"} | texts
    written = {key: '"{}"'.format("".join(f"\\U{ord(sign):08x}" for sign in text)) for key, text in every.items()}
    file = folder / "config.toml"
    file.write_text(CONFIG.format(**written))
    return file


@pytest.mark.parametrize("key", KEYS)
def test_names_with_line_ends_are_refused(tmp_path: Path, key: str) -> None:
    for end in LINE_ENDS:
        for text in (f"Papers{end}{EVIL}", f"Papers{end}{EVIL} <papers@example.org>", f"papers@example.org{end}{EVIL}"):
            with pytest.raises(ConfigError):
                load(configured(tmp_path, **{key: text}))


NAMES = (
    *ENCODED_WORDS,
    f"Papers, {EVIL}",
    'Papers" <evil@evil.example>, "x',
    "Papers <evil@evil.example>",
    "Papers\\",
    "(comment)",
    "Päpers; =?",
)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_and_read_as_nothing_else(tmp_path: Path, time: Time, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    ours = {"name": name, "sender": f'"{quoted}" <papers@example.org>', "base_url": OWN_HOST}
    topics = [{"name": name.replace(";", ","), "query": "graph neural networks"}]
    with closing(make_app(tmp_path, topics=topics, time=time, newsletter=ours)) as app:
        queue(app, ANN)
        deliver(app)
    (mail,) = filed(tmp_path)
    check(mail, OF_A_DIGEST, ANN)
    message = email.message_from_bytes(mail, policy=default)
    (sender,) = message["From"].addresses
    assert sender.addr_spec == "papers@example.org"
    # Python leaves a blank between encoded words of a phrase.
    assert sender.display_name.replace(" ", "") == name.replace(" ", "")
    assert message["Subject"] == f"{name}, 6 Jan: 1 new in 1 topic"


# ---------------------------------------------------------------- queries and papers


def test_queries_and_papers_add_no_header(front: WebFront, tmp_path: Path) -> None:
    texts = (*(f"graph{end}{EVIL}" for end in LINE_ENDS), *ENCODED_WORDS)
    queries = [f'ti:"{text}"'.replace("?", "") for text in texts]
    subscribe(front.app, ANN, queries=[*queries, "ti:graph"])
    titles = [f"Graph Neural Networks {text}" for text in texts]
    front.bring_out(*(make_paper(number, title, abstract=title, comment=title) for number, title in enumerate(titles)))
    deliver(front.app)
    (mail,) = filed(tmp_path)
    check(mail, OF_A_DIGEST, ANN)
    assert b"Bcc: evil" in mail.partition(b"\n\n")[2]


def test_hostile_papers_add_no_header(front: WebFront, tmp_path: Path) -> None:
    subscribe(front.app, ANN)
    bring_out_hostile(front)
    deliver(front.app)
    for mail in filed(tmp_path):
        check(mail, OF_A_DIGEST, ANN)
