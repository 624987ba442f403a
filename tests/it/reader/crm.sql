-- A CRM with whatever is odd: customers with text keys, two classes, every storage class, and all kinds of tables.
PRAGMA page_size = 1024;
PRAGMA auto_vacuum = 2;
PRAGMA user_version = 7;
PRAGMA application_id = -5;
CREATE VIEW "first of all" AS SELECT name FROM customers;
CREATE TABLE customers (no TEXT PRIMARY KEY, name TEXT NOT NULL, friend TEXT REFERENCES customers,
    joined, rank REAL, initial TEXT AS (substr(name, 1, 1)) STORED, UNIQUE (name, no));
CREATE TABLE "the ""orders""" (id INTEGER PRIMARY KEY AUTOINCREMENT, customer TEXT REFERENCES customers,
    what TEXT, "when" TEXT, seen INTEGER AS (length(what)) VIRTUAL);
CREATE TABLE bills (customer TEXT REFERENCES customers, no INT, total NUMERIC, PRIMARY KEY (customer, no))
    WITHOUT ROWID;
CREATE TABLE lines (customer TEXT, bill INT, what ANY, FOREIGN KEY (customer, bill) REFERENCES bills) STRICT;
CREATE TABLE introduced (by TEXT REFERENCES customers, who TEXT NOT NULL REFERENCES customers);
CREATE TABLE things (rowid INTEGER, customer TEXT REFERENCES customers, x, y BLOB);
CREATE TABLE countries (code TEXT PRIMARY KEY, name) WITHOUT ROWID;
CREATE TABLE dropped (id INTEGER PRIMARY KEY AUTOINCREMENT);
DROP TABLE dropped;
CREATE VIRTUAL TABLE notes USING fts5(customer UNINDEXED, body);
CREATE VIRTUAL TABLE found USING fts5(what, content='the "orders"', content_rowid='id');
CREATE UNIQUE INDEX "by name" ON customers (lower(name), no) WHERE rank > 0;
CREATE TRIGGER joined AFTER INSERT ON customers BEGIN UPDATE countries SET name = new.no; END;
INSERT INTO countries VALUES ('DE', 'Germany'), ('FR', X'00');
INSERT INTO customers (no, name, friend, joined, rank)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    SELECT 'C' || i, 'Everybody''s name ' || i, CASE WHEN i BETWEEN 101 AND 160 THEN 'C7' END,
        datetime(i * 86399, 'unixepoch'), i / 8.0 FROM n;
INSERT INTO "the ""orders""" (customer, what, "when")
    SELECT no, 'amber birch cedar dogwood', date(joined) FROM customers, (VALUES (1), (2));
INSERT INTO bills SELECT no, n.column1, CASE n.column1 WHEN 1 THEN 12.5 ELSE 12 END
    FROM customers, (VALUES (1), (2)) AS n WHERE customers.rowid % 3 = 0;
INSERT INTO lines SELECT customer, no, CASE no WHEN 1 THEN 'elm fir ginkgo hazel' ELSE X'ff' END FROM bills;
INSERT INTO introduced SELECT no, 'C' || (rowid + 1) FROM customers WHERE rowid < 20;
INSERT INTO notes (rowid, customer, body) SELECT rowid * 3, no, 'ivy juniper ' || no FROM customers WHERE rowid < 90;
INSERT INTO things (_rowid_, rowid, customer, x, y) VALUES
    (-9223372036854775808, 1, 'C1', NULL, zeroblob(0)), (9223372036854775807, NULL, 'C1', 9223372036854775807, X'00ff'),
    (-1, 2, 'C1', -9223372036854775808, NULL), (5, 2, 'C1', 9e999, -0.0), (6, 2, 'C2', 5e-324, -9e999),
    (7, 2, 'C2', '', 'a' || char(0) || 'b'), (8, 2, 'C2', CAST(X'fffe00' AS TEXT), CAST(X'eda080' AS TEXT)),
    (9, 2, 'C2', '0000-01-01', '0000-02-29 00:00:00'), (10, 2, 'C3', '9999-12-31 23:59:59', '1969-12-31 23:59:59'),
    (11, 2, 'C3', '2023-02-29', '2024-02-29'), (12, 2, 'C3', '1900-02-29', '2000-02-29 23:59:60'),
    (13, 2, 'C3', zeroblob(9000000), 'behind'), (14, 2, 'C3', 'Zoë € 🎷', 1.0), (15, 2, 'nobody', 'an orphan', 1),
    (16, 2, NULL, 'another', 1), (17, 2, 'C4', CAST(zeroblob(5000000) AS TEXT), hex(zeroblob(2200000)));
INSERT INTO found (found) VALUES ('rebuild');
