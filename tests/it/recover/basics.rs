//! One host is lost, and everything comes back.

use tenure::ids::Class;
use tenure::repo::view::View;

use super::*;

#[test]
fn a_bare_machine_goes_on_from_one_store() {
    let mut world = world();
    let kept = keep(&world, "kept.db");
    fs::remove_dir_all(world.state_dir()).unwrap();
    let made = recover(&world, &wanted(&world, &["far"], "new")).unwrap();
    assert_eq!((made.snapshots, made.epoch), (2, 2));
    assert_eq!(made.read.len(), 2, "the other store was asked as well");
    assert!(
        made.unread.is_empty() && made.lost.is_empty(),
        "{:?}",
        made.lost
    );
    let host = Host {
        world: &world,
        config: made.config,
    };
    same(&kept, &host.restore(None)).unwrap();
    // The new incarnation's first snapshot is full, and stores nothing of any customer anew.
    let before = crate::support::world::objects(&world.dir().join("stores/far"), "packs");
    let taken = host.snapshot();

    assert_eq!(taken.why_full, Some("it is the first since the recovery"));
    for pack in packs_of_customers(&host) {
        assert!(before.contains(&pack), "{pack}");
    }
    same(&kept, &host.restore(None)).unwrap();
    world.crm.a_day_of_changes(2).unwrap();
    let host = Host {
        world: &world,
        config: world.dir().join("new/tenure.toml"),
    };
    let later = keep(&world, "later.db");
    host.snapshot();
    same(&later, &host.restore(None)).unwrap();
    same(&kept, &host.restore(Some(1))).unwrap();
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
    assert_eq!(host.snapshots().len(), 4);
}

/// The packs that the newest snapshot has customers' pieces in.
fn packs_of_customers(host: &Host<'_>) -> Vec<String> {
    let repository = host.read();
    let fetcher = repository.fetcher(&repository.stores);
    let id = repository.catalog.snapshots().unwrap().pop().unwrap().id;
    let view = View::open(&repository, &fetcher, id).unwrap();
    let mut entries = view.entries(&fetcher, repository.id()).unwrap();
    let mut packs = Vec::new();
    while let Some(entry) = entries.next_entry().unwrap() {
        if entry.domain.class == Class::CUSTOMER {
            let pieces = entry.pieces.iter().flatten();
            packs.extend(pieces.map(|piece| format!("packs/{}", piece.pack.name)));
        }
    }
    packs.sort();
    packs.dedup();
    packs
}

/// Nothing of the new incarnation can stand for what only the old one has read.
#[test]
fn a_source_that_is_not_back_yet_stops_the_first_snapshot() {
    let world = World::new();
    world.identity_file();
    let docs = world.dir().join("docs.db");
    let sql =
        "CREATE TABLE docs(of_whom INT, title TEXT); INSERT INTO docs VALUES (1, 'a'), (2, 'b');";
    Connection::open(&docs).unwrap().execute_batch(sql).unwrap();
    let mut text = fs::read_to_string(world.config_path()).unwrap();
    text += &format!(
        "\n[[source]]\nname = \"docs\"\nkind = \"sqlite\"\npath = {docs:?}\n\
         [[source.owns]]\ntable = \"docs\"\nby = \"of_whom\"\n"
    );
    fs::write(world.config_path(), text).unwrap();
    world.snapshot(true);
    let host = recovered(&world, &["far"], "new");
    let away = docs.with_extension("away");
    fs::rename(&docs, &away).unwrap();
    let refused = |host: &Host<'_>| {
        let failure = backup::take(&mut host.change(), false, &Silent)
            .err()
            .unwrap();
        assert_eq!(failure.kind(), FailureKind::Refused);
        assert!(failure.to_string().contains("\"docs\""), "{failure}");
    };
    refused(&host);
    refused(&host);
    assert_eq!(host.snapshots().len(), 1);
    fs::rename(&away, &docs).unwrap();
    host.snapshot();
    // From then on it may be away.
    fs::rename(&docs, &away).unwrap();
    let taken = host.snapshot();
    assert!(
        taken.unsettled.iter().any(|what| what.contains("docs")),
        "{:?}",
        taken.unsettled
    );
    let repository = host.read();
    let to = world.dir().join("out");
    let id = repository.catalog.snapshots().unwrap().pop().unwrap().id;
    let restored = restore::whole(&repository, &to, id, None, None, &Silent).unwrap();
    let names: Vec<_> = restored
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    assert!(names.contains(&"docs"), "{names:?}");
}

#[test]
fn what_was_decided_before_still_counts() {
    let world = world();
    let (gone, held) = (someone(&world, 3), someone(&world, 5));
    let first = Host::first(&world);
    first.forget(gone).unwrap();
    first.hold(held);
    let host = recovered(&world, &["near"], "new");
    for at in 0..2 {
        assert!(!host.gives_back(gone, Some(at)));
        assert!(host.gives_back(held, Some(at)));
    }
    let refused = host.forget(held).err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    // The forgotten is known again, though the new incarnation has keys of its own.
    let taken = host.snapshot();
    assert_eq!(taken.left_out.len(), 1);
    assert!(!host.gives_back(gone, None));
    // And whoever is forgotten now is gone from the snapshots of the former incarnation too.
    let next = someone(&world, 6);
    assert_eq!(host.forget(next).unwrap().pending, []);
    for at in 0..3 {
        assert!(!host.gives_back(next, Some(at)));
    }
    assert_eq!(
        host.forget(gone).err().unwrap().kind(),
        FailureKind::NotFound
    );
}

