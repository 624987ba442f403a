//! CBOR (RFC 8949) as all formats here use it: definite lengths, and not a byte left over.

use std::convert::Infallible;

use minicbor::{Decode, Decoder, Encode, Encoder};

/// Writes CBOR to memory.
pub type Writer<'a> = Encoder<&'a mut Vec<u8>>;
/// What writing to memory returns, though it cannot fail.
pub type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// The bytes are not CBOR, or not of the expected shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed CBOR")]
pub struct Malformed;

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        // The decoder's own text may quote what it read, which may be a customer's.
        Self
    }
}

/// Appends to `out` what `write` writes.
pub fn append(out: &mut Vec<u8>, write: impl FnOnce(&mut Writer<'_>) -> Written) {
    #[expect(
        clippy::expect_used,
        reason = "the error type of a vector is `Infallible`"
    )]
    write(&mut Encoder::new(out)).expect("writing to memory cannot fail");
}

/// A value as CBOR.
pub fn to_vec(value: &impl Encode<()>) -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out, |w| w.encode(value).map(|_| ()));
    out
}

/// The value that `bytes`, all of them, are.
pub fn from_slice<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, Malformed> {
    let mut reader = Decoder::new(bytes);
    let value = reader.decode()?;
    if reader.position() != bytes.len() {
        return Err(Malformed);
    }
    Ok(value)
}

/// Reads the head of an array that must have `len` items.
pub fn array(reader: &mut Decoder<'_>, len: u64) -> Result<(), Malformed> {
    match reader.array()? {
        Some(n) if n == len => Ok(()),
        _ => Err(Malformed),
    }
}

/// Reads a byte string of exactly `N` bytes.
pub fn fixed<const N: usize>(reader: &mut Decoder<'_>) -> Result<[u8; N], Malformed> {
    reader.bytes()?.try_into().map_err(|_| Malformed)
}
