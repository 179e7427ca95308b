"""The conversation with a server, without one: what is said after what was heard."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.transports import Answer, Outcome, Parcel, Stage, Verdict
from newsletter.mail.transports.smtp.dialogue import Dialogue, Pipelining
from newsletter.mail.transports.smtp.replies import GarbledError, Replies, Reply

OFFERS = {"pipelining": "", "smtputf8": "", "dsn": ""}
BODY = b"Subject: %d\r\n\r\n.dot\r\nend\r\n"
REPLIES = {
    "MAIL": [250, 451],
    "RCPT": [250, 251, 450, 550],
    "DATA": [354, 451],
    "dot": [250, 452, 554],
    "RSET": [250],
}


def parcel(number: int, recipient: str = "") -> Parcel:
    return Parcel(number, "papers@example.org", recipient or f"reader{number}@example.org", BODY % number)


@dataclass
class Server:
    """Answers what is said, by chance; says what it took."""

    choose: st.DataObject
    queue: list[tuple[str, bytes]] = field(default_factory=list)  # what was said and not answered: verb and line
    taken: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)  # all that came after a 354
    unread: bytes = b""
    reading: bool = False
    mail: int = 0
    rcpt: int = 0

    def hear(self, said: bytes) -> list[Reply]:
        """What it answers to some bytes."""
        self.unread += said
        answers = []
        while self.unread:
            if self.reading:
                body, end, rest = (b"\r\n" + self.unread).partition(b"\r\n.\r\n")
                if not end:
                    break
                self.unread, self.reading = rest, False
                answers.append(self._end(body[2:] + b"\r\n" if len(body) > 2 else b""))
                continue
            line, end, rest = self.unread.partition(b"\r\n")
            assert end, "a command that is no whole line"
            self.unread = rest
            answers.append(self._command(line[:4].decode()))
        return answers

    def _command(self, verb: str) -> Reply:
        assert verb in REPLIES, verb
        code: int = self.choose.draw(st.sampled_from(REPLIES[verb]))
        match verb:
            case "MAIL":
                assert not self.mail, "a second MAIL, without RSET"
                self.mail = int(code < 300)
            case "RCPT":
                code = code if self.mail else 503
                self.rcpt = int(code < 300)
            case "DATA":
                if not self.rcpt:  # a good server says no, a strange one lets us
                    code = self.choose.draw(st.sampled_from([354, 503, 554]))
                self.reading = code == 354
            case "RSET":
                self.mail = self.rcpt = 0
        return Reply(code, b"5.0.0 so it is" if code >= 500 else b"2.0.0 so it is")

    def _end(self, body: bytes) -> Reply:
        self.bodies.append(body)
        if not self.rcpt:
            assert body == b"", "a body for nobody"
            return Reply(554, b"5.5.1 no recipients")
        code: int = self.choose.draw(st.sampled_from(REPLIES["dot"]))
        if code < 300:
            self.taken.append(body)
        self.mail = self.rcpt = 0
        return Reply(code, b"x")


@given(st.data(), st.booleans(), st.integers(1, 6))
def test_every_parcel_is_answered_once_and_nothing_is_sent_for_nobody(
    data: st.DataObject, together: bool, number: int
) -> None:
    dialogue = Dialogue("mail.example.org", OFFERS if together else {}, Pipelining(proven=True))
    server, waiting = Server(data), [parcel(one) for one in range(number)]
    outcomes: list[Outcome] = []
    heard: list[Reply] = []
    written = 0
    while waiting or not dialogue.idle or heard:
        while waiting and dialogue.room and (dialogue.idle or data.draw(st.booleans())):
            assert dialogue.offer(waiting.pop(0)) is None
        said = b"".join(dialogue.take_said())
        written += len(said)
        if together:
            assert said.count(b"DATA\r\n") <= 1, "more than one mail is announced"
        else:
            assert not (b"MAIL" in said and b"RCPT" in said)
        heard += server.hear(said)
        for _ in range(data.draw(st.integers(1, len(heard))) if heard else 0):
            outcome = dialogue.hear(heard.pop(0), written)
            outcomes += [outcome] if outcome is not None else []
    assert sorted(outcome.id for outcome in outcomes) == list(range(number))
    accepted = [outcome.id for outcome in outcomes if outcome.answer.verdict is Verdict.ACCEPTED]
    assert server.taken == [(BODY % one).replace(b"\r\n.", b"\r\n..") for one in accepted]
    assert dialogue.trouble is None


@given(st.data(), st.integers(0, 40))
def test_whenever_the_line_is_lost_each_parcel_is_accounted_for(data: st.DataObject, steps: int) -> None:
    """At most one of them may have arrived; all others were answered, or have not been sent."""
    dialogue, server = Dialogue("mail.example.org", OFFERS, Pipelining(proven=True)), Server(data)
    answered: list[int] = []
    heard: list[Reply] = []
    offered = written = 0
    for _ in range(steps):
        if dialogue.room:
            dialogue.offer(parcel(offered))
            offered += 1
        said = b"".join(dialogue.take_said())
        part = data.draw(st.integers(0, len(said))) if data.draw(st.integers(0, 9)) == 0 else len(said)
        written += part
        heard += server.hear(said[:part]) if part == len(said) else []
        if part < len(said):
            break
        if heard and (outcome := dialogue.hear(heard.pop(0), written)):
            answered.append(outcome.id)
    lost = list(dialogue.lose("gone", written))
    assert sorted([*answered, *(one.id for one, _ in lost)]) == list(range(offered))
    unknown = [one.id for one, answer in lost if answer is not None and answer.verdict is Verdict.UNKNOWN]
    assert len(unknown) <= 1
    taken = {int(body.split(b"\r\n")[0].removeprefix(b"Subject: ")) for body in server.taken}
    assert taken <= {*answered, *unknown}, "what arrived is not tried again as if it had not"
    assert Counter(answer is None or answer.verdict is not Verdict.ACCEPTED for _, answer in lost)[False] == 0


def talk(dialogue: Dialogue, *codes: int, text: bytes = b"5.5.1 what?") -> list[Outcome]:
    """Let a server say so, having read all."""
    outcomes = (dialogue.hear(Reply(code, text), 1 << 30) for code in codes)
    return [outcome for outcome in outcomes if outcome is not None]


@pytest.mark.parametrize("code", [500, 503])
def test_who_is_confused_by_what_is_said_together_has_refused_nobody(code: int) -> None:
    learnt = Pipelining()
    dialogue = Dialogue("mail.example.org", OFFERS, learnt)
    dialogue.offer(parcel(1))
    with pytest.raises(GarbledError):
        talk(dialogue, 250, code)
    assert list(dialogue.lose("500 what?", 100)) == [(parcel(1), None)]
    assert learnt.broken
    plain = Dialogue("mail.example.org", OFFERS, learnt)
    plain.offer(parcel(1))
    assert b"".join(plain.take_said()) == b"MAIL FROM:<papers@example.org>\r\n"
    (outcome,) = talk(plain, 250, code)
    assert outcome.answer.verdict is Verdict.DEFERRED  # it is no fault of the recipient's, though


def test_a_server_that_is_going_is_not_confused() -> None:
    learnt = Pipelining()
    dialogue = Dialogue("mail.example.org", OFFERS, learnt)
    dialogue.offer(parcel(1))
    with pytest.raises(GarbledError):
        talk(dialogue, 421, text=b"4.3.2 closing")
    assert list(dialogue.lose("421", 100)) == [(parcel(1), Answer(Verdict.DEFERRED, 421, "4.3.2 closing", Stage.MAIL))]
    assert not learnt.broken


def test_an_answer_before_the_end_is_believed_if_it_is_no() -> None:
    for code, verdict in ((250, Verdict.DEFERRED), (552, Verdict.DEFERRED), (554, Verdict.REFUSED)):
        dialogue = Dialogue("mail.example.org", OFFERS, Pipelining())
        dialogue.offer(parcel(1))
        envelope = len(b"".join(dialogue.take_said()))
        talk(dialogue, 250, 250, 354)
        outcome = dialogue.hear(Reply(code, b"5.6.0 no"), envelope + 10)
        assert outcome is not None
        assert outcome.answer.verdict is verdict
        assert dialogue.closing


@given(st.lists(st.tuples(st.integers(200, 599), st.text("ab -\t\x7f", max_size=20)), max_size=8), st.data())
def test_replies_are_read_however_they_are_cut(replies: list[tuple[int, str]], data: st.DataObject) -> None:
    stream = b"".join(f"{code}-first\r\n{code} {text}\r\n".encode() for code, text in replies)
    reader, found = Replies(), list[Reply]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert [reply.code for reply in found] == [code for code, _ in replies]
    assert all(reply.text.startswith("first") for reply in found)


@pytest.mark.parametrize(
    "stream", [b"hello\r\n", b"99 low\r\n", b"600 high\r\n", b"250x\r\n", b"x" * 9000, b"250-a\r\n" * 9000]
)
def test_what_is_no_reply_is_said_to_be_none(stream: bytes) -> None:
    with pytest.raises(GarbledError):
        list(Replies().feed(stream))
