//! Who can recover: that it is proven, and that a change of it reaches every copy.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tenure::error::FailureKind;
use tenure::forget;
use tenure::keyring::recovery::{self, Identity};
use tenure::keys::{self, Change, Changed};
use tenure::repo::Repository;
use tenure::report::Silent;
use tenure::verify;

use crate::support::world::{STORES, World, objects};

/// Whether an identity opens what stands in a file.
fn opens(identity: &Identity, file: &Path) -> bool {
    let bytes = fs::read(file).unwrap();
    recovery::decrypt(std::slice::from_ref(identity), &bytes).is_ok()
}

/// The one keyring of each store.
fn keyrings(world: &World) -> Vec<PathBuf> {
    let each = world.store_dirs().into_iter().map(|root| {
        let mut all = objects(&root, "keyring");
        assert_eq!(all.len(), 1, "{all:?}");
        root.join(all.remove(0))
    });
    each.collect()
}

fn roots(world: &World) -> Vec<PathBuf> {
    let stores = world.store_dirs().into_iter();
    let all = stores.chain([world.state_dir()]);
    all.map(|root| root.join("root.age")).collect()
}

fn write_identity(world: &World, name: &str, identity: &Identity) -> PathBuf {
    let path = world.dir().join(name);
    fs::write(
        &path,
        identity.to_file(&world.open().fingerprint).as_bytes(),
    )
    .unwrap();
    path
}

fn change(world: &World, change: Change, who: &str, identity: Option<&Path>) -> Changed {
    keys::change_recipients(&mut world.change(), change, who, identity).unwrap()
}

fn assert_verifies(world: &World) {
    let verified = verify::run(&mut world.open(), None, true, &Silent).unwrap();
    assert!(verified.is_ok(), "{:#?}", verified.problems);
}

#[test]
fn an_identity_that_opens_everything_is_proven() {
    let world = World::new();
    let file = world.identity_file();
    let me = world.identity.recipient().to_string();
    let proved = keys::prove(&mut world.change(), &file).unwrap();
    assert!(proved.ok);
    assert_eq!(proved.recipients, std::slice::from_ref(&me));
    let names: Vec<_> = proved
        .stores
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, STORES);
    let proofs = world.open().catalog.proofs().unwrap();
    assert_eq!(proofs.len(), 1);
    assert_eq!(proofs[0].recipient, me);
    assert_eq!(Path::new(&proofs[0].file), fs::canonicalize(&file).unwrap());
    // Next to identities of others it counts all the same, and they do not.
    let other = Identity::generate().to_file(&world.open().fingerprint);
    let both = [other.as_bytes(), &fs::read(&file).unwrap()].concat();
    fs::write(world.dir().join("both.key"), both).unwrap();
    let proved = keys::prove(&mut world.change(), &world.dir().join("both.key")).unwrap();
    assert!(proved.ok);
    assert_eq!(proved.recipients, [me]);
}

#[test]
fn a_file_without_an_identity_is_a_clear_failure() {
    let world = World::new();
    let text = world.dir().join("text.key");
    fs::write(&text, "# nothing\nage1notanidentity\n").unwrap();
    for file in [world.dir().join("none.key"), text, world.dir().to_owned()] {
        let failure = keys::prove(&mut world.change(), &file).unwrap_err();
        assert!(
            failure.to_string().contains(file.to_str().unwrap()),
            "{failure:?}"
        );
        assert!(failure.next_step().is_some());
    }
    assert!(world.open().catalog.proofs().unwrap().is_empty());
}

#[test]
fn an_identity_of_somebody_else_proves_nothing() {
    let world = World::new();
    let file = write_identity(&world, "other.key", &Identity::generate());
    let proved = keys::prove(&mut world.change(), &file).unwrap();
    assert!(!proved.ok);
    assert!(proved.recipients.is_empty());
    assert!(proved.stores.iter().all(|(_, failure)| failure.is_some()));
    assert!(world.open().catalog.proofs().unwrap().is_empty());
}

