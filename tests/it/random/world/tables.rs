//! Makes tables.

use super::World;
use crate::random::case::TableSpec;
use crate::random::dice::Dice;
use crate::random::model::{Column, Keys, Link, Means, Role, Said, Table};
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

/// A table on its way to CREATE TABLE.
struct Draft {
    table: Table,
    /// A definition for each column.
    definitions: Vec<String>,
    /// What follows the columns.
    constraints: Vec<String>,
    /// What follows the closing bracket.
    options: Vec<&'static str>,
}

impl World {
    /// Makes a table, and what stands on it.
    pub(super) fn table(&mut self, spec: &TableSpec) {
        let mut dice = Dice::new(&spec.shape);
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
            },
            definitions: Vec::new(),
            constraints: Vec::new(),
            options: Vec::new(),
        };
        self.key(&mut draft, &mut dice);
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
            for picks in &spec.extras {
                self.extra(table, picks);
            }
        } else {
            assert!(!self.model.tables.is_empty(), "no register: {sql}");
        }
    }

    fn column(
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

    /// Where the rows lead.
    fn links(&mut self, draft: &mut Draft, dice: &mut Dice<'_>) {
        let made = self.model.tables.len();
        let itself = draft.table.key.len() == 1 && dice.one_in(5);
        if made == 0 {
            // Columns that point at the rows of tables that come later.
            for _ in 0..dice.pick(3) {
                let keys = (Role::Link, Takes::Anything);
                let declared = if draft.table.strict { "ANY" } else { "" };
                self.column(draft, "points", keys, (declared, ""), "", dice);
            }
        } else {
            match dice.pick(14) {
                0..=2 => self.link(draft, 0, Means::Nothing, dice),
                3..=5 => {
                    let to = dice.pick(made);
                    self.link(draft, to, Means::Nothing, dice);
                }
                6 => {
                    let (to, other) = (dice.pick(made), dice.pick(made));
                    self.link(draft, to, Means::Nothing, dice);
                    self.link(draft, other, Means::Nothing, dice);
                }
                7 | 8 => {
                    let (to, other) = (dice.pick(made), dice.pick(made));
                    self.link(draft, to, Means::By(None), dice);
                    self.link(draft, other, Means::Nothing, dice);
                }
                9 => {
                    self.link(draft, 0, Means::By(None), dice);
                    self.link(draft, 0, Means::Also, dice);
                }
                10 => {
                    let kind = (Role::Kind, Takes::Integer);
                    let declared = if draft.table.strict { "INT" } else { "" };
                    let at = self.column(draft, "kind", kind, (declared, ""), "", dice);
                    let other = dice.pick(made);
                    self.link(draft, 0, Means::By(Some((at, 0))), dice);
                    self.link(draft, other, Means::By(Some((at, 1))), dice);
                }
                11 => self.pointed_at(draft),
                12 => {
                    draft.table.said = Said::Shared;
                    if dice.one_in(3) {
                        let to = dice.pick(made);
                        self.link(draft, to, Means::Nothing, dice);
                    }
                }
                _ => {}
            }
        }
        if itself {
            self.link(draft, made, Means::Nothing, dice);
        }
        self.key_of_links(draft, dice);
    }

    /// Many-to-many: what it leads to is its key.
    fn key_of_links(&mut self, draft: &mut Draft, dice: &mut Dice<'_>) {
        let columns: Vec<usize> = draft
            .table
            .links
            .iter()
            .flat_map(|l| l.columns.clone())
            .collect();
        if !self.model.tables.is_empty()
            && draft.table.key.is_empty()
            && !columns.is_empty()
            && dice.one_in(2)
        {
            draft.constraints.push(format!(
                "PRIMARY KEY ({})",
                draft.table.names(&columns).join(", ")
            ));
            draft.table.without_rowid = dice.one_in(2);
            draft.table.key = columns;
        }
    }

    /// Columns that lead to a row of table `to`; nothing where that has no key.
    fn link(&mut self, draft: &mut Draft, to: usize, means: Means, dice: &mut Dice<'_>) {
        let target = self.model.tables.get(to).unwrap_or(&draft.table);
        let itself = to >= self.model.tables.len();
        if target.key.is_empty() || !target.alive {
            return;
        }
        // A rule leads to the PRIMARY KEY, or to the register's key whatever that is.
        let by_rule = matches!(means, Means::By(_));
        if by_rule && !target.primary && to != 0 {
            return;
        }
        let key = target.key.clone();
        let others = dice.one_in(5) && !draft.table.strict;
        let types: Vec<(&'static str, &'static str, Takes)> = key
            .iter()
            .map(|at| {
                let column = &target.columns[*at];
                let declared = if others { "" } else { column.declared };
                (declared, column.collate, column.takes)
            })
            .collect();
        let parent = name(&target.name);
        let parent_columns = target.names(&key).join(", ");
        let required = if dice.one_in(4) && !itself {
            " NOT NULL"
        } else {
            ""
        };
        let mut columns = Vec::new();
        // Both in the same tenant: one column belongs to two keys.
        let tenant = draft.table.links.iter().find(|other| {
            let means = [&other.means, &means];
            other.columns.len() > 1 && key.len() > 1 && !means.contains(&&Means::Also)
        });
        columns.extend(
            tenant
                .filter(|_| dice.one_in(2))
                .map(|other| other.columns[0]),
        );
        for (declared, collate, takes) in types.into_iter().skip(columns.len()) {
            let takes = if draft.table.strict {
                takes
            } else {
                Takes::Anything
            };
            let collate = if dice.one_in(2) { collate } else { "" };
            let role = (Role::Link, takes);
            columns.push(self.column(draft, "ref", role, (declared, collate), required, dice));
        }
        let commas = columns
            .iter()
            .any(|at| draft.table.columns[*at].name.contains(','));
        let means = match means {
            Means::Also if commas && columns.len() > 1 => Means::Nothing,
            means => means,
        };
        let declared = itself || !(by_rule || means == Means::Also) || dice.one_in(2);
        if declared {
            let own = draft.table.names(&columns).join(", ");
            let action = dice.of(&[
                "",
                " ON DELETE CASCADE",
                " ON DELETE SET NULL ON UPDATE CASCADE",
            ]);
            let deferred = dice.of(&["", "", " DEFERRABLE INITIALLY DEFERRED"]);
            draft.constraints.push(format!(
                "FOREIGN KEY ({own}) REFERENCES {parent} ({parent_columns}){action}{deferred}"
            ));
        }
        draft.table.links.push(Link {
            columns,
            to,
            key,
            declared,
            means,
        });
    }

    /// The register, or another table, points at the rows of this one.
    fn pointed_at(&mut self, draft: &mut Draft) {
        let [_] = draft.table.key[..] else { return };
        if !draft.table.primary {
            return;
        }
        let register = &self.model.tables[0];
        let free = register.living().find(|at| {
            let points = register.columns[*at].role == Role::Link;
            points && !register.links.iter().any(|link| link.columns.contains(at))
        });
        let Some(column) = free else { return };
        let key = draft.table.key.clone();
        draft.table.said = Said::PointedAt {
            table: 0,
            columns: vec![column],
        };
        let to = self.model.tables.len();
        self.model.tables[0].links.push(Link {
            columns: vec![column],
            to,
            key,
            declared: false,
            means: Means::Nothing,
        });
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
