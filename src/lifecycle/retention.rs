//! Retention: what is due, why, and doing it.
//!
//! The plan is the real decision, so a look at it is a dry run. A run carries out what the plan of
//! the same moment says, in batches, each with an entry of its own in the journal; whatever is
//! decided about somebody meanwhile, a hold above all, is seen before the next batch.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::erase::{self, Wanted};
use super::facts::{self, People};
use super::fuse::{Blown, blown, hash};
use super::pending::Pending;
use super::policy::{Fate, Policy, Verdict, decide};
use super::subject::Subject;
use super::{Implausible, plausible};
use crate::clock::Timestamp;
use crate::config::Fuse;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Domain, hex};
use crate::journal::Cause;
use crate::piece::Identity;
use crate::repo::Repository;
use crate::report::{Report, Unit};

/// How many customers one entry of the journal erases: many enough that the keyring is written
/// seldom, few enough that a hold which arrives meanwhile does not wait long.
const BATCH: usize = 200;
/// The catalog's note of when retention last ran.
const LAST_RUN: &str = "retention_run";
const MONTH_MS: i64 = 30 * 86_400_000;

/// What is due, and why.
pub struct Plan {
    /// By what a person confirms it.
    pub hash: String,
    /// At what time it was made for.
    pub at: Timestamp,
    /// The verdicts, in the order of the register.
    pub verdicts: Vec<Verdict>,
    /// Who each is.
    pub identities: Vec<Identity>,
    /// Those who have no number yet, and are looked at from the next snapshot on.
    pub unknown: u64,
    /// That too many would be erased.
    pub blown: Option<Blown>,
    /// Why the clock is not believed.
    pub implausible: Option<Implausible>,
}

/// What a run did.
pub struct Run {
    /// What was carried out.
    pub plan: Plan,
    /// The erasures, by number.
    pub erasures: Vec<u64>,
    /// How many customers were erased.
    pub erased: u64,
    /// What is not done yet.
    pub pending: Vec<Pending>,
    /// Rules that could not be followed, by source, in words: what they name was dropped.
    pub unmet: BTreeSet<String>,
    /// How many of the erased the register did not hold any more.
    pub absent: u64,
    /// Tables with rows of which nobody has said whose they are, with their sources.
    pub not_reached: BTreeSet<String>,
    due: VecDeque<(Domain, Identity)>,
    is_believed: bool,
}

/// The policy in force.
pub fn policy(repository: &Repository) -> Policy {
    let config = &repository.config;
    Policy::new(config.retention.as_ref(), config.time_zone)
}

/// What is due at a time. Changes nothing.
pub fn plan(repository: &Repository, at: Timestamp) -> Outcome<Plan> {
    let policy = policy(repository);
    let People {
        facts,
        identities,
        unknown,
    } = facts::gather(repository, &policy, at)?;
    let verdicts = decide(&facts, &policy, at);
    let already = repository
        .catalog
        .erased_since(Timestamp(at.0 - MONTH_MS))?;
    let fuse = repository
        .config
        .retention
        .as_ref()
        .map_or_else(Fuse::default, |retention| retention.fuse);
    let customers = verdicts.len() as u64 + already;
    Ok(Plan {
        hash: hex(&hash(&verdicts)),
        at,
        blown: blown(&verdicts, already, customers, &fuse),
        implausible: implausible(repository, at)?,
        verdicts,
        identities,
        unknown,
    })
}

/// Carries out what is due now, in one go.
///
/// # Errors
/// As [`begin`], and whatever a batch fails with: those before it are erased then.
pub fn run(
    repository: &mut Repository,
    confirm: Option<&str>,
    report: &dyn Report,
) -> Outcome<Run> {
    let mut run = begin(repository, confirm)?;
    while run.step(repository, report)? {}
    Ok(run)
}

/// Decides what is to be carried out now. `confirm` is the hash of the plan, asked for when the fuse
/// has blown or the clock is not plausible.
///
/// # Errors
/// `Refused` when a person must confirm first, or confirmed another plan. Nothing is changed then.
pub fn begin(repository: &Repository, confirm: Option<&str>) -> Outcome<Run> {
    let plan = plan(repository, Timestamp::now())?;
    check(&plan, confirm)?;
    Ok(Run {
        due: plan.due().into(),
        // A clock that nobody believed must not become what the next run is measured by.
        is_believed: plan.implausible.is_none() || confirm.is_some(),
        plan,
        erasures: Vec::new(),
        erased: 0,
        pending: Vec::new(),
        unmet: BTreeSet::new(),
        absent: 0,
        not_reached: BTreeSet::new(),
    })
}

fn check(plan: &Plan, confirm: Option<&str>) -> Outcome<()> {
    if confirm == Some(plan.hash.as_str()) {
        return Ok(());
    }
    let refused = |what: String| {
        let hint = format!(
            "look at `tenure retention plan`; if it is right, run `tenure retention run --confirm {}`",
            plan.hash
        );
        Failure::of(FailureKind::Refused, what).hint(hint)
    };
    if confirm.is_some() {
        return Err(refused(
            "the plan is another than the one that was confirmed".into(),
        ));
    }
    if plan.count(Fate::Erase) == 0 {
        return Ok(());
    }
    if let Some(blown) = &plan.blown {
        return Err(refused(format!("the fuse has blown: {blown}")));
    }
    match &plan.implausible {
        Some(why) => Err(refused(why.to_string())),
        None => Ok(()),
    }
}

