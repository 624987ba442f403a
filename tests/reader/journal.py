"""What was decided about customers' lives (`src/journal.rs`)."""

from typing import Any, NamedTuple

import cbor
from cbor import data, domain, flag, integer, made, many, optional, record, text, uint
from ids import Domain
from keys import Forest
from objects import JOURNAL, Writer, numbered
from refused import Refused
from store import Store


class Position(NamedTuple):
    """How far somebody had read an incarnation's journal: entries, and the hash of the last."""

    inc: bytes
    length: int
    hash: bytes


position = made(Position, data(8), uint, data(32))

_hash = data(16)
_recognised = record(_hash, domain, optional(_hash))
_order = record(uint, optional(text), many(record(domain, data())), flag)

_snapshot = record(data(8), uint)
_voided = record(data(8), uint)

ERASED, PRUNED, HIDDEN, UNHIDDEN, RECOVERED = 2, 11, 6, 7, 12
_EVENTS = {
    1: record(many(text)),
    ERASED: record(many(domain), many(_recognised), optional(_order)),
    3: record(_hash, domain, data(), data()),
    4: record(many(text)),
    5: record(text, text),
    HIDDEN: record(domain, data(), flag, data()),
    UNHIDDEN: record(domain, data()),
    8: record(domain, optional(integer), data()),
    9: record(domain, data()),
    10: record(uint, text, flag),
    PRUNED: record(many(uint), optional(many(_snapshot))),
    RECOVERED: record(many(text), many(position), many(_voided), many(text)),
    13: record(text, many(position)),
    14: record(text),
}


class Event(NamedTuple):
    """A change of some kind, with its fields."""

    kind: int
    fields: list[Any]


def _event(item: Any) -> Event:
    kind, fields = record(uint, cbor.array)(item)
    if kind not in _EVENTS:
        raise Refused(f"an event of kind {kind}, which is not known here: it may be an erasure")
    return Event(kind, _EVENTS[kind](fields))


class Journal:
    """One incarnation's journal, whole."""

    def __init__(self, inc: bytes) -> None:
        self.inc = inc
        self._events: list[Event] = []
        self._void_from: int | None = None
        self._hashes = [bytes(32)]

    @classmethod
    def read(cls, store: Store, writer: Writer, forest: Forest) -> "Journal":
        """Reads and checks every entry that a store lists."""
        journal = cls(writer.inc)
        for number in store.numbers(f"{JOURNAL.folder}/{writer.inc.hex()}"):
            path = JOURNAL.path(writer.inc, number)
            if number != len(journal._events) + 1:
                raise Refused(f"the entry before {path} is missing: it may be an erasure")
            try:
                journal._append(numbered(JOURNAL, writer, number, store.read(path), forest))
            except Refused as why:
                raise Refused(f"{path}: {why}") from why
        return journal

    def _append(self, entry: Any) -> None:
        if entry.previous != self._hashes[-1]:
            raise Refused("it does not follow the one before it")
        _, event = record(integer, _event)(cbor.one(entry.body))
        self._events.append(event)
        self._hashes.append(entry.hash)

    def reaches(self, known: Position, who: str) -> None:
        """That it has all entries that somebody had read, and the very ones."""
        if len(self._events) < known.length:
            raise Refused(
                f"the journal of {self.inc.hex()} has {len(self._events)} entries, and {who} knows "
                f"of {known.length}: erasures may be missing"
            )
        if self._hashes[known.length] != known.hash:
            raise Refused(f"the journal of {self.inc.hex()} is not the one that {who} knows of")

    def void(self, number: int) -> None:
        """That the entries from this one on count no more: a recovery has said so."""
        self._void_from = min(number, self._void_from or number)

    def voided(self) -> list[tuple[bytes, int]]:
        """Which journals count up to which entry only, as this one says."""
        return [tuple(void) for event in self._of(RECOVERED) for void in event.fields[2]]

    def erased(self) -> list[Domain]:
        """Its part of the ledger."""
        return [each for event in self._of(ERASED) for each in event.fields[0]]

    def pruned(self) -> set[tuple[bytes, int]]:
        """The snapshots that were given up: its own, and those of former incarnations."""
        own = {(self.inc, each) for event in self._of(PRUNED) for each in event.fields[0]}
        former = {tuple(each) for event in self._of(PRUNED) for each in event.fields[1] or ()}
        return own | former

    def events(self) -> list[Event]:
        """What counts of it, in order."""
        return self._events[: self._void_from - 1 if self._void_from else None]

    def _of(self, kind: int) -> list[Event]:
        return [event for event in self.events() if event.kind == kind]
