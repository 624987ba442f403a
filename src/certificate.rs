//! Who may write: the root key, and the certificates that it gives to incarnations.
//!
//! # Root
//!
//! The repository's root is an Ed25519 key made by `init`. Its public half, as 64 hexadecimal
//! digits, is the repository's **fingerprint**. Its private half leaves the host at once: it is
//! kept as `root.age` in every store, an age file (age-encryption.org/v1, not armored) for the
//! recovery recipients. The plain text of that file is:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `tenureRT` |
//! | 8 | 1 | version, 1 |
//! | 9 | 16 | repository |
//! | 25 | 32 | the private key (RFC 8032 seed) |
//!
//! # Writer's certificate
//!
//! `writer/<incarnation>` in every store:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `tenureWR` |
//! | 8 | 1 | version, 1 |
//! | 9 | 16 | repository |
//! | 25 | 8 | incarnation |
//! | 33 | 4 | ordinal, big endian: 1 by `init`, one more by each `recover` |
//! | 37 | 32 | the incarnation's Ed25519 public key |
//! | 69 | 64 | the root's signature, as `writer`, over the 69 bytes before |
//!
//! The incarnation's key signs its keyrings, manifests and journal. The incarnation with the
//! highest ordinal is the one that may write.

use zeroize::Zeroizing;

use crate::ids::{Incarnation, RepoId};
use crate::secret::Seed;
use crate::sign::{SIGNATURE, SigningKey, VerifyKey};

/// The name of the root's object in a store.
pub const ROOT: &str = "root.age";

const ROOT_MAGIC: &[u8; 8] = b"tenureRT";
const ROOT_LEN: usize = 57;
const WRITER_MAGIC: &[u8; 8] = b"tenureWR";
const VERSION: u8 = 1;
const SIGNED: usize = 69;
/// The length of a certificate in bytes.
pub const LEN: usize = SIGNED + SIGNATURE;

/// Why a certificate or a root is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not what it should be at all.
    #[error("it is not {0}")]
    NotOne(&'static str),
    /// Written by a later version.
    #[error("version {0} of it is not known to this version")]
    UnknownVersion(u8),
    /// Longer or shorter than it must be.
    #[error("its length is wrong: it is damaged or cut short")]
    Torn,
    /// The root did not sign this.
    #[error(
        "the repository's root did not sign it: it is damaged, or belongs to another repository"
    )]
    NotSigned,
}

/// The place of an incarnation's certificate in a store.
pub fn path(inc: Incarnation) -> String {
    format!("writer/{inc}")
}

/// That an incarnation's key may sign for the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Which repository.
    pub repo: RepoId,
    /// Which incarnation.
    pub inc: Incarnation,
    /// The how-manieth of the repository, from 1.
    pub ordinal: u32,
    /// What its signatures are checked with.
    pub verify: VerifyKey,
}

impl Certificate {
    /// The certificate's bytes, signed by the root.
    pub fn issue(&self, root: &SigningKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend_from_slice(WRITER_MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.repo.0);
        bytes.extend_from_slice(&self.inc.0);
        bytes.extend_from_slice(&self.ordinal.to_be_bytes());
        bytes.extend_from_slice(&self.verify.0);
        let signature = root.sign("writer", &bytes);
        bytes.extend_from_slice(&signature);
        bytes
    }

    /// Reads a certificate and checks that the root with this fingerprint signed it.
    pub fn read(bytes: &[u8], fingerprint: &VerifyKey) -> Result<Self, CertificateError> {
        let certificate = Self::read_unchecked(bytes)?;
        fingerprint
            .verify("writer", &bytes[..SIGNED], &bytes[SIGNED..])
            .map_err(|_| CertificateError::NotSigned)?;
        Ok(certificate)
    }

