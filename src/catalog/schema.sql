-- Single facts about this state directory.
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Numbers for life: classes, sources, tables and Tenure's own domains, by keyed hash of their name.
CREATE TABLE number (
    kind INTEGER NOT NULL, name BLOB NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- Living customers. key: keyed hash of the register's key; who: of key and `since`.
CREATE TABLE customer (
    inc BLOB NOT NULL, arrival INTEGER NOT NULL,
    key BLOB NOT NULL, who BLOB NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (inc, arrival)
) WITHOUT ROWID;
CREATE INDEX customer_key ON customer (key);

-- Erased customers who would be recognised, and the domain that each had.
CREATE TABLE erased (
    who BLOB PRIMARY KEY, inc BLOB NOT NULL, arrival INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE snapshot (
    inc BLOB NOT NULL, number INTEGER NOT NULL, kind INTEGER NOT NULL, base INTEGER NOT NULL,
    started INTEGER NOT NULL, finished INTEGER NOT NULL, customers INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL, hash BLOB NOT NULL,
    UNIQUE (inc, number)
);
-- Where a snapshot was complete when the store was last looked at.
CREATE TABLE complete (
    inc BLOB NOT NULL, number INTEGER NOT NULL, store TEXT NOT NULL,
    PRIMARY KEY (inc, number, store)
) WITHOUT ROWID;

-- Stores that ever held a keyring, and the epoch at which no older one was seen there.
CREATE TABLE key_place (
    store TEXT PRIMARY KEY, url TEXT NOT NULL, epoch INTEGER NOT NULL, seen INTEGER NOT NULL
) WITHOUT ROWID;

-- Recovery identities that were shown to work.
CREATE TABLE proof (
    recipient TEXT NOT NULL, file TEXT NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (recipient, file)
) WITHOUT ROWID;
