-- Times are microseconds since 1970-01-01 UTC. `contact` is an author address in lower case.
-- Retention: `retention.bodies` and `retention.records` of the configuration, applied by clean.py;
-- nothing that is still owed is ever removed.

-- Every message that was answered 250. contact key: contact, and the addresses in envelope.
-- Retention: content for `bodies` after its last letter ended, the row for `records`.
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    queue_id TEXT NOT NULL UNIQUE,
    time INTEGER NOT NULL,
    client_ip TEXT NOT NULL,
    helo TEXT NOT NULL,
    tls TEXT NOT NULL,
    user_name TEXT NOT NULL,
    protocol TEXT NOT NULL,
    envelope TEXT NOT NULL,               -- JSON: [reverse_path, recipient, recipient …]
    smtputf8 INTEGER NOT NULL,
    body TEXT NOT NULL,
    contact TEXT NOT NULL,
    message_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    stored TEXT NOT NULL,                 -- inline, spool, or '' when the content was cleaned
    content BLOB
) STRICT;
CREATE INDEX messages_bodies ON messages (time) WHERE stored <> '';
CREATE INDEX messages_records ON messages (time) WHERE stored = '';

-- What is to be delivered. contact key: through message; reverse_path.
-- Retention: `records`, with its message.
CREATE TABLE letters (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    message INTEGER NOT NULL,             -- messages.number
    kind TEXT NOT NULL,
    site TEXT NOT NULL,
    state TEXT NOT NULL,
    next_hop TEXT NOT NULL,
    backlog INTEGER NOT NULL,             -- 1 when it is no new mail any more
    due INTEGER,                          -- queued, deferred, waiting: due then; active: lease ends
    lease TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    strikes INTEGER NOT NULL DEFAULT 0,   -- leases that ran out since the last settlement
    wish TEXT NOT NULL DEFAULT '',        -- hold or drop, asked for while active
    late INTEGER NOT NULL DEFAULT 0,      -- the content without a promise is the one to send
    some_held INTEGER NOT NULL,           -- 1 when a recipient is held, whatever the letter's state
    why TEXT NOT NULL,
    answers INTEGER NOT NULL,             -- accepted recipients it answers for
    one_to_one INTEGER NOT NULL,          -- its recipients are the accepted ones themselves
    origin TEXT NOT NULL,                 -- JSON: the accepted ones where they are others
    pressed INTEGER NOT NULL DEFAULT 0,   -- a person wants it tried now, past any breaker
    accepted INTEGER NOT NULL,
    size INTEGER NOT NULL,
    reverse_path TEXT NOT NULL,
    smtputf8 INTEGER NOT NULL,
    answerable INTEGER NOT NULL,
    tone TEXT NOT NULL,
    waits_for TEXT NOT NULL,
    message_id TEXT NOT NULL,             -- of mail of our own
    cuts TEXT NOT NULL                    -- JSON, or ''
) STRICT;
CREATE INDEX letters_due ON letters (backlog, due) WHERE due IS NOT NULL;
CREATE INDEX letters_hop ON letters (next_hop, due) WHERE backlog = 1 AND due IS NOT NULL;
CREATE INDEX letters_pressed ON letters (due) WHERE pressed = 1;
CREATE INDEX letters_held ON letters (number) WHERE some_held = 1;
CREATE INDEX letters_ended ON letters (state, number) WHERE due IS NULL AND state <> 'relayed';
CREATE INDEX letters_waiting ON letters (waits_for) WHERE state = 'waiting';
CREATE INDEX letters_message ON letters (message);

-- One row for each recipient of each letter. contact key: address. Retention: `records`.
CREATE TABLE recipients (
    letter INTEGER NOT NULL,              -- letters.number
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    at INTEGER,                           -- of the last outcome
    code INTEGER NOT NULL DEFAULT 0,
    enhanced TEXT NOT NULL DEFAULT '',
    reply TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (letter, position)
) STRICT, WITHOUT ROWID;

-- Our fields above a letter, or the whole content of mail of our own: apart from the row that
-- changes with each attempt. contact key: through its letter. Retention: `bodies`.
CREATE TABLE contents (
    letter INTEGER PRIMARY KEY,           -- letters.number
    prefix BLOB NOT NULL,
    own BLOB,
    late BLOB
) STRICT;

-- What happened to a message beyond what its rows say. contact key: through queue_id.
-- Retention: `records`, with its message.
CREATE TABLE notes (
    number INTEGER PRIMARY KEY,
    queue_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    text TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;
CREATE INDEX notes_queue_id ON notes (queue_id);

-- Sums for `prove`, changed in the transaction that changes the letters. No personal data.
-- Each writer may have a shard of its own; the sum over the shards counts.
CREATE TABLE counts (
    name TEXT NOT NULL,
    shard TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, shard)
) STRICT, WITHOUT ROWID;

