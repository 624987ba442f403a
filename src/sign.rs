//! Ed25519 (RFC 8032): who wrote an object.
//!
//! What is signed is never the bare bytes but `"tenure v1 " ‖ what ‖ 0x00 ‖ bytes`, where `what`
//! is the kind of the object in ASCII (`writer`, `manifest`, `journal`, `keyring`), so that a
//! signature under one kind of object is none under another.
//!
//! The one exception is the text of a C2SP note ([`crate::note`]), which other programs check and
//! which is therefore signed bare. Every other message has a zero byte, behind its kind; a note's
//! text has none, or it is neither signed nor accepted here. So no signature under a note is one
//! under an object, and none under an object is one under a note.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::ids::{BadName, hex, unhex};
use crate::secret::{SecretError, Seed};

/// The length of a signature in bytes.
pub const SIGNATURE: usize = 64;

/// The bytes do not carry the signature that they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by the expected key")]
pub struct BadSignature;

/// A text holds control characters other than line feeds, so it is no note's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a note's text holds no control characters but line feeds")]
pub struct NotNoteText;

fn check_note_text(text: &str) -> Result<(), NotNoteText> {
    match text.bytes().any(|b| b < b' ' && b != b'\n') {
        true => Err(NotNoteText),
        false => Ok(()),
    }
}

/// A private Ed25519 key: the repository's root, or an incarnation's own.
pub struct SigningKey(Seed);

impl SigningKey {
    /// A new key from the system's randomness.
    pub fn random() -> Result<Self, SecretError> {
        Seed::random().map(Self)
    }

    /// The key that RFC 8032 makes of these 32 secret bytes.
    pub fn from_seed(seed: Seed) -> Self {
        Self(seed)
    }

    /// The 32 secret bytes, to be sealed and kept.
    pub fn seed(&self) -> &Seed {
        &self.0
    }

    #[expect(clippy::expect_used, reason = "RFC 8032 makes a key of any 32 bytes")]
    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(self.0.expose())
            .expect("every 32 bytes are the seed of an Ed25519 key")
    }

    /// The key that others check with.
    pub fn verify_key(&self) -> VerifyKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair().public_key().as_ref());
        VerifyKey(bytes)
    }

    /// Signs `bytes` as an object of kind `what`.
    pub fn sign(&self, what: &str, bytes: &[u8]) -> [u8; SIGNATURE] {
        let mut signature = [0; SIGNATURE];
        signature.copy_from_slice(self.pair().sign(&message(what, bytes)).as_ref());
        signature
    }

    /// Signs the bare text of a C2SP note: the module text says why that is no other signature.
    pub fn sign_note(&self, text: &str) -> Result<[u8; SIGNATURE], NotNoteText> {
        check_note_text(text)?;
        let mut signature = [0; SIGNATURE];
        signature.copy_from_slice(self.pair().sign(text.as_bytes()).as_ref());
        Ok(signature)
    }
}

/// A public Ed25519 key. The root's is the repository's *fingerprint*, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyKey(pub [u8; 32]);

impl VerifyKey {
    /// Whether `signature` is this key's, over `bytes` as an object of kind `what`.
    pub fn verify(&self, what: &str, bytes: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&message(what, bytes), signature)
            .map_err(|_| BadSignature)
    }

    /// Whether `signature` is this key's over the bare text of a C2SP note.
    pub fn verify_note(&self, text: &str, signature: &[u8]) -> Result<(), BadSignature> {
        check_note_text(text).map_err(|_| BadSignature)?;
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(text.as_bytes(), signature)
            .map_err(|_| BadSignature)
    }
}

impl fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyKey({self})")
    }
}

impl FromStr for VerifyKey {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        unhex(text).map(Self).ok_or_else(|| BadName {
            text: text.to_owned(),
            expected: "a fingerprint (64 hexadecimal digits)",
        })
    }
}

fn message(what: &str, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut message = Zeroizing::new(Vec::with_capacity(16 + what.len() + bytes.len()));
    message.extend_from_slice(b"tenure v1 ");
    message.extend_from_slice(what.as_bytes());
    message.push(0);
    message.extend_from_slice(bytes);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_bytes_and_kind_alone() {
        let key = SigningKey::from_seed(Seed::from_bytes([7; 32]));
        let verify = key.verify_key();
        let signature = key.sign("manifest", b"bytes");
        assert_eq!(verify.verify("manifest", b"bytes", &signature), Ok(()));
        for (what, bytes) in [("journal", &b"bytes"[..]), ("manifest", b"byteS")] {
            assert_eq!(verify.verify(what, bytes, &signature), Err(BadSignature));
        }
        let other = SigningKey::from_seed(Seed::from_bytes([8; 32])).verify_key();
        assert_eq!(
            other.verify("manifest", b"bytes", &signature),
            Err(BadSignature)
        );
        assert_eq!(verify.verify("manifest", b"bytes", &[]), Err(BadSignature));
    }

    #[test]
    fn no_signature_is_both_under_a_note_and_under_an_object() {
        let key = SigningKey::from_seed(Seed::from_bytes([7; 32]));
        let verify = key.verify_key();
        let signature = key.sign_note("line\n\nüml\n").unwrap();
        assert_eq!(verify.verify_note("line\n\nüml\n", &signature), Ok(()));
        assert_eq!(
            verify.verify_note("linE\n\nüml\n", &signature),
            Err(BadSignature)
        );
        // What `sign` signs, as if it were a note's text.
        let text = "tenure v1 journal\0entry";
        assert_eq!(key.sign_note(text), Err(NotNoteText));
        let signature = key.sign("journal", b"entry");
        let whole = UnparsedPublicKey::new(&ED25519, &verify.0);
        whole.verify(text.as_bytes(), &signature).unwrap();
        assert_eq!(verify.verify_note(text, &signature), Err(BadSignature));
        for control in ["\t", "\r\n", "\u{1f}"] {
            assert_eq!(key.sign_note(control), Err(NotNoteText));
        }
    }

    #[test]
    fn rfc_8032_test_1_key() {
        let seed =
            unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let key = SigningKey::from_seed(Seed::from_bytes(seed));
        assert_eq!(
            key.verify_key().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
    }
}
