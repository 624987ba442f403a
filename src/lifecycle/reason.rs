//! Why a verdict is what it is, in plain sentences without a customer's data.

use std::fmt;
use std::sync::Arc;

use chrono::{NaiveDateTime, NaiveTime};
use chrono_tz::Tz;

use super::calendar::local;
use super::policy::Rule;
use super::start::Absurd;
use crate::clock::Timestamp;
use crate::config::Period;

/// One reason of a verdict or of a refusal. Its text is a clause without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A hold stands.
    Held {
        /// Until the end of this moment; none for one without end.
        until: Option<Day>,
    },
    /// A hold has ended by itself and was not released.
    HoldEnded {
        /// Its last moment.
        until: Day,
    },
    /// The customer has asked for restriction.
    Restricted,
    /// It is not certain that the register's row is still the same customer's.
    Doubtful,
    /// Erased before, and found in the register again.
    Reappeared,
    /// The register lacks the customer.
    Vanished {
        /// Since when.
        since: Day,
        /// How long such customers stay restorable; none if that is not limited.
        after: Option<Period>,
        /// When that ends.
        until: Day,
        /// Whether it has ended.
        over: bool,
    },
    /// There is no rule by which the time could be up.
    NoRule,
    /// The register has no date to count from.
    Missing {
        /// For this rule.
        rule: Arc<Rule>,
    },
    /// The register's date cannot be counted from.
    Absurd {
        /// For this rule.
        rule: Arc<Rule>,
        /// Why not.
        why: Absurd,
    },
    /// A rule's period: of its two, the one that ends later.
    Period {
        /// The rule.
        rule: Arc<Rule>,
        /// Whether it is the statutory minimum.
        least: bool,
        /// Its start.
        from: Day,
        /// Its last moment.
        until: Day,
        /// Whether it is over.
        over: bool,
    },
    /// The time of grace after the end of all periods.
    Grace {
        /// Its last moment.
        until: Day,
        /// Whether it is over.
        over: bool,
    },
    /// A rule leaves the end to a person.
    Person {
        /// The rule.
        rule: Arc<Rule>,
    },
    /// The customer is hidden.
    Hidden,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { until: None } => f.write_str("a hold stands without end"),
            Self::Held { until: Some(until) } => write!(f, "a hold stands until {until}"),
            Self::HoldEnded { until } => write!(f, "a hold ended on {until} and binds no longer"),
            Self::Restricted => f.write_str("the customer has asked for restriction"),
            Self::Doubtful => {
                f.write_str("it is not certain that the register means the same customer as before")
            }
            Self::Reappeared => f.write_str("was erased and is in the register again"),
            Self::Vanished {
                since,
                after,
                until,
                over,
            } => {
                write!(f, "missing from the register since {since}")?;
                match after {
                    Some(after) => write!(f, "; {after} from then {} {until}", ended(*over)),
                    None => Ok(()),
                }
            }
            Self::NoRule => f.write_str("no retention rule says when the time is up"),
            Self::Missing { rule } => {
                write!(f, "{rule}: no date to count from in {}", columns(rule))
            }
            Self::Absurd { rule, why } => write!(f, "{rule}: the date in {} {why}", columns(rule)),
            Self::Period {
                rule,
                least,
                from,
                until,
                over,
            } => {
                let ended = ended(*over);
                match least {
                    true => {
                        let period = rule.terms.at_least;
                        write!(f, "{rule}: at least {period} from {from} {ended} {until}")
                    }
                    false => {
                        let period = rule.terms.keep;
                        write!(f, "{rule}: {period} from {from} {ended} {until}")
                    }
                }
            }
            Self::Grace { until, over } => {
                write!(f, "the time of grace {} {until}", ended(*over))
            }
            Self::Person { rule } => write!(f, "{rule} leaves the end to a person"),
            Self::Hidden => f.write_str("hidden, which does not stop the time"),
        }
    }
}

fn ended(over: bool) -> &'static str {
    if over { "ended on" } else { "ends on" }
}

fn columns(rule: &Rule) -> String {
    rule.terms.start.join(" or ")
}

/// A moment as it is told: the date in the configured zone, with the time unless it is the day's
/// last moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(Option<NaiveDateTime>);

impl Day {
    pub(super) fn new(moment: Timestamp, zone: Tz) -> Self {
        Self(local(moment, zone))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(local) = self.0 else {
            return f.write_str("a day beyond the calendar");
        };
        let last = NaiveTime::from_hms_milli_opt(23, 59, 59, 999);
        if Some(local.time()) == last {
            write!(f, "{}", local.format("%Y-%m-%d"))
        } else {
            write!(f, "{}", local.format("%Y-%m-%d %H:%M:%S"))
        }
    }
}
