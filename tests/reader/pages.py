"""What a snapshot has of each domain (`src/page.rs`)."""

from heapq import merge
from itertools import groupby
from typing import Any, Iterator, NamedTuple

import cbor
from cbor import data, exact, integer, leaf, many, optional, uint
from ids import Domain, meta
from keys import DomainKey, Forest
from manifest import Manifest, PageRef
from objects import begins
from refused import Refused
from seal import Kind, opened, place
from store import Store

HEAD = 33


class PackRef(NamedTuple):
    """A pack as pages refer to it; `dictionary` is the stored length of that, 0 if it has none."""

    name: bytes
    size: int
    salt: bytes
    dictionary: int


class PieceRef(NamedTuple):
    """Where a piece is stored, and what it is."""

    pack: PackRef
    offset: int
    stored: int
    plain: int
    name: bytes


class Entry(NamedTuple):
    """All that a snapshot has of one domain in one source; none if there is nothing any more."""

    domain: Domain
    source: int
    pieces: list[PieceRef] | None


def _pack(item: Any) -> PackRef:
    name, size, salt, dictionary = exact(data(32), uint, data(16), optional(uint), least=3)(item)
    return PackRef(name, size, salt, dictionary or 0)


_index = exact(many(data(8)), many(_pack), many(exact(uint, leaf, uint)))
_piece = exact(uint, integer, uint, uint, uint, data(16))
_entry = exact(uint, leaf, uint, optional(data()), optional(many(_piece)))


class Page:
    """A page whose name and index have been checked."""

    def __init__(self, repo: bytes, page: bytes, forest: Forest) -> None:
        self._version = 1 if page[8:9] == b"\1" else 2
        begins(page, b"tenurePG", self._version, HEAD + 4)
        self._repo, self._page, self._salt = repo, page, page[17:HEAD]
        self._key: DomainKey = forest.own(meta(page[9:17]))
        self._blocks_end = len(page) - 4 - int.from_bytes(page[-4:], "little")
        if self._blocks_end < HEAD:
            raise Refused("its index is longer than it")
        sealed = page[self._blocks_end : -4]
        index = self._opened(b"page index", Kind.INDEX, 0, sealed)
        self._incs, self._packs, self._blocks = _index(cbor.one(index))

    def _opened(self, label: bytes, kind: Kind, number: int, sealed: bytes) -> bytes:
        key = self._key.field_key(self._salt, label)
        return opened(key, place(self._repo, kind, number), sealed)

    def entries(self) -> Iterator[Entry]:
        """Its entries, which ascend."""
        at, before = HEAD, None
        for number, (inc, first, stored) in enumerate(self._blocks):
            label = b"page block" + number.to_bytes(8, "big")
            sealed = self._page[at : min(at + stored, self._blocks_end)]
            entries = self._block(self._opened(label, Kind.BLOCK, number, sealed))
            if not entries or entries[0].domain != Domain(_at(self._incs, inc), first):
                raise Refused(f"block {number} begins with another domain than the index says")
            for entry in entries:
                if before is not None and before >= entry[:2]:
                    raise Refused("its entries do not ascend")
                before = entry[:2]
                yield entry
            at += stored
        if at != self._blocks_end:
            raise Refused("its blocks do not fill it")

    def _block(self, plain: bytes) -> list[Entry]:
        entries, end = [], 0
        for inc, leaf_, source, _, refs in map(_entry, cbor.sequence(plain)):
            pieces: list[PieceRef] = []
            for pack, place_, stored, length, _, name in refs or ():
                offset = place_ if self._version == 1 else end + place_
                end = offset + stored
                if not 0 <= offset <= end < 1 << 32:
                    raise Refused("a piece that lies in no pack")
                pieces.append(PieceRef(_at(self._packs, pack), offset, stored, length, name))
            domain = Domain(_at(self._incs, inc), leaf_)
            entries.append(Entry(domain, source, None if refs is None else pieces))
        return entries


def _at(things: list[Any], place_: int) -> Any:
    if place_ >= len(things):
        raise Refused("it refers to what its index does not have")
    return things[place_]


def _read(store: Store, repo: bytes, forest: Forest, ref: PageRef) -> Iterator[Entry]:
    try:
        page = Page(repo, store.named("pages", *ref.object), forest)
        entries = list(page.entries())
        if len(entries) != ref.entries or not entries:
            raise Refused("it has another number of entries than its manifest says")
        if (entries[0].domain, entries[-1].domain) != (ref.first, ref.last):
            raise Refused("it holds other domains than its manifest says")
    except Refused as why:
        raise Refused(f"pages/{ref.object.name.hex()}: {why}") from why
    yield from entries


def _stream(
    store: Store, repo: bytes, forest: Forest, age: int, manifest: Manifest
) -> Iterator[tuple[Domain, int, int, Entry]]:
    before = None
    for ref in manifest.pages:
        for entry in _read(store, repo, forest, ref):
            if before is not None and before >= entry[:2]:
                raise Refused(f"pages/{ref.object.name.hex()}: it does not follow the page before")
            before = entry[:2]
            yield entry.domain, entry.source, age, entry


def entries_of(
    store: Store, repo: bytes, forest: Forest, chain: list[Manifest]
) -> Iterator[Entry]:
    """The entries that count of a chain, newest first: for each (domain, source) the newest one."""
    streams = [
        _stream(store, repo, forest, age, manifest) for age, manifest in enumerate(chain)
    ]
    for _, same in groupby(merge(*streams, key=lambda found: found[:3]), lambda found: found[:2]):
        entry = next(same)[3]
        if entry.pieces is not None:
            yield entry
