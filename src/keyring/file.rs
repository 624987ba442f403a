//! The keyring as bytes: what is written into age files for the recovery recipients, and into the
//! host's own copy.
//!
//! # Keyring
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `tenureKR` |
//! | 8 | 1 | version, 1 |
//! | 9 | 16 | repository |
//! | 25 | 8 | incarnation that wrote it |
//! | 33 | 8 | epoch, big endian: 1 at first, one more whenever the keyring changes, and with each new incarnation |
//! | 41 | 32 | the fingerprint (the root's public key) |
//! | 73 | 4 | a: length of the journal positions, big endian |
//! | 77 | a | how far the journals had come: CBOR array of [`Position`]s; former incarnations first, as they count |
//! | | 4 | t: number of trees, big endian |
//! | | … | per tree, ascending: incarnation (8), number of cover nodes (4, big endian), cover |
//! | end − 64 | 64 | signature by the incarnation's key, as `keyring`, over all before |
//!
//! A cover is as [`crate::keyring::tree`] describes it. In a store, `keyring/<incarnation>/<epoch
//! with ten digits>.age` is these bytes as an age file (age-encryption.org/v1, not armored) for
//! every recovery recipient.
//!
//! # The host's copy
//!
//! `<incarnation>-<epoch>.keys` in the state directory's `keyring/`:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | magic `tenureKH` |
//! | 8 | 1 | version, 1 |
//! | 9 | 16 | repository |
//! | 25 | 16 | salt: random |
//! | 41 | … | sealed (see [`crate::seal`]): the incarnation's private signing key (32), then the keyring |
//!
//! Its key is `field_key(salt, "host keyring")` of the key whose bytes are the keyed BLAKE3 of the
//! epoch secret under the host secret: both halves are needed. The epoch secret is 32 random bytes
//! in `<incarnation>-<epoch>.secret` beside it, new in each epoch, and overwritten when the epoch
//! ends: so an old image of the disk's *data* without that file's old block opens nothing.

use zeroize::Zeroizing;

use super::tree::{Forest, Tree, TreeError};
use crate::cbor::{self, Malformed};
use crate::ids::{Incarnation, RepoId};
use crate::journal::Position;
use crate::seal::{self, Kind, Place, SealError};
use crate::secret::{self, DomainKey, Seed};
use crate::sign::{SIGNATURE, SigningKey, VerifyKey};

const MAGIC: &[u8; 8] = b"tenureKR";
const HOST_MAGIC: &[u8; 8] = b"tenureKH";
const VERSION: u8 = 1;
const HOST_HEADER: usize = 41;
/// Bytes of one cover node.
const NODE: usize = 38;
/// No keyring is longer than this.
pub const MAX: u64 = 1 << 30;

