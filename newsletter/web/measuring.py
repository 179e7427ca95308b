"""Numbers for Prometheus: what this process answered, and how the newsletter stands; nothing that is anybody's own."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from newsletter.app import App
from newsletter.model import DeliveryStatus, Status
from newsletter.status import Report, report
from newsletter.storage.pace import Cause
from newsletter.storage.standing import DIGESTS
from newsletter.web.pool import Pool

_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)  # seconds


class Meter:
    """Counts what is answered, and writes all numbers down when asked."""

    def __init__(self, pool: Pool) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "newsletter_http_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "newsletter_http_request_seconds", "How long an answer took.", ("route",), buckets=_BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        ProcessCollector(namespace="newsletter_web", registry=self._registry)
        self._registry.register(_Standing(pool))

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; `route` is a rule, never a path, which may hold a token."""
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All numbers, in Prometheus's text format. Raises `StorageError`."""
        return generate_latest(self._registry)


class _Standing(Collector):
    """How the newsletter stands at the moment of asking."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def describe(self) -> list[Metric]:
        """Nothing: what is measured is not looked at before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look at the database."""
        yield from _standing(self._pool.looking())


def _standing(app: App) -> Iterator[Metric]:
    found, now = report(app), app.now()
    # Whoever asks for mail to an address must not see here whether one was made: that tells whether it subscribes.
    known = {status: number for status, number in found.subscribers.items() if status is not Status.PENDING}
    yield _by("status", "newsletter_subscribers", "Subscribers, but for those who have not confirmed.", known)
    yield GaugeMetricFamily("newsletter_suppressed", "Addresses that are not mailed.", found.suppressed)
    yield from _mail(app, found)
    if found.newest_edition is not None:
        age = (app.today() - found.newest_edition).days
        yield GaugeMetricFamily("newsletter_edition_age_days", "Days since the date of the newest edition.", age)
    if found.last_fetch is not None:
        seconds = (now - found.last_fetch.ended).total_seconds()
        yield GaugeMetricFamily("newsletter_fetch_age_seconds", "How long ago arXiv was asked.", seconds)
    yield GaugeMetricFamily("newsletter_overdue", "Things that should have happened and did not.", len(found.overdue))


def _mail(app: App, found: Report) -> Iterator[Metric]:
    """Digests on their way. Of other mails nothing is told, so a run that has no digest under way looks idle."""
    numbers = dict.fromkeys(DeliveryStatus, 0) | found.digests
    yield _by("status", "newsletter_deliveries", "Digests in the ledger.", numbers)
    waits = app.storage.standing.due_digests(found.now, numbers)
    yield GaugeMetricFamily("newsletter_queue_length", "Digests that are due.", waits)
    due = app.storage.standing.next_due(DIGESTS)
    age = max((found.now - due).total_seconds(), 0) if due is not None else 0
    yield GaugeMetricFamily("newsletter_queue_age_seconds", "For how long the first digest has been due.", age)
    ended = CounterMetricFamily("newsletter_digests", "What servers said to digests.", labels=("answer",))
    ended.add_metric(("sent",), numbers[DeliveryStatus.SENT])
    ended.add_metric(("deferred",), found.run.deferrals if found.run is not None else 0)
    ended.add_metric(("bounced",), numbers[DeliveryStatus.BOUNCED])
    yield ended
    run = found.going if numbers[DeliveryStatus.SENDING] else None
    yield GaugeMetricFamily("newsletter_sender_running", "Whether a sender is there.", found.sending)
    for name, told, number in (
        ("connections", "Connections that are open.", run.connections if run is not None else 0),
        ("under_way", "Mails that were handed over and are not answered yet.", run.under_way if run is not None else 0),
        ("rate", "Mails a second, lately.", run.rate if run is not None else 0),
    ):
        yield GaugeMetricFamily(f"newsletter_sender_{name}", told, number)
    causes = {cause: sum(pause.cause is cause for pause in found.pauses) for cause in Cause}
    yield _by("cause", "newsletter_pauses", "Domains that get no digests for a while.", causes)


def _by(label: str, name: str, told: str, numbers: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=(label,))
    for status, number in numbers.items():
        family.add_metric((str(status),), number)
    return family
