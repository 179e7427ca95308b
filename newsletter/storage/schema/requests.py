"""What strangers and readers asked for on the web until it is done, and what readers said yes to."""

SQL = """
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- links name it, so it is never used again
    kind TEXT NOT NULL, -- subscribe, link, move
    made TEXT NOT NULL,
    network TEXT NOT NULL, -- a keyed hash of where it came from; '': not from the web
    address TEXT NOT NULL, -- a keyed hash
    email TEXT NOT NULL, -- for as long as it is needed
    wish TEXT NOT NULL, -- JSON, until it is handled
    subscriber_id INTEGER REFERENCES subscribers ON DELETE SET NULL, -- who asks; or who it turned out to be about
    handled TEXT NOT NULL DEFAULT '',
    mailed TEXT NOT NULL DEFAULT '', -- when a mail was queued for it,
    message_id TEXT NOT NULL DEFAULT '', -- and which
    used TEXT NOT NULL DEFAULT '' -- when the link in that was
) STRICT;
CREATE INDEX requests_made ON requests (made);
CREATE INDEX requests_network ON requests (network, made);
CREATE INDEX requests_address ON requests (address, mailed) WHERE mailed <> '';
CREATE INDEX requests_waiting ON requests (id) WHERE handled = '';
CREATE INDEX requests_subscriber ON requests (subscriber_id);
-- Of who is removed no more is kept than that a mail was sent, for as long as no other may be.
CREATE TRIGGER requests_of_removed BEFORE DELETE ON subscribers
BEGIN UPDATE requests SET email = '', message_id = '' WHERE subscriber_id = old.id; END;

CREATE TABLE unconfirmed ( -- who is forgotten, unless they confirm
    subscriber_id INTEGER PRIMARY KEY REFERENCES subscribers ON DELETE CASCADE,
    until TEXT NOT NULL
) STRICT;

CREATE TABLE consents (
    id INTEGER PRIMARY KEY,
    subscriber_id INTEGER NOT NULL REFERENCES subscribers ON DELETE CASCADE,
    given TEXT NOT NULL,
    how TEXT NOT NULL, -- web, cli, csv, mail
    text TEXT NOT NULL, -- as it was shown
    language TEXT NOT NULL
) STRICT;
CREATE INDEX consents_subscriber ON consents (subscriber_id);
"""
