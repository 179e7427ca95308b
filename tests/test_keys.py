"""Tokens and their keys: what one says comes back, and nothing else is taken for one."""

import base64
import string
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.mail.tokens import Keyring, Token
from newsletter.storage import Storage

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RING = Keyring({1: OLD})
WHEN = datetime(2026, 1, 6, 7, tzinfo=UTC)
FROM_THE_FIRST_RELEASE = "ARJnKkK8dLFdpFUsetkh"
LETTERS = string.ascii_letters + string.digits + "-_"

purposes = st.sampled_from(["unsubscribe", "manage", "confirm", "move", "bounce", "resume", "form"])
numbers = st.integers(0, 2**40)
moments = st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2106, 2, 7, 6, 28, 15), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)


@given(st.binary(min_size=32, max_size=32), st.integers(1, 255), purposes, numbers, moments)
def test_tokens_come_back(key: bytes, version: int, purpose: str, number: int, made: datetime | None) -> None:
    ring = Keyring({version: key})
    token = ring.make(purpose, number, made)
    assert set(token) <= set(LETTERS)
    assert ring.read(purpose, token, timed=made is not None) == Token(number, made)


@given(purposes, st.integers(0, 2**40 - 1), moments)
def test_tokens_are_short(purpose: str, number: int, made: datetime | None) -> None:
    assert 19 <= len(RING.make(purpose, number, made)) <= 32


@given(purposes, numbers, moments, st.data())
def test_no_bit_of_a_token_may_differ(purpose: str, number: int, made: datetime | None, data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(RING.make(purpose, number, made) + "=="))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    forged = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert RING.read(purpose, forged, timed=made is not None) is None


@given(purposes, purposes, numbers, moments)
def test_a_token_serves_one_purpose_one_key_and_one_timing(
    purpose: str, other: str, number: int, made: datetime | None
) -> None:
    token, timed = RING.make(purpose, number, made), made is not None
    assert purpose == other or RING.read(other, token, timed=timed) is None
    assert Keyring({1: NEW}).read(purpose, token, timed=timed) is None
    assert RING.read(purpose, token, timed=not timed) is None


@given(st.text(max_size=40) | st.text(LETTERS, min_size=18, max_size=32), st.booleans())
def test_other_texts_are_no_tokens(text: str, timed: bool) -> None:
    assert RING.read("unsubscribe", text, timed=timed) is None


@given(numbers)
def test_a_token_is_written_in_one_way(number: int) -> None:
    """base64 has bits to spare at its end, and decoders leave out what they do not know."""
    token = RING.make("unsubscribe", number)
    raw = base64.urlsafe_b64decode(token + "==")
    spare = [token[:-1] + letter for letter in LETTERS if base64.urlsafe_b64decode(token[:-1] + letter + "==") == raw]
    others = {*spare, f"{token}=", f"{token}==", f" {token}", f"{token}\n", f"{token[:5]}.{token[5:]}", f"{token}é"}
    assert [other for other in others if RING.read("unsubscribe", other)] == [token]


def test_tokens_of_the_first_release_are_read() -> None:
    """Mails that hold them are years old; this one was made by version 0.1.0."""
    assert RING.read("unsubscribe", FROM_THE_FIRST_RELEASE) == Token(4711)


def test_a_time_is_kept_to_the_second() -> None:
    made = WHEN + timedelta(microseconds=999_999)
    token = RING.make("manage", 7, made)
    assert RING.read("manage", token, timed=True) == Token(7, WHEN)


# ---------------------------------------------------------------- more than one key


def test_a_new_key_makes_tokens_and_the_old_one_reads_its_own() -> None:
    before = RING.make("unsubscribe", 7)
    both = Keyring({1: OLD, 2: NEW})
    after = both.make("unsubscribe", 7)
    assert before != after
    assert both.read("unsubscribe", before) == both.read("unsubscribe", after) == Token(7)
    assert RING.read("unsubscribe", after) is None
    assert Keyring({2: NEW}).read("unsubscribe", before) is None
    assert Keyring({1: NEW, 2: OLD}).read("unsubscribe", before) is None  # a key is known by its version


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with closing(Storage(tmp_path / "subscribers.db")) as storage:
        yield storage


def test_keys_are_made_once_and_differ(storage: Storage, tmp_path: Path) -> None:
    keys = storage.keys.tokens()
    assert keys.keys() == {1}
    assert len({keys[1], storage.keys.addresses}) == 2
    assert {len(key) for key in (keys[1], storage.keys.addresses)} == {32}
    with closing(Storage(tmp_path / "subscribers.db")) as again:
        assert (again.keys.tokens(), again.keys.addresses) == (keys, storage.keys.addresses)


def test_rotating_and_retiring(storage: Storage) -> None:
    (first,) = storage.keys.tokens().values()
    with storage.write():
        assert storage.keys.rotate() == 2
        assert storage.keys.rotate() == 3
        assert storage.keys.retire(1)
        assert not storage.keys.retire(1)
    keys = storage.keys.tokens()
    assert keys.keys() == {2, 3}
    assert first not in keys.values()
    with storage.write():
        assert storage.keys.rotate() == 4


def test_a_process_that_runs_knows_keys_that_came_and_went(tmp_path: Path) -> None:
    with closing(Storage(tmp_path / "s.db")) as running, closing(Storage(tmp_path / "s.db")) as other:
        ring = Keyring(running.keys)
        before = ring.make("unsubscribe", 7)
        with other.write():
            other.keys.rotate()
        after = Keyring(other.keys).make("unsubscribe", 7)
        assert ring.read("unsubscribe", after) == Token(7)
        assert ring.read("unsubscribe", before) == Token(7)
        with other.write():
            other.keys.retire(1)
        assert ring.read("unsubscribe", before) is None
