//! What must be refused, and by which error. One line for each file in `bad/`.

mod audit;
mod chains;
mod keys;
mod packs;
mod pages;
mod pieces;

use super::read::{Refusal, refusal};
use super::{Fixtures, VERSIONS};

type Bad = (&'static str, Refusal, fn() -> Vec<u8>);

fn of(name: &str) -> Vec<u8> {
    of_version(1, name)
}

fn of_version(version: u8, name: &str) -> Vec<u8> {
    Fixtures::good(version).read(name)
}

/// A good one with this byte, counted from the start, turned over.
fn flipped(name: &str, at: usize) -> Vec<u8> {
    flip(of(name), at)
}

fn flip(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 0x20;
    bytes
}

/// Likewise, counted from the end.
fn flipped_before_end(name: &str, back: usize) -> Vec<u8> {
    flip_before_end(of(name), back)
}

fn flip_before_end(bytes: Vec<u8>, back: usize) -> Vec<u8> {
    let at = bytes.len() - back;
    flip(bytes, at)
}

/// A good one of the next version.
fn later(name: &str) -> Vec<u8> {
    of_unknown_version(of(name), 2)
}

fn of_unknown_version(mut bytes: Vec<u8>, version: u8) -> Vec<u8> {
    bytes[8] = version;
    bytes
}

fn cut(name: &str, len: usize) -> Vec<u8> {
    of(name)[..len].to_vec()
}

/// One whose last four bytes, the length of its table, say too much.
fn overlong(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 4;
    let len = bytes.len() as u32;
    bytes[at..].copy_from_slice(&len.to_le_bytes());
    bytes
}

fn all(version: u8) -> Vec<Bad> {
    let parts = match version {
        1 => vec![
            pieces::pieces(),
            packs::packs::<1>(),
            packs::packs_of_version_1(),
            pages::pages::<1>(),
            chains::journal(),
            chains::manifests(),
            keys::keyrings(),
            keys::certificates(),
            audit::records(),
            audit::checkpoints(),
        ],
        _ => vec![
            packs::packs::<2>(),
            packs::packs_of_version_2(),
            packs::dictionaries(),
            pages::pages::<2>(),
            pages::pages_of_version_2(),
        ],
    };
    parts.into_iter().flatten().collect()
}

/// Writes what is missing.
pub fn write(version: u8) {
    let bad = Fixtures::bad(version);
    for (path, _, make) in all(version) {
        bad.once(path, make);
    }
}

#[test]
fn each_is_refused_by_the_error_that_it_is_listed_with() {
    for version in VERSIONS {
        let bad = Fixtures::bad(version);
        for (path, wanted, _) in all(version) {
            let found = refusal(version, path, &bad.read(path));
            assert_eq!(found, Some(wanted), "version {version}: {path}");
        }
    }
}

#[test]
fn all_files_are_listed_and_all_that_are_listed_are_there() {
    for version in VERSIONS {
        let mut listed: Vec<_> = all(version)
            .into_iter()
            .map(|(path, ..)| path.to_owned())
            .collect();
        listed.sort();
        assert_eq!(Fixtures::bad(version).names(), listed);
    }
}
