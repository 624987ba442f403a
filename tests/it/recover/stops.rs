//! What a recovery refuses.

use tenure::certificate::{self, Certificate};
use tenure::ids::Incarnation;
use tenure::init::{self, Root};
use tenure::keyring::Keyring;
use tenure::keyring::recovery;
use tenure::keyring::tree::{Forest, Tree};
use tenure::object::{self, Chain, Head};
use tenure::repo::view::View;
use tenure::secret::Seed;
use tenure::sign::SigningKey;

use super::*;
use crate::support::raw::copy_tree;

/// The journal entries of a store, oldest first.
fn entries(world: &World, store: &str) -> Vec<PathBuf> {
    let mut entries =
        crate::support::raw::files(&world.dir().join("stores").join(store).join("journal"));
    entries.sort();
    entries
}

/// What is said when it does not work, and that nothing was left where it was to be.
fn refusal(world: &World, wanted: &Wanted) -> String {
    let failure = recover(world, wanted).err().unwrap();
    assert!(!wanted.to.join("tenure.toml").exists());
    assert!(!wanted.to.join("state/fingerprint").exists());
    let hint = failure.next_step().unwrap_or_default();
    [
        vec![failure.to_string()],
        failure.causes(),
        vec![hint.to_owned()],
    ]
    .concat()
    .join("\n")
}

#[test]
fn a_journal_cut_short_is_a_hard_stop() {
    let world = world();
    let gone = someone(&world, 3);
    Host::first(&world).forget(gone).unwrap();
    away(&world, "far");
    let entries = entries(&world, "near");
    let last = entries.last().unwrap();
    let kept = fs::read(last).unwrap();
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.give_up = vec!["far".parse().unwrap()];
    // The last one, one in the middle, or all of them: missing, or damaged.
    fs::remove_file(last).unwrap();
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("the journal is shorter than it was: 3 of 4 entries"),
        "{said}"
    );
    fs::write(last, b"rubbish").unwrap();
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("no store that was read has journal/"),
        "{said}"
    );
    fs::write(last, &kept).unwrap();
    let second = fs::read(&entries[1]).unwrap();
    fs::remove_file(&entries[1]).unwrap();
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("no store that was read has journal/"),
        "{said}"
    );
    fs::write(&entries[1], second).unwrap();
    let folder = last.parent().unwrap();
    fs::rename(folder, folder.with_extension("gone")).unwrap();
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("the journal is shorter than it was: 0 of 4 entries"),
        "{said}"
    );
    fs::rename(folder.with_extension("gone"), folder).unwrap();
    // Another store that has it whole is asked, and then it is not missing.
    fs::remove_file(last).unwrap();
    back(&world, "far");
    wanted.give_up = Vec::new();
    let made = recover(&world, &wanted).unwrap();
    let host = Host {
        world: &world,
        config: made.config,
    };
    assert!(!host.gives_back(gone, None));
    assert_eq!(
        fs::read(last).unwrap(),
        kept,
        "and it is put back where it was cut off"
    );
}

#[test]
fn a_store_rolled_back_is_told_by_its_epoch() {
    let world = world();
    away(&world, "far");
    let gone = someone(&world, 3);
    let host = Host::first(&world);
    let old = world.dir().join("rolled-back");
    fs::create_dir(&old).unwrap();
    copy_tree(&world.dir().join("stores/near"), &old);
    host.forget(gone).unwrap();
    let near = world.dir().join("stores/near");
    fs::remove_dir_all(&near).unwrap();
    fs::rename(&old, &near).unwrap();
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.give_up = vec!["far".parse().unwrap()];
    wanted.at_least_epoch = Some(2);
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("the newest keyring is of epoch 1, and it must be 2 at least"),
        "{said}"
    );
    // As a whole it cannot be told from an old one, and the documentation says so.
    wanted.at_least_epoch = Some(1);
    let made = recover(&world, &wanted).unwrap();
    assert_eq!(made.epoch, 2);
}

