//! Texts: the configuration, schedules, notes and age files.

use std::path::Path;

use tenure::config::{Config, Cron};
use tenure::keyring::recovery;
use tenure::note;
use tenure::secret::Seed;
use tenure::sign::SigningKey;

pub fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Config::parse(Path::new("/etc/tenure/tenure.toml"), text);
    }
}

pub fn cron(bytes: &[u8]) {
    let Some(cron) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Cron>().ok()) else {
        return;
    };
    let _ = cron.names_times();
}

/// A note whose text and signature are what they should be, and one that is not.
pub fn note(bytes: &[u8]) {
    let key = SigningKey::from_seed(Seed::from_bytes([5; 32]));
    let verify = key.verify_key();
    let _ = note::open(bytes, "tenure.example/1", &verify);
    if let Ok(signed) = std::str::from_utf8(bytes).map(|text| note::sign(text, "tenure.example/1", &key))
        && let Ok(signed) = signed
    {
        let opened = note::open(signed.as_bytes(), "tenure.example/1", &verify);
        assert_eq!(opened.ok().map(str::as_bytes), Some(bytes));
        let _ = note::Checkpoint::open(signed.as_bytes(), "tenure.example/1", &verify);
    }
}

pub fn recovery(bytes: &[u8]) {
    const IDENTITY: &str =
        "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    let text = String::from_utf8_lossy(bytes);
    let _ = recovery::identities(&text);
    let _ = recovery::fingerprint(&text);
    let identities = recovery::identities(IDENTITY).expect("it is one");
    let _ = recovery::decrypt(&identities, bytes);
}
