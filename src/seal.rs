//! Compresses, then encrypts; and back.
//!
//! # Frame
//!
//! What is encrypted is always a *frame*:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | codec: 0 as it is, 1 Zstandard (RFC 8878), one frame without a dictionary |
//! | 1 | 4 | length of the plain bytes, little endian |
//! | 5 | … | the bytes, by that codec |
//!
//! Codec 0 is taken where Zstandard would save nothing. The length is authenticated with the rest,
//! and it is this length, never the Zstandard frame's own, that a reader makes room for; it is
//! refused above [`MAX_PLAIN`], and when the bytes decompress to any other length.
//!
//! # Sealing
//!
//! AES-256-GCM with a nonce of twelve zero bytes and the tag of 16 bytes behind the ciphertext. A
//! key is used once: each comes from a derivation that holds a random salt and a position (or, for
//! references, a keyed hash of the plaintext). The associated data say what is sealed:
//!
//! `repository (16) ‖ kind (1) ‖ number (8, big endian) ‖ field (rest)`
//!
//! | kind | what | number | field |
//! |---|---|---|---|
//! | 1 | blob | offset in the pack | |
//! | 2 | pack's contents | 0 | |
//! | 3 | block of a page | number of the block | |
//! | 4 | page's index | 0 | |
//! | 5 | customer's id in a page | leaf | |
//! | 6 | manifest | number of the snapshot | incarnation |
//! | 7 | journal entry | number of the entry | incarnation |
//! | 8 | reference in a row | leaf | |
//! | 9 | reason | leaf | |
//! | 10 | the host's copy of the keyring | 0 | |
//! | 11 | field of the catalog | leaf | name of the field |
//! | 12 | frame of a spill file (never stored) | offset | |
//! | 13 | entry of the audit log | number of the entry | incarnation |

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;
use zstd::bulk;

use crate::ids::RepoId;
use crate::secret::Seed;

/// The longest plain text of one frame: 256 MiB.
pub const MAX_PLAIN: usize = 256 << 20;
/// The longest frame that is encrypted: AES-GCM's own limit is higher.
pub const MAX_FRAME: usize = 2 << 30;
/// What sealing adds to a frame.
pub const TAG: usize = 16;
/// What a frame adds to its bytes.
pub const FRAME_HEADER: usize = 5;

/// Why sealed bytes could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key, the place or the bytes are not those that were sealed.
    #[error("the sealed bytes are damaged, or not what should stand here")]
    NotAuthentic,
    /// It was sealed by a later version.
    #[error("codec {0} is not known to this version")]
    UnknownCodec(u8),
    /// The frame contradicts itself.
    #[error("the frame does not hold what it says")]
    BadFrame,
    /// Too much for one frame.
    #[error("{0} bytes are too many for one frame")]
    TooLong(usize),
}

/// What is sealed, and where it stands; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A piece in a pack.
    Blob = 1,
    /// A pack's table of contents.
    PackContents = 2,
    /// A block of a page.
    PageBlock = 3,
    /// A page's index.
    PageIndex = 4,
    /// A customer's id in a page.
    CustomerId = 5,
    /// A manifest.
    Manifest = 6,
    /// A journal entry.
    Journal = 7,
    /// A value by which a row refers to another customer.
    Reference = 8,
    /// A reason somebody gave.
    Reason = 9,
    /// The keyring as the host keeps it.
    HostKeyring = 10,
    /// A field of the catalog.
    CatalogField = 11,
    /// A frame of a temporary file.
    Spill = 12,
    /// An entry of the audit log.
    Audit = 13,
}

/// The associated data of one sealing.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose repository.
    pub repo: RepoId,
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub number: u64,
    /// Which field of it.
    pub field: &'a [u8],
}

impl Place<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(25 + self.field.len());
        bytes.extend_from_slice(&self.repo.0);
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(self.field);
        bytes
    }
}

