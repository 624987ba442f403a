//! What was restored against what was there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::model::{Link, Means, Model, Table};
use super::owners::{LEFT, Owners};
use super::seen::{self, Row};
use super::values::name;
pub use super::words::Words;
use crate::support::compare;
use told::{Kind, Told};

/// Somebody who was forgotten.
pub struct Gone {
    /// The key.
    pub key: Vec<Value>,
    /// Since when they had it; NULL where nothing says so.
    pub since: Value,
    /// The number of the first snapshot in which they were in the register.
    pub first: usize,
    /// The number of the snapshot after which they were forgotten.
    pub after: usize,
    /// Whether somebody else who was backed up has, or has had, the same key.
    pub others: bool,
}

/// That nothing is different.
pub fn exact(kept: &Path, back: &Path, words: &Words, problems: &[String]) -> Result<(), String> {
    compare::same(kept, back)?;
    compare::sound(kept, back)?;
    words.found(back, problems)?;
    known(kept, words, problems.iter())
}

/// That problems were there before, or are those of full-text indexes.
fn known<'p>(
    kept: &Path,
    words: &Words,
    mut problems: impl Iterator<Item = &'p String>,
) -> Result<(), String> {
    let damage = compare::integrity(kept)?;
    let known = |problem: &&String| damage.contains(problem) || words.told(problem);
    match problems.find(|problem| !known(problem)) {
        Some(problem) => Err(format!("a problem where there is none: {problem}")),
        None => Ok(()),
    }
}

/// That nothing is different but what was somebody's who is gone: those rows are not there, and
/// whatever referred to them is NULL or leads to a row of no meaning.
pub fn without(
    kept: &Path,
    back: &Path,
    (model, words): (&Model, &Words),
    gone: &Gone,
    number: usize,
    problems: &[String],
) -> Result<(), String> {
    words.found(back, problems)?;
    let (was, is) = (open(kept)?, open(back)?);
    let (told, others) = Told::of(problems);
    known(kept, words, others.into_iter())?;
    let check = Check {
        was: &was,
        is: &is,
        model,
        told: &told,
    };
    check.run(gone, number).map_err(|error| match error {
        Wrong::Sqlite(error) => format!("cannot check: {error}"),
        Wrong::Said(what) => what,
    })?;
    compare::same_frame(kept, back)?;
    compare::sound_but(kept, back, &|table, parent| told.broken(table, parent))
}

/// Whether something stands in sqlite_sequence that no restore brings back.
pub fn odd_counters(kept: &Path) -> bool {
    let sql = "SELECT count(*) FROM sqlite_sequence \
               WHERE typeof(name) <> 'text' OR typeof(seq) <> 'integer'";
    let conn = Connection::open(kept).unwrap();
    // Without AUTOINCREMENT there is no such table.
    conn.query_row(sql, [], |row| row.get::<_, i64>(0))
        .is_ok_and(|odd| odd > 0)
}

/// That nothing is different, in what another version of SQLite has made. How a version writes numbers as text, and
/// reads blobs as text in UTF-16, is another matter: where such may be stored, in computed columns and full-text
/// indexes of such numbers, only the frame is looked at.
pub fn exact_by_another_version(kept: &Path, back: &Path) -> Result<(), String> {
    let conn = open(kept)?;
    let is = |sql: &str| conn.prepare(sql).unwrap().exists([]).unwrap();
    let computed = is("SELECT 1 FROM sqlite_schema WHERE sql LIKE '%STORED%'");
    let words = is("SELECT 1 FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%'");
    let wide = is("SELECT 1 FROM pragma_encoding WHERE encoding <> 'UTF-8'");
    let real = || indexes_reals(&conn).map_err(|error| error.to_string());
    match computed || words && (wide || real()?) {
        true => compare::same_frame(kept, back),
        false => compare::same(kept, back),
    }
}

