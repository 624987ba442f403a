//! A piece: a run of one domain's rows as bytes; the unit that is named, sealed and stored.
//!
//! # Layout
//!
//! The first byte says what follows:
//!
//! | byte | what follows |
//! |---|---|
//! | 1 | whole rows: a CBOR sequence, one array per row |
//! | 2 | a fragment of one row that is too long for a piece; the next piece goes on |
//! | 3 | the last fragment of such a row |
//!
//! A **row** is `[table: uint, rowid: int or null, value, …]`. `table` is the table's number in the
//! manifest's list for that source; rowid is null for tables that have none; the values are those of
//! the columns that the manifest lists for the table, in that order. A **value** is
//!
//! | CBOR | means |
//! |---|---|
//! | null | NULL |
//! | int | an integer |
//! | float, always 64 bits | a real |
//! | text | text in UTF-8 |
//! | bytes | a blob |
//! | `[bytes]` | text that is not UTF-8: the bytes as they are; of a UTF-16 database in WTF-8, which is UTF-8 but that a lone surrogate is three bytes like any other unit |
//! | `[int]` | the text `YYYY-MM-DD HH:MM:SS`: seconds since 1970, see [`Stamp`] |
//! | `[int, null]` | the text `YYYY-MM-DD`: days since 1970 |
//! | `[incarnation: bytes(8), leaf: uint, sealed: bytes]` | a reference |
//!
//! In what a reference seals, and in an identity that is hashed, dates are text like any other.
//!
//! A **reference** stands where a row refers to another customer, or to a row that belongs to one:
//! the value itself is sealed under *that* customer's key, so whoever can no longer open that key
//! knows only a domain number. `sealed` is `salt (16) ‖ frame`, the frame encrypted under
//! `field_key(salt, "reference")` of the domain referred to; the salt is the first 16 bytes of the
//! keyed BLAKE3 of the value's CBOR under that domain's naming key. Deriving the salt from the value
//! makes equal rows equal bytes, and still meets each key with one plain text only. `sealed` is empty
//! where that customer had been forgotten before the row was read. Where a column leads to several
//! customers at once, the key of one seals a reference to the next in place of the value, which is
//! known only while none of them is forgotten.
//!
//! The row order within a domain is by table number, then as the source yields them (by rowid).
//!
//! # Where pieces end
//!
//! A piece ends when it has [`MIN`] bytes or more and the row's head hashes to a boundary (one in
//! 2048), or when it has [`MAX`]. Heads, not contents, decide, so an update moves no boundary.
//! A row of more than [`MAX`] bytes is cut into fragments of that length, in pieces of their own.
//!
//! # Names
//!
//! A piece's name is the first 16 bytes of the keyed BLAKE3 of its bytes under its domain's naming
//! key. A reader computes it again after opening.
//!
//! # Identity
//!
//! A customer's **identity**, sealed in pages and catalog and hashed to recognise the customer, is
//! the CBOR array `[[key value, …], since value or null]`. In pages a date in `since` has the form that it has in rows.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use crate::cbor::{self, Malformed, Writer, Written};
use crate::ids::{Domain, Incarnation, PieceName, RepoId};
use crate::seal::{self, Kind, Place, SealError};
use crate::secret::{DomainKey, Seed};
use crate::value::{CustomerKey, Value, ValueRef};

pub mod cut;
mod cutter;
mod stamp;

pub use cutter::{Cutter, Piece};
pub use stamp::Stamp;

/// Below this many bytes a piece does not end by itself.
pub const MIN: usize = 128 << 10;
/// At this many bytes a piece ends in any case.
pub const MAX: usize = 4 << 20;

const ROWS: u8 = 1;
const FRAGMENT: u8 = 2;
const LAST_FRAGMENT: u8 = 3;
const REFERENCE: &[u8] = b"reference";

