//! What somebody does who can write to the file, or to a store.

use std::slice;

use super::*;
use crate::note;

/// Four entries, a checkpoint in store `a`, and two entries more.
fn signed() -> (World, Store) {
    let world = World::with_entries(4);
    let store = world.store("a");
    world.checkpoint(slice::from_ref(&store));
    for n in 5..=6 {
        world.log().append(&entry(n)).unwrap();
    }
    (world, store)
}

/// Without the host's own checkpoint: who can write to the log can remove that too.
fn forget_own(world: &World) {
    fs::remove_file(world.log().checkpoint_path()).unwrap();
}

#[test]
fn each_flipped_bit_is_told_with_the_entry_that_it_is_in() {
    let (world, store) = signed();
    forget_own(&world);
    let (bytes, frames) = (world.bytes(), world.frames());
    for at in 33..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(world.file(), &flipped).unwrap();
        let number = frames.iter().position(|f| f.contains(&at)).unwrap() + 1;
        let problems = world.problems(slice::from_ref(&store));
        let told = |problem: &String| {
            problem.starts_with(&format!("entry {number} of the audit log"))
                || problem.starts_with(&format!("entry {number}: damaged"))
        };
        assert!(problems.iter().any(told), "byte {at}: {problems:?}");
        if number == 6 {
            // Nothing is added to a log whose end is damaged, nor cut off from it.
            assert!(world.log().append(&entry(7)).is_err(), "byte {at}");
            assert_eq!(world.bytes(), flipped);
        }
    }
}

#[test]
fn a_log_of_something_else_is_no_log() {
    let (world, store) = signed();
    let bytes = world.bytes();
    for at in 0..33 {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(world.file(), &flipped).unwrap();
        assert!(world.log().append(&entry(7)).is_err());
        assert!(world.log().verify_with(slice::from_ref(&store)).is_err());
    }
}

#[test]
fn what_was_cut_off_is_told_as_far_as_a_checkpoint_reaches() {
    let (world, store) = signed();
    let (bytes, frames) = (world.bytes(), world.frames());
    forget_own(&world);
    for kept in (0..=5).rev() {
        let end = frames.get(kept).map_or(bytes.len(), |frame| frame.start);
        fs::write(world.file(), &bytes[..end]).unwrap();
        let told = |first: usize| {
            let range = if first == 4 {
                "entry 4".into()
            } else {
                format!("entries {first} to 4")
            };
            format!("{range}: cut off: audit/{INC}/0000000004 in store \"a\" covers them")
        };
        let expected: Vec<_> = (kept < 4).then(|| told(kept + 1)).into_iter().collect();
        assert_eq!(world.problems(slice::from_ref(&store)), expected);
    }
    fs::remove_file(world.file()).unwrap();
    assert_eq!(world.problems(&[store]).len(), 1);
}

#[test]
fn exchanged_and_repeated_entries_are_told() {
    let (world, store) = signed();
    let (bytes, frames) = (world.bytes(), world.frames());
    for order in [[0, 2, 1, 3, 4, 5], [0, 0, 2, 3, 4, 5], [0, 1, 3, 3, 4, 5]] {
        let parts = order.map(|n: usize| bytes[frames[n].clone()].to_vec());
        fs::write(world.file(), [&bytes[..33], &parts.concat()].concat()).unwrap();
        let problems = world.problems(slice::from_ref(&store));
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("is damaged: nothing behind it was read"));
        // The same, with the numbers of their new places: they do not open there.
        let renumbered = (1..).zip(order).map(|(number, n)| {
            let record = &bytes[frames[n].start + 16..frames[n].end - 4];
            file::frame(number, record)
        });
        let renumbered: Vec<_> = renumbered.flatten().collect();
        fs::write(world.file(), [&bytes[..33], &renumbered].concat()).unwrap();
        let problems = world.problems(slice::from_ref(&store));
        assert!(problems[0].contains("it cannot be opened"), "{problems:?}");
        assert!(problems[1].starts_with("entries 1 to 4: not what was signed"));
    }
}

/// Writes the log anew, as somebody can who has all keys but not the checkpoints.
fn rewrite(world: &World, entries: &[Entry]) {
    fs::remove_file(world.file()).unwrap();
    for entry in entries {
        world.log().append(entry).unwrap();
    }
}

