//! Known answers of the cryptography, computed again each time the program starts.
//!
//! A build for another processor, a broken library or a bit that flips in a machine's code must not be found out by the
//! first restore. All goes through the functions that seal and open everything else; it takes less than a millisecond.
//!
//! The vectors: BLAKE3's own (31,744 bytes of its test file); RFC 8032's first key; AES-256-GCM and the signature as
//! another implementation has them (OpenSSL); a file that the reference implementation of age has encrypted.

use base64::prelude::{BASE64_STANDARD, Engine};
use blake3::hazmat::hash_derive_key_context;

use crate::error::{Failure, Outcome};
use crate::ids::{RepoId, unhex};
use crate::keyring::recovery;
use crate::seal::{self, Kind, Place};
use crate::secret::Seed;
use crate::sign::SigningKey;

const KEYED: &str = "efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419";
const DERIVED: &str = "3a3811745f2befb9405149346551dada955d268929e5d9111fa86c3d505526cd";
const SEALED_HEAD: &str = "0ebdb7ddb12985ba00a1a33e14219f96";
const SEALED_TAG: &str = "027d39d10a021fb75ae84c2ce70f0a0d";
const SECRET: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const SIGNATURE: &str = "6675d0142ecb8a3840d6bd58b26bd5400ca3866b3e5e6c58e66de99728d53b5f\
                         da16ef6caad219f254af910f4bd155f6fd97417edbea1e0b53e693cedb2b6f07";
/// Not secret: the identity of age's own test files.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const ENCRYPTED: &str = "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBqdUpPTm1TclR3NmJzUmNQdWhBMDlZazIyd0JHYzdz\
                         RjRUUGI0R09aU21jCnNvRFJhUlk0YTR2NU9COElCRzNURzNYdWZSWStHanBQMHZpM0lQa05vS0UKLS0tIFor\
                         MU5RVnRqWndRYmYwcGtXaDNjMDduelBEN1R2Y2ZuN2VFK2lEdUhWSTgKhllUQ0nMct2Vte0aSCpE99PPL2cA\
                         llYxVeiubWjrTdf0CoSM1IycXhdgaFE=";

/// Computes every known answer.
///
/// # Errors
/// Names the algorithm that gives another answer. Then nothing may be read or written here.
pub fn run() -> Outcome<()> {
    all_right(&[
        ("BLAKE3", hashes),
        ("AES-256-GCM", seals),
        ("Ed25519", signs),
        ("zstd", compresses),
        ("age", decrypts),
    ])
}

/// An algorithm, and whether its answers are right.
type Check = (&'static str, fn() -> bool);

fn all_right(checks: &[Check]) -> Outcome<()> {
    match checks.iter().find(|(_, is_right)| !is_right()) {
        None => Ok(()),
        Some((wrong, _)) => {
            let what = format!("{wrong} gives a wrong answer here, so nothing was read or written");
            let hint =
                "this program or this machine is broken: try another build, then another machine";
            Err(Failure::new(what).hint(hint))
        }
    }
}

/// Bytes as BLAKE3's test file counts them.
fn counted(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// The bytes 00 to 1f.
fn key() -> Seed {
    Seed::from_bytes(std::array::from_fn(|at| at as u8))
}

fn hashes() -> bool {
    let elvish = Seed::from_bytes(*b"whats the Elvish word for friend");
    let context = hash_derive_key_context("BLAKE3 2019-12-27 16:29:52 test vectors context");
    is(elvish.keyed(&counted(31_744)).expose(), KEYED)
        && is(key().derive(&context).expose(), DERIVED)
}

fn place() -> Place<'static> {
    Place {
        repo: RepoId([3; 16]),
        kind: Kind::Blob,
        number: 7,
        field: b"field",
    }
}

fn seals() -> bool {
    let frame = counted(600);
    let mut sealed = seal::encrypt(&key(), &place(), frame.clone());
    let right = is(&sealed[..16], SEALED_HEAD) && is(&sealed[600..], SEALED_TAG);
    let opened = seal::decrypt(&key(), &place(), &sealed).is_ok_and(|plain| *plain == frame);
    sealed[300] ^= 1;
    right && opened && seal::decrypt(&key(), &place(), &sealed).is_err()
}

fn signs() -> bool {
    let Some(secret) = unhex(SECRET) else {
        return false;
    };
    let key = SigningKey::from_seed(Seed::from_bytes(secret));
    let signature = key.sign("selftest", b"abc");
    let verify = key.verify_key();
    is(&signature, SIGNATURE)
        && verify.verify("selftest", b"abc", &signature).is_ok()
        && verify.verify("selftest", b"abd", &signature).is_err()
}

fn compresses() -> bool {
    let plain = counted(2_000);
    let sealed = seal::seal(&key(), &place(), &plain);
    let opened = sealed.and_then(|sealed| seal::open(&key(), &place(), &sealed));
    opened.is_ok_and(|opened| *opened == plain)
}

fn decrypts() -> bool {
    let opened = || {
        let identities = recovery::identities(IDENTITY).ok()?;
        recovery::decrypt(&identities, &BASE64_STANDARD.decode(ENCRYPTED).ok()?).ok()
    };
    opened().is_some_and(|plain| *plain == b"known answer")
}

fn is(bytes: &[u8], hex: &str) -> bool {
    crate::ids::hex(bytes) == hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_answers_are_right() {
        run().unwrap();
    }

    #[test]
    fn a_wrong_answer_is_named() {
        let failure = all_right(&[("BLAKE3", hashes), ("Ed25519", || false)]).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "Ed25519 gives a wrong answer here, so nothing was read or written"
        );
    }

    #[test]
    fn an_answer_that_differs_in_one_bit_is_wrong() {
        let mut sealed = seal::encrypt(&key(), &place(), counted(600));
        assert!(is(&sealed[600..], SEALED_TAG));
        sealed[615] ^= 1;
        assert!(!is(&sealed[600..], SEALED_TAG));
    }
}
