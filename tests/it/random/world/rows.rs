//! Rows: put in, changed and deleted. Which row is meant is a number, counted round those that are
//! there, in the SQL itself.

use super::World;
use crate::random::dice::Dice;
use crate::random::model::{Keys, Link, Role, Table};
use crate::random::values::{literal, name, quoted, uuid};

const TEXT_KEYS: [&str; 14] = [
    "c1",
    "c2",
    "C1",
    "c3",
    "o'neil \"x\"",
    "two words",
    "c2 ",
    "客户",
    "1",
    "01",
    "a,b",
    "x'00'",
    "",
    "7#1",
];
const SINCE: [&str; 5] = ["'2024-05-06'", "'2025-01-02 03:04'", "'1'", "NULL", "'02'"];
const ODD_NUMBERS: [&str; 6] = [
    "0",
    "-1",
    "(-9223372036854775807 - 1)",
    "9007199254740993",
    "4294967296",
    "9223372036854775806",
];

impl World {
    pub(super) fn insert(&mut self, table: usize, picks: &[u32]) {
        let mut dice = Dice::new(picks);
        let verb = dice.of(&[
            "INSERT",
            "INSERT",
            "INSERT",
            "INSERT OR REPLACE",
            "INSERT OR IGNORE",
        ]);
        let by_hand = dice.one_in(3);
        let rowid = dice.raw();
        let entry = &self.model.tables[table];
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        if let Some(word) = entry.rowid().filter(|_| by_hand && !entry.alias) {
            columns.push(word.to_owned());
            values.push(number(rowid, 1000));
        }
        for (at, value) in self.values(table, &entry.stored(), &picks[3..]) {
            columns.push(name(&entry.columns[at].name));
            values.push(value);
        }
        if let Some(circle) = self.circle(table, picks) {
            self.in_one(&circle);
            return;
        }
        let into = name(&entry.name);
        let sql = match columns.is_empty() {
            true => format!("{verb} INTO {into} DEFAULT VALUES"),
            false => format!(
                "{verb} INTO {into} ({}) VALUES ({})",
                columns.join(", "),
                values.join(", ")
            ),
        };
        self.run(&sql);
    }

    /// Two rows that lead to each other, of tables that do: some of the time, where there are such tables.
    fn circle(&self, table: usize, picks: &[u32]) -> Option<[String; 2]> {
        let entry = &self.model.tables[table];
        let back = entry
            .links
            .iter()
            .find(|link| link.declared && link.to > table)?;
        let other = &self.model.tables[back.to];
        let forth = other
            .links
            .iter()
            .find(|link| link.declared && link.to == table)?;
        let v = picks.first()?;
        let Role::Key(keys) = other.columns[back.key[0]].role else {
            return None;
        };
        if v % 3 != 0 || forth.columns.contains(&back.key[0]) {
            return None;
        }
        let new = key(keys, v.rotate_left(11) & 0x0fff_ffff);
        let insert = |at: usize, set: &dyn Fn(usize) -> Option<String>| {
            let entry = &self.model.tables[at];
            let values = self.values(at, &entry.stored(), &picks[3.min(picks.len())..]);
            let named: Vec<String> = values
                .iter()
                .map(|(at, _)| name(&entry.columns[*at].name))
                .collect();
            let values = values
                .into_iter()
                .map(|(at, value)| set(at).unwrap_or(value));
            let values: Vec<String> = values.collect();
            let (into, named) = (name(&entry.name), named.join(", "));
            format!(
                "INSERT INTO {into} ({named}) VALUES ({})",
                values.join(", ")
            )
        };
        // The last row that was put in is the one with the greatest rowid, mostly.
        let last = entry
            .rowid()
            .map(|rowid| format!(" ORDER BY {rowid} DESC"))
            .unwrap_or_default();
        let first = insert(table, &|at| (at == back.columns[0]).then(|| new.clone()));
        let second = insert(back.to, &|at| {
            let part = forth.columns.iter().position(|column| *column == at);
            let led = part.map(|part| {
                let to = name(&entry.columns[forth.key[part]].name);
                format!("(SELECT {to} FROM {}{last} LIMIT 1)", name(&entry.name))
            });
            led.or_else(|| (at == back.key[0]).then(|| new.clone()))
        });
        Some([first, second])
    }

