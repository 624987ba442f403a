//! The customers whom the catalog knows, as the register is read.
//!
//! Customers arrived in the order in which the register had them, and most registers keep that order: so who comes next
//! in the catalog is nearly always who comes next in the register, and there is no need to hold all of them. Only who
//! stands elsewhere is looked up.

use std::collections::VecDeque;

use crate::catalog::Catalog;
use crate::error::Outcome;
use crate::ids::{Domain, KeyedHash};
use crate::piece::Identity;
use crate::repo::Recogniser;
use crate::repo::arrivals::Arrivals;

/// How many are read ahead, at most.
const AHEAD: u32 = 1024;

/// Finds customers of the catalog, best in the order of their arrival, and keeps in mind who was found.
pub(super) struct KnownOnes {
    /// How many there are.
    pub total: u64,
    /// Who comes next, and by what each is recognised.
    ahead: VecDeque<(Domain, KeyedHash)>,
    /// The last one before those ahead.
    last: Option<Domain>,
    /// How many to read when there are none ahead: few after somebody stood elsewhere. None, if nobody follows.
    reading: Option<u32>,
    found: Arrivals,
}

impl KnownOnes {
    /// All whom the catalog has now; none must be added before all have been looked for.
    pub fn of(catalog: &Catalog) -> Outcome<Self> {
        Ok(Self {
            total: catalog.customer_count()?,
            ahead: VecDeque::new(),
            last: None,
            reading: Some(AHEAD),
            found: Arrivals::default(),
        })
    }

    /// The domain of a customer, if it is one of them.
    pub fn find(
        &mut self,
        catalog: &Catalog,
        recogniser: &Recogniser,
        (identity, who): (&Identity, &KeyedHash),
    ) -> Outcome<Option<Domain>> {
        if self.total == 0 {
            return Ok(None);
        }
        if let Some(many) = self.reading.filter(|_| self.ahead.is_empty()) {
            self.ahead = catalog.customers_after(self.last, many)?.into();
            let full = self.ahead.len() == many as usize;
            self.reading = full.then_some(AHEAD.min(many * 2));
        }
        let next = self.ahead.front().filter(|(_, next)| next == who);
        let domain = match next {
            Some((domain, _)) => Some(*domain),
            None => catalog.recognised(&recogniser.key(&identity.key), who)?,
        };
        if let Some(domain) = domain {
            self.go_behind(domain);
            self.found.insert(domain);
        }
        Ok(domain)
    }

    /// Whoever arrived after this one is next.
    fn go_behind(&mut self, domain: Domain) {
        let follows = |ahead: &VecDeque<(Domain, KeyedHash)>| match (ahead.front(), ahead.back()) {
            (Some((first, _)), Some((last, _))) => (*first..=*last).contains(&domain),
            _ => false,
        };
        if follows(&self.ahead) {
            self.ahead
                .drain(..=self.ahead.partition_point(|(ahead, _)| *ahead < domain));
        } else {
            self.ahead.clear();
            self.reading = Some(1);
        }
        self.last = Some(domain);
    }

    /// Whether somebody was found.
    pub fn has_found(&self, domain: Domain) -> bool {
        self.found.contains(domain)
    }

    /// How many were found.
    pub fn found(&self) -> u64 {
        self.found.count()
    }
}
