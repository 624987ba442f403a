//! The SQL of the tables and triggers.

use super::{BTreeSet, Tracking, WIDEST, same};
use crate::source::sqlite::sql::{MARK, quote};

/// What stands in `what` of a note.
pub(super) const CUSTOMER: i64 = 0;
/// A row had no owner.
pub(super) const ORPHAN_BEFORE: i64 = -1;
/// A row has no owner.
pub(super) const ORPHAN_NOW: i64 = -2;
/// The table is nobody's.
pub(super) const WHOLE: i64 = -3;
/// By what a row leads to its owner: less the number of the way.
pub(super) const WAY: i64 = -10;

/// The names of the rowid.
const ROWIDS: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Something that is made in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Made {
    /// `table` or `trigger`.
    pub kind: &'static str,
    pub name: String,
    pub sql: String,
}

/// When a trigger fires.
struct When {
    /// What the trigger's name ends with.
    word: &'static str,
    event: String,
    /// The condition, if there is one.
    if_: Option<String>,
}

impl Tracking<'_> {
    /// Everything that is made, in an order that it can be made in.
    pub(super) fn made(&self) -> Vec<Made> {
        let mut made = tables();
        for at in 0..self.schema.tables.len() {
            match self.is_owned(at) {
                true => self.of_customers(at, &mut made),
                false => self.of_nobody(at, &mut made),
            }
        }
        made
    }

    fn trigger(&self, table: usize, when: &When, body: &[String]) -> Option<Made> {
        if body.is_empty() {
            return None;
        }
        let name = format!("tenure_{}_{}", self.name(table), when.word);
        let condition = when
            .if_
            .as_ref()
            .map_or(String::new(), |if_| format!("\nWHEN {if_}"));
        let sql = format!(
            "CREATE TRIGGER {} {MARK} {} ON {}{condition}\nBEGIN\n{}\nEND",
            quote(&name),
            when.event,
            quote(self.name(table)),
            body.join("\n")
        );
        Some(Made {
            kind: "trigger",
            name,
            sql,
        })
    }

    fn of_customers(&self, table: usize, made: &mut Vec<Made>) {
        let when = |word, event: &str| When {
            word,
            event: event.to_owned(),
            if_: None,
        };
        let displaced = self.displaced(table).into_iter();
        let displaced: Vec<String> = displaced
            .flat_map(|rows| self.left(table, &Rows::Found(rows)))
            .collect();
        let left = self.left(table, &self.row(table, "OLD"));
        let new = self.row(table, "NEW");
        let mut arrived = self.ways(table, &new, ORPHAN_NOW);
        let ways = arrived.len();
        arrived.extend(self.key_notes(table, &new));
        let leaving = [&left[..], &displaced].concat();
        let leave = self.moves(table, "leave", "BEFORE UPDATE");
        let arrive = self.moves(table, "arrive", "AFTER UPDATE");
        let triggers = [
            self.trigger(table, &when("displace", "BEFORE INSERT"), &displaced),
            self.trigger(table, &when("insert", "AFTER INSERT"), &arrived),
            self.trigger(table, &leave, &leaving),
            self.trigger(table, &when("update", "AFTER UPDATE"), &arrived[..ways]),
            self.trigger(table, &arrive, &arrived[ways..]),
            self.trigger(table, &when("delete", "BEFORE DELETE"), &left),
        ];
        made.extend(triggers.into_iter().flatten());
    }

    /// Notes of rows that are about to change or to go.
    fn left(&self, table: usize, rows: &Rows) -> Vec<String> {
        let mut notes = self.ways(table, rows, ORPHAN_BEFORE);
        notes.extend(self.key_notes(table, rows));
        notes
    }

    fn of_nobody(&self, table: usize, made: &mut Vec<Made>) {
        let body = [note(WHOLE, &[text(self.name(table))], &[], "")];
        for (word, event) in [
            ("insert", "AFTER INSERT"),
            ("update", "AFTER UPDATE"),
            ("delete", "AFTER DELETE"),
        ] {
            let when = When {
                word,
                event: event.to_owned(),
                if_: None,
            };
            made.extend(self.trigger(table, &when, &body));
        }
    }

    /// The row of a trigger: as it is named there, unless conditions of the rules ask for it by its columns' names alone.
    fn row(&self, table: usize, name: &'static str) -> Rows {
        let mut edges = self.plan.owners.edges[table].iter();
        match edges.any(|edge| edge.filter.is_some()) {
            true => Rows::Found(self.address(table, name)),
            false => Rows::Named(name),
        }
    }

    /// Notes by what rows lead to their owners: no further, since a trigger that names other tables would be in the way when
    /// the application renames one.
    fn ways(&self, table: usize, rows: &Rows, orphan: i64) -> Vec<String> {
        let from = rows.from(self.name(table));
        let there = |columns: &[String]| {
            let there = columns
                .iter()
                .map(|column| format!("{} IS NOT NULL", rows.value(column)));
            there.collect::<Vec<_>>().join(" AND ")
        };
        let mut notes = Vec::new();
        let mut leads = Vec::new();
        let sure = |columns: &[String]| {
            let mut columns = columns.iter();
            columns.all(|column| self.stored(table, column) == Some(false))
        };
        let mut lead_somewhere = false;
        if let Some((register, key)) = &self.plan.owners.register
            && *register == table
        {
            let token = self
                .plan
                .owners
                .of_row(table, 0)
                .replace("t0.", &rows.prefix());
            leads.push(there(key));
            lead_somewhere |= sure(key);
            notes.push(note(CUSTOMER, &[token], &[there(key)], &from));
        }
        for (number, way) in self.ways_of(table) {
            let edge = &self.plan.owners.edges[way.table][way.edge];
            let filter = edge.filter.iter().map(|filter| format!("({filter}\n)"));
            let conditions: Vec<String> = filter.chain([there(&edge.columns)]).collect();
            let values: Vec<String> = edge
                .columns
                .iter()
                .map(|column| rows.value(column))
                .collect();
            leads.push(conditions.join(" AND "));
            lead_somewhere |= edge.filter.is_none() && sure(&edge.columns);
            notes.push(note(WAY - number as i64, &values, &conditions, &from));
        }
        if lead_somewhere {
            return notes;
        }
        let nowhere: Vec<String> = leads
            .iter()
            .map(|leads| format!("NOT coalesce({leads}, 0)"))
            .collect();
        notes.push(note(orphan, &[text(self.name(table))], &nowhere, &from));
        notes
    }

    /// Notes what others lead to rows by.
    fn key_notes(&self, table: usize, rows: &Rows) -> Vec<String> {
        let from = rows.from(self.name(table));
        let notes = self.keys_of(table).map(|(number, key)| {
            let values: Vec<String> = key
                .columns
                .iter()
                .map(|column| rows.value(column))
                .collect();
            let there: Vec<String> = values
                .iter()
                .map(|value| format!("{value} IS NOT NULL"))
                .collect();
            note(number as i64, &values, &there, &from)
        });
        notes.collect()
    }

    /// The condition that row `t0` is the one that `row` (`NEW` or `OLD`) is.
    fn address(&self, table: usize, row: &str) -> String {
        if let Some(rowid) = &self.shapes[table].rowid {
            return format!("t0.{rowid} = {row}.{rowid}");
        }
        let primary = self.shapes[table].primary.iter().map(|name| quote(name));
        let same = primary.map(|name| format!("t0.{name} = {row}.{name}"));
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// Conditions that row `t0` would be displaced by the new one.
    fn displaced(&self, table: usize) -> Vec<String> {
        let rowid = self.shapes[table]
            .rowid
            .iter()
            .map(|rowid| format!("t0.{rowid} = NEW.{rowid}"));
        let unique = self.uniques[table].iter().map(|unique| {
            let same = unique.iter().map(|(name, collation)| {
                let name = quote(name);
                format!("t0.{name} = NEW.{name} COLLATE {}", quote(collation))
            });
            same.collect::<Vec<_>>().join(" AND ")
        });
        rowid.chain(unique).collect()
    }

    /// When an update may change whose rows are, how they are led to, or what is displaced. Where only columns matter that are
    /// stored, other updates do not even ask.
    fn moves(&self, table: usize, word: &'static str, event: &'static str) -> When {
        let owners = &self.plan.owners;
        let mut edges = owners.edges[table].iter();
        if edges.clone().any(|edge| edge.filter.is_some()) {
            let event = event.to_owned();
            return When {
                word,
                event,
                if_: None,
            };
        }
        let mut columns: BTreeSet<&String> =
            edges.by_ref().flat_map(|edge| &edge.columns).collect();
        columns.extend(self.keys_of(table).flat_map(|(_, key)| &key.columns));
        columns.extend(self.uniques[table].iter().flatten().map(|(name, _)| name));
        let rowid = self.shapes[table].rowid.iter();
        let mut differ: Vec<String> = rowid
            .map(|name| format!("OLD.{name} IS NOT NEW.{name}"))
            .collect();
        let register = owners.register.as_ref();
        let is_register = register.is_some_and(|(at, _)| *at == table);
        let rule = self.plan.register.iter().filter(|_| is_register);
        for name in rule.flat_map(|rule| rule.key.iter().chain(&rule.since)) {
            columns.insert(name);
            let name = quote(name);
            differ.push(format!("typeof(OLD.{name}) <> typeof(NEW.{name})"));
        }
        let computed = columns
            .iter()
            .any(|name| self.stored(table, name).is_none());
        let names: Vec<String> = columns.iter().map(|name| quote(name)).collect();
        differ.extend(
            names
                .iter()
                .map(|name| format!("OLD.{name} IS NOT NEW.{name} COLLATE BINARY")),
        );
        let event = match computed {
            true => event.to_owned(),
            // The rowid is none of the columns, and may be set by any of its names.
            false => format!(
                "{event} OF {}",
                [&names[..], &ROWIDS.map(str::to_owned)].concat().join(", ")
            ),
        };
        let if_ = Some(differ.join(" OR "));
        When { word, event, if_ }
    }

    /// Whether a column that is stored, or the rowid, may be NULL; none of a generated column.
    fn stored(&self, table: usize, name: &str) -> Option<bool> {
        let entry = &self.schema.tables[table];
        if self.shapes[table].rowid.as_deref() == Some(name) {
            return Some(false);
        }
        if entry
            .rowid_alias
            .as_ref()
            .is_some_and(|alias| same(&alias.name, name))
        {
            return Some(false);
        }
        let column = entry
            .columns
            .iter()
            .find(|column| same(&column.name, name))?;
        Some(!column.not_null)
    }
}

