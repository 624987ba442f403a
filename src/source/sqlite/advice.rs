//! What a look at some rows tells a person who settles whose they are.

use super::error::SqliteError;
use super::looks::{Like, of_values};
use super::personal::looks_personal;
use super::read::{Database, borrowed};
use super::shape::ForeignKey;
use super::sql::{quote, same};
use super::virtuals::has_word;
use crate::schema::{Ownership, Table};
use crate::value::ValueRef;

/// Columns that are likely to hold the moment at which somebody became a customer, by letters alone.
const SINCE: [&str; 13] = [
    "createdat",
    "created",
    "createdon",
    "createddate",
    "creationdate",
    "datecreated",
    "registeredat",
    "registered",
    "registrationdate",
    "signupat",
    "signedupat",
    "joinedat",
    "insertedat",
];

/// What a look at a table tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Columns of a table that is not owned which look personal, and what their values look like; in
    /// words that follow on the table's name. No value is in it.
    pub personal: Option<String>,
    /// A table that the register points to and that is not owned: what can be said of it.
    pub pointed_at: Option<PointedAt>,
    /// The register may give the key of one who is gone to somebody else, and nothing tells them
    /// apart: what to do, in words that follow on the table's name.
    pub reuses_keys: Option<String>,
}

/// That the register points to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointedAt {
    /// The rule by which the table would be owned, such as `<- customers.address_id`.
    pub rule: String,
    /// Whether each row is pointed at by one customer at most.
    pub alone: bool,
}

impl PointedAt {
    /// What a person should know, in words that follow on the table's name.
    pub fn words(&self) -> String {
        let by = &self.rule;
        let from = by.trim_start_matches("<- ");
        match self.alone {
            true => format!(
                "is pointed at by {from}, each row by one customer alone: by = \"{by}\" makes it theirs"
            ),
            false => format!(
                "is pointed at by {from}, and one row by several customers: by = \"{by}\" cannot own it"
            ),
        }
    }
}

impl Look {
    /// What a person should read of the table, besides the table's own warnings.
    pub fn advice(&self) -> Vec<String> {
        let pointed_at = self.pointed_at.as_ref().map(PointedAt::words);
        let all = [&self.personal, &pointed_at, &self.reuses_keys];
        all.into_iter().flatten().cloned().collect()
    }
}

