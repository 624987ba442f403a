"""Blobs, and the packs that hold them (`src/pack.rs`)."""

from functools import lru_cache

import zstandard

from ids import Domain, common
from keys import Forest, keyed
from objects import begins
from pages import PackRef, PieceRef
from refused import Refused
from seal import Kind, opened, place
from store import Store

HEADS = {1: 33, 2: 37}
"""Where what stands before blobs and dictionary ends, by version."""


class Pack:
    """A pack whose name has been checked, with its dictionary."""

    def __init__(self, repo: bytes, ref: PackRef, pack: bytes, forest: Forest) -> None:
        version = 1 if pack[8:9] == b"\1" else 2
        head = HEADS[version]
        begins(pack, b"tenurePK", version, head + 4)
        self.repo, self.bytes, self.salt = repo, pack, pack[17:33]
        length = int.from_bytes(pack[33:37], "little") if version == 2 else 0
        if (self.salt, length) != (ref.salt, ref.dictionary):
            raise Refused("it is not what the page says")
        self.dictionary = None
        if length:
            where = slice(head, head + length)
            key = forest.own(common(pack[9:17])).blob_key(self.salt, head)
            plain = opened(key, place(repo, Kind.BLOB, head), pack[where])
            self.dictionary = zstandard.ZstdCompressionDict(
                plain, dict_type=zstandard.DICT_TYPE_FULLDICT
            )


class Packs:
    """Opens pieces. Some packs are kept at hand: a snapshot is read along one line per manifest."""

    def __init__(self, store: Store, repo: bytes, forest: Forest) -> None:
        self._store, self._repo, self._forest = store, repo, forest
        self._pack = lru_cache(maxsize=16)(self._read)

    def _read(self, ref: PackRef) -> Pack:
        data = self._store.named("packs", ref.name, ref.size)
        return Pack(self._repo, ref, data, self._forest)

    def piece(self, domain: Domain, ref: PieceRef) -> bytes:
        """A piece's plain bytes, of which its name is computed again."""
        try:
            pack = self._pack(ref.pack)
            key = self._forest.key(domain)
            if key is None:
                raise Refused(f"{domain} is erased")
            if ref.offset < 0 or ref.offset + ref.stored > len(pack.bytes):
                raise Refused("it has no such blob")
            sealed = pack.bytes[ref.offset : ref.offset + ref.stored]
            where = place(self._repo, Kind.BLOB, ref.offset)
            blob_key = key.blob_key(pack.salt, ref.offset)
            plain = opened(blob_key, where, sealed, pack.dictionary)
            if len(plain) != ref.plain or keyed(key.name_key(), plain)[:16] != ref.name:
                raise Refused("a piece in it is not what its name says")
            return plain
        except Refused as why:
            raise Refused(f"packs/{ref.pack.name.hex()}: {why}") from why
