-- What was decided of customers' lives, and since when the register lacks them. Goes with the customer.
CREATE TABLE life (
    inc BLOB NOT NULL, arrival INTEGER NOT NULL,
    hidden INTEGER, restricted INTEGER NOT NULL DEFAULT 0,  -- hidden: since when
    shown INTEGER,                                          -- when brought back after a hide
    former BLOB,                                            -- what the hide replaced, sealed
    hide_due INTEGER NOT NULL DEFAULT 0,                    -- 1: the live row does not show it yet
    hide_reason BLOB,
    held INTEGER, hold_until INTEGER, hold_reason BLOB,     -- held: since when
    missing INTEGER,
    PRIMARY KEY (inc, arrival)
) WITHOUT ROWID;

-- Erasures that reach the live systems, by the number of their journal entry.
CREATE TABLE erasure (
    entry INTEGER PRIMARY KEY, time INTEGER NOT NULL, cause INTEGER NOT NULL,
    customers INTEGER NOT NULL, vacuum INTEGER NOT NULL,
    live TEXT,                          -- what was done in the live systems, JSON; NULL: to be done
    certified INTEGER,                  -- the entry of the newest certificate
    final INTEGER NOT NULL DEFAULT 0
);
-- By which erasure somebody went; the rows of the live systems are found by it.
ALTER TABLE erased ADD COLUMN entry INTEGER;
-- What the daemon does by itself: when each task was due, when it ran, and how that ended.
-- ending: 0 ok, 1 part, 2 failed, 3 refused.
CREATE TABLE task (
    name TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, last_due INTEGER,
    last_started INTEGER, last_finished INTEGER, last_success INTEGER,
    ending INTEGER, result TEXT, failures INTEGER NOT NULL, retry_at INTEGER
) WITHOUT ROWID;
