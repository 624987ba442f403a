//! Stores that disagree, and hosts that do: whoever was erased stays erased, and nobody else is lost.

use super::*;
use crate::support::raw::copy_tree;

/// Adds a customer with an order to the CRM, and gives the number.
fn newcomer(world: &World, name: &str) -> i64 {
    let db = world.crm.connection();
    let sql = "INSERT INTO customers (name, email, country_code, created_at, last_contact_at)
               SELECT ?1, 'x@example.org', country_code, ?2, ?2 FROM customers LIMIT 1";
    let time = format!("2026-01-0{} 10:00:00", 1 + name.len() % 9);
    assert_eq!(db.execute(sql, [name, &time]).unwrap(), 1);
    let id = db.last_insert_rowid();
    let sql = "INSERT INTO notes (customer_id, written_at, author, body) VALUES (?, '2026-01-01', 'x', 'new')";
    db.execute(sql, [id]).unwrap();
    id
}

#[test]
fn of_two_stores_that_disagree_the_one_that_knows_more_counts() {
    let world = world();
    let gone = someone(&world, 3);
    let host = Host::first(&world);
    // One store was behind: it lacks a snapshot, a hold and an erasure.
    away(&world, "far");
    let held = someone(&world, 5);
    host.forget(gone).unwrap();
    host.hold(held);
    let new = newcomer(&world, "Newcomer");
    host.snapshot();
    back(&world, "far");
    // Recovered from the one that is behind; it knows of the other, which is asked.
    let host = recovered(&world, &["far"], "new");
    assert_eq!(host.snapshots().len(), 3);
    assert!(!host.gives_back(gone, Some(0)) && host.gives_back(new, Some(2)));
    assert_eq!(
        host.forget(held).err().unwrap().kind(),
        FailureKind::Refused
    );
    // And both have everything from here on.
    host.snapshot();
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
}

#[test]
fn nothing_is_destroyed_until_a_known_store_was_read() {
    let world = world();
    let (gone, held, third) = (someone(&world, 3), someone(&world, 5), someone(&world, 7));
    let host = Host::first(&world);
    // An erasure and a hold that one store alone knows of.
    away(&world, "near");
    host.forget(gone).unwrap();
    host.hold(held);
    back(&world, "near");
    away(&world, "far");
    let made = recover(&world, &wanted(&world, &["near"], "new")).unwrap();
    assert_eq!(made.unread.len(), 1);
    let host = Host {
        world: &world,
        config: made.config,
    };
    host.snapshot();
    for refused in [
        host.forget(third).err().unwrap(),
        forget::run(&mut host.change(), &[], &["country".into()])
            .err()
            .unwrap(),
    ] {
        assert_eq!(refused.kind(), FailureKind::Refused);
        assert!(
            refused.to_string().contains("not read since the recovery"),
            "{refused}"
        );
        assert!(refused.next_step().unwrap().contains("--give-up far"));
    }
    let status = tenure::status::run(&host.read()).unwrap();
    assert!(
        status
            .problems
            .iter()
            .any(|problem| problem.what.contains("far was not read"))
    );
    // The older keyring stays where it is until then.
    let keyrings = || crate::support::raw::files(&world.dir().join("stores/near/keyring")).len();
    assert_eq!(keyrings(), 2);
    // It is back: a reader leaves out whom it has erased, and the next change takes everything in.
    back(&world, "far");
    assert!(!host.gives_back(gone, None));
    host.change();
    assert_eq!(keyrings(), 1);
    assert!(host.change().unread().unwrap().is_empty());
    assert!(!host.gives_back(gone, None));
    let refused = host.forget(held).err().unwrap();
    assert!(refused.to_string().contains("a hold stands"), "{refused}");
    host.forget(third).unwrap();
    for at in 0..host.snapshots().len() {
        assert!(!host.gives_back(gone, Some(at)) && !host.gives_back(third, Some(at)));
        assert!(host.gives_back(held, Some(at)));
    }
    assert_eq!(host.snapshot().left_out.len(), 2);
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
}

