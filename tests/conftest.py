"""What all tests share."""

import os

import pytest
from checking import Answer, ask, missing
from defects import DEFECTS, GOOD
from house import Library, Time
from hypothesis import settings
from material import MAKERS

from newsletter.preview import Mail

# No deadline: a busy machine is no defect. In continuous integration the same examples each time.
settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("here")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def library(time: Time) -> Library:
    """An arXiv whose answers a test sets."""
    return Library(time)


@pytest.fixture(scope="session")
def digests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Mail]:
    """The digests of `material`, by name."""
    return {name: make(tmp_path_factory.mktemp("digest")) for name, make in MAKERS.items()}


@pytest.fixture(scope="session")
def answers(digests: dict[str, Mail]) -> dict[str, Answer]:
    """What the checkers say of the digests and of the mails with a fault, by name."""
    if reason := missing():
        pytest.skip(reason)
    html = {name: mail.html.decode().replace("\r\n", "\n") for name, mail in digests.items()}
    return ask(html | DEFECTS | {"good": GOOD})
