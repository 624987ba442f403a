//! Makes tables.

use super::World;
use crate::random::case::TableSpec;
use crate::random::dice::Dice;
use crate::random::model::{Column, Keys, Role, Said, Table};
use crate::random::values::{Takes, literal, name};

const DECLARED: [&str; 24] = [
    "TEXT",
    "",
    "INTEGER",
    "BLOB",
    "REAL",
    "NUMERIC",
    "INT",
    "VARCHAR(20)",
    "DECIMAL(10, 2)",
    "BOOLEAN",
    "DATETIME",
    "CHARINT",
    "FLOATING POINT",
    "ANY",
    "json",
    "XYZ",
    "UNSIGNED BIG INT",
    "NATIVE CHARACTER(70)",
    "clob",
    "DOUBLE PRECISION",
    "STRING",
    "INTEGER(0)",
    "\"odd type\"",
    "Ünïcode",
];
const STRICT: [(&str, Takes); 6] = [
    ("TEXT", Takes::Text),
    ("INTEGER", Takes::Integer),
    ("ANY", Takes::Anything),
    ("BLOB", Takes::Blob),
    ("REAL", Takes::Real),
    ("INT", Takes::Integer),
];
const COLLATIONS: [&str; 6] = [
    "",
    "",
    "",
    " COLLATE NOCASE",
    " COLLATE RTRIM",
    " COLLATE BINARY",
];

/// What tables' rows are, for those who keep some longer than others.
pub(super) const CLASSES: [Option<&str>; 5] = [None, None, None, Some("billing"), Some("letters")];

/// A table on its way to CREATE TABLE.
pub(super) struct Draft {
    pub(super) table: Table,
    /// A definition for each column.
    pub(super) definitions: Vec<String>,
    /// What follows the columns.
    pub(super) constraints: Vec<String>,
    /// What follows the closing bracket.
    pub(super) options: Vec<&'static str>,
}

impl World {
    /// Makes a table, and what stands on it.
    pub(super) fn table(&mut self, spec: &TableSpec) {
        let mut dice = Dice::new(&spec.shape);
        let full_text = dice.pick(16) == 15;
        if full_text && !self.model.tables.is_empty() {
            self.text_table(spec, &mut dice);
            return;
        }
        let stem = if self.model.tables.is_empty() {
            "customers"
        } else {
            "t"
        };
        let mut draft = Draft {
            table: Table {
                name: self.new_name(stem, &mut dice),
                alive: true,
                columns: Vec::new(),
                key: Vec::new(),
                primary: true,
                without_rowid: false,
                alias: false,
                counts: false,
                strict: dice.one_in(6),
                links: Vec::new(),
                said: Said::Nothing,
                class: dice.of(&CLASSES),
                text: false,
            },
            definitions: Vec::new(),
            constraints: Vec::new(),
            options: Vec::new(),
        };
        self.key(&mut draft, &mut dice);
        if self.model.tables.is_empty() && dice.one_in(3) {
            let since = (Role::Since, Takes::Text);
            let declared = if draft.table.strict {
                "TEXT"
            } else {
                dice.of(&["TEXT", "INTEGER", ""])
            };
            self.column(&mut draft, "since", since, (declared, ""), "", &mut dice);
        }
        self.links(&mut draft, &mut dice);
        // 2,000 is SQLite's limit.
        let wide = (dice.one_in(60) && dice.one_in(6)).then(|| 500 + dice.pick(1501));
        for picks in &spec.columns {
            self.data(&mut draft, picks);
        }
        if let Some(wide) = wide {
            while draft.definitions.len() < wide {
                self.data(&mut draft, &[]);
            }
        }
        if draft.table.without_rowid && draft.table.key.is_empty() {
            return;
        }
        if draft.table.strict {
            draft.options.push("STRICT");
        }
        if draft.table.without_rowid {
            draft.options.push("WITHOUT ROWID");
        }
        let inner: Vec<String> = draft
            .definitions
            .into_iter()
            .chain(draft.constraints)
            .collect();
        let sql = format!(
            "CREATE TABLE {} ({}){}",
            name(&draft.table.name),
            inner.join(", "),
            draft.options.join(", ")
        );
        if self.run(&sql) {
            self.model.tables.push(draft.table);
            let table = self.model.tables.len() - 1;
            if dice.one_in(4) {
                self.back(table, &mut dice);
            }
            for picks in &spec.extras {
                self.extra(table, picks);
            }
        } else {
            assert!(!self.model.tables.is_empty(), "no register: {sql}");
        }
    }

    /// Adds a column, and gives its place.
    pub(super) fn column(
        &mut self,
        draft: &mut Draft,
        stem: &str,
        (role, takes): (Role, Takes),
        (declared, collate): (&'static str, &'static str),
        more: &str,
        dice: &mut Dice<'_>,
    ) -> usize {
        let called = self.new_name(stem, dice);
        draft
            .definitions
            .push(format!("{} {declared}{collate}{more}", name(&called)));
        draft.table.columns.push(Column {
            name: called,
            alive: true,
            declared,
            collate,
            takes,
            role,
            default: false,
        });
        draft.table.columns.len() - 1
    }

