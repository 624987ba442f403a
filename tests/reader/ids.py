"""Names of things (`src/ids.rs`)."""

from dataclasses import dataclass

CUSTOMERS = 1
"""The class of all that no other class is named for; class 0 is Tenure's own."""


@dataclass(frozen=True, order=True)
class Domain:
    """What is erased as one and has a key of its own: one leaf of one incarnation's key tree.

    Domains sort as entries of pages do.
    """

    inc: bytes
    leaf: int

    def __str__(self) -> str:
        return f"{self.inc.hex()}/{self.leaf >> 32}/{self.leaf & 0xFFFF_FFFF}"


def meta(inc: bytes) -> Domain:
    """Control data."""
    return Domain(inc, 0)


def common(inc: bytes) -> Domain:
    """Dictionaries, which are nobody's."""
    return Domain(inc, 1)
