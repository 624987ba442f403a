//! A dictionary: what short pieces are compressed with.
//!
//! Its bytes are those of a Zstandard dictionary (RFC 8878, section 5): statistics, then the *content*, to
//! which compressed pieces refer. Invariant: the content holds only runs of words that at least
//! [`SHARED_BY`] different customers share, found by counting (see [`crate::backup`]). Statistics are how
//! often symbols occur, and are taken from samples; no part of a sample is in them.
//!
//! It is stored in each pack whose pieces need it, so that no pack needs another one to be read; see
//! [`crate::pack`].

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
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    /// One from its bytes.
    pub fn new(bytes: Vec<u8>) -> std::io::Result<Self> {
        if !bytes.starts_with(&MAGIC) {
            return Err(std::io::Error::other("it is no Zstandard dictionary"));
        }
        Ok(Self {
            encoder: EncoderDictionary::try_copy(&bytes, SHORT_LEVEL)?,
            decoder: DecoderDictionary::try_copy(&bytes)?,
            bytes,
        })
    }

    /// One with this content, and statistics of how `samples` are compressed with it: their bytes one behind the
    /// other, and their lengths. None where Zstandard sees nothing to gain, such as with few samples.
    pub fn of(content: &[u8], samples: &[u8], lengths: &[usize]) -> Option<Self> {
        let mut bytes = vec![0; content.len() + STATISTICS];
        let len = finalize(&mut bytes, content, samples, lengths)?;
        bytes.truncate(len);
        Self::new(bytes).ok()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn encoder(&self) -> &EncoderDictionary<'static> {
        &self.encoder
    }

    pub(super) fn decoder(&self) -> &DecoderDictionary<'static> {
        &self.decoder
    }
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