/// Whether a piece holds a part of one row that is longer than a piece, rather than whole rows.
pub fn is_fragment(plain: &[u8]) -> bool {
    matches!(plain.first(), Some(&(FRAGMENT | LAST_FRAGMENT)))
}

/// One value of a row as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// As it was in the source.
    Value(ValueRef<'a>),
    /// Text that is a date: how it is read back. To write, it is a value like any other.
    Stamp(Stamp),
    /// It leads to another customer.
    Reference {
        /// To whom.
        domain: Domain,
        /// The value, sealed under that one's key; empty if that one was forgotten before.
        sealed: &'a [u8],
    },
}

impl Cell<'_> {
    /// The value, unless it is a reference.
    pub fn to_value(self) -> Option<Value> {
        match self {
            Self::Value(value) => Some(value.to_value()),
            Self::Stamp(stamp) => Some(Value::Text(stamp.text())),
            Self::Reference { .. } => None,
        }
    }
}

/// Appends a row as bytes.
pub fn encode_row<'a>(
    out: &mut Vec<u8>,
    table: u32,
    rowid: Option<i64>,
    cells: impl ExactSizeIterator<Item = Cell<'a>>,
) {
    cbor::append(out, |w| {
        w.array(2 + cells.len() as u64)?.u32(table)?;
        match rowid {
            Some(rowid) => w.i64(rowid)?,
            None => w.null()?,
        };
        for cell in cells {
            encode_cell(w, cell)?;
        }
        Ok(())
    });
}

fn encode_cell(w: &mut Writer<'_>, cell: Cell<'_>) -> Written {
    match cell {
        Cell::Value(ValueRef::Text(text)) => match Stamp::of(text) {
            Some(stamp) => stamp.encode(w),
            None => encode_value(w, ValueRef::Text(text)),
        },
        Cell::Value(value) => encode_value(w, value),
        Cell::Stamp(stamp) => stamp.encode(w),
        Cell::Reference { domain, sealed } => encode_reference(w, domain, sealed),
    }
}

fn encode_reference(w: &mut Writer<'_>, domain: Domain, sealed: &[u8]) -> Written {
    w.array(3)?
        .bytes(&domain.inc.0)?
        .u64(domain.leaf())?
        .bytes(sealed)?
        .ok()
}

fn encode_value(w: &mut Writer<'_>, value: ValueRef<'_>) -> Written {
    match value {
        ValueRef::Null => w.null()?,
        ValueRef::Int(i) => w.i64(i)?,
        ValueRef::Real(r) => w.f64(r)?,
        ValueRef::Blob(b) => w.bytes(b)?,
        ValueRef::Text(t) => match std::str::from_utf8(t) {
            Ok(text) => w.str(text)?,
            Err(_) => w.array(1)?.bytes(t)?,
        },
    };
    Ok(())
}

fn decode_cell<'b>(r: &mut Decoder<'b>) -> Result<Cell<'b>, Malformed> {
    Ok(Cell::Value(match r.datatype()? {
        Type::Null => {
            r.null()?;
            ValueRef::Null
        }
        Type::F64 => ValueRef::Real(r.f64()?),
        Type::String => ValueRef::Text(r.str()?.as_bytes()),
        Type::Bytes => ValueRef::Blob(r.bytes()?),
        Type::Array => match r.array()? {
            Some(1) if r.datatype()? == Type::Bytes => ValueRef::Text(r.bytes()?),
            Some(1) => {
                let stamp = Stamp::of_second(r.i64()?);
                return Ok(Cell::Stamp(stamp.ok_or(Malformed)?));
            }
            Some(2) => {
                let stamp = Stamp::of_day(r.i64()?);
                r.null()?;
                return Ok(Cell::Stamp(stamp.ok_or(Malformed)?));
            }
            Some(3) => {
                let inc = Incarnation(cbor::fixed(r)?);
                let domain = Domain::from_leaf(inc, r.u64()?).ok_or(Malformed)?;
                return Ok(Cell::Reference {
                    domain,
                    sealed: r.bytes()?,
                });
            }
            _ => return Err(Malformed),
        },
        _ => ValueRef::Int(r.i64()?),
    }))
}

