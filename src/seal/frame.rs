//! Frames: what is encrypted is always one.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | codec |
//! | 1 | 4; by codec 2: 2; by codec 3: 0 | length of the plain bytes, little endian |
//! | … | … | the bytes, by that codec |
//!
//! | codec | the bytes |
//! |---|---|
//! | 0 | as they are |
//! | 1 | one Zstandard frame (RFC 8878) without a dictionary |
//! | 2 | one Zstandard frame without its magic number, with the [`Dictionary`] of the pack that it stands in |
//! | 3 | as they are, to the end |
//!
//! Codec 0 is taken where Zstandard would save nothing, codec 2 for pieces of at most [`SHORT`] bytes in packs
//! that have a dictionary, and codec 3 for the many small fields of pages. The length is authenticated with the rest, and it is this length,
//! never the Zstandard frame's own, that a reader makes room for; it is refused above [`MAX_PLAIN`], and
//! when the bytes decompress to any other length.

use zeroize::Zeroizing;
use zstd::bulk;
use zstd::zstd_safe::{CParameter, DCtx, DParameter, FrameFormat};

use super::dictionary::Dictionary;
use super::{SealError, TAG};

/// The longest plain text of one frame: 256 MiB.
pub const MAX_PLAIN: usize = 256 << 20;
/// The longest frame that is encrypted: AES-GCM's own limit is higher.
pub const MAX_FRAME: usize = 2 << 30;
/// What a frame adds to its bytes by codec 0 or 1.
pub const FRAME_HEADER: usize = 5;
/// The longest plain text that is compressed with a dictionary: 16 KiB. What is longer brings words enough of
/// its own.
pub const SHORT: usize = 16 << 10;

const AS_IT_IS: u8 = 0;
const ZSTANDARD: u8 = 1;
const WITH_DICTIONARY: u8 = 2;
const BARE: u8 = 3;
/// What a frame adds to its bytes by codec 2.
const SHORT_HEADER: usize = 3;

/// Zstandard's level: its default, where more costs much and gives little.
const LEVEL: i32 = 3;
/// Its level with a dictionary: one more costs half as much again, one less gives an eighth less.
pub(super) const SHORT_LEVEL: i32 = 4;

/// Makes frames. Its Zstandard contexts are reused, which for small pieces is most of the speed.
pub struct Compressor<'d> {
    any: bulk::Compressor<'d>,
    short: Option<bulk::Compressor<'d>>,
}

impl<'d> Compressor<'d> {
    /// A compressor of one's own for each thread.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            any: bulk::Compressor::new(LEVEL)?,
            short: None,
        })
    }

    /// One for pieces of packs that have this dictionary.
    pub fn with(dictionary: &'d Dictionary) -> std::io::Result<Self> {
        Ok(Self {
            short: Some(short(dictionary)?),
            ..Self::new()?
        })
    }

    /// The frame of `plain`.
    pub fn frame(&mut self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        if plain.len() > MAX_PLAIN {
            return Err(SealError::TooLong(plain.len()));
        }
        let mut frame = Vec::with_capacity(FRAME_HEADER + plain.len() + TAG);
        frame.resize(FRAME_HEADER + plain.len(), 0);
        // Room for less than the plain bytes: what does not shrink fails, which leaves nothing in the context, and stays
        // as it is.
        let room = plain.len().saturating_sub(1);
        let short = self.short.as_mut().filter(|_| plain.len() <= SHORT);
        let (context, codec, header) = match short {
            Some(short) => (short, WITH_DICTIONARY, SHORT_HEADER),
            None => (&mut self.any, ZSTANDARD, FRAME_HEADER),
        };
        let body = &mut frame[header..header + room];
        let Ok(len) = context.compress_to_buffer(plain, body) else {
            return Ok(plain_frame(plain));
        };
        frame[0] = codec;
        let length = (plain.len() as u32).to_le_bytes();
        frame[1..header].copy_from_slice(&length[..header - 1]);
        frame.truncate(header + len);
        Ok(frame)
    }
}

/// A context for short pieces: neither magic number, nor length, nor name of the dictionary, which all are known.
fn short(dictionary: &Dictionary) -> std::io::Result<bulk::Compressor<'_>> {
    let mut context = bulk::Compressor::with_prepared_dictionary(dictionary.encoder()?)?;
    context.set_parameter(CParameter::Format(FrameFormat::Magicless))?;
    context.set_parameter(CParameter::ContentSizeFlag(false))?;
    context.set_parameter(CParameter::DictIdFlag(false))?;
    Ok(context)
}

/// A frame of bytes that are too few to be worth compressing.
pub fn plain_frame(plain: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEADER + plain.len() + TAG);
    frame.push(AS_IT_IS);
    frame.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    frame.extend_from_slice(plain);
    frame
}

/// A frame of bytes that are so few that their length would be much of it.
pub fn bare_frame(plain: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(1 + plain.len() + TAG);
    frame.push(BARE);
    frame.extend_from_slice(plain);
    frame
}

/// Takes the header from a frame that [`plain_frame`] or [`bare_frame`] made; none if it is of another kind.
pub(super) fn as_it_is(frame: &mut Zeroizing<Vec<u8>>) -> Option<Result<(), SealError>> {
    if frame.first() == Some(&BARE) {
        frame.remove(0);
        return Some(Ok(()));
    }
    if frame.first() != Some(&AS_IT_IS) {
        return None;
    }
    let len = plain_len(frame);
    let header = FRAME_HEADER.min(frame.len());
    frame.drain(..header);
    Some(match len {
        Ok(len) if len == frame.len() => Ok(()),
        Ok(_) => Err(SealError::BadFrame),
        Err(error) => Err(error),
    })
}