/// Makes frames. Its Zstandard context is reused, which for small pieces is most of the speed.
pub struct Compressor(bulk::Compressor<'static>);

/// Zstandard's level: its default, where more costs much and gives little.
const LEVEL: i32 = 3;

impl Compressor {
    /// A compressor of one's own for each thread.
    pub fn new() -> std::io::Result<Self> {
        bulk::Compressor::new(LEVEL).map(Self)
    }

    /// The frame of `plain`.
    pub fn frame(&mut self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        if plain.len() > MAX_PLAIN {
            return Err(SealError::TooLong(plain.len()));
        }
        let mut frame = Vec::with_capacity(FRAME_HEADER + plain.len() + TAG);
        frame.resize(FRAME_HEADER + plain.len(), 0);
        frame[1..FRAME_HEADER].copy_from_slice(&(plain.len() as u32).to_le_bytes());
        // Room for less than the plain bytes: what does not shrink fails, and stays as it is.
        let room = plain.len().saturating_sub(1);
        match self
            .0
            .compress_to_buffer(plain, &mut frame[FRAME_HEADER..FRAME_HEADER + room])
        {
            Ok(len) => {
                frame[0] = 1;
                frame.truncate(FRAME_HEADER + len);
            }
            Err(_) => {
                self.0 = bulk::Compressor::new(LEVEL).map_err(|_| SealError::BadFrame)?;
                frame[FRAME_HEADER..].copy_from_slice(plain);
            }
        }
        Ok(frame)
    }
}

/// A frame of bytes that are too few to be worth compressing.
pub fn plain_frame(plain: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_HEADER + plain.len() + TAG);
    frame.push(0);
    frame.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    frame.extend_from_slice(plain);
    frame
}

/// Takes frames apart again; reused like [`Compressor`].
pub struct Decompressor(bulk::Decompressor<'static>);

impl Decompressor {
    /// A decompressor of one's own for each thread.
    pub fn new() -> std::io::Result<Self> {
        bulk::Decompressor::new().map(Self)
    }

    /// The plain bytes of a frame.
    pub fn plain(&mut self, frame: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let len = plain_len(frame)?;
        let (header, body) = frame.split_at(FRAME_HEADER);
        match header[0] {
            0 if body.len() == len => Ok(Zeroizing::new(body.to_vec())),
            0 => Err(SealError::BadFrame),
            1 => match self.0.decompress(body, len) {
                Ok(plain) if plain.len() == len => Ok(Zeroizing::new(plain)),
                _ => {
                    self.0 = bulk::Decompressor::new().map_err(|_| SealError::BadFrame)?;
                    Err(SealError::BadFrame)
                }
            },
            codec => Err(SealError::UnknownCodec(codec)),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "a seed has exactly the length of the key"
)]
fn cipher(key: &Seed) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, key.expose()).expect("a seed is as long as the key");
    LessSafeKey::new(key)
}

/// Encrypts `frame` in place. `key` must never have been used for other bytes.
pub fn encrypt(key: &Seed, place: &Place<'_>, mut frame: Vec<u8>) -> Vec<u8> {
    let tag = encrypt_in(key, place, &mut frame);
    frame.extend_from_slice(&tag);
    frame
}

/// Encrypts `frame` where it stands, and gives the tag that belongs behind it. `key` must never have
/// been used for other bytes.
#[expect(
    clippy::expect_used,
    reason = "frames are bounded far below the cipher's limit of 64 GiB"
)]
pub fn encrypt_in(key: &Seed, place: &Place<'_>, frame: &mut [u8]) -> [u8; TAG] {
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let sealed = cipher(key)
        .seal_in_place_separate_tag(nonce, Aad::from(place.bytes()), frame)
        .expect("a frame is far shorter than what the cipher takes");
    let mut tag = [0; TAG];
    tag.copy_from_slice(sealed.as_ref());
    tag
}

/// Decrypts what [`encrypt`] made.
pub fn decrypt(
    key: &Seed,
    place: &Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut frame = Zeroizing::new(sealed.to_vec());
    let len = decrypt_in(key, place, &mut frame)?;
    frame.truncate(len);
    Ok(frame)
}