/// Whether a full-text index has words of a number that is no integer.
fn indexes_reals(conn: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT t.name, c.name FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c
               WHERE t.schema = 'main' AND t.type = 'virtual' AND c.hidden = 0";
    let mut columns = conn.prepare(sql)?;
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for column in columns {
        let (table, column): (String, String) = column?;
        let (table, column) = (name(&table), name(&column));
        let real = format!("SELECT 1 FROM {table} WHERE typeof({column}) = 'real'");
        // Over a table that is not there any more it has no words.
        if conn
            .prepare(&real)
            .and_then(|mut real| real.exists([]))
            .unwrap_or(false)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn open(path: &Path) -> Result<Connection, String> {
    let told = |error| format!("cannot open {}: {error}", path.display());
    let conn = Connection::open(path).map_err(told)?;
    conn.execute_batch("PRAGMA query_only = ON").map_err(told)?;
    Ok(conn)
}

/// Why a check says no.
pub enum Wrong {
    Sqlite(rusqlite::Error),
    Said(String),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Self::Said(what)
    }
}

struct Check<'a> {
    was: &'a Connection,
    is: &'a Connection,
    model: &'a Model,
    told: &'a Told,
}

/// Of each row of a table the links that led to whoever is gone.
type Lost = BTreeMap<i64, Vec<Link>>;

