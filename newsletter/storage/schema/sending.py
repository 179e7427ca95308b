"""What a sender needs to go by its readers' domains: each delivery's, folded, as it was when it was queued."""

SQL = """
ALTER TABLE deliveries ADD COLUMN domain TEXT NOT NULL DEFAULT '';
UPDATE deliveries SET domain = coalesce((
    SELECT substr(s.folded, 1 + length(rtrim(s.folded, replace(s.folded, '@', ''))))
    FROM subscribers AS s WHERE s.id = deliveries.subscriber_id), '') WHERE status IN ('queued', 'deferred', 'sending');
CREATE INDEX deliveries_domain ON deliveries (domain, kind, due, id) WHERE status IN ('queued', 'deferred');
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (kind, due, id, domain) WHERE status IN ('queued', 'deferred');
"""
