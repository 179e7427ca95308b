"""The tables, as a list of migrations: each a function that is applied once and never edited after a release."""

from sqlite_utils import Database, Migrations

migrations = Migrations("newsletter")

# Times are UTC texts (see database.to_text). Dates are labels of editions; '' stands for "before all editions".


@migrations()
def m001_initial(db: Database) -> None:
    """Everything of the first release."""
    _execute(db, _INITIAL)


@migrations()
def m002_jobs(db: Database) -> None:
    """What a daemon needs to go on where it was, and an operator to see how it goes."""
    _execute(db, _JOBS)


@migrations()
def m003_weather(db: Database) -> None:
    """What arXiv answered, in full account; what a feed tells less of; what was taken over from elsewhere."""
    _execute(db, _WEATHER)


@migrations()
def m004_words(db: Database) -> None:
    """Which words of a paper answered a topic's query; and what was brief is minor, as all cards have a brief form."""
    _execute(db, _WORDS)


def _execute(db: Database, script: str) -> None:
    # Not executescript: that would commit, and a migration is one transaction.
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


_INITIAL = """
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE papers (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    title TEXT NOT NULL,
    abstract TEXT NOT NULL,
    authors TEXT NOT NULL, -- a JSON list
    categories TEXT NOT NULL, -- blank-separated, primary first
    comment TEXT NOT NULL,
    journal_ref TEXT NOT NULL,
    doi TEXT NOT NULL,
    report_no TEXT NOT NULL,
    submitted TEXT NOT NULL, -- version 1
    updated TEXT NOT NULL, -- this version
    seen TEXT NOT NULL, -- by us, first
    UNIQUE (id, version)
) STRICT;

CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL, -- '' for a reader's query
    folded TEXT UNIQUE, -- an operator's topic is known by this
    query TEXT NOT NULL,
    normal TEXT NOT NULL, -- a reader's query is known by this
    personal INTEGER NOT NULL DEFAULT 0,
    sleeping INTEGER NOT NULL DEFAULT 0,
    position INTEGER NOT NULL DEFAULT 0,
    begun TEXT -- when its first edition was settled
) STRICT;
CREATE UNIQUE INDEX topics_personal ON topics (normal) WHERE personal = 1;

CREATE TABLE harvests (
    id INTEGER PRIMARY KEY,
    date TEXT NOT NULL,
    started TEXT NOT NULL,
    ended TEXT NOT NULL,
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    requests INTEGER NOT NULL,
    matched INTEGER NOT NULL,
    received INTEGER NOT NULL,
    outside INTEGER NOT NULL, -- not in the configured categories
    dropped INTEGER NOT NULL, -- do not match locally
    settled TEXT -- when selection had decided on all of it
) STRICT;
CREATE INDEX harvests_date ON harvests (date);

CREATE TABLE proposals ( -- kept until selection has decided
    harvest_id INTEGER NOT NULL REFERENCES harvests ON DELETE CASCADE,
    topic_id INTEGER NOT NULL REFERENCES topics ON DELETE CASCADE,
    place INTEGER NOT NULL, -- in the source's answer, newest first
    paper_key INTEGER NOT NULL REFERENCES papers,
    PRIMARY KEY (harvest_id, topic_id, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE asked ( -- the topics a harvest asked for
    harvest_id INTEGER NOT NULL REFERENCES harvests ON DELETE CASCADE,
    topic_id INTEGER NOT NULL REFERENCES topics ON DELETE CASCADE,
    error TEXT NOT NULL, -- '' if all of it came
    PRIMARY KEY (harvest_id, topic_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE editions (
    date TEXT PRIMARY KEY,
    made TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE announcements (
    topic_id INTEGER NOT NULL REFERENCES topics ON DELETE CASCADE,
    paper_key INTEGER NOT NULL REFERENCES papers,
    kind TEXT NOT NULL,
    changes TEXT NOT NULL, -- blank-separated names of fields
    edition TEXT REFERENCES editions, -- NULL: passed over
    place INTEGER NOT NULL, -- in the source's newest answer; settles ties of time
    PRIMARY KEY (topic_id, paper_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX announcements_edition ON announcements (edition, topic_id);
CREATE INDEX announcements_paper ON announcements (paper_key);

CREATE TABLE fragments (
    name TEXT NOT NULL,
    language TEXT NOT NULL,
    edition TEXT NOT NULL, -- the newest that uses it; older ones are forgotten
    html BLOB NOT NULL,
    text BLOB NOT NULL,
    PRIMARY KEY (name, language)
) STRICT;
CREATE INDEX fragments_edition ON fragments (edition);

CREATE TABLE subscribers (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    frequency TEXT NOT NULL,
    covered TEXT NOT NULL, -- the last edition taken up in a digest of theirs
    turned TEXT NOT NULL, -- weekly: the last weekly day on which it was their turn
    created TEXT NOT NULL,
    confirmed TEXT
) STRICT;
CREATE INDEX subscribers_due ON subscribers (status, frequency, covered);

CREATE TABLE subscriptions (
    subscriber_id INTEGER NOT NULL REFERENCES subscribers ON DELETE CASCADE,
    topic_id INTEGER NOT NULL REFERENCES topics ON DELETE CASCADE,
    PRIMARY KEY (subscriber_id, topic_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX subscriptions_topic ON subscriptions (topic_id);

CREATE TABLE suppressions (
    folded TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    note TEXT NOT NULL,
    made TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    subscriber_id INTEGER REFERENCES subscribers ON DELETE SET NULL,
    kind TEXT NOT NULL, -- digest or single; singles are taken first
    status TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE,
    chosen TEXT NOT NULL, -- the reader's topics when it was queued, by number; '' for all of the operator's
    after TEXT NOT NULL, -- the editions after this one …
    upto TEXT NOT NULL, -- … up to this one
    queued TEXT NOT NULL,
    expires TEXT NOT NULL,
    due TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    unknowns INTEGER NOT NULL DEFAULT 0, -- attempts without an answer (RFC 1047)
    tried TEXT,
    ended TEXT,
    reply TEXT NOT NULL DEFAULT '',
    payload TEXT -- of a single: what to render
) STRICT;
CREATE INDEX deliveries_due ON deliveries (kind, due, id) WHERE status IN ('queued', 'deferred');
CREATE INDEX deliveries_sending ON deliveries (id) WHERE status = 'sending';
CREATE INDEX deliveries_status ON deliveries (status);
CREATE INDEX deliveries_subscriber ON deliveries (subscriber_id, upto);
CREATE INDEX deliveries_tried ON deliveries (tried) WHERE tried IS NOT NULL;
"""

