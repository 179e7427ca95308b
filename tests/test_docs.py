"""The documents name commands, keys and files that are there, and all of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from test_levels import LEVELS

from newsletter.cli import newsletter

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(group: click.Group = newsletter, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as its words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def find(words: list[str]) -> click.Command:
    """The command that words on a command line lead to."""
    command: click.Command = newsletter
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.commands[word]
    return command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_in_documents_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    lines = re.findall(r"(?:^ {4}(?:\S*/)?|`)newsletter ([a-z][^`\n]*)", text, re.M)
    for line in lines:
        words = re.findall(r"[a-z-]+", line.split(" --")[0].split('"')[0].split("'")[0])
        command = find(words)
        options = ([*parameter.opts, *parameter.secondary_opts] for parameter in command.params)
        known = {"--help"}.union(*options)
        assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= known, line


def test_every_command_has_help_and_stands_in_a_document() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in [*DOCUMENTS, ROOT / "CHANGELOG.md"])
    for words in commands():
        assert find(list(words)).help, words
        assert words[-1] in text, words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"`[^`]*`", "", document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (document.parent / target).exists(), target
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
        place = document.parent / target if target else document
        headings = re.findall(r"(?m)^#+ (.*)$", place.read_text(encoding="utf-8"))
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, anchor


def test_the_levels_in_the_design_are_those_that_are_held() -> None:
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    block = re.search(r"\n\n((?: {4}[a-z_ ·]+\n)+)", text)
    assert block is not None
    written = [tuple(line.split(" · ")) for line in block[1].replace("    ", "").splitlines()]
    assert written == [level for level in LEVELS if level not in (("newsletter",), ("__main__",))]


def test_modules_named_in_the_design_exist() -> None:
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text):
        assert (ROOT / "newsletter" / name).exists(), name