#[test]
fn behind_then_new_customers_and_an_erasure() {
    let world = world();
    let host = Host::first(&world);
    // The other store alone has a snapshot with two new customers.
    away(&world, "near");
    let (one, two) = (newcomer(&world, "One"), newcomer(&world, "Second"));
    host.snapshot();
    back(&world, "near");
    away(&world, "far");
    // It is believed lost. The two get other numbers; one of them is erased, and a third one comes.
    let host = recovered_alone(&world, "near", "far", "new");
    assert_eq!(host.snapshots().len(), 2);
    host.snapshot();
    let three = newcomer(&world, "And a third");
    host.snapshot();
    host.forget(one).unwrap();
    for at in 0..4 {
        assert!(!host.gives_back(one, Some(at)));
    }
    // It turns up after all, with everything that it had, and is configured again.
    back(&world, "far");
    let mut text = fs::read_to_string(&host.config).unwrap();
    text += &format!(
        "\n[[store]]\nname = \"far\"\nurl = \"file://{}/stores/far\"\n",
        world.dir().display()
    );
    fs::write(&host.config, text).unwrap();
    host.change();
    assert_eq!(host.snapshots().len(), 5);
    // Its snapshot has the first two under numbers that nobody here had known.
    let (old, newest) = (2, 4);
    assert!(
        !host.gives_back(one, Some(old)),
        "erased, under both numbers"
    );
    assert!(host.gives_back(two, Some(old)) && host.gives_back(two, Some(newest)));
    assert!(host.gives_back(three, Some(newest)));
    let keyrings = crate::support::raw::files(&world.dir().join("stores/far/keyring"));
    assert_eq!(keyrings.len(), 1);
    // The second one is one customer with two numbers: restored alone from either, and erased as one.
    let restored = |at: usize| {
        let repository = host.read();
        let id = repository.catalog.snapshots().unwrap()[at].id;
        let to = world.dir().join(format!("alone-{at}"));
        restore::customer(&repository, &two.to_string(), &to, id, None, &Silent)
            .unwrap()
            .rows
    };
    assert_eq!((restored(old), restored(newest)), (2, 2));
    host.forget(two).unwrap();
    for at in 0..5 {
        assert!(!host.gives_back(two, Some(at)), "{at}");
    }
    assert_eq!(host.snapshot().left_out.len(), 2);
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
}

#[test]
fn two_recoveries_from_disjoint_stores() {
    let world = world();
    let (one, two, held) = (someone(&world, 1), someone(&world, 3), someone(&world, 5));
    away(&world, "far");
    let left = recovered_alone(&world, "near", "far", "left");
    let new = newcomer(&world, "New on both");
    left.snapshot();
    left.forget(one).unwrap();
    back(&world, "far");
    away(&world, "near");
    let right = recovered_alone(&world, "far", "near", "right");
    right.snapshot();
    right.forget(two).unwrap();
    right.hold(held);
    back(&world, "near");
    // Neither goes on with the other's store.
    let mut text = fs::read_to_string(&left.config).unwrap();
    text += &format!(
        "\n[[store]]\nname = \"far\"\nurl = \"file://{}/stores/far\"\n",
        world.dir().display()
    );
    fs::write(&left.config, text).unwrap();
    let refused = left.try_change().err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    assert!(
        refused
            .to_string()
            .contains("another recovery, apart from this one"),
        "{refused}"
    );
    // A third one goes on from both.
    let host = recovered(&world, &["near", "far"], "both");
    assert_eq!(host.snapshots().len(), 4);
    host.snapshot();
    for at in 0..5 {
        assert!(
            !host.gives_back(one, Some(at)) && !host.gives_back(two, Some(at)),
            "{at}"
        );
        assert!(host.gives_back(held, Some(at)) && host.gives_back(someone(&world, 9), Some(at)));
        assert_eq!(host.gives_back(new, Some(at)), at >= 2, "{at}");
    }
    assert_eq!(
        host.forget(held).err().unwrap().kind(),
        FailureKind::Refused
    );
    // Both have numbered the newcomer, who is erased as one.
    host.forget(new).unwrap();
    for at in 0..5 {
        assert!(!host.gives_back(new, Some(at)), "{at}");
    }
    for old in [left, right] {
        let refused = old.try_change().err().unwrap();
        assert!(
            refused.to_string().contains("retired by a recovery"),
            "{refused}"
        );
    }
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
}

#[test]
fn who_was_erased_on_one_side_is_gone_on_the_other() {
    let world = world();
    away(&world, "far");
    let left = recovered_alone(&world, "near", "far", "left");
    let new = newcomer(&world, "New on both");
    left.snapshot();
    back(&world, "far");
    away(&world, "near");
    let right = recovered_alone(&world, "far", "near", "right");
    right.snapshot();
    right.forget(new).unwrap();
    back(&world, "near");
    let host = recovered(&world, &["near", "far"], "both");
    for at in 0..4 {
        assert!(!host.gives_back(new, Some(at)), "{at}");
        assert!(host.gives_back(someone(&world, 2), Some(at)));
    }
    assert_eq!(host.snapshot().left_out.len(), 1);
    assert!(!host.gives_back(new, None));
}

#[test]
fn the_old_host_writes_on_until_it_sees_the_new_one() {
    let world = world();
    let (gone, here) = (someone(&world, 3), someone(&world, 5));
    let old = Host::first(&world);
    away(&world, "far");
    let made = recover(&world, &wanted(&world, &["near"], "new")).unwrap();
    let host = Host {
        world: &world,
        config: made.config,
    };
    // The old one sees the other store alone, and goes on: an erasure, a newcomer.
    back(&world, "far");
    away(&world, "near");
    old.forget(gone).unwrap();
    let new = newcomer(&world, "Newcomer");
    old.snapshot();
    back(&world, "near");
    // Now it sees both, and is refused: to change anything, and to read.
    for refused in [
        old.try_change().err().unwrap(),
        Repository::read(old.config(), &world.handle())
            .err()
            .unwrap(),
    ] {
        assert_eq!(refused.kind(), FailureKind::Refused);
        assert!(
            refused.to_string().contains("retired by a recovery"),
            "{refused}"
        );
        assert!(
            refused
                .next_step()
                .unwrap()
                .contains("host that was recovered")
        );
    }
    // The new one takes over what it has written.
    host.change();
    assert_eq!(host.snapshots().len(), 3);
    for at in 0..3 {
        assert!(
            !host.gives_back(gone, Some(at)) && host.gives_back(here, Some(at)),
            "{at}"
        );
    }
    assert!(host.gives_back(new, None));
    host.snapshot();
    host.forget(here).unwrap();
    for at in 0..4 {
        assert!(
            !host.gives_back(here, Some(at)) && !host.gives_back(gone, Some(at)),
            "{at}"
        );
    }
    assert!(host.gives_back(new, None));
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
    // And a recovery after that asks for all of it.
    let next = recovered(&world, &["near"], "next");
    assert_eq!(next.snapshots().len(), 4);
    assert!(!next.gives_back(gone, None) && next.gives_back(new, None));
}

