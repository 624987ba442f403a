//! The certificate of an erasure: what was decided, what was seen, and what was not.
//!
//! It is JSON: `{"certificate": {…}, "writer": "…", "signature": "…"}`. The signature is the
//! incarnation's, Ed25519 as kind `erasure` ([`crate::sign`]), over the certificate's compact JSON
//! with sorted keys and without white space; `writer` is the incarnation's own certificate in
//! hexadecimal, which the root has signed, so whoever knows the repository's fingerprint can check it
//! with nothing else. It holds domain numbers, never a customer's key or name, and stands in the
//! journal: the newest of an erasure counts.

use serde_json::{Value, json};

use super::live_part::{LiveDone, absent_in_words, unreached_in_words};
use super::pending::Pending;
use crate::catalog::Erasure;
use crate::certificate::Certificate;
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{hex, unhex};
use crate::journal::{Cause, Event};
use crate::repo::{Repository, Settled};
use crate::sign::{SIGNATURE, VerifyKey};
use crate::status;

/// Writes a certificate for every erasure of which something else is true than its last one says.
/// Returns how many erasures have something pending.
pub(super) fn all(repository: &mut Repository) -> Outcome<usize> {
    let mut open = 0;
    for erasure in repository.catalog.open_erasures()? {
        let seen = seen(repository, &erasure)?;
        let is_final = is_final(&seen);
        open += usize::from(!is_final);
        let said = match erasure.certified {
            Some(entry) => Some(certified(repository, entry)?),
            None => None,
        };
        if said.as_ref().is_some_and(|said| same(said, &seen)) {
            continue;
        }
        let certificate = signed(repository, seen)?;
        repository.decide(Event::Certified {
            erasure: erasure.entry,
            certificate,
            is_final,
        })?;
        repository.carry_out_decisions(&mut Settled::default())?;
    }
    Ok(open)
}

/// What is pending of an erasure.
pub(super) fn pending(repository: &Repository, entry: u64) -> Outcome<Vec<Pending>> {
    let Some(erasure) = repository.catalog.erasure(entry)? else {
        return Ok(Vec::new());
    };
    let seen = seen(repository, &erasure)?;
    let pending = seen["pending"].as_array().into_iter().flatten();
    Ok(pending
        .filter_map(|what| Some(Pending::read(what.as_str()?)))
        .collect())
}

fn is_final(seen: &Value) -> bool {
    seen["final"] == Value::Bool(true)
}

/// Whether two certificates say the same, but for when they were issued.
fn same(said: &Value, seen: &Value) -> bool {
    let without_time = |value: &Value| {
        let mut value = value.clone();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("issued");
        }
        value
    };
    without_time(said) == without_time(seen)
}

/// What no certificate can promise, whatever was seen.
const CAUTIONS: [&str; 3] = [
    "a copy that others made of an older keyring, together with a recovery identity, still opens it",
    "where the host secret is a plain file, so does an image of this disk from before",
    "rows that nothing told to be the subject's, such as those whose owner stood on a damaged page when a snapshot \
     was taken, are in that snapshot as nobody's until it is pruned",
];

/// The places that ever held keyrings, and whether each was seen without an older one.
fn key_places(repository: &Repository) -> Outcome<Vec<Value>> {
    let places = repository.catalog.key_places()?.into_iter();
    let places = places.map(|(store, place)| {
        json!({
            "store": store,
            "seen_without_older": place.epoch >= repository.keyring.epoch,
        })
    });
    Ok(places.collect())
}

