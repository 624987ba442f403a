//! A dictionary: what short pieces are compressed with.
//!
//! Its bytes are those of a Zstandard dictionary (RFC 8878, section 5): statistics, then the *content*, to
//! which compressed pieces refer. Invariant: the content holds only runs of words that at least
//! [`SHARED_BY`] different customers share, found by counting (see [`crate::backup`]). Statistics are how
//! often symbols occur, and are taken from samples; no part of a sample is in them.
//!
//! It is stored in each pack whose pieces need it, so that no pack needs another one to be read; see
//! [`crate::pack`].

use std::sync::OnceLock;

use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::zstd_sys;

use super::frame::SHORT_LEVEL;

/// How many different customers share whatever stands in a dictionary's content, at least.
pub const SHARED_BY: usize = 50;

/// What a dictionary begins with (RFC 8878, section 5). Zstandard itself takes bytes that begin otherwise for content.
const MAGIC: [u8; 4] = 0xEC30_A437_u32.to_le_bytes();
/// What statistics take at most, beside the content.
const STATISTICS: usize = 4 << 10;

/// A dictionary, ready for use.
pub struct Dictionary {
    bytes: Vec<u8>,
    /// Made when it is first asked for: its tables take a megabyte, and whoever reads many packs has many dictionaries.
    encoder: OnceLock<Option<EncoderDictionary<'static>>>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    /// One from its bytes.
    pub fn new(bytes: Vec<u8>) -> std::io::Result<Self> {
        if !bytes.starts_with(&MAGIC) {
            return Err(no_dictionary());
        }
        Ok(Self {
            encoder: OnceLock::new(),
            decoder: DecoderDictionary::try_copy(&bytes)?,
            bytes,
        })
    }

    /// One with this content, and statistics of how `samples` are compressed with it: their bytes one behind the
    /// other, and their lengths. None if the lengths are not those of the samples, or if Zstandard makes none of it.
    pub fn of(content: &[u8], samples: &[u8], lengths: &[usize]) -> Option<Self> {
        let mut bytes = vec![0; content.len() + STATISTICS];
        let len = finalize(&mut bytes, content, samples, lengths)?;
        bytes.truncate(len);
        let made = Self::new(bytes).ok()?;
        made.encoder().ok()?;
        Some(made)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of memory that it takes for reading.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.decoder.as_ddict().sizeof()
    }

    pub(super) fn encoder(&self) -> std::io::Result<&EncoderDictionary<'static>> {
        let made = self
            .encoder
            .get_or_init(|| EncoderDictionary::try_copy(&self.bytes, SHORT_LEVEL).ok());
        made.as_ref().ok_or_else(no_dictionary)
    }

    pub(super) fn decoder(&self) -> &DecoderDictionary<'static> {
        &self.decoder
    }
}

fn no_dictionary() -> std::io::Error {
    std::io::Error::other("it is no Zstandard dictionary")
}

#[expect(
    unsafe_code,
    reason = "no crate offers a dictionary of one's own content with statistics"
)]
fn finalize(out: &mut [u8], content: &[u8], samples: &[u8], lengths: &[usize]) -> Option<usize> {
    let mut lengths_added = lengths.iter().copied();
    if lengths_added.try_fold(0, usize::checked_add) != Some(samples.len()) {
        return None;
    }
    let parameters = zstd_sys::ZDICT_params_t {
        compressionLevel: SHORT_LEVEL,
        notificationLevel: 0,
        dictID: 0,
    };
    // SAFETY: each pointer comes with the length of the slice that it is taken from, and the slices live on
    // until the call returns. `out` overlaps no other, being the only one that is borrowed mutably. The
    // lengths add up to what `samples` has, as was looked at above. Nothing is kept by the callee.
    unsafe {
        let len = zstd_sys::ZDICT_finalizeDictionary(
            out.as_mut_ptr().cast(),
            out.len(),
            content.as_ptr().cast(),
            content.len(),
            samples.as_ptr().cast(),
            lengths.as_ptr(),
            u32::try_from(lengths.len()).ok()?,
            parameters,
        );
        (zstd_sys::ZDICT_isError(len) == 0).then_some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Compressor, Decompressor};
    use super::*;

    #[test]
    fn lengths_that_are_not_those_of_the_samples_make_no_dictionary() {
        let (content, samples) = (b"a content", [7; 100]);
        for lengths in [&[50, 49][..], &[50, 51], &[usize::MAX, 101]] {
            assert!(
                Dictionary::of(content, &samples, lengths).is_none(),
                "{lengths:?}"
            );
        }
        assert!(Dictionary::of(content, &samples, &[50, 50]).is_some());
    }

    #[test]
    fn what_is_only_read_has_no_tables_for_compression() {
        let (content, samples) = (b"a content that is said again", [7; 100]);
        let made = Dictionary::of(content, &samples, &[50, 50]).unwrap();
        let frame = Compressor::with(&made).unwrap().frame(content).unwrap();
        let read = Dictionary::new(made.bytes().to_vec()).unwrap();
        let plain = Decompressor::new().unwrap().plain(&frame, Some(&read));
        assert_eq!(*plain.unwrap(), content);
        assert!(made.encoder.get().is_some() && read.encoder.get().is_none());
        assert!(read.size() < 40 << 10, "{}", read.size());
    }
}
