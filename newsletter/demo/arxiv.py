"""arXiv on this machine: a real HTTP server over an invented library, with faults by script.

It answers all three interfaces at one port: the query API at /api/query, feeds at /rss/… and /atom/…, OAI-PMH at /oai.
Feeds and OAI-PMH need a library that tells when it announced what; without one they answer 404.
"""

import hashlib
import ssl
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from newsletter.demo import oai, query_api
from newsletter.demo.announcements import NEW_YORK, Announcing
from newsletter.demo.atom import Form, error_feed, feed
from newsletter.demo.exchange import MOVED, Fault, Reply, Request, Script, stepwise
from newsletter.demo.library import Library
from newsletter.demo.listing import listing
from newsletter.demo.rss import Kind, channel, failed_channel, midnight, written
from newsletter.demo.taxonomy import UnknownName, read_names
from newsletter.demo.wire import Server

_PATH = "/api/query"
_LIBRARIES = ("python-requests/", "python-urllib")  # what arXiv refuses as a User-Agent


class ArxivStandIn:
    """The server, from `with` to its end; its addresses belong in the configuration, `requests` is the log."""

    def __init__(
        self,
        library: Library,
        *,
        clock: Callable[[], float] = time.monotonic,
        faults: Script = (),
        form: Form = "today",
        port: int = 0,
        strict: bool = False,
        pinned_refusals: bool = False,
        page_sizes: tuple[int, int] = (2_500, 20_000),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare it: `clock` times the log, `faults` is the script, `form` the API's service imitated, port 0 any.

        A strict one refuses requests without Accept (406), and those whose User-Agent names a library only (403).
        Pinned refusals: an error of OAI-PMH is given again for that very address until midnight UTC, as arXiv's cache
        does. `page_sizes` are those of ListRecords and ListIdentifiers.
        """
        self.requests: list[Request] = []
        self.library, self.form = library, form
        self.stopping = threading.Event()
        self._clock, self._port, self._tls = clock, port, tls
        self._strict, self._page_sizes = strict, page_sizes
        self._pinned: dict[str, tuple[datetime, Reply]] | None = {} if pinned_refusals else None
        self._lock = threading.Lock()
        self._under_way = 0
        self.script(faults)

    def script(self, faults: Script) -> None:
        """Put another script in place of what is left of the present one."""
        self._next_fault = stepwise(faults)

    @property
    def url(self) -> str:
        """The address of the query API."""
        return f"{self._base}{_PATH}"

    @property
    def feed_url(self) -> str:
        """The address of the feeds, without the categories."""
        return f"{self._base}/rss"

    @property
    def oai_url(self) -> str:
        """The address of OAI-PMH."""
        return f"{self._base}/oai"

    @property
    def _base(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._server = Server(self, self._port, self._tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="arxiv-stand-in")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    def arrived(self, method: str, target: str, form: str, headers: dict[str, str], connection: int) -> Request:
        """Log a request and count it as under way."""
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True))
        with self._lock:
            self._under_way += 1
            request = Request(self._clock(), method, parts.path, params, headers, self._under_way, connection, target)
            self.requests.append(request)
        return request

    def left(self) -> None:
        """Count a request as done."""
        with self._lock:
            self._under_way -= 1

    def fault(self, request: Request) -> Fault:
        """What the script wants for this request."""
        with self._lock:
            return self._next_fault(request) or Fault()

    def reply(self, request: Request, fault: Fault) -> Reply:
        """Answer as arXiv does, but for the fault."""
        if fault.instead is not None:
            return fault.instead(request)
        if self._strict and (refusal := _unwelcome(request)):
            return refusal
        path = request.path.removeprefix(MOVED)
        if path == _PATH:
            return self._api(request, fault)
        if isinstance(self.library, Announcing):
            kind, _, query = path.removeprefix("/").partition("/")
            if kind in ("rss", "atom"):
                return self._feed(self.library, "rss" if kind == "rss" else "atom", unquote(query), request, fault)
            if path == "/oai":
                return self._oai(self.library, request, fault)
        return _plain(404, "Not Found")

    def _api(self, request: Request, fault: Fault) -> Reply:
        try:
            page = query_api.answer(self.library, request.params, fault, self.form)
        except query_api.Refused as refusal:
            return Reply(refusal.status, error_feed(str(refusal), self.library.now()))
        return Reply(200, feed(page, self.form))

    def _feed(self, library: Announcing, kind: Kind, query: str, request: Request, fault: Fault) -> Reply:
        now = library.now()
        status = 200
        try:
            names, categories = read_names(query)
        except UnknownName as refusal:
            status, body = 400, written(kind, failed_channel(query, str(refusal), kind, now))
        else:
            items = listing(library.releases(), categories, lambda name: fault.moment(now, name), fault.found)
            body = written(kind, channel(names, now), fault.entries(items))
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        age = int((_tomorrow(now) - now).total_seconds())
        headers = {"ETag": etag, "Cache-Control": f"max-age={age}", "Content-Type": f"application/{kind}+xml"}
        if request.headers.get("If-None-Match") == etag:
            return Reply(304, b"", headers)
        return Reply(status, body, headers)

    def _oai(self, library: Announcing, request: Request, fault: Fault) -> Reply:
        now = library.now()
        if self._pinned and (pinned := self._pinned.get(request.target)) and now < pinned[0]:
            return pinned[1]
        moment = fault.moment(now, "")
        repository = oai.Repository(library.releases(), moment, now, self._page_sizes, fault.found, fault.entries)
        headers = {"Content-Type": "application/xml", "Surrogate-Control": "max-age=345600"}
        try:
            if request.repeated:
                raise oai.Refused("badArgument")
            return Reply(200, repository.answer(request.params), headers)
        except oai.Refused as refusal:
            midnight_utc = oai.expiry(now)
            headers["Surrogate-Control"] = f"max-age={int((midnight_utc - now).total_seconds())}"
            reply = Reply(200, oai.refusal(str(refusal), now), headers)
            if self._pinned is not None:
                self._pinned[request.target] = midnight_utc, reply
            return reply


def _tomorrow(now: datetime) -> datetime:
    """The midnight in New York at which the feeds are renewed."""
    return midnight(midnight(now).astimezone(NEW_YORK) + timedelta(hours=36))


def _unwelcome(request: Request) -> Reply | None:
    if "Accept" not in request.headers:
        return _plain(406, "Not Acceptable")
    agent = request.headers.get("User-Agent", "").lower()
    return _plain(403, "Forbidden") if not agent or agent.startswith(_LIBRARIES) else None


def _plain(status: int, text: str) -> Reply:
    return Reply(status, text.encode(), {"Content-Type": "text/plain"})
