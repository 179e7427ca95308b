"""CSV files as people and programs write them: read record by record, so that one that is broken costs one line, and
written so that no spreadsheet takes a cell for a formula."""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import IO

from newsletter.errors import UsageError

_DELIMITERS = (",", ";", "\t")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_CHUNK = 1 << 16  # bytes
_LONGEST = 1 << 20  # characters of a line: what is longer is no text
# What spreadsheets begin a formula with (OWASP, "CSV Injection"); the wide ones count where these are typed. Those that
# part cells by semicolons see a cell begin behind each and behind each line end, and drop a quotation mark there. What
# begins so has an apostrophe before it; so has what begins with an apostrophe, to be told apart.
_SIGNS = "=+\\-@\t\r\n＝＋－＠"
_GUARD = re.compile(rf"""(?:^|(?<=[;\r\n]))(?="*[{_SIGNS}'])""")
_GUARDED = re.compile(rf"""(?:^|(?<=[;\r\n]))'(?="*[{_SIGNS}'])""")


def decoded(file: IO[bytes]) -> Iterator[str]:
    """The lines of a file in UTF-8, or in UTF-16 with a byte order mark; all end with a line feed, but for the last.

    What cannot be decoded is U+FFFD, so that it costs a line and not the file.

    Raises:
        UsageError: a line never ends.

    """
    start = file.read(4)
    encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)("replace"), translate=True)
    number, rest = 1, ""
    for chunk in chain([start], iter(lambda: file.read(_CHUNK), b""), [b""]):
        *lines, rest = (rest + decoder.decode(chunk, final=not chunk)).split("\n")
        yield from (f"{line}\n" for line in lines)
        number += len(lines)
        if len(rest) > _LONGEST:
            raise UsageError(f"line {number}: it is longer than a line of text can be; is this a CSV file?")
    if rest:
        yield rest


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


class CsvFile:
    """A file whose first line may be a header: its names, in small letters, or else none."""

    def __init__(self, file: Iterable[str], is_header: Callable[[Sequence[str]], bool]) -> None:
        """Read as far as the header. Cells are parted as makes it one: by commas, semicolons or tabulators.

        Raises:
            UsageError: the first line is no text.

        """
        self._lines = _Lines(file)
        self.first = next(self._lines, "").lstrip("\ufeff")
        self._lines.forget(0)
        if "\x00" in self.first or "\ufffd" in self.first:
            raise UsageError("line 1: the file is not UTF-8")
        self.header: tuple[str, ...] = ()
        self._delimiter, self._number = ",", 1
        for delimiter in _DELIMITERS:
            names = self._names(delimiter)
            if is_header(names):
                self.header, self._delimiter = names, delimiter
                self._number += self._lines.forget(len(self._lines.taken))
                break
            self._lines.forget(0)

    def _names(self, delimiter: str) -> tuple[str, ...]:
        try:
            cells = next(csv.reader(self._lines, delimiter=delimiter, strict=True), [])
        except csv.Error:
            return ()
        return tuple(name.strip().lstrip("\ufeff").strip('"').casefold() for name in cells)

    def records(self) -> Iterator[Record]:
        """What stands below the header; empty lines are left out.

        A quotation mark that is never closed would take the file with it: what cannot be read costs one line.
        """
        number, reader = self._number, csv.reader(self._lines, delimiter=self._delimiter, strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Record(number, 1, {}, f"it cannot be read: {error}; is a quotation mark not closed?")
                number += self._lines.forget(1)
                continue
            length = self._lines.forget(len(self._lines.taken))
            text = "".join(cells)
            if text and not text.isspace():
                if "'" in text:
                    cells = [_GUARDED.sub("", cell) for cell in cells]
                named = dict(zip(self.header, cells, strict=False))
                yield Record(number, length, named, self._trouble(cells, text))
            number += length

    def lines(self) -> Iterator[tuple[int, str]]:
        """What stands in a file without a header, by line; empty ones are left out."""
        for number, line in enumerate(self._lines, self._number):
            self._lines.forget(1)
            if text := line.strip().lstrip("\ufeff"):
                yield number, text

    def _trouble(self, cells: Sequence[str], text: str) -> str:
        if len(cells) > len(self.header) and any(cell.strip() for cell in cells[len(self.header) :]):
            return f"it has {len(cells)} cells, the header {len(self.header)}; a cell with a comma stands in quotes"
        if "\ufffd" in text or "\x00" in text:
            return "it is not UTF-8"
        return ""


def csv_line(cells: Iterable[str]) -> str:
    """One line of a CSV file; `CsvFile` reads the same cells from it."""
    line = io.StringIO()
    guarded = [_GUARD.sub("'", cell) if cell and not cell.isalnum() else cell for cell in cells]
    csv.writer(line, lineterminator="\r\n").writerow(guarded)  # so that a cell with either of both is quoted
    return f"{line.getvalue()[:-2]}\n"
