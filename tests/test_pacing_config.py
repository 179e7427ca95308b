"""The limits as config.toml has them: read, refused, and folded as readers' domains are."""

import tomllib
from pathlib import Path

import pytest

from newsletter.config import Config, parse_table
from newsletter.delivery.pacing import Limits
from newsletter.delivery.pacing_limits import Rates
from newsletter.errors import ConfigError

SENDER = '[newsletter]\nsender = "papers@example.org"\n[delivery]\ntransport = "smtp"\n'


def load(text: str) -> Config:
    return parse_table(tomllib.loads(SENDER + text), Path("/etc/papers/config.toml"))


def test_limits_are_read() -> None:
    config = load("""
        [smtp]
        per_connection = 50
        per_second = 14
        per_hour = 5000
        per_day = 50000
        [smtp.per_domain]
        "Gmail.com" = { connections = 2, per_second = 0.5, per_hour = 2000, per_day = 20000 }
        "uni.example" = {}
        "*" = { per_hour = 300 }
    """)
    limits = Limits.of(config)
    assert config.smtp.per_connection == 50
    assert limits.over_all == Rates(None, 14.0, 5000, 50000)
    assert limits.of_domain("gmail.com") == Rates(2, 0.5, 2000, 20000)
    assert limits.of_domain("uni.example") == Rates()
    assert limits.of_domain("else.example") == Rates(per_hour=300)
    assert limits.of_domain("") is None


def test_there_are_none_unless_they_are_set() -> None:
    assert Limits.of(load("")) == Limits(Rates(), {})
    assert load("").smtp.per_connection is None
    assert Limits.of(load("")).of_domain("gmail.com") is None


def test_what_is_filed_in_a_folder_is_not_limited() -> None:
    table = {"newsletter": {"sender": "papers@example.org"}, "smtp": {"per_hour": 5}}
    assert Limits.of(parse_table(table, Path("/etc/papers/config.toml"))) == Limits()


@pytest.mark.parametrize("name", ["BÜCHER.example", "bücher.example", "xn--bcher-kva.example"])
def test_a_domain_is_known_by_any_spelling(name: str) -> None:
    limits = Limits.of(load(f'[smtp.per_domain]\n"{name}" = {{ per_hour = 3 }}'))
    assert limits.of_domain("bücher.example") == Rates(per_hour=3)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[smtp]\nper_domain = 3", "smtp.per_domain", "expected a table of domains (allowed: such as"),
        ('[smtp.per_domain]\n"gmail.com" = 3', "smtp.per_domain.'gmail.com'", "expected a table of limits (allowed: "),
        (
            '[smtp.per_domain]\n"gmail.com" = { per_hours = 3 }',
            "smtp.per_domain.'gmail.com'",
            "'per_hours': unknown key; did you mean per_hour? (allowed: connections, per_second, per_hour, per_day)",
        ),
        ('[smtp.per_domain]\n"gmail.com" = { per_hour = 0 }', "smtp.per_domain.'gmail.com'.per_hour", "1 or more"),
        ('[smtp.per_domain]\n"gmail.com" = { per_day = 1.5 }', "smtp.per_domain.'gmail.com'.per_day", "whole number"),
        ('[smtp.per_domain]\n"a.test" = { connections = 0 }', "smtp.per_domain.'a.test'.connections", "1 or more"),
        ('[smtp.per_domain]\n"*" = { per_second = -1 }', "smtp.per_domain.'*'.per_second", "more than 0"),
        ('[smtp.per_domain]\n"*.com" = { per_hour = 3 }', "smtp.per_domain.'*.com'", "it is not a domain (allowed:"),
        ('[smtp.per_domain]\n"a@gmail.com" = {}', "smtp.per_domain.'a@gmail.com'", "it is not a domain (allowed: such"),
        ('[smtp.per_domain]\n"" = {}', "smtp.per_domain.''", "it is not a domain"),
        ('[smtp.per_domain]\n"ü..example" = {}', "smtp.per_domain.'ü..example'", "it is not a domain: "),
        (
            '[smtp.per_domain]\n"bücher.example" = {}\n"xn--bcher-kva.example" = {}',
            "smtp.per_domain.'xn--bcher-kva.example'",
            "bücher.example stands here twice (allowed: limits once for each domain)",
        ),
        ("[smtp]\nper_connection = 0", "smtp.per_connection", "1 or more"),
        ("[smtp]\nper_second = 0.00001", "smtp.per_second", "1e-05 is slower than one a day (allowed: more; or use"),
        ("[smtp]\nper_second = nan", "smtp.per_second", "expected"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, key: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert caught.value.key == key
    assert reason in caught.value.reason
