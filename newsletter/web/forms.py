"""Forms as they were sent: what was typed, read field by field, and what is wrong with it, in words for a person."""

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from flask import Request
from werkzeug.datastructures import MultiDict

from newsletter.addresses import check_address
from newsletter.app import App
from newsletter.errors import AddressError, QueryError, UsageError
from newsletter.model import Preferences, Topic
from newsletter.query import parse, tidy
from newsletter.rendering.words import _
from newsletter.subscriptions.wishes import read_preferences
from newsletter.web.pages import say

MOST_QUERIES, LONGEST_QUERY = 20, 1_000  # of one reader; characters
QUICKEST, SLOWEST = timedelta(seconds=3), timedelta(days=1)  # from the form to its answer
TRAP = "subject"  # a field that nobody sees: who fills it in is a program
WHOLE = "form"  # what an error is about that is no single field's


class Form:
    """A form. `errors` holds what is wrong, by the field it is about."""

    def __init__(self, sent: MultiDict[str, str] | None = None) -> None:
        self._sent = MultiDict[str, str]() if sent is None else sent
        self.errors: dict[str, str] = {}

    def text(self, name: str) -> str:
        """What a field holds; empty if it is not there."""
        return self._sent.get(name, "").strip()

    def texts(self, names: Iterable[str]) -> dict[str, str]:
        """What the fields of these names hold, as far as they are there."""
        return {name: self.text(name) for name in names if name in self._sent}

    def several(self, name: str) -> list[str]:
        """What all fields of a name hold."""
        return self._sent.getlist(name)

    def address(self, name: str, local_domains: Iterable[str]) -> str:
        """A checked address."""
        try:
            return check_address(self.text(name), tuple(local_domains))
        except AddressError:
            reason = _("Enter an e-mail address, such as name@example.org.") if not self.text(name) else _NO_ADDRESS
            self.errors[name] = say(reason)
            return ""

    def topics_and_queries(self, offered: Sequence[Topic]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What was chosen of the topics that are offered, by name, and one's own queries. Both empty: everything.

        With queries of one's own, all topics are those that there are today.
        """
        queries = self._queries()
        everything = self.text("which") != "some"
        ticked = set(self.several("topic"))
        names = tuple(topic.name for topic in offered if (everything and not topic.sleeping) or str(topic.id) in ticked)
        if not everything and not names and not queries and "queries" not in self.errors:
            self.errors["which"] = say(_("Tick a topic, or write a query of your own; or choose all topics."))
        return (() if everything and not queries else names), queries

    def _queries(self) -> tuple[str, ...]:
        lines = [line for text in self.text("queries").splitlines() if (line := tidy(text))]
        if len(lines) > MOST_QUERIES:
            self.errors["queries"] = say(_("Up to {most} queries, please."), most=MOST_QUERIES)
            return ()
        for number, line in enumerate(lines, 1):
            if problem := _problem(line):
                where = say(_("In line {number}:"), number=number) if len(lines) > 1 else ""
                self.errors["queries"] = f"{where} {problem}".strip()
        return tuple(dict.fromkeys(lines))

    def preferences(self, names: Iterable[str], before: Preferences) -> Preferences:
        """What the fields of these names, as far as they are there, make of what was preferred before."""
        for name, text in self.texts(names).items():
            try:
                before = read_preferences({name: text}, before)
            except UsageError:  # not by the page, which offers what is allowed
                self.errors[name] = say(_("{name}: choose one of those that are offered."), name=name)
        return before

    def day_to_come(self, name: str, today: date) -> date | None:
        """A date after today; None if there is none."""
        try:
            day = date.fromisoformat(self.text(name)) if self.text(name) else None
        except ValueError:
            day = today
        if day is not None and day <= today:
            self.errors[name] = say(_("Enter a date to come, such as 2026-01-31; or none."))
        return day

    def check_time(self, app: App) -> None:
        """See whether the form was opened a while ago, and not too long: programs that fill in forms are quicker."""
        found = app.keyring.read("form", self.text("opened"), timed=True)
        age = app.now() - found.made if found and found.made else None
        if age is None or age > SLOWEST or age < timedelta():
            self.errors[WHOLE] = say(_("This form was open for too long. Please send it again."))
        elif age < QUICKEST:
            self.errors[WHOLE] = say(_("That was very quick. Please wait a few seconds, and send it again."))


_NO_ADDRESS = _("Mail cannot be sent to this address. Is it complete, such as name@example.org?")


def _problem(query: str) -> str:
    """What is wrong with a query; empty if nothing is."""
    if len(query) > LONGEST_QUERY:
        return say(_("A query has at most {most} characters."), most=LONGEST_QUERY)
    try:
        parse(query)
    except QueryError as error:
        return say(_("“{query}” is no query: {reason}"), query=query, reason=error)
    return ""


def opened(app: App) -> str:
    """What a form carries to tell when it was opened."""
    return app.keyring.make("form", 0, app.now())


def network_of(request: Request) -> str:
    """The network that a request came from: of IPv4 a /24, of IPv6 a /48; addresses within it cost nothing."""
    try:
        address = ipaddress.ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