_JOBS = """
CREATE TABLE attempts ( -- at a date's edition
    date TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    began TEXT NOT NULL, -- the last one
    ended TEXT,
    again TEXT, -- when it is to be tried again; NULL: nothing is left to do
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    name TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    began TEXT NOT NULL,
    seen TEXT NOT NULL,
    ended TEXT,
    failure TEXT NOT NULL,
    failures INTEGER NOT NULL, -- in a row
    ill_since TEXT
) STRICT, WITHOUT ROWID;
"""

_WEATHER = """
-- 1: from a feed or a README, details are to be filled in; 2: arXiv does not tell them
ALTER TABLE papers ADD COLUMN provisional INTEGER NOT NULL DEFAULT 0;
-- when arXiv was asked for them last, in vain
ALTER TABLE papers ADD COLUMN asked TEXT NOT NULL DEFAULT '';
CREATE INDEX papers_provisional ON papers (asked, seen DESC) WHERE provisional = 1;
CREATE INDEX papers_updated ON papers (updated);

-- versions submitted before are passed over, but for papers with a later identifier: they were announced since
ALTER TABLE topics ADD COLUMN horizon TEXT NOT NULL DEFAULT '';
ALTER TABLE topics ADD COLUMN newest TEXT NOT NULL DEFAULT '';
UPDATE topics SET
    -- 8 days before all of it came last; a topic that has begun was answered once
    horizon = strftime('%Y-%m-%dT%H:%M:%SZ', coalesce((SELECT max(started) FROM harvests JOIN asked ON harvest_id = id
        WHERE topic_id = topics.id AND error = '' AND state <> 'failed'), begun), '-8 days'),
    newest = coalesce((SELECT max(id) FROM papers WHERE id < 'a'), '')
WHERE begun IS NOT NULL;

CREATE INDEX harvests_undecided ON harvests (id) WHERE settled IS NULL;
-- versions submitted since were asked for
ALTER TABLE harvests ADD COLUMN overlap TEXT NOT NULL DEFAULT '';
-- a JSON list of texts
ALTER TABLE harvests ADD COLUMN remarks TEXT NOT NULL DEFAULT '[]';
-- a batch should have come, and arXiv still showed the one before
ALTER TABLE harvests ADD COLUMN due INTEGER NOT NULL DEFAULT 0;

CREATE TABLE accounts ( -- of each question that a harvest asked
    harvest_id INTEGER NOT NULL REFERENCES harvests ON DELETE CASCADE,
    number INTEGER NOT NULL,
    source TEXT NOT NULL,
    asked TEXT NOT NULL, -- a category or set; '' for queries
    topics TEXT NOT NULL, -- a JSON list; empty: everybody's
    matched INTEGER NOT NULL,
    received INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    repeated INTEGER NOT NULL,
    outside INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    known INTEGER NOT NULL,
    news INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (harvest_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE sights ( -- what arXiv showed last in each place
    source TEXT NOT NULL,
    name TEXT NOT NULL, -- a category; '' for the query API's index
    entries INTEGER NOT NULL,
    signature TEXT NOT NULL,
    newest TEXT, -- the latest submission shown
    since TEXT NOT NULL, -- when it was first seen like this
    seen TEXT NOT NULL,
    PRIMARY KEY (source, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE selections ( -- what became of a topic's candidates at one decision
    id INTEGER PRIMARY KEY,
    date TEXT NOT NULL, -- of the edition decided on
    topic_id INTEGER NOT NULL REFERENCES topics ON DELETE CASCADE,
    candidates INTEGER NOT NULL,
    settled INTEGER NOT NULL, -- before
    new INTEGER NOT NULL,
    revised INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL,
    passed_over INTEGER NOT NULL
) STRICT;
CREATE INDEX selections_date ON selections (date);

-- told in a line
ALTER TABLE announcements ADD COLUMN brief INTEGER NOT NULL DEFAULT 0;
-- JSON: what a reader would wonder about
ALTER TABLE editions ADD COLUMN remarks TEXT NOT NULL DEFAULT '[]';

CREATE TABLE backfills ( -- how far each got, so that a kill costs a slice at most
    topic_id INTEGER NOT NULL REFERENCES topics ON DELETE CASCADE,
    since TEXT NOT NULL,
    upto TEXT NOT NULL,
    reached TEXT NOT NULL, -- versions submitted before are all held
    PRIMARY KEY (topic_id, since)
) STRICT, WITHOUT ROWID;

CREATE TABLE warnings ( -- operator mails, so that each illness is told once
    name TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    told TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_WORDS = """
-- a JSON list: as they stand in the paper
ALTER TABLE announcements ADD COLUMN words TEXT NOT NULL DEFAULT '[]';
-- told in a line
ALTER TABLE announcements RENAME COLUMN brief TO minor;
-- made by templates of before; they are made again when needed
DELETE FROM fragments;
"""
