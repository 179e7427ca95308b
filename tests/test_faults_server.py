"""The faulty server itself: what it is trusted with when it judges a client."""

import smtplib
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from faulty import HONEST, FaultyServer
from faulty_script import Cut, Drip, Early, Fault, HalfClose, Hold, Manners, Raw, Say, Slow, Stage

ENVELOPE = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
BODY = b"Message-ID: <1@example.org>\r\n\r\nhello\r\n.\r\n"


class Client:
    """Writes what it is told to and reads lines."""

    def __init__(self, server: FaultyServer) -> None:
        self.socket = socket.create_connection((server.host, server.port), timeout=30)
        self.lines = self.socket.makefile("rb")

    def read(self, number: int = 1) -> list[str]:
        """The codes of so many replies; empty where the connection ended."""
        return [self._code() for _ in range(number)]

    def _code(self) -> str:
        while (line := self.lines.readline())[3:4] == b"-":
            pass
        return line[:3].decode()

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)


@contextmanager
def talking(*faults: Fault, manners: Manners = HONEST) -> Iterator[tuple[FaultyServer, Client]]:
    with FaultyServer(*faults, manners=manners) as server:
        client = Client(server)
        with client.socket, client.lines:
            assert client.read() == ["220"]
            yield server, client


def in_pieces(data: bytes, size: int) -> Sequence[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 10_000])
def test_a_body_is_what_was_meant_however_it_is_cut(size: int) -> None:
    body = b"..first\r\n\r\n..\r\n...two\r\n.. \r\nend.\r\n"
    with talking() as (server, client):
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for command in ENVELOPE.splitlines(keepends=True):
            client.say(command)
            client.read()
        client.say(*in_pieces(body + b".\r\n", size))
        assert client.read() == ["250"]
        client.say(*in_pieces(b"RSET\r\n", size))
        assert client.read() == ["250"]
        (copy,) = server.heard.copies
        assert copy.content == b".first\r\n\r\n.\r\n..two\r\n. \r\nend.\r\n"
        assert copy.filed
        assert copy.told
        assert server.heard.wrongs == []


def test_an_empty_body_is_one() -> None:
    with talking(manners=Manners(pipelining="kept")) as (server, client):
        client.say(ENVELOPE)
        client.read(3)
        client.say(b".\r\n")
        assert client.read() == ["250"]
        assert [copy.content for copy in server.heard.copies] == [b""]


@pytest.mark.parametrize("replies", ["grouped", "single", "bytes"])
def test_what_is_pipelined_is_taken(replies: str) -> None:
    with talking(manners=Manners(pipelining="kept", replies=replies)) as (server, client):  # type: ignore[arg-type]
        client.say(b"EHLO here\r\n")
        client.read()
        client.say(ENVELOPE)
        assert client.read(3) == ["250", "250", "354"]
        client.say(BODY + ENVELOPE)
        assert client.read(4) == ["250", "250", "250", "354"]
        client.say(BODY + b"QUIT\r\n")
        assert client.read(3) == ["250", "221", ""]
        assert server.heard.filed() == {"b@example.org": 2}
        assert {copy.message_id for copy in server.heard.copies} == {"<1@example.org>"}
        assert server.heard.wrongs == []


@pytest.mark.parametrize(
    ("pipelining", "said", "codes"),
    [
        ("discards", ENVELOPE + b"NOOP\r\n", ["250"]),
        ("refuses", ENVELOPE, ["250", "503", "503"]),
        ("drops", ENVELOPE, ["250", ""]),
    ],
)
def test_pipelining_that_is_offered_and_broken(pipelining: str, said: bytes, codes: list[str]) -> None:
    with talking(manners=Manners(pipelining=pipelining)) as (server, client):  # type: ignore[arg-type]
        client.say(said)
        assert client.read(len(codes)) == codes
        if pipelining != "drops":  # one after the other it works
            for command in (b"RSET\r\n", *ENVELOPE.splitlines(keepends=True), BODY):
                client.say(command)
                assert client.read()[0][0] in "23"
            assert server.heard.filed() == {"b@example.org": 1}


def test_what_clients_do_wrong_is_noticed() -> None:
    with talking() as (server, client):
        client.say(ENVELOPE)
        client.read(3)
        client.say(BODY)
        client.read()
        client.say(b"MAIL FROM:<a@example.org>\r\n")
        client.read()
        client.say(b"MAIL FROM:<a@example.org>\r\n")
        assert client.read() == ["503"]
        assert [wrong.partition(": ")[2] for wrong in server.heard.wrongs] == [
            "more came behind MAIL before its reply",
            "more came behind RCPT before its reply",
            "MAIL, and the mail before it has not ended",
        ]


