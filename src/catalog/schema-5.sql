-- What each snapshot has under domains that are a table's own: rows of nobody.
CREATE TABLE own_rows (
    inc BLOB NOT NULL, number INTEGER NOT NULL,
    domain_inc BLOB NOT NULL, arrival INTEGER NOT NULL,
    source TEXT NOT NULL, table_name TEXT NOT NULL,
    PRIMARY KEY (domain_inc, arrival, inc, number)
) WITHOUT ROWID;
-- Whether that was noted.
ALTER TABLE snapshot ADD COLUMN own_rows_noted INTEGER NOT NULL DEFAULT 0;
