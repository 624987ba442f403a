//! Signed notes (c2sp.org/signed-note) whose text is a checkpoint (c2sp.org/tlog-checkpoint): what a
//! log was at some size, in a form that other programs check.
//!
//! # Note
//!
//! UTF-8, without control characters other than line feeds: the text, which ends in a line feed; an
//! empty line; and one signature line or more,
//!
//! ```text
//! — NAME BASE64\n
//! ```
//!
//! where BASE64 (RFC 4648, section 4) is of 4 bytes of key id and the signature. A name has neither
//! Unicode spaces nor `+`, and is not empty. The id of an Ed25519 key is the first 4 bytes of SHA-256
//! of `NAME ‖ 0x0a ‖ 0x01 ‖ key (32)`, and its signature (64 bytes) is over the text alone. The
//! signatures of other keys, witnesses for instance, are left alone; one under our name and id must
//! hold.
//!
//! # Checkpoint
//!
//! The text has three lines: the **origin**, which is also the name of the key; how many leaves the
//! tree has, in decimal digits without leading zeros; and the base64 of the tree's root
//! ([`crate::merkle`]). Further lines are allowed by the specification, and refused here.
//!
//! # Verifier key
//!
//! What another program needs to check our notes: `NAME+ID+BASE64`, the id as 8 hexadecimal digits,
//! the base64 of `0x01 ‖ key (32)`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::ids::hex;
use crate::merkle::Hash;
use crate::sign::{NotNoteText, SigningKey, VerifyKey};

/// The type of an Ed25519 key, and of its signatures.
const ED25519: u8 = 1;
/// No note of ours is longer, whoever else has signed it.
pub const MAX: u64 = 64 << 10;

/// Why a note or a checkpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The bytes are not UTF-8, or hold control characters.
    #[error("it is not text")]
    NotText,
    /// There is no text, or no empty line with signatures behind it.
    #[error("it is not a text with signatures")]
    NotSignedText,
    /// A signature line that is none.
    #[error("a line among its signatures is none")]
    BadSignatureLine,
    /// The name of a key, or an origin, that is not allowed.
    #[error("a name that is empty or holds spaces or + stands in it")]
    BadName,
    /// The expected key did not sign it.
    #[error("the log's key did not sign it")]
    NotSigned,
    /// The expected key's signature does not hold.
    #[error("the signature of the log's key does not hold: it is damaged or forged")]
    BadSignature,
    /// Not the three lines of a checkpoint.
    #[error("it does not have the three lines of a checkpoint")]
    NotCheckpoint,
    /// The size is not written as it must be.
    #[error("the size in it is not a number")]
    BadSize,
    /// The root is not the base64 of 32 bytes.
    #[error("the root in it is not a hash")]
    BadRoot,
    /// It is about another log.
    #[error("it is of another log")]
    OtherOrigin,
}

impl From<NotNoteText> for NoteError {
    fn from(_: NotNoteText) -> Self {
        Self::NotText
    }
}

fn check_name(name: &str) -> Result<(), NoteError> {
    match name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
        true => Err(NoteError::BadName),
        false => Ok(()),
    }
}

fn key_id(name: &str, key: &VerifyKey) -> [u8; 4] {
    let hash = digest(
        &SHA256,
        &[name.as_bytes(), b"\n", &[ED25519], &key.0].concat(),
    );
    let mut id = [0; 4];
    id.copy_from_slice(&hash.as_ref()[..4]);
    id
}

/// The key as other programs take it, under the name that it signs with.
pub fn verifier_key(name: &str, key: &VerifyKey) -> String {
    let encoded = STANDARD.encode([&[ED25519], &key.0[..]].concat());
    format!("{name}+{}+{encoded}", hex(&key_id(name, key)))
}

/// A note: the text, and the signature of the key that goes by `name`.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<String, NoteError> {
    check_name(name)?;
    if !text.ends_with('\n') {
        return Err(NoteError::NotSignedText);
    }
    let signature = key.sign_note(text)?;
    let id = key_id(name, &key.verify_key());
    let encoded = STANDARD.encode([&id[..], &signature].concat());
    Ok(format!("{text}\n— {name} {encoded}\n"))
}

/// The text of a note that the key that goes by `name` has signed.
pub fn open<'n>(note: &'n [u8], name: &str, key: &VerifyKey) -> Result<&'n str, NoteError> {
    let note = std::str::from_utf8(note).map_err(|_| NoteError::NotText)?;
    if note.bytes().any(|b| b < b' ' && b != b'\n') {
        return Err(NoteError::NotText);
    }
    let at = note.rfind("\n\n").ok_or(NoteError::NotSignedText)?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    let lines = signatures.strip_suffix('\n').filter(|s| !s.is_empty());
    let lines = lines.ok_or(NoteError::NotSignedText)?.split('\n');
    let mut signed = Err(NoteError::NotSigned);
    for line in lines {
        let (by, id, signature) = signature_line(line)?;
        if by == name && id == key_id(name, key) {
            key.verify_note(text, &signature)
                .map_err(|_| NoteError::BadSignature)?;
            signed = Ok(text);
        }
    }
    signed
}

/// The name, the key's id and the signature of a signature line.
fn signature_line(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), NoteError> {
    let bad = NoteError::BadSignatureLine;
    let (name, encoded) = line
        .strip_prefix("— ")
        .and_then(|rest| rest.split_once(' '))
        .ok_or(bad)?;
    check_name(name)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| bad)?;
    match bytes.split_first_chunk() {
        Some((id, signature)) if !signature.is_empty() => Ok((name, *id, signature.to_vec())),
        _ => Err(bad),
    }
}

/// What a log was when it had `size` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// How many leaves its tree had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The checkpoint as a note, signed by the log's key, whose name is the origin.
    pub fn sign(&self, key: &SigningKey) -> Result<String, NoteError> {
        let root = STANDARD.encode(self.root);
        let text = format!("{}\n{}\n{root}\n", self.origin, self.size);
        sign(&text, &self.origin, key)
    }

    /// Reads a note that the key of the log `origin` has signed.
    pub fn open(note: &[u8], origin: &str, key: &VerifyKey) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(open(note, origin, key)?)?;
        if checkpoint.origin != origin {
            return Err(NoteError::OtherOrigin);
        }
        Ok(checkpoint)
    }

    /// Reads the text of a note.
    fn parse(text: &str) -> Result<Self, NoteError> {
        let lines: Vec<_> = text.split('\n').collect();
        let [origin, size, root, ""] = lines[..] else {
            return Err(NoteError::NotCheckpoint);
        };
        check_name(origin)?;
        let plain =
            size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| plain);
        let root = STANDARD.decode(root).ok();
        Ok(Self {
            origin: origin.to_owned(),
            size: size.ok_or(NoteError::BadSize)?,
            root: root
                .and_then(|root| root.try_into().ok())
                .ok_or(NoteError::BadRoot)?,
        })
    }
}

#[cfg(test)]
mod tests;
