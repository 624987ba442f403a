//! `customer hide`, `unhide`, `hold`, `release`, `erase`, and certificates.

use serde_json::json;

use super::answer::{Answer, IN_PART};
use super::params::{Because, Erase, Hide, Hold};
use super::{Context, text, times};
use crate::clock::Timestamp;
use crate::error::Outcome;
use crate::journal::Cause;
use crate::lifecycle::erase::{self, Wanted};
use crate::lifecycle::hide::{self, Hidden};
use crate::lifecycle::hold::{self, Held};
use crate::lifecycle::{
    Pending, absent_in_words, certificate as shown, unreached_in_words,
    verify_certificate as verified,
};

/// `customer hide`
pub fn hide(context: &Context, wanted: &Hide) -> Outcome<Answer> {
    let mut repository = context.change_sources()?;
    let (id, reason) = (&wanted.id, &wanted.reason);
    let hidden = hide::hide(&mut repository, id, reason, wanted.restriction)?;
    Ok(hidden_answer(context, &hidden))
}

/// `customer unhide`
pub fn unhide(context: &Context, wanted: &Because) -> Outcome<Answer> {
    let mut repository = context.change_sources()?;
    let hidden = hide::unhide(&mut repository, &wanted.id, &wanted.reason)?;
    Ok(hidden_answer(context, &hidden))
}

fn hidden_answer(context: &Context, hidden: &Hidden) -> Answer {
    let state = if hidden.hidden { "hidden" } else { "active" };
    let pending: Vec<String> = hidden.pending.iter().map(text::reasons).collect();
    let value = || json!({ "id": hidden.id, "state": state, "pending": pending });
    let text = || format!("customer {} is {state}\n", text::printable(&hidden.id));
    let warnings = pending.iter().map(|why| {
        format!("pending: the live row does not show it yet ({why}); the next command tries again")
    });
    Answer::new(context.json, value, text)
        .chatter()
        .warn(warnings.collect::<Vec<_>>())
        .code_if(hidden.pending.is_some(), IN_PART)
}

/// `customer hold`
pub fn hold(context: &Context, wanted: &Hold) -> Outcome<Answer> {
    let zone = context.config()?.time_zone;
    let until = wanted.until.as_deref();
    let until = until.map(|text| times::read_end(text, zone)).transpose()?;
    let mut repository = context.change()?;
    let held = hold::hold(&mut repository, &wanted.id, &wanted.reason, until)?;
    Ok(held_answer(context, &held, zone))
}

/// `customer release`
pub fn release(context: &Context, wanted: &Because) -> Outcome<Answer> {
    let mut repository = context.change()?;
    let held = hold::release(&mut repository, &wanted.id, &wanted.reason)?;
    Ok(held_answer(context, &held, repository.config.time_zone))
}

/// How a hold is told in JSON: none, until when, or until it is released.
pub fn hold_json(stands: bool, until: Option<Timestamp>) -> serde_json::Value {
    match until {
        _ if !stands => serde_json::Value::Null,
        Some(until) => json!(until),
        None => json!("until released"),
    }
}

fn held_answer(context: &Context, held: &Held, zone: chrono_tz::Tz) -> Answer {
    let value = || {
        json!({
            "id": held.id,
            "hold": hold_json(held.stands, held.until),
            "pending": held.unaware,
        })
    };
    let text = || {
        let id = text::printable(&held.id);
        match (held.stands, held.until) {
            (false, _) => format!("no hold stands for customer {id} any more\n"),
            (true, None) => format!("a hold stands for customer {id} until it is released\n"),
            (true, Some(until)) => {
                let until = times::local(until, zone);
                format!("a hold stands for customer {id} until {until}\n")
            }
        }
    };
    let warnings = held.unaware.iter().map(|store| {
        format!("pending: store {store} does not know of it yet; the next command that reaches it tells it")
    });
    Answer::new(context.json, value, text)
        .chatter()
        .warn(warnings.collect::<Vec<_>>())
        .code_if(!held.unaware.is_empty(), IN_PART)
}

/// `customer erase`
pub fn erase(context: &Context, wanted: &Erase) -> Outcome<Answer> {
    let began = Timestamp::now();
    let mut repository = context.change_sources()?;
    let how = Wanted {
        cause: Cause::Request,
        reason: &wanted.reason,
        ground: wanted.ground.as_deref(),
        vacuum: wanted.vacuum,
    };
    let erased = erase::on_request(&mut repository, &wanted.id, &how)?;
    context.heed(&repository);
    let certificate = shown(&repository, erased.entry)?;
    // What only keeps the certificate from being final does not keep the erasure from being done.
    let is_part = erased.pending.iter().any(Pending::is_work);
    let state = if is_part { "erasing" } else { "erased" };
    let seconds = Timestamp::now().seconds_since(began);
    let value = || {
        json!({
            "id": wanted.id,
            "certificate": erased.entry,
            "signed": certificate,
            "state": state,
            "pending": erased.pending,
            "problems": erased.unmet,
            "not_reached": erased.not_reached,
            "absent": erased.absent,
            "epoch": erased.epoch,
            "seconds": seconds,
        })
    };
    let text = || {
        format!(
            "customer {} is {state}: certificate {}, keyring epoch {}, {}\n{certificate:#}\n",
            text::printable(&wanted.id),
            erased.entry,
            erased.epoch,
            times::seconds(seconds),
        )
    };
    let warnings = erased
        .pending
        .iter()
        .map(|what| format!("pending: {}", text::printable(&what.to_string())));
    let warnings = warnings.chain(erased.unmet.iter().map(|what| text::printable(what)));
    let warnings = warnings.chain(absent_in_words(erased.absent, false));
    let named = |table: &String| text::printable(&unreached_in_words(table));
    let warnings = warnings.chain(erased.not_reached.iter().map(named));
    Ok(Answer::new(context.json, value, text)
        .warn(warnings.collect::<Vec<_>>())
        .code_if(is_part || !erased.unmet.is_empty(), IN_PART))
}

/// `certificate show`
pub fn certificate(context: &Context, number: u64) -> Outcome<Answer> {
    let certificate = shown(&context.read()?, number)?;
    let text = || format!("{certificate:#}\n");
    Ok(Answer::new(context.json, || certificate.clone(), text))
}

/// `certificate verify`
pub fn verify_certificate(context: &Context, text: &str) -> Outcome<Answer> {
    let says = verified(text, &context.read()?.fingerprint)?;
    let value = || json!({ "ok": true, "certificate": says });
    let text = || {
        let standing = match says["final"].as_bool() {
            Some(true) => "nothing is pending",
            _ => "something is pending",
        };
        format!(
            "the certificate is this repository's and unaltered: number {}, issued {}; {standing}\n",
            says["number"],
            says["issued"].as_str().unwrap_or_default(),
        )
    };
    Ok(Answer::new(context.json, value, text))
}
