-- What the daemon does by itself: when each task was due, when it ran, and how that ended.
-- ending: 0 ok, 1 part, 2 failed, 3 refused.
CREATE TABLE task (
    name TEXT PRIMARY KEY, first_seen INTEGER NOT NULL, last_due INTEGER,
    last_started INTEGER, last_finished INTEGER, last_success INTEGER,
    ending INTEGER, result TEXT, failures INTEGER NOT NULL, retry_at INTEGER
) WITHOUT ROWID;
