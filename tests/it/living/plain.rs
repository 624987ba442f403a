//! No plain byte of a database reaches the disk, while it is read from a copy or afterwards.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use tenure::backup;
use tenure::report::{Report, Unit};

use super::REGISTER;
use crate::support::canary::Canary;
use crate::support::disk::Image;
use crate::support::place::Place;

/// Looks at the raw bytes when a stretch of work begins or ends, and so many times on the way.
struct Looking<'a> {
    image: &'a Image,
    canary: &'a Canary,
    looked: AtomicU64,
    least_free: AtomicU64,
}

impl Looking<'_> {
    fn look(&self) {
        assert_eq!(self.image.count(self.canary.as_str()), 0);
        self.looked.fetch_add(1, Ordering::Relaxed);
        self.least_free
            .fetch_min(self.image.free(), Ordering::Relaxed);
    }
}

impl Report for Looking<'_> {
    fn begin(&self, _: &str, _: Option<u64>, _: Unit) {
        self.look();
    }
    fn advance(&self, _: u64) {
        if self.looked.load(Ordering::Relaxed) < 12 {
            self.look();
        }
    }
    fn end(&self) {
        self.look();
    }
    fn note(&self, _: &str) {}
}

#[test]
fn no_plain_byte_of_a_copy_reaches_the_disk() {
    let Some(image) = Image::mount(512 << 20) else {
        return;
    };
    let canary = Canary::new();
    let state = image.root().join("state");
    let top = format!("state_dir = {:?}", state.to_str().unwrap());
    let place = Place::with(&top, REGISTER, "", |path| {
        let db = Connection::open(path).unwrap();
        db.execute_batch(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             CREATE TABLE notes (id INTEGER PRIMARY KEY,
                 customer_id INTEGER NOT NULL REFERENCES customers, text TEXT, more BLOB);",
        )
        .unwrap();
        // More than is sorted in memory, so that what is sorted lies there as well.
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO customers SELECT i, ?1 || ' ' || i FROM n";
        db.execute(sql, (canary.as_str(), 100)).unwrap();
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO notes SELECT i, 1 + i % 100, ?1 || ' ' || i, randomblob(3000) FROM n";
        db.execute(sql, (canary.as_str(), 30_000)).unwrap();
    });
    let bytes = fs::metadata(&place.db).unwrap().len();
    assert!(bytes > 90_000_000);
    let looking = Looking {
        image: &image,
        canary: &canary,
        looked: AtomicU64::new(0),
        least_free: AtomicU64::new(u64::MAX),
    };
    let free = image.free();
    backup::take(&mut place.change(), true, &looking).unwrap();
    looking.look();
    // The copy did lie there meanwhile, and what was sorted.
    let used = free - looking.least_free.load(Ordering::Relaxed);
    println!("{bytes} bytes were read, and up to {used} lay in the state directory");
    assert!(used > bytes + 64_000_000);
    // The same search finds what lies there plainly, also when it has no name any more.
    let plain = state.join("plain.db");
    fs::copy(&place.db, &plain).unwrap();
    assert!(image.count(canary.as_str()) > 30_000);
    fs::remove_file(&plain).unwrap();
    assert!(image.count(canary.as_str()) > 0);
}
