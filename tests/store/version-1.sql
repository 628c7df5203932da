-- A store as version 1 of the schema left it: four letters, delivered, delayed, leased, held.
BEGIN TRANSACTION;
CREATE TABLE acknowledgements (
    contact TEXT NOT NULL,
    site TEXT NOT NULL,
    conversation TEXT NOT NULL,
    domain TEXT NOT NULL,
    at INTEGER NOT NULL,
    letter_id TEXT NOT NULL,
    PRIMARY KEY (contact, site, conversation)
) STRICT, WITHOUT ROWID;
INSERT INTO "acknowledgements" VALUES('ann0@customer.example','shop','c-V0','customer.example',1795426200000000,'V0.1.ack');
INSERT INTO "acknowledgements" VALUES('ann1@customer.example','shop','c-V1','customer.example',1795426200000000,'V1.1.ack');
INSERT INTO "acknowledgements" VALUES('ann2@customer.example','shop','c-V2','customer.example',1795426200000000,'V2.1.ack');
CREATE TABLE alerts (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    queue_id TEXT NOT NULL,
    text TEXT NOT NULL,
    told INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE breakers (
    scope TEXT PRIMARY KEY,
    opened INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
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
INSERT INTO "calls" VALUES('KV0','shop','ann0@customer.example',1,'open',1795426200000000,1795426200000000,0,1795426200000000,'V0','Ann','+15551234567','','["10423"]','[]','[]','irate','','','');
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
INSERT INTO "contact_letters" VALUES('ann0@customer.example',1,1795426200000000,'V0','shop','irate',1);
INSERT INTO "contact_letters" VALUES('ann1@customer.example',1,1795426200000000,'V1','shop','irate',1);
INSERT INTO "contact_letters" VALUES('ann2@customer.example',1,1795426200000000,'V2','shop','irate',1);
INSERT INTO "contact_letters" VALUES('ann3@customer.example',1,1795426200000000,'V3','shop','irate',1);
CREATE TABLE contact_phones (
    contact TEXT NOT NULL,
    proven INTEGER NOT NULL,
    phone TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (contact, proven, phone)
) STRICT, WITHOUT ROWID;
INSERT INTO "contact_phones" VALUES('ann0@customer.example',1,'+15551234567',1795426200000000);
INSERT INTO "contact_phones" VALUES('ann1@customer.example',1,'+15551234567',1795426200000000);
INSERT INTO "contact_phones" VALUES('ann2@customer.example',1,'+15551234567',1795426200000000);
INSERT INTO "contact_phones" VALUES('ann3@customer.example',1,'+15551234567',1795426200000000);
CREATE TABLE contents (
    letter INTEGER PRIMARY KEY,           -- letters.number
    prefix BLOB NOT NULL,
    own BLOB,
    late BLOB
) STRICT;
INSERT INTO "contents" VALUES(1,X'582D476174657761792D49643A2056300D0A',NULL,NULL);
INSERT INTO "contents" VALUES(2,X'',X'4D6573736167652D49443A203C56304067772E6578616D706C653E0D0A0D0A7468616E6B730D0A',NULL);
INSERT INTO "contents" VALUES(3,X'582D476174657761792D49643A2056310D0A',NULL,NULL);
INSERT INTO "contents" VALUES(4,X'',X'4D6573736167652D49443A203C56314067772E6578616D706C653E0D0A0D0A7468616E6B730D0A',NULL);
INSERT INTO "contents" VALUES(5,X'582D476174657761792D49643A2056320D0A',NULL,NULL);
INSERT INTO "contents" VALUES(6,X'',X'4D6573736167652D49443A203C56324067772E6578616D706C653E0D0A0D0A7468616E6B730D0A',NULL);
INSERT INTO "contents" VALUES(7,X'582D476174657761792D49643A2056330D0A',NULL,NULL);
CREATE TABLE counts (
    name TEXT NOT NULL,
    shard TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, shard)
) STRICT, WITHOUT ROWID;
INSERT INTO "counts" VALUES('accepted','',4);
INSERT INTO "counts" VALUES('delivered','',1);
INSERT INTO "counts" VALUES('generated/queued','',3);
INSERT INTO "counts" VALUES('held','',1);
INSERT INTO "counts" VALUES('queued','',2);
CREATE TABLE dead_addresses (
    address TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    reply TEXT NOT NULL
) STRICT, WITHOUT ROWID;
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
INSERT INTO "dmarc_reports" VALUES('customer.example',1795392000000000,1795480515338287,'',0,1,0);
CREATE TABLE dmarc_rows (
    domain TEXT NOT NULL,
    day INTEGER NOT NULL,
    facts TEXT NOT NULL,                  -- JSON
    count INTEGER NOT NULL,
    PRIMARY KEY (domain, day, facts)
) STRICT, WITHOUT ROWID;
INSERT INTO "dmarc_rows" VALUES('customer.example',1795392000000000,'["facts"]',4);
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
INSERT INTO "letters" VALUES(1,'V0.1',1,'letter','shop','relayed','mailbox',1,NULL,'',1,0,'',0,0,'',1,1,'',0,1795426200000000,56,'ann0@customer.example',0,0,'','','','');
INSERT INTO "letters" VALUES(2,'V0.1.ack',1,'acknowledgement','shop','queued','outbound',0,1795426200000000,'',0,0,'',0,0,'',0,0,'',0,1795426200000000,39,'',0,0,'','V0.1','<V0@gw.example>','');
INSERT INTO "letters" VALUES(3,'V1.1',2,'letter','shop','deferred','mailbox',1,1795429800000000,'',1,0,'',0,0,'451 4.3.0 later',1,1,'',0,1795426200000000,56,'ann1@customer.example',0,0,'','','','');
INSERT INTO "letters" VALUES(4,'V1.1.ack',2,'acknowledgement','shop','waiting','outbound',0,1795427100000000,'',0,0,'',0,0,'',0,0,'',0,1795426200000000,39,'',0,0,'','V1.1','<V1@gw.example>','');
INSERT INTO "letters" VALUES(5,'V2.1',3,'letter','shop','active','mailbox',0,1795426500000000,'10b397df-18415-1536145:6d98ad15c6fa3add',0,0,'',0,0,'',1,1,'',0,1795426200000000,56,'ann2@customer.example',0,0,'','','','');
INSERT INTO "letters" VALUES(6,'V2.1.ack',3,'acknowledgement','shop','waiting','outbound',0,1795427100000000,'',0,0,'',0,0,'',0,0,'',0,1795426200000000,39,'',0,0,'','V2.1','<V2@gw.example>','');
INSERT INTO "letters" VALUES(7,'V3.1',4,'letter','shop','held','mailbox',0,NULL,'',0,0,'',0,1,'a person',1,1,'',0,1795426200000000,56,'ann3@customer.example',0,0,'','','','');
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
INSERT INTO "messages" VALUES(1,'V0',1795426200000000,'192.0.2.7','mail.customer.example','TLSv1.3','','ESMTPS','["ann0@customer.example", "support@shop.example"]',0,'8BITMIME','ann0@customer.example','<V0@customer.example>',38,X'D243BEBD74DA2085CEC8D080E3901E4E6BBD9CA0ACD2BFA914C93922E94A4566','inline',X'5375626A6563743A206F6C640D0A0D0A6B6570742062792076657273696F6E20312C20300D0A');
INSERT INTO "messages" VALUES(2,'V1',1795426200000000,'192.0.2.7','mail.customer.example','TLSv1.3','','ESMTPS','["ann1@customer.example", "support@shop.example"]',0,'8BITMIME','ann1@customer.example','<V1@customer.example>',38,X'517C3101A25BC2B5D012983A43DD1E91124DD4E7923EFDB0D386162242E2523E','inline',X'5375626A6563743A206F6C640D0A0D0A6B6570742062792076657273696F6E20312C20310D0A');
INSERT INTO "messages" VALUES(3,'V2',1795426200000000,'192.0.2.7','mail.customer.example','TLSv1.3','','ESMTPS','["ann2@customer.example", "support@shop.example"]',0,'8BITMIME','ann2@customer.example','<V2@customer.example>',38,X'A3604AA35E0CCCADBEE91D2F53C2DFCCCCC8BE5975E20AE902FC1E1E693E46DD','inline',X'5375626A6563743A206F6C640D0A0D0A6B6570742062792076657273696F6E20312C20320D0A');
INSERT INTO "messages" VALUES(4,'V3',1795426200000000,'192.0.2.7','mail.customer.example','TLSv1.3','','ESMTPS','["ann3@customer.example", "support@shop.example"]',0,'8BITMIME','ann3@customer.example','<V3@customer.example>',38,X'82351E720F455F44DCCF196E754545F807CD48F22413D5A866631C33EF07B9FA','inline',X'5375626A6563743A206F6C640D0A0D0A6B6570742062792076657273696F6E20312C20330D0A');
CREATE TABLE notes (
    number INTEGER PRIMARY KEY,
    queue_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    text TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;
INSERT INTO "notes" VALUES(1,'V3',1795426200000000,'not acknowledged','rate: the domain had enough','');
INSERT INTO "notes" VALUES(2,'V1',1795426200000000,'deferred','V1.1 to support@shop.example: 451 4.3.0 later','');
INSERT INTO "notes" VALUES(3,'V3',1795426200000000,'held','V3.1: a person','joe');
CREATE TABLE properties (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "properties" VALUES('secret',X'5FF7FEDBE1D608C7CE280644D53B11AA9253A40B28473FA4BF2BA938624E707C');
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
INSERT INTO "recipients" VALUES(1,0,'support@shop.example','relayed',1,1795426200000000,250,'2.0.0','Ok');
INSERT INTO "recipients" VALUES(2,0,'ann0@customer.example','queued',0,NULL,0,'','');
INSERT INTO "recipients" VALUES(3,0,'support@shop.example','deferred',1,1795426200000000,451,'4.3.0','later');
INSERT INTO "recipients" VALUES(4,0,'ann1@customer.example','waiting',0,NULL,0,'','');
INSERT INTO "recipients" VALUES(5,0,'support@shop.example','queued',0,NULL,0,'','');
INSERT INTO "recipients" VALUES(6,0,'ann2@customer.example','waiting',0,NULL,0,'','');
INSERT INTO "recipients" VALUES(7,0,'support@shop.example','held',0,NULL,0,'','');
CREATE TABLE threads (
    message_id TEXT NOT NULL,
    contact TEXT NOT NULL,
    conversation TEXT NOT NULL,
    ours INTEGER NOT NULL,
    queue_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (message_id, contact)
) STRICT, WITHOUT ROWID;
INSERT INTO "threads" VALUES('<V0@customer.example>','ann0@customer.example','c-V0',0,'V0',1795426200000000);
INSERT INTO "threads" VALUES('<V0@gw.example>','','c-V0',1,'V0',1795426200000000);
INSERT INTO "threads" VALUES('<V1@customer.example>','ann1@customer.example','c-V1',0,'V1',1795426200000000);
INSERT INTO "threads" VALUES('<V1@gw.example>','','c-V1',1,'V1',1795426200000000);
INSERT INTO "threads" VALUES('<V2@customer.example>','ann2@customer.example','c-V2',0,'V2',1795426200000000);
INSERT INTO "threads" VALUES('<V2@gw.example>','','c-V2',1,'V2',1795426200000000);
INSERT INTO "threads" VALUES('<V3@customer.example>','ann3@customer.example','c-V3',0,'V3',1795426200000000);
CREATE INDEX messages_bodies ON messages (time) WHERE stored <> '';
CREATE INDEX messages_records ON messages (time) WHERE stored = '';
CREATE INDEX letters_due ON letters (backlog, due) WHERE due IS NOT NULL;
CREATE INDEX letters_hop ON letters (next_hop, due) WHERE backlog = 1 AND due IS NOT NULL;
CREATE INDEX letters_pressed ON letters (due) WHERE pressed = 1;
CREATE INDEX letters_held ON letters (number) WHERE some_held = 1;
CREATE INDEX letters_ended ON letters (state, number) WHERE due IS NULL AND state <> 'relayed';
CREATE INDEX letters_waiting ON letters (waits_for) WHERE state = 'waiting';
CREATE INDEX letters_message ON letters (message);
CREATE INDEX notes_queue_id ON notes (queue_id);
CREATE INDEX contact_letters_irate ON contact_letters (contact, proven, at) WHERE irate = 1;
CREATE INDEX acknowledgements_conversation ON acknowledgements (conversation);
CREATE INDEX acknowledgements_domain ON acknowledgements (domain, at);
CREATE INDEX acknowledgements_site ON acknowledgements (site, at);
CREATE INDEX acknowledgements_at ON acknowledgements (at);
CREATE INDEX acknowledgements_letter ON acknowledgements (letter_id);
CREATE INDEX alerts_untold ON alerts (number) WHERE told = 0;
CREATE UNIQUE INDEX calls_open ON calls (contact, site, proven) WHERE state = 'open';
CREATE INDEX calls_site ON calls (site, opened);
CREATE INDEX calls_opened ON calls (opened);
CREATE INDEX dmarc_reports_due ON dmarc_reports (due);
CREATE INDEX dmarc_reports_day ON dmarc_reports (day);
COMMIT;
PRAGMA user_version = 1;
