//! Cuts a row into words.

use minicbor::Decoder;
use minicbor::data::Type;

use super::LONGEST_WORD;
use crate::cbor::Malformed;

/// Gives the words of an encoded row to `each`, and none where something stands that belongs to no run.
pub fn words<'r>(row: &'r [u8], each: &mut impl FnMut(Option<&'r [u8]>)) {
    let mut each = |word: Option<&'r [u8]>| each(word.filter(|word| word.len() <= LONGEST_WORD));
    // The rows are our own. In one that is not well-formed, no more words are found.
    let _ = item(&mut Decoder::new(row), row, true, &mut each);
}

fn item<'r>(
    r: &mut Decoder<'r>,
    row: &'r [u8],
    outermost: bool,
    each: &mut impl FnMut(Option<&'r [u8]>),
) -> Result<(), Malformed> {
    let start = r.position();
    match r.datatype()? {
        Type::Array => {
            let items = r.array()?.ok_or(Malformed)?;
            each(Some(&row[start..r.position()]));
            // A reference: in whose name it is sealed, and to what, is nothing that others share.
            if items == 3 && !outermost {
                item(r, row, false, each)?;
                r.skip()?;
                r.skip()?;
                each(None);
                return Ok(());
            }
            (0..items).try_for_each(|_| item(r, row, false, each))
        }
        Type::String => {
            let text = r.str()?.as_bytes();
            each(Some(&row[start..r.position() - text.len()]));
            let parts = text.chunk_by(|a, b| is_letter(*a) == is_letter(*b));
            parts.for_each(|part| each(Some(part)));
            Ok(())
        }
        _ => {
            r.skip()?;
            each(Some(&row[start..r.position()]));
            Ok(())
        }
    }
}

/// Letters and digits, and all of whatever is not ASCII.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}