/// The rows that a trigger notes something of.
enum Rows {
    /// `NEW` or `OLD`.
    Named(&'static str),
    /// Those of its table that are found by a condition on `t0`: one at most.
    Found(String),
}

impl Rows {
    /// What stands before the name of a column.
    fn prefix(&self) -> String {
        match self {
            Self::Named(name) => format!("{name}."),
            Self::Found(_) => "t0.".to_owned(),
        }
    }

    fn value(&self, column: &str) -> String {
        self.prefix() + &quote(column)
    }

    /// What is to be joined to find them.
    fn from(&self, table: &str) -> String {
        match self {
            Self::Named(_) => String::new(),
            Self::Found(condition) => format!(" CROSS JOIN {} AS t0 ON {condition}", quote(table)),
        }
    }
}

/// Makes a note under conditions, unless there is one already. No conflict may come of it: the way in which the application's
/// own statement deals with conflicts holds for what its triggers do.
fn note(what: i64, values: &[String], conditions: &[String], from: &str) -> String {
    let mut all = values.to_vec();
    all.resize(WIDEST, "0".to_owned());
    // The `+` takes away a type that would keep SQLite from looking the note up.
    let known = (1..)
        .zip(&all)
        .map(|(at, value)| format!(" AND c.k{at} = +{value}"));
    let conditions: Vec<String> = conditions
        .iter()
        .map(|condition| format!("{condition} AND "))
        .collect();
    format!(
        "INSERT INTO tenure_changes SELECT l.generation, {what}, {} FROM tenure_lineage AS l{from} WHERE {}NOT EXISTS \
         (SELECT 1 FROM tenure_changes AS c WHERE c.generation = l.generation AND c.what = {what}{});",
        all.join(", "),
        conditions.concat(),
        known.collect::<String>()
    )
}

fn text(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

fn tables() -> Vec<Made> {
    let columns: Vec<String> = (1..=WIDEST).map(|at| format!("k{at}")).collect();
    let columns = columns.join(", ");
    let made = |name: &str, definition: String| Made {
        kind: "table",
        name: name.to_owned(),
        sql: format!("CREATE TABLE {name} {MARK} ({definition}"),
    };
    vec![
        made(
            "tenure_lineage",
            "lineage TEXT, generation INTEGER)".to_owned(),
        ),
        made(
            "tenure_changes",
            format!(
                "generation INTEGER, what INTEGER, {columns}, PRIMARY KEY (generation, what, {columns})) WITHOUT ROWID"
            ),
        ),
    ]
}
