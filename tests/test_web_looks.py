"""The pages of the web front are valid HTML, and whoever opens them can read them: axe-core, in a real Chromium."""

from collections.abc import Callable, Iterable

import pytest
from checking import Answer, Sight, ask, missing
from house import bring, day, make_paper
from markup import ambiguous_links
from test_mail_accessible import complaints, everywhere, faint, fetched, too_wide
from webfront import WebFront, standalone, tell_of_two_weeks, web_front

from newsletter.model import Remark, RemarkKind
from newsletter.settling import settle

PAGES = {
    "home": "/",
    "editions": "/editions",
    "edition": f"/editions/{day()}",
    "revision": f"/editions/{day(14)}",
    "span": f"/editions/{day(6)}/{day(13)}",
    "none": f"/editions/{day(4)}",
    "topics": "/topics",
    "topic": "/topics/1",
    "status": "/status",
    "error": "/nowhere",
    "German": f"/editions/{day()}?language=de",
    "odd": f"/editions/{day(15)}",
}
SIGHTS = ("light", "dark", "phone", "dark phone")
ODD_TITLES = (
    "تعلم الرسوم البيانية: graph neural networks عن الفراشات",
    "图神经网络：关于灯与蛾的研究 graph neural networks",
    "Graph neural networks" + " verylongwordthatneverends" * 2 + "verylongwordthatneverends" * 12,
    "<script>alert('graph neural networks')</script> & <b>bold</b> </main></body>",
    "Graph neural networks $x<y$ and $a>b$ & {braces} {{ newsletter }} {% raw %}",
)


def bring_out_what_is_odd(front: WebFront) -> None:
    """Titles of all kinds, texts of none, and everything that can be remarked."""
    front.pass_days()
    papers = [
        make_paper(500 + number, title, abstract=title, comment=title, authors=(title[:60], "Ada <b>Example</b>"))
        for number, title in enumerate(ODD_TITLES)
    ]
    papers.append(
        make_paper(600, "Graph Neural Networks of Nobody", abstract="", authors=(), categories=("cs.LG",) * 9)
    )
    bring(front.app, *papers)
    settle(
        front.app, front.app.today(), tuple(Remark(kind, since=day(), until=day(1), topics=(1,)) for kind in RemarkKind)
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with web_front(tmp_path_factory.mktemp("front"), newsletter={"postal_address": "1 Example Street"}) as front:
        tell_of_two_weeks(front)
        bring_out_what_is_odd(front)
        return {name: standalone(front, path) for name, path in PAGES.items()}


@pytest.fixture(scope="module")
def seen(pages: dict[str, str]) -> dict[str, Answer]:
    if reason := missing():
        pytest.skip(reason)
    return ask(pages)


@pytest.mark.parametrize("name", PAGES)
def test_html_is_valid(seen: dict[str, Answer], name: str) -> None:
    found = seen[name].validity
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("name", PAGES)
def test_links_stand_alone(pages: dict[str, str], name: str) -> None:
    found = "\n".join(ambiguous_links(pages[name]))
    assert not found, found


def axe(sight: Sight) -> Iterable[str]:
    """What axe-core finds; in a page of ours, other than in a mail, it looks for landmarks, too."""
    excused = {"landmark-one-main", "region"}
    found = [one for kind in ("wrong", "unsure") for one in sight[kind] if one["rule"] in excused]
    return [*complaints(sight), *(f"{one['rule']}: {one['where'][:200]}" for one in found)]


def small(sight: Sight) -> Iterable[str]:
    """Text that is smaller than in the mail."""
    return [f"{text['size']}px {text['words']!r}" for text in sight["texts"] if text["size"] < 14]


@pytest.mark.parametrize("rule", [axe, faint, too_wide, fetched, small])
@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read(seen: dict[str, Answer], name: str, rule: Callable[[Sight], Iterable[str]]) -> None:
    found = everywhere(seen, name, rule, SIGHTS)
    assert not found, found
