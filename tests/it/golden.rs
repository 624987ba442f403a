//! Bytes that were written once by the writers of version 1 are still read, and mean what they
//! meant; and what must be refused is refused by the error that it deserves. See
//! `tests/fixtures/formats/v1/README.md`.

mod audit;
mod bad;
mod craft;
mod damage;
mod expected;
mod good;
mod keys;
mod read;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use crate::support::raw::files;

/// One of the two folders of fixtures.
pub struct Fixtures(PathBuf);

impl Fixtures {
    fn folder(name: &str) -> Self {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/formats/v1");
        Self(PathBuf::from(root).join(name))
    }

    pub fn good() -> Self {
        Self::folder("good")
    }

    pub fn bad() -> Self {
        Self::folder("bad")
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// The names of all files, by path from here, sorted.
    pub fn names(&self) -> Vec<String> {
        let name = |path: PathBuf| path.strip_prefix(&self.0).unwrap().display().to_string();
        files(&self.0).into_iter().map(name).collect()
    }

    /// What stands under a name; if nothing does, what `make` makes is written there. A file that is
    /// there is never written again.
    fn once(&self, name: &str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        let path = self.0.join(name);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create_new(&path).unwrap().write_all(&make()).unwrap();
        }
        self.read(name)
    }
}

/// With TENURE_WRITE_FIXTURES=1: writes the fixtures that are missing.
#[test]
fn fixtures_are_written_when_asked_for() {
    if std::env::var("TENURE_WRITE_FIXTURES").as_deref() == Ok("1") {
        good::write(&Fixtures::good());
        audit::write(&Fixtures::good());
        bad::write(&Fixtures::bad());
    }
    let sizes = Fixtures::good()
        .names()
        .into_iter()
        .chain(Fixtures::bad().names());
    assert!(sizes.count() > 100);
}
