//! Indexes, triggers and views.

use super::World;
use crate::random::dice::Dice;
use crate::random::model::{Column, Role, Said, Table};
use crate::random::values::{Takes, name};

impl World {
    /// Makes something that stands on a table.
    pub(super) fn extra(&mut self, table: usize, picks: &[u32]) {
        let mut dice = Dice::new(picks);
        match dice.pick(16) {
            0..8 => self.index(table, &mut dice),
            8..12 => self.trigger(table, &mut dice),
            12 | 13 => self.view(table, &mut dice),
            14 => self.words_of(table, &mut dice),
            _ => self.words_alone(&mut dice),
        }
    }

    pub(super) fn keep(&mut self, kind: &'static str, called: String, sql: &str) {
        if self.run(sql) {
            self.extras.push((kind, called));
        }
    }

    pub(super) fn some_column(&self, table: usize, dice: &mut Dice<'_>) -> Option<String> {
        let living: Vec<usize> = self.model.tables[table].living().collect();
        let at = *living.get(dice.pick(living.len().max(1)))?;
        Some(name(&self.model.tables[table].columns[at].name))
    }

    fn index(&mut self, table: usize, dice: &mut Dice<'_>) {
        let called = self.new_name("i", dice);
        let (Some(a), Some(b)) = (self.some_column(table, dice), self.some_column(table, dice))
        else {
            return;
        };
        let on = [
            a.clone(),
            format!("{a} DESC"),
            format!("{a}, {b} DESC"),
            format!("typeof({a})"),
            format!("{a} COLLATE NOCASE"),
            format!("lower({a}), {b}"),
            format!("{a} || 'x'"),
        ][dice.pick(7)]
        .clone();
        let only = [
            String::new(),
            String::new(),
            format!(" WHERE {a} IS NOT NULL"),
            format!(" WHERE typeof({b}) = 'text'"),
        ][dice.pick(4)]
        .clone();
        // SQLite takes a unique index that names one column twice for the key of two columns: foreign keys would hold
        // by the first of them alone.
        let twice = on == format!("{a}, {a} DESC");
        let unique = match dice.one_in(5) && !twice {
            true => "UNIQUE ",
            false => "",
        };
        let on_table = name(&self.model.tables[table].name);
        let sql = format!(
            "CREATE {unique}INDEX {} ON {on_table} ({on}){only}",
            name(&called)
        );
        self.keep("INDEX", called, &sql);
    }

    /// The table that triggers write into.
    fn log(&mut self, dice: &mut Dice<'_>) -> Option<String> {
        if let Some(log) = &self.log {
            return Some(log.clone());
        }
        let called = self.new_name("log", dice);
        if !self.run(&format!(
            "CREATE TABLE {} (what TEXT, about)",
            name(&called)
        )) {
            return None;
        }
        let column = |called: &str| Column {
            name: called.into(),
            alive: true,
            declared: "",
            collate: "",
            takes: Takes::Anything,
            role: Role::Data,
            default: false,
        };
        self.model.tables.push(Table {
            name: called.clone(),
            alive: true,
            columns: vec![column("what"), column("about")],
            key: Vec::new(),
            primary: false,
            without_rowid: false,
            alias: false,
            counts: false,
            strict: false,
            links: Vec::new(),
            class: None,
            text: false,
            said: if dice.one_in(3) {
                Said::Nothing
            } else {
                Said::Shared
            },
        });
        self.log = Some(called.clone());
        Some(called)
    }

    fn trigger(&mut self, table: usize, dice: &mut Dice<'_>) {
        let called = self.new_name("tr", dice);
        let Some(log) = self.log(dice) else { return };
        let Some(column) = self.some_column(table, dice) else {
            return;
        };
        let (when, row) = dice.of(&[("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old")]);
        let on = name(&self.model.tables[table].name);
        let sql = format!(
            "CREATE TRIGGER {} AFTER {when} ON {on} BEGIN \
             INSERT INTO {} (what, about) VALUES ('{when}', {row}.{column}); END",
            name(&called),
            name(&log)
        );
        self.keep("TRIGGER", called, &sql);
    }

    fn view(&mut self, table: usize, dice: &mut Dice<'_>) {
        let called = self.new_name("v", dice);
        let (Some(a), Some(b)) = (self.some_column(table, dice), self.some_column(table, dice))
        else {
            return;
        };
        let from = name(&self.model.tables[table].name);
        let view = name(&called);
        let what = if dice.one_in(2) {
            "*".into()
        } else {
            format!("{a} AS one, count({b}) AS two")
        };
        let sql = format!("CREATE VIEW {view} AS SELECT {what} FROM {from}");
        self.keep("VIEW", called, &sql);
        if dice.one_in(2)
            && let Some(log) = self.log(dice)
        {
            let called = self.new_name("tv", dice);
            let sql = format!(
                "CREATE TRIGGER {} INSTEAD OF INSERT ON {view} BEGIN \
                 INSERT INTO {} (what) VALUES ('instead'); END",
                name(&called),
                name(&log)
            );
            self.keep("TRIGGER", called, &sql);
        }
    }

    /// Drops something that stands on a table.
    pub(super) fn drop_extra(&mut self, dice: &mut Dice<'_>) {
        if self.extras.is_empty() {
            return;
        }
        let at = dice.pick(self.extras.len());
        let (kind, called) = self.extras[at].clone();
        if self.run(&format!("DROP {kind} IF EXISTS {}", name(&called))) {
            self.extras.remove(at);
        }
    }
}
