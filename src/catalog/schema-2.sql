-- Snapshots that were read with all their data and found whole in one store, and when that was last.
CREATE TABLE verified (
    inc BLOB NOT NULL, number INTEGER NOT NULL, time INTEGER NOT NULL,
    PRIMARY KEY (inc, number)
) WITHOUT ROWID;

-- Snapshots that the journal has pruned. hash: of the manifest, which the next one carries.
CREATE TABLE pruned (
    inc BLOB NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (inc, number)
) WITHOUT ROWID;