#[test]
fn a_forged_repository_does_not_lead_back_to_the_fingerprint() {
    let world = world();
    // Somebody knows the recipient, and makes a whole repository for it.
    let forger = world.dir().join("forged");
    fs::create_dir(&forger).unwrap();
    let text = fs::read_to_string(world.config_path()).unwrap();
    let text = text.replace(
        &format!("{}/stores", world.dir().display()),
        forger.to_str().unwrap(),
    );
    fs::write(forger.join("tenure.toml"), text).unwrap();
    let config = Config::load(&forger.join("tenure.toml")).unwrap();
    init::run(config, &Root::make().unwrap(), &world.handle()).unwrap();
    let mut repository = Repository::change(
        Config::load(&forger.join("tenure.toml")).unwrap(),
        &world.handle(),
    )
    .unwrap()
    .0;
    backup::take(&mut repository, true, &Silent).unwrap();
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.stores = vec![format!("file://{}/near", forger.display()).parse().unwrap()];
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("does not lead back to the fingerprint"),
        "{said}"
    );
    // Without a fingerprint nobody could tell, so there must be one.
    let plain = fs::read_to_string(&wanted.identity).unwrap();
    let bare: String = plain
        .lines()
        .filter(|line| !line.contains("fingerprint"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&wanted.identity, bare).unwrap();
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("does not tell the repository's fingerprint"),
        "{said}"
    );
    // Two that differ are a mistake; one that is typed will do.
    let own = world.open().fingerprint;
    wanted.stores = super::wanted(&world, &["near"], "new").stores;
    wanted.fingerprint = Some(own);
    recover(&world, &wanted).unwrap();
    fs::write(&wanted.identity, plain).unwrap();
    wanted.fingerprint = Some(SigningKey::random().unwrap().verify_key());
    wanted.to = world.dir().join("newer");
    let said = refusal(&world, &wanted);
    assert!(said.contains("another repository's"), "{said}");
}

#[test]
fn a_certificate_of_a_stranger_in_a_good_store_stops_it() {
    let world = world();
    let repository = world.open();
    let stranger = SigningKey::from_seed(Seed::from_bytes([7; 32]));
    let forged = Certificate {
        repo: repository.id(),
        inc: Incarnation([9; 8]),
        ordinal: 7,
        verify: stranger.verify_key(),
    };
    let path = world
        .dir()
        .join("stores/near")
        .join(certificate::path(forged.inc));
    fs::write(&path, forged.issue(&stranger)).unwrap();
    let said = refusal(&world, &wanted(&world, &["near"], "new"));
    assert!(
        said.contains("does not lead back to the fingerprint"),
        "{said}"
    );
    fs::remove_file(path).unwrap();
    recovered(&world, &["near"], "new");
}

#[test]
fn an_identity_that_opens_nothing_is_told() {
    let world = world();
    let other = recovery::Identity::generate();
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.identity = world.dir().join("other.key");
    fs::write(
        &wanted.identity,
        other.to_file(&world.open().fingerprint).as_bytes(),
    )
    .unwrap();
    let said = refusal(&world, &wanted);
    assert!(
        said.contains("no keyring with the keys of incarnation"),
        "{said}"
    );
    assert!(said.contains("the identity does not open it"), "{said}");
    fs::write(&wanted.identity, b"nothing").unwrap();
    let said = refusal(&world, &wanted);
    assert!(said.contains("AGE-SECRET-KEY-1"), "{said}");
}

#[test]
fn an_older_keyring_put_back_opens_nothing_that_was_forgotten() {
    let world = world();
    let gone = someone(&world, 3);
    let (near, far) = (
        world.dir().join("stores/near"),
        world.dir().join("stores/far"),
    );
    let keyrings = |store: &Path| crate::support::raw::files(&store.join("keyring"));
    let old = keyrings(&near).pop().unwrap();
    let bytes = fs::read(&old).unwrap();
    Host::first(&world).forget(gone).unwrap();
    for store in [&near, &far] {
        for newer in keyrings(store) {
            fs::remove_file(newer).unwrap();
        }
    }
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, &bytes).unwrap();
    let made = recover(&world, &wanted(&world, &["near"], "new")).unwrap();
    assert!(
        made.notes
            .iter()
            .any(|note| note.contains("an older keyring was found: 1 erased")),
        "{:?}",
        made.notes
    );
    let host = Host {
        world: &world,
        config: made.config,
    };
    for at in 0..2 {
        assert!(!host.gives_back(gone, Some(at)));
        assert!(host.gives_back(someone(&world, 4), Some(at)));
    }
    // It is not kept anywhere, and neither does the new one open anything of the customer's.
    assert!(!old.exists());
    for store in [&near, &far] {
        assert_eq!(keyrings(store).len(), 1);
    }
}