#[test]
fn a_lost_catalog_is_found_again_after_a_recovery() {
    let world = world();
    let gone = someone(&world, 3);
    let host = recovered(&world, &["near"], "new");
    host.snapshot();
    host.forget(gone).unwrap();
    let known = |repository: &Repository| {
        let catalog = &repository.catalog;
        let snapshots = catalog.snapshots().unwrap();
        (
            snapshots,
            catalog.customer_count().unwrap(),
            catalog.erased().unwrap(),
        )
    };
    let before = known(&host.change());
    fs::remove_file(host.config().state_dir.join("catalog.db")).unwrap();
    assert_eq!(known(&host.read()), before);
    assert_eq!(known(&host.change()), before);
    let verified = tenure::verify::run(&mut host.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
}

#[test]
fn a_recovery_of_a_recovery_knows_everything() {
    let world = world();
    let (one, two, three) = (someone(&world, 2), someone(&world, 4), someone(&world, 6));
    Host::first(&world).forget(one).unwrap();
    let second = recovered(&world, &["near"], "second");
    second.snapshot();
    second.forget(two).unwrap();
    let third = recovered(&world, &["far"], "third");
    assert_eq!(third.snapshots().len(), 3);
    third.snapshot();
    third.forget(three).unwrap();
    for at in 0..4 {
        for gone in [one, two, three] {
            assert!(!third.gives_back(gone, Some(at)), "{gone} in {at}");
        }
        assert!(third.gives_back(someone(&world, 8), Some(at)));
    }
    let refused = second.try_change().err().unwrap();
    assert!(
        refused.to_string().contains("retired by a recovery"),
        "{refused}"
    );
    // Snapshots of all incarnations are pruned alike.
    let mut text = fs::read_to_string(&third.config).unwrap();
    text += "\n[snapshots]\nkeep = { daily = 1, weekly = 0, monthly = 0 }\n";
    fs::write(&third.config, text).unwrap();
    let pruned = tenure::prune::run(&mut third.change(), None, &Silent).unwrap();
    assert_eq!(pruned.plan.going().count(), 3);
    assert_eq!(third.snapshots().len(), 1);
    let verified = tenure::verify::run(&mut third.change(), None, true, &Silent).unwrap();
    assert_eq!(verified.problems, []);
    assert!(third.gives_back(someone(&world, 8), None));
}

#[test]
fn a_rehearsal_restores_and_leaves_nothing_else() {
    let world = world();
    let kept = keep(&world, "kept.db");
    let stores = || {
        let files = crate::support::raw::files(&world.dir().join("stores"));
        files
            .into_iter()
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect::<Vec<_>>()
    };
    let before = stores();
    let mut wanted = wanted(&world, &["far"], "rehearsed");
    wanted.rehearse = true;
    let made = recover(&world, &wanted).unwrap();
    assert_eq!((made.snapshots, made.epoch), (2, 1));
    // The source is on the machine that was lost, and no other path would be there for long.
    assert_eq!(made.notes, [""; 0]);
    let restored = made.restored.unwrap();
    same(&kept, &restored.sources[0].path).unwrap();
    assert!(stores() == before, "a rehearsal has written to a store");
    let left: Vec<_> = fs::read_dir(&wanted.to).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    // The host goes on as if nothing had been.
    Host::first(&world).snapshot();
}

#[test]
fn a_store_that_was_moved_is_another_place() {
    let world = world();
    let stores = world.dir().join("stores");
    fs::create_dir(world.dir().join("usb")).unwrap();
    fs::rename(stores.join("far"), world.dir().join("usb/far")).unwrap();
    away(&world, "near");
    let mut wanted = wanted(&world, &["far"], "new");
    wanted.stores = vec![
        format!("file://{}/usb/far", world.dir().display())
            .parse()
            .unwrap(),
    ];
    let made = recover(&world, &wanted).unwrap();
    assert_eq!(made.read, ["far-2".parse().unwrap()]);
    let unread: Vec<_> = made.unread.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(unread, ["far", "near"]);
    let host = Host {
        world: &world,
        config: made.config,
    };
    host.snapshot();
    let refused = host.forget(someone(&world, 1)).err().unwrap();
    assert_eq!(refused.kind(), FailureKind::Refused);
    assert!(refused.to_string().contains("far, near"), "{refused}");
    // Both are given up by a second run, which finishes.
    wanted.give_up = vec!["far".parse().unwrap(), "near".parse().unwrap()];
    let again = recover(&world, &wanted).unwrap();
    assert!(again.is_finished && again.unread.is_empty());
    let forgotten = host.forget(someone(&world, 1)).unwrap();
    // They may still hold older keyrings, wherever they are.
    assert_eq!(forgotten.pending.len(), 2);
}
