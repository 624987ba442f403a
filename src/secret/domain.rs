//! The key of a domain, and every key that follows from it.
//!
//! A domain's key is the 32-byte seed of its leaf in the key tree (`keyring::tree` says how that
//! follows from the tree's root). It encrypts nothing itself: each use has a key of its own.
//! With `derive_key(context, material)` and `keyed_hash(key, message)` as BLAKE3 defines them,
//! `‖` for "followed by", `be32` and `be64` for unsigned integers of 4 and 8 bytes, most
//! significant byte first, and `K` for the domain's key:
//!
//! | key | for | derivation |
//! |---|---|---|
//! | name | naming pieces | `derive_key("tenure v1 2026-11 piece name", K)` |
//! | blob | encrypting blob `number` of the pack whose salt is `salt` (16 bytes) | `keyed_hash(derive_key("tenure v1 2026-11 blob", K), salt ‖ be32(number))` |
//! | field | sealing something outside packs | `keyed_hash(derive_key("tenure v1 2026-11 field", K), be64(length of salt) ‖ salt ‖ be64(length of label) ‖ label)` |
//! | recognise | recognising an erased customer; of `meta` only | `derive_key("tenure v1 2026-11 recognise", K)` |
//!
//! The four contexts keep the uses apart. Within a use, no two different inputs give the same
//! message: a blob's is of fixed length, a field's carries its lengths. So with a salt that is
//! drawn anew for each pack and each sealing, no key ever meets two plaintexts.
//!
//! # Vectors
//!
//! `K` = `00 01 … 1f`, salt = `a0 a1 … af`:
//!
//! ```text
//! name                        c98a383c7a458d368fe2612e841b2970948f47b21282dd4a6108e2b9f5e82d4e
//! blob, number 7              07479c5ff4bc8bf0dee2f5b910b0e51554eee4b35e4354f60cbb883a20b08d87
//! field, label "customer id"  ebaaf84823aa5a1ba9c737895458f15a59f5bbf97cd4198177825241fa80fbf5
//! recognise                   e33ea4219d63a89d1d6c15a25315fee50bc791a9e9adcc21b193cb7b0c3b1c49
//! ```

use std::fmt;
use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, hash_derive_key_context};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Seed;

static NAME: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("tenure v1 2026-11 piece name"));
static BLOB: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("tenure v1 2026-11 blob"));
static FIELD: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("tenure v1 2026-11 field"));
static RECOGNISE: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("tenure v1 2026-11 recognise"));

/// The key of one domain. Who has it can read all that is stored of the domain, and nothing else.
#[derive(ZeroizeOnDrop)]
pub struct DomainKey(Seed);

impl DomainKey {
    /// The length of a pack's salt, in bytes.
    pub const PACK_SALT_LEN: usize = 16;

    /// The domain key whose bytes are `seed`: a leaf of a key tree.
    pub fn new(seed: Seed) -> Self {
        Self(seed)
    }

    /// The key under which the domain's pieces are named: equal pieces of one domain have equal
    /// names, and names of two domains cannot be compared.
    pub fn name_key(&self) -> Seed {
        self.0.derive(&NAME)
    }

    /// The key of one blob: the `number`th (from 0) of the pack with this salt.
    pub fn blob_key(&self, pack_salt: &[u8; Self::PACK_SALT_LEN], number: u32) -> Seed {
        let mut message = [0; Self::PACK_SALT_LEN + 4];
        let (salt, index) = message.split_at_mut(Self::PACK_SALT_LEN);
        salt.copy_from_slice(pack_salt);
        index.copy_from_slice(&number.to_be_bytes());
        self.0.derive(&BLOB).keyed(&message)
    }

    /// The key of one thing that is sealed outside packs: `salt` is random and of that sealing
    /// alone, `label` says what kind of thing it is.
    pub fn field_key(&self, salt: &[u8], label: &[u8]) -> Seed {
        let key = self.0.derive(&FIELD);
        let mut hasher = blake3::Hasher::new_keyed(key.expose());
        for part in [salt, label] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let seed = Seed::from_hash(hasher.finalize());
        hasher.zeroize();
        seed
    }

    /// The key of the hashes by which an erased customer is recognised when it comes back. It is
    /// `meta`'s to have: the customer's own key is gone by then.
    pub fn recognise_key(&self) -> Seed {
        self.0.derive(&RECOGNISE)
    }
}

impl fmt::Debug for DomainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainKey(…)")
    }
}

#[cfg(test)]
impl DomainKey {
    /// The leaf itself, for comparison with a model.
    pub(crate) fn expose(&self) -> &[u8; Seed::LEN] {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SALT: [u8; 16] = [
        0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae,
        0xaf,
    ];

    fn key() -> DomainKey {
        DomainKey::new(Seed::from_bytes(std::array::from_fn(|i| i as u8)))
    }

    /// The vectors as the module text has them, so that text and code cannot part.
    fn vector(name: &str) -> String {
        let line = include_str!("domain.rs")
            .lines()
            .find_map(|line| line.strip_prefix("//! ")?.strip_prefix(name))
            .unwrap();
        line.trim().to_owned()
    }

    fn hex(seed: &Seed) -> String {
        seed.expose().iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn vectors_of_the_module_text() {
        let key = key();
        assert_eq!(hex(&key.name_key()), vector("name  "));
        assert_eq!(hex(&key.blob_key(&SALT, 7)), vector("blob, number 7"));
        assert_eq!(
            hex(&key.field_key(&SALT, b"customer id")),
            vector("field, label \"customer id\"")
        );
        assert_eq!(hex(&key.recognise_key()), vector("recognise  "));
    }

    #[test]
    fn every_use_and_every_domain_has_keys_of_its_own() {
        let mut seen = BTreeSet::new();
        for first in [0, 1] {
            let key = DomainKey::new(Seed::from_bytes(std::array::from_fn(|i| i as u8 ^ first)));
            let keys = [
                key.name_key(),
                key.recognise_key(),
                key.blob_key(&SALT, 0),
                key.blob_key(&SALT, 1),
                key.blob_key(&[0; 16], 0),
                key.field_key(&SALT, b""),
                key.field_key(&SALT, b"label"),
                key.field_key(b"", b"label"),
                key.field_key(b"", b""),
            ];
            for seed in keys {
                assert!(seen.insert(*seed.expose()));
            }
        }
    }

    proptest! {
        #[test]
        fn no_two_fields_share_a_message(
            text in proptest::collection::vec(any::<u8>(), 0..40),
            a in any::<prop::sample::Index>(),
            b in any::<prop::sample::Index>(),
        ) {
            let (a, b) = (a.index(text.len() + 1), b.index(text.len() + 1));
            let key = key();
            let (left, right) = (text.split_at(a), text.split_at(b));
            let same = key.field_key(left.0, left.1) == key.field_key(right.0, right.1);
            prop_assert_eq!(same, a == b);
        }
    }
}