    /// The columns of the key. The register always has one.
    fn key(&mut self, draft: &mut Draft, dice: &mut Dice<'_>) {
        let register = self.model.tables.is_empty();
        let kind = dice.pick(if register { 13 } else { 16 });
        let collate = dice.of(&["", " COLLATE NOCASE", " COLLATE RTRIM"]);
        let strict = draft.table.strict;
        let (integer, text, uuid) = (
            (Role::Key(Keys::Integer), Takes::Integer),
            (Role::Key(Keys::Text), Takes::Text),
            (Role::Key(Keys::Uuid), Takes::Blob),
        );
        let any = (Role::Key(Keys::Any), Takes::Anything);
        let single = |collate| match kind {
            0 => (integer, "INTEGER", "", " PRIMARY KEY"),
            1 => (integer, "INTEGER", "", " PRIMARY KEY AUTOINCREMENT"),
            2 => (text, "TEXT", "", " PRIMARY KEY"),
            3 => (integer, "INTEGER", "", " PRIMARY KEY DESC"),
            4 => (integer, "INT", "", " PRIMARY KEY"),
            5 => (text, "TEXT", collate, " PRIMARY KEY"),
            6 => (uuid, "BLOB", "", " PRIMARY KEY NOT NULL"),
            7 => (any, if strict { "ANY" } else { "" }, "", " NOT NULL UNIQUE"),
            10 => (text, "TEXT", collate, " PRIMARY KEY"),
            _ => (integer, "INTEGER", "", " PRIMARY KEY DESC"),
        };
        match kind {
            8 | 9 => {
                let tenant = (Role::Key(Keys::Tenant), Takes::Integer);
                let a = self.column(draft, "a", tenant, ("INT", ""), "", dice);
                let b = self.column(draft, "b", text, ("TEXT", collate), "", dice);
                draft.table.key = vec![a, b];
                draft.table.without_rowid = kind == 9;
                let direction = dice.of(&["", " DESC"]);
                let (a, b) = (
                    name(&draft.table.columns[a].name),
                    name(&draft.table.columns[b].name),
                );
                draft
                    .constraints
                    .push(format!("PRIMARY KEY ({a}{direction}, {b} DESC)"));
            }
            // Only a rowid.
            13.. => {}
            _ => {
                let (role, declared, collate, more) = single(collate);
                let at = self.column(draft, "id", role, (declared, collate), more, dice);
                draft.table.key = vec![at];
                draft.table.primary = kind != 7;
                draft.table.alias = kind < 2;
                draft.table.counts = kind == 1;
                draft.table.without_rowid = kind == 10 || kind == 11;
            }
        }
    }

    /// A column of anything, computed perhaps.
    fn data(&mut self, draft: &mut Draft, picks: &[u32]) {
        let mut dice = Dice::new(picks);
        let Some((called, definition, column)) = self.any_column(&draft.table, &mut dice) else {
            return;
        };
        draft
            .definitions
            .push(format!("{} {definition}", name(&called)));
        draft.table.columns.push(Column {
            name: called,
            ..column
        });
    }

    /// The name and the definition of a column of data.
    pub(super) fn any_column(
        &mut self,
        table: &Table,
        dice: &mut Dice<'_>,
    ) -> Option<(String, String, Column)> {
        let (declared, takes) = match table.strict {
            true => dice.of(&STRICT),
            false => (dice.of(&DECLARED), Takes::Anything),
        };
        let collate = dice.of(&COLLATIONS);
        let words: &[&str] = match table.key.len() {
            // Rows without a key are told apart by their rowids alone.
            0 => &["rowid", "ROWID"],
            _ => &["rowid", "oid", "_rowid_", "ROWID"],
        };
        let special = dice.one_in(25).then(|| dice.of(words));
        let taken = |word: &str| {
            table
                .columns
                .iter()
                .any(|c| c.name.eq_ignore_ascii_case(word))
        };
        let called = match special.filter(|word| !taken(word)) {
            Some(word) => word.to_owned(),
            None => self.new_name("c", dice),
        };
        let mut column = Column {
            name: String::new(),
            alive: true,
            declared,
            collate,
            takes,
            role: Role::Data,
            default: false,
        };
        let own = name(&called);
        let source = table
            .living()
            .last()
            .map(|at| name(&table.columns[at].name));
        let rest = match (dice.pick(16), source) {
            (12 | 13, Some(source)) => {
                column.role = Role::Generated;
                let sum = format!("{source} || 'x'");
                let length = format!("length({source})");
                let kind = format!("typeof({source})");
                let text = [sum, kind, length][dice.pick(3)].clone();
                let text = match (table.strict, declared) {
                    (false, _) | (_, "ANY") => text,
                    (_, "TEXT") => format!("typeof({source})"),
                    _ => "NULL".into(),
                };
                format!(" AS ({text}){}", dice.of(&["", " STORED", " VIRTUAL"]))
            }
            (kind @ 8..=10, _) => {
                column.default = true;
                let required = if kind == 8 { " NOT NULL" } else { "" };
                format!("{required} DEFAULT {}", default(takes, dice))
            }
            (11, _) => format!(" CHECK (typeof({own}) <> 'blob' OR length({own}) < 100000)"),
            (14, _) => " UNIQUE".into(),
            (15, _) => " NOT NULL".into(),
            _ => String::new(),
        };
        Some((called, format!("{declared}{collate}{rest}"), column))
    }
}

/// A default that SQLite takes: an expression in brackets.
fn default(takes: Takes, dice: &mut Dice<'_>) -> String {
    let value = literal(takes, dice.raw() & 0xf7ff_ffff);
    if value.starts_with("CAST") || value.starts_with("replace") || value.starts_with("zeroblob") {
        return "1".into();
    }
    format!("({value})")
}
