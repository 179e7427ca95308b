"""The conversation on one connection, without the connection: what to say after what was heard.

With PIPELINING (RFC 2920) an envelope is said in one go, and that of the next mail right behind the body of the one
before: a round trip a mail, which is for the 354 that must be awaited. Without it every command waits for its reply.
A mail whose envelope was refused is never followed by its body: if the server says 354 all the same, only the dot goes
out, which ends a message for nobody.
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum

from newsletter.bouncing import status_in
from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Outcome, Parcel, Stage, Verdict
from newsletter.mail.transports.smtp.envelope import Commands, commands, stuffed
from newsletter.mail.transports.smtp.replies import CONFUSED, GarbledError, Reply, judge


class _Wait(Enum):
    """What a reply is awaited for."""

    MAIL = Stage.MAIL
    RCPT = Stage.RCPT
    DATA = Stage.DATA
    DOT = Stage.DOT
    EMPTY = "the dot of a message for nobody"
    RSET = "RSET"


_STAGES = {wait: wait.value for wait in _Wait if isinstance(wait.value, Stage)}


@dataclass(slots=True)
class Pipelining:
    """Whether a server understands commands that are sent together. Some say so and do not."""

    proven: bool = False  # it did, behind a message too
    broken: bool = False  # it did not


class _Mail:
    """A parcel on its way."""

    __slots__ = ("begun", "behind", "commands", "end", "parcel", "refusal")

    def __init__(self, parcel: Parcel, said: Commands) -> None:
        self.parcel, self.commands = parcel, said
        self.begun = False  # its envelope was said
        self.behind = False  # behind the message before it
        self.end = 0  # how many bytes were said when its final dot was; 0: it was not
        self.refusal: Answer | None = None


class Dialogue:
    """Takes parcels and replies, gives what is to be said. `host` is named in errors; what is learnt of its
    pipelining all connections to it share."""

    def __init__(self, host: str, extensions: Collection[str], pipelining: Pipelining) -> None:
        self._host, self._extensions, self._learnt = host, extensions, pipelining
        self.pipelining = "pipelining" in extensions and not pipelining.broken
        self._mails: deque[_Mail] = deque()
        self._awaited: deque[tuple[_Wait, _Mail]] = deque()
        self._said: list[bytes] = []
        self._length = 0  # bytes said so far
        self.answered = 0  # mails that were answered
        self.trouble: TransportError | None = None
        self.closing = False  # the connection is of no more use

    @property
    def room(self) -> int:
        """How many parcels it takes now: one to send, and with PIPELINING one to announce behind it."""
        if self.closing or self.trouble is not None:
            return 0
        return (2 if self.pipelining else 1) - len(self._mails)

    @property
    def idle(self) -> bool:
        """Whether nothing is said or awaited."""
        return not self._mails and not self._awaited

    @property
    def waits(self) -> bool:
        """Whether a reply is awaited."""
        return bool(self._awaited)

    @property
    def waits_for_dot(self) -> bool:
        """Whether the next reply is to tell what became of a message."""
        return bool(self._awaited) and self._awaited[0][0] is _Wait.DOT

    @property
    def doubtful(self) -> bool:
        """Whether what is awaited may never come, since it was asked for together with something else."""
        return self.pipelining and not self._learnt.proven and not self.waits_for_dot

    @property
    def parcels(self) -> int:
        """How many parcels it has taken and not answered."""
        return len(self._mails)

    def offer(self, parcel: Parcel) -> Answer | None:
        """Take a parcel; the answer, if it cannot even be announced."""
        try:
            said = commands(parcel, self._extensions, self._host)
        except TransportError as error:
            self.trouble = error
            return Answer(Verdict.RETURNED, text=str(error))
        if isinstance(said, Answer):
            return said
        self._mails.append(_Mail(parcel, said))
        self._begin_next()
        return None

    def take_said(self) -> list[bytes]:
        """What is to be written, once."""
        said, self._said = self._said, []
        return said

    def hear(self, reply: Reply, written: int) -> Outcome | None:
        """Go on after a reply, which came when so many bytes had been written. Raises `GarbledError` if it makes no
        sense."""
        if not self._awaited:
            raise GarbledError(f"{reply.code} {reply.text}")  # as 421, before it closes the connection
        wait, mail = self._awaited.popleft()
        if reply.code == 421 and wait is not _Wait.DOT:
            self.closing = True
            mail.refusal = mail.refusal or Answer(Verdict.DEFERRED, 421, reply.text, _STAGES.get(wait, Stage.NONE))
            raise GarbledError(f"421 {reply.text}")
        match wait:
            case _Wait.MAIL | _Wait.RCPT:
                self._hear_envelope(wait, mail, reply)
                return self._end_refused(mail) if mail.refusal and not self.pipelining else None
            case _Wait.DATA:
                return self._hear_data(mail, reply)
            case _Wait.DOT:
                return self._hear_dot(mail, reply, written)
            case _Wait.EMPTY:
                return self._end_refused(mail)
            case _Wait.RSET:
                self.closing = self.closing or reply.code >= 400
                self._begin_next()
                return None

    def lose(self, reason: str, written: int, *, spare: bool = False) -> Iterator[tuple[Parcel, Answer | None]]:
        """The connection is gone, and so many bytes had been written: what becomes of the parcels.

        No answer: it was only announced, on a connection that had worked, or was a `spare` one beside others that do,
        and may be tried on another.
        """
        if self.doubtful and not self.closing and any(mail.begun and not mail.end for mail in self._mails):
            self._learnt.broken = True
        kept = spare or self.answered > 0 or (self.pipelining and self._learnt.broken)
        for mail in self._mails:
            if mail.end and mail.end <= written:
                yield mail.parcel, Answer(Verdict.UNKNOWN, text=f"no answer after the message: {reason}")
            elif mail.end or (not kept and mail.begun):
                yield mail.parcel, mail.refusal or Answer(Verdict.DEFERRED, text=f"connection lost: {reason}")
            else:
                yield mail.parcel, None
            kept = True  # as far as it concerns what comes behind
        self._mails.clear()
        self._awaited.clear()
        self._said.clear()

    def withdraw(self) -> Iterator[Parcel]:
        """Give back what was not begun, or only announced; then the connection is good for nothing but the answer to
        the message that goes out, if one does."""
        for mail in [mail for mail in self._mails if not mail.end]:
            self._mails.remove(mail)
            yield mail.parcel
        while self._awaited and self._awaited[-1][0] is not _Wait.DOT:
            self._awaited.pop()
        self.closing = True

    # ---------------------------------------------------------------- what is said

    def _say(self, *pieces: bytes) -> None:
        self._said += pieces
        self._length += sum(map(len, pieces))

    def _await(self, mail: _Mail, *waits: _Wait) -> None:
        self._awaited += ((wait, mail) for wait in waits)

    def _begin_next(self) -> None:
        """Announce the mail whose turn it is, unless the one before it is still being announced, or one thing must be
        said at a time."""
        if self._awaited and not self.pipelining:
            return
        for mail in self._mails:
            if mail.begun:
                if not mail.end:
                    return
                continue
            mail.begun, mail.behind = True, self.waits_for_dot
            if self.pipelining:
                self._say(mail.commands.mail, mail.commands.rcpt, b"DATA\r\n")
                self._await(mail, _Wait.MAIL, _Wait.RCPT, _Wait.DATA)
            else:
                self._say(mail.commands.mail)
                self._await(mail, _Wait.MAIL)
            return

    # ---------------------------------------------------------------- what is heard

    def _hear_envelope(self, wait: _Wait, mail: _Mail, reply: Reply) -> None:
        self._mind_confusion(mail, reply)
        if reply.code >= 300:
            mail.refusal = mail.refusal or self._refusal(wait, mail, reply)
        elif not self.pipelining:
            following, said = (_Wait.RCPT, mail.commands.rcpt) if wait is _Wait.MAIL else (_Wait.DATA, b"DATA\r\n")
            self._say(said)
            self._await(mail, following)

    def _mind_confusion(self, mail: _Mail, reply: Reply) -> None:
        """Who was confused by commands sent together has not refused a mail."""
        if reply.code in CONFUSED and mail.refusal is None and self.doubtful:
            raise GarbledError(f"{reply.code} {reply.text}")

    def _hear_data(self, mail: _Mail, reply: Reply) -> Outcome | None:
        self._mind_confusion(mail, reply)
        if reply.code == 354 and mail.refusal is None:
            self._learnt.proven = self._learnt.proven or (self.pipelining and mail.behind)
            self._say(stuffed(mail.parcel.message))
            mail.end = self._length
            self._await(mail, _Wait.DOT)
            self._begin_next()
            return None
        if reply.code == 354:
            self._say(b".\r\n")
            self._await(mail, _Wait.EMPTY)
            return None
        mail.refusal = mail.refusal or self._refusal(_Wait.DATA, mail, reply)
        return self._end_refused(mail)

    def _hear_dot(self, mail: _Mail, reply: Reply, written: int) -> Outcome:
        self._mails.remove(mail)
        self.answered += 1
        text = reply.text
        if written < mail.end:  # it did not hear us out, and cannot have it
            self.closing = True
            early = Answer(Verdict.DEFERRED, text=f"answered before the message was over: {reply.code} {text}")
            return Outcome(mail.parcel.id, early if reply.code < 400 else _judged(reply.code, text))
        self.closing = self.closing or reply.code == 421
        self._begin_next()
        return Outcome(mail.parcel.id, _judged(reply.code, text))

    def _refusal(self, wait: _Wait, mail: _Mail, reply: Reply) -> Answer:
        code, text, stage = reply.code, reply.text, _STAGES[wait]
        if wait is _Wait.RCPT:
            return Answer(judge(code, text), code, text, stage)
        if wait is _Wait.MAIL and code >= 500:
            if b"SMTPUTF8" in mail.commands.mail and not mail.parcel.recipient.isascii() and _is_about_utf8(code, text):
                return Answer(Verdict.REFUSED, code, text, stage)
            self.trouble = TransportError(f"{self._host} refuses the sender: {code} {text}")
            return Answer(Verdict.RETURNED, code, text, stage)
        return Answer(Verdict.DEFERRED, code, text, stage)

    def _end_refused(self, mail: _Mail) -> Outcome:
        self._mails.remove(mail)
        self.answered += 1
        self._say(b"RSET\r\n")
        self._await(mail, _Wait.RSET)
        self._begin_next()
        assert mail.refusal is not None  # noqa: S101 - it is what brought us here
        return Outcome(mail.parcel.id, mail.refusal)


def _judged(code: int, text: str) -> Answer:
    return Answer(Verdict.ACCEPTED if code < 300 else judge(code, text), code, text, Stage.DOT)


def _is_about_utf8(code: int, text: str) -> bool:
    """Whether a server that offers SMTPUTF8 will not have it here (RFC 5321 §4.2.3, RFC 6531 §3.5)."""
    return code == 555 or status_in(text)[1:4] == ".6."
