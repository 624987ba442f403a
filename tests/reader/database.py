"""Makes an SQLite database again (`src/schema.rs`)."""

import re
import sqlite3
from pathlib import Path

from manifest import Schema, Table
from pieces import OddText, Reference, Value
from refused import Refused

BEFORE = ("encoding", "page_size", "auto_vacuum")
AFTER = ("user_version", "application_id", "journal_mode")
ENCODINGS = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}

ODD = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""What SQLite changes on the way from UTF-8 to UTF-16."""


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


class Database:
    """A database that is being made.

    Where a row refers to somebody who is forgotten stands NULL; where the schema refuses that, a
    negative number that nobody has, the same one for the same row: `stand_ins`. What could not be
    made is told in `problems`.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self.stand_ins: dict[Reference, int] = {}
        self.problems: list[str] = []
        self._schema = schema
        self._pragmas = dict(schema.pragmas)
        self._codec = ENCODINGS[self._pragmas.get("encoding", "UTF-8")]
        self._db = sqlite3.connect(path, isolation_level=None)
        self._set(BEFORE)
        self._db.execute("PRAGMA foreign_keys = OFF")
        self._db.execute("PRAGMA ignore_check_constraints = ON")
        self._db.execute("BEGIN")
        self._make_tables()
        self._configure()
        self._rowids = [self._rowid_of(table) for table in schema.tables]

    def _set(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name in self._pragmas:
                self._db.execute(f"PRAGMA {name} = {quoted(self._pragmas[name])}").fetchall()

    def _make_tables(self) -> None:
        tables = [entry for entry in self._schema.statements if entry.kind == "table"]
        for entry in tables:
            if entry.name == "sqlite_sequence":
                self._brief("id INTEGER PRIMARY KEY AUTOINCREMENT")
            elif entry.name != "sqlite_stat1":
                self._db.execute(entry.sql)
        if self._pragmas and not tables:
            # An encoding is written down with the first table.
            self._brief("id")

    def _brief(self, columns: str) -> None:
        """A table that goes at once, and leaves what SQLite makes with it."""
        name, names = "brief", {entry.name for entry in self._schema.statements}
        while name in names:
            name += "_"
        self._db.execute(f"CREATE TABLE {name}({columns})")
        self._db.execute(f"DROP TABLE {name}")

    def _configure(self) -> None:
        for index in self._schema.full_text:
            name = quoted(index.name)
            for setting in index.settings:
                self._db.execute(f"INSERT INTO {name}({name}, rank) VALUES (?, ?)", setting)

    def _rowid_of(self, table: Table) -> str | None:
        """By which name a table's rowid is set; none where it has no name, or is none."""
        if not table.has_rowid:
            return None
        if table.rowid_alias:
            return quoted(table.rowid_alias.name)
        columns = self._db.execute("SELECT lower(name) FROM pragma_table_xinfo(?)", [table.name])
        taken = {name for (name,) in columns}
        return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)

    def put(self, at: int, rowid: int | None, values: list[Value | Reference]) -> None:
        """Puts a row into the table at this place in the schema."""
        table = self._schema.tables[at]
        if len(values) != len(table.columns) or (rowid is not None and not table.has_rowid):
            raise Refused(f"a row does not fit table {table.name!r}")
        lost = [value for value in values if isinstance(value, Reference)]
        try:
            kept = [None if isinstance(value, Reference) else value for value in values]
            self._insert(at, rowid, kept)
        except sqlite3.IntegrityError as why:
            if not lost:
                raise Refused(f"a row of table {table.name!r} is not taken: {why}") from why
            for reference in lost:
                self.stand_ins.setdefault(reference, -1 - len(self.stand_ins))
            kept = [
                self.stand_ins[value] if isinstance(value, Reference) else value
                for value in values
            ]
            self._insert(at, rowid, kept)

    def _insert(self, at: int, rowid: int | None, values: list[Value]) -> None:
        table, named = self._schema.tables[at], self._rowids[at]
        columns = [quoted(column.name) for column in table.columns]
        placed: list[tuple[str, list[Value]]] = [self._placed(value) for value in values]
        if named is not None:
            columns, placed = [named, *columns], [("?", [rowid]), *placed]
        into = f"{quoted(table.name)}({', '.join(columns)})"
        marks = ", ".join(mark for mark, _ in placed)
        bound = [value for _, each in placed for value in each]
        self._db.execute(f"INSERT OR ABORT INTO {into} VALUES ({marks})", bound)

    def _placed(self, value: Value) -> tuple[str, list[Value]]:
        """A value in SQL, and what is bound for it: text in a way that leaves it as it is."""
        if not isinstance(value, (str, OddText)):
            return "?", [value]
        data = value.encode() if isinstance(value, str) else value.data
        if self._codec == "utf-8":
            return "CAST(? AS TEXT)", [data]
        wide = data.decode("utf-8", "surrogatepass")
        if not ODD.search(wide):
            return "?", [wide]
        # What is bound as bytes would be taken for UTF-8, and a literal is not.
        literal = wide.encode(self._codec, "surrogatepass").hex()
        return f"CAST(X'{literal}' AS TEXT)", []

    def finish(self) -> None:
        """Makes what stands upon the rows, and closes the file."""
        self._make("index")
        if any(entry.name == "sqlite_sequence" for entry in self._schema.statements):
            self._db.execute("DELETE FROM sqlite_sequence")
            insert = "INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)"
            self._db.executemany(insert, self._schema.sequences)
        self._make("view", "trigger")
        for index in self._schema.full_text:
            if index.external:
                self._build(index.name)
        if any(entry.name == "sqlite_stat1" for entry in self._schema.statements):
            self._db.execute("ANALYZE sqlite_schema")
            self._db.execute("DROP TABLE IF EXISTS sqlite_stat4")
            insert = "INSERT INTO sqlite_stat1(tbl, idx, stat) VALUES (?, ?, ?)"
            self._db.executemany(insert, self._schema.statistics)
        self._order()
        self._db.execute("COMMIT")
        self._set(AFTER)
        self._db.close()

    def _make(self, *kinds: str) -> None:
        for entry in self._schema.statements:
            if entry.kind in kinds:
                self._db.execute(entry.sql)

    def _build(self, index: str) -> None:
        """Builds a full-text index, which may be over a table that is not there."""
        name = quoted(index)
        try:
            self._db.execute(f"INSERT INTO {name}({name}) VALUES ('rebuild')")
        except sqlite3.Error as why:
            self.problems.append(f"the full-text table {index} was not built: {why}")

    def _order(self) -> None:
        """Lists the schema in its order; what that does not list stays behind its maker."""
        places = {(entry.kind, entry.name): at for at, entry in enumerate(self._schema.statements)}
        listed, place = [], 0
        entries = "SELECT rowid, type, name FROM sqlite_schema ORDER BY rowid"
        for rowid, kind, name in self._db.execute(entries).fetchall():
            place = places.get((kind, name), place)
            listed.append((place, rowid))
        self._db.execute("PRAGMA writable_schema = ON")
        self._db.execute("UPDATE sqlite_schema SET rowid = -rowid")
        moves = [(at, -rowid) for at, (_, rowid) in enumerate(sorted(listed), 1)]
        self._db.executemany("UPDATE sqlite_schema SET rowid = ? WHERE rowid = ?", moves)
        self._db.execute("PRAGMA writable_schema = OFF")
