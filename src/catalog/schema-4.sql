-- Packs and pages that were found damaged in a store, and not whole since.
CREATE TABLE damaged (
    store TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (store, path)
) WITHOUT ROWID;

-- The keyed hash of an erased customer's key alone; NULL for those erased before it was kept.
ALTER TABLE erased ADD COLUMN key BLOB;