impl Check<'_> {
    fn run(&self, gone: &Gone, number: usize) -> Result<(), Wrong> {
        let who = self.who(gone);
        // Before somebody was forgotten, rows that led to nobody were nobody's, and held the key of whoever had been there.
        let forgotten = number > gone.after;
        let left = who.is_none() && number > gone.first && !(forgotten && gone.others);
        let left = left.then_some(&gone.key[..]);
        let owners = Owners::new(self.was, self.model, left.filter(|_| forgotten))?;
        let who = who.unwrap_or(LEFT);
        let mut lost = Vec::new();
        for table in 0..self.model.tables.len() {
            lost.push(self.lost(&owners, table, (who, left))?);
        }
        // By table: the rows that are new, and where the others are.
        let (mut extra, mut places) = (Vec::new(), Vec::new());
        for (table, lost) in lost.iter().enumerate() {
            let (more, found) = match self.model.tables[table].alive {
                true => self.rows(&owners, table, who, lost)?,
                false => Default::default(),
            };
            extra.push(more);
            places.push(found);
        }
        let back = Owners::new(self.is, self.model, None)?;
        let mut meant = BTreeSet::new();
        for (table, lost) in lost.iter().enumerate() {
            let mut adrift = 0;
            for (row, links) in lost {
                let Some(place) = places[table].get(row) else {
                    continue; // It was told.
                };
                let mut led = true;
                for link in links {
                    let leads = self.leads(&back, (table, *place), link, &extra)?;
                    let nowhere = leads == Leads::Nowhere;
                    led &= !nowhere || self.names_another(table, (*row, *place), link)?;
                    meant.extend(leads.to(link));
                }
                adrift += usize::from(!led);
                meant.extend(self.leads_besides(&back, table, *place, links, &extra)?);
            }
            let entry = &self.model.tables[table];
            if adrift > self.told.rows(&entry.name, Kind::Adrift) {
                return Err(format!("{}: a row leads nowhere", entry.name).into());
            }
        }
        self.all_meant(&back, &extra, meant)
    }

    /// That new rows are there because somebody refers to them: a row that does so now, or another
    /// new one; or one did so until it was given up, which is told.
    fn all_meant(
        &self,
        back: &Owners<'_>,
        extra: &[BTreeSet<i64>],
        mut meant: BTreeSet<(usize, i64)>,
    ) -> Result<(), Wrong> {
        for (table, entry) in self.model.tables.iter().enumerate() {
            if self.told.gave_up(&entry.name) {
                let led_to = self.model.leading(table).into_iter().map(|link| link.to);
                meant.extend(led_to.flat_map(|to| extra[to].iter().map(move |row| (to, *row))));
            }
        }
        let mut waiting: Vec<(usize, i64)> = meant.iter().copied().collect();
        while let Some((table, row)) = waiting.pop() {
            for link in &self.model.tables[table].links {
                for (from, to) in back.refers(table, link)? {
                    if from == row && extra[link.to].contains(&to) && meant.insert((link.to, to)) {
                        waiting.push((link.to, to));
                    }
                }
            }
        }
        for (table, rows) in extra.iter().enumerate() {
            let name = &self.model.tables[table].name;
            // One may have been made that could not stand for anybody after all, before another could not be made.
            let made = self.told.rows(name, Kind::Nobody);
            let mut unmeant = rows.iter().filter(|row| !meant.contains(&(table, **row)));
            if let Some(row) = unmeant.nth(made) {
                return Err(format!("{name}: row {row} is new, and nobody refers to it").into());
            }
        }
        Ok(())
    }

    /// The register's row of whoever is gone, if it has one.
    fn who(&self, gone: &Gone) -> Option<i64> {
        let all = people(self.was, &self.model.tables[0]);
        let at = (all.iter()).position(|(key, since)| *key == gone.key && *since == gone.since);
        at.map(|at| at as i64 + 1)
    }

    /// The links that led to whoever is gone; where the register had let them go, also those that hold their key.
    fn lost(
        &self,
        owners: &Owners<'_>,
        table: usize,
        (who, left): (i64, Option<&[Value]>),
    ) -> Result<Lost, Wrong> {
        let mut lost = Lost::new();
        let entry = &self.model.tables[table];
        if !entry.alive {
            return Ok(lost);
        }
        let own = owners.rows_of(table, who);
        for link in &self.model.leading(table) {
            if !link.counts() || owners.tables[link.to].is_none() {
                continue;
            }
            let theirs = owners.rows_of(link.to, who);
            let led = owners.refers(table, link)?;
            let somebody: BTreeSet<i64> = led.iter().map(|(row, _)| *row).collect();
            let led = led.into_iter();
            let mut rows: Vec<i64> = led
                .filter(|(_, target)| theirs.contains(target))
                .map(|(row, _)| row)
                .collect();
            if let Some(key) =
                left.filter(|_| link.to == 0 && !self.is_rowid_of_nobody(table, link))
            {
                let held = owners.hold(table, link, key)?.into_iter();
                rows.extend(held.filter(|row| !somebody.contains(row)));
            }
            for row in rows.into_iter().filter(|row| !own.contains(row)) {
                lost.entry(row).or_default().push(link.clone());
            }
        }
        Ok(lost)
    }

    /// Whether a link is the rowid, and the one by which a table's rows have owners: it stays with rows of nobody's.
    fn is_rowid_of_nobody(&self, table: usize, link: &Link) -> bool {
        let entry = &self.model.tables[table];
        let rowid = entry.alias && entry.key.iter().any(|at| link.columns.contains(at));
        let owning = self.model.owning(table);
        let alone = matches!(owning[..], [only] if only.columns == link.columns);
        rowid && alone
    }

    /// That every row is there, but those of whoever is gone, and nothing else that had a meaning.
    /// Returns the numbers of rows that are new, and under which number each row is found.
    #[allow(clippy::type_complexity, reason = "two short lists")]
    fn rows(
        &self,
        owners: &Owners<'_>,
        table: usize,
        who: i64,
        lost: &Lost,
    ) -> Result<(BTreeSet<i64>, BTreeMap<i64, i64>), Wrong> {
        let entry = &self.model.tables[table];
        let (was, is) = (seen::rows(self.was, entry)?, seen::rows(self.is, entry)?);
        let own = owners.rows_of(table, who);
        let stored = entry.stored();
        let mut by_hash: HashMap<(Option<i64>, &[Vec<u8>]), Vec<usize>> = HashMap::new();
        for (at, row) in is.iter().enumerate().rev() {
            by_hash.entry((row.rowid, &row.cells)).or_default().push(at);
        }
        let (mut left, mut places) = (vec![true; is.len()], BTreeMap::new());
        let mut waiting = Vec::new();
        for (number, row) in (1..).zip(&was) {
            if own.contains(&number) {
                continue;
            }
            if lost.contains_key(&number) {
                waiting.push((number, row));
                continue;
            }
            let found = by_hash
                .get_mut(&(row.rowid, &row.cells[..]))
                .and_then(Vec::pop);
            let Some(at) = found else {
                return Err(
                    format!("{}: a row is not as it was: {}", entry.name, shown(row)).into(),
                );
            };
            left[at] = false;
            places.insert(number, at as i64 + 1);
        }
        let mut unplaced = self.told.rows(&entry.name, Kind::Unplaced);
        let loose = |number: &i64| -> BTreeSet<usize> {
            let links = lost[number].iter();
            links.flat_map(|link| link.columns.clone()).collect()
        };
        // Those of which more is as it was fit fewer rows.
        waiting.sort_by_key(|(number, _)| loose(number).len());
        for (number, row) in waiting {
            let loose = loose(&number);
            let fits = |other: &Row| {
                let mut cells = stored.iter().zip(row.cells.iter().zip(&other.cells));
                let mut moved = cells.clone().filter(|(at, _)| loose.contains(at));
                // What referred may be the rowid.
                let moved = moved.any(|(_, (a, b))| row.is_its_rowid(a) && other.is_its_rowid(b));
                (moved || row.rowid == other.rowid)
                    && cells.all(|(at, (a, b))| loose.contains(at) || a == b)
            };
            let Some(at) = (0..is.len()).find(|at| left[*at] && fits(&is[*at])) else {
                if unplaced > 0 {
                    unplaced -= 1;
                    continue;
                }
                let what = format!(
                    "{}: a row that referred to the forgotten is not there: {}",
                    entry.name,
                    shown(row)
                );
                return Err(what.into());
            };
            left[at] = false;
            places.insert(number, at as i64 + 1);
        }
        let extra: BTreeSet<i64> = (0..is.len())
            .filter(|at| left[*at])
            .map(|at| at as i64 + 1)
            .collect();
        let gone: Vec<&Row> = own
            .iter()
            .map(|number| &was[*number as usize - 1])
            .collect();
        let kept: Vec<&Row> = (1..)
            .zip(&was)
            .filter(|(n, _)| !own.contains(n))
            .map(|(_, r)| r)
            .collect();
        for at in &extra {
            self.neutral(entry, &is[*at as usize - 1], &gone, &kept)?;
        }
        Ok((extra, places))
    }

    /// That a new row tells nothing of those who are gone.
    fn neutral(&self, entry: &Table, row: &Row, gone: &[&Row], kept: &[&Row]) -> Result<(), Wrong> {
        let columns = entry.stored();
        for (at, cell) in row.cells.iter().enumerate() {
            let plain = |head: &[u8]| matches!(head, [b'i' | b'r', 0, 0] | [b'i', 255, 255]);
            let telling = cell.len() > 7 && !plain(&cell[..3]);
            let known = kept.iter().any(|row| row.cells[at] == *cell);
            let column = &entry.columns[columns[at]];
            if telling && !known && !column.default && gone.iter().any(|row| row.cells[at] == *cell)
            {
                let what = format!(
                    "{}: a new row has what was theirs in {}: {}",
                    entry.name,
                    column.name,
                    shown(row)
                );
                return Err(what.into());
            }
        }
        Ok(())
    }

    /// Whether a row names somebody by what it leads on to, where no foreign key asks for a row, and names
    /// another than before: the neutral row in between says so, and need not lead on.
    fn names_another(&self, table: usize, at: (i64, i64), link: &Link) -> Result<bool, Wrong> {
        let entry = &self.model.tables[table];
        if link.declared || entry.links.contains(link) {
            return Ok(false);
        }
        let was = seen::cells(self.was, entry, &link.columns, at.0)?;
        Ok(was != seen::cells(self.is, entry, &link.columns, at.1)?)
    }

    /// The new rows to which other links of a row lead that share a column with some that were lost: where
    /// they led was somebody else's, and said in its key who is gone.
    fn leads_besides(
        &self,
        back: &Owners<'_>,
        table: usize,
        row: i64,
        lost: &[Link],
        extra: &[BTreeSet<i64>],
    ) -> Result<Vec<(usize, i64)>, Wrong> {
        let mut found = Vec::new();
        for link in &self.model.tables[table].links {
            let shares = |other: &Link| other.columns.iter().any(|at| link.columns.contains(at));
            if !link.declared || !lost.iter().any(shares) {
                continue;
            }
            let all = back.refers(table, link)?.into_iter();
            let own = all.filter(|(from, to)| *from == row && extra[link.to].contains(to));
            found.extend(own.map(|(_, to)| (link.to, to)));
        }
        Ok(found)
    }

    /// Where a link leads that led to somebody who is gone.
    fn leads(
        &self,
        back: &Owners<'_>,
        (table, row): (usize, i64),
        link: &Link,
        extra: &[BTreeSet<i64>],
    ) -> Result<Leads, Wrong> {
        let entry = &self.model.tables[table];
        let values = seen::cells(self.is, entry, &link.columns, row)?;
        if values.iter().any(|cell| cell == b"-") {
            return Ok(Leads::Null);
        }
        // What it holds under may be gone as well.
        let under = Vec::new();
        let anyhow = Link {
            under,
            ..link.clone()
        };
        let mut all = back.refers(table, &anyhow)?.into_iter();
        match all.find(|(from, _)| *from == row) {
            Some((_, target)) if extra[link.to].contains(&target) => Ok(Leads::To(target)),
            Some(_) => {
                let columns = entry.names(&link.columns).join(", ");
                let what = format!("{columns} of row {row} leads to somebody else");
                Err(format!("{}: {what}", entry.name).into())
            }
            None if self
                .told
                .rows(&self.model.tables[link.to].name, Kind::Nobody)
                > 0 =>
            {
                Ok(Leads::Null)
            }
            None => Ok(Leads::Nowhere),
        }
    }
}