/// A row read back.
#[derive(Debug, PartialEq)]
pub struct Row<'b> {
    /// The table's number.
    pub table: u32,
    /// The rowid, where the table has them.
    pub rowid: Option<i64>,
    /// The stored columns' values.
    pub cells: Vec<Cell<'b>>,
}

/// Reads one row that begins at the reader's position.
pub fn decode_row<'b>(r: &mut Decoder<'b>) -> Result<Row<'b>, Malformed> {
    let items = r
        .array()?
        .ok_or(Malformed)?
        .checked_sub(2)
        .ok_or(Malformed)?;
    let table = r.u32()?;
    let rowid = r.decode::<Option<i64>>()?;
    let cells = (0..items)
        .map(|_| decode_cell(r))
        .collect::<Result<_, _>>()?;
    Ok(Row {
        table,
        rowid,
        cells,
    })
}

/// What a piece holds.
#[derive(Debug, PartialEq)]
pub enum Found<'p> {
    /// A row, and its bytes.
    Row(Row<'p>, &'p [u8]),
    /// The next part of a row that was cut: see [`cut`].
    Part {
        /// Its bytes.
        body: &'p [u8],
        /// Whether it is the row's last.
        last: bool,
    },
}

/// Reads one domain's pieces, in order.
#[derive(Default)]
pub struct RowReader {
    /// Whether the last piece was a part of a row that goes on.
    open: bool,
}

impl RowReader {
    /// Gives what the next piece holds to `each`.
    pub fn piece<E: From<Malformed>>(
        &mut self,
        plain: &[u8],
        mut each: impl FnMut(Found<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (&kind, body) = plain.split_first().ok_or(Malformed)?;
        match kind {
            ROWS if !self.open => each_row(body, &mut |row, bytes| each(Found::Row(row, bytes))),
            FRAGMENT => {
                self.open = true;
                each(Found::Part { body, last: false })
            }
            LAST_FRAGMENT => {
                self.open = false;
                each(Found::Part { body, last: true })
            }
            _ => Err(Malformed.into()),
        }
    }

    /// That no row is left unfinished.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.open { Err(Malformed) } else { Ok(()) }
    }
}

/// The table's number and the rowid of a row, from its first bytes.
pub fn head(row: &[u8]) -> Result<(u32, Option<i64>), Malformed> {
    let mut r = Decoder::new(row);
    r.array()?;
    Ok((r.u32()?, r.decode()?))
}

fn each_row<E: From<Malformed>>(
    body: &[u8],
    each: &mut impl FnMut(Row<'_>, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut r = Decoder::new(body);
    while r.position() < body.len() {
        let start = r.position();
        let row = decode_row(&mut r)?;
        each(row, &body[start..r.position()])?;
    }
    Ok(())
}

/// A piece's name under its domain's naming key.
pub fn name(key: &Seed, plain: &[u8]) -> PieceName {
    let hash = blake3::keyed_hash(key.expose(), plain);
    let mut name = [0; 16];
    name.copy_from_slice(&hash.as_bytes()[..16]);
    PieceName(name)
}

fn reference_place(repo: RepoId, domain: Domain) -> Place<'static> {
    Place {
        repo,
        kind: Kind::Reference,
        number: domain.leaf(),
        field: b"",
    }
}

/// Seals the value by which a row refers to (a row of) `domain`, under that domain's key.
pub fn seal_reference(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    value: ValueRef<'_>,
) -> Vec<u8> {
    seal_plain(repo, domain, key, |w| encode_value(w, value))
}

/// Seals what another customer's key has sealed already, for a value that leads to both.
pub fn seal_again(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    (other, sealed): (Domain, &[u8]),
) -> Vec<u8> {
    seal_plain(repo, domain, key, |w| encode_reference(w, other, sealed))
}

