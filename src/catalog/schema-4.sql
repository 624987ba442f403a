-- Packs and pages that were found damaged in a store, and not whole since.
CREATE TABLE damaged (
    store TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (store, path)
) WITHOUT ROWID;
-- Snapshots that a store cannot give back because of that.
CREATE TABLE broken (
    inc BLOB NOT NULL, number INTEGER NOT NULL, store TEXT NOT NULL,
    PRIMARY KEY (inc, number, store)
) WITHOUT ROWID;

-- The keyed hash of an erased customer's key alone; NULL for those erased before it was kept.
ALTER TABLE erased ADD COLUMN key BLOB;
