"""What a snapshot consists of, and its databases (`src/manifest.rs`, `src/schema.rs`)."""

from typing import Any, NamedTuple

import cbor
from cbor import data, domain, flag, integer, made, many, one_of, optional, record, text, uint
from ids import Domain
from journal import Position, position
from refused import Refused


class ObjectRef(NamedTuple):
    """An object in a store, by content."""

    name: bytes
    size: int


class PageRef(NamedTuple):
    """A page, and which domains it holds."""

    object: ObjectRef
    tail: int
    first: Domain
    last: Domain
    entries: int


class Column(NamedTuple):
    """A column of a table."""

    name: str
    declared: str
    not_null: bool


class Table(NamedTuple):
    """A table whose rows are stored."""

    name: str
    columns: list[Column]
    rowid_alias: Column | None
    has_rowid: bool


class FullText(NamedTuple):
    """A full-text index; `external` where its text stands in another table."""

    name: str
    external: bool
    settings: list[tuple[str, int | str]]


class Statement(NamedTuple):
    """One entry of the database's own schema table."""

    kind: str
    name: str
    sql: str


class Schema(NamedTuple):
    """What must be known of a database to make it again."""

    engine: str
    pragmas: list[tuple[str, str]]
    statements: list[Statement]
    tables: list[Table]
    sequences: list[tuple[str, int]]
    not_restorable: list[str]
    full_text: list[FullText]
    statistics: list[tuple[str, str | None, str]]
    """What was counted of tables and their indexes."""


class Source(NamedTuple):
    """A source as it was."""

    number: int
    name: str
    file_name: str
    schema: Schema
    table_numbers: list[int]
    """What each of the schema's tables is called in rows."""


class Totals(NamedTuple):
    """Counts."""

    customers: int
    rows: int
    plain_bytes: int
    changed: int
    removed: int
    read_bytes: int
    stored_bytes: int


class Manifest(NamedTuple):
    """A snapshot. Times are in milliseconds since 1970."""

    kind: str
    base: int
    started: int
    finished: int
    pages: list[PageRef]
    packs: list[ObjectRef]
    sources: list[Source]
    classes: list[str]
    totals: Totals
    journal: list[Position]


def _setting(item: Any) -> int | str:
    kind, fields = record(uint, cbor.array)(item)
    return record([integer, text][kind])(fields)[0] if kind < 2 else _unknown(kind)


def _unknown(kind: int) -> str:
    raise Refused(f"a setting of kind {kind}")


def _pair(second: cbor.Shape[Any]) -> cbor.Shape[Any]:
    return made(lambda *pair: pair, text, second)


_object = made(ObjectRef, data(32), uint)
_page = made(PageRef, _object, uint, domain, domain, uint)
_column = made(Column, text, text, flag)
_table = made(Table, text, many(_column), optional(_column), flag)
_statement = made(Statement, text, text, text)
_full_text = made(FullText, text, flag, many(_pair(_setting)))
_statistic = made(lambda *counted: counted, text, optional(text), text)
_schema = made(
    Schema,
    text,
    many(_pair(text)),
    many(_statement),
    many(_table),
    many(_pair(integer)),
    many(text),
    lambda item: many(_full_text)(item or []),
    lambda item: many(_statistic)(item or []),
)
_number = made(lambda number: number, uint)
_source = made(Source, uint, text, text, _schema, many(_number))
_totals = made(Totals, *[uint] * 7)
_manifest = made(
    Manifest,
    one_of("full", "incremental"),
    uint,
    integer,
    integer,
    many(_page),
    many(_object),
    many(_source),
    many(text),
    _totals,
    many(position),
)


def manifest(body: bytes) -> Manifest:
    """Reads a manifest's plain body."""
    return _manifest(cbor.one(body))