/// The newest time that this repository has recorded, against the clock.
fn implausible(repository: &Repository, now: Timestamp) -> Outcome<Option<Implausible>> {
    let note = repository.catalog.note(LAST_RUN)?;
    let last_run = note.and_then(|note| note.parse().ok()).map(Timestamp);
    let newest_entry = match repository.last_entry() {
        0 => None,
        len => Some(repository.entry(len)?.time),
    };
    let snapshots = repository.catalog.snapshots()?;
    let newest = snapshots.last().map(|snapshot| snapshot.finished);
    Ok(plausible(now, newest.max(newest_entry), last_run).err())
}

impl Plan {
    /// How many have a fate.
    pub fn count(&self, fate: Fate) -> usize {
        let verdicts = self.verdicts.iter();
        verdicts.filter(|verdict| verdict.fate == fate).count()
    }

    /// The verdicts with whom each is about.
    pub fn each(&self) -> impl Iterator<Item = (&Identity, &Verdict)> {
        self.identities.iter().zip(&self.verdicts)
    }

    /// Those who are to be erased.
    fn due(&self) -> Vec<(Domain, Identity)> {
        let due = self
            .each()
            .filter(|(_, verdict)| verdict.fate == Fate::Erase);
        due.map(|(identity, verdict)| (verdict.domain, identity.clone()))
            .collect()
    }
}

impl Run {
    /// Erases the next batch. Returns whether there is another one; the repository may be another then,
    /// and something else have been decided.
    pub fn step(&mut self, repository: &mut Repository, report: &dyn Report) -> Outcome<bool> {
        let batch: Vec<_> = self.due.drain(..BATCH.min(self.due.len())).collect();
        let left = self.due.len() + batch.len();
        report.begin("erasing", Some(left as u64), Unit::Items);
        self.batch(repository, &batch)?;
        report.advance(batch.len() as u64);
        if !self.due.is_empty() {
            return Ok(true);
        }
        report.end();
        self.pending.sort();
        self.pending.dedup();
        if self.is_believed {
            let note = self.plan.at.0.to_string();
            repository
                .catalog
                .change(|change| change.set_note(LAST_RUN, &note))?;
        }
        Ok(false)
    }

    /// Erases some, but for those of whom something else was decided since the plan was made.
    fn batch(&mut self, repository: &mut Repository, batch: &[(Domain, Identity)]) -> Outcome<()> {
        let mut subjects = Vec::new();
        for (domain, identity) in batch {
            let life = repository.catalog.life(*domain)?;
            let Some(customer) = repository.catalog.customer(*domain)? else {
                continue;
            };
            if life.is_held(Timestamp::now()) || life.is_restricted() {
                continue;
            }
            subjects.push(Subject {
                id: String::new(),
                customer,
                identity: identity.clone(),
            });
        }
        let wanted = Wanted {
            cause: Cause::Retention,
            reason: "retention",
            ground: None,
            vacuum: false,
        };
        let count = subjects.len();
        let erased = match subjects.is_empty() {
            true => return Ok(()),
            false => erase::run(repository, subjects, &wanted),
        };
        match erased {
            Ok(erased) => {
                self.erasures.push(erased.entry);
                self.erased += count as u64;
                self.pending.extend(erased.pending);
                self.unmet.extend(erased.unmet);
                self.absent += erased.absent;
                self.not_reached.extend(erased.not_reached);
                Ok(())
            }
            // One whom the live database does not let go must not keep the others.
            Err(failure) if failure.kind() == FailureKind::Refused && batch.len() > 1 => batch
                .iter()
                .try_for_each(|one| self.batch(repository, std::slice::from_ref(one))),
            Err(failure) if failure.kind() == FailureKind::Refused => {
                let who = batch.iter().map(|(domain, _)| domain.to_string());
                let who = who.collect::<String>();
                // What the database itself says may hold what stands in a row, so it is not passed on.
                let why = failure.causes().into_iter().take(1).collect::<String>();
                let what = format!("customer number {who} stays: {failure}: {why}");
                self.pending.push(Pending::Work(what));
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The verdict on everybody by number, for lists of customers.
pub fn verdicts(repository: &Repository, now: Timestamp) -> Outcome<HashMap<Domain, Verdict>> {
    let policy = policy(repository);
    let people = facts::gather(repository, &policy, now)?;
    let verdicts = decide(&people.facts, &policy, now).into_iter();
    Ok(verdicts.map(|verdict| (verdict.domain, verdict)).collect())
}

/// The verdict on one customer, and whether the register lacks the customer.
pub fn verdict_on(
    repository: &Repository,
    domain: Domain,
    identity: &Identity,
    now: Timestamp,
) -> Outcome<(Verdict, bool)> {
    let policy = policy(repository);
    let fact = facts::of_one(repository, &policy, domain, identity, now)?;
    let vanished = fact.vanished.is_some();
    let verdict = decide(&[fact], &policy, now).pop();
    let verdict = verdict.ok_or_else(|| Failure::new("there is no verdict"))?;
    Ok((verdict, vanished))
}
