//! Facts and a time in, verdicts out.

use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;

use super::calendar::{NEVER, end};
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
    fn start(&self, rule: usize) -> Start {
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

    fn day(&self, moment: Timestamp) -> Day {
        Day::new(moment, self.zone)
    }

    /// The rules with a statutory minimum, each with its index.
    fn minimums(&self) -> impl Iterator<Item = (usize, &Arc<Rule>)> {
        let rules = self.rules.iter().enumerate();
        rules.filter(|(_, rule)| !rule.terms.at_least.is_zero())
    }

    fn left_to_a_person(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let rules = self.rules.iter();
        rules.filter(|rule| rule.terms.then == AtEnd::Review)
    }

    /// The last moment of a rule's period or of its statutory minimum, whichever ends later.
    fn longer(&self, rule: &Arc<Rule>, from: Timestamp, now: Timestamp) -> (Timestamp, Reason) {
        let keep = end(from, rule.terms.keep, self.zone);
        let least = end(from, rule.terms.at_least, self.zone);
        let until = keep.max(least);
        (until, self.period(rule, least > keep, from, until, now))
    }

    fn period(
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

    /// What there is to say once all periods are over, and once the time of grace is.
    fn at_the_end(&self, over: Timestamp, out: Timestamp, now: Timestamp) -> Vec<Reason> {
        let mut why = Vec::new();
        if now > over && out > over {
            why.push(Reason::Grace {
                until: self.day(out),
                over: now > out,
            });
        }
        if now > out {
            let rules = self.left_to_a_person().map(Arc::clone);
            why.extend(rules.map(|rule| Reason::Person { rule }));
        }
        why
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
    let flags = [
        (fact.doubtful, Reason::Doubtful),
        (fact.reappeared, Reason::Reappeared),
    ];
    why.extend(
        flags
            .into_iter()
            .filter_map(|(set, reason)| set.then_some(reason)),
    );
    why.extend(of_time);
    if let Some(until) = fact
        .held
        .and_then(|hold| hold.until)
        .filter(|until| now > *until)
    {
        let until = policy.day(until);
        why.push(Reason::HoldEnded { until });
    }
    if fact.hidden {
        why.push(Reason::Hidden);
    }
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

/// Why a rule cannot be counted.
fn no_start(rule: &Arc<Rule>, start: Start) -> Option<Reason> {
    let rule = Arc::clone(rule);
    match start {
        Start::At(_) => None,
        Start::Missing => Some(Reason::Missing { rule }),
        Start::Absurd(why) => Some(Reason::Absurd { rule, why }),
    }
}

/// What time brings to a customer as long as nothing forbids it.
struct Course {
    /// A person must look, whatever the time.
    unclear: bool,
    /// The last moment of the period: of the longest rule.
    over: Timestamp,
    /// The last moment of grace: of the rule that ends last.
    out: Timestamp,
    /// What happens then.
    then: AtEnd,
    /// How that comes about.
    why: Vec<Reason>,
}

impl Course {
    fn by_rules(fact: &Fact, policy: &Policy, now: Timestamp) -> Self {
        let (mut ends, mut why) = (Vec::new(), Vec::new());
        for (index, rule) in policy.rules.iter().enumerate() {
            match fact.start(index) {
                Start::At(from) => {
                    let (until, reason) = policy.longer(rule, from, now);
                    ends.push((until, end(until, rule.terms.grace, policy.zone)));
                    why.push(reason);
                }
                unknown => why.extend(no_start(rule, unknown)),
            }
        }
        if policy.rules.is_empty() {
            why.push(Reason::NoRule);
        }
        let over = ends.iter().map(|(over, _)| *over).max();
        let out = ends.iter().map(|(_, out)| *out).max();
        let (over, out) = (over.unwrap_or(NEVER), out.unwrap_or(NEVER));
        let unclear = ends.len() < policy.rules.len();
        if !unclear {
            why.extend(policy.at_the_end(over, out, now));
        }
        let review = policy.left_to_a_person().next().is_some();
        Self {
            unclear,
            over,
            out,
            then: if review { AtEnd::Review } else { AtEnd::Erase },
            why,
        }
    }

    fn of_vanished(since: Timestamp, policy: &Policy, now: Timestamp) -> Self {
        let vanished = policy.vanished.as_ref();
        let restorable = vanished.map_or(NEVER, |set| end(since, set.after, policy.zone));
        let mut over = restorable;
        let mut why = vec![Reason::Vanished {
            since: policy.day(since),
            after: vanished.map(|set| set.after),
            until: policy.day(restorable),
            over: now > restorable,
        }];
        for (_, rule) in policy.minimums() {
            let until = end(since, rule.terms.at_least, policy.zone);
            over = over.max(until);
            why.push(policy.period(rule, true, since, until, now));
        }
        Self {
            unclear: false,
            over,
            out: over,
            then: vanished.map_or(AtEnd::Review, |set| set.then),
            why,
        }
    }

    /// The fate at a moment.
    fn fate(&self, fact: &Fact, at: Timestamp) -> Fate {
        if fact.restricted || fact.held.is_some_and(|hold| hold.stands(at)) {
            Fate::Keep
        } else if self.unclear {
            Fate::Review
        } else if at <= self.over {
            Fate::Keep
        } else if at <= self.out {
            Fate::Expired
        } else {
            self.then.into()
        }
    }

    /// The first moment after `now` at which the fate is another.
    fn due(&self, fact: &Fact, now: Timestamp) -> Option<Timestamp> {
        let fate = self.fate(fact, now);
        let released = fact.held.and_then(|hold| hold.until);
        // The fate changes nowhere but behind one of these.
        let edges = [released, Some(self.over), Some(self.out)]
            .into_iter()
            .flatten();
        let after = edges.filter(|edge| *edge >= now && *edge < NEVER);
        let after = after.map(|edge| Timestamp(edge.0 + 1));
        after.filter(|next| self.fate(fact, *next) != fate).min()
    }
}