#[test]
fn a_place_that_is_taken_is_left_alone() {
    let world = world();
    let wanted = wanted(&world, &["near"], "new");
    fs::create_dir(&wanted.to).unwrap();
    fs::write(wanted.to.join("host.key"), b"somebody's").unwrap();
    let failure = recover(&world, &wanted).err().unwrap();
    assert_eq!(failure.kind(), FailureKind::Refused);
    assert_eq!(fs::read(wanted.to.join("host.key")).unwrap(), b"somebody's");
}

#[test]
fn forged_entries_are_void_from_where_somebody_says() {
    let mut world = world();
    let (fair, forged) = (someone(&world, 3), someone(&world, 5));
    let host = Host::first(&world);
    host.forget(fair).unwrap();
    let near = world.dir().join("stores/near");
    let before = world.dir().join("locked");
    fs::create_dir(&before).unwrap();
    copy_tree(&near.join("keyring"), &before);
    let position = host.read().log().position();
    // A break-in: somebody is forgotten, a hold is lifted that never was, and another can recover.
    host.forget(forged).unwrap();
    host.hold(someone(&world, 7));
    // The store has kept the older keyring under its lock.
    for old in crate::support::raw::files(&before) {
        let to = near
            .join("keyring")
            .join(old.strip_prefix(&before).unwrap());
        fs::copy(&old, &to).unwrap();
    }
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.void_from = Some(format!("{}", position.len + 1).parse().unwrap());
    let made = recover(&world, &wanted).unwrap();
    assert_eq!(made.voided.len(), 2, "{:?}", made.voided);
    assert!(made.voided[0].contains("an erasure") && made.voided[1].contains("a legal hold"));
    let config = made.config;
    let host = Host {
        world: &world,
        config: config.clone(),
    };
    assert!(!host.gives_back(fair, None) && host.gives_back(forged, None));
    let taken = host.snapshot();
    assert_eq!(taken.left_out.len(), 1);
    assert!(!host.gives_back(fair, None) && host.gives_back(forged, None));
    // What is void stays void, in the recoveries to come too.
    let third = recovered(&world, &["far"], "third");
    assert!(!third.gives_back(fair, None) && third.gives_back(forged, None));
    third.forget(someone(&world, 7)).unwrap();
    world.crm.a_day_of_changes(3).unwrap();
    // And the first entry cannot be: it opens the incarnation.
    let mut wanted = super::wanted(&world, &["near"], "fourth");
    wanted.void_from = Some("1".parse().unwrap());
    assert_eq!(
        recover(&world, &wanted).err().unwrap().kind(),
        FailureKind::NotFound
    );
}

#[test]
fn what_a_thief_writes_after_the_recovery_is_void_as_well() {
    let world = world();
    let (forged, later) = (someone(&world, 3), someone(&world, 5));
    let thief = Host::first(&world);
    let position = thief.read().log().position();
    thief.forget(forged).unwrap();
    away(&world, "far");
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.void_from = Some(format!("{}", position.len + 1).parse().unwrap());
    let made = recover(&world, &wanted).unwrap();
    let host = Host {
        world: &world,
        config: made.config,
    };
    // The store that was away is all that the thief sees, and gets one more erasure.
    back(&world, "far");
    away(&world, "near");
    thief.forget(later).unwrap();
    back(&world, "near");
    let repository = host.change();
    assert!(repository.unread().unwrap().is_empty() && repository.absent.is_empty());
    drop(repository);
    assert!(host.gives_back(later, None));
}

