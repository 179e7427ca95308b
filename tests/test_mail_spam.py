"""SpamAssassin, without a network, finds nothing in the mail that speaks against it."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from material import DIGESTS

from newsletter.preview import Mail

pytestmark = pytest.mark.skipif(shutil.which("spamassassin") is None, reason="SpamAssassin is not installed")

HIGHEST = 0.5  # points; at 5 a mail is taken for spam

#: A server that the receiver knows nothing about handed the mail over when it was written. Without such a line, or with
#: those that servers of this machine write, SpamAssassin believes the mail to be from its own network, and likes it the
#: better, or to be as old as it would be today.
RECEIVED = (
    b"Received: from mail.example.org (mail.example.org [IPv6:2001:db8::25])\n"
    b"\tby mx.example.net (Postfix) with ESMTPS id 4ABCDE12345\n"
    b"\tfor <reader@example.net>; Wed, 07 Jan 2026 07:00:02 +0000 (UTC)\n"
)
#: What it answers: one header with each rule that hit and its points. What it learned before is of no account.
SETTINGS = """
clear_headers
report_safe 0
fold_headers 0
use_bayes 0
add_header all Tests _TESTSSCORES(,)_
"""
#: What SpamAssassin itself gives a thousand points to (its "generic test for unsolicited bulk email").
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
TEXT = b"quoted-printable\r\n\r\n"  # what stands before the text of a part

Points = dict[str, float]  # by rule


def judge(folder: Path, messages: Mapping[str, bytes]) -> dict[str, Points]:
    """What SpamAssassin gives each message; it takes longer to start than to read them all."""
    paths = [folder / f"{number}.eml" for number in range(len(messages))]
    for path, message in zip(paths, messages.values(), strict=True):
        path.write_bytes(RECEIVED + message.replace(b"\r\n", b"\n"))
    (folder / "settings").write_text(SETTINGS)
    command = ["spamassassin", "--local", "--nocreate-prefs", f"--prefspath={folder / 'settings'}", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"HOME": str(folder)}, check=True)
    told = re.findall(rb"(?m)^X-Spam-Tests: (.*)$", done.stdout)
    return {name: _points(line.decode()) for name, line in zip(messages, told, strict=True)}


def _points(line: str) -> Points:
    pairs = (pair.split("=") for pair in line.split(",") if "=" in pair)
    return {rule: float(points) for rule, points in pairs}


@pytest.fixture(scope="module")
def judged(digests: dict[str, Mail], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Points]:
    messages = {name: mail.message for name, mail in digests.items()}
    spam = messages["small"].replace(TEXT, TEXT + GTUBE + b"\r\n", 1)
    shouted = re.sub(rb"(?m)^Subject: .*$", b"Subject: BUY CHEAP MOTHS NOW!!! 100% FREE $$$\r", messages["small"])
    return judge(tmp_path_factory.mktemp("spam"), {**messages, "spam": spam, "shouted": shouted})


@pytest.mark.parametrize("name", DIGESTS)
def test_spamassassin_has_nothing_against_it(judged: dict[str, Points], name: str) -> None:
    """What speaks for a mail is not set off against it: half a point is allowed without."""
    against = {rule: points for rule, points in judged[name].items() if points > 0}
    assert sum(against.values()) <= HIGHEST, against
    assert "HTML_MESSAGE" in against, "it has read the HTML"


def test_it_does_judge(judged: dict[str, Points]) -> None:
    assert judged["spam"]["GTUBE"] == 1000
    assert sum(points for points in judged["shouted"].values() if points > 0) > HIGHEST