/// Where something leads that led to somebody who is gone.
#[derive(PartialEq)]
enum Leads {
    /// It is NULL, or led to what nothing stands for.
    Null,
    /// To a new row.
    To(i64),
    /// To no row at all.
    Nowhere,
}

impl Leads {
    /// The new row of the table that `link` leads to.
    fn to(&self, link: &Link) -> Option<(usize, i64)> {
        match self {
            Self::To(row) => Some((link.to, *row)),
            Self::Null | Self::Nowhere => None,
        }
    }
}

/// The keys of everybody in the register, and since when they have them, in the order of its rows.
pub fn people(conn: &Connection, register: &Table) -> Vec<(Vec<Value>, Value)> {
    let columns = register.names(&register.key);
    let since = register
        .since()
        .map_or("NULL".into(), |at| name(&register.columns[at].name));
    let sql = format!(
        "SELECT {}, {since} FROM {} ORDER BY {}",
        columns.join(", "),
        name(&register.name),
        register.handle().join(", ")
    );
    let mut statement = conn.prepare(&sql).unwrap();
    let one = |row: &rusqlite::Row<'_>| {
        let key = (0..columns.len())
            .map(|at| row.get(at))
            .collect::<rusqlite::Result<_>>()?;
        Ok((key, row.get(columns.len())?))
    };
    let all = statement.query_map([], one).unwrap();
    all.map(Result::unwrap).collect()
}

fn shown(row: &Row) -> String {
    let cells: Vec<String> = row
        .cells
        .iter()
        .map(|cell| {
            let (class, bytes) = cell.split_at(1);
            format!(
                "{}{}",
                class.escape_ascii(),
                bytes[..bytes.len().min(40)].escape_ascii()
            )
        })
        .collect();
    format!("{:?} {}", row.rowid, cells.join(" "))
}

mod told;

#[cfg(test)]
mod tests;
