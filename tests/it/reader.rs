//! An independent reader, in another language and written from the text of the format modules alone
//! (`tests/reader`), finds in a repository what we find.

mod python;

use tenure::clock::Timestamp;

use crate::support::place::Place;
use python::Reader;

#[test]
fn the_snapshots_are_those_that_we_list() {
    let Some(reader) = Reader::found() else {
        return;
    };
    let place = Place::new("table = \"c\"\nkey = \"id\"", "", |db| {
        let made =
            "CREATE TABLE c (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO c VALUES (1, 'ann')";
        let db = rusqlite::Connection::open(db).unwrap();
        db.execute_batch(made).unwrap();
    });
    place.snapshot(false);
    place.snapshot(false);
    for store in ["a", "b"] {
        let listed = reader.list(&place, store);
        let repository = place.read();
        let ours = repository.catalog.snapshots().unwrap();
        assert_eq!(listed.len(), 2);
        for (theirs, ours) in listed.iter().zip(&ours) {
            assert_eq!(theirs["incarnation"], ours.id.inc.to_string());
            assert_eq!(theirs["snapshot"], ours.id.number);
            assert_eq!(theirs["kind"], ours.kind.to_string());
            let time = |field: &str| Timestamp::parse(theirs[field].as_str().unwrap()).unwrap();
            assert_eq!(time("started"), ours.started);
            assert_eq!(time("finished"), ours.finished);
            assert_eq!(theirs["customers"], ours.customers);
        }
    }
}
