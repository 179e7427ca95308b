"""What a day is made of: invented papers, queries and choices; the same ones every time."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from newsletter.demo.world import World
from newsletter.model import Paper
from newsletter.query import name_query, normal_form, parse, write_search_query

NOW = datetime(2026, 1, 6, 7, tzinfo=UTC)
TODAY = NOW.date()

TOPICS = (
    "Vision Language Model",
    "Conformal Prediction",
    "Diffusion Model",
    "Reinforcement Learning",
    "Speech Recognition",
    "Neural Rendering",
    "Code Generation",
    "Federated Learning",
)
NEWS = 60  # papers of an edition that is nothing special

_WEEK = timedelta(days=7)  # all papers are younger than what a fetch goes back
_FIRST_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jan", "Kim", "Lea", "Mia", "Noor")


def papers(number: int) -> list[Paper]:
    """Papers, newest first: as long as arXiv's, TeX in every eighth, a topic's name in each, no two alike."""
    models = _models()
    plain = [model for model in models if not {"$", "\\"} & set(model.abstract)]
    return [_paper(count, number, models[count % len(models)], plain[count % len(plain)]) for count in range(number)]


def answers(topics: Sequence[str], found: Sequence[Paper]) -> Mapping[str, Sequence[Paper]]:
    """What arXiv answers to each topic's query: every paper under one of them."""
    return {write_search_query(name_query(topic)): found[place :: len(topics)] for place, topic in enumerate(topics)}


def queries(number: int) -> list[str]:
    """Queries as readers write them, no two the same: phrases mostly, some with operators, some for an author."""
    chance = random.Random(2)
    distinct: dict[str, str] = {}
    while len(distinct) < number:
        query = _query(chance)
        distinct.setdefault(normal_form(parse(query)), query)
    return list(distinct.values())


def choices(topic_ids: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """What one reader after the other chooses: one to three of the topics."""
    chance = random.Random(3)
    while True:
        yield tuple(chance.sample(topic_ids, chance.randint(1, 3)))


def _paper(count: int, number: int, model: Paper, other: Paper) -> Paper:
    chance = random.Random(count)
    moment = (NOW - timedelta(hours=1) - _WEEK * (count / number)).replace(microsecond=0)
    return replace(
        model,
        id=f"0001.{count:05}",
        version=1,
        title=f"{_reworded(model.title, chance)}: {_subject(count)}",
        abstract=f"{_reworded(model.abstract, chance)} {_reworded(other.abstract, chance)}",
        authors=tuple(_author(chance) for _ in range(chance.randint(1, 7))),
        submitted=moment,
        updated=moment,
    )


def _subject(count: int) -> str:
    """Every fifth paper stands under two topics."""
    topic = TOPICS[count % len(TOPICS)]
    return f"{topic} and {TOPICS[(count + 1) % len(TOPICS)]}" if count % 5 == 0 else topic


def _reworded(text: str, chance: random.Random) -> str:
    words = _vocabulary()
    return " ".join(chance.choice(words) if word.isalpha() and chance.random() < 0.3 else word for word in text.split())


def _author(chance: random.Random) -> str:
    return f"{chance.choice(_FIRST_NAMES)} {chance.choice(_vocabulary()).title()}"


@cache
def _models() -> list[Paper]:
    return World(TODAY).versions()


@cache
def _vocabulary() -> list[str]:
    words = itertools.chain.from_iterable(model.abstract.split() for model in _models())
    return sorted({word for word in words if word.isalpha() and word.islower()})


def _query(chance: random.Random) -> str:
    one, other, third = (_phrase(chance) for _ in range(3))
    kind = chance.random()
    if kind < 0.6:
        return one
    if kind < 0.7:
        return f'ti:"{one}" OR abs:"{other}"'
    if kind < 0.8:
        return f'abs:"{one}" AND cat:cs.*'
    if kind < 0.9:
        return f'("{one}" OR "{other}" OR "{third}") ANDNOT ti:survey'
    return f'au:"{_author(chance)}"'


def _phrase(chance: random.Random) -> str:
    """Two words; in one case of ten such as stand side by side, lest every query match many papers."""
    words = _vocabulary()
    if chance.random() < 0.1:
        words = [word for word in chance.choice(_models()).abstract.split() if word.isalpha()]
        place = chance.randrange(len(words) - 1)
        return " ".join(words[place : place + 2])
    return " ".join(chance.sample(words, 2))
