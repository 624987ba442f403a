//! Reads every source in one consistent view each, and sorts the rows by domain.
//!
//! The register is read first: it tells who the customers are. Who is new gets the next arrival,
//! and that is durable in the catalog before anything is sealed under it: a crash must not let two
//! customers meet in one domain. Who was erased and is met again is left out.

use std::collections::HashMap;
use std::path::Path;

use super::dangling::Dangling;
use super::dictionary::Sample;
use super::long;
use super::numbers::{NumberedSource, Numbers, number};
use super::tracked::{self, Stand};
use crate::config::Source;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::ids::{Class, Domain, Incarnation};
use crate::keyring::tree::{Forest, ForestWalker};
use crate::manifest::{SourceState, TableState};
use crate::piece::{self, Cell};
use crate::repo::Repository;
use crate::repo::arrivals::Arrivals;
use crate::repo::view::View;
use crate::report::{Report, Unit};
use crate::schema::{Ownership, Schema, Table};
use crate::source::sqlite::{Database, KeyForm, SqliteError, Trouble};
use crate::source::{Owner, Row};
use crate::spill::{Sorted, Sorter};
use crate::value::{CustomerKey, Value};

mod known;
mod meet;
mod missed;
mod others;
mod people;
mod references;
mod relay;
mod some;
#[cfg(test)]
mod tests;
mod told;

use people::{Met, People};
use some::Wanted;
pub use some::{Before, GatheredSome, gather_some};
use told::{damaged, to_be_settled, unread};

/// So many rows besides those of the largest table are worth a second reader.
const FOR_TWO: u64 = 256;

/// All rows of all sources, by domain.
pub struct Gathered {
    /// The records: an [`IDENTITY`], then rows, for each domain.
    pub sorted: Sorted,
    /// Some of the customers' rows, if they were asked for.
    pub sample: Option<Sample>,
    /// How records' keys tell incarnations.
    pub ranks: Ranks,
    /// The sources as they were.
    pub sources: Vec<SourceState>,
    /// Those that could not be read, as they were in the snapshot before.
    pub carried: Vec<SourceState>,
    /// The classes by number, from 1.
    pub classes: Vec<String>,
    /// Customers met.
    pub customers: u64,
    /// Rows gathered.
    pub rows: u64,
    /// Rows of the snapshot before that stay as they are, and were not gathered.
    pub other_rows: u64,
    /// Size of the sources in bytes.
    pub read_bytes: u64,
    /// Erased customers who were met again and left out.
    pub left_out: Vec<CustomerKey>,
    /// Erased customers whom the register does not hold, and whose rows, or whose keys in rows of others, were met and
    /// left out.
    pub dangling: Vec<CustomerKey>,
    /// Tables whose owner somebody must settle, and what cannot be restored, in words.
    pub unsettled: Vec<String>,
    /// Where the tracked sources' notes of changes stood.
    pub stands: Vec<(Source, Stand)>,
    /// The customers whom notes told of, where everything was read all the same.
    pub noted: Option<Arrivals>,
}

/// Incarnations by rank: the high bits of a record's key.
pub struct Ranks(Vec<Incarnation>);

impl Ranks {
    fn new(forest: &Forest) -> Self {
        Self(forest.trees().map(|(inc, _)| inc).collect())
    }

    /// What a domain is sorted by; the order is that of [`Domain`].
    fn of(&self, domain: Domain) -> u64 {
        let rank = self.0.partition_point(|inc| *inc < domain.inc) as u64;
        rank << 40 | domain.leaf()
    }

    /// The domain that a record's key names.
    pub fn domain(&self, key: u64) -> Outcome<Domain> {
        let inc = self.0.get((key >> 40) as usize);
        inc.and_then(|inc| Domain::from_leaf(*inc, key & ((1 << 40) - 1)))
            .ok_or_else(|| Failure::new("a record names no domain"))
    }
}

/// The low half of the key of the record that holds a customer's identity: before all rows.
pub const IDENTITY: u64 = 0;

