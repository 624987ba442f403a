//! Secrets as types: bytes that wipe themselves, are never printed and never copied by accident.
//!
//! [`Seed`] is 32 secret bytes, the one size of secret that Tenure has: a node of the key tree, a
//! subkey, a half of the host's key. [`DomainKey`] is the seed of one domain and the one place
//! where keys are derived from it. [`LockedBytes`] is where secrets live that stay for longer than
//! a call: the keyring's cover. [`harden_process`] keeps all of it out of core dumps.
//!
//! **Invariant:** no type in here has `Clone`, `Copy` or `Serialize`, and its `Debug` says nothing.
//! Bytes leave by `expose` and `as_slice` only, so that is what a reviewer searches for.
//!
//! **What wiping is worth.** A seed is overwritten when its owner lets go of it, and so is every
//! copy that this module makes knowingly. The compiler may still leave copies in registers and on
//! the stack when it moves a value; they are short-lived and overwritten by what runs next. What
//! stays for long (the cover, a walker's path) is therefore not moved about: it lies in
//! [`LockedBytes`], of which only the address moves.

mod domain;
mod locked;

use std::fmt;

use blake3::hazmat::{ContextKey, HasherExt};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use domain::DomainKey;
pub use locked::LockedBytes;

/// What can go wrong with secrets before there is one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The system's source of randomness refused. Nothing may be encrypted without it.
    #[error("the system gave no random bytes")]
    NoRandomness,
    /// A protection of the whole process could not be switched on.
    #[error("cannot {what}")]
    NotHardened {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// `N` bytes of the system's randomness that need not be secret: salts, ids.
///
/// They come from the kernel, as all randomness does here: a generator of the process's own would take
/// longer to find its first seed than a small command to do its work.
///
/// # Errors
/// [`SecretError::NoRandomness`], as for [`Seed::random`].
pub fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SecretError::NoRandomness)?;
    Ok(bytes)
}

/// 32 secret bytes. Overwritten on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; Self::LEN]);

impl Seed {
    /// The length of every seed, in bytes.
    pub const LEN: usize = 32;

    /// A fresh seed from the system's randomness.
    ///
    /// # Errors
    /// [`SecretError::NoRandomness`], after which nothing that needs a new key may go on.
    pub fn random() -> Result<Self, SecretError> {
        let mut seed = Self([0; Self::LEN]);
        getrandom::fill(&mut seed.0).map_err(|_| SecretError::NoRandomness)?;
        Ok(seed)
    }

    /// Takes bytes over, and wipes the argument. An array is copied when it is passed: a caller
    /// that keeps its own copy in a variable wipes that one itself.
    pub fn from_bytes(mut bytes: [u8; Self::LEN]) -> Self {
        let seed = Self(bytes);
        bytes.zeroize();
        seed
    }

    /// The bytes themselves: for ciphers, and for files that are encrypted as a whole.
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// BLAKE3 in its key derivation mode: context `context`, key material this seed. A context is
    /// a fixed text that nothing else uses; it comes as its hash, which is always the same.
    pub fn derive(&self, context: &ContextKey) -> Self {
        let mut hasher = blake3::Hasher::new_from_context_key(context);
        hasher.update(&self.0);
        let seed = Self::from_hash(hasher.finalize());
        hasher.zeroize();
        seed
    }

    /// BLAKE3 in its keyed mode: key this seed, message `message`.
    pub fn keyed(&self, message: &[u8]) -> Self {
        Self::from_hash(blake3::keyed_hash(&self.0, message))
    }

    fn from_hash(mut hash: blake3::Hash) -> Self {
        let seed = Self(*hash.as_bytes());
        hash.zeroize();
        seed
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// For tests only: nothing that runs compares secrets.
#[cfg(test)]
impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

/// Keeps this process's memory to itself: no core dumps, no attaching debugger but root's. To be
/// called first thing, before any secret is read. It does not survive `exec`, so programs that
/// this one starts are not affected by the first half; the core limit they inherit.
///
/// # Errors
/// [`SecretError::NotHardened`], naming which of the two the system refused.
pub fn harden_process() -> Result<(), SecretError> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit};

    let refused = |what| {
        move |errno: rustix::io::Errno| SecretError::NotHardened {
            what,
            source: errno.into(),
        }
    };
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(refused("make the process undumpable"))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none)
        .map_err(refused("set the limit for core files to nothing"))
}

#[cfg(test)]
mod tests {
    use blake3::hazmat::hash_derive_key_context;

    use super::*;

    #[test]
    fn random_seeds_differ() {
        let (a, b) = (Seed::random().unwrap(), Seed::random().unwrap());
        assert!(a != b);
        assert!(a != Seed::from_bytes([0; 32]));
    }

    #[test]
    fn random_bytes_differ() {
        let (a, b) = (random::<16>().unwrap(), random::<16>().unwrap());
        assert!(a != b && a != [0; 16] && b != [0; 16]);
    }

    #[test]
    fn a_seed_is_the_bytes_it_was_made_from() {
        let bytes: [u8; 32] = std::array::from_fn(|i| i as u8);
        assert_eq!(Seed::from_bytes(bytes).expose(), &bytes);
        assert_eq!(Seed::from_bytes(bytes), Seed::from_bytes(bytes));
    }

    #[test]
    fn derived_and_keyed_are_blake3() {
        let seed = Seed::from_bytes([7; 32]);
        let context = "tenure test context";
        assert_eq!(
            seed.derive(&hash_derive_key_context(context)).expose(),
            &blake3::derive_key(context, &[7; 32])
        );
        assert_eq!(
            seed.keyed(b"message").expose(),
            blake3::keyed_hash(&[7; 32], b"message").as_bytes()
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let seed = Seed::from_bytes([0x41; 32]);
        assert_eq!(format!("{seed:?}"), "Seed(…)");
        assert_eq!(format!("{:?}", DomainKey::new(seed)), "DomainKey(…)");
    }

    #[test]
    fn secrets_wipe_themselves() {
        fn wipes<T: ZeroizeOnDrop>() {}
        wipes::<Seed>();
        wipes::<DomainKey>();
        wipes::<LockedBytes>();
    }

    #[test]
    fn a_hardened_process_is_not_dumped() {
        harden_process().unwrap();
        let dumpable = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
        let core = rustix::process::getrlimit(rustix::process::Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    }

    #[test]
    fn errors_name_the_protection_and_keep_the_cause() {
        let error = SecretError::NotHardened {
            what: "make the process undumpable",
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        assert_eq!(error.to_string(), "cannot make the process undumpable");
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), "permission denied");
    }
}