impl Database {
    /// What there is to say of table number `table`, by its first rows where it is nobody's.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn look(&self, table: usize) -> Result<Look, SqliteError> {
        let entry = &self.schema.tables[table];
        let mut look = Look::default();
        match entry.ownership {
            Ownership::Register => look.reuses_keys = self.reuses_keys(table),
            Ownership::Owned => {}
            Ownership::Shared | Ownership::Ambiguous | Ownership::Unsettled => {
                look.personal = self.personal(table)?;
                look.pointed_at = self.pointed_at(table)?;
            }
        }
        // What a person has called shared is so, unless they may not have seen what is in it.
        if entry.ownership == Ownership::Shared && look.personal.is_none() {
            look.pointed_at = None;
        }
        Ok(look)
    }

    /// How many rows of an owned table are nobody's: their owner is NULL, or nobody of whom `is_known` tells that the
    /// register holds them. It costs a reading of the table, and of those by which its rows lead to their owners.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn orphans(
        &self,
        table: usize,
        is_known: impl Fn(ValueRef<'_>) -> bool,
    ) -> Result<u64, SqliteError> {
        let name = &self.schema.tables[table].name;
        let (owner, from) = (self.owner_of(table), quote(name));
        // Parents are mostly in the order of their children. An index that happens to hold the columns would lead to
        // them in an order of its own, each to another page.
        let order = match self.plan.owners.leads_through_others(table) {
            true => self.order(table),
            false => String::new(),
        };
        let sql = format!("SELECT {owner} FROM {from} AS t0{order}");
        let count = || -> rusqlite::Result<u64> {
            let mut prepared = self.conn.prepare(&sql)?;
            let (mut rows, mut orphans) = (prepared.query([])?, 0);
            while let Some(row) = rows.next()? {
                orphans += u64::from(!is_known(borrowed(row.get_ref(0)?)));
            }
            Ok(orphans)
        };
        count().map_err(SqliteError::reading(name))
    }

    /// That the register can be read, the rows of each table can be counted, and whose those of the owned ones are can be
    /// told. Indexes may do for it: a damaged page of values that nothing here looks at is not met.
    ///
    /// # Errors
    /// When SQLite fails to read.
    pub fn try_owners(&self) -> Result<(), SqliteError> {
        self.register::<SqliteError>(&mut |_| Ok(()))?;
        self.counts()?;
        let tables = self.schema.tables.iter().enumerate();
        let mut owned = tables.filter(|(_, table)| table.ownership == Ownership::Owned);
        owned.try_for_each(|(at, _)| self.orphans(at, |_| true).map(drop))
    }

    fn personal(&self, table: usize) -> Result<Option<String>, SqliteError> {
        let entry = &self.schema.tables[table];
        let found = of_values(&self.conn, entry).map_err(SqliteError::reading(&entry.name))?;
        let told = entry
            .columns
            .iter()
            .zip(found)
            .filter_map(|(column, found)| {
                let name = &column.name;
                if found.is_empty() {
                    return looks_personal(name).then(|| name.clone());
                }
                let words: Vec<&str> = found.into_iter().map(Like::words).collect();
                Some(format!("{name} ({})", words.join(", ")))
            });
        let told: Vec<String> = told.collect();
        let told = told.join(", ");
        Ok((!told.is_empty()).then(|| format!("has columns that look personal: {told}")))
    }

    /// What can be said if the register has a foreign key to a table.
    fn pointed_at(&self, table: usize) -> Result<Option<PointedAt>, SqliteError> {
        let Some((register, _)) = &self.plan.owners.register else {
            return Ok(None);
        };
        let mut keys = self.shapes[*register].keys.iter();
        let Some(key) = keys.find(|key| key.parent == table) else {
            return Ok(None);
        };
        let from = &self.schema.tables[*register].name;
        let fail = SqliteError::reading(from);
        let alone = self.points_alone(from, key).map_err(fail)?;
        let rule = format!("<- {from}.{}", key.columns.join(","));
        Ok(Some(PointedAt { rule, alone }))
    }

    fn points_alone(&self, from: &str, key: &ForeignKey) -> rusqlite::Result<bool> {
        let columns: Vec<String> = key.columns.iter().map(|name| quote(name)).collect();
        let filled: Vec<String> = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect();
        let sql = format!(
            "SELECT 1 FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1 LIMIT 1",
            quote(from),
            filled.join(" AND "),
            columns.join(", ")
        );
        Ok(!self.conn.prepare(&sql)?.exists([])?)
    }

    /// An INTEGER PRIMARY KEY without AUTOINCREMENT takes the greatest number that is not there, so the
    /// next customer after the last one has gone gets that one's.
    fn reuses_keys(&self, table: usize) -> Option<String> {
        let rule = self.plan.register.as_ref()?;
        let entry = &self.schema.tables[table];
        let alias = &entry.rowid_alias.as_ref()?.name;
        let mut statements = self.schema.statements.iter();
        let made = statements.find(|s| s.kind == "table" && same(&s.name, &entry.name))?;
        let key = rule.key.len() == 1 && same(&rule.key[0], alias);
        if rule.since.is_some() || !key || has_word(&made.sql, "autoincrement") {
            return None;
        }
        let what = format!("may give the {alias} of a customer who is gone to another");
        Some(match since(entry) {
            Some(column) => {
                format!("{what}: since = \"{column}\" under [customers] tells them apart")
            }
            None => format!(
                "{what}, and has no column that would tell them apart: one that is never NULL and never \
                 changes, such as created_at, for `since` under [customers]"
            ),
        })
    }
}

/// The column of a register that is likely to tell two holders of a key apart: never NULL, and by its
/// name the moment at which somebody became a customer.
pub fn since(register: &Table) -> Option<String> {
    let plain = |name: &str| name.replace(['_', ' ', '-'], "").to_lowercase();
    let fits = |wanted: &&str| {
        let mut columns = register.columns.iter();
        columns.find(|column| column.not_null && plain(&column.name) == *wanted)
    };
    let found = SINCE.iter().find_map(fits)?;
    Some(found.name.clone())
}