/// The low half of a row's key.
fn row_key(source: u32, table: u32) -> u64 {
    (u64::from(source) + 1) << 32 | u64::from(table)
}

/// The source of a row's record.
pub fn source_of(key: u64) -> u32 {
    ((key >> 32) - 1) as u32
}

/// Reads all sources.
///
/// A source that cannot be read, and does not hold the register, hinders no other: it stays as it was `before`.
/// Some rows are kept aside in `sample`, if there is one.
pub fn gather(
    repository: &mut Repository,
    before: Option<&View>,
    sample: Option<Sample>,
    report: &dyn Report,
) -> Outcome<Gathered> {
    let spill = repository.state.path().join("spill");
    crate::fsx::create_dir(&spill)?;
    let old = before.map_or(&[][..], |view| &view.manifest().sources);
    let (mut opened, carried, mut unsettled) = open(repository, old, &spill)?;
    if before.is_some_and(|view| view.id.inc != repository.inc()) {
        refuse_carrying(&carried)?;
    }
    let numbers = number(repository, &opened)?;
    let mut gatherer = Gatherer::new(repository)?;
    gatherer.sample = sample;
    let (_, first) = opened
        .first()
        .ok_or_else(|| Failure::new("there is no source"))?;
    gatherer.meet(repository, first, &numbers.classes)?;
    for (_, database) in &mut opened {
        database.take_keys();
        gatherer.ask_for_missing(database)?;
    }
    let noted = gatherer.noted(repository, &opened, before)?;
    let customers = gatherer.people.all().filter(|met| !met.erased).count() as u64;
    let counts = opened.iter().map(|(_, database)| database.counts());
    let counts = counts.collect::<Result<Vec<_>, SqliteError>>()?;
    let total = counts.iter().flatten().sum();
    report.begin("reading", Some(total), Unit::Items);
    let (mut sources, mut read_bytes) = (Vec::new(), 0);
    for (at, (source, database)) in opened.iter_mut().enumerate() {
        let numbered = (&numbers.sources[at], &numbers);
        unsettled.extend(to_be_settled(source.name.as_str(), database)?);
        read_bytes += database.file_bytes()?;
        let schema = database.schema().clone();
        let here = (&mut *database, &schema, &counts[at][..]);
        let tables = gatherer
            .source(repository, here, numbered, report)
            .failed_to(|| format!("read source {:?}", source.name.as_str()))?;
        unsettled.extend(damaged(source.name.as_str(), database));
        sources.push(SourceState {
            number: numbered.0.number,
            name: source.name.to_string(),
            file_name: file_name(&source.path),
            schema,
            tables,
        });
    }
    report.end();
    let mut stands = Vec::new();
    for (source, database) in &opened {
        let stand = tracked::stand(source, database)?;
        stands.extend(stand.map(|stand| (source.clone(), stand)));
    }
    drop(opened);
    Ok(Gathered {
        sorted: gatherer.sorter.finish()?,
        sample: gatherer.sample,
        ranks: gatherer.ranks,
        sources,
        carried,
        classes: numbers.classes,
        customers,
        rows: gatherer.rows,
        other_rows: 0,
        read_bytes,
        left_out: gatherer.left_out,
        dangling: gatherer.dangling.met,
        unsettled,
        stands,
        noted,
    })
}

/// The sources that can be read, the register first; those that cannot, as they were before; and of these what
/// is to be told.
type Opened = (Vec<(Source, Database)>, Vec<SourceState>, Vec<String>);