    /// Values for some columns; those that are left to their defaults are left out.
    fn values(&self, table: usize, wanted: &[usize], picks: &[u32]) -> Vec<(usize, String)> {
        let entry = &self.model.tables[table];
        let mut found = Vec::new();
        for (n, at) in wanted.iter().enumerate() {
            let v = match picks.len() {
                0 => 0,
                len if n < len => picks[n],
                // Numbers alone in most columns of a wide table: its rows are long enough.
                len => picks[n % len].rotate_left((n / len) as u32 * 5) & 0x5fff_ffff,
            };
            let link = entry.links.iter().find(|link| link.columns.contains(at));
            let value = match (entry.columns[*at].role, link) {
                (Role::Generated, _) => continue,
                (_, Some(link)) => {
                    // All columns of one link lead to the same row.
                    let first = wanted
                        .iter()
                        .position(|c| *c == link.columns[0])
                        .unwrap_or(n);
                    let v = picks.get(first % picks.len().max(1)).copied().unwrap_or(0);
                    let part = link.columns.iter().position(|c| c == at).unwrap_or(0);
                    self.reference(link, part, v)
                }
                (Role::Key(_), _) if entry.alias && v >> 29 == 7 => continue,
                (Role::Key(keys), _) => key(keys, v),
                (Role::Since, _) => SINCE[v as usize / 8 % SINCE.len()].into(),
                (Role::Kind, _) => (v >> 16 & 1).to_string(),
                (Role::Data | Role::Link, _) if v & 15 == 15 => continue,
                (Role::Data | Role::Link, _) => literal(entry.columns[*at].takes, v),
            };
            found.push((*at, value));
        }
        found
    }

    /// What stands in one column of a reference.
    fn reference(&self, link: &Link, part: usize, v: u32) -> String {
        let target = &self.model.tables[link.to];
        let column = &target.columns[link.key[part]];
        match v >> 28 {
            14 => "NULL".into(),
            15 => match column.role {
                Role::Key(keys) => key(keys, v.rotate_left(7) & 0x0fff_ffff),
                _ => literal(column.takes, v & 0xff),
            },
            _ => pick(target, &name(&column.name), v),
        }
    }

    pub(super) fn update(&mut self, table: usize, dice: &mut Dice<'_>) {
        let entry = &self.model.tables[table];
        let row = row(entry, dice.raw());
        let stored = entry.stored();
        if stored.is_empty() || row.is_empty() {
            return;
        }
        let mut wanted = vec![stored[dice.pick(stored.len())]];
        if dice.one_in(3) {
            wanted.push(stored[dice.pick(stored.len())]);
        }
        for link in &entry.links {
            if link.columns.iter().any(|column| wanted.contains(column)) {
                wanted.extend(&link.columns);
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        let enforced = dice.one_in(3);
        let set: Vec<String> = self
            .values(table, &wanted, &[dice.raw(), dice.raw()])
            .into_iter()
            .map(|(at, value)| format!("{} = {value}", name(&entry.columns[at].name)))
            .collect();
        if !set.is_empty() {
            let sql = format!(
                "UPDATE {} SET {} WHERE {row}",
                name(&entry.name),
                set.join(", ")
            );
            self.enforced(enforced, &sql);
        }
    }

    pub(super) fn delete(&mut self, table: usize, dice: &mut Dice<'_>) {
        let entry = &self.model.tables[table];
        let row = row(entry, dice.raw());
        let enforced = dice.one_in(3);
        if !row.is_empty() {
            let sql = format!("DELETE FROM {} WHERE {row}", name(&entry.name));
            self.enforced(enforced, &sql);
        }
    }

    /// Runs a statement, with foreign keys enforced or not.
    fn enforced(&mut self, enforced: bool, sql: &str) {
        if !enforced {
            self.run(sql);
            return;
        }
        self.run("PRAGMA foreign_keys = ON");
        self.run(sql);
        self.run("PRAGMA foreign_keys = OFF");
    }
}

/// A whole number: mostly a small one, so that it is used again.
fn number(v: u32, most: u32) -> String {
    match v >> 28 {
        15 => ODD_NUMBERS[v as usize % ODD_NUMBERS.len()].into(),
        _ => (v % most).to_string(),
    }
}

fn key(keys: Keys, v: u32) -> String {
    if v >> 27 == 31 {
        return "NULL".into();
    }
    match keys {
        Keys::Integer => number(v, 20),
        Keys::Tenant => (v % 3).to_string(),
        Keys::Text => quoted(TEXT_KEYS[v as usize % TEXT_KEYS.len()]),
        Keys::Uuid => uuid(v % 20),
        Keys::Any => match v % 4 {
            0 | 1 => (v / 4 % 9).to_string(),
            2 => quoted(&(v / 4 % 9).to_string()),
            _ => format!("{}.5", v / 4 % 9),
        },
    }
}

/// The value of a column in the row number `v` of a table.
fn pick(table: &Table, column: &str, v: u32) -> String {
    let from = name(&table.name);
    let order = table.handle().join(", ");
    let order = if order.is_empty() {
        String::new()
    } else {
        format!(" ORDER BY {order}")
    };
    format!(
        "(SELECT {column} FROM {from}{order} LIMIT 1 OFFSET {} % max(1, (SELECT count(*) FROM {from})))",
        v & 0xffff
    )
}

/// The condition that a row is number `v` of a table; empty where rows cannot be named.
fn row(table: &Table, v: u32) -> String {
    let handle = table.handle();
    let conditions = handle
        .iter()
        .map(|column| format!("{column} IS {}", pick(table, column, v)));
    conditions.collect::<Vec<_>>().join(" AND ")
}
