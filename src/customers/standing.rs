//! How customers' lives stand: what was decided, what the rules of retention say, and what the
//! register holds.

use std::collections::{BTreeMap, HashMap};

use crate::catalog::{Gone, Life};
use crate::clock::Timestamp;
use crate::error::Outcome;
use crate::ids::{Domain, KeyedHash};
use crate::lifecycle::{self, Fate, Hold, Verdict};
use crate::repo::Repository;

/// Where a customer's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is decided.
    Active,
    /// Out of everyday sight, whatever the rules say of the time.
    Hidden,
    /// A person must decide.
    Review,
    /// The period has ended: in grace, or to be erased by the next run.
    Expired,
    /// The erasure has been decided and is not finished.
    Erasing,
    /// Erased.
    Erased,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Hidden,
        Self::Review,
        Self::Expired,
        Self::Erasing,
        Self::Erased,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Hidden => "hidden",
            Self::Review => "review",
            Self::Expired => "expired",
            Self::Erasing => "erasing",
            Self::Erased => "erased",
        }
    }
}

/// What is true of a customer besides the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// A legal hold stands.
    Held,
    /// Hidden because the customer has asked for restriction.
    Restricted,
    /// Left the register without being erased.
    Vanished,
    /// Was erased, and is in the register again.
    Reappeared,
    /// The keyring has forgotten the customer; the live systems were not touched.
    Forgotten,
}

impl Flag {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Restricted => "restricted",
            Self::Vanished => "vanished",
            Self::Reappeared => "reappeared",
            Self::Forgotten => "forgotten",
        }
    }
}

/// How one life stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub state: State,
    pub flags: Vec<Flag>,
    /// When the state changes by itself.
    pub due: Option<Timestamp>,
    pub hold: Option<Hold>,
    /// Whether only those see the customer who may see the hidden.
    pub hidden: bool,
}

/// How everybody's life stands at one moment.
pub(super) struct Standings {
    now: Timestamp,
    lives: BTreeMap<Domain, Life>,
    verdicts: HashMap<Domain, Verdict>,
    /// Those of whom there is something to say.
    domains: HashMap<KeyedHash, Domain>,
    gone: HashMap<KeyedHash, Gone>,
    /// Whether some place may still hold an older keyring.
    keyrings_pending: bool,
}

impl Standings {
    /// Looks at what is decided, and, if there are rules of retention, at what they say of everybody.
    pub(super) fn of_all(repository: &Repository) -> Outcome<Self> {
        let mut standings = Self::decided(repository)?;
        if repository.config.retention.is_some() {
            standings.verdicts = lifecycle::retention::verdicts(repository, standings.now)?;
            standings.domains = repository.catalog.arrivals()?;
            return Ok(standings);
        }
        // Few are hidden or held: where nobody is, this costs nothing.
        for domain in standings.lives.keys() {
            if let Some(customer) = repository.catalog.customer(*domain)? {
                standings.domains.insert(customer.who, *domain);
            }
        }
        Ok(standings)
    }

    /// Looks at what is decided, and at the verdict on one.
    pub(super) fn of_one(repository: &Repository, verdict: Option<&Verdict>) -> Outcome<Self> {
        let mut standings = Self::decided(repository)?;
        let verdict = verdict.cloned();
        standings.verdicts = verdict.into_iter().map(|one| (one.domain, one)).collect();
        Ok(standings)
    }

    fn decided(repository: &Repository) -> Outcome<Self> {
        Ok(Self {
            now: Timestamp::now(),
            lives: lifecycle::lives(repository)?,
            verdicts: HashMap::new(),
            domains: HashMap::new(),
            gone: repository.catalog.gone()?,
            keyrings_pending: !repository.pending_places()?.is_empty(),
        })
    }

    /// Somebody whom the register holds.
    pub(super) fn present(&self, who: &KeyedHash) -> Standing {
        match self.gone.get(who) {
            Some(gone) => self.erased(gone),
            None => self.living(self.domains.get(who).copied()),
        }
    }

    /// Somebody whom only snapshots hold.
    pub(super) fn vanished(&self, domain: Domain) -> Standing {
        let mut standing = self.living(Some(domain));
        standing.flags.push(Flag::Vanished);
        standing
    }

    /// Somebody who was not erased; `domain` is unknown of whom there is nothing to say.
    pub(super) fn living(&self, domain: Option<Domain>) -> Standing {
        let none = Life::default();
        let life = domain.and_then(|domain| self.lives.get(&domain));
        let life = life.unwrap_or(&none);
        let verdict = domain.and_then(|domain| self.verdicts.get(&domain));
        let hidden = life.hidden.is_some();
        let held = life.is_held(self.now);
        let mut flags = Vec::new();
        flags.extend(held.then_some(Flag::Held));
        flags.extend(life.is_restricted().then_some(Flag::Restricted));
        Standing {
            state: match verdict.map(|verdict| verdict.fate) {
                _ if hidden => State::Hidden,
                Some(Fate::Review) => State::Review,
                Some(Fate::Expired | Fate::Erase) => State::Expired,
                Some(Fate::Keep) | None => State::Active,
            },
            flags,
            due: verdict.and_then(|verdict| verdict.due),
            hold: held.then_some(Hold {
                until: life.hold_until,
            }),
            hidden,
        }
    }

    /// Somebody who was erased and whom the register holds, still or again.
    fn erased(&self, gone: &Gone) -> Standing {
        let pending = gone.ordered && (!gone.live || self.keyrings_pending && !gone.is_final);
        let flag = match (gone.ordered, gone.live) {
            (false, _) => Some(Flag::Forgotten),
            (true, true) => Some(Flag::Reappeared),
            (true, false) => None,
        };
        Standing {
            state: if pending {
                State::Erasing
            } else {
                State::Erased
            },
            flags: flag.into_iter().collect(),
            due: None,
            hold: None,
            hidden: false,
        }
    }
}
