"""What all tests share."""

import os
from pathlib import PurePath
from typing import Any

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

#: The files that take longest, the longest first: where several processes share the tests, none comes to them last.
LONG = (
    "test_torture.py",
    "test_mail_accessible.py",
    "test_faults.py",
    "test_benchmarks.py",
    "test_api_source.py",
    "test_weather.py",
    "test_heartbeat.py",
    "test_adversity.py",
    "test_replay.py",
    "test_run.py",
    "test_instance.py",
    "test_preview.py",
    "test_agreement.py",
    "test_matching.py",
    "test_catch_up.py",
    "test_client.py",
    "test_fitting.py",
    "test_ledger.py",
    "test_kill.py",
    "test_web_joining_looks.py",
    "test_web_looks.py",
    "test_collecting.py",
    "test_search.py",
    "test_security_bombing.py",
    "test_security_secrets.py",
    "test_import_readme.py",
    "test_languages.py",
    "test_migrations.py",
    "test_faults_random.py",
    "test_faults_tls.py",
    "test_torture_trouble.py",
    "test_pacing_machine.py",
    "test_queueing.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        ranks = {name: rank for rank, name in enumerate(LONG)}
        items.sort(key=lambda item: ranks.get(item.path.name, len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A file is one process's, for the sake of its fixtures; so are all that ask for `answers`, which take long."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = PurePath(nodeid.partition("::")[0])
            return "mails" if file.name.startswith("test_mail_") else file.name

    return Scheduling(config, log)


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
