"""The composition root: a `Config` and the outside world become an `App`, whose parts are made when first needed."""

import os
import random
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter import __version__
from newsletter.addresses import keyed, list_id, quoted_uri, split_mailbox
from newsletter.archive import Archive
from newsletter.composition import Composer
from newsletter.config import Config
from newsletter.digests import Digests
from newsletter.mail.draft import Draft
from newsletter.mail.message import Address, Letterhead, compose_plain
from newsletter.mail.tokens import Keyring
from newsletter.mail.transports import Carrier, Patience
from newsletter.mail.transports.maildir import MaildirCarrier
from newsletter.mail.verp import ReturnPath
from newsletter.model import WEEKDAYS, Account, Paper, Rhythm
from newsletter.places import Places
from newsletter.rendering.digest import Brand
from newsletter.sources import Source
from newsletter.sources.calendar import Calendar
from newsletter.storage import Storage
from newsletter.storage.database import BUSY_TIMEOUT
from newsletter.storage.deliveries import Claim
from newsletter.storage.singles import Single
from newsletter.subscriptions import Subscriptions
from newsletter.timetable import Hours, next_hour

if TYPE_CHECKING:  # what makes HTTP requests is heavy, and a sender never needs it; nor, mostly, what signs
    from newsletter.mail.dkim import Signer, SigningKey
    from newsletter.rendering.notice import Notices
    from newsletter.sources.api import ApiSource
    from newsletter.sources.client import Client


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outside:
    """Time, sleep and chance, as they come in. Tests bring their own."""

    clock: Callable[[], datetime] = _utc_now
    wall: Callable[[], float] = time.time  # seconds, shared by all processes of the machine
    monotonic: Callable[[], float] = time.monotonic  # seconds; never set
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    token: Callable[[], str] = field(default=lambda: secrets.token_hex(8))
    tls: ssl.SSLContext | None = None  # None: the system's certificates
    patience: float = BUSY_TIMEOUT  # seconds that another writer of the database is waited for
    answers: Patience = field(default_factory=Patience)  # how long a mail server is waited for


