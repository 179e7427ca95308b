"""What came back, what it adds up to, and which mails of the bounce mailbox were read."""

SQL = """
CREATE TABLE bounces ( -- reports of mail that came back, and how many there were of other mails to the return path
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    proof TEXT NOT NULL,
    subscriber_id INTEGER REFERENCES subscribers ON DELETE CASCADE,
    delivery_id INTEGER,
    status TEXT NOT NULL, -- RFC 3463
    text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX bounces_delivery ON bounces (delivery_id, kind) WHERE delivery_id IS NOT NULL;
CREATE INDEX bounces_subscriber ON bounces (subscriber_id, at) WHERE subscriber_id IS NOT NULL;
CREATE INDEX bounces_at ON bounces (at);

CREATE TABLE scores ( -- what it adds up to, for readers of whom something came back
    subscriber_id INTEGER PRIMARY KEY REFERENCES subscribers ON DELETE CASCADE,
    points REAL NOT NULL,
    day TEXT NOT NULL, -- the last that counted
    of_day REAL NOT NULL, -- what that day counted
    at TEXT NOT NULL,
    suspended TEXT, -- since when; it counts while the address is suppressed
    probed TEXT -- when a mail went out that asks whether it arrives
) STRICT;
CREATE INDEX scores_suspended ON scores (suspended) WHERE suspended IS NOT NULL AND probed IS NULL;

CREATE TABLE collected ( -- mails of the bounce mailbox that were read and are still there
    box TEXT NOT NULL, -- with the UIDVALIDITY of an IMAP folder
    mail TEXT NOT NULL, -- a UID, or the unique name of a file
    kept INTEGER NOT NULL, -- they stay there for the operator
    PRIMARY KEY (box, mail)
) STRICT, WITHOUT ROWID;
"""
