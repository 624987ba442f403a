//! Who the customers are: those the register holds, those who are new, and those who had been erased.

use super::known::KnownOnes;
use super::people::Met;
use super::{Gatherer, IDENTITY, InTable};
use crate::backup::admission::{Admission, New, admit};
use crate::clock::Timestamp;
use crate::error::{Failure, FailureKind, Outcome};
use crate::ids::{Class, Domain};
use crate::piece::Identity;
use crate::repo::{Recogniser, Repository};
use crate::schema::Ownership;
use crate::source::RegisterRow;
use crate::source::sqlite::Database;
use crate::value::{Value, ValueRef};

impl Gatherer {
    /// Reads the register: who is known, who is new, and who had been erased.
    pub(super) fn meet(
        &mut self,
        repository: &mut Repository,
        register: &Database,
        classes: &[String],
    ) -> Outcome<()> {
        let recogniser = Recogniser::new(repository)?;
        let mut known = KnownOnes::of(&repository.catalog)?;
        let erased = repository.catalog.erased()?;
        let mut new = Admission::begin(repository, known.total, register)?;
        register.register(&mut |row: RegisterRow| -> Outcome<()> {
            let identity = Identity {
                key: row.key,
                since: row.since.filter(|s| *s != Value::Null),
            };
            let who = recogniser.who(&identity);
            let found = known.find(&repository.catalog, &recogniser, (&identity, &who))?;
            if let Some(domain) = found {
                self.take(row.token, domain, &identity, classes)?;
            } else if let Some(domain) = erased.get(&who) {
                let (domain, erased) = (*domain, true);
                self.people.insert(row.token, Met { domain, erased })?;
                self.left_out.push(identity.key);
            } else {
                let token = row.token;
                let customer = New {
                    token,
                    identity,
                    who,
                };
                self.meet_new(repository, &recogniser, (customer, &mut new), classes)?;
            }
            Ok(())
        })?;
        if self.people.is_empty() && !new.is_empty() && known.total > 0 && !erased.is_empty() {
            // Recognised by nothing that is known of them, the forgotten would be strangers as well.
            let what = "not one customer of the register is recognised, so the forgotten would not be either";
            return Err(Failure::of(FailureKind::Refused, what)
                .hint("were `key` or `since` in [customers] changed? put them back as they were"));
        }
        // Whom damage keeps us from seeing is not gone.
        let tables = register.schema().tables.iter().enumerate();
        let mut registers = tables.filter(|(_, table)| table.ownership == Ownership::Register);
        self.some_unseen = registers.any(|(at, _)| register.is_damaged(at));
        if !self.some_unseen {
            note_missing(repository, &known)?;
        }
        self.admit(repository, &recogniser, new.drain(), classes)?;
        repository.catalog.make_key_index()?;
        self.people.settle();
        self.dangling.see_departed(repository)
    }

    /// One whom nobody knows waits to be admitted, with all others or with the next ones.
    fn meet_new(
        &mut self,
        repository: &mut Repository,
        recogniser: &Recogniser,
        (customer, new): (New, &mut Admission),
        classes: &[String],
    ) -> Outcome<()> {
        if new.loses_order(&customer.token) {
            self.admit(repository, recogniser, new.drain(), classes)?;
            repository.catalog.make_key_index()?;
        }
        if new.has_lost_order() {
            let key = recogniser.key(&customer.identity.key);
            if let Some(domain) = repository.catalog.recognised(&key, &customer.who)? {
                return self.take(customer.token, domain, &customer.identity, classes);
            }
        }
        match new.push(customer) {
            true => self
                .admit(repository, recogniser, new.drain(), classes)
                .map(drop),
            false => Ok(()),
        }
    }

    /// Admits new customers, and takes them.
    pub(super) fn admit(
        &mut self,
        repository: &mut Repository,
        recogniser: &Recogniser,
        new: Vec<New>,
        classes: &[String],
    ) -> Outcome<Vec<Domain>> {
        let admitted = admit(repository, recogniser, &new)?;
        for (customer, domain) in new.into_iter().zip(&admitted) {
            self.take(customer.token, *domain, &customer.identity, classes)?;
        }
        Ok(admitted)
    }

    /// Takes a customer who is living.
    pub(super) fn take(
        &mut self,
        token: Value,
        domain: Domain,
        identity: &Identity,
        classes: &[String],
    ) -> Outcome<()> {
        let erased = false;
        self.people.insert(token, Met { domain, erased })?;
        self.remember(domain, identity, classes)
    }

    /// A record that comes before a customer's rows, for pages to carry, in each class.
    fn remember(&mut self, domain: Domain, identity: &Identity, classes: &[String]) -> Outcome<()> {
        let bytes = identity.encode_short();
        for class in 1..=classes.len() as u8 {
            let key = self.ranks.of(Domain {
                class: Class(class),
                ..domain
            });
            self.sorter.push((key, IDENTITY), &bytes)?;
        }
        Ok(())
    }

    /// Who is meant by a token: one of the register's, or one who was erased and has left it.
    pub(super) fn find(
        &mut self,
        repository: &Repository,
        place: &InTable<'_>,
        token: ValueRef<'_>,
    ) -> Outcome<Option<Met>> {
        if let Some(met) = self.people.get(token) {
            return Ok(Some(met));
        }
        if let Some(met) = self
            .others
            .get(&token.to_value())
            .filter(|_| self.wanted.is_some())
        {
            return Ok(Some(*met));
        }
        if place.form.is_none() {
            let forms = token.other_forms();
            let mut met = forms.iter().map(|form| self.people.get(form.as_ref()));
            if let Some(met) = met.find_map(|met| met) {
                return Ok(Some(met));
            }
        }
        if self.some_unseen
            && let Some(domain) = self.dangling.living(repository, token, place.form)?
        {
            return Ok(Some(Met {
                domain,
                erased: false,
            }));
        }
        let domain = self.dangling.owner(repository, token, place.form)?;
        Ok(domain.map(|domain| Met {
            domain,
            erased: true,
        }))
    }
}

/// Notes since when the register lacks those who are known, and who is back in it.
fn note_missing(repository: &mut Repository, known: &KnownOnes) -> Outcome<()> {
    let lives = repository.catalog.lives()?;
    let noted = |domain: &Domain| lives.get(domain).and_then(|life| life.missing).is_some();
    let (back, away): (Vec<_>, Vec<_>) = lives
        .keys()
        .filter(|domain| noted(domain))
        .partition(|domain| known.has_found(**domain));
    let back = back.into_iter().map(|domain: &Domain| (*domain, None));
    let mut changes: Vec<_> = back.collect();
    // Most days nobody has left, and then there is nobody to look for.
    if known.found() + (away.len() as u64) < known.total {
        let now = Timestamp::now();
        let mut last = None;
        loop {
            let next = repository.catalog.customers_after(last, 4096)?;
            let Some((domain, _)) = next.last() else {
                break;
            };
            last = Some(*domain);
            let gone = next.iter().map(|(domain, _)| *domain);
            let gone = gone.filter(|domain| !known.has_found(*domain) && !noted(domain));
            changes.extend(gone.map(|domain| (domain, Some(now))));
        }
    }
    repository.catalog.change(|change| -> Outcome<()> {
        for (domain, since) in changes {
            change.set_missing(domain, since)?;
        }
        Ok(())
    })
}
