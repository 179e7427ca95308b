"""`newsletter topics`: what can be subscribed to."""

import click

from newsletter.cli.context import Context, json_option, show_json, show_table
from newsletter.errors import UsageError
from newsletter.fetching import rehearse_query
from newsletter.publish import publishing
from newsletter.text import readable

TRY_DAYS = 30


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
@json_option
@click.pass_obj
def try_(context: Context, query: str, as_json: bool) -> None:
    """What QUERY would have matched in the last 30 days, before anyone subscribes to it.

    A bare name is one phrase, looked for in title or abstract. Else: fields ti au abs co jr cat rn id all, AND, OR,
    ANDNOT, quotes and parentheses, as in 'ti:"graph neural" AND cat:cs.LG ANDNOT ti:survey'.
    """
    papers = rehearse_query(context.app, query, TRY_DAYS)
    if as_json:
        show_json(
            [
                {
                    "id": paper.id,
                    "version": paper.version,
                    "title": paper.title,
                    "link": paper.link,
                    "updated": paper.updated,
                }
                for paper in papers
            ]
        )
        return
    click.echo(f"{len(papers)} papers in the last {TRY_DAYS} days, {len(papers) / TRY_DAYS:.1f} a day")
    show_table(
        ("DATE", "PAPER", "TITLE"),
        [(f"{paper.updated:%Y-%m-%d}", f"{paper.id}v{paper.version}", readable(paper.title)) for paper in papers],
    )


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