def test_a_body_behind_data_or_for_nobody_is_noticed() -> None:
    with talking(Fault(Stage.RCPT, Say("550 5.1.1 no")), manners=Manners(pipelining="kept", eager=True)) as both:
        server, client = both
        client.say(ENVELOPE + BODY)
        assert client.read(4) == ["250", "550", "354", "554"]
        assert len(server.heard.wrongs) == 2
        assert server.heard.copies == []


def test_faults_are_used_up_each_at_its_place() -> None:
    faults = [
        Fault(Stage.RCPT, Say("451 4.2.1 later"), times=2, message=2),
        Fault(Stage.RCPT, Say("550 5.1.1 no"), recipient="c@example.org"),
        Fault(Stage.MAIL, Say("452 4.3.1 full"), connection=2),
    ]
    with talking(*faults, manners=Manners(pipelining="kept")) as (server, client):
        mail, rcpt, _ = ENVELOPE.splitlines(keepends=True)
        client.say(mail + rcpt + rcpt.replace(b"<b@", b"<c@") + rcpt.replace(b"<b@", b"<c@") + b"RSET\r\n")
        assert client.read(5) == ["250", "250", "550", "250", "250"]
        client.say(mail + rcpt + rcpt + rcpt)
        assert client.read(4) == ["250", "451", "451", "250"]
        assert server.left == 1
        second = Client(server)
        second.say(mail + mail)
        assert second.read(3) == ["220", "452", "250"]
        second.lines.close()
        second.socket.close()
        assert server.left == 0


@pytest.mark.parametrize(
    ("fault", "replies", "filed", "told"),
    [
        (Fault(Stage.FILED, Cut()), [""], True, False),
        (Fault(Stage.DOT, Cut()), [""], False, False),
        (Fault(Stage.FILED, HalfClose()), [""], True, False),
        (Fault(Stage.FILED, HalfClose(said=True)), ["250", ""], True, True),
        (Fault(Stage.FILED, Drip()), ["250"], True, True),
        (Fault(Stage.FILED, Say("250-it\n250 is")), ["250"], True, True),
        (Fault(Stage.FILED, Raw(b"what?\r\n")), ["wha"], True, False),
        (Fault(Stage.FILED, Say("421 4.3.2 bye")), ["421", ""], True, False),
        (Fault(Stage.DOT, Say("554 5.6.0 no")), ["554"], False, False),
        (Fault(Stage.DOT, Say("250 2.0.0 a lie")), ["250"], False, True),
        (Fault(Stage.BODY, Say("552 5.3.4 enough")), ["552"], False, False),
        (Fault(Stage.BODY, Say("552 5.3.4 enough", then="fin")), ["552", ""], False, False),
        (Fault(Stage.BODY, Slow(size=5, pause=0)), ["250"], True, True),
        (Fault(Stage.DATA, Early()), ["250"], True, True),
        (Fault(Stage.DATA, Early(files=False)), ["250"], False, True),
    ],
)
def test_what_is_known_of_a_copy(fault: Fault, replies: list[str], filed: bool, told: bool) -> None:
    with talking(fault, manners=Manners(pipelining="kept")) as (server, client):
        client.say(ENVELOPE)
        assert client.read(3) == ["250", "250", "354"]
        client.say(BODY)
        assert client.read(len(replies)) == replies
        if replies[-1]:
            client.say(b"RSET\r\n")
            client.read()
        assert [(copy.filed, copy.told) for copy in server.heard.copies] == [(filed, told)]


def test_who_holds_its_answer_back_says_it_to_nobody() -> None:
    with talking(Fault(Stage.FILED, Hold()), manners=Manners(pipelining="kept")) as (server, client):
        client.say(ENVELOPE)
        client.read(3)
        client.say(BODY)
        client.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.read()
        assert [(copy.filed, copy.told) for copy in server.heard.copies] == [(True, False)]


def test_the_library_gets_on_with_it() -> None:
    manners = Manners(login=("ali", "open sesame"), size=1_000, smtputf8=False, per_connection=2)
    with FaultyServer(manners=manners) as server:
        with smtplib.SMTP(server.host, server.port) as client:
            client.login("ali", "open sesame")
            assert client.esmtp_features["size"] == "1000"
            with pytest.raises(smtplib.SMTPSenderRefused, match="too large"):
                client.sendmail("a@example.org", ["b@example.org"], b"x\r\n" * 500)
            client.sendmail("a@example.org", ["b@example.org"], BODY)
            client.sendmail("a@example.org", ["b@example.org"], BODY)
            with pytest.raises(smtplib.SMTPSenderRefused, match="enough of you"):
                client.sendmail("a@example.org", ["b@example.org"], BODY)
        assert server.heard.filed() == {"b@example.org": 2}
        assert server.heard.wrongs == []
