//! What time alone does to a customer.

use std::sync::Arc;

use super::calendar::{NEVER, end};
use super::policy::{Fact, Fate, Policy, Rule};
use super::reason::Reason;
use super::start::Start;
use crate::clock::Timestamp;
use crate::config::AtEnd;

/// What time brings to a customer as long as nothing forbids it.
pub(super) struct Course {
    /// A person must look, whatever the time.
    pub unclear: bool,
    /// The last moment of the period: of the longest rule.
    over: Timestamp,
    /// The last moment of grace: of the rule that ends last.
    out: Timestamp,
    /// What happens then.
    then: AtEnd,
    /// How that comes about.
    pub why: Vec<Reason>,
}

impl Course {
    pub(super) fn by_rules(fact: &Fact, policy: &Policy, now: Timestamp) -> Self {
        let (mut ends, mut why) = (Vec::new(), Vec::new());
        for (index, rule) in policy.rules.iter().enumerate() {
            match fact.start(index) {
                Start::At(from) => {
                    let (until, reason) = longer(policy, rule, from, now);
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
            why.extend(at_the_end(policy, over, out, now));
        }
        let review = left_to_a_person(policy).next().is_some();
        Self {
            unclear,
            over,
            out,
            then: if review { AtEnd::Review } else { AtEnd::Erase },
            why,
        }
    }

    pub(super) fn of_vanished(since: Timestamp, policy: &Policy, now: Timestamp) -> Self {
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
    pub(super) fn fate(&self, fact: &Fact, at: Timestamp) -> Fate {
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
    pub(super) fn due(&self, fact: &Fact, now: Timestamp) -> Option<Timestamp> {
        let fate = self.fate(fact, now);
        let released = fact.held.and_then(|hold| hold.until);
        // The fate changes nowhere but behind one of these.
        let edges = [self.over, self.out].into_iter().chain(released);
        let after = edges.filter(|edge| *edge >= now && *edge < NEVER);
        let after = after.map(|edge| Timestamp(edge.0 + 1));
        after.filter(|next| self.fate(fact, *next) != fate).min()
    }
}

/// Why a rule cannot be counted.
pub(super) fn no_start(rule: &Arc<Rule>, start: Start) -> Option<Reason> {
    let rule = Arc::clone(rule);
    match start {
        Start::At(_) => None,
        Start::Missing => Some(Reason::Missing { rule }),
        Start::Absurd(why) => Some(Reason::Absurd { rule, why }),
    }
}

/// The last moment of a rule's period or of its statutory minimum, whichever ends later.
fn longer(
    policy: &Policy,
    rule: &Arc<Rule>,
    from: Timestamp,
    now: Timestamp,
) -> (Timestamp, Reason) {
    let keep = end(from, rule.terms.keep, policy.zone);
    let least = end(from, rule.terms.at_least, policy.zone);
    let until = keep.max(least);
    (until, policy.period(rule, least > keep, from, until, now))
}

/// What there is to say once all periods are over, and once the time of grace is.
fn at_the_end(policy: &Policy, over: Timestamp, out: Timestamp, now: Timestamp) -> Vec<Reason> {
    let mut why = Vec::new();
    if now > over && out > over {
        why.push(Reason::Grace {
            until: policy.day(out),
            over: now > out,
        });
    }
    if now > out {
        let rules = left_to_a_person(policy).map(Arc::clone);
        why.extend(rules.map(|rule| Reason::Person { rule }));
    }
    why
}

fn left_to_a_person(policy: &Policy) -> impl Iterator<Item = &Arc<Rule>> {
    let rules = policy.rules.iter();
    rules.filter(|rule| rule.terms.then == AtEnd::Review)
}
