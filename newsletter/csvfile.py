"""CSV files as people send them: read record by record, so that one that is broken costs one line."""

import csv
import difflib
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from newsletter.errors import UsageError


@dataclass(frozen=True, slots=True)
class Record:
    """What stands between two ends of a CSV record: cells by column, or what keeps it from being read."""

    number: int  # of its first line
    lines: int
    cells: dict[str, str]
    trouble: str = ""

    @property
    def extent(self) -> str:
        """Where it ends, if not on the line where it begins."""
        return f" (up to line {self.number + self.lines - 1})" if self.lines > 1 else ""


class _Lines:
    """The lines of a file, remembered until `forget` so that a record that runs away can be given back."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = iter(file)
        self._given_back: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else next(self._file)
        self.taken.append(line)
        return line

    def forget(self, number: int) -> int:
        """Forget the first lines taken and give back the others; returns how many were forgotten."""
        self._given_back.extendleft(reversed(self.taken[number:]))
        self.taken = []
        return number


def records(file: Iterable[str], columns: Sequence[str]) -> Iterator[Record]:
    """The records of a CSV file below its header; empty ones are left out. The first of `columns` must be there.

    A quotation mark that is never closed would take the file with it: what cannot be read costs one line.

    Raises:
        UsageError: the header is none.

    """
    lines = _Lines(file)
    reader = csv.reader(lines, strict=True)
    try:
        header = _header(next(reader, []), columns)
    except csv.Error as error:
        raise UsageError(f"line 1: the header cannot be read: {error}") from error
    number = 1 + lines.forget(len(lines.taken))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(number, 1, {}, f"it cannot be read: {error}; is a quotation mark not closed?")
            number += lines.forget(1)
            continue
        length = lines.forget(len(lines.taken))
        if any(cell.strip() for cell in cells):
            yield Record(number, length, dict(zip(header, cells, strict=False)), _trouble(header, cells))
        number += length


def _header(cells: Sequence[str], columns: Sequence[str]) -> list[str]:
    names = [name.strip().lstrip("\ufeff").casefold() for name in cells]
    if any("\x00" in name or "\ufffd" in name for name in names):
        raise UsageError("line 1: the file is not UTF-8")
    if twice := [name for name in columns if names.count(name) > 1]:
        raise UsageError(f"line 1: the header has two columns named {twice[0]}")
    for name in names:
        if name not in columns and (near := difflib.get_close_matches(name, columns, 1, 0.8)) and near[0] not in names:
            raise UsageError(f"line 1: the header has a column named {name}; did you mean {near[0]}?")
    if columns[0] not in names:
        raise UsageError(f"line 1: the header has no column named {columns[0]} (columns are parted by commas)")
    return names


def _trouble(header: Sequence[str], cells: Sequence[str]) -> str:
    if any(cell.strip() for cell in cells[len(header) :]):
        return f"it has {len(cells)} cells, the header {len(header)}; a cell with a comma stands in quotes"
    if any("\ufffd" in cell or "\x00" in cell for cell in cells):
        return "it is not UTF-8"
    return ""


def csv_line(cells: Iterable[str]) -> str:
    """One line of a CSV file."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
