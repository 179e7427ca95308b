"""When a reader wants their mail, and how it is to look."""

SQL = """
-- of weekly digests, Monday is 0; NULL: the newsletter's
ALTER TABLE subscribers ADD COLUMN weekday INTEGER;
-- of their clock; NULL: as soon as the edition is out
ALTER TABLE subscribers ADD COLUMN hour INTEGER;
ALTER TABLE subscribers ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE subscribers ADD COLUMN late TEXT NOT NULL DEFAULT 'wait';
-- when their hour comes next; '': they have none
ALTER TABLE subscribers ADD COLUMN next TEXT NOT NULL DEFAULT '';
ALTER TABLE subscribers ADD COLUMN revised INTEGER NOT NULL DEFAULT 1;
ALTER TABLE subscribers ADD COLUMN detail TEXT NOT NULL DEFAULT 'full';
ALTER TABLE subscribers ADD COLUMN format TEXT NOT NULL DEFAULT 'html';
-- '': the newsletter's
ALTER TABLE subscribers ADD COLUMN language TEXT NOT NULL DEFAULT '';
-- a date, on which a pause ends by itself
ALTER TABLE subscribers ADD COLUMN paused_until TEXT NOT NULL DEFAULT '';
-- links to their preferences that were made before do nothing
ALTER TABLE subscribers ADD COLUMN links_since TEXT NOT NULL DEFAULT '';
CREATE INDEX subscribers_next ON subscribers (next) WHERE next <> '';
CREATE INDEX subscribers_paused ON subscribers (paused_until) WHERE paused_until <> '';

-- what only strangers asked for is found fast, and forgotten
CREATE INDEX asked_topic ON asked (topic_id);

-- it greets a new reader
ALTER TABLE deliveries ADD COLUMN welcome INTEGER NOT NULL DEFAULT 0;
"""