/// Whether a frame can be opened only with the dictionary of its pack.
pub fn wants_dictionary(frame: &[u8]) -> bool {
    frame.first() == Some(&WITH_DICTIONARY)
}

/// Takes frames apart again; reused like [`Compressor`].
pub struct Decompressor {
    any: bulk::Decompressor<'static>,
    /// For short pieces, made for the first of them.
    short: Option<DCtx<'static>>,
}

impl Decompressor {
    /// A decompressor of one's own for each thread.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            any: bulk::Decompressor::new()?,
            short: None,
        })
    }

    /// The plain bytes of a frame, which may want the dictionary of its pack.
    pub fn plain(
        &mut self,
        frame: &[u8],
        dictionary: Option<&Dictionary>,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let codec = *frame.first().ok_or(SealError::BadFrame)?;
        match codec {
            AS_IT_IS | ZSTANDARD => {
                let len = plain_len(frame)?;
                let body = &frame[FRAME_HEADER..];
                if codec == AS_IT_IS {
                    return match body.len() == len {
                        true => Ok(Zeroizing::new(body.to_vec())),
                        false => Err(SealError::BadFrame),
                    };
                }
                match self.any.decompress(body, len) {
                    Ok(plain) if plain.len() == len => Ok(Zeroizing::new(plain)),
                    _ => Err(SealError::BadFrame),
                }
            }
            BARE => Ok(Zeroizing::new(frame[1..].to_vec())),
            WITH_DICTIONARY => self.short(frame, dictionary.ok_or(SealError::NoDictionary)?),
            codec => Err(SealError::UnknownCodec(codec)),
        }
    }

    fn short(
        &mut self,
        frame: &[u8],
        dictionary: &Dictionary,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let header = frame.get(..SHORT_HEADER).ok_or(SealError::BadFrame)?;
        let len = usize::from(u16::from_le_bytes([header[1], header[2]]));
        let mut plain = Zeroizing::new(Vec::with_capacity(len));
        let context = match &mut self.short {
            Some(context) => context,
            none => none.insert(short_context().ok_or(SealError::BadFrame)?),
        };
        let done = context.decompress_using_ddict(
            &mut *plain,
            &frame[SHORT_HEADER..],
            dictionary.decoder().as_ddict(),
        );
        match done {
            Ok(found) if found == len => Ok(plain),
            _ => Err(SealError::BadFrame),
        }
    }
}

fn short_context() -> Option<DCtx<'static>> {
    let mut context = DCtx::try_create()?;
    let magicless = DParameter::Format(FrameFormat::Magicless);
    context.set_parameter(magicless).ok()?;
    Some(context)
}

/// The length that a frame by codec 0 or 1 says its plain bytes have.
fn plain_len(frame: &[u8]) -> Result<usize, SealError> {
    let header = frame.get(..FRAME_HEADER).ok_or(SealError::BadFrame)?;
    let len = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if len > MAX_PLAIN {
        Err(SealError::TooLong(len))
    } else {
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dictionary(content: &[u8]) -> Dictionary {
        let samples: Vec<_> = (0..60).flat_map(|n| [n; 10]).collect();
        Dictionary::of(content, &samples, &[10; 60]).unwrap()
    }

    /// Bytes with repetitions, or without, and parts of the content.
    fn plain() -> impl Strategy<Value = Vec<u8>> {
        let noise = prop::collection::vec(any::<u8>(), 0..=SHORT + 1);
        let few = prop::collection::vec(0_u8..4, 0..=SHORT + 1);
        let edges = prop::sample::select(vec![0, 1, 2, SHORT - 1, SHORT, SHORT + 1]);
        let same = (any::<u8>(), edges).prop_map(|(byte, len)| vec![byte; len]);
        prop_oneof![noise, few, same]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn frames_come_back_with_any_dictionary(
            content in prop::collection::vec(any::<u8>(), 0..3000),
            plain in prop::collection::vec(plain(), 1..4),
        ) {
            let dictionary = dictionary(&content);
            // As the reader has it.
            let read = Dictionary::new(dictionary.bytes().to_vec()).unwrap();
            let mut compressor = Compressor::with(&dictionary).unwrap();
            let mut decompressor = Decompressor::new().unwrap();
            for plain in plain.iter().chain([&content]) {
                let frame = compressor.frame(plain).unwrap();
                prop_assert!(frame[0] == AS_IT_IS || (frame[0] == WITH_DICTIONARY) == (plain.len() <= SHORT));
                prop_assert!(frame.len() <= plain.len() + FRAME_HEADER);
                prop_assert_eq!(&*decompressor.plain(&frame, Some(&read)).unwrap(), plain);
                let bare = bare_frame(plain);
                prop_assert_eq!(&*decompressor.plain(&bare, None).unwrap(), plain);
            }
        }
    }

    #[test]
    fn a_context_that_failed_goes_on() {
        let dictionary = dictionary(b"some content that is there");
        let mut compressor = Compressor::with(&dictionary).unwrap();
        let mut decompressor = Decompressor::new().unwrap();
        let plain = b"some content that is there, and there";
        let good = compressor.frame(plain).unwrap();
        let noise: Vec<u8> = (0..=255).collect();
        assert_eq!(compressor.frame(&noise).unwrap()[0], AS_IT_IS);
        assert_eq!(compressor.frame(plain).unwrap(), good);
        let mut wrong = good.clone();
        wrong[1] += 1;
        let refused = decompressor.plain(&wrong, Some(&dictionary));
        assert_eq!(refused.unwrap_err(), SealError::BadFrame);
        let opened = decompressor.plain(&good, Some(&dictionary)).unwrap();
        assert_eq!(*opened, plain);
    }
}
