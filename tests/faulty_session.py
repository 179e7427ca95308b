"""One session of a faulty server: SMTP as RFC 5321 has it, but where the script says otherwise."""

import asyncio
import base64
import re
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from faulty_records import Copy
from faulty_script import Act, Cut, Drip, Early, Flood, HalfClose, Hold, Late, Raw, Say, Slow, Stage
from faulty_wire import GoneError, Wire

if TYPE_CHECKING:
    from faulty import FaultyServer

_PATH = re.compile(r"(?:FROM|TO):<([^>]*)>(.*)", re.I)
_GO_ON = "354 go on"


class Session:
    """One connection, `number` of them by now."""

    def __init__(
        self, server: "FaultyServer", number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server, self._number, self._manners = server, number, server.script.manners
        self._wire = Wire(reader, writer, self._manners.replies)
        self._mails = 0  # begun
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._tls = self._known = False
        self._stuck = False  # RSET was not heard
        self._early = 0  # bytes there when the last reply was said, of which none may be followed
        self._verbs: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self._hello,
            "HELO": self._hello,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
        }

    async def converse(self) -> None:
        """Greet, and do what is asked until one of the two has enough."""
        try:
            if self._manners.tls is not None and not self._manners.starttls:
                await self._begin_tls(self._manners.tls)
            await self._greet()
            while True:
                await self._obey(await self._wire.line())
        except (GoneError, ConnectionError, ssl.SSLError):
            self._wire.close()
        except asyncio.CancelledError:
            self._wire.abort()

    async def _greet(self) -> None:
        most = self._manners.at_once
        if most is not None and len(self._server.open) > most:
            await self._say("421 4.7.0 too many connections")
        else:
            await self._reply(Stage.GREETING, "220 mail.example.org here")

    async def _obey(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace")
        self._server.heard.commands.append((self._number, line))
        verb, _, rest = line.partition(" ")
        was_early, self._early = self._early > 0, max(self._early - len(raw) - 2, 0)
        if was_early:
            await self._say("503 5.5.1 wait for your turn")
        elif not line.isascii() and not self._manners.smtputf8:
            self._wrong(f"not ASCII: {line}")
            await self._say("500 5.6.7 not ASCII")
        elif verb.upper() == "QUIT":
            await self._reply(Stage.QUIT, "221 2.0.0 bye")
            await self._wire.cut("fin")
        elif (act := self._verbs.get(verb.upper())) is not None:
            await act(rest)
        else:
            await self._say("502 5.5.1 no such command")
        await self._mind_what_is_there(verb.upper())

    async def _mind_what_is_there(self, verb: str) -> None:
        """What to do with commands that came before the reply to the one before them (RFC 2920)."""
        if not self._wire.early or self._early:
            return
        broken = verb == "DATA" or not self._manners.broken_behind
        match self._manners.pipelining if broken else "kept":
            case "none":
                self._wrong(f"more came behind {verb} before its reply")
            case "kept":
                if verb in ("EHLO", "STARTTLS", "AUTH", "DATA") and self._sender is not None:
                    self._wrong(f"more came behind {verb}, which ends a group, before its reply")
            case "discards":
                await self._wire.flush()
                self._wire.throw_away()
            case "refuses":
                self._early = self._wire.early
            case "drops":
                await self._wire.cut("fin")

    # ---------------------------------------------------------------- the opening

    async def _hello(self, rest: str) -> None:
        manners = self._manners
        offers = [
            "mail.example.org",
            *["PIPELINING"] * (manners.pipelining != "none"),
            *["SMTPUTF8"] * manners.smtputf8,
            *["8BITMIME"] * manners.smtputf8,
            *["STARTTLS"] * (manners.starttls and not self._tls),
            *["AUTH PLAIN LOGIN"] * (manners.login is not None),
            *([f"SIZE {manners.size}"] if manners.size is not None else []),
            "ENHANCEDSTATUSCODES",
        ]
        own = "\n".join(f"250{'-' if offer is not offers[-1] else ' '}{offer}" for offer in offers)
        await self._reply(Stage.EHLO, own)

    async def _starttls(self, rest: str) -> None:
        if not self._manners.starttls or self._manners.tls is None:
            await self._say("502 5.5.1 not here")
        elif (await self._reply(Stage.STARTTLS, "220 2.0.0 go ahead")).startswith("220"):
            await self._wire.say(self._manners.injected)
            if self._wire.early:
                self._wrong("plain text came behind STARTTLS")
            await self._begin_tls(self._manners.tls)

    async def _begin_tls(self, context: ssl.SSLContext) -> None:
        await self._wire.start_tls(context)
        self._tls = True

    async def _auth(self, rest: str) -> None:
        mechanism, _, initial = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            given = tuple(_decoded(initial or await self._ask("")).split("\0")[1:])
        else:
            given = (_decoded(initial or await self._ask("Username:")), _decoded(await self._ask("Password:")))
        right = given == self._manners.login
        said = await self._reply(Stage.AUTH, "235 2.7.0 welcome" if right else "535 5.7.8 that is wrong")
        self._known = said.startswith("235")

    async def _ask(self, prompt: str) -> str:
        await self._say(f"334 {base64.b64encode(prompt.encode()).decode()}")
        return (await self._wire.line()).decode()

    # ---------------------------------------------------------------- a mail

    async def _mail(self, rest: str) -> None:
        if self._sender is not None:
            if not self._stuck:
                self._wrong("MAIL, and the mail before it has not ended")
            await self._say("503 5.5.1 one at a time")
            return
        path = _PATH.match(rest)
        size = re.search(r" SIZE=(\d+)", rest, re.I)
        manners = self._manners
        if path is None or (" SMTPUTF8" in rest and not manners.smtputf8):
            await self._say("555 5.5.4 not understood")
        elif manners.login is not None and not self._known:
            await self._say("530 5.7.0 who are you?")
        elif size and manners.size is not None and int(size[1]) > manners.size:
            await self._say("552 5.3.4 too large")
        else:
            self._mails += 1
            await self._part_from_who_has_enough()
            if (await self._reply(Stage.MAIL, "250 2.1.0 fine")).startswith("2"):
                self._sender = path[1]

    async def _part_from_who_has_enough(self) -> None:
        allowed = self._manners.per_connection
        if allowed is not None and self._mails > allowed:
            if self._manners.parting == "421":
                await self._say("421 4.7.0 enough of you")
            await self._wire.cut(self._manners.parting)

    async def _rcpt(self, rest: str) -> None:
        path = _PATH.match(rest)
        if self._sender is None or path is None:
            await self._say("503 5.5.1 MAIL first")
        elif (await self._reply(Stage.RCPT, "250 2.1.5 fine", path[1])).startswith("2"):
            self._recipients.append(path[1])

    async def _data(self, rest: str) -> None:
        if self._sender is None or not (self._recipients or self._manners.eager):
            await self._say("503 5.5.1 RCPT first")
            return
        act = self._act(Stage.DATA)
        copy = Copy(self._number, self._sender, tuple(self._recipients), self._tls)
        said = await self._do(act, _GO_ON)
        if isinstance(act, Early):
            self._server.heard.copies.append(copy)
            await self._wire.say(b"250 2.0.0 taken\r\n", copy.tell)
        if said.startswith("354"):
            await self._take(copy, act)

    async def _take(self, copy: Copy, begun: Act | None) -> None:
        """The body and what follows."""
        if self._wire.early:
            self._wrong("more came behind DATA before its reply")
        await self._wire.some()
        act = self._act(Stage.BODY)
        if interrupted := not isinstance(act, Slow | None):
            self._server.heard.copies.append(copy)
            await self._do(act, "", copy)
        copy.content = await (self._wire.body(act.size, act.pause) if isinstance(act, Slow) else self._wire.body())
        self._sender, self._recipients = None, []
        if isinstance(begun, Early):
            copy.filed = begun.files
        elif not interrupted:
            await self._judge(copy)

    async def _judge(self, copy: Copy) -> None:
        manners = self._manners
        if not copy.recipients:
            if copy.content:
                self._wrong("a body for nobody")
            await self._say("554 5.5.1 for nobody")
            return
        self._server.heard.copies.append(copy)
        if manners.size is not None and len(copy.content) > manners.size:
            await self._say("552 5.3.4 too large")
        elif (act := self._act(Stage.DOT, copy.recipients[0])) is not None:
            await self._do(act, "451 4.3.0 not filed", copy)
        else:
            copy.filed = True
            await self._reply(Stage.FILED, "250 2.0.0 filed", copy.recipients[0], copy)

    async def _rset(self, rest: str) -> None:
        if (await self._reply(Stage.RSET, "250 2.0.0 forgotten")).startswith("2"):
            self._sender, self._recipients = None, []
        else:
            self._stuck = True

    # ---------------------------------------------------------------- replies

    def _wrong(self, what: str) -> None:
        self._server.heard.wrongs.append(f"connection {self._number}: {what}")

    def _act(self, stage: Stage, recipient: str = "") -> Act | None:
        recipient = recipient or (self._recipients[0] if self._recipients else "")
        return self._server.act_at(stage, self._number, self._mails, recipient)

    async def _reply(self, stage: Stage, own: str, recipient: str = "", copy: Copy | None = None) -> str:
        """The server's own reply, or what the script has for this place; returns what was said, if it can be read."""
        return await self._do(self._act(stage, recipient), own, copy)

    async def _do(self, act: Act | None, own: str, copy: Copy | None = None) -> str:
        wire = self._wire
        match act:
            case None | Early() | Slow():
                return await self._say(own, copy)
            case Say():
                return await self._say(act.text, copy, act.then)
            case Late():
                await asyncio.sleep(act.seconds)
                return await self._say(own, copy)
            case Drip():
                await wire.flush()
                await self._say(own, copy)
                await wire.flush(drip=True)
                return own
            case Hold():
                await wire.hold()
                await self._say(own)
                await wire.flush()
            case Cut():
                await wire.cut(act.how)
            case Flood():
                await wire.flood(act.data, act.pause)
            case Raw():
                await wire.say(act.data)
                return ""
            case HalfClose():
                if act.said:
                    await self._say(own, copy)
                await wire.half_close()
        raise GoneError

    async def _say(self, text: str, copy: Copy | None = None, then: str = "") -> str:
        """Say a reply, which tells about a copy; 421 is the last word of a connection."""
        taken = copy is not None and text.startswith("2")
        lines = text.replace("\n", "\r\n") + "\r\n"
        await self._wire.say(lines.encode(), copy.tell if copy is not None and taken else None)
        if then or text.startswith("421"):
            await self._wire.cut(then or "fin")
        return text


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()
