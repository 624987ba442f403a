"""Reads a Tenure repository: a second reader, written from the text of the format modules alone.

It needs one store, a recovery identity and the fingerprint, and shares no code with the program, so
where both read the same, the text is right. From the outside in:

    reader      what is asked, and what is told
    database    an SQLite database made again
    repository  one store, opened: who wrote, what was erased, which snapshots there are
    pages       what a snapshot has of each domain
    packs       the pieces of it
    pieces      the rows of those
    manifest, journal, keyring, objects    control data and its envelopes
    seal, keys  decrypting, and the keys for it
    store, cbor, ids, refused

It reads all that a restore needs, and no more: not the audit log, the host's own copies, customers'
ids in pages or packs' tables of contents. It takes CBOR of unknown length and short reals, which no
writer makes. Whoever was hidden since a snapshot is told and not hidden in what it restores; nobody
stands in for the forgotten but NULL or a number; what an application has added to SQLite is unknown
to it, and it holds each row in memory.
"""

import argparse
import json
import sqlite3
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from database import Database
from pieces import told
from refused import Refused
from repository import Repository, source_of
from store import Store

COMMENT = "# fingerprint: "


def _time(milliseconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _list(repository: Repository) -> None:
    """Prints the snapshots as JSON, oldest first."""
    print(json.dumps([
        {
            "incarnation": inc.hex(),
            "snapshot": number,
            "kind": manifest.kind,
            "started": _time(manifest.started),
            "finished": _time(manifest.finished),
            "customers": manifest.totals.customers,
            "rows": manifest.totals.rows,
            "sources": [source.name for source in manifest.sources],
        }
        for inc, number, manifest in repository.snapshots
    ], indent=1))


def _restore(repository: Repository, called: str, name: str, to: Path) -> None:
    """Makes a source's database again as it was at a snapshot, without the forgotten."""
    snapshot = repository.snapshot(called)
    source = source_of(snapshot.manifest, name)
    places = {number: at for at, number in enumerate(source.table_numbers)}
    if to.exists():
        raise Refused(f"{to} is there already")
    try:
        database = Database(to, source.schema)
        for entry, row in repository.rows(snapshot, source.number):
            if row.table not in places:
                raise Refused(f"a row of {entry.domain} is of table {row.table}, which is unknown")
            database.put(places[row.table], row.rowid, row.values)
        database.finish()
    except (Refused, sqlite3.Error):
        to.unlink(missing_ok=True)
        raise
    for what in source.schema.not_restorable + database.problems:
        print(f"not as it was: {what}", file=sys.stderr)
    if database.stand_ins:
        count = len(database.stand_ins)
        print(f"{count} negative numbers stand for whom nobody knows any more", file=sys.stderr)
    if repository.hidden():
        print(f"hidden by now, and not so here: {repository.hidden()} customers", file=sys.stderr)


def _dump(repository: Repository, called: str) -> None:
    """Prints every row that can be read of a snapshot, one JSON document a line."""
    for entry, row in repository.rows(repository.snapshot(called), None):
        print(json.dumps({
            "source": entry.source,
            "domain": str(entry.domain),
            "table": row.table,
            "rowid": row.rowid,
            "values": [told(value) for value in row.values],
        }))


def fingerprint_in(text: str) -> bytes:
    """The fingerprint that an identity file carries as a comment."""
    told = [line[len(COMMENT) :] for line in text.splitlines() if line.startswith(COMMENT)]
    return _fingerprint(told[0] if told else "")


def _fingerprint(digits: str) -> bytes:
    """The root's public key."""
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise Refused("a fingerprint is 64 hexadecimal digits: give it with --fingerprint")
    return bytes.fromhex(digits)


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", type=Path, required=True, metavar="DIR")
    parser.add_argument("--identity", type=Path, required=True, metavar="FILE")
    parser.add_argument("--fingerprint", metavar="F")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("list", help=_list.__doc__).set_defaults(run=_list, takes=())
    restore = commands.add_parser("restore", help=_restore.__doc__)
    restore.add_argument("snapshot")
    restore.add_argument("--source", required=True, metavar="NAME")
    restore.add_argument("--to", type=Path, required=True, metavar="FILE")
    restore.set_defaults(run=_restore, takes=("snapshot", "source", "to"))
    dump = commands.add_parser("dump", help=_dump.__doc__)
    dump.add_argument("snapshot")
    dump.set_defaults(run=_dump, takes=("snapshot",))
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Does what is asked: 0 if it is done, 1 if something is refused or missing."""
    asked = _parsed(arguments)
    try:
        given = asked.fingerprint
        root = _fingerprint(given) if given else fingerprint_in(asked.identity.read_text())
        repository = Repository(Store(asked.store), asked.identity, root)
        asked.run(repository, *(getattr(asked, name) for name in asked.takes))
    except Refused as why:
        print(f"refused: {why}", file=sys.stderr)
        return 1
    except sqlite3.Error as why:
        print(f"the database cannot be made: {why}", file=sys.stderr)
        return 1
    for snapshot in repository.missing:
        print(f"snapshot {snapshot} is missing, and was not pruned", file=sys.stderr)
    return 1 if repository.missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
