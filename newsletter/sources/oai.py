"""OAI-PMH as a source: everything that was changed since a day, whole pages of records, matched here.

It is what steps in when another interface does not answer, and what catches up after days without a fetch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from functools import partial

from newsletter.errors import SourceError
from newsletter.model import Harvest
from newsletter.sources import Progress, Sieve, Upward, Want, Window
from newsletter.sources.client import Client, Params
from newsletter.sources.oaipmh import ExpiredError, Records, parse_records
from newsletter.sources.tally import Books, Tally
from newsletter.sources.taxonomy import oai_sets

MAX_PAGES = 400  # of one list; a million records
_A_DAY = timedelta(days=1)
_TOO_SHORT = "OAI-PMH lists what was changed of late, which is too little for a first edition"


class OaiSource:
    """The lists of the sets that some categories are in; without categories, one list of everything.

    It answers every want that has begun alike, with all that the sets hold: one that cannot be had fails them all.
    """

    name = "oai"

    def __init__(self, client: Client, oai_url: str, categories: Sequence[str]) -> None:
        self._client, self._url = client, oai_url
        self._sets = oai_sets(categories) or ("",)

    def fetch(
        self, wants: Sequence[Want], window: Window, sieve: Sieve, progress: Progress = lambda _done: None
    ) -> Harvest:
        """Ask for every set; see `Source.fetch`. What the window announced was changed then, or the day before."""
        upward = Upward(progress)
        self._client.begin(window, upward.again)
        begun = [want for want in wants if want.begun]
        books = Books(self.name, self._client)
        remarks: list[str] = []
        first = window.announced.astimezone(UTC).date() - _A_DAY
        for name in self._sets if begun else ():
            tally = books.open(name)
            turned = partial(upward, len(begun) * len(books.accounts) // len(self._sets))
            listing = _List(self._client, self._url, name, first, tally, sieve, turned)
            try:
                if books.given_up:
                    raise SourceError("not asked any more")
                listing.read()
            except SourceError as error:
                books.fail(tally, error)
            else:
                books.close(tally)
            remarks += listing.remarks
        upward(len(begun))
        too_short = {want.topic_id: _TOO_SHORT for want in wants if not want.begun}
        return Harvest(tuple(books.accounts), (), tuple(remarks), {**books.failures(begun), **too_short})


@dataclass
class _List:
    """The list of one set, while it is read; `turned` is called after each page."""

    client: Client
    url: str
    name: str
    first: date
    tally: Tally
    sieve: Sieve
    turned: Callable[[], None]
    remarks: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Take in all of it. Raises `SourceError`."""
        try:
            self._read_pages()
        except ExpiredError:  # tokens are good until midnight UTC
            self.remarks.append(f"the list of {self.name or 'everything'} was begun again: its token had expired")
            self._read_pages()

    def _read_pages(self) -> None:
        page = self._first_page()
        self._take(page)
        tokens: set[str] = set()
        while page.token:
            if page.token in tokens or len(tokens) >= MAX_PAGES:
                raise SourceError("the list does not end")
            tokens.add(page.token)
            page = self._ask({"resumptionToken": page.token})
            self._take(page)

    def _first_page(self) -> Records:
        page = self._since(self.first)
        # That nothing matches, when asked too early, is given again for that very address until midnight UTC.
        return self._since(self.first - _A_DAY) if page.empty else page

    def _since(self, day: date) -> Records:
        parameters = {"metadataPrefix": "arXivRaw", "from": day.isoformat()}
        return self._ask(parameters | ({"set": self.name} if self.name else {}))

    def _ask(self, parameters: Params) -> Records:
        return self.client.get(self.url, {"verb": "ListRecords", **parameters}, parse_records)

    def _take(self, page: Records) -> None:
        papers = self.tally.receive(page.papers, len(page.unreadable))
        self.tally.sift(papers, self.sieve)
        if page.unreadable:
            where = self.name or "everything"
            self.remarks.append(f"{len(page.unreadable)} unreadable in the list of {where}: {page.unreadable[0]}")
        self.turned()
