//! What must be refused, and by which error. One line for each file in `bad/`.

mod audit;
mod chains;
mod keys;
mod pages;
mod pieces;

use super::Fixtures;
use super::read::{Refusal, refusal};

type Bad = (&'static str, Refusal, fn() -> Vec<u8>);

fn of(name: &str) -> Vec<u8> {
    Fixtures::good().read(name)
}

/// A good one with this byte, counted from the start, turned over.
fn flipped(name: &str, at: usize) -> Vec<u8> {
    let mut bytes = of(name);
    bytes[at] ^= 0x20;
    bytes
}

/// Likewise, counted from the end.
fn flipped_before_end(name: &str, back: usize) -> Vec<u8> {
    flipped(name, of(name).len() - back)
}

/// A good one of the next version.
fn later(name: &str) -> Vec<u8> {
    let mut bytes = of(name);
    bytes[8] = 2;
    bytes
}

fn cut(name: &str, len: usize) -> Vec<u8> {
    of(name)[..len].to_vec()
}

/// A good one whose last four bytes, the length of its table, say too much.
fn overlong(name: &str) -> Vec<u8> {
    let mut bytes = of(name);
    let at = bytes.len() - 4;
    let len = bytes.len() as u32;
    bytes[at..].copy_from_slice(&len.to_le_bytes());
    bytes
}

fn all() -> Vec<Bad> {
    [
        pieces::pieces(),
        pieces::packs(),
        pages::pages(),
        chains::journal(),
        chains::manifests(),
        keys::keyrings(),
        keys::certificates(),
        audit::records(),
        audit::checkpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Writes what is missing.
pub fn write(bad: &Fixtures) {
    for (path, _, make) in all() {
        bad.once(path, make);
    }
}

#[test]
fn each_is_refused_by_the_error_that_it_is_listed_with() {
    let bad = Fixtures::bad();
    for (path, wanted, _) in all() {
        assert_eq!(refusal(path, &bad.read(path)), Some(wanted), "{path}");
    }
}

#[test]
fn all_files_are_listed_and_all_that_are_listed_are_there() {
    let mut listed: Vec<_> = all()
        .into_iter()
        .map(|(path, ..)| path.to_owned())
        .collect();
    listed.sort();
    assert_eq!(Fixtures::bad().names(), listed);
}