/// Why a keyring is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not a keyring at all.
    #[error("it is not a keyring")]
    NotAKeyring,
    /// Written by a later version.
    #[error("version {0} of keyrings is not known to this version")]
    UnknownVersion(u8),
    /// Shorter than it must be, or lengths that do not fit.
    #[error("it is damaged or cut short")]
    Torn,
    /// Another repository's, or another root's.
    #[error("it belongs to another repository")]
    Foreign,
    /// Its writer's key did not sign it.
    #[error("its writer did not sign it: it is damaged or forged")]
    NotSigned,
    /// A tree in it is not one.
    #[error("its key tree is wrong")]
    Tree(#[from] TreeError),
    /// The journal's position in it is not one.
    #[error("its journal position is wrong")]
    Malformed(#[from] Malformed),
    /// The host's copy does not open.
    #[error("the host secret or the epoch secret does not open it")]
    Sealed(#[source] SealError),
    /// No salt could be had.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// The only secret that decides what can be read, as of one epoch.
pub struct Keyring {
    /// Whose.
    pub repo: RepoId,
    /// Which incarnation wrote it.
    pub inc: Incarnation,
    /// Its number within the incarnation.
    pub epoch: u64,
    /// The root's public key.
    pub fingerprint: VerifyKey,
    /// How far the journal had come: all its erasures up to there are punctured in the forest.
    pub journal: Vec<Position>,
    /// One tree per incarnation.
    pub forest: Forest,
}

impl Keyring {
    /// The place of this epoch's age file in a store.
    pub fn path(&self) -> String {
        path(self.inc, self.epoch)
    }

    /// The keyring's bytes, signed.
    pub fn encode(&self, writer: &SigningKey) -> Zeroizing<Vec<u8>> {
        let journal = cbor::to_vec(&self.journal);
        let size: usize = self
            .forest
            .trees()
            .map(|(_, tree)| 12 + tree.as_bytes().len())
            .sum();
        // Reserved at once: growing would leave copies of seeds behind.
        let mut out = Zeroizing::new(Vec::with_capacity(81 + journal.len() + size + SIGNATURE));
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&self.repo.0);
        out.extend_from_slice(&self.inc.0);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.fingerprint.0);
        out.extend_from_slice(&(journal.len() as u32).to_be_bytes());
        out.extend_from_slice(&journal);
        out.extend_from_slice(&(self.forest.trees().count() as u32).to_be_bytes());
        for (inc, tree) in self.forest.trees() {
            out.extend_from_slice(&inc.0);
            out.extend_from_slice(&(tree.cover_len() as u32).to_be_bytes());
            out.extend_from_slice(tree.as_bytes());
        }
        let signature = writer.sign("keyring", &out);
        out.extend_from_slice(&signature);
        out
    }

    /// Reads a keyring of `repo` whose writer's public key `verify` finds by incarnation.
    pub fn decode(
        bytes: &[u8],
        repo: RepoId,
        fingerprint: &VerifyKey,
        verify: impl FnOnce(Incarnation) -> Option<VerifyKey>,
    ) -> Result<Self, KeyringError> {
        let mut r = Reader(bytes);
        check_magic(&mut r, MAGIC)?;
        let found = RepoId(r.array()?);
        let inc = Incarnation(r.array()?);
        let epoch = u64::from_be_bytes(r.array()?);
        let root = VerifyKey(r.array()?);
        if found != repo || root != *fingerprint {
            return Err(KeyringError::Foreign);
        }
        let signed = bytes
            .len()
            .checked_sub(SIGNATURE)
            .ok_or(KeyringError::Torn)?;
        verify(inc)
            .and_then(|key| {
                key.verify("keyring", &bytes[..signed], &bytes[signed..])
                    .ok()
            })
            .ok_or(KeyringError::NotSigned)?;
        let len = u32::from_be_bytes(r.array()?) as usize;
        let journal = cbor::from_slice(r.take(len)?)?;
        let mut forest = Forest::default();
        for _ in 0..u32::from_be_bytes(r.array()?) {
            let inc = Incarnation(r.array()?);
            if forest.trees().any(|(before, _)| before >= inc) {
                return Err(KeyringError::Torn);
            }
            let nodes = u32::from_be_bytes(r.array()?) as usize;
            let cover = r.take(nodes.checked_mul(NODE).ok_or(KeyringError::Torn)?)?;
            forest.insert(inc, Tree::decode(cover)?);
        }
        if r.0.len() != SIGNATURE {
            return Err(KeyringError::Torn);
        }
        Ok(Self {
            repo,
            inc,
            epoch,
            fingerprint: root,
            journal,
            forest,
        })
    }
}

/// The place of an epoch's age file in a store.
pub fn path(inc: Incarnation, epoch: u64) -> String {
    format!("keyring/{inc}/{epoch:010}.age")
}

/// The way back of [`path`].
pub fn parse_path(path: &str) -> Option<(Incarnation, u64)> {
    let (inc, epoch) = path
        .strip_prefix("keyring/")?
        .strip_suffix(".age")?
        .split_once('/')?;
    Some((inc.parse().ok()?, epoch.parse().ok()?))
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Result<&'b [u8], KeyringError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(KeyringError::Torn)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], KeyringError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
}

fn check_magic(r: &mut Reader<'_>, magic: &[u8; 8]) -> Result<(), KeyringError> {
    if r.array::<8>()? != *magic {
        return Err(KeyringError::NotAKeyring);
    }
    match r.array::<1>()? {
        [VERSION] => Ok(()),
        [other] => Err(KeyringError::UnknownVersion(other)),
    }
}

fn host_key(host: &Seed, epoch: &Seed, salt: &[u8]) -> Seed {
    DomainKey::new(host.keyed(epoch.expose())).field_key(salt, b"host keyring")
}

fn host_place(repo: RepoId) -> Place<'static> {
    Place {
        repo,
        kind: Kind::HostKeyring,
        number: 0,
        field: b"",
    }
}

