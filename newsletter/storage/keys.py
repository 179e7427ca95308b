"""Secrets of this newsletter, made here and never told: what keys tokens, and what stands for addresses."""

from collections.abc import Callable, Iterator, Mapping

from newsletter.storage.database import Database

_TOKENS = "token_key"  # and, for later ones, with their version behind it
_ADDRESSES = "address_key"


class Keys(Mapping[int, bytes]):
    """The keys among the settings. `make` returns a new one, in hexadecimal digits.

    As a mapping it holds those of tokens by version, looked up anew each time: a process that runs for long knows what
    was added and retired meanwhile.
    """

    def __init__(self, database: Database, make: Callable[[], str]) -> None:
        self._db, self._make = database, make

    def begin(self) -> None:
        """Make what is not there yet, outside of any transaction."""
        if self.tokens() and self.addresses:
            return
        with self._db.write():
            if not self.tokens():
                self._put(_TOKENS)
            self._put(_ADDRESSES)

    @property
    def addresses(self) -> bytes:
        """What keys the hashes that stand for addresses; it never changes."""
        return bytes.fromhex(self._db.value("SELECT value FROM settings WHERE name = ?", (_ADDRESSES,)) or "")

    def tokens(self) -> dict[int, bytes]:
        """The keys of tokens by version; the highest is in use, the others still read."""
        rows = self._db.rows("SELECT name, value FROM settings WHERE name GLOB ?", (f"{_TOKENS}*",))
        return {int(row["name"].removeprefix(_TOKENS) or 1): bytes.fromhex(row["value"]) for row in rows}

    def __getitem__(self, version: int) -> bytes:
        value = self._db.value("SELECT value FROM settings WHERE name = ?", (_name(version),))
        if value is None:
            raise KeyError(version)
        return bytes.fromhex(value)

    def __iter__(self) -> Iterator[int]:
        return iter(self.tokens())

    def __len__(self) -> int:
        return len(self.tokens())

    def rotate(self) -> int:
        """Add a key that makes tokens from now on; inside a write transaction. Returns its version."""
        version = max(self.tokens()) + 1
        if version > 255:
            raise OverflowError("a token names its key in one byte")
        self._put(_name(version))
        return version

    def retire(self, version: int) -> bool:
        """Forget a key: what it made is worth nothing from now on. Inside a write transaction. False: there is none."""
        return bool(self._db.execute("DELETE FROM settings WHERE name = ?", (_name(version),)).rowcount)

    def _put(self, name: str) -> None:
        self._db.execute(
            "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, self._make())
        )


def _name(version: int) -> str:
    return _TOKENS if version == 1 else f"{_TOKENS}{version}"
