//! Gathers the rows of those customers alone who are noted as changed, and of tables that are nobody's as far as they have.

use std::collections::{BTreeSet, HashSet};

use super::others::{Others, note_missing};
use super::people::Met;
use super::told::to_be_settled;
use super::{Gathered, Gatherer, InTable, file_name, register_of};
use crate::backup::admission::New;
use crate::backup::dangling::key_of;
use crate::backup::numbers::{Numbers, number};
use crate::backup::tracked;
use crate::config::Source;
use crate::error::Outcome;
use crate::ids::{Class, Domain};
use crate::manifest::{Manifest, SourceState, TableState};
use crate::page::Entry;
use crate::repo::Repository;
use crate::repo::arrivals::Arrivals;
use crate::repo::objects::Fetcher;
use crate::repo::some::entries_of;
use crate::repo::view::View;
use crate::report::{Report, Unit};
use crate::schema::Ownership;
use crate::source::sqlite::{Database, Noted, Part, Touched};
use crate::source::{Owner, RegisterRow, Row};
use crate::value::ValueRef;

/// Whose rows are gathered.
#[derive(Default)]
pub(super) struct Wanted {
    customers: Arrivals,
    own: HashSet<Domain>,
}

impl Wanted {
    pub(super) fn has(&self, domain: Domain) -> bool {
        match domain.class {
            Class::OWN => self.own.contains(&domain),
            _ => self.customers.contains(domain),
        }
    }
}

/// The snapshot before.
pub struct Before<'a> {
    /// Its manifests.
    pub view: &'a View,
    /// Where its pages come from.
    pub fetcher: &'a Fetcher,
}

/// What was gathered, and what the snapshot before had of the same domains.
pub struct GatheredSome {
    /// As if all had been gathered.
    pub gathered: Gathered,
    /// What it replaces, in order.
    pub before: Vec<Entry>,
}

/// Gathers what has changed in `database` since the snapshot before; or tells why everything must be read.
pub fn gather_some(
    repository: &mut Repository,
    (source, database, noted): (Source, Database, Noted),
    before: &Before<'_>,
    report: &dyn Report,
) -> Outcome<Result<GatheredSome, String>> {
    let manifest = before.view.manifest();
    let touched = match database.touched(tracked::most(&database, manifest.totals.customers))? {
        Ok(touched) => touched,
        Err(why) => return Ok(Err(format!("{}: {why}", source.name))),
    };
    let mut opened = [(source, database)];
    let numbers = number(repository, &opened)?;
    let [(source, database)] = &mut opened;
    let Some(state) = manifest
        .sources
        .iter()
        .find(|state| state.number == numbers.sources[0].number)
    else {
        return Ok(Err(format!(
            "{}: the snapshot before lacks it",
            source.name
        )));
    };
    let mut some = Few {
        gatherer: Gatherer::new(repository)?,
        others: Others::new(repository)?,
        numbers: &numbers,
        manifest,
        state,
    };
    let mut wanted = some.read_parts(database, before, &touched)?;
    some.meet(repository, database, &touched, &mut wanted)?;
    some.gatherer.ask_for_missing(database)?;
    let had = some.had(repository, before, &wanted)?;
    some.gatherer.wanted = Some(wanted);
    report.begin("reading", None, Unit::Items);
    let read_bytes = some.rows(repository, database, report)?;
    report.end();
    some.finish((source, database, noted), had, read_bytes)
        .map(Ok)
}

/// On its way.
struct Few<'a> {
    gatherer: Gatherer,
    others: Others,
    numbers: &'a Numbers,
    manifest: &'a Manifest,
    state: &'a SourceState,
}

