"""Return paths of our own making: read again whatever happens to their case, and nobody else's."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.config.bounces import LONGEST_LOCAL_PART
from newsletter.mail.tokens import Keyring
from newsletter.mail.verp import ReturnPath, read_token, token_alone, tokens_in

KEYS = Keyring({1: b"k" * 32, 2: b"K" * 32})
NUMBERS = st.integers(0, 2**63 - 1)


@given(NUMBERS, st.sampled_from([str, str.upper, str.title, str.swapcase]))
def test_whatever_its_case_it_is_read_again(number: int, change: object) -> None:
    path = ReturnPath("bounces@example.org", KEYS).of(number)
    (token,) = tokens_in([f"<{change(path)}>"])  # type: ignore[operator]
    assert read_token(KEYS, token) == number


@given(NUMBERS)
def test_it_fits_a_local_part_and_a_line(number: int) -> None:
    path = ReturnPath(f"{'b' * LONGEST_LOCAL_PART}@example.org", KEYS).of(number)
    local, _, domain = path.rpartition("@")
    assert len(local) <= 64
    assert domain == "example.org"
    assert local == local.lower()


def test_of_the_deliveries_there_will_ever_be_it_has_29_characters_at_most() -> None:
    assert len(ReturnPath("bounces@example.org", KEYS).token(2**40 - 1)) == 29


def test_the_domain_is_written_in_ascii() -> None:
    assert ReturnPath("bounces@bücher.example", KEYS).of(1).endswith("@xn--bcher-kva.example")


@given(NUMBERS, st.data())
def test_a_changed_character_is_no_token(number: int, data: st.DataObject) -> None:
    token = ReturnPath("b@example.org", KEYS).token(number)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from([sign for sign in "abcdefghijklmnopqrstuvwxyz234567" if sign != token[place]]))
    assert read_token(KEYS, token[:place] + other + token[place + 1 :]) is None


@given(st.text(max_size=60) | st.from_regex(r"[a-z2-7]{23,34}", fullmatch=True))
def test_what_we_did_not_make_is_none(text: str) -> None:
    assert read_token(KEYS, text) is None


def test_an_older_key_is_read_and_another_one_is_not() -> None:
    old = ReturnPath("b@example.org", Keyring({1: b"k" * 32})).token(7)
    assert read_token(KEYS, old) == 7
    assert read_token(Keyring({1: b"x" * 32}), old) is None


@pytest.mark.parametrize("purpose", ["unsubscribe", "confirm", "manage", "move", "resume", "form"])
def test_a_token_for_something_else_is_none(purpose: str) -> None:
    class Misused(Keyring):
        """Makes what it is asked for under another purpose."""

        def make(self, _purpose: str, number: int, made: datetime | None = None) -> str:
            return super().make(purpose, number, made)

    misused = Misused({1: b"k" * 32})
    for made in (None, datetime(2026, 1, 6, tzinfo=UTC)):
        assert read_token(KEYS, ReturnPath("b@example.org", misused).token(7)) is None
        assert read_token(KEYS, misused.make("bounce", 7, made)) is None


def test_tokens_are_found_where_addresses_stand() -> None:
    path = ReturnPath("list.bounces+x@example.org", KEYS)
    first, second = path.of(1), path.of(2)
    assert tokens_in([f"Ada <{first}>, {second}", first]) == (path.token(1), path.token(2))
    assert tokens_in([path.token(1), f"{path.token(1)}@example.org", "bounces@example.org"]) == ()
    assert token_alone(f" {path.token(1).upper()} ") == path.token(1)
    assert token_alone(first) == ""


def test_no_more_than_some_are_looked_at() -> None:
    path = ReturnPath("b@example.org", KEYS)
    found = tokens_in([" ".join(path.of(number) for number in range(1_000))])
    assert found == tuple(path.token(number) for number in range(20))
    assert all(one != other for one, other in pairwise(found))
