//! Facts and a time in, verdicts out.

use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;
use serde::{Serialize, Serializer};

use super::calendar::end;
use super::course::{Course, no_start};
use super::reason::{Day, Reason};
use super::start::Start;
use crate::clock::Timestamp;
use crate::config::{AtEnd, Retention, RetentionRule, Vanished};
use crate::ids::Domain;

/// What is known of one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The customer's domain of the class `customer`.
    pub domain: Domain,
    /// From when each rule counts, in the order of [`Policy::rules`]. One that is not there counts
    /// as missing.
    pub starts: Vec<Start>,
    /// The hold that was put and not released.
    pub held: Option<Hold>,
    /// The customer has asked for restriction.
    pub restricted: bool,
    /// Out of everyday sight.
    pub hidden: bool,
    /// Since when the register lacks the customer; then `starts` are not looked at.
    pub vanished: Option<Timestamp>,
    /// Erased before, and found in the register again.
    pub reappeared: bool,
    /// It is not certain that the register's row is still the same customer's.
    pub doubtful: bool,
}

impl Fact {
    /// From when a rule counts; a vanished customer's count from when it was missed.
    pub(super) fn start(&self, rule: usize) -> Start {
        match self.vanished {
            Some(since) => Start::At(since),
            None => self.starts.get(rule).copied().unwrap_or(Start::Missing),
        }
    }
}

/// A legal hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its last moment; none if it stands until it is released.
    pub until: Option<Timestamp>,
}

/// Until when it stands: a time, or `until released`.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => until.fmt(f),
            None => f.write_str("until released"),
        }
    }
}

impl Serialize for Hold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Hold {
    /// Whether it binds at a moment.
    pub fn stands(self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at <= until)
    }
}

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The zone whose calendar counts.
    pub zone: Tz,
    /// All rules, in the order of the configuration.
    pub rules: Vec<Arc<Rule>>,
    /// What becomes of customers who left the register by themselves; they stay if this is none.
    pub vanished: Option<Vanished>,
}

/// One rule and its place in the configuration. Shown as `rule 1 (HGB §257)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number, from 1.
    pub number: usize,
    /// What it says.
    pub terms: RetentionRule,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} ({})", self.number, self.terms.basis)
    }
}

impl Policy {
    /// What the configuration says; without `[retention]` nobody's time is ever up.
    pub fn new(retention: Option<&Retention>, zone: Tz) -> Self {
        let rules = retention.iter().flat_map(|retention| &retention.rules);
        let rules = (1..).zip(rules.cloned());
        let rules = rules.map(|(number, terms)| Arc::new(Rule { number, terms }));
        Self {
            zone,
            rules: rules.collect(),
            vanished: retention.map(|retention| retention.vanished.clone()),
        }
    }

    pub(super) fn day(&self, moment: Timestamp) -> Day {
        Day::new(moment, self.zone)
    }

    /// The rules with a statutory minimum, each with its index.
    pub(super) fn minimums(&self) -> impl Iterator<Item = (usize, &Arc<Rule>)> {
        let rules = self.rules.iter().enumerate();
        rules.filter(|(_, rule)| !rule.terms.at_least.is_zero())
    }

    /// What there is to say of one rule's period, `until` being its last moment.
    pub(super) fn period(
        &self,
        rule: &Arc<Rule>,
        least: bool,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Reason {
        Reason::Period {
            rule: Arc::clone(rule),
            least,
            from: self.day(from),
            until: self.day(until),
            over: now > until,
        }
    }
}

/// What is to become of a customer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Stays.
    Keep,
    /// The period is over; still kept, out of use, for the time of grace.
    Expired,
    /// Is erased.
    Erase,
    /// A person decides.
    Review,
}

impl Fate {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Expired => "expired",
            Self::Erase => "erase",
            Self::Review => "review",
        }
    }
}

impl From<AtEnd> for Fate {
    fn from(then: AtEnd) -> Self {
        match then {
            AtEnd::Erase => Self::Erase,
            AtEnd::Review => Self::Review,
        }
    }
}

/// What is to become of one customer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whose.
    pub domain: Domain,
    /// What.
    pub fate: Fate,
    /// The first moment at which the fate is another, if nothing happens but that time goes by.
    pub due: Option<Timestamp>,
    /// Why: highest precedence first, what changes nothing last. Never empty.
    pub why: Vec<Reason>,
}

/// The verdict on each customer at a time, in the order of the facts.
pub fn decide(facts: &[Fact], policy: &Policy, now: Timestamp) -> Vec<Verdict> {
    let verdict = |fact| verdict(fact, policy, now);
    facts.iter().map(verdict).collect()
}

/// Whether a customer may be erased now because somebody asks for it; if not, everything that
/// stands against it. Rules' ends do not matter, statutory minimums do.
pub fn may_erase(fact: &Fact, policy: &Policy, now: Timestamp) -> Result<(), Vec<Reason>> {
    let mut against = bonds(fact, policy, now);
    for (index, rule) in policy.minimums() {
        match fact.start(index) {
            Start::At(from) => {
                let until = end(from, rule.terms.at_least, policy.zone);
                if now <= until {
                    against.push(policy.period(rule, true, from, until, now));
                }
            }
            unknown => against.extend(no_start(rule, unknown)),
        }
    }
    if against.is_empty() {
        Ok(())
    } else {
        Err(against)
    }
}

fn verdict(fact: &Fact, policy: &Policy, now: Timestamp) -> Verdict {
    let mut course = match fact.vanished {
        Some(since) => Course::of_vanished(since, policy, now),
        None => Course::by_rules(fact, policy, now),
    };
    course.unclear |= fact.doubtful || fact.reappeared;
    Verdict {
        domain: fact.domain,
        fate: course.fate(fact, now),
        due: course.due(fact, now),
        why: reasons(fact, policy, course.why, now),
    }
}

/// All reasons, in the order of precedence.
fn reasons(fact: &Fact, policy: &Policy, of_time: Vec<Reason>, now: Timestamp) -> Vec<Reason> {
    let mut why = bonds(fact, policy, now);
    why.extend(fact.doubtful.then_some(Reason::Doubtful));
    why.extend(fact.reappeared.then_some(Reason::Reappeared));
    why.extend(of_time);
    let until = fact.held.and_then(|hold| hold.until);
    let ended = until.filter(|until| now > *until);
    why.extend(ended.map(|until| Reason::HoldEnded {
        until: policy.day(until),
    }));
    why.extend(fact.hidden.then_some(Reason::Hidden));
    why
}

/// What forbids any erasure at a moment, whatever the rules say.
fn bonds(fact: &Fact, policy: &Policy, now: Timestamp) -> Vec<Reason> {
    let hold = fact.held.filter(|hold| hold.stands(now));
    let mut bonds = Vec::new();
    bonds.extend(hold.map(|hold| Reason::Held {
        until: hold.until.map(|until| policy.day(until)),
    }));
    bonds.extend(fact.restricted.then_some(Reason::Restricted));
    bonds
}