impl Few<'_> {
    fn tables(&self) -> &[TableState] {
        &self.numbers.sources[0].tables
    }

    /// Lets the database read what was touched and no more. Gives the domains of Tenure's own among it.
    fn read_parts(
        &self,
        database: &mut Database,
        before: &Before<'_>,
        touched: &Touched,
    ) -> Outcome<Wanted> {
        let orphans: BTreeSet<Domain> = self
            .tables()
            .iter()
            .filter_map(|table| table.orphans)
            .collect();
        let had = entries_of(before.view, before.fetcher, &orphans)?;
        let had: HashSet<Domain> = had.into_iter().map(|entry| entry.domain).collect();
        let mut wanted = Wanted::default();
        let mut parts = Vec::new();
        for (at, table) in self.tables().iter().enumerate() {
            let mut part = Part::default();
            if let Some(domain) = table.whole.filter(|_| touched.wholes[at]) {
                part.all = true;
                wanted.own.insert(domain);
            }
            if let Some(domain) = table.orphans {
                part.theirs = !touched.tokens.is_empty();
                let left = touched.orphans_before[at] || touched.moved;
                part.orphans = touched.orphans_now[at] || (left && had.contains(&domain));
                wanted.own.extend(part.orphans.then_some(domain));
            }
            parts.push(part);
        }
        database.read_only(&parts);
        Ok(wanted)
    }

    /// Finds out who those are that were touched, and who they were.
    fn meet(
        &mut self,
        repository: &mut Repository,
        database: &Database,
        touched: &Touched,
        wanted: &mut Wanted,
    ) -> Outcome<()> {
        let classes = &self.numbers.classes;
        let mut holders: HashSet<Domain> = HashSet::new();
        for token in &touched.tokens {
            if let Some(key) = key_of(token.as_ref(), self.others.columns) {
                let known = repository
                    .catalog
                    .customers_by_key(&self.others.recogniser.key(&key))?;
                holders.extend(known.into_iter().map(|customer| customer.domain));
            }
        }
        let mut found = HashSet::new();
        let mut new = Vec::new();
        let (others, gatherer) = (&self.others, &mut self.gatherer);
        database.register(&mut |row: RegisterRow| -> Outcome<()> {
            let (token, identity, who) = others.identify(row);
            if let Some(domain) = repository
                .catalog
                .recognised(&others.recogniser.key(&identity.key), &who)?
            {
                found.insert(domain);
                gatherer.take(token, domain, &identity, classes)?;
            } else if let Some(domain) = others.erased.get(&who) {
                let (domain, erased) = (*domain, true);
                gatherer.people.insert(token, Met { domain, erased })?;
                gatherer.left_out.push(identity.key);
            } else {
                new.push(New {
                    token,
                    identity,
                    who,
                });
            }
            Ok(())
        })?;
        note_missing(repository, &holders, &found)?;
        found.extend(gatherer.admit(repository, &others.recogniser, new, classes)?);
        gatherer.people.settle();
        gatherer.dangling.see_departed(repository)?;
        for domain in holders.into_iter().chain(found) {
            wanted.customers.insert(domain);
            self.others.touched.push(domain);
        }
        Ok(())
    }

    /// What the snapshot before had of those who are wanted.
    fn had(
        &self,
        repository: &Repository,
        before: &Before<'_>,
        wanted: &Wanted,
    ) -> Outcome<Vec<Entry>> {
        let classes = repository
            .catalog
            .last_class()?
            .0
            .max(self.numbers.classes.len() as u8);
        let customers = self.others.touched.iter();
        let customers = customers.flat_map(|domain| {
            (1..=classes).map(|class| Domain {
                class: Class(class),
                ..*domain
            })
        });
        let domains: BTreeSet<Domain> = customers.chain(wanted.own.iter().copied()).collect();
        entries_of(before.view, before.fetcher, &domains)
    }

    /// Reads the rows. Gives how many bytes their values had.
    fn rows(
        &mut self,
        repository: &Repository,
        database: &Database,
        report: &dyn Report,
    ) -> Outcome<u64> {
        let schema = database.schema();
        let classes = self.numbers.classes_of(schema)?;
        let (form, register) = (database.key_form()?, register_of(schema));
        let mut keys = repository.keyring.forest.walker();
        let mut bytes = 0;
        for (index, table) in schema.tables.iter().enumerate() {
            let place = InTable {
                table,
                state: self.tables()[index],
                classes: &classes,
                source: self.numbers.sources[0].number,
                index,
                form: form.as_ref(),
                to_owner: database.to_owner(index),
                register,
            };
            let (others, gatherer) = (&mut self.others, &mut self.gatherer);
            database.rows(index, &mut |row: Row<'_>| -> Outcome<()> {
                let owner = match row.owner {
                    Owner::Customer(token) => Some(token),
                    Owner::Table | Owner::Orphan => None,
                };
                for token in owner.iter().chain(row.targets) {
                    if *token != ValueRef::Null && gatherer.people.get(*token).is_none() {
                        others.look_up(repository, database, *token, &mut gatherer.others)?;
                    }
                }
                bytes += row.cells.iter().map(size).sum::<u64>()
                    + row.long.iter().map(|value| value.len).sum::<u64>();
                report.advance(1);
                gatherer.row(repository, &place, row, &mut keys)
            })?;
        }
        Ok(bytes)
    }

    fn finish(
        self,
        (source, database, noted): (&Source, &Database, Noted),
        before: Vec<Entry>,
        read_bytes: u64,
    ) -> Outcome<GatheredSome> {
        let (gatherer, number) = (self.gatherer, self.numbers.sources[0].number);
        let schema = database.schema().clone();
        let classes = self.numbers.classes_of(&schema)?;
        let mut tables = schema.tables.iter().zip(&classes);
        let register = tables.find(|(table, _)| table.ownership == Ownership::Register);
        let class = register.map(|(_, class)| *class);
        let was = before
            .iter()
            .filter(|entry| entry.source == number && Some(entry.domain.class) == class);
        let is: HashSet<Domain> = gatherer
            .people
            .all()
            .filter(|met| !met.erased)
            .map(|met| met.domain)
            .collect();
        let totals = self.manifest.totals;
        let gone: u64 = before
            .iter()
            .flat_map(|entry| entry.pieces.iter().flatten())
            .map(|piece| u64::from(piece.rows))
            .sum();
        // How many rows each table has is not counted anew.
        let tables = self.numbers.sources[0].tables.iter().map(|table| {
            let before = self
                .state
                .tables
                .iter()
                .find(|known| known.number == table.number);
            TableState {
                rows: before.map_or(0, |known| known.rows),
                ..*table
            }
        });
        let sources = vec![SourceState {
            number,
            name: source.name.to_string(),
            file_name: file_name(&source.path),
            schema,
            tables: tables.collect(),
        }];
        let gathered = Gathered {
            sorted: gatherer.sorter.finish()?,
            sample: None,
            ranks: gatherer.ranks,
            sources,
            carried: Vec::new(),
            classes: self.numbers.classes.clone(),
            customers: (totals.customers + is.len() as u64).saturating_sub(was.count() as u64),
            rows: gatherer.rows,
            other_rows: totals.rows.saturating_sub(gone),
            read_bytes,
            left_out: gatherer.left_out,
            dangling: gatherer.dangling.met,
            unsettled: to_be_settled(source.name.as_str(), database)?,
            stands: vec![(source.clone(), Ok(noted))],
            noted: None,
        };
        Ok(GatheredSome { gathered, before })
    }
}

fn size(value: &ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Int(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
    }
}