fn seal_plain(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    plain: impl FnOnce(&mut Writer<'_>) -> Written,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::append(&mut bytes, plain);
    let salt = name(&key.name_key(), &bytes).0;
    let frame = seal::plain_frame(&bytes);
    let sealed = seal::encrypt(
        &key.field_key(&salt, REFERENCE),
        &reference_place(repo, domain),
        frame,
    );
    [&salt[..], &sealed].concat()
}

/// What a reference has sealed.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// The value.
    Value(Value),
    /// The reference to another customer to whom the value leads as well.
    Reference(Domain, Vec<u8>),
}

/// What [`seal_reference`] or [`seal_again`] sealed.
pub fn open_reference(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    sealed: &[u8],
) -> Result<Opened, SealError> {
    let (salt, sealed) = sealed.split_at_checked(16).ok_or(SealError::NotAuthentic)?;
    let plain = seal::open(
        &key.field_key(salt, REFERENCE),
        &reference_place(repo, domain),
        sealed,
    )?;
    let mut r = Decoder::new(&plain);
    match decode_cell(&mut r) {
        _ if r.position() != plain.len() => Err(SealError::BadFrame),
        Ok(Cell::Value(value)) => Ok(Opened::Value(value.to_value())),
        Ok(Cell::Reference { domain, sealed }) => Ok(Opened::Reference(domain, sealed.to_vec())),
        _ => Err(SealError::BadFrame),
    }
}

/// Who a customer is: the register's key, and what tells two holders of a re-used key apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The register's key.
    pub key: CustomerKey,
    /// The value of the `since` column, where one is configured.
    pub since: Option<Value>,
}

impl Identity {
    /// The identity as bytes, the same ones for the same customer for ever.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(encode_value)
    }

    /// The identity in fewer bytes, to be kept and not to be hashed.
    pub fn encode_short(&self) -> Vec<u8> {
        self.encode_with(|w, since| encode_cell(w, Cell::Value(since)))
    }

    fn encode_with(&self, since: impl Fn(&mut Writer<'_>, ValueRef<'_>) -> Written) -> Vec<u8> {
        let mut out = Vec::new();
        cbor::append(&mut out, |w| {
            w.array(2)?;
            encode_key(w, &self.key)?;
            match &self.since {
                Some(value) => since(w, value.as_ref()),
                None => w.null()?.ok(),
            }
        });
        out
    }

    /// The way back of both. A `since` that was NULL comes back as none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Decoder::new(bytes);
        cbor::array(&mut r, 2)?;
        let columns = r.array()?.ok_or(Malformed)?;
        let key = (0..columns)
            .map(|_| value(&mut r))
            .collect::<Result<_, _>>()?;
        let since = match value(&mut r)? {
            Value::Null => None,
            since => Some(since),
        };
        if r.position() != bytes.len() {
            return Err(Malformed);
        }
        Ok(Self {
            key: CustomerKey(key),
            since,
        })
    }
}

fn value(r: &mut Decoder<'_>) -> Result<Value, Malformed> {
    decode_cell(r)?.to_value().ok_or(Malformed)
}

fn encode_key(w: &mut Encoder<&mut Vec<u8>>, key: &CustomerKey) -> Written {
    w.array(key.0.len() as u64)?;
    key.0
        .iter()
        .try_for_each(|value| encode_value(w, value.as_ref()))
}

/// A key alone as bytes, to find its holders by hash.
pub fn encode_customer_key(key: &CustomerKey) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::append(&mut out, |w| encode_key(w, key));
    out
}

/// One value alone as bytes.
pub fn encode_single(single: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    cbor::append(&mut out, |w| encode_value(w, single.as_ref()));
    out
}

/// The way back of [`encode_single`].
pub fn decode_single(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut r = Decoder::new(bytes);
    let single = value(&mut r)?;
    match r.position() == bytes.len() {
        true => Ok(single),
        false => Err(Malformed),
    }
}

#[cfg(test)]
mod tests;
