"""A repository, opened from one store, a recovery identity and the fingerprint."""

from pathlib import Path
from typing import Iterator, NamedTuple

from journal import HIDDEN, UNHIDDEN, Journal, Position
from keyring import Keyring, decrypted, keyring
from ids import Domain
from manifest import Manifest, Source, manifest
from objects import MANIFESTS, Numbered, Writer, certificate, numbered
from packs import Packs
from pages import Entry, entries_of
from pieces import Reference, Row, Value, resolved, rows
from refused import Refused
from store import Store


class Snapshot(NamedTuple):
    """A snapshot, and its number in its incarnation."""

    inc: bytes
    number: int
    manifest: Manifest


class Repository:
    """What one store has, as far as it verifies. The journal comes before all else is opened."""

    def __init__(self, store: Store, identity: Path, fingerprint: bytes) -> None:
        self.store = store
        self.writers = _writers(store, fingerprint)
        self.repo = self.writers[0].repo
        found = _newest_keyring(store, self.writers, identity, fingerprint)
        self.forest = found.forest
        self.journals = {
            writer.inc: Journal.read(store, writer, self.forest) for writer in self.writers
        }
        self._reached(found.journal, "the keyring")
        for inc, number in [void for each in self.journals.values() for void in each.voided()]:
            self.journals[inc].void(number)
        self.ledger = {each for journal in self.journals.values() for each in journal.erased()}
        self.forest.puncture(sorted(self.ledger))
        self.snapshots: list[Snapshot] = []
        self.missing: list[str] = []
        for writer in self.writers:
            self._read_snapshots(writer)

    def _reached(self, known: list[Position], who: str) -> None:
        """That the journals are as long as somebody knows them to be."""
        for position in known:
            if position.inc not in self.journals:
                raise Refused(f"{who} knows of incarnation {position.inc.hex()}, which is not here")
            self.journals[position.inc].reaches(position, who)

    def _read_snapshots(self, writer: Writer) -> None:
        before: tuple[int, Numbered] | None = None
        everywhere = {each for journal in self.journals.values() for each in journal.pruned()}
        pruned = {number for inc, number in everywhere if inc == writer.inc}
        for number in self.store.numbers(f"{MANIFESTS.folder}/{writer.inc.hex()}"):
            path = MANIFESTS.path(writer.inc, number)
            try:
                entry = numbered(MANIFESTS, writer, number, self.store.read(path), self.forest)
                if before and before[0] + 1 == number and before[1].hash != entry.previous:
                    raise Refused("it does not follow the one before it")
                read = manifest(entry.body)
            except Refused as why:
                raise Refused(f"{path}: {why}") from why
            self._reached(read.journal, path)
            gone = set(range(before[0] + 1 if before else 1, number)) - pruned
            self.missing += [f"{writer.inc.hex()}.{number}" for number in sorted(gone)]
            before = (number, entry)
            if number not in pruned:
                self.snapshots.append(Snapshot(writer.inc, number, read))

    def snapshot(self, called: str) -> Snapshot:
        """The snapshot that is called `N`, or `INC.N` where several have that number."""
        inc, _, number = called.rpartition(".")
        found = [
            snapshot
            for snapshot in self.snapshots
            if str(snapshot.number) == number and inc in ("", snapshot.inc.hex())
        ]
        if len(found) != 1:
            raise Refused(f"{len(found)} snapshots are called {called}")
        return found[0]

    def chain(self, newest: Snapshot) -> list[Manifest]:
        """All manifests that make a snapshot up, newest first, down to its full one."""
        here = {each.number: each.manifest for each in self.snapshots if each.inc == newest.inc}
        numbers = range(newest.number, newest.manifest.base - 1, -1)
        for number in numbers:
            if number not in here:
                raise Refused(f"snapshot {newest.number} builds upon {number}, which is not here")
        return [here[number] for number in numbers]

    def rows(self, snapshot: Snapshot, source: int | None) -> "Iterator[tuple[Entry, Row]]":
        """The rows of all who can be read, of one source or all, with what references stand for."""
        packs = Packs(self.store, self.repo, self.forest)
        for entry in entries_of(self.store, self.repo, self.forest, self.chain(snapshot)):
            if source not in (None, entry.source) or not self._can_be_read(entry.domain):
                continue
            for row in rows(packs.piece(entry.domain, ref) for ref in entry.pieces or ()):
                yield entry, row._replace(values=[self._resolved(v) for v in row.values])

    def _can_be_read(self, domain: Domain) -> bool:
        """Whether nobody has decided otherwise: what has no key must stand in the ledger."""
        if self.forest.key(domain) is not None:
            return True
        if domain not in self.ledger:
            raise Refused(f"the keyring lacks the key of {domain}, which no journal has erased")
        return False

    def _resolved(self, value: Value | Reference) -> Value | Reference:
        if not isinstance(value, Reference):
            return value
        return resolved(value, self.repo, self.forest)

    def hidden(self) -> int:
        """How many customers are out of everyday sight by now."""
        last: dict[Domain, int] = {}
        for journal in self.journals.values():
            for event in journal.events():
                if event.kind in (HIDDEN, UNHIDDEN):
                    last[event.fields[0]] = event.kind
        return sum(kind == HIDDEN for domain, kind in last.items() if domain not in self.ledger)


def source_of(manifest: Manifest, name: str) -> Source:
    """A snapshot's source by its name."""
    for source in manifest.sources:
        if source.name == name:
            return source
    raise Refused(f"the snapshot has no source {name}")


def _writers(store: Store, fingerprint: bytes) -> list[Writer]:
    """All incarnations, in the order of their lives."""
    writers = []
    for name in store.names("writer"):
        try:
            writer = certificate(store.read(f"writer/{name}"), fingerprint)
            if writer.inc.hex() != name:
                raise Refused("it stands where another should")
        except Refused as why:
            raise Refused(f"writer/{name}: {why}") from why
        writers.append(writer)
    if len({writer.repo for writer in writers}) != 1:
        raise Refused("the store holds no repository, or more than one")
    return sorted(writers, key=lambda writer: writer.ordinal)


def _newest_keyring(
    store: Store, writers: list[Writer], identity: Path, fingerprint: bytes
) -> Keyring:
    """The newest epoch of the last incarnation that has one."""
    for writer in reversed(writers):
        epochs = store.numbers(f"keyring/{writer.inc.hex()}", ".age")
        if epochs:
            path = f"keyring/{writer.inc.hex()}/{epochs[-1]:010}.age"
            try:
                plain = decrypted(store.read(path), identity)
                return keyring(plain, writer, epochs[-1], fingerprint)
            except Refused as why:
                raise Refused(f"{path}: {why}") from why
    raise Refused("the store holds no keyring")
