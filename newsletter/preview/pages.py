"""What the viewer answers to a path: a page around a mail, the mail in its frame, or why there is none."""

import logging
import re
import threading
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus

from newsletter.app import App
from newsletter.errors import NewsletterError, StorageError, TemplateError, UsageError, describe
from newsletter.preview import Mail, preview
from newsletter.preview.views import View, shown
from newsletter.rendering.environment import make_environment, render
from newsletter.rendering.fitting import LIMIT
from newsletter.resources import resource

log = logging.getLogger(__name__)

_HTML = "text/html; charset=utf-8"
_PATH = re.compile(r"/(newest|\d{4}-\d\d-\d\d)/(?:(light|dark|bare)(?:/(phone|mail))?|(text|headers))")
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'"
_OURS = f"{_NOTHING}; style-src 'self'; frame-src 'self'; frame-ancestors 'none'"
# What a mail brings along is its styles; it runs nothing and loads nothing, and its links open in another tab.
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
_FRAMED = f"{_NOTHING}; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox {_SANDBOX}"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: its status, its type, what it may load (a Content-Security-Policy), and its bytes."""

    status: HTTPStatus
    type: str
    policy: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Place:
    """What a path names: an edition ("newest", or its date), a view of it, and how wide it is."""

    edition: str
    view: View
    phone: bool = False


@dataclass(frozen=True, slots=True)
class _Sight:
    """A mail, and the dates of the editions before and after its own."""

    mail: Mail
    earlier: date | None
    later: date | None


class Pages:
    """The viewer's pages for one reader. Each is made anew, so a changed template shows in the next."""

    def __init__(
        self,
        app: App,
        email: str | None,
        topic: str | None,
        day: date | None,
        language: str = "",
        *,
        welcome: bool = False,
    ) -> None:
        self._app, self._email, self._topic, self._language, self._welcome = app, email, topic, language, welcome
        self._first = _Place(str(day) if day else "newest", View.LIGHT)
        # Ours alone: an operator's templates may be broken, and this is where they see it.
        self._environment = make_environment()
        self._shared = {"newsletter": app.config.newsletter.name, "limit": LIMIT}
        self._turn = threading.Lock()  # what inlines styles is not made for several threads

    def answer(self, path: str) -> Page:
        """The answer to a path."""
        if path == "/preview.css":
            style = resource("templates") / "preview" / "preview.css"
            return Page(HTTPStatus.OK, "text/css; charset=utf-8", _NOTHING, style.read_bytes())
        found = _PATH.fullmatch(path)
        if path != "/" and not found:
            return self._sorry(HTTPStatus.NOT_FOUND, self._first, f"There is nothing at {path}.")
        place = _Place(found[1], View(found[2] or found[4]), found[3] == "phone") if found else self._first
        try:
            sight = self._look(place.edition)
        except NewsletterError as error:
            ours = isinstance(error, TemplateError | StorageError)
            status = HTTPStatus.INTERNAL_SERVER_ERROR if ours else HTTPStatus.NOT_FOUND
            return self._sorry(status, place, describe(error))
        except Exception as error:
            log.exception("the mail could not be made")
            return self._sorry(HTTPStatus.INTERNAL_SERVER_ERROR, place, describe(error))
        if not sight.mail.html and place.view.framed:
            place = _Place(place.edition, View.TEXT)
        elif found and found[3] == "mail":
            html = shown(sight.mail.html.decode("utf-8", "replace"), place.view)
            return Page(HTTPStatus.OK, _HTML, _FRAMED, html.encode())
        views = [view for view in View if sight.mail.html or not view.framed]
        return self._page(HTTPStatus.OK, place, sight=sight, source=_source(sight.mail, place.view), views=views)

    def _look(self, edition: str) -> _Sight:
        day = None if edition == "newest" else _to_date(edition)
        with self._turn, closing(App(self._app.config, self._app.outside, looking=True)) as app:
            mail = preview(app, self._email, self._topic, day, language=self._language, welcome=self._welcome)
            dates = app.storage.editions.dates()
        place = dates.index(mail.edition)
        around = [None, *dates, None]
        return _Sight(mail, around[place], around[place + 2])

    def _sorry(self, status: HTTPStatus, place: _Place, reason: str) -> Page:
        return self._page(status, place, reason=reason)

    def _page(self, status: HTTPStatus, place: _Place, **values: object) -> Page:
        values = {"sight": None, "source": "", "reason": "", "sandbox": _SANDBOX, "views": View, **values}
        page = render(self._environment, "preview/page.html", place=place, **self._shared, **values)
        return Page(status, _HTML, _OURS, page.encode())


def _to_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text} is not a date") from error


def _source(mail: Mail, view: View) -> str:
    """What is shown as it stands: the text part, or the headers as they would go out."""
    raw = mail.message.partition(b"\r\n\r\n")[0] if view is View.HEADERS else mail.text
    return raw.decode("utf-8", "replace").replace("\r\n", "\n")
