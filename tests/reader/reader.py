"""Reads a Tenure repository: a second reader, written from the text of the format modules alone."""

import argparse
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from refused import Refused
from repository import Repository
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


def _fingerprint(arguments: argparse.Namespace) -> bytes:
    """The root's public key: as given, or as the identity file has it."""
    given = arguments.fingerprint
    if given is None:
        lines = arguments.identity.read_text().splitlines()
        given = next((line[len(COMMENT) :] for line in lines if line.startswith(COMMENT)), "")
    try:
        key = bytes.fromhex(given)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise Refused("a fingerprint is 64 hexadecimal digits: give it with --fingerprint")
    return key


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True, metavar="DIR")
    parser.add_argument("--identity", type=Path, required=True, metavar="FILE")
    parser.add_argument("--fingerprint", metavar="F")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("list", help=_list.__doc__).set_defaults(run=_list, takes=())
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Does what is asked: 0 if it is done, 1 if something is refused or missing."""
    asked = _parsed(arguments)
    try:
        repository = Repository(Store(asked.store), asked.identity, _fingerprint(asked))
        asked.run(repository, *(getattr(asked, name) for name in asked.takes))
    except Refused as why:
        print(f"refused: {why}", file=sys.stderr)
        return 1
    for snapshot in repository.missing:
        print(f"snapshot {snapshot} is missing, and was not pruned", file=sys.stderr)
    return 1 if repository.missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
