"""`newsletter topics`: what can be subscribed to."""

from collections.abc import Sequence
from contextlib import closing

import click

from newsletter.cli.context import Context, json_option, show_json, show_table
from newsletter.errors import UsageError
from newsletter.model import Paper
from newsletter.publish import publishing
from newsletter.query import parse
from newsletter.rehearsal import Rehearsal, rehearse_query
from newsletter.storage.marking import Marks
from newsletter.storage.matching import Matcher

TRY_DAYS = 30
_TOO_WIDE = 3  # a query that matches one paper in so many tells nobody anything


@click.group()
def topics() -> None:
    """List the topics, try a query, rename a topic."""


@topics.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """The operator's topics, with how many readers chose each by name."""
    app = context.looking
    chosen = app.storage.topics.subscribers()
    rows = [
        {
            "name": topic.name,
            "query": topic.query,
            "subscribers": chosen.get(topic.id, 0),
            "state": "sleeping" if topic.sleeping else "awake",
        }
        for topic in app.storage.topics.followed(app.named_topics)
    ]
    if as_json:
        show_json(rows)
    else:
        show_table(("TOPIC", "QUERY", "CHOSEN BY", "STATE"), [tuple(row.values()) for row in rows])


@topics.command("try")
@click.argument("query")
@click.option(
    "--days", type=click.IntRange(1, 36_500), default=TRY_DAYS, show_default=True, help="How far to look back."
)
@click.option("--color/--no-color", default=None, help="Mark the matched words of titles.  [default: on a terminal]")
@json_option
@click.pass_context
def try_(ctx: click.Context, query: str, days: int, color: bool | None, as_json: bool) -> None:
    """What QUERY would have matched in the last days, before anyone subscribes to it.

    A bare name is one phrase, looked for in title or abstract. Else: fields ti au abs co jr cat rn id all, AND, OR,
    ANDNOT, quotes and parentheses, as in 'ti:"graph neural" AND cat:cs.LG ANDNOT ti:survey'.
    """
    ctx.color = color  # None: click leaves the marks out where no terminal reads them
    rehearsal = rehearse_query(ctx.obj.app, query, days)
    marked = _marked(rehearsal.papers, query)
    if as_json:
        show_json([_record(paper, marks) for paper, marks in marked])
    else:
        click.echo(_summary(rehearsal))
        show_table(
            ("DATE", "PAPER", "MATCHED", "TITLE"),
            [
                (f"{paper.updated:%Y-%m-%d}", f"{paper.id}v{paper.version}", ", ".join(marks.words), _title(marks))
                for paper, marks in marked
            ],
            styled=True,
        )
    if rehearsal.everything and len(rehearsal.papers) * _TOO_WIDE >= rehearsal.everything:
        click.echo("newsletter: this matches a third of all papers or more; narrow it with AND or ANDNOT", err=True)


def _marked(papers: Sequence[Paper], query: str) -> list[tuple[Paper, Marks]]:
    tree = parse(query)
    with closing(Matcher(papers)) as matcher:
        return [(paper, matcher.marked(position, tree)) for position, paper in enumerate(papers)]


def _record(paper: Paper, marks: Marks) -> dict[str, object]:
    return {
        "id": paper.id,
        "version": paper.version,
        "title": paper.title,
        "link": paper.link,
        "updated": paper.updated,
        "matched": marks.words,
    }


def _summary(rehearsal: Rehearsal) -> str:
    number, days = len(rehearsal.papers), rehearsal.days
    share = f", of {rehearsal.everything:,} in all" if rehearsal.everything is not None else ""
    return f"{number} papers in the last {days} days, {number / days:.1f} a day{share}"


def _title(marks: Marks) -> str:
    return "".join(click.style(text, bold=True, underline=True) if marked else text for text, marked in marks.title)


@topics.command()
@click.argument("old")
@click.argument("new")
@click.pass_obj
def rename(context: Context, old: str, new: str) -> None:
    """Move history and subscribers of topic OLD to NEW. First write NEW into config.toml in the place of OLD."""
    app = context.app
    configured = {_folded(topic.name) for topic in app.config.topics}
    if _folded(new) not in configured:
        raise UsageError(
            f"{app.config.path}: topics: there is no {new!r}; write it there in the place of {old!r} first"
        )
    if _folded(old) in configured and _folded(old) != _folded(new):
        raise UsageError(f"{app.config.path}: topics: {old!r} still stands there; take it out first")
    with publishing(app):
        app.storage.topics.merge(old, new)
    click.echo(f"{new} has the history and the subscribers of {old}.")


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


COMMANDS = (topics,)
