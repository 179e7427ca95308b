"""What wrk asks of a web server, and the rows of how it answers."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

MISSING = "not measured: wrk is missing (Debian's wrk)"
LEAVING, READING, WITHIN = 500, 200, 200  # the goals: two a second, and milliseconds for 99 of 100

_WRK = shutil.which("wrk")
_SCRIPT = Path(__file__).with_name("load.lua")
_CONNECTIONS = 16  # each asks again once it is answered
_MANY = 32  # so that one is free whenever it is time for another request


@dataclass(frozen=True, slots=True)
class Load:
    """What was asked, and how it was answered: half of it and 99 of 100 within so many milliseconds, the last within
    `longest`; how many a second the reference answers, if it was asked; and what went on beside it.

    Without answers it was not measured, and `beside` says why.
    """

    step: str
    answers: int = 0
    seconds: float = 0.0
    half: float = 0.0
    most: float = 0.0
    longest: float = 0.0
    failed: int = 0
    reference: float | None = None
    beside: str = "nothing"

    @property
    def rate(self) -> float | None:
        """Answers a second."""
        return self.answers / self.seconds if self.answers else None

    @property
    def ratio(self) -> float | None:
        """1: as fast as the reference."""
        return self.rate / self.reference if self.rate and self.reference else None

    def __str__(self) -> str:
        if self.rate is None:
            return _line(self.step, "-", "-", "-", "-", "-", "-", self.beside)
        waits = f"{self.half:,.0f}", f"{self.most:,.0f}", f"{self.longest:,.0f}"
        ratio = f"{float(f'{self.ratio:.2g}'):g}" if self.ratio else "-"
        return _line(self.step, f"{self.rate:,.0f}", *waits, f"{self.failed:,}", ratio, self.beside)

    def record(self) -> dict[str, Any]:
        """The row for other programs."""
        return {
            "step": self.step,
            "seconds": self.seconds or None,
            "number": self.answers,
            "unit": "answers",
            "rate": self.rate,
            "milliseconds": {"half": self.half, "most": self.most, "longest": self.longest},
            "failed": self.failed,
            "ratio": self.ratio,
            "reference": "waitress alone",
            "beside": self.beside,
        }


def heading() -> str:
    """What stands above the rows."""
    return "\n".join(
        (
            "",
            f"The web front, asked by wrk over {_CONNECTIONS} connections, or at a pace. Goals: {LEAVING} leave and"
            f" {READING} read a second,",
            f"99 of 100 within {WITHIN} ms, and none fails. ms: half, 99 of 100, and all were answered within so many;",
            "ratio: to waitress alone, with as many bytes, asked in the same way just before.",
            "",
            _line("step", "answers/s", "50 % ms", "99 % ms", "all ms", "failed", "ratio", "beside it"),
        )
    )


def _line(step: str, rate: str, half: str, most: str, longest: str, failed: str, ratio: str, beside: str) -> str:
    return f"{step:<42} {rate:>9}  {half:>7} {most:>7} {longest:>7}  {failed:>6}  {ratio:>6}  {beside}"


def there() -> bool:
    """Whether wrk is."""
    return _WRK is not None


@dataclass(frozen=True, slots=True)
class Question:
    """What wrk asks for: a path; or, posting to each in its turn, `number` paths of a file of them, from the `first`.

    As fast as it is answered, or `pace` a second.
    """

    path: str = "/"
    paths: Path | None = None
    first: int = 0
    number: int = 0
    pace: int = 0

    def begin(self, port: int, seconds: int) -> "subprocess.Popen[str]":
        """Ask for so long; told to stop by SIGINT, it tells what there was until then."""
        connections = _MANY if self.pace else _CONNECTIONS
        how = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "600s", "-s", str(_SCRIPT))
        posted = (str(self.paths), str(self.first), str(self.number)) if self.paths else ()
        command = [str(_WRK), *how, f"http://127.0.0.1:{port}{self.path}", "--", str(self.pace), *posted]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def length(self, port: int) -> int:
        """How many bytes an answer has."""
        path = self.paths.read_text().splitlines()[self.first] if self.paths else self.path
        asked = Request(f"http://127.0.0.1:{port}{path}", method="POST" if self.paths else "GET")
        with urlopen(asked) as answer:  # noqa: S310 - our own
            return len(answer.read())


def answered(step: str, wrk: "subprocess.Popen[str]", reference: float | None = None, beside: str = "nothing") -> Load:
    """The row of what wrk was told, once it is done."""
    said, _ = wrk.communicate()
    if wrk.returncode:
        raise subprocess.CalledProcessError(wrk.returncode, wrk.args)
    return Load(step, **json.loads(said.splitlines()[-1]), reference=reference, beside=beside)
