"""Which words of a paper answered a query."""

SQL = """
-- a JSON list: as they stand in the paper
ALTER TABLE announcements ADD COLUMN words TEXT NOT NULL DEFAULT '[]';
-- told in a line
ALTER TABLE announcements RENAME COLUMN brief TO minor;
-- made by templates of before; they are made again when needed
DELETE FROM fragments;
"""
