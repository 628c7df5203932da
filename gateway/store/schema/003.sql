-- Processes that serve from this store: who they are and what they run. No personal data.
-- Retention: until it ends, or others find that its heart beats no more.
CREATE TABLE nodes (
    owner TEXT PRIMARY KEY,               -- as in letters.lease
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    configuration TEXT NOT NULL,          -- digest
    models TEXT NOT NULL,                 -- JSON: digest by name
    started INTEGER NOT NULL,
    seen INTEGER NOT NULL,                -- by its own clock, to be shown; beats are what counts
    beats INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows of DMARC reports, now counted by each writer apart, so that none waits for another.
-- No personal data but client addresses, which no contact goes with. Retention: with its report.
CREATE TABLE dmarc_found (
    domain TEXT NOT NULL,
    day INTEGER NOT NULL,
    facts TEXT NOT NULL,                  -- JSON
    shard TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (domain, day, facts, shard)
) STRICT, WITHOUT ROWID;
INSERT INTO dmarc_found (domain, day, facts, shard, count)
SELECT domain, day, facts, '', count FROM dmarc_rows;
DROP TABLE dmarc_rows;
ALTER TABLE dmarc_found RENAME TO dmarc_rows;

-- Contents too large for a row, in pieces, where several machines share the store; one machine
-- keeps them as files. contact key: through queue_id. Retention: `bodies`.
CREATE TABLE pieces (
    queue_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (queue_id, position)
) STRICT;
CREATE INDEX pieces_first ON pieces (at) WHERE position = 0;