fn open(repository: &Repository, before: &[SourceState], spill: &Path) -> Outcome<Opened> {
    // The register is opened last: whoever was there when another source was looked at is in it.
    let register = &repository.config.register;
    let mut sources: Vec<_> = repository.config.sources.iter().collect();
    sources.sort_by_key(|source| source.name == *register);
    let (mut opened, mut carried, mut unsettled) = (Vec::new(), Vec::new(), Vec::new());
    for source in sources {
        let name = source.name.as_str();
        match Database::open_apart(&source.path, &source.rules, spill, Trouble::IsNoted) {
            Err(error) if source.name != *register && error.stays() => {
                let old = before.iter().find(|state| state.name == name).cloned();
                unsettled.push(unread(name, error, old.is_some()));
                carried.extend(old);
            }
            opened_now => {
                let database = opened_now.failed_to(|| format!("read source {name:?}"))?;
                opened.push((source.clone(), database));
            }
        }
    }
    // And read first: it tells who the rows of all others belong to.
    opened.sort_by_key(|(source, _)| source.name != *register);
    Ok((opened, carried, unsettled))
}

/// No source stays as it was in another incarnation: upon that one's snapshots nothing can build.
fn refuse_carrying(carried: &[SourceState]) -> Outcome<()> {
    let Some(source) = carried.first() else {
        return Ok(());
    };
    let what = format!(
        "source {:?} cannot be read, and the first snapshot since the recovery must hold all of it",
        source.name
    );
    let hint = "put it back, as by `tenure restore`; taken out of the configuration it is in earlier snapshots alone";
    Err(Failure::of(FailureKind::Refused, what).hint(hint))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || "database".into(),
        |name| name.to_string_lossy().into_owned(),
    )
}

struct Gatherer {
    repo: crate::ids::RepoId,
    sorter: Sorter,
    sample: Option<Sample>,
    ranks: Ranks,
    people: People,
    /// Whether damage keeps us from seeing some of them.
    some_unseen: bool,
    left_out: Vec<CustomerKey>,
    dangling: Dangling,
    rows: u64,
    record: Vec<u8>,
    /// Whose rows are gathered, if not all are.
    wanted: Option<Wanted>,
    /// Customers by token who are not among those.
    others: HashMap<Value, Met>,
}

impl Gatherer {
    fn new(repository: &Repository) -> Outcome<Self> {
        let spill = repository.state.path().join("spill");
        crate::fsx::create_dir(&spill)?;
        Ok(Self {
            repo: repository.id(),
            sorter: Sorter::new(&spill),
            sample: None,
            ranks: Ranks::new(&repository.keyring.forest),
            people: People::default(),
            some_unseen: false,
            left_out: Vec::new(),
            dangling: Dangling::new(repository)?,
            rows: 0,
            record: Vec::new(),
            wanted: None,
            others: HashMap::new(),
        })
    }

    /// Lets a database tell of rows that lead to whom the register does not hold, if any such are known.
    fn ask_for_missing(&self, database: &mut Database) -> Outcome<()> {
        if self.dangling.knows_some() {
            let form = database.key_form()?;
            database.tell_missing(self.dangling.is_known(form))?;
        }
        Ok(())
    }

    /// Reads one source's rows.
    fn source(
        &mut self,
        repository: &Repository,
        (database, schema, counts): (&mut Database, &Schema, &[u64]),
        (numbered, numbers): (&NumberedSource, &Numbers),
        report: &dyn Report,
    ) -> Outcome<Vec<TableState>> {
        let form = database.key_form()?;
        let classes = numbers.classes_of(schema)?;
        let register = register_of(schema);
        let tables = 0..schema.tables.len();
        let to_owner: Vec<_> = tables.map(|index| database.to_owner(index)).collect();
        let mut keys = repository.keyring.forest.walker();
        let mut taken = vec![0; schema.tables.len()];
        let (order, mut second) = self.order(database, counts)?;
        let readers = std::iter::once(&mut *database).chain(&mut second);
        let mut since = 0;
        relay::rows(readers.collect(), &order, &mut |row| -> Outcome<()> {
            since += 1;
            if since == 4096 {
                report.advance(std::mem::take(&mut since));
            }
            let (index, before) = (row.table, self.rows);
            let place = InTable {
                table: &schema.tables[index],
                state: numbered.tables[index],
                classes: &classes,
                source: numbered.number,
                index,
                form: form.as_ref(),
                to_owner: to_owner[index],
                register,
            };
            self.row(repository, &place, row, &mut keys)?;
            taken[index] += self.rows - before;
            Ok(())
        })?;
        report.advance(since);
        if let Some(second) = second {
            database.join(&second);
        }
        let states = numbered.tables.iter().zip(taken);
        Ok(states
            .map(|(state, rows)| TableState { rows, ..*state })
            .collect())
    }

