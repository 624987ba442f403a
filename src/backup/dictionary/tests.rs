//! A sample against its promises, and what becomes of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::ids::{Class, Incarnation, RepoId};
use crate::piece::{self, Cell};
use crate::secret::{DomainKey, Seed};
use crate::value::{Value, ValueRef};

const INC: Incarnation = Incarnation([2; 8]);

fn domain(class: u8, arrival: u32) -> Domain {
    let class = Class(class);
    Domain {
        inc: INC,
        class,
        arrival,
    }
}

fn row(cells: &[Cell<'_>]) -> Vec<u8> {
    let mut row = Vec::new();
    piece::encode_row(&mut row, 1, Some(5), cells.iter().copied());
    row
}

fn text(text: &str) -> Vec<u8> {
    row(&[Cell::Value(ValueRef::Text(text.as_bytes()))])
}

fn holds(dictionary: &Dictionary, what: &str) -> bool {
    memchr::memmem::find(dictionary.bytes(), what.as_bytes()).is_some()
}

/// A sample of customers who all have the first text, and so many of whom have the others.
fn sample(all: u32, first: &str, some: &[(u32, &str)]) -> Sample {
    let mut sample = Sample::new();
    for arrival in 0..all {
        sample.add(domain(1, arrival), &text(first));
        for (_, others) in some.iter().filter(|(count, _)| arrival < *count) {
            sample.add(domain(1, arrival), &text(others));
        }
    }
    sample
}

#[test]
fn what_fifty_customers_share_is_in_it_and_what_fewer_do_is_not() {
    let some = [(50, "fiftieth"), (49, "fortyninth"), (1, "lonely")];
    let dictionary = sample(60, "everybody", &some).dictionary().unwrap();
    assert!(holds(&dictionary, "everybody") && holds(&dictionary, "fiftieth"));
    assert!(!holds(&dictionary, "fortyninth") && !holds(&dictionary, "lonely"));
}

#[test]
fn fewer_customers_make_none_not_even_one_of_statistics() {
    assert!(sample(49, "everybody", &[]).dictionary().is_none());
    assert!(sample(50, "everybody", &[]).dictionary().is_some());
    assert!(Sample::new().dictionary().is_none());
}

#[test]
fn a_customer_of_two_classes_is_counted_once() {
    let mut classes = sample(60, "everybody", &[(49, "both classes")]);
    (0..49).for_each(|arrival| classes.add(domain(2, arrival), &text("both classes")));
    assert!(!holds(&classes.dictionary().unwrap(), "classes"));
}

#[test]
fn common_words_in_an_order_of_few_are_no_run() {
    let [ordered, turned] = ["amber birch cedar", "cedar birch amber"];
    let some = sample(60, ordered, &[(49, turned)]).dictionary().unwrap();
    assert!(holds(&some, ordered) && !holds(&some, turned));
}

#[test]
fn who_has_more_than_all_others_leaves_them_their_room() {
    let mut sample = Sample::new();
    // Number 0 stays however often the sample is halved.
    for n in 0..5_000 {
        let own = format!("{n:>4000}");
        sample.add(domain(1, 0), &text(&own));
    }
    (1..100).for_each(|arrival| sample.add(domain(1, arrival), &text("everybody")));
    assert!(holds(&sample.dictionary().unwrap(), "everybody"));
}

/// What a customer has in a sample.
fn kept(sample: &Sample) -> BTreeMap<u32, Vec<Vec<u8>>> {
    let mut kept: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
    for ((_, arrival), range) in &sample.rows {
        let row = sample.bytes[range.clone()].to_vec();
        kept.entry(*arrival).or_default().push(row);
    }
    kept
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Real),
        "[a-c ,.@ü€]{0,60}".prop_map(|text| Value::Text(text.into_bytes())),
        "[0-9]{4}-0[1-9]-0[1-9]".prop_map(|text| Value::Text(text.into_bytes())),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Value::Blob),
    ]
}

/// The parts of a row as ranges of it, none where a run ends.
fn parts(row: &[u8]) -> Vec<Option<Range<usize>>> {
    let mut parts = Vec::new();
    words(row, &mut |word| {
        parts.push(word.map(|word| {
            let start = word.as_ptr() as usize - row.as_ptr() as usize;
            start..start + word.len()
        }));
    });
    parts
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sample_keeps_its_room_and_customers_whole(
        room in 0_usize..2_000,
        rows in prop::collection::vec((0_u32..64, 0_usize..5_000), 0..200),
    ) {
        let mut sample = Sample::with_room(room);
        let mut all: BTreeMap<u32, Vec<Vec<u8>>> = BTreeMap::new();
        for (n, (arrival, len)) in rows.into_iter().enumerate() {
            let row = vec![n as u8; len / 100];
            sample.add(domain(1, arrival), &row);
            prop_assert!(sample.bytes.len() <= room);
            all.entry(arrival).or_default().push(row);
        }
        for (arrival, rows) in kept(&sample) {
            prop_assert_eq!(Some(&rows), all.get(&arrival));
        }
        let whole = all.values().flatten().map(Vec::len).sum::<usize>() <= room;
        prop_assert!(!whole || kept(&sample) == all);
    }

    #[test]
    fn the_words_of_a_row_are_the_row(values in prop::collection::vec(values(), 0..6)) {
        let cells: Vec<_> = values.iter().map(|value| Cell::Value(value.as_ref())).collect();
        let row = row(&cells);
        let parts = parts(&row);
        let (mut end, mut left_out) = (0, false);
        for part in &parts {
            match part {
                Some(part) => {
                    prop_assert!(part.len() <= LONGEST_WORD);
                    let left = part.start - end;
                    prop_assert_eq!(left > LONGEST_WORD, left_out);
                    prop_assert!(left_out || left == 0);
                    (end, left_out) = (part.end, false);
                }
                None => left_out = true,
            }
        }
        prop_assert!(left_out || end == row.len());
        if parts.iter().all(Option::is_some) {
            let joined: Vec<u8> = parts.into_iter().flatten().flat_map(|part| row[part].to_vec()).collect();
            prop_assert_eq!(joined, row);
        }
    }

    #[test]
    fn nothing_of_a_reference_is_a_word_but_whose_tree_it_leads_to(
        before in values(), to in any::<u32>(), value in values(), after in values(),
    ) {
        let (key, to) = (DomainKey::new(Seed::from_bytes([3; 32])), domain(1, to));
        let sealed = piece::seal_reference(RepoId([1; 16]), to, &key, value.as_ref());
        let start = row(&[Cell::Value(before.as_ref())]).len();
        let reference = Cell::Reference { domain: to, sealed: &sealed };
        let until = row(&[Cell::Value(before.as_ref()), reference]).len();
        let row = row(&[Cell::Value(before.as_ref()), reference, Cell::Value(after.as_ref())]);
        // Behind the array's head, and the incarnation's bytes with theirs.
        let secret = start + 1 + 9..until;
        let parts = parts(&row);
        let mut words = parts.iter().flatten();
        prop_assert!(words.all(|word| word.end <= secret.start || word.start >= secret.end));
        // And no run goes across.
        let across = parts.windows(2).any(|two| match two {
            [Some(one), Some(next)] => one.end <= secret.start && next.start >= secret.end,
            _ => false,
        });
        prop_assert!(!across);
    }
}
