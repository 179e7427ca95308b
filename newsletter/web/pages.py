"""What all pages share: the thread's app, the language of the request, the frame around what a page says."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial, wraps
from typing import Any, ParamSpec
from urllib.parse import urlencode

import jinja2
from flask import Response, current_app, g, request

from newsletter.app import App
from newsletter.rendering.environment import make_environment, render
from newsletter.rendering.words import LANGUAGES, Words, words_of
from newsletter.web.keeping import Keeper
from newsletter.web.language import Choice, choose, month, short_weekday, weekday
from newsletter.web.measuring import Meter
from newsletter.web.pool import Pool

P = ParamSpec("P")

EXTENSION = "newsletter"  # by which Flask's application knows the `Front`


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed that a page names, for programs that look for one: its path, and what it is called."""

    path: str
    title: str


class Front:
    """What the pages of one web front have in common."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.keeper, self.meter = Keeper(pool.outside.monotonic), Meter(pool)
        self.environment = cache(self._make_environment)

    def _make_environment(self, language: str) -> jinja2.Environment:
        environment = make_environment(self.pool.config.digest.templates, language)
        style = render(environment, "web/style.css")
        # With another style sheet its address is another, so that browsers may keep it for long.
        said = words_of(language)
        environment.filters |= {
            "counts": said.counts,
            "summary": lambda listed: said.summary(listed.counts, listed.topics),
            "why": said.why,
            "topic": said.topic,
            "month": partial(month, language=language),
            "weekday": partial(weekday, language=language),
            "short_weekday": partial(short_weekday, language=language),
        }
        environment.globals |= {
            "style": f"/style.css?{hashlib.sha256(style.encode()).hexdigest()[:12]}",
            # Without it no mail could lead back here, so nobody can join.
            "joinable": bool(self.pool.config.newsletter.base_url),
        }
        return environment


def front() -> Front:
    """The front that this request came to."""
    found: Front = current_app.extensions[EXTENSION]
    return found


def looking() -> App:
    """This thread's app, for what is only shown: nothing can be written with it. Raises `StorageError`."""
    return front().pool.looking()


def acting() -> AbstractContextManager[App]:
    """This thread's app for what changes something: ``with acting() as app:``. One thread at a time is in such a block,
    so nothing slow belongs there. Raises `StorageError`."""
    return front().pool.acting()


def choice() -> Choice:
    """The language of this request."""
    if "choice" not in g:
        g.choice = choose(request, front().pool.config.newsletter.language)
    found: Choice = g.choice
    return found


def words() -> Words:
    """The words of this request's language."""
    return words_of(choice().language)


def say(text: str, **values: object) -> str:
    """A text that was marked for the translators with ``_``, in this request's language; values go into its braces."""
    said = words().translations.gettext(text)
    return said.format(**values) if values else said


def link(path: str) -> str:
    """The address of a page of ours on this host, from its path (``/search?q=x#y``); keeps a language asked for."""
    path, hash_, fragment = path.partition("#")
    asked = f"{'&' if '?' in path else '?'}language={choice().language}" if choice().asked else ""
    return f"{request.script_root}{path}{asked}{hash_}{fragment}"


def page(
    template: str,
    *,
    title: str,
    status: int = 200,
    keep: int = 0,
    canonical: str = "",
    feeds: Sequence[Feed] = (),
    **values: Any,
) -> Response:
    """A page made of a template that extends ``web/base.html``, which tells what a template gets.

    `keep` is for how many seconds anybody may keep it: 0 for what is one reader's own or was asked for with a token;
    that is stored nowhere, and search engines are told to leave it out. `canonical` is the path it is best known by.

    Raises:
        TemplateError: the template is missing or broken.

    """
    chosen, newsletter = choice(), front().pool.config.newsletter
    shared = {
        "newsletter": newsletter.name,
        "postal": newsletter.postal_address,
        "language": chosen.language,
        "languages": _languages(),
        "root": request.script_root,
        "path": request.path,
        "link": link,
        "canonical": newsletter.base_url + canonical if canonical and newsletter.base_url else "",
        "feeds": feeds,
        "listed": keep > 0,
        "title": title,
    }
    html = render(front().environment(chosen.language), template, **shared | values)
    response = Response(html, status, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = f"public, max-age={keep}" if keep else "no-store"
    return response


def kept(*arguments: str) -> Callable[[Callable[P, Response]], Callable[P, Response]]:
    """Decorate a page that anybody may keep: one that was made a moment ago is given out again. What it shows follows
    from its path, its language, and these arguments behind the question mark alone."""

    def decorate(make: Callable[P, Response]) -> Callable[P, Response]:
        @wraps(make)
        def give_out(*args: P.args, **values: P.kwargs) -> Response:
            g.arguments = arguments
            key = (request.script_root, request.path, choice(), *(request.args.get(name, "") for name in arguments))
            response = front().keeper.get(key)
            if response is None:
                response = make(*args, **values)
                front().keeper.put(key, response)
            response.make_conditional(request)
            return response

        return give_out

    return decorate


def _languages() -> list[tuple[str, str, str]]:
    """The languages that this page can be read in: code, name, address. None for one that was posted for."""
    if request.method not in ("GET", "HEAD"):
        return []
    counting = g.get("arguments", tuple(request.args))  # of a page that is kept for others, no more than it shows
    others = [(name, request.args[name]) for name in counting if name in request.args and name != "language"]
    return [(code, name, f"?{urlencode([*others, ('language', code)])}") for code, name in LANGUAGES.items()]