#[test]
fn entries_are_counted_through_and_a_second_run_wishes_the_same() {
    let world = world();
    let forged = someone(&world, 5);
    Host::first(&world).forget(someone(&world, 3)).unwrap();
    let second = recovered(&world, &["near"], "second");
    let far = world.dir().join("stores/far");
    let locked = world.dir().join("locked");
    fs::create_dir(&locked).unwrap();
    copy_tree(&far.join("keyring"), &locked);
    let next = second.read().last_entry() + 1;
    let own = second.read().log().position();
    second.forget(forged).unwrap();
    second.hold(someone(&world, 7));
    for old in crate::support::raw::files(&locked) {
        let to = far.join("keyring").join(old.strip_prefix(&locked).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&old, &to).unwrap();
    }
    let mut wanted = wanted(&world, &["near"], "third");
    wanted.void_from = Some(next.to_string().parse().unwrap());
    let made = recover(&world, &wanted).unwrap();
    let first = format!("{}.{}: an erasure", own.inc, own.len + 1);
    assert_eq!(made.voided.len(), 2, "{:?}", made.voided);
    assert!(made.voided[0].starts_with(&first), "{:?}", made.voided);
    let holds = made
        .notes
        .iter()
        .any(|note| note.starts_with("1 of the entries that are void are holds"));
    assert!(holds, "{:?}", made.notes);
    let third = Host {
        world: &world,
        config: made.config,
    };
    assert!(third.gives_back(forged, None));
    // Once more, with the same wishes: it is done already. With others it is not what was asked for.
    wanted.at_least_epoch = Some(made.epoch - 1);
    assert!(recover(&world, &wanted).unwrap().is_finished);
    let refused = |wanted: &Wanted| {
        let failure = recover(&world, wanted).err().unwrap();
        assert_eq!(failure.kind(), FailureKind::Refused);
        failure.to_string()
    };
    wanted.void_from = Some("2".parse().unwrap());
    assert!(refused(&wanted).contains("for it entry 2 counts"));
    wanted.void_from = None;
    wanted.at_least_epoch = Some(made.epoch + 1);
    assert!(refused(&wanted).contains("it must be"));
    wanted.at_least_epoch = None;
    fs::write(&wanted.identity, other_identity()).unwrap();
    assert!(refused(&wanted).contains("a repository lives in"));
}

/// An identity file of another repository.
fn other_identity() -> String {
    let other = recovery::Identity::generate();
    let fingerprint = SigningKey::random().unwrap().verify_key();
    other.to_file(&fingerprint).to_string()
}

#[test]
fn keys_that_a_retired_host_contradicts_are_not_taken() {
    let world = world();
    let before = keep(&world, "before.db");
    let thief = Host::first(&world).read();
    let second = recovered(&world, &["near"], "second");
    let epoch = second.read().keyring.epoch;
    drop(second);
    // Whoever has the old host's key writes a keyring in its name, with trees that open nothing.
    let mut forest = Forest::new();
    forest.insert(thief.inc(), Tree::plant(Seed::from_bytes([9; 32])));
    let forged = Keyring {
        repo: thief.id(),
        inc: thief.inc(),
        epoch: u64::MAX,
        fingerprint: thief.fingerprint,
        journal: thief.keyring.journal.clone(),
        forest,
    };
    let recipients = thief.recipients().unwrap();
    let sealed = recovery::encrypt(&recipients, &forged.encode(thief.writer())).unwrap();
    let place = world.dir().join("stores/near").join(forged.path());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, &sealed).unwrap();
    let mut wanted = wanted(&world, &["near"], "third");
    wanted.at_least_epoch = Some(epoch + 1);
    assert!(
        refusal(&world, &wanted).contains("of epoch"),
        "its epoch says nothing"
    );
    wanted.at_least_epoch = Some(epoch);
    let made = recover(&world, &wanted).unwrap();
    assert_eq!(made.epoch, epoch + 1);
    assert!(
        made.lost
            .iter()
            .any(|lost| lost.contains("has other keys for incarnation")),
        "{:?}",
        made.lost
    );
    let host = Host {
        world: &world,
        config: made.config,
    };
    same(&before, &host.restore(None)).unwrap();
    assert!(!place.exists());
}

