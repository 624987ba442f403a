//! Stores in directories, and what is the same for all.

use std::fs;

use super::*;

#[test]
fn a_directory_that_has_gone_is_not_made_anew() {
    with_store(|store, root| {
        fs::rename(root, root.with_extension("away")).unwrap();
        assert!(store.put_new("packs/a", Bytes::from_static(b"1")).is_err());
        assert!(store.replace("packs/a", Bytes::from_static(b"1")).is_err());
        assert!(!root.exists());
    });
}

fn with_store(test: impl FnOnce(&Store, &Path)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let name = "local".parse().unwrap();
    assert!(Store::open_dir(&name, &root, true, false, runtime.handle()).is_err());
    let store = Store::open_dir(&name, &root, true, true, runtime.handle()).unwrap();
    test(&store, &root);
}

#[test]
fn an_object_is_put_once_and_the_same_again_is_no_conflict() {
    with_store(|store, _| {
        store
            .put_new("packs/a", Bytes::from_static(b"one"))
            .unwrap();
        store
            .put_new("packs/a", Bytes::from_static(b"one"))
            .unwrap();
        for other in [&b"two"[..], b"o", b"longer"] {
            let error = store
                .put_new("packs/a", Bytes::copy_from_slice(other))
                .unwrap_err();
            assert!(error.is_conflict(), "{error}");
        }
        assert_eq!(store.get("packs/a", 3).unwrap(), "one");
        let error = store.get("packs/a", 2).unwrap_err();
        assert_eq!(error.to_string(), "store \"local\": cannot read packs/a");
        assert!(matches!(*error.cause, Cause::TooLarge(3)));
        assert_eq!(store.get_range("packs/a", 1..3).unwrap(), "ne");
    });
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "what the library does, to see what it leaves"
)]
fn deleting_is_repeatable_and_listings_tell_sizes() {
    with_store(|store, root| {
        store
            .put_new("keyring/x/1.age", Bytes::from_static(b"12345"))
            .unwrap();
        store
            .replace("keyring/x/2.age", Bytes::from_static(b"123"))
            .unwrap();
        let listed = store.list("keyring").unwrap();
        assert_eq!(
            listed
                .into_iter()
                .map(|(p, n)| format!("{p} {n}"))
                .collect::<Vec<_>>(),
            ["keyring/x/1.age 5", "keyring/x/2.age 3"]
        );
        for _ in 0..2 {
            store.destroy("keyring/x/1.age").unwrap();
            store.delete("keyring/x/2.age").unwrap();
        }
        assert!(store.get_if_there("keyring/x/2.age", 9).unwrap().is_none());
        assert!(store.list("keyring").unwrap().is_empty());
        fs::write(root.join("keyring/x/3.age#1"), b"left").unwrap();
        fs::write(root.join("keyring/x/4.age"), b"kept").unwrap();
        fs::hard_link(root.join("keyring/x/4.age"), root.join("keyring/x/4.age#2")).unwrap();
        fs::write(root.join("7#1"), b"left").unwrap();
        assert_eq!(store.sweep("keyring").unwrap(), 4);
        assert_eq!(store.sweep("").unwrap(), 4);
        assert_eq!(store.sweep("none").unwrap(), 0);
        assert_eq!(store.get("keyring/x/4.age", 9).unwrap(), "kept");
        assert_eq!(store.list("keyring").unwrap().len(), 1);
    });
}

#[test]
fn a_listing_begins_behind_whatever_is_named() {
    with_store(|store, _| {
        for path in ["a/x/1", "a/x/2", "a/x/3", "a/y/1", "b/1"] {
            store.put_new(path, Bytes::from_static(b"12345")).unwrap();
        }
        for (after, expected) in [
            ("a/x/1", &["a/x/2", "a/x/3"][..]),
            ("a/x/2-is-not-there", &["a/x/3"]),
            ("a/x/3", &[]),
        ] {
            let listed = store.list_after("a/x", after).unwrap();
            assert!(listed.keys().eq(expected), "{after}");
            assert!(listed.values().all(|size| *size == 5));
        }
        assert!(store.list_after("none", "none/1").unwrap().is_empty());
    });
}

#[test]
fn what_is_purged_leaves_nothing_but_what_is_kept() {
    with_store(|store, root| {
        for name in ["1", "2", "3"] {
            let path = format!("keyring/x/{name}.age");
            store.put_new(&path, Bytes::from_static(b"12345")).unwrap();
        }
        store.put_new("packs/a", Bytes::from_static(b"1")).unwrap();
        store.purge("keyring", Some("keyring/x/3.age")).unwrap();
        let left: Vec<_> = store.list("").unwrap().into_keys().collect();
        assert_eq!(left, ["keyring/x/3.age", "packs/a"]);
        store.purge("keyring", None).unwrap();
        assert!(store.list("keyring").unwrap().is_empty());
        store.purge("nothing", None).unwrap();
        assert!(root.join("packs/a").exists());
    });
}