/// Decrypts what [`encrypt`] made where it stands: how many bytes at its beginning are the frame.
pub fn decrypt_in(key: &Seed, place: &Place<'_>, sealed: &mut [u8]) -> Result<usize, SealError> {
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let frame = cipher(key).open_in_place(nonce, Aad::from(place.bytes()), sealed);
    frame
        .map(|frame| frame.len())
        .map_err(|_| SealError::NotAuthentic)
}

/// Compresses and encrypts: for single objects, where no context is at hand.
pub fn seal(key: &Seed, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let frame = Compressor::new()
        .map_err(|_| SealError::BadFrame)?
        .frame(plain)?;
    Ok(encrypt(key, place, frame))
}

/// Decrypts and decompresses: the way back of [`seal`].
pub fn open(key: &Seed, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut frame = decrypt(key, place, sealed)?;
    if frame.first() == Some(&0) {
        // Small fields are not compressed, and there are many of them: no context is made for one.
        let len = plain_len(&frame)?;
        frame.drain(..FRAME_HEADER);
        return if frame.len() == len {
            Ok(frame)
        } else {
            Err(SealError::BadFrame)
        };
    }
    Decompressor::new()
        .map_err(|_| SealError::BadFrame)?
        .plain(&frame)
}

/// The length that a frame says its plain bytes have.
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
    use super::*;

    fn place(number: u64) -> Place<'static> {
        Place {
            repo: RepoId([3; 16]),
            kind: Kind::Blob,
            number,
            field: b"",
        }
    }

    #[test]
    fn comes_back_whole() {
        let key = Seed::from_bytes([1; 32]);
        for plain in [&b""[..], b"x", &[7; 100_000], b"0123456789abcdef"] {
            let sealed = seal(&key, &place(1), plain).unwrap();
            assert_eq!(open(&key, &place(1), &sealed).unwrap().as_slice(), plain);
        }
    }

    #[test]
    fn refuses_other_places_keys_and_bytes() {
        let key = Seed::from_bytes([1; 32]);
        let sealed = seal(&key, &place(1), b"a piece of somebody").unwrap();
        let other = Place {
            kind: Kind::PageBlock,
            ..place(1)
        };
        let field = Place {
            field: b"x",
            ..place(1)
        };
        for place in [place(2), other, field] {
            assert_eq!(
                open(&key, &place, &sealed).unwrap_err(),
                SealError::NotAuthentic
            );
        }
        let wrong = Seed::from_bytes([2; 32]);
        assert_eq!(
            open(&wrong, &place(1), &sealed).unwrap_err(),
            SealError::NotAuthentic
        );
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(
                open(&key, &place(1), &flipped).unwrap_err(),
                SealError::NotAuthentic
            );
            assert_eq!(
                open(&key, &place(1), &sealed[..at]).unwrap_err(),
                SealError::NotAuthentic
            );
        }
    }

    #[test]
    fn a_frame_that_lies_about_its_length_is_refused() {
        let mut frame = Compressor::new().unwrap().frame(&[9; 1000]).unwrap();
        let mut decompressor = Decompressor::new().unwrap();
        assert_eq!(frame[0], 1);
        for len in [0_u32, 999, 1001] {
            frame[1..5].copy_from_slice(&len.to_le_bytes());
            assert_eq!(decompressor.plain(&frame).unwrap_err(), SealError::BadFrame);
        }
        frame[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            decompressor.plain(&frame).unwrap_err(),
            SealError::TooLong(u32::MAX as usize)
        );
        frame[0] = 2;
        frame[1..5].copy_from_slice(&1000_u32.to_le_bytes());
        assert_eq!(
            decompressor.plain(&frame).unwrap_err(),
            SealError::UnknownCodec(2)
        );
        assert_eq!(
            decompressor.plain(&[0, 1, 0]).unwrap_err(),
            SealError::BadFrame
        );
    }
}
