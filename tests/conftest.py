"""What all tests share."""

import os

import pytest
from house import Library, Time
from hypothesis import settings

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
