//! The demonstration, as the README shows it.

use tenure::demo;
use tenure::error::FailureKind;
use tenure::report::Silent;

#[test]
fn every_claim_of_the_demonstration_holds() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("demo");
    let mut told = Vec::new();
    let left = demo::run(Some(&to), 300, &mut told, &Silent, runtime.handle()).unwrap();
    let told = String::from_utf8(told).unwrap();
    for claim in [
        "snapshot 1 from store \"first\": every row as it was then.",
        "snapshot 2 from store \"second\": every row as it was then.",
        "no older one is: listed again",
        "snapshot 1 from store \"second\":",
        "is gone, all others are identical.",
        "all whole.",
        "tenure status",
    ] {
        assert!(told.contains(claim), "{claim}\n{told}");
    }
    assert_eq!(told.matches("all others are identical").count(), 4);
    assert!(left.join("tenure.toml").exists() && left.join("store-2/packs").is_dir());

    let again = demo::run(Some(&to), 300, &mut Vec::new(), &Silent, runtime.handle());
    assert_eq!(again.unwrap_err().kind(), FailureKind::Usage);
}
