"""The sender's run as it goes, for others to see; and what numbers for the public leave out."""

SQL = """
CREATE TABLE standing ( -- one row
    id INTEGER PRIMARY KEY CHECK (id = 1),
    pid INTEGER NOT NULL,
    began TEXT NOT NULL,
    seen TEXT NOT NULL,
    connections INTEGER NOT NULL, -- open
    under_way INTEGER NOT NULL, -- handed over, and not answered yet
    sent INTEGER NOT NULL, -- these are of the run
    deferred INTEGER NOT NULL,
    bounced INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    suppressed INTEGER NOT NULL,
    digests INTEGER NOT NULL, -- of all these, those that were no singles
    rate REAL NOT NULL, -- a second
    remaining INTEGER, -- that were due and have not been tried; NULL: not counted
    held_back TEXT NOT NULL, -- why they are
    held_until TEXT,
    ended TEXT,
    deferrals INTEGER NOT NULL -- of digests, in all runs up to now
) STRICT;
CREATE INDEX deliveries_single ON deliveries (status) WHERE kind = 'single';
"""