#[test]
fn a_keyring_under_another_name_is_none() {
    let world = world();
    let near = world.dir().join("stores/near/keyring");
    let keyring = crate::support::raw::files(&near).pop().unwrap();
    let newer = keyring.to_str().unwrap().replace("1.age", "7.age");
    assert_ne!(keyring.to_str().unwrap(), newer);
    fs::copy(&keyring, newer).unwrap();
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.at_least_epoch = Some(2);
    assert!(refusal(&world, &wanted).contains("of epoch 1"));
    wanted.at_least_epoch = None;
    let made = recover(&world, &wanted).unwrap();
    assert!(
        made.lost
            .iter()
            .any(|lost| lost.contains("could not be opened")),
        "{:?}",
        made.lost
    );
}

/// Whoever had the writer's key can sign anything; a recovery goes on without what no snapshot can be read by.
#[test]
fn a_signed_manifest_that_is_unfit_is_a_damaged_one() {
    let world = world();
    let repository = Host::first(&world).change();
    let last = repository.last_snapshot().unwrap().unwrap();
    let fetcher = repository.fetcher(&repository.stores);
    let view = View::open(&repository, &fetcher, last.id).unwrap();
    let mut manifest = view.manifest().clone();
    manifest.sources[0].file_name = "../../x".into();
    let head = Head {
        repo: repository.id(),
        inc: repository.inc(),
        number: 3,
        previous: last.hash,
    };
    let (meta, writer) = (repository.meta().unwrap(), repository.writer());
    let bytes = object::write(Chain::Manifest, &head, &manifest, &meta, writer).unwrap();
    let path = Chain::Manifest.path(repository.inc(), 3);
    for store in ["near", "far"] {
        let store = world.dir().join("stores").join(store);
        fs::write(store.join(&path), &bytes).unwrap();
    }
    drop((view, fetcher, repository));
    let made = recover(&world, &wanted(&world, &["far"], "new")).unwrap();
    assert_eq!(made.snapshots, 2);
    assert!(
        made.lost.iter().any(|lost| lost.starts_with("snapshot 3")),
        "{:?}",
        made.lost
    );
    let host = Host {
        world: &world,
        config: made.config,
    };
    host.snapshot();
    assert_eq!(host.snapshots().len(), 3);
}

#[test]
fn a_manifest_that_is_damaged_everywhere_is_told_and_all_goes_on() {
    let world = world();
    Host::first(&world).snapshot();
    for store in ["near", "far"] {
        let manifests =
            crate::support::raw::files(&world.dir().join("stores").join(store).join("snapshots"));
        let mut manifests: Vec<_> = manifests.into_iter().collect();
        manifests.sort();
        let mut bytes = fs::read(&manifests[2]).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&manifests[2], bytes).unwrap();
    }
    let made = recover(&world, &wanted(&world, &["far"], "new")).unwrap();
    assert_eq!(
        made.lost,
        ["snapshot 3: no store that was read has its manifest whole"]
    );
    let host = Host {
        world: &world,
        config: made.config,
    };
    host.snapshot();
    host.forget(someone(&world, 3)).unwrap();
    assert_eq!(host.snapshots().len(), 3);
    let told = host
        .change()
        .notes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert!(
        told.iter().any(|note| note.contains("manifest")),
        "{told:?}"
    );
}

#[test]
fn a_snapshot_whose_manifest_is_gone_is_told() {
    let world = world();
    Host::first(&world).snapshot();
    away(&world, "far");
    let manifests = crate::support::raw::files(&world.dir().join("stores/near/snapshots"));
    let mut manifests: Vec<_> = manifests.into_iter().collect();
    manifests.sort();
    fs::remove_file(&manifests[1]).unwrap();
    let mut wanted = wanted(&world, &["near"], "new");
    wanted.give_up = vec!["far".parse().unwrap()];
    let made = recover(&world, &wanted).unwrap();
    assert_eq!(
        made.lost,
        ["snapshot 2: no store that was read has its manifest"]
    );
    assert_eq!(made.snapshots, 2);
}
