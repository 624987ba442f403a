//! What a small customer costs beyond the compressed bytes.

use rusqlite::Connection;
use tenure::ids::Class;
use tenure::pack::Pack;

use crate::support::place::Place;
use crate::support::raw::files;

const CUSTOMERS: u64 = 20_000;

#[test]
fn a_small_customer_costs_less_than_100_bytes_beyond_its_own() {
    let place = Place::new("table = \"customers\"\nkey = \"id\"", "", |db| {
        let mut db = Connection::open(db).unwrap();
        db.execute_batch("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
            .unwrap();
        let all = db.transaction().unwrap();
        for id in 0..CUSTOMERS {
            let row = (id as i64, format!("Customer {id} of many, in a row"));
            all.execute("INSERT INTO customers VALUES (?, ?)", row)
                .unwrap();
        }
        all.commit().unwrap();
    });
    place.snapshot(true);
    let store = place.path("a");
    let repository = place.read();
    let meta = repository.meta().unwrap();
    let (mut all, mut sealed) = (0, 0);
    for folder in ["packs", "pages", "snapshots"] {
        for path in files(&store.join(folder)) {
            let bytes = std::fs::read(&path).unwrap();
            all += bytes.len() as u64;
            if folder == "packs" {
                let name = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
                let pack = Pack::read(name, bytes.into()).unwrap();
                let contents = pack.contents(repository.id(), &meta).unwrap();
                let blobs = contents
                    .iter()
                    .filter(|entry| entry.domain.class != Class::OWN);
                // A blob is the compressed bytes and a tag of 16, which is not the customer's.
                sealed += blobs.map(|blob| u64::from(blob.slot.len) - 16).sum::<u64>();
            }
        }
    }
    let each = (all - sealed) as f64 / CUSTOMERS as f64;
    println!(
        "{each:.1} bytes for each customer beyond the {} of its blob",
        sealed / CUSTOMERS
    );
    assert!(each < 100.0, "{each:.1} bytes");
}