-- Letters that count as a contact: no spam, no copies. contact key: contact.
-- Retention: `records`, with its message.
CREATE TABLE contact_letters (
    contact TEXT NOT NULL,
    proven INTEGER NOT NULL,
    at INTEGER NOT NULL,
    queue_id TEXT NOT NULL,
    site TEXT NOT NULL,
    tone TEXT NOT NULL,
    irate INTEGER NOT NULL,
    PRIMARY KEY (contact, proven, at, queue_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_letters_irate ON contact_letters (contact, proven, at) WHERE irate = 1;

-- Numbers an author gave. contact key: contact. Retention: `records` after it was last given.
CREATE TABLE contact_phones (
    contact TEXT NOT NULL,
    proven INTEGER NOT NULL,
    phone TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (contact, proven, phone)
) STRICT, WITHOUT ROWID;

-- Which Message-ID belongs to which conversation; contact is '' for mail of our own.
-- contact key: contact. Retention: `records`, with its message.
CREATE TABLE threads (
    message_id TEXT NOT NULL,
    contact TEXT NOT NULL,
    conversation TEXT NOT NULL,
    ours INTEGER NOT NULL,
    queue_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (message_id, contact)
) STRICT, WITHOUT ROWID;

-- Rights to acknowledge that were taken. contact key: contact.
-- Retention: `records`, with the contact's messages.
CREATE TABLE acknowledgements (
    contact TEXT NOT NULL,
    site TEXT NOT NULL,
    conversation TEXT NOT NULL,
    domain TEXT NOT NULL,
    at INTEGER NOT NULL,
    letter_id TEXT NOT NULL,
    PRIMARY KEY (contact, site, conversation)
) STRICT, WITHOUT ROWID;
CREATE INDEX acknowledgements_conversation ON acknowledgements (conversation);
CREATE INDEX acknowledgements_domain ON acknowledgements (domain, at);
CREATE INDEX acknowledgements_site ON acknowledgements (site, at);
CREATE INDEX acknowledgements_at ON acknowledgements (at);
CREATE INDEX acknowledgements_letter ON acknowledgements (letter_id);

-- Acknowledgements paused for a site, or for all (`*`). No personal data. Kept.
CREATE TABLE breakers (
    scope TEXT PRIMARY KEY,
    opened INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the administrator is to be told once. No personal data. Retention: `records`.
CREATE TABLE alerts (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    queue_id TEXT NOT NULL,
    text TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX alerts_untold ON alerts (number) WHERE told = 0;

-- Addresses that refused mail of our own for good. contact key: address.
-- Retention: `acknowledgements.dead_address`.
CREATE TABLE dead_addresses (
    address TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    reply TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Customers to be phoned. contact key: contact. Retention: open ones stay; `records` after.
CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    contact TEXT NOT NULL,
    proven INTEGER NOT NULL,
    state TEXT NOT NULL,
    opened INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    over_budget INTEGER NOT NULL,
    due INTEGER,
    queue_id TEXT NOT NULL,
    name TEXT NOT NULL,
    phone TEXT,
    extension TEXT NOT NULL,
    orders TEXT NOT NULL,                 -- JSON lists of strings
    questions TEXT NOT NULL,
    phrases TEXT NOT NULL,
    reason TEXT NOT NULL,
    updates TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT '',
    closed_by TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX calls_open ON calls (contact, site, proven) WHERE state = 'open';
CREATE INDEX calls_site ON calls (site, opened);
CREATE INDEX calls_opened ON calls (opened);

-- Reports that domains asked for (RFC 9990): one a day and domain, due some time after its day.
-- No personal data. Retention: until it was sent, `records` at the longest.
CREATE TABLE dmarc_reports (
    domain TEXT NOT NULL,
    day INTEGER NOT NULL,                 -- its begin, in UTC
    due INTEGER NOT NULL,                 -- leased: when the lease ends
    lease TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    kinds INTEGER NOT NULL DEFAULT 0,     -- rows of dmarc_rows
    left_out INTEGER NOT NULL DEFAULT 0,  -- messages that found no room there
    PRIMARY KEY (domain, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX dmarc_reports_due ON dmarc_reports (due);
CREATE INDEX dmarc_reports_day ON dmarc_reports (day);

-- What such a report will say: equal findings counted. No personal data but client addresses,
-- which no contact goes with. Retention: with its report.
CREATE TABLE dmarc_rows (
    domain TEXT NOT NULL,
    day INTEGER NOT NULL,
    facts TEXT NOT NULL,                  -- JSON
    count INTEGER NOT NULL,
    PRIMARY KEY (domain, day, facts)
) STRICT, WITHOUT ROWID;

-- What the store itself must know: the secret. No personal data. Kept.
CREATE TABLE properties (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
