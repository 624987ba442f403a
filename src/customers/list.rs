//! All customers with their states: the register's rows first, in its order, then those whom only
//! snapshots hold.

use std::collections::HashSet;

use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Domain, KeyedHash};
use crate::lifecycle::Hold;
use crate::register;
use crate::repo::identity::open_identity;
use crate::repo::{Recogniser, Repository};
use crate::value::CustomerKey;

use super::standing::{Flag, Standing, Standings, State};

/// One customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The register's key, as people type it.
    pub id: String,
    /// What names this one alone where several hold or held the key.
    pub label: Option<String>,
    /// The name in the live register, if a name column is configured.
    pub name: Option<String>,
    /// Where the customer's life stands.
    pub state: State,
    /// What else is true.
    pub flags: Vec<Flag>,
    /// When the state changes by itself.
    pub due: Option<Timestamp>,
    /// The legal hold that stands.
    pub hold: Option<Hold>,
}

/// Whether the hidden are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// All but them.
    #[default]
    Without,
    /// Them alone.
    Only,
    /// Them too.
    With,
}

impl Hidden {
    fn lets(self, hidden: bool) -> bool {
        match self {
            Self::Without => !hidden,
            Self::Only => hidden,
            Self::With => true,
        }
    }
}

/// Which customers are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those in this state only.
    pub state: Option<State>,
    /// With the hidden or without.
    pub hidden: Hidden,
    /// At most so many.
    pub limit: Option<usize>,
    /// Those after this one only.
    pub after: Option<String>,
}

/// Lists customers.
///
/// # Errors
/// When the register cannot be read; `NotFound` when nobody is called as [`Filter::after`] says.
pub fn list(repository: &Repository, filter: &Filter) -> Outcome<Vec<Listed>> {
    let recogniser = Recogniser::new(repository)?;
    let standings = Standings::of_all(repository)?;
    let known = repository.catalog.arrivals()?;
    let shared = repository.catalog.shared_keys()?;
    let label = |key: &CustomerKey, domain: Option<&Domain>| {
        let domain = domain.filter(|_| shared.contains(&recogniser.key(key)))?;
        Some(format!("{}#{}", key.text(), domain.arrival))
    };
    let mut chosen = Chosen::new(filter);
    let mut met = HashSet::new();
    register::each_of_register(repository, &mut |row| {
        let name = row.name.clone();
        let identity = register::identity(row);
        let who = recogniser.who(&identity);
        let label = label(&identity.key, known.get(&who));
        met.insert(who);
        let named = Named {
            id: identity.key.text(),
            label,
            name,
        };
        chosen.offer(named, standings.present(&who));
        Ok(())
    })?;
    for (key, domain) in vanished(repository, &met, &chosen)? {
        let named = Named {
            id: key.text(),
            label: label(&key, Some(&domain)),
            name: None,
        };
        chosen.offer(named, standings.vanished(domain));
    }
    chosen.finish()
}

/// The keys of those whom snapshots hold and the register does not, in the order of arrival.
fn vanished(
    repository: &Repository,
    met: &HashSet<KeyedHash>,
    chosen: &Chosen<'_>,
) -> Outcome<Vec<(CustomerKey, Domain)>> {
    if chosen.is_full() {
        return Ok(Vec::new());
    }
    let known = repository.catalog.arrivals()?.into_iter();
    let gone = known
        .filter(|(who, _)| !met.contains(who))
        .map(|(_, domain)| domain);
    let mut gone: Vec<Domain> = gone.collect();
    gone.sort();
    let mut ids = Vec::new();
    for domain in gone {
        // Whoever has no key any more is erased, also where the catalog does not say so yet.
        let Some(key) = repository.keyring.forest.key(domain) else {
            continue;
        };
        let Some(customer) = repository.catalog.customer(domain)? else {
            continue;
        };
        let identity = open_identity(repository.id(), domain, &key, &customer.sealed)?;
        ids.push((identity.key, domain));
    }
    Ok(ids)
}

/// What a customer is called.
struct Named {
    id: String,
    label: Option<String>,
    name: Option<String>,
}

/// Takes those who are asked for.
struct Chosen<'f> {
    filter: &'f Filter,
    /// Whether the one after whom the list begins has passed.
    begun: bool,
    list: Vec<Listed>,
}

impl<'f> Chosen<'f> {
    fn new(filter: &'f Filter) -> Self {
        Self {
            filter,
            begun: filter.after.is_none(),
            list: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.filter
            .limit
            .is_some_and(|limit| self.list.len() >= limit)
    }

    fn offer(&mut self, named: Named, standing: Standing) {
        if !self.begun {
            self.begun = self.filter.after.as_ref() == Some(&named.id);
            return;
        }
        let wanted = self.filter.hidden.lets(standing.hidden)
            && self
                .filter
                .state
                .is_none_or(|state| state == standing.state);
        if wanted && !self.is_full() {
            self.list.push(Listed {
                id: named.id,
                label: named.label,
                name: named.name,
                state: standing.state,
                flags: standing.flags,
                due: standing.due,
                hold: standing.hold,
            });
        }
    }

    fn finish(self) -> Outcome<Vec<Listed>> {
        match &self.filter.after {
            Some(after) if !self.begun => {
                let what = format!("there is no customer {after:?} to begin after");
                Err(Failure::of(FailureKind::NotFound, what))
            }
            _ => Ok(self.list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(filter: &Filter) -> Outcome<Vec<String>> {
        let mut chosen = Chosen::new(filter);
        for (id, state) in [
            ("1", State::Active),
            ("2", State::Hidden),
            ("3", State::Active),
        ] {
            let standing = Standing {
                state,
                flags: vec![],
                due: None,
                hold: None,
                hidden: state == State::Hidden,
            };
            let id = id.to_owned();
            let (label, name) = (None, None);
            chosen.offer(Named { id, label, name }, standing);
        }
        let list = chosen.finish()?.into_iter();
        Ok(list.map(|listed| listed.id).collect())
    }

    #[test]
    fn a_list_begins_after_one_and_has_a_limit() {
        let filter = |state, limit, after: Option<&str>| {
            chosen(&Filter {
                state,
                hidden: Hidden::With,
                limit,
                after: after.map(str::to_owned),
            })
        };
        assert_eq!(filter(None, None, None).unwrap(), ["1", "2", "3"]);
        assert_eq!(filter(Some(State::Active), None, None).unwrap(), ["1", "3"]);
        // Whoever the list begins after need not be in the state that is asked for.
        assert_eq!(filter(Some(State::Active), None, Some("2")).unwrap(), ["3"]);
        assert_eq!(filter(None, Some(1), Some("1")).unwrap(), ["2"]);
        assert!(filter(None, Some(0), None).unwrap().is_empty());
        assert!(filter(None, None, Some("3")).unwrap().is_empty());
        let failure = filter(None, None, Some("4")).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::NotFound);
    }

    #[test]
    fn the_hidden_are_listed_only_when_asked_for() {
        for (hidden, listed) in [
            (Hidden::default(), &["1", "3"][..]),
            (Hidden::Only, &["2"]),
            (Hidden::With, &["1", "2", "3"]),
        ] {
            let filter = Filter {
                hidden,
                ..Filter::default()
            };
            assert_eq!(chosen(&filter).unwrap(), listed);
        }
    }
}
