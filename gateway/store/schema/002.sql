-- What the client asked to be told of a delivery (RFC 3461): JSON, or '' for nothing.
ALTER TABLE messages ADD COLUMN wishes TEXT NOT NULL DEFAULT '';
