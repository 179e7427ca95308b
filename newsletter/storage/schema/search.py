"""The index over all that was announced under an operator's topic; `storage/indexing.py` fills it."""

SQL = """
CREATE TABLE searchable (
    place INTEGER PRIMARY KEY, -- the later announced, the greater; what FTS5 knows a paper by
    paper_key INTEGER NOT NULL UNIQUE REFERENCES papers,
    edition TEXT NOT NULL -- the first that announced it so
) STRICT;
CREATE INDEX searchable_edition ON searchable (edition);

-- words only, so that no text is held twice; of categories, their numbers, which stand in both so that one is asked
CREATE VIRTUAL TABLE search_texts USING fts5(
    title, abstract, comment, journal_ref, categories, content = '', tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE search_names USING fts5(
    authors, report_no, categories, content = '', tokenize = 'unicode61');
CREATE TABLE search_categories (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- what papers were when they were indexed, of those that changed since: FTS5 must be told what it is to forget
CREATE TABLE search_outdated (
    paper_key INTEGER PRIMARY KEY REFERENCES papers,
    title TEXT NOT NULL,
    abstract TEXT NOT NULL,
    comment TEXT NOT NULL,
    journal_ref TEXT NOT NULL,
    authors TEXT NOT NULL,
    categories TEXT NOT NULL,
    report_no TEXT NOT NULL
) STRICT;
CREATE TRIGGER search_outdates
AFTER UPDATE OF title, abstract, comment, journal_ref, authors, categories, report_no ON papers
WHEN (old.title, old.abstract, old.comment, old.journal_ref, old.authors, old.categories, old.report_no)
    IS NOT (new.title, new.abstract, new.comment, new.journal_ref, new.authors, new.categories, new.report_no)
    AND EXISTS (SELECT 1 FROM searchable WHERE paper_key = old.key)
    AND NOT EXISTS (SELECT 1 FROM search_outdated WHERE paper_key = old.key)
BEGIN INSERT INTO search_outdated VALUES (old.key, old.title, old.abstract, old.comment, old.journal_ref,
    old.authors, old.categories, old.report_no); END;
"""