    /// Reads a certificate whatever its signature: only to tell which repository a store *says* it
    /// belongs to.
    pub fn read_unchecked(bytes: &[u8]) -> Result<Self, CertificateError> {
        check_head(bytes, WRITER_MAGIC, LEN, "a writer's certificate")?;
        let field = |at: usize| -> &[u8] { &bytes[at..] };
        Ok(Self {
            repo: RepoId(first(field(9))),
            inc: Incarnation(first(field(25))),
            ordinal: u32::from_be_bytes(first(field(33))),
            verify: VerifyKey(first(field(37))),
        })
    }
}

/// The first `N` bytes of a slice that has been measured.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

fn check_head(
    bytes: &[u8],
    magic: &[u8; 8],
    len: usize,
    what: &'static str,
) -> Result<(), CertificateError> {
    if bytes.len() < 9 {
        return Err(CertificateError::Torn);
    }
    if bytes[..8] != *magic {
        return Err(CertificateError::NotOne(what));
    }
    if bytes[8] != VERSION {
        return Err(CertificateError::UnknownVersion(bytes[8]));
    }
    if bytes.len() != len {
        return Err(CertificateError::Torn);
    }
    Ok(())
}

/// The plain text of `root.age`.
pub fn encode_root(repo: RepoId, root: &SigningKey) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOT_LEN));
    bytes.extend_from_slice(ROOT_MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&repo.0);
    bytes.extend_from_slice(root.seed().expose());
    bytes
}

/// Reads the plain text of `root.age`.
pub fn decode_root(bytes: &[u8]) -> Result<(RepoId, SigningKey), CertificateError> {
    check_head(bytes, ROOT_MAGIC, ROOT_LEN, "a repository's root")?;
    let root = SigningKey::from_seed(Seed::from_bytes(first(&bytes[25..])));
    Ok((RepoId(first(&bytes[9..])), root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(n: u8) -> SigningKey {
        SigningKey::from_seed(Seed::from_bytes([n; 32]))
    }

    fn certificate() -> Certificate {
        Certificate {
            repo: RepoId([1; 16]),
            inc: Incarnation([2; 8]),
            ordinal: 3,
            verify: root(9).verify_key(),
        }
    }

    #[test]
    fn a_certificate_holds_under_its_own_root_alone() {
        let bytes = certificate().issue(&root(1));
        assert_eq!(
            Certificate::read(&bytes, &root(1).verify_key()),
            Ok(certificate())
        );
        let other = Certificate::read(&bytes, &root(2).verify_key());
        assert_eq!(other, Err(CertificateError::NotSigned));
        for at in 9..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            let read = Certificate::read(&flipped, &root(1).verify_key());
            assert_eq!(read, Err(CertificateError::NotSigned), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_named() {
        let bytes = certificate().issue(&root(1));
        let read = |bytes: &[u8]| Certificate::read(bytes, &root(1).verify_key()).unwrap_err();
        assert_eq!(read(&bytes[..LEN - 1]), CertificateError::Torn);
        for len in 0..9 {
            assert_eq!(read(&bytes[..len]), CertificateError::Torn);
        }
        assert_eq!(
            read(&[0; 9]),
            CertificateError::NotOne("a writer's certificate")
        );
        assert_eq!(
            read(&[0; LEN]),
            CertificateError::NotOne("a writer's certificate")
        );
        let mut later = bytes;
        later[8] = 7;
        assert_eq!(read(&later), CertificateError::UnknownVersion(7));
    }

    #[test]
    fn it_lies_under_the_name_of_its_incarnation() {
        assert_eq!(path(Incarnation([0xab; 8])), "writer/abababababababab");
    }

    #[test]
    fn a_root_comes_back() {
        let plain = encode_root(RepoId([5; 16]), &root(6));
        let (repo, back) = decode_root(&plain).unwrap();
        assert_eq!(
            (repo, back.verify_key()),
            (RepoId([5; 16]), root(6).verify_key())
        );
        assert!(matches!(
            decode_root(&plain[1..]),
            Err(CertificateError::NotOne(_))
        ));
        assert!(matches!(
            decode_root(&plain[..40]),
            Err(CertificateError::Torn)
        ));
    }
}