/// What there is to certify now.
fn seen(repository: &Repository, erasure: &Erasure) -> Outcome<Value> {
    let entry = repository.entry(erasure.entry)?;
    let Event::Erased {
        recognised, order, ..
    } = &entry.event
    else {
        return Err(Failure::new(format!(
            "journal entry {} is no erasure",
            erasure.entry
        )));
    };
    let order = order.as_ref();
    let live: Option<LiveDone> = erasure
        .live
        .as_deref()
        .and_then(|live| serde_json::from_str(live).ok());
    let places = repository.pending_places()?;
    let mut pending: Vec<String> = places
        .iter()
        .map(|store| format!("store {store} may still hold an older keyring"))
        .collect();
    match &live {
        None => pending.push("the rows in the live systems".into()),
        Some(live) => {
            let sources = live.sources.iter();
            pending.extend(sources.flat_map(|source| {
                let name = &source.source;
                source
                    .undone()
                    .map(move |what| format!("source {name}: {what}"))
            }));
        }
    }
    let on_host = status::identity_on_host(repository)?;
    if on_host {
        pending.push(Pending::Identity.to_string());
    }
    let certificate = &repository.certificate;
    let absent = live.as_ref();
    let absent = absent.and_then(|live| absent_in_words(live.absent, live.resumed));
    let unreached = live.iter().flat_map(LiveDone::unreached);
    let unreached = unreached.map(|table| unreached_in_words(&table));
    let cautions = CAUTIONS.map(str::to_owned).into_iter();
    let cautions = cautions.chain(absent).chain(unreached);
    let cautions: Vec<String> = cautions.collect();
    Ok(json!({
        "format": "tenure erasure certificate 1",
        "repository": certificate.repo.to_string(),
        "incarnation": certificate.inc.to_string(),
        "number": erasure.entry,
        "erased": entry.time,
        "issued": Timestamp::now(),
        "cause": match erasure.cause { Cause::Request => "request", Cause::Retention => "retention" },
        "ground": order.and_then(|order| order.ground.clone()),
        "subjects": recognised.iter().map(|one| one.domain.to_string()).collect::<Vec<_>>(),
        "live": live,
        "keyring": {
            "epoch": repository.keyring.epoch,
            "places": key_places(repository)?,
        },
        "pending": pending,
        "final": pending.is_empty(),
        "cautions": cautions,
    }))
}

/// Signs a certificate.
fn signed(repository: &Repository, certificate: Value) -> Outcome<String> {
    let text = certificate.to_string();
    let signature = repository.writer().sign("erasure", text.as_bytes());
    let path = repository.state.certificate(repository.inc());
    let writer = fsx::read(&path, 4096)?;
    let whole = json!({
        "certificate": certificate,
        "writer": hex(&writer),
        "signature": hex(&signature),
    });
    Ok(whole.to_string())
}

/// The signed text of the certificate of an erasure.
///
/// # Errors
/// `NotFound` when there is no erasure of that number.
pub fn show(repository: &Repository, number: u64) -> Outcome<Value> {
    let none = || {
        let what = format!("there is no certificate {number}");
        Failure::of(FailureKind::NotFound, what)
    };
    let erasure = repository.catalog.erasure(number)?.ok_or_else(none)?;
    text(repository, erasure.certified.ok_or_else(none)?)
}

fn text(repository: &Repository, entry: u64) -> Outcome<Value> {
    match repository.entry(entry)?.event {
        Event::Certified { certificate, .. } => Ok(serde_json::from_str(&certificate)
            .map_err(|error| Failure::new("the certificate is no JSON").because(error))?),
        _ => Err(Failure::new(format!(
            "journal entry {entry} is no certificate"
        ))),
    }
}

/// What the certificate in a journal entry says.
fn certified(repository: &Repository, entry: u64) -> Outcome<Value> {
    let mut whole = text(repository, entry)?;
    Ok(whole["certificate"].take())
}

/// Checks a certificate against the repository's fingerprint, and gives what it says.
///
/// # Errors
/// When it is not one, or not signed by a writer whom the root has certified.
pub fn verify(text: &str, fingerprint: &VerifyKey) -> Outcome<Value> {
    let wrong = |what: &str| Failure::new(format!("this is no valid certificate: {what}"));
    let mut whole: Value =
        serde_json::from_str(text).map_err(|error| wrong("it is no JSON").because(error))?;
    let field = |name: &str| whole[name].as_str().unwrap_or_default().to_owned();
    let writer = hex_bytes(&field("writer")).ok_or_else(|| wrong("it names no writer"))?;
    let writer = Certificate::read(&writer, fingerprint)
        .map_err(|error| wrong("its writer is not this repository's").because(error))?;
    let signature: [u8; SIGNATURE] =
        unhex(&field("signature")).ok_or_else(|| wrong("it has no signature"))?;
    let certificate = whole["certificate"].take();
    let signed = certificate.to_string();
    let checked = writer
        .verify
        .verify("erasure", signed.as_bytes(), &signature);
    checked.map_err(|error| wrong("it was altered").because(error))?;
    let of = (&certificate["repository"], &certificate["incarnation"]);
    if *of.0 != writer.repo.to_string() || *of.1 != writer.inc.to_string() {
        return Err(wrong("it is of another repository than its writer"));
    }
    Ok(certificate)
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes().chunks(2);
    bytes
        .map(|pair| Some(unhex::<1>(std::str::from_utf8(pair).ok()?)?[0]))
        .collect()
}