#[test]
fn a_copy_of_a_store_from_before_is_another_place_that_is_taken_in() {
    let world = world();
    let copy = world.dir().join("copy");
    fs::create_dir(&copy).unwrap();
    copy_tree(&world.dir().join("stores/near"), &copy);
    let host = recovered(&world, &["far"], "new");
    let gone = someone(&world, 4);
    host.forget(gone).unwrap();
    // A copy of a store from before is another place under another name, and has an older keyring.
    let mut text = fs::read_to_string(&host.config).unwrap();
    text += &format!(
        "\n[[store]]\nname = \"copy\"\nurl = \"file://{}\"\n",
        copy.display()
    );
    fs::write(&host.config, text).unwrap();
    host.snapshot();
    assert!(!host.gives_back(gone, None));
    assert_eq!(crate::support::raw::files(&copy.join("keyring")).len(), 1);
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
}

#[test]
fn no_old_host_erases_whoever_is_held_here_or_lifts_the_hold() {
    let world = world();
    let (held, both) = (someone(&world, 3), someone(&world, 5));
    let old = Host::first(&world);
    old.hold(both);
    away(&world, "far");
    let made = recover(&world, &wanted(&world, &["near"], "new")).unwrap();
    let host = Host {
        world: &world,
        config: made.config,
    };
    host.hold(held);
    back(&world, "far");
    away(&world, "near");
    let release = |host: &Host<'_>, customer: i64| {
        let id = customer.to_string();
        lifecycle::hold::release(&mut host.change(), &id, "closed").unwrap();
    };
    release(&old, both);
    old.forget(held).unwrap();
    back(&world, "near");
    // The store is set aside, by name, for as long as the hold stands.
    let repository = host.change();
    let why = repository.absent[&"far".parse().unwrap()].to_string();
    assert!(why.contains("who are held here"), "{why}");
    drop(repository);
    assert!(host.gives_back(held, None));
    release(&host, held);
    let repository = host.change();
    assert!(repository.absent.is_empty() && repository.unread().unwrap().is_empty());
    drop(repository);
    assert!(!host.gives_back(held, None));
    // Holds add up: the other one stands until it is lifted here.
    assert!(host.forget(both).is_err());
    release(&host, both);
    host.forget(both).unwrap();
}

#[test]
fn a_store_that_comes_back_with_a_shorter_journal_is_left_out() {
    let world = world();
    let (gone, lost) = (someone(&world, 3), someone(&world, 5));
    let host = Host::first(&world);
    away(&world, "near");
    host.forget(gone).unwrap();
    host.snapshot();
    back(&world, "near");
    away(&world, "far");
    let made = recover(&world, &wanted(&world, &["near"], "new")).unwrap();
    let host = Host {
        world: &world,
        config: made.config,
    };
    back(&world, "far");
    // What the last snapshot was taken after is not in the store any more: it may have been an erasure.
    let known = |store: &str| crate::support::raw::files(&world.dir().join(store));
    let names = |store: &str| -> Vec<_> {
        let paths = known(store).into_iter();
        paths
            .map(|path| path.file_name().unwrap().to_owned())
            .collect()
    };
    let near = names("stores/near/journal");
    let beyond: Vec<_> = known("stores/far/journal")
        .into_iter()
        .filter(|path| !near.contains(&path.file_name().unwrap().to_owned()))
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    assert!(!beyond.is_empty());
    for (_, path) in &beyond {
        fs::remove_file(path).unwrap();
    }
    let repository = host.change();
    let failure = &repository.absent[&"far".parse().unwrap()];
    let said = failure.in_one_line();
    assert!(said.contains("which is lost here"), "{said}");
    assert_eq!(repository.catalog.snapshots().unwrap().len(), 2);
    drop(repository);
    assert_eq!(
        host.forget(lost).err().unwrap().kind(),
        FailureKind::Refused
    );
    // With them it is taken in.
    for (bytes, path) in &beyond {
        fs::write(path, bytes).unwrap();
    }
    assert!(host.change().absent.is_empty());
    assert_eq!(host.snapshots().len(), 3);
    for at in 0..3 {
        assert!(!host.gives_back(gone, Some(at)) && host.gives_back(lost, Some(at)));
    }
}
