//! What a crash leaves of an append, at every byte of it.

use super::*;

/// The world after four entries, and the bytes of a fifth that was being appended.
fn interrupted() -> (World, Vec<u8>, Vec<u8>) {
    let world = World::with_entries(4);
    let before = world.bytes();
    world.log().append(&entry(5)).unwrap();
    let after = world.bytes();
    (world, before, after)
}

/// That the log goes on after the four entries, and says what was cut off.
fn check_mended(world: &World, torn: usize) {
    let log = world.log();
    assert_eq!(log.verify_with(&[]).unwrap().torn, torn as u64);
    assert_eq!(log.len().unwrap(), 4);
    assert_eq!(log.entries(1, 9).unwrap(), numbered(1..=4));
    assert_eq!(log.newest(1).unwrap(), numbered(4..=4));
    assert_eq!(log.append(&entry(6)).unwrap(), 6);
    let found = log.entries(5, 9).unwrap();
    assert_eq!(found[0].1.action, "audit.mend");
    let said = format!("cut off {torn} bytes of an entry 5 that a crash had left unfinished");
    assert_eq!(found[0].1.result, said);
    assert_eq!(found[1].1, entry(6));
    assert_eq!(world.problems(&[]), [""; 0]);
}

#[test]
fn cut_short_at_any_byte_the_entry_is_dropped_and_the_log_goes_on() {
    let (world, before, after) = interrupted();
    for len in before.len() + 1..after.len() {
        fs::write(world.file(), &after[..len]).unwrap();
        check_mended(&world, len - before.len());
    }
    fs::write(world.file(), &before).unwrap();
    assert_eq!(world.log().append(&entry(5)).unwrap(), 5);
}

#[test]
fn sectors_that_were_never_written_are_a_torn_entry_too() {
    let (world, before, after) = interrupted();
    let mut all = after.clone();
    all[before.len()..].fill(0);
    fs::write(world.file(), &all).unwrap();
    check_mended(&world, after.len() - before.len());
    // An entry across several sectors, of which any may be missing.
    let world = World::with_entries(4);
    let before = world.bytes();
    let mut long = entry(5);
    long.result = (0..900)
        .map(|n| char::from(b'a' + (n % 26) as u8))
        .collect();
    world.log().append(&long).unwrap();
    let after = world.bytes();
    let sectors = before.len() / 512..=after.len() / 512;
    assert!(sectors.clone().count() >= 3);
    for sector in sectors {
        let missing = (sector * 512).max(before.len())..((sector + 1) * 512).min(after.len());
        let mut torn = after.clone();
        torn[missing].fill(0);
        fs::write(world.file(), &torn).unwrap();
        check_mended(&world, after.len() - before.len());
    }
}

#[test]
fn the_first_entry_of_all_may_be_torn() {
    let world = World::with_entries(1);
    let whole = world.bytes();
    for len in 34..whole.len() {
        fs::write(world.file(), &whole[..len]).unwrap();
        assert!(world.log().is_empty().unwrap());
        assert_eq!(world.log().append(&entry(1)).unwrap(), 2);
    }
}

#[test]
fn no_torn_entry_is_dropped_that_a_checkpoint_covers() {
    let (world, before, after) = interrupted();
    world.checkpoint(&[]);
    for len in [before.len(), before.len() + 1, after.len() - 1] {
        fs::write(world.file(), &after[..len]).unwrap();
        let failure = world.log().append(&entry(6)).unwrap_err();
        assert!(failure.causes()[0].ends_with("checkpoint is of 5: it was cut"));
        assert_eq!(world.bytes(), after[..len]);
        let problems = world.problems(&[]);
        let said = "entry 5: cut off: the checkpoint on this host covers them";
        assert_eq!(problems, [said]);
        assert!(world.log().checkpoint_to(&writer(), &[]).is_err());
    }
    fs::remove_file(world.file()).unwrap();
    assert!(world.log().append(&entry(6)).is_err());
    assert!(!world.file().exists());
}

#[test]
fn what_no_crash_leaves_is_not_taken_for_torn() {
    let (world, before, after) = interrupted();
    let frames = world.frames();
    // Damage further up, and a torn entry at the end: cutting at the first would lose others.
    let mut both = after[..after.len() - 1].to_vec();
    both[frames[1].start + 2] ^= 0x40;
    // The bytes of something else, and zeros that are more than one entry could have been.
    let foreign = [&before[..], &[7; 40]].concat();
    let blank = [&before[..], &vec![0; (1 << 20) + 21]].concat();
    for (bytes, entry_in_doubt) in [(both, 2), (foreign, 5), (blank, 5)] {
        fs::write(world.file(), &bytes).unwrap();
        let failure = world.log().append(&entry(6)).unwrap_err();
        let said = format!("entry {entry_in_doubt} of the audit log");
        assert!(failure.causes()[0].starts_with(&said), "{failure:?}");
        assert!(world.problems(&[])[0].starts_with(&said));
        assert_eq!(world.bytes(), bytes);
    }
}

#[test]
fn a_sector_s_share_counts_from_the_length_of_a_length() {
    let unwritten = |zeros: std::ops::Range<usize>, offset| {
        let mut bytes = [1; 600];
        bytes[zeros].fill(0);
        file::never_written(&bytes, offset)
    };
    // The file's sectors begin at 512, 1024, …
    assert!(unwritten(12..524, 500) && !unwritten(13..524, 500) && !unwritten(12..523, 500));
    assert!(unwritten(0..4, 508) && !unwritten(0..3, 509));
    assert!(unwritten(512..600, 0) && unwritten(596..600, 428) && !unwritten(597..600, 427));
}