/// Seals a keyring's bytes and the signing key for the host, under both halves.
pub fn seal_for_host(
    repo: RepoId,
    writer: &SigningKey,
    keyring: &[u8],
    host: &Seed,
    epoch: &Seed,
) -> Result<Vec<u8>, KeyringError> {
    let salt: [u8; 16] = secret::random().map_err(|_| KeyringError::NoRandomness)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(32 + keyring.len()));
    plain.extend_from_slice(writer.seed().expose());
    plain.extend_from_slice(keyring);
    let sealed = seal::encrypt(
        &host_key(host, epoch, &salt),
        &host_place(repo),
        seal::plain_frame(&plain),
    );
    let mut out = Vec::with_capacity(HOST_HEADER + sealed.len());
    out.extend_from_slice(HOST_MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&repo.0);
    out.extend_from_slice(&salt);
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// The way back of [`seal_for_host`]: the signing key and the keyring's bytes.
pub fn open_for_host(
    bytes: &[u8],
    repo: RepoId,
    host: &Seed,
    epoch: &Seed,
) -> Result<(SigningKey, Zeroizing<Vec<u8>>), KeyringError> {
    let mut r = Reader(bytes);
    check_magic(&mut r, HOST_MAGIC)?;
    if RepoId(r.array()?) != repo {
        return Err(KeyringError::Foreign);
    }
    let salt: [u8; 16] = r.array()?;
    let plain = seal::open(&host_key(host, epoch, &salt), &host_place(repo), r.0)
        .map_err(KeyringError::Sealed)?;
    let (seed, keyring) = plain.split_first_chunk::<32>().ok_or(KeyringError::Torn)?;
    let writer = SigningKey::from_seed(Seed::from_bytes(*seed));
    Ok((writer, Zeroizing::new(keyring.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Domain;

    const REPO: RepoId = RepoId([1; 16]);
    const INC: Incarnation = Incarnation([2; 8]);

    fn signing(n: u8) -> SigningKey {
        SigningKey::from_seed(Seed::from_bytes([n; 32]))
    }

    fn keyring() -> Keyring {
        let mut forest = Forest::default();
        for n in [2, 3] {
            forest.insert(Incarnation([n; 8]), Tree::plant(Seed::from_bytes([n; 32])));
        }
        forest.puncture(&[Domain {
            arrival: 9,
            ..Domain::meta(INC)
        }]);
        Keyring {
            repo: REPO,
            inc: INC,
            epoch: 5,
            fingerprint: signing(1).verify_key(),
            journal: vec![Position {
                inc: INC,
                len: 3,
                hash: [4; 32],
            }],
            forest,
        }
    }

    fn decode(bytes: &[u8]) -> Result<Keyring, KeyringError> {
        let verify = |inc| (inc == INC).then(|| signing(7).verify_key());
        Keyring::decode(bytes, REPO, &signing(1).verify_key(), verify)
    }

    #[test]
    fn a_keyring_comes_back() {
        let (keyring, bytes) = (keyring(), keyring().encode(&signing(7)));
        let back = decode(&bytes).unwrap();
        assert_eq!((back.epoch, &back.journal), (5, &keyring.journal));
        assert_eq!(back.encode(&signing(7)), bytes);
        // It never grew: room was made once, for exactly this.
        assert_eq!(bytes.capacity(), bytes.len());
        let punctured = Domain {
            arrival: 9,
            ..Domain::meta(INC)
        };
        assert!(back.forest.key(punctured).is_none());
        assert!(
            back.forest
                .key(Domain {
                    arrival: 8,
                    ..punctured
                })
                .is_some()
        );
        assert_eq!(parse_path(&back.path()), Some((INC, 5)));
        assert_eq!(parse_path("keyring/x/1.age"), None);
    }

    #[test]
    fn what_is_not_this_repository_s_keyring_is_refused_by_name() {
        let good = keyring().encode(&signing(7));
        let err = |bytes: &[u8]| decode(bytes).err();
        assert_eq!(
            err(&keyring().encode(&signing(8))),
            Some(KeyringError::NotSigned)
        );
        assert_eq!(err(&good[..20]), Some(KeyringError::Torn));
        assert_eq!(err(&good[..good.len() - 1]), Some(KeyringError::NotSigned));
        for (at, wanted) in [
            (0, KeyringError::NotAKeyring),
            (8, KeyringError::UnknownVersion(0)),
            (9, KeyringError::Foreign),
            (25, KeyringError::NotSigned),
            (41, KeyringError::Foreign),
            (80, KeyringError::NotSigned),
            (good.len() - 1, KeyringError::NotSigned),
        ] {
            let mut flipped = good.to_vec();
            flipped[at] ^= 1;
            assert_eq!(err(&flipped), Some(wanted), "byte {at}");
        }
        // Signed, and wrong all the same: a tree that says it has one node more than there is.
        let mut lying = good[..good.len() - SIGNATURE].to_vec();
        let nodes = 77 + u32::from_be_bytes(lying[73..77].try_into().unwrap()) as usize + 4 + 8 + 3;
        lying[nodes] += 1;
        let signature = signing(7).sign("keyring", &lying);
        lying.extend_from_slice(&signature);
        assert!(matches!(
            err(&lying),
            Some(KeyringError::Torn | KeyringError::Tree(_))
        ));
    }

    #[test]
    fn the_host_s_copy_needs_both_halves() {
        let seed = |n| Seed::from_bytes([n; 32]);
        let sealed = seal_for_host(REPO, &signing(7), b"keyring", &seed(1), &seed(2)).unwrap();
        let (writer, keyring) = open_for_host(&sealed, REPO, &seed(1), &seed(2)).unwrap();
        assert_eq!(writer.verify_key(), signing(7).verify_key());
        assert_eq!(keyring.as_slice(), b"keyring");
        for (host, epoch) in [(1, 1), (2, 2), (2, 1)] {
            let opened = open_for_host(&sealed, REPO, &seed(host), &seed(epoch)).err();
            assert_eq!(opened, Some(KeyringError::Sealed(SealError::NotAuthentic)));
        }
        let foreign = open_for_host(&sealed, RepoId([9; 16]), &seed(1), &seed(2)).err();
        assert_eq!(foreign, Some(KeyringError::Foreign));
        assert_eq!(
            open_for_host(&sealed[..30], REPO, &seed(1), &seed(2)).err(),
            Some(KeyringError::Torn)
        );
    }
}