#[test]
fn a_log_that_was_written_anew_is_told_by_what_has_left_the_host() {
    let (world, store) = signed();
    world.checkpoint(slice::from_ref(&store));
    world.log().append(&entry(7)).unwrap();
    forget_own(&world);
    let (bytes, frames) = (world.bytes(), world.frames());
    // All entries but the fifth are as they were.
    let record = entry(40).seal(REPO, INC, 5, &world.log().meta).unwrap();
    let [before, after] = [&bytes[..frames[4].start], &bytes[frames[4].end..]];
    let replaced = [before, &file::frame(5, &record), after].concat();
    fs::write(world.file(), replaced).unwrap();
    let at = format!("audit/{INC}/0000000006 in store \"a\"");
    assert_eq!(
        world.problems(slice::from_ref(&store)),
        [format!(
            "entries 5 to 6: not what was signed: {at} does not fit"
        )]
    );
    assert_eq!(world.problems(&[]), [""; 0]);
    rewrite(&world, &[1, 2, 3, 4, 5, 6, 7].map(entry));
    let problems = world.problems(slice::from_ref(&store));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("entries 1 to 4: not what was signed"));
    assert!(problems[0].ends_with("does not fit, nor do 1 others"));
    // A new checkpoint cannot take the place of the old one.
    rewrite(&world, &[1, 2, 3, 4].map(entry));
    let done = world.log().checkpoint_to(&writer(), &[store]).unwrap();
    assert_eq!(done.failed.len(), 1);
}

#[test]
fn nothing_is_signed_that_does_not_go_on_from_the_last_checkpoint() {
    let (world, store) = signed();
    fs::write(world.file(), &world.bytes()[..33]).unwrap();
    let note = fs::read(world.log().checkpoint_path()).unwrap();
    forget_own(&world);
    rewrite(&world, &[1, 2, 3, 4, 5].map(entry));
    fs::write(world.log().checkpoint_path(), &note).unwrap();
    let failure = world
        .log()
        .checkpoint_to(&writer(), slice::from_ref(&store))
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "cannot sign a checkpoint of the audit log"
    );
    assert_eq!(store.list("audit").unwrap().len(), 1);
    assert_eq!(fs::read(world.log().checkpoint_path()).unwrap(), note);
}

#[test]
fn forged_checkpoints_are_told() {
    let (world, store) = signed();
    let checkpoint = |size, origin: String| Checkpoint {
        origin,
        size,
        root: [9; 32],
    };
    let stranger = SigningKey::from_seed(Seed::from_bytes([8; 32]));
    let origin = world.log().origin();
    let elsewhere = format!("{origin}0");
    let good = store
        .get(&format!("audit/{INC}/0000000004"), note::MAX)
        .unwrap();
    let forged = [
        (
            5,
            checkpoint(5, origin.clone()).sign(&stranger).unwrap(),
            "the log's key did not sign it",
        ),
        (
            5,
            checkpoint(5, elsewhere).sign(&writer()).unwrap(),
            "the log's key did not sign it",
        ),
        (
            5,
            String::from_utf8(good.to_vec()).unwrap(),
            "it is of 4 entries, which its name is not",
        ),
        (
            4,
            String::from_utf8_lossy(&good).replacen("\n4\n", "\n5\n", 1),
            "the signature of the log's key does not hold: it is damaged or forged",
        ),
        (5, String::new(), "it is not a text with signatures"),
    ];
    for (size, note, why) in forged {
        let path = format!("audit/{INC}/{size:010}");
        let before = store.get_if_there(&path, note::MAX).unwrap();
        store.replace(&path, note.into()).unwrap();
        let problems = world.problems(slice::from_ref(&store));
        assert_eq!(
            problems,
            [format!("cannot use {path} in store \"a\": {why}")]
        );
        match before {
            Some(before) => store.replace(&path, before).unwrap(),
            None => store.delete(&path).unwrap(),
        }
    }
    assert_eq!(world.problems(&[store]), [""; 0]);
}

#[test]
fn a_store_that_was_rolled_back_witnesses_less_and_says_so() {
    let (world, store) = signed();
    world.checkpoint(slice::from_ref(&store));
    store.delete(&format!("audit/{INC}/0000000006")).unwrap();
    let verified = world.log().verify_with(&[store]).unwrap();
    assert!(verified.ok());
    let covers: Vec<_> = verified.witnesses.iter().map(|w| w.covers).collect();
    assert_eq!(covers, [Some(6), Some(4)]);
}

#[test]
fn a_damaged_checkpoint_of_this_host_stops_and_is_told() {
    let (world, store) = signed();
    fs::write(world.log().checkpoint_path(), b"nothing").unwrap();
    assert!(world.log().append(&entry(7)).is_err());
    let problems = world.problems(&[store]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains(".checkpoint: it is not a text with signatures"));
}
