"""What a daemon needs to go on where it was."""

SQL = """
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
