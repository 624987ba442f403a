"""The key tree and the keys of a domain (`src/keyring/tree.rs`, `src/secret/domain.rs`)."""

from bisect import bisect_right
from dataclasses import dataclass

from blake3 import blake3

from ids import Domain
from refused import Refused

DEPTH = 40
NODE = 38


def keyed(key: bytes, message: bytes) -> bytes:
    """The keyed BLAKE3."""
    return blake3(message, key=key).digest()


class DomainKey:
    """The key of one domain: whoever has it can read all that is stored of the domain."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def _derived(self, use: str) -> bytes:
        return blake3(self._seed, derive_key_context=f"tenure v1 2026-11 {use}").digest()

    def name_key(self) -> bytes:
        """Under which pieces are named."""
        return self._derived("piece name")

    def blob_key(self, salt: bytes, number: int) -> bytes:
        """Of the blob that begins at `number` in the pack with this salt."""
        return keyed(self._derived("blob"), salt + number.to_bytes(4, "big"))

    def field_key(self, salt: bytes, label: bytes) -> bytes:
        """Of one thing that is sealed outside packs."""
        parts = (part for each in (salt, label) for part in (len(each).to_bytes(8, "big"), each))
        return keyed(self._derived("field"), b"".join(parts))


@dataclass(frozen=True)
class Node:
    """A node of the cover, from which all leaves under it follow."""

    first: int
    depth: int
    seed: bytes

    @property
    def end(self) -> int:
        """The first leaf beyond it."""
        return self.first + (1 << (DEPTH - self.depth))

    def children(self) -> "tuple[Node, Node]":
        """The two nodes that follow from this one."""
        below, half = self.depth + 1, 1 << (DEPTH - self.depth - 1)
        return (
            Node(self.first, below, keyed(self.seed, b"\0")),
            Node(self.first + half, below, keyed(self.seed, b"\1")),
        )


class Tree:
    """A key tree, as far as it has not been punctured."""

    def __init__(self, cover: list[Node]) -> None:
        self._cover = cover

    @classmethod
    def read(cls, data: bytes) -> "Tree":
        """Reads a cover's bytes."""
        if len(data) % NODE:
            raise Refused("a cover has whole nodes")
        cover: list[Node] = []
        for at in range(0, len(data), NODE):
            first, depth = int.from_bytes(data[at : at + 5], "big"), data[at + 5]
            if depth > DEPTH or first % (1 << (DEPTH - depth)):
                raise Refused(f"node {at // NODE} of a cover is none of the tree")
            node = Node(first, depth, data[at + 6 : at + NODE])
            if cover and node.first < cover[-1].end:
                raise Refused(f"node {at // NODE} of a cover is out of order")
            if cover and _siblings(cover[-1], node):
                raise Refused(f"node {at // NODE} of a cover stands beside its sibling")
            cover.append(node)
        return cls(cover)

    def _covering(self, leaf: int) -> int | None:
        at = bisect_right(self._cover, leaf, key=lambda node: node.first) - 1
        return at if at >= 0 and leaf < self._cover[at].end else None

    def key(self, leaf: int) -> DomainKey | None:
        """The key of a leaf; none if it is punctured."""
        at = self._covering(leaf)
        if at is None:
            return None
        seed = self._cover[at].seed
        for bit in reversed(range(DEPTH - self._cover[at].depth)):
            seed = keyed(seed, bytes([leaf >> bit & 1]))
        return DomainKey(seed)

    def puncture(self, leaf: int) -> None:
        """Forgets a leaf for good, and no other."""
        at = self._covering(leaf)
        if at is None:
            return
        node = self._cover[at]
        left: list[Node] = []
        right: list[Node] = []
        while node.depth < DEPTH:
            lower, upper = node.children()
            if leaf < upper.first:
                node, right = lower, [upper] + right
            else:
                node, left = upper, left + [lower]
        self._cover[at : at + 1] = left + right


def _siblings(one: Node, next_: Node) -> bool:
    size = 1 << (DEPTH - one.depth)
    return one.depth == next_.depth and one.end == next_.first and one.first // size % 2 == 0


class Forest:
    """The trees of all incarnations: what can be read."""

    def __init__(self, trees: dict[bytes, Tree]) -> None:
        self._trees = trees

    def key(self, domain: Domain) -> DomainKey | None:
        """The key of a domain; none if it is punctured."""
        tree = self._trees.get(domain.inc)
        if tree is None:
            raise Refused(f"the keyring has no tree of incarnation {domain.inc.hex()}")
        return tree.key(domain.leaf)

    def own(self, domain: Domain) -> DomainKey:
        """The key of a domain that is never punctured."""
        key = self.key(domain)
        if key is None:
            raise Refused(f"the keyring lacks the key of {domain}, which is never erased")
        return key

    def puncture(self, domains: list[Domain]) -> None:
        """Forgets domains for good, and no others."""
        for domain in domains:
            if domain.inc in self._trees:
                self._trees[domain.inc].puncture(domain.leaf)