#[test]
fn a_store_that_would_not_recover_is_named() {
    let world = World::new();
    let file = world.identity_file();
    let old_keyring = fs::read(&keyrings(&world)[1]).unwrap();
    let mut repository = world.change();
    let damaged: [(PathBuf, Option<Vec<u8>>); 5] = [
        (keyrings(&world)[1].clone(), None),
        (keyrings(&world)[1].clone(), Some(b"age".to_vec())),
        (roots(&world)[1].clone(), None),
        // Both open, and hold something else.
        (roots(&world)[1].clone(), Some(old_keyring.clone())),
        (
            keyrings(&world)[1].clone(),
            Some(fs::read(&roots(&world)[1]).unwrap()),
        ),
    ];
    for (path, instead) in damaged {
        let good = fs::read(&path).unwrap();
        match &instead {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let proved = keys::prove(&mut repository, &file).unwrap();
        assert!(!proved.ok, "{}", path.display());
        let bad: Vec<_> = proved
            .stores
            .iter()
            .map(|(_, failure)| failure.is_some())
            .collect();
        assert_eq!(bad, [false, true], "{}", path.display());
        assert_eq!(proved.recipients.len(), 1);
        fs::write(&path, good).unwrap();
    }
    assert!(keys::prove(&mut repository, &file).unwrap().ok);
}

#[test]
fn an_older_keyring_is_not_taken_for_the_newest() {
    let world = World::new();
    world.snapshot(true);
    let file = world.identity_file();
    let old = keyrings(&world)[0].clone();
    let bytes = fs::read(&old).unwrap();
    forget::run(&mut world.change(), &["5".to_owned()], &[]).unwrap();
    let new = keyrings(&world)[0].clone();
    assert_ne!(old, new);
    let mut repository = world.change();
    fs::remove_file(&new).unwrap();
    fs::write(&old, &bytes).unwrap();
    let proved = keys::prove(&mut repository, &file).unwrap();
    let failure = proved.stores[0].1.as_ref().unwrap();
    assert!(failure.to_string().contains("epoch 1"), "{failure:?}");
    // Nor under the newest one's name.
    fs::rename(&old, &new).unwrap();
    let proved = keys::prove(&mut repository, &file).unwrap();
    assert!(proved.stores[0].1.is_some());
    assert!(proved.stores[1].1.is_none());
}

#[test]
fn who_is_added_can_recover_from_then_on() {
    let world = World::new();
    world.snapshot(true);
    let file = world.identity_file();
    let (new, name) = (Identity::generate(), |i: &Identity| {
        i.recipient().to_string()
    });
    let who = name(&new);
    let done = change(&world, Change::Add, &who, None);
    assert_eq!(done.recipients, [name(&world.identity), who.clone()]);
    assert_eq!(done.pending.len(), 1, "{:?}", done.pending);
    assert!(done.pending[0].contains("root.age"));
    assert!(done.pending[0].contains("--identity"));
    assert_eq!(world.open().keyring.epoch, 2);
    assert_eq!(keys::recipients(&world.open()).unwrap(), done.recipients);
    for keyring in keyrings(&world) {
        assert!(opens(&new, &keyring) && opens(&world.identity, &keyring));
    }
    assert!(roots(&world).iter().all(|root| !opens(&new, root)));
    // The configuration says so, with its comments and its mode.
    let text = fs::read_to_string(world.config_path()).unwrap();
    assert!(
        text.contains("# what the tests use") && text.contains("# the first"),
        "{text}"
    );
    assert_eq!(world.config().recipients.len(), 2);
    let mode = fs::metadata(world.config_path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o640);
    // Epochs that come much later go to both, whatever the configuration says.
    fs::write(
        world.config_path(),
        text.replace(&format!("  \"{who}\",\n"), ""),
    )
    .unwrap();
    assert_eq!(world.config().recipients.len(), 1);
    for (id, epoch) in [("3", 3), ("4", 4)] {
        forget::run(&mut world.change(), &[id.to_owned()], &[]).unwrap();
        assert_eq!(world.open().keyring.epoch, epoch);
        for keyring in keyrings(&world) {
            assert!(
                opens(&new, &keyring) && opens(&world.identity, &keyring),
                "epoch {epoch}"
            );
        }
    }
    // The same again with an identity does the other half, and no more.
    let done = change(&world, Change::Add, &who, Some(&file));
    assert!(done.pending.is_empty(), "{:?}", done.pending);
    assert_eq!(world.open().keyring.epoch, 4);
    assert_eq!(world.config().recipients.len(), 2);
    assert!(
        roots(&world)
            .iter()
            .all(|root| opens(&new, root) && opens(&world.identity, root))
    );
    let proved = keys::prove(
        &mut world.change(),
        &write_identity(&world, "new.key", &new),
    )
    .unwrap();
    assert!(proved.ok, "{:?}", proved.stores);
    assert_verifies(&world);
}

#[test]
fn who_is_removed_can_open_nothing_that_comes() {
    let world = World::new();
    let file = world.identity_file();
    let new = Identity::generate();
    change(
        &world,
        Change::Add,
        &new.recipient().to_string(),
        Some(&file),
    );
    let me = world.identity.recipient().to_string();
    let done = change(&world, Change::Remove, &me, Some(&file));
    assert!(done.pending.is_empty(), "{:?}", done.pending);
    assert_eq!(done.recipients, [new.recipient().to_string()]);
    for sealed in keyrings(&world).iter().chain(&roots(&world)) {
        assert!(opens(&new, sealed), "{}", sealed.display());
        assert!(!opens(&world.identity, sealed), "{}", sealed.display());
    }
    world.snapshot(true);
    forget::run(&mut world.change(), &["8".to_owned()], &[]).unwrap();
    assert!(
        keyrings(&world)
            .iter()
            .all(|keyring| !opens(&world.identity, keyring))
    );
    assert_verifies(&world);
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    let world = World::new();
    let me = world.identity.recipient().to_string();
    let other = Identity::generate();
    let stranger = other.recipient().to_string();
    let wrong = write_identity(&world, "wrong.key", &other);
    let missing = world.dir().join("none.key");
    let text = fs::read_to_string(world.config_path()).unwrap();
    for (change, who, identity, kind) in [
        (Change::Add, me.as_str(), None, FailureKind::Usage),
        (Change::Add, me.as_str(), Some(&wrong), FailureKind::Usage),
        (Change::Add, "age1nobody", None, FailureKind::Usage),
        (
            Change::Remove,
            stranger.as_str(),
            None,
            FailureKind::NotFound,
        ),
        (Change::Remove, me.as_str(), None, FailureKind::Refused),
        (
            Change::Add,
            stranger.as_str(),
            Some(&wrong),
            FailureKind::Failed,
        ),
        (
            Change::Add,
            stranger.as_str(),
            Some(&missing),
            FailureKind::Failed,
        ),
    ] {
        let identity = identity.map(PathBuf::as_path);
        let result = keys::change_recipients(&mut world.change(), change, who, identity);
        let failure = result.unwrap_err();
        assert_eq!(failure.kind(), kind, "{change:?} {who}: {failure:?}");
        assert_eq!(world.open().keyring.epoch, 1);
        assert_eq!(
            keys::recipients(&world.open()).unwrap(),
            std::slice::from_ref(&me)
        );
        assert_eq!(fs::read_to_string(world.config_path()).unwrap(), text);
    }
}

#[test]
fn a_store_that_was_out_of_reach_is_named_and_gets_the_root_later() {
    let world = World::new();
    world.snapshot(true);
    let file = world.identity_file();
    let new = Identity::generate();
    let far = world.store_dirs()[1].clone();
    let aside = far.with_file_name("aside");
    fs::rename(&far, &aside).unwrap();
    let done = change(
        &world,
        Change::Add,
        &new.recipient().to_string(),
        Some(&file),
    );
    assert_eq!(done.pending.len(), 2, "{:?}", done.pending);
    assert!(
        done.pending
            .iter()
            .all(|pending| pending.contains(STORES[1])),
        "{:?}",
        done.pending
    );
    fs::rename(&aside, &far).unwrap();
    assert!(!opens(&new, &far.join("root.age")));
    let settle = || {
        let (_, settled) = Repository::change(world.config(), &world.handle()).unwrap();
        settled.finished
    };
    assert_eq!(settle(), [format!("root.age in store {}", STORES[1])]);
    assert!(opens(&new, &far.join("root.age")));
    // A store that has it is not given it again.
    assert_eq!(settle(), [""; 0]);
    assert!(keyrings(&world).iter().all(|keyring| opens(&new, keyring)));
    assert_verifies(&world);
}

#[test]
fn a_damaged_copy_of_the_root_never_replaces_good_ones() {
    let world = World::new();
    let file = world.identity_file();
    change(
        &world,
        Change::Add,
        &Identity::generate().recipient().to_string(),
        Some(&file),
    );
    let all = roots(&world);
    let good = fs::read(&all[0]).unwrap();
    fs::write(&all[2], b"damaged on this host").unwrap();
    drop(world.change());
    assert_eq!(fs::read(&all[0]).unwrap(), good);
    assert_eq!(fs::read(&all[1]).unwrap(), good);
    fs::write(&all[2], &good).unwrap();
    fs::write(&all[1], b"damaged in a store").unwrap();
    drop(world.change());
    assert_eq!(fs::read(&all[1]).unwrap(), good);
}
