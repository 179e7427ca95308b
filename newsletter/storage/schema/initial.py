"""The tables of the first release."""

SQL = """
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