    /// In which order tables are read, and a second reader if there is enough to read for two: then the largest table
    /// comes first, and the other reader takes the others meanwhile.
    fn order(
        &self,
        database: &mut Database,
        counts: &[u64],
    ) -> Outcome<(Vec<usize>, Option<Database>)> {
        let mut order: Vec<_> = (0..counts.len()).collect();
        let largest = counts.iter().max().copied().unwrap_or_default();
        if counts.iter().sum::<u64>() - largest < FOR_TWO {
            return Ok((order, None));
        }
        let mut second = database.second();
        if let Some(second) = &mut second {
            order.sort_by_key(|at| std::cmp::Reverse(counts[*at]));
            self.ask_for_missing(second)?;
        }
        Ok((order, second))
    }

    /// Takes one row: finds its domain, seals what leads to others, and hands it to the sorter.
    fn row(
        &mut self,
        repository: &Repository,
        place: &InTable<'_>,
        row: Row<'_>,
        keys: &mut ForestWalker<'_>,
    ) -> Outcome<()> {
        let Some(domain) = self.domain(repository, place, &row)? else {
            return Ok(());
        };
        if self
            .wanted
            .as_ref()
            .is_some_and(|wanted| !wanted.has(domain))
        {
            return Ok(());
        }
        let key = (
            self.ranks.of(domain),
            row_key(place.source, place.state.number),
        );
        let table = place.state.number;
        let references = self.references(repository, place, &row, domain, keys)?;
        let cells = row.cells.iter().enumerate().map(|(column, value)| {
            match references.iter().find(|led| led.column == column) {
                Some(led) => led.cell(),
                None => Cell::Value(*value),
            }
        });
        if row.long.is_empty() {
            let mut record = std::mem::take(&mut self.record);
            record.clear();
            piece::encode_row(&mut record, table, row.rowid, cells);
            if let Some(sample) = self.sample.as_mut().filter(|_| domain.class != Class::OWN) {
                sample.add(domain, &record);
            }
            self.sorter.push(key, &record)?;
            self.record = record;
        } else {
            long::push(&mut self.sorter, key, (table, row.rowid), cells, row.long)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Whose a row is; none of a customer's who was erased.
    fn domain(
        &mut self,
        repository: &Repository,
        place: &InTable<'_>,
        row: &Row<'_>,
    ) -> Outcome<Option<Domain>> {
        let none = || {
            Failure::new(format!(
                "table {:?} has no domain for a row",
                place.table.name
            ))
        };
        Ok(Some(match row.owner {
            Owner::Table => place.state.whole.ok_or_else(none)?,
            Owner::Orphan => place.state.orphans.ok_or_else(none)?,
            Owner::Customer(token) => match self.find(repository, place, token)? {
                Some(met) if met.erased => return Ok(None),
                Some(met) => Domain {
                    class: place.classes[place.index],
                    ..met.domain
                },
                None => place.state.orphans.ok_or_else(none)?,
            },
        }))
    }
}

/// Where a row stands.
struct InTable<'a> {
    table: &'a Table,
    state: TableState,
    /// The class of each table of the source.
    classes: &'a [Class],
    source: u32,
    index: usize,
    /// Where the source holds the register: what tokens mean there.
    form: Option<&'a KeyForm>,
    /// The reference whose target is the owner, and not told besides.
    to_owner: Option<usize>,
    /// The register, if it is here.
    register: Option<usize>,
}

fn register_of(schema: &Schema) -> Option<usize> {
    let mut tables = schema.tables.iter();
    tables.position(|table| table.ownership == Ownership::Register)
}
