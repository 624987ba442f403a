"""CBOR (RFC 8949) as all formats have it (`src/cbor.rs`), and the shapes that its items must have.

A *shape* takes a decoded item and gives what it stands for, or refuses it.
"""

from io import BytesIO
from typing import Any, Callable, TypeVar

import cbor2  # type: ignore[import-untyped]

from ids import Domain
from refused import Refused

T = TypeVar("T")
Shape = Callable[[Any], T]


def sequence(data: bytes) -> list[Any]:
    """The items of a CBOR sequence that takes all of `data`."""
    stream, items = BytesIO(data), []
    while stream.tell() < len(data):
        try:
            items.append(cbor2.CBORDecoder(stream).decode())
        except (cbor2.CBORDecodeError, ValueError, EOFError) as error:
            raise Refused(f"not CBOR: {error}") from error
    return items


def one(data: bytes) -> Any:
    """The one item that takes all of `data`."""
    items = sequence(data)
    if len(items) != 1:
        raise Refused(f"{len(items)} CBOR items where one should be")
    return items[0]


def integer(item: Any) -> int:
    """A signed integer of 64 bits."""
    if type(item) is not int or not -(1 << 63) <= item < 1 << 63:
        raise Refused("not an integer of 64 bits")
    return item


def uint(item: Any) -> int:
    """An unsigned integer of 64 bits."""
    if type(item) is not int or not 0 <= item < 1 << 64:
        raise Refused("not an unsigned integer")
    return item


def text(item: Any) -> str:
    """A text."""
    if type(item) is not str:
        raise Refused("not a text")
    return item


def flag(item: Any) -> bool:
    """True or false."""
    if type(item) is not bool:
        raise Refused("neither true nor false")
    return item


def data(length: int | None = None) -> Shape[bytes]:
    """Bytes, of this length if one is given."""

    def shape(item: Any) -> bytes:
        if type(item) is not bytes or length not in (None, len(item)):
            raise Refused("not a byte string of the right length")
        return item

    return shape


def one_of(*names: str) -> Shape[str]:
    """One of several, by its place among them."""

    def shape(item: Any) -> str:
        place = uint(item)
        if place >= len(names):
            raise Refused(f"{item} where one of {names} is meant")
        return names[place]

    return shape


def optional(inner: Shape[T]) -> Shape[T | None]:
    """Null, or that."""
    return lambda item: None if item is None else inner(item)


def many(inner: Shape[T]) -> Shape[list[T]]:
    """An array of those."""
    return lambda item: [inner(each) for each in array(item)]


def array(item: Any) -> list[Any]:
    """An array of whatever."""
    if type(item) is not list:
        raise Refused("not an array")
    return item


def record(*shapes: Shape[Any]) -> Shape[list[Any]]:
    """An array that begins with these; missing ones at its end are null, further ones nobody's."""

    def shape(item: Any) -> list[Any]:
        items = array(item) + [None] * len(shapes)
        return [inner(each) for inner, each in zip(shapes, items)]

    return shape


def exact(*shapes: Shape[Any], least: int | None = None) -> Shape[list[Any]]:
    """An array of just these; of at least so many if the last ones may be missing."""

    def shape(item: Any) -> list[Any]:
        if not (len(shapes) if least is None else least) <= len(array(item)) <= len(shapes):
            raise Refused(f"{len(item)} items where {len(shapes)} should be")
        return record(*shapes)(item)

    return shape


def made(make: Callable[..., T], *shapes: Shape[Any]) -> Shape[T]:
    """What `make` makes of such a record's fields."""
    fields = record(*shapes)
    return lambda item: make(*fields(item))


def leaf(item: Any) -> int:
    """A leaf's number, of 40 bits."""
    number = uint(item)
    if number >= 1 << 40:
        raise Refused("a leaf of more than 40 bits")
    return number


def domain(item: Any) -> Domain:
    """A domain."""
    return Domain(*exact(data(8), leaf)(item))
