//! The module `spill` against its promises.

use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::*;

fn limits(arena: usize) -> Limits {
    Limits {
        arena,
        long: 100,
        fan: 3,
    }
}

fn drain(mut sorted: Sorted) -> Vec<(Key, Vec<u8>)> {
    let mut out = Vec::new();
    loop {
        let (key, parts) = match sorted.next_record().unwrap() {
            None => return out,
            Some((key, Record::Whole(record))) => {
                out.push((key, record.to_vec()));
                continue;
            }
            Some((key, Record::Parts(parts))) => (key, parts),
        };
        let parts = parts.into_iter().map(|part| sorted.part(part).unwrap());
        out.push((key, parts.collect::<Vec<_>>().concat()));
    }
}

proptest! {
    #[test]
    fn sorts_stably_however_much_is_spilled(
        records in prop::collection::vec(
            ((0_u64..5, 0_u64..5), prop::collection::vec(any::<u8>(), 0..150), any::<bool>()), 0..200),
        arena in 1_usize..5000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut wanted: Vec<_> = records.iter().map(|(key, record, _)| (*key, record.clone())).collect();
        wanted.sort_by_key(|(key, _)| *key);
        for limits in [limits(arena), limits(ARENA)] {
            let mut sorter = Sorter::with_limits(dir.path(), limits);
            for (key, record, in_parts) in &records {
                if *in_parts {
                    let parts = record.chunks(40).map(|part| sorter.set_aside(part.to_vec()).unwrap());
                    let parts: Vec<_> = parts.collect();
                    sorter.push_parts(*key, &parts).unwrap();
                } else {
                    sorter.push(*key, record).unwrap();
                }
            }
            prop_assert_eq!(drain(sorter.finish().unwrap()), wanted.clone());
        }
    }
}

#[test]
fn what_is_spilled_has_no_name_and_is_not_plain() {
    let dir = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::with_limits(dir.path(), limits(1 << 16));
    for n in 0..10_000 {
        sorter.push((n % 7, n), b"the name of a customer").unwrap();
    }
    sorter.push((3, 0), &b"a customer".repeat(20)).unwrap();
    sorter.written().unwrap();
    let (file, end) = sorter.spill.as_ref().unwrap().raw();
    assert!(sorter.runs.len() > 5 && end > 100_000);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let mut bytes = vec![0; end as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(!bytes.windows(8).any(|w| w == b"customer"));
    assert_eq!(drain(sorter.finish().unwrap()).len(), 10_001);
}

#[test]
fn of_one_run_too_many_only_two_are_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::with_limits(dir.path(), limits(1 << 14));
    let mut n = 0;
    while sorter.runs.len() < 4 {
        sorter.push((n % 7, n), b"a record").unwrap();
        n += 1;
    }
    // What is gathered now becomes no run: it is as if it had not come.
    sorter.written().unwrap();
    sorter.arena = Arena::default();
    sorter.runs.truncate(4);
    let (_, before) = sorter.spill.as_ref().unwrap().raw();
    let sorted = sorter.finish().unwrap();
    let (_, after) = sorted.spill.as_ref().unwrap().raw();
    assert!(after < before * 8 / 5, "{before} {after}");
    let keys: Vec<Key> = drain(sorted).into_iter().map(|(key, _)| key).collect();
    assert!(keys.is_sorted() && keys.len() > 1000, "{}", keys.len());
}

#[test]
fn damage_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::with_limits(dir.path(), limits(100));
    for n in 0..100 {
        sorter.push((n, 0), &[1; 60]).unwrap();
    }
    sorter.written().unwrap();
    let (file, _) = sorter.spill.as_ref().unwrap().raw();
    file.write_all_at(&[0], 20).unwrap();
    assert!(matches!(sorter.finish().err(), Some(SpillError::Damaged)));
}
