"""What arXiv answered, in full account; and what is to be filled in."""

SQL = """
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
