"""What makes queueing fast for a million readers."""

SQL = """
-- who is due is found by going through all, and all that it did was to be kept up for each of them
DROP INDEX subscribers_due;
CREATE INDEX subscribers_status ON subscribers (status);

-- who left or rests keeps their hour, and is not to be passed over at every beat
DROP INDEX subscribers_next;
CREATE INDEX subscribers_next ON subscribers (next) WHERE next <> '' AND status = 'confirmed';
"""
