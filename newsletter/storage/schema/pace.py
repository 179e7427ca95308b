"""How fast mail went to whom, and what its receivers said to that."""

SQL = """
CREATE TABLE pace_counts ( -- mails that were tried, of what is limited
    scope TEXT NOT NULL, -- a domain; '': over all
    second TEXT NOT NULL, -- none of them was tried later
    number INTEGER NOT NULL,
    PRIMARY KEY (scope, second)
) STRICT, WITHOUT ROWID;
INSERT INTO pace_counts
    SELECT '', tried, count(*) FROM deliveries
    WHERE tried > (SELECT strftime('%Y-%m-%dT%H:%M:%SZ', max(tried), '-1 day') FROM deliveries) GROUP BY tried;

CREATE TABLE pace_pauses (
    domain TEXT NOT NULL, -- '': all
    cause TEXT NOT NULL, -- 'rate' or 'policy'
    since TEXT NOT NULL, -- when the first of them in a row began
    began TEXT NOT NULL,
    until TEXT NOT NULL,
    steps INTEGER NOT NULL, -- pauses in a row, with this one
    width INTEGER NOT NULL, -- mails that may be under way at once afterwards; 0: as many as you like
    reply TEXT NOT NULL,
    PRIMARY KEY (domain, cause)
) STRICT, WITHOUT ROWID;

CREATE TABLE pace_watches ( -- domains that refused for policy
    domain TEXT PRIMARY KEY, -- '': all together
    heard TEXT NOT NULL, -- the last refusal
    seen INTEGER NOT NULL, -- answers since the first
    row INTEGER NOT NULL, -- refusals in a row
    refused TEXT NOT NULL -- JSON: which of the answers were refusals, each with its domain
) STRICT, WITHOUT ROWID;
"""