class App:
    """Everything a front needs, wired."""

    def __init__(self, config: Config, outside: Outside | None = None, *, looking: bool = False) -> None:
        """With `looking`, the database is only looked at: nothing in it or beside it is made or changed."""
        self.config, self.looking = config, looking
        self.outside = outside or Outside()

    def now(self) -> datetime:
        """This moment."""
        return self.outside.clock()

    @property
    def hours(self) -> Hours:
        """When editions are begun."""
        newsletter = self.config.newsletter
        return Hours(newsletter.timezone, newsletter.publish_at, newsletter.publish_until)

    def today(self) -> date:
        """The date in the newsletter's time zone."""
        return self.hours.today(self.now())

    def lock_file(self, name: str) -> Path:
        """The file, beside the database, under whose lock only one process does something."""
        database = self.config.newsletter.database
        return database.with_name(f"{database.name}.{name}")

    def close(self) -> None:
        """Close what was opened."""
        if "storage" in self.__dict__:
            self.storage.close()

    @property
    def named_topics(self) -> list[tuple[str, str]]:
        """The operator's topics as the configuration has them: names and queries."""
        return [(topic.name, topic.written) for topic in self.config.topics]

    @cached_property
    def storage(self) -> Storage:
        """The database, with the operator's topics as the configuration has them now, or, looking, as it lies."""
        storage = Storage(self.config.newsletter.database, self.outside.patience, looking=self.looking)
        if not self.looking:
            storage.topics.follow(self.named_topics)
        return storage

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """The verbs on subscribers."""
        arxiv = self.config.arxiv
        # A whole category is one request, however many queries are matched with it here.
        most = arxiv.max_queries if arxiv.source == "api" else None
        newsletter = self.config.newsletter
        return Subscriptions(self.storage, newsletter.local_domains, most, self.next_hour)

    @property
    def keyring(self) -> Keyring:
        """What makes and reads the tokens in links, with the newest key there is."""
        self._keyring.refresh()
        return self._keyring

    @cached_property
    def _keyring(self) -> Keyring:
        return Keyring(self.storage.keys)

    def fingerprint(self, email: str) -> str:
        """What stands for an address in logs."""
        return keyed(self.storage.keys.addresses, email)[:12]

    @property
    def weekday(self) -> int:
        """The newsletter's weekly day; Monday is 0."""
        return WEEKDAYS.index(self.config.digest.weekly_on)

    def next_hour(self, rhythm: Rhythm, now: datetime) -> datetime | None:
        """When the hour of readers with this rhythm comes next, after `now`; None if they have none."""
        return next_hour(rhythm, self.config.newsletter.timezone, self.weekday, now)

    @cached_property
    def calendar(self) -> Calendar:
        """When arXiv announces."""
        return Calendar(frozenset(self.config.arxiv.holidays))

    @cached_property
    def source(self) -> Source:
        """Where papers come from: what the configuration names, with the others behind it."""
        from newsletter.sources.fallback import Fallback, FeedFirst
        from newsletter.sources.feed import FeedSource
        from newsletter.sources.oai import OaiSource

        arxiv = self.config.arxiv
        second = OaiSource(self._client, arxiv.oai_url, arxiv.categories)
        if arxiv.source == "api":
            return Fallback(self.query_api, second)
        feed = FeedSource(self._client, arxiv.feed_url, arxiv.api_url, arxiv.categories)
        return FeedFirst(feed, self.query_api, second, self.calendar)

    @cached_property
    def query_api(self) -> "ApiSource":
        """arXiv's search."""
        from newsletter.sources.api import ApiSource

        arxiv = self.config.arxiv
        return ApiSource(self._client, arxiv.api_url, arxiv.max_results, arxiv.categories)

    def fill_in(self, papers: Sequence[Paper]) -> tuple[list[Paper], Account]:
        """The papers in full, as far as arXiv's search tells; and what that came to."""
        from newsletter.sources.details import fill_in

        requests = self._client.requests
        found, error = fill_in(self._client, self.config.arxiv.api_url, papers)
        full = sum(not paper.provisional for paper in found)
        asked = self._client.requests - requests
        return found, Account("api", "details", matched=full, received=full, known=full, requests=asked, error=error)

    @cached_property
    def _client(self) -> "Client":
        """What asks arXiv, one request at a time."""
        from newsletter.sources.client import Client
        from newsletter.sources.gate import Gate

        arxiv, outside = self.config.arxiv, self.outside
        gate = Gate(arxiv.gate or _state_folder() / "gate", arxiv.interval, outside.wall, outside.sleep)
        contact = arxiv.contact or self.config.newsletter.sender_address
        reached = quoted_uri(f"mailto:{contact}" if "@" in contact else contact)
        agent = f"DailyPapers/{__version__} (+{reached})"
        return Client(
            gate, agent, sleep=outside.sleep, chance=outside.chance, wall=outside.wall, monotonic=outside.monotonic
        )

    @property
    def places(self) -> Places:
        """Where readers find our pages."""
        return Places(self.config.newsletter.base_url, self.config.archive.url)

    @cached_property
    def letterhead(self) -> Letterhead:
        """What all our mails share."""
        newsletter = self.config.newsletter
        name, address = newsletter.sender_name, newsletter.sender_address
        reply_to, (_, owner) = (
            split_mailbox(text, newsletter.local_domains) if text else ("", "")
            for text in (newsletter.reply_to, newsletter.operator)
        )
        return Letterhead(
            newsletter.name,
            name,
            address,
            list_id(address),
            reply_to,
            owner,
            archive=self.places.editions(),
            leave=self.config.bounces.address,
        )

    @cached_property
    def composer(self) -> Composer:
        """What makes mails."""
        return self.make_composer()

    def make_composer(self, *, stored: bool = True) -> Composer:
        """What makes mails: of the pieces that editions have stored, or of none but those made now."""
        newsletter = self.config.newsletter
        return Composer(
            self.storage,
            Brand(newsletter.name, newsletter.postal_address, newsletter.language, self.places),
            self.letterhead,
            keyring=self.keyring,
            templates=self.config.digest.templates,
            clock=self.outside.clock,
            stored=stored,
        )

    @cached_property
    def archive(self) -> Archive:
        """The README and the repository that holds it."""
        newsletter, archive = self.config.newsletter, self.config.archive
        name, address = newsletter.sender_name, newsletter.sender_address
        return Archive(archive.path, name, address, push=archive.push, sleep=self.outside.sleep)

    def carrier(self) -> Carrier:
        """A new way to where mail goes; nothing is opened before the first mail."""
        if self.config.delivery.transport == "maildir":
            return MaildirCarrier(self.config.delivery.maildir)
        from newsletter.mail.transports.smtp import SmtpCarrier, SmtpServer

        smtp, outside = self.config.smtp, self.outside
        password = smtp.secret.get_secret_value() if smtp.secret else ""
        return SmtpCarrier(
            SmtpServer(smtp.host, smtp.port, smtp.security, smtp.username, password, smtp.ehlo_name),
            smtp.connections,
            clock=outside.monotonic,
            context=outside.tls,
            patience=outside.answers,
            mails=smtp.per_connection,
        )

    @cached_property
    def return_path(self) -> ReturnPath | None:
        """The envelope senders of mails, if ``[bounces]`` says where they come back to."""
        address = self.config.bounces.address
        return ReturnPath(address, self.keyring) if address else None

    def envelope_sender(self, claim: Claim) -> str:
        """Where the mail of a delivery comes back to."""
        return self.return_path.of(claim.delivery.id) if self.return_path else self.config.newsletter.sender_address

    def envelope_id(self, claim: Claim) -> str:
        """What the mail of a delivery is known by when it comes back; empty if nobody would read it."""
        return self.return_path.token(claim.delivery.id) if self.return_path else ""

    def sign(self, message: bytes | Draft) -> bytes:
        """A message that is ready to go out, with our DKIM signatures before it; without ``[dkim]`` as it is."""
        return self._signer.sign(message, self.now()) if self.config.dkim else bytes(message)

    @cached_property
    def _signer(self) -> "Signer":
        from newsletter.mail.dkim import Signer

        return Signer(self.signing_keys)

    @property
    def signing_keys(self) -> "list[SigningKey]":
        """The keys of ``[dkim]``, in their order."""
        from newsletter.mail.dkim import SigningKey

        ours = self.config.newsletter.domain
        return [SigningKey(one.domain or ours, one.selector, one.private_key) for one in self.config.dkim]

    def compose(self, claim: Claim, digests: Digests) -> bytes | None:
        """The mail of a claimed delivery, signed; None if the reader's choice has left nothing to read."""
        delivery, made_from = claim.delivery, claim.made_from
        if isinstance(made_from, Single):
            subject, text = self.notices.render(made_from.template, made_from.values, made_from.language)
            address = Address(delivery.email, delivery.message_id, self.now())
            return self.sign(compose_plain(self.letterhead, address, made_from.template, subject, text))
        digest, topics = digests.with_topics(made_from, delivery.upto)
        if not digest.items:
            return None
        whom = made_from.id, delivery.email, delivery.message_id
        return self.sign(self.composer.message(digest, topics, *whom, made_from.look, welcome=claim.welcome))

    @cached_property
    def notices(self) -> "Notices":
        """What renders mails that are no digest."""
        from newsletter.rendering.notice import Notices

        return Notices(self.config.digest.templates, self.config.newsletter.language)


def _state_folder() -> Path:
    """Where programs of this user keep what must outlive them (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "daily-papers"
