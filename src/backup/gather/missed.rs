//! Whom triggers had noted, where everything is read all the same: whoever else has changed was missed by them.

use super::Gatherer;
use crate::backup::dangling::key_of;
use crate::backup::tracked;
use crate::config::Source;
use crate::error::Outcome;
use crate::repo::arrivals::Arrivals;
use crate::repo::view::View;
use crate::repo::{Recogniser, Repository};
use crate::source::sqlite::Database;

/// Notes about more customers than that are not compared.
const MOST: u64 = 1 << 18;

impl Gatherer {
    /// The customers who were noted as changed since the snapshot before; none if notes would not tell of all.
    pub(super) fn noted(
        &self,
        repository: &Repository,
        opened: &[(Source, Database)],
        before: Option<&View>,
    ) -> Outcome<Option<Arrivals>> {
        let ([(source, database)], Some(before)) = (opened, before) else {
            return Ok(None);
        };
        let manifest = before.manifest();
        if !tracked::is_tracked(source)
            || tracked::doubt(repository, (before.id, manifest), source, database)?.is_err()
        {
            return Ok(None);
        }
        let Ok(touched) = database.touched(MOST)? else {
            return Ok(None);
        };
        let register = source.rules.register.as_ref();
        let columns = register.map_or(1, |rule| rule.key.len());
        let recogniser = Recogniser::new(repository)?;
        let mut noted = Arrivals::default();
        for token in &touched.tokens {
            if let Some(key) = key_of(token.as_ref(), columns) {
                let known = repository.catalog.customers_by_key(&recogniser.key(&key))?;
                known
                    .iter()
                    .for_each(|customer| noted.insert(customer.domain));
            }
        }
        Ok(Some(noted))
    }
}
