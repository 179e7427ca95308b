"""The tables, as a list of migrations: each a function that is applied once and never edited after a release."""

from sqlite_utils import Database, Migrations

from newsletter.storage.schema import (
    bounces,
    initial,
    jobs,
    pace,
    queue,
    readers,
    requests,
    search,
    sending,
    standing,
    weather,
    words,
)

migrations = Migrations("newsletter")

# Times are UTC texts (see database.to_text). Dates are labels of editions; '' stands for "before all editions".


@migrations()
def m001_initial(db: Database) -> None:
    """Everything of the first release."""
    _execute(db, initial.SQL)


@migrations()
def m002_jobs(db: Database) -> None:
    """What a daemon needs to go on where it was, and an operator to see how it goes."""
    _execute(db, jobs.SQL)


@migrations()
def m003_weather(db: Database) -> None:
    """What arXiv answered, in full account; what a feed tells less of; what was taken over from elsewhere."""
    _execute(db, weather.SQL)


@migrations()
def m004_words(db: Database) -> None:
    """Which words of a paper answered a topic's query; and what was brief is minor, as all cards have a brief form."""
    _execute(db, words.SQL)


@migrations()
def m005_readers(db: Database) -> None:
    """When a reader wants their mail, and how it is to look."""
    _execute(db, readers.SQL)


@migrations()
def m006_search(db: Database) -> None:
    """An index over what was announced to everybody; it is filled later, little by little."""
    _execute(db, search.SQL)


@migrations()
def m007_bounces(db: Database) -> None:
    """What came back, what it adds up to, and which mails of the bounce mailbox were read."""
    _execute(db, bounces.SQL)


@migrations()
def m008_requests(db: Database) -> None:
    """What is asked for on the web until it is done, who is to confirm, and who said yes to what."""
    _execute(db, requests.SQL)


@migrations()
def m009_sending(db: Database) -> None:
    """What a sender needs to go by its readers' domains."""
    _execute(db, sending.SQL)


@migrations()
def m010_pace(db: Database) -> None:
    """How fast mail went, and what was said to that."""
    _execute(db, pace.SQL)


@migrations()
def m011_standing(db: Database) -> None:
    """How the sender's run goes, for others to see."""
    _execute(db, standing.SQL)


@migrations()
def m012_queue(db: Database) -> None:
    """Indexes that a queue for a million readers can do with."""
    _execute(db, queue.SQL)


def _execute(db: Database, script: str) -> None:
    # Not executescript: that would commit, and a migration is one transaction.
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)
