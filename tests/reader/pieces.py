"""Rows, and the pieces that hold them (`src/piece.rs`, `src/piece/stamp.rs`)."""

import struct
from dataclasses import dataclass
from datetime import date
from typing import Any, Iterable, Iterator, NamedTuple

import cbor
from cbor import array, data, exact, integer, leaf, one_of, optional, uint
from ids import Domain
from keys import Forest, keyed
from refused import Refused
from seal import Kind, opened, place

CYCLE = 146_097
"""Days in 400 years of the Gregorian calendar."""
EPOCH = date(1970, 1, 1).toordinal()
DAY = 86_400


@dataclass(frozen=True)
class OddText:
    """Text that is not UTF-8, as the bytes that it is."""

    data: bytes


@dataclass(frozen=True)
class Reference:
    """Stands where a row refers to (a row of) another customer."""

    domain: Domain
    sealed: bytes


Value = None | int | float | str | bytes | OddText
"""NULL, an integer, a real, a text, a blob; and text that no `str` can be."""


class Row(NamedTuple):
    """A row as it is stored."""

    table: int
    rowid: int | None
    values: list[Value | Reference]


def rows(pieces: Iterable[bytes]) -> Iterator[Row]:
    """The rows of one domain's pieces, in order."""
    cut: bytes | None = None
    for piece in pieces:
        kind, body = one_of("", "whole", "fragment", "last")(piece[0] if piece else 0), piece[1:]
        if kind == "whole" and cut is None:
            yield from map(_row, cbor.sequence(body))
        elif kind == "fragment":
            cut = (cut or b"") + body
        elif kind == "last" and cut is not None:
            yield _row(cbor.one(cut + body))
            cut = None
        else:
            raise Refused("pieces that do not follow each other")
    if cut is not None:
        raise Refused("a row that does not end")


def _row(item: Any) -> Row:
    if len(array(item)) < 2 or uint(item[0]) >= 1 << 32:
        raise Refused("a row without a table or a rowid")
    return Row(item[0], optional(integer)(item[1]), [_cell(value) for value in item[2:]])


def _cell(item: Any) -> Value | Reference:
    if type(item) is not list or _is_odd_text(item):
        return value(item)
    if len(item) == 1:
        return _moment(integer(item[0]))
    if len(item) == 2 and item[1] is None:
        return _day(integer(item[0]))
    if len(item) == 3:
        return _reference(item)
    raise Refused("a value of no kind")


def _reference(item: list[Any]) -> Reference:
    inc, leaf_, sealed = exact(data(8), leaf, data())(item)
    return Reference(Domain(inc, leaf_), sealed)


def _is_odd_text(item: list[Any]) -> bool:
    return len(item) == 1 and type(item[0]) is bytes


def _moment(seconds: int) -> str:
    """`YYYY-MM-DD HH:MM:SS`."""
    days, clock = divmod(seconds, DAY)
    return f"{_day(days)} {clock // 3600:02}:{clock // 60 % 60:02}:{clock % 60:02}"


def _day(days: int) -> str:
    """`YYYY-MM-DD`, of which Python knows no year 0; but every 400 years are alike."""
    before, day = divmod(EPOCH + days - 1, CYCLE)
    found = date.fromordinal(day + 1)
    year = found.year + 400 * before
    if not 0 <= year <= 9999:
        raise Refused("a date beyond four-digit years")
    return f"{year:04}-{found.month:02}-{found.day:02}"


def value(item: Any) -> Value:
    """A value that is neither a date nor a reference."""
    if item is None or isinstance(item, (float, str, bytes)):
        return item
    if type(item) is list and _is_odd_text(item):
        return OddText(item[0])
    return integer(item)


def told(cell: Value | Reference) -> Any:
    """A value as JSON that says its storage class, whatever it holds."""
    match cell:
        case None | str():
            return cell
        case int():
            return {"int": str(cell)}
        case float():
            return {"real": struct.pack(">d", cell).hex()}
        case bytes():
            return {"blob": cell.hex()}
        case OddText():
            return {"text": cell.data.hex()}
        case Reference():
            return {"lost": str(cell.domain)}


def resolved(reference: Reference, repo: bytes, forest: Forest) -> Value | Reference:
    """What a reference stands for; itself, if whom it leads to is forgotten."""
    domain, sealed = reference.domain, reference.sealed
    key = forest.key(domain)
    if key is None or not sealed:
        return reference
    salt = sealed[:16]
    where = place(repo, Kind.REFERENCE, domain.leaf)
    plain = opened(key.field_key(salt, b"reference"), where, sealed[16:])
    if keyed(key.name_key(), plain)[:16] != salt:
        raise Refused(f"a reference to {domain} is not what its salt says")
    within = cbor.one(plain)
    if type(within) is list and len(within) == 3:
        return resolved(_reference(within), repo, forest)
    return value(within)
