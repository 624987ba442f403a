//! What the fixtures were made with. Whoever changes a value here can no longer read them.

use tenure::certificate::Certificate;
use tenure::ids::{Class, Domain, Incarnation, RepoId};
use tenure::keyring::tree::{Forest, Tree};
use tenure::secret::{DomainKey, Seed};
use tenure::sign::SigningKey;

pub const REPO: RepoId = RepoId(*b"golden-fixtures!");
/// The incarnation that wrote the fixtures.
pub const INC: Incarnation = Incarnation(*b"inc-one!");
/// Another one of the same repository.
pub const OTHER: Incarnation = Incarnation(*b"inc-two!");

pub const META: Domain = Domain::meta(INC);
/// Dictionaries'.
pub const COMMON: Domain = Domain::common(INC);
/// A shared table's: it has the number of [`COMMON`], as no such domain is given any more.
pub const SHARED: Domain = Domain { arrival: 1, ..META };
pub const ANN: Domain = customer(INC, 1);
pub const BEN: Domain = customer(INC, 2);
/// Punctured in the keyring.
pub const GONE: Domain = customer(INC, 3);
/// A customer of the other incarnation.
pub const EVA: Domain = customer(OTHER, 1);

const fn customer(inc: Incarnation, arrival: u32) -> Domain {
    Domain {
        inc,
        class: Class::CUSTOMER,
        arrival,
    }
}

/// The 32 bytes `nn nn … nn`.
pub fn seed(n: u8) -> Seed {
    Seed::from_bytes([n; 32])
}

pub fn root() -> SigningKey {
    SigningKey::from_seed(seed(0))
}

pub fn writer() -> SigningKey {
    SigningKey::from_seed(seed(1))
}

/// Nobody of this repository.
pub fn stranger() -> SigningKey {
    SigningKey::from_seed(seed(9))
}

/// Both incarnations' trees, nothing punctured.
pub fn forest() -> Forest {
    let mut forest = Forest::new();
    forest.insert(INC, Tree::plant(seed(2)));
    forest.insert(OTHER, Tree::plant(seed(3)));
    forest
}

pub fn host() -> Seed {
    seed(4)
}

pub fn epoch_secret() -> Seed {
    seed(5)
}

pub fn key(domain: Domain) -> DomainKey {
    forest().key(domain).unwrap()
}

pub fn meta() -> DomainKey {
    key(META)
}

pub fn certificate() -> Certificate {
    Certificate {
        repo: REPO,
        inc: INC,
        ordinal: 3,
        verify: writer().verify_key(),
    }
}
