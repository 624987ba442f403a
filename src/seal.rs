//! Compresses, then encrypts; and back.
//!
//! What is encrypted is always a *frame*, see [`frame`].
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

use crate::ids::RepoId;
use crate::secret::Seed;

mod dictionary;
mod frame;

pub use dictionary::{Dictionary, SHARED_BY};
pub use frame::{
    Compressor, Decompressor, FRAME_HEADER, MAX_FRAME, MAX_PLAIN, bare_frame, plain_frame,
    wants_dictionary,
};

/// What sealing adds to a frame.
pub const TAG: usize = 16;

/// Why sealed bytes could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key, the place or the bytes are not those that were sealed.
    #[error("the sealed bytes are damaged, or not what should stand here")]
    NotAuthentic,
    /// It was sealed by a later version.
    #[error("codec {0} is not known to this version")]
    UnknownCodec(u8),
    /// Its pack has none, or not the one it was compressed with.
    #[error("the dictionary that it was compressed with is not there")]
    NoDictionary,
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
    // Small fields are not compressed, and there are many of them: no context is made for one.
    if let Some(whole) = frame::as_it_is(&mut frame) {
        return whole.map(|()| frame);
    }
    Decompressor::new()
        .map_err(|_| SealError::BadFrame)?
        .plain(&frame, None)
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
            assert_eq!(
                decompressor.plain(&frame, None).unwrap_err(),
                SealError::BadFrame
            );
        }
        frame[1..5].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            decompressor.plain(&frame, None).unwrap_err(),
            SealError::TooLong(u32::MAX as usize)
        );
        frame[1..5].copy_from_slice(&1000_u32.to_le_bytes());
        for (codec, error) in [
            (2, SealError::NoDictionary),
            (4, SealError::UnknownCodec(4)),
        ] {
            frame[0] = codec;
            assert_eq!(decompressor.plain(&frame, None).unwrap_err(), error);
        }
        assert_eq!(
            decompressor.plain(&[0, 1, 0], None).unwrap_err(),
            SealError::BadFrame
        );
    }
}
