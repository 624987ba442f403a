//! What was decided of customers' lives, as the journal has it: a reader's catalog may not say it yet.

use std::collections::BTreeMap;

use crate::catalog::Life;
use crate::error::Outcome;
use crate::ids::Domain;
use crate::journal::{Entry, Event};
use crate::repo::Repository;

/// Everybody of whose life something was decided, or whom the register lacks, and who lives.
pub fn lives(repository: &Repository) -> Outcome<BTreeMap<Domain, Life>> {
    let mut lives = repository.catalog.lives()?;
    for entry in unapplied(repository)? {
        if let Some(domain) = about(&entry.event) {
            lives.entry(domain).or_default().take(entry);
        }
    }
    for (double, of) in repository.catalog.doubles()? {
        if let Some(life) = lives.get(&of).cloned() {
            lives.insert(double, life);
        }
    }
    lives.retain(|domain, _| !repository.keyring.forest.is_punctured(*domain));
    Ok(lives)
}

/// The entries that the catalog does not show yet, also one that is just being written.
fn unapplied(repository: &Repository) -> Outcome<impl Iterator<Item = &Entry>> {
    let applied = repository.catalog.note("journal_applied")?;
    let applied: u64 = applied.and_then(|number| number.parse().ok()).unwrap_or(0);
    let (log, len) = (repository.log(), repository.last_entry());
    let recent = log.recent().len().min(len.saturating_sub(applied) as usize);
    let recent = &log.recent()[log.recent().len() - recent..];
    Ok(recent.iter().chain(log.intended()))
}

fn about(event: &Event) -> Option<Domain> {
    match event {
        Event::Hidden { domain, .. }
        | Event::Unhidden { domain, .. }
        | Event::Held { domain, .. }
        | Event::Released { domain, .. } => Some(*domain),
        _ => None,
    }
}
