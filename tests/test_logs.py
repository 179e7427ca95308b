"""The log: one line an event whatever is logged, for people and for programs, and no address in it."""

import json
import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.cli.logs import JsonFormatter, LineFormatter
from newsletter.text import without_addresses

LOCAL = st.text("abcdefXYZ0123456789.+_-é", min_size=1, max_size=20)
DOMAIN = st.lists(st.text("abcxyz0123456789-ü", min_size=1, max_size=10), min_size=2, max_size=4).map(".".join)


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__) if error is not None else None
    return logging.LogRecord("newsletter.some", logging.ERROR, __file__, 1, "%s", (message,), trace)


def caught(message: str) -> BaseException:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


@given(st.text(), st.text())
@example("a\r\nb\u2028c\x85d\x1b[31m", "e\nf")
def test_a_line_for_people_is_one_line(message: str, reason: str) -> None:
    for error in (None, caught(reason)):
        line = LineFormatter().format(record(message, error))
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line


@given(st.text(), st.text())
def test_a_line_for_programs_is_an_object(message: str, reason: str) -> None:
    line = JsonFormatter().format(record(message, caught(reason)))
    assert len(line.encode().splitlines()) == 1
    fields = json.loads(line)
    assert (fields["level"], fields["logger"]) == ("error", "newsletter.some")
    assert "ValueError" in fields["trace"]


def test_an_exception_stands_on_the_line_with_where_it_came_from() -> None:
    line = LineFormatter().format(record("broke", caught("bad value")))
    assert line.partition(" | ")[2].startswith(f"ValueError: bad value at {__file__}:")
    assert line.endswith(" caught")


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()])
@pytest.mark.parametrize(
    "form", ["550 <{}>: no such user", "'{}'", "to={};x", "({})", "RCPT TO:<{}>", "mailto:{}?subject=x"]
)
@given(local=LOCAL, domain=DOMAIN)
def test_no_address_gets_into_it(formatter: logging.Formatter, form: str, local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    line = formatter.format(record(form.format(address), caught(form.format(address))))
    assert address not in line
    assert f"@{domain}" not in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("550 <ada@example.org>: no such user", "550 …: no such user"),
        ('refused "john doe"@example.org', "refused …"),
        ("pushed to git@example.org:lab/papers.git", "pushed to git@example.org:lab/papers.git"),
        ("a@b and 3 @ 4", "… and 3 @ 4"),
        ("nothing here", "nothing here"),
    ],
)
def test_what_is_left_out_and_what_is_not(text: str, shown: str) -> None:
    assert without_addresses(text) == shown
