//! Full-text tables: with text of their own, over another table, and without any.

use super::World;
use crate::random::case::TableSpec;
use crate::random::dice::Dice;
use crate::random::model::{Column, Link, Means, Role, Said, Table};
use crate::random::values::{Takes, name, quoted};

impl World {
    /// A table like any other, but that its words are in an index.
    pub(super) fn text_table(&mut self, spec: &TableSpec, dice: &mut Dice<'_>) {
        let called = self.new_name("words", dice);
        let mut columns: Vec<Column> = Vec::new();
        let texts = spec.columns.len().clamp(1, 3);
        let said = dice.of(&["somebody's", "somebody's", "shared", "nothing"]);
        let key = self.model.tables[0].key.clone();
        let owning = if said == "somebody's" { key.len() } else { 0 };
        for at in 0..texts + owning {
            let role = if at < texts { Role::Data } else { Role::Link };
            columns.push(Column {
                name: self.new_name("w", dice),
                alive: true,
                declared: "",
                collate: "",
                takes: Takes::Anything,
                role,
                default: false,
            });
        }
        let inner: Vec<String> = columns
            .iter()
            .map(|column| match column.role {
                Role::Link => format!("{} UNINDEXED", name(&column.name)),
                _ => name(&column.name),
            })
            .collect();
        let option = dice.of(&[
            "",
            ", prefix='2 3'",
            ", tokenize='porter'",
            ", columnsize=0",
            ", detail=none",
        ]);
        let on = name(&called);
        if !self.run(&format!(
            "CREATE VIRTUAL TABLE {on} USING fts5({}{option})",
            inner.join(", ")
        )) {
            return;
        }
        if dice.one_in(2) {
            let setting = dice.of(&["'automerge', 8", "'pgsz', 512", "'rank', 'bm25(10.0, 5.0)'"]);
            self.run(&format!("INSERT INTO {on} ({on}, rank) VALUES ({setting})"));
        }
        let by = Link {
            columns: (texts..texts + owning).collect(),
            to: 0,
            key,
            declared: false,
            means: Means::By(None),
            under: Vec::new(),
        };
        self.model.tables.push(Table {
            name: called,
            alive: true,
            columns,
            key: Vec::new(),
            primary: false,
            without_rowid: false,
            alias: false,
            counts: false,
            strict: false,
            links: if owning > 0 { vec![by] } else { Vec::new() },
            said: if said == "shared" {
                Said::Shared
            } else {
                Said::Nothing
            },
            class: dice.of(&super::tables::CLASSES),
            text: true,
        });
    }

    /// An index over a table, with the triggers that keep it.
    pub(super) fn words_of(&mut self, table: usize, dice: &mut Dice<'_>) {
        let Some(column) = self.some_column(table, dice) else {
            return;
        };
        let entry = &self.model.tables[table];
        let Some(rowid) = entry.rowid().filter(|_| !entry.text) else {
            return;
        };
        let rowid = match entry.alias {
            true => name(&entry.columns[entry.key[0]].name),
            false => rowid.to_owned(),
        };
        let (plain, on) = (entry.name.clone(), name(&entry.name));
        let called = self.new_name("found", dice);
        let index = name(&called);
        let content = quoted(&plain);
        if !self.run(&format!(
            "CREATE VIRTUAL TABLE {index} USING fts5({column}, content={content}, content_rowid={rowid})"
        )) {
            return;
        }
        self.run(&format!("INSERT INTO {index} ({index}) VALUES ('rebuild')"));
        let gone = format!(
            "INSERT INTO {index} ({index}, rowid, {column}) VALUES ('delete', old.{rowid}, old.{column});"
        );
        let new =
            format!("INSERT INTO {index} (rowid, {column}) VALUES (new.{rowid}, new.{column});");
        for (when, what) in [
            ("INSERT", new.clone()),
            ("DELETE", gone.clone()),
            ("UPDATE", gone + &new),
        ] {
            let trigger = self.new_name("kept", dice);
            let sql = format!(
                "CREATE TRIGGER {} AFTER {when} ON {on} BEGIN {what} END",
                name(&trigger)
            );
            self.keep("TRIGGER", trigger, &sql);
        }
    }

    /// An index without text, and some words in it.
    pub(super) fn words_alone(&mut self, dice: &mut Dice<'_>) {
        let called = self.new_name("alone", dice);
        let index = name(&called);
        let sql = format!("CREATE VIRTUAL TABLE {index} USING fts5(a, b, content='')");
        self.keep("TABLE", called, &sql);
        let sql = format!(
            "INSERT INTO {index} (rowid, a, b) VALUES ({}, 'red fox', 'b')",
            dice.raw() % 9
        );
        self.run(&sql);
    }
}
