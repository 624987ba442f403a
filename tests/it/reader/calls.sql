-- A database in UTF-16, whose text need not be.
PRAGMA encoding = 'UTF-16le';
CREATE TABLE calls (id INTEGER PRIMARY KEY, who TEXT, said TEXT);
INSERT INTO calls VALUES (1, 'C1', 'Ünïcödé 🎷'), (2, 'C2', CAST(X'00d8' AS TEXT)), (3, 'C2', CAST(X'41003dd8' AS TEXT)),
    (4, 'C7', CAST(X'feff4200' AS TEXT)), (5, 'C7', ''), (6, 'C3', CAST(X'ffff' AS TEXT)), (7, 'C3', char(0) || 'b');
