//! Changes to the schema and the file.

use super::World;
use super::links::fits_also;
use super::tables::CLASSES;
use crate::random::case::Op;
use crate::random::dice::Dice;
use crate::random::model::{Column, Means, Role, Said};
use crate::random::values::{name, quoted};

impl World {
    /// Does one thing.
    pub(super) fn change(&mut self, op: &Op) {
        match op {
            Op::Customer(picks) => self.insert(0, picks),
            Op::Insert(picks) => {
                let table = self.some_table(&mut Dice::new(picks));
                self.insert(table, &picks[1..]);
            }
            Op::NewTable(spec) => self.table(spec),
            Op::Extra(picks) => {
                let table = self.some_table(&mut Dice::new(picks));
                self.extra(table, &picks[1..]);
            }
            Op::Update(picks)
            | Op::Delete(picks)
            | Op::AddColumn(picks)
            | Op::DropColumn(picks)
            | Op::Rename(picks)
            | Op::DropTable(picks)
            | Op::Rebuild(picks)
            | Op::DropExtra(picks)
            | Op::File(picks) => {
                let mut dice = Dice::new(picks);
                let table = self.some_table(&mut dice);
                let dice = &mut dice;
                match op {
                    Op::Update(_) => self.update(table, dice),
                    Op::Delete(_) => self.delete(table, dice),
                    Op::AddColumn(_) => self.add_column(table, dice),
                    Op::DropColumn(_) => self.drop_column(table, dice),
                    Op::Rename(_) => self.rename(table, dice),
                    Op::DropTable(_) => self.drop_table(table),
                    Op::Rebuild(_) => self.rebuild(table),
                    Op::DropExtra(_) => self.drop_extra(dice),
                    _ => self.file(table, dice),
                }
            }
        }
    }

    fn some_table(&self, dice: &mut Dice<'_>) -> usize {
        let living = self.model.living();
        living[dice.pick(living.len())]
    }

    fn add_column(&mut self, table: usize, dice: &mut Dice<'_>) {
        // Taken out for a moment: making a name changes the world.
        let model = std::mem::take(&mut self.model);
        let made = self.any_column(&model.tables[table], dice);
        self.model = model;
        let Some((called, definition, column)) = made else {
            return;
        };
        let on = name(&self.model.tables[table].name);
        let sql = format!("ALTER TABLE {on} ADD COLUMN {} {definition}", name(&called));
        if self.run(&sql) {
            self.model.tables[table].columns.push(Column {
                name: called,
                ..column
            });
        }
    }

    fn drop_column(&mut self, table: usize, dice: &mut Dice<'_>) {
        let entry = &self.model.tables[table];
        let data: Vec<usize> = entry
            .living()
            .filter(|at| matches!(entry.columns[*at].role, Role::Data | Role::Generated))
            .collect();
        if data.is_empty() {
            return;
        }
        let at = data[dice.pick(data.len())];
        let column = name(&entry.columns[at].name);
        let sql = format!("ALTER TABLE {} DROP COLUMN {column}", name(&entry.name));
        if self.run(&sql) {
            self.model.tables[table].columns[at].alive = false;
        }
    }

    fn rename(&mut self, table: usize, dice: &mut Dice<'_>) {
        let entry = &self.model.tables[table];
        let on = name(&entry.name);
        let living: Vec<usize> = entry.living().collect();
        let whole = dice.one_in(2) || living.is_empty();
        let column = living.get(dice.pick(living.len().max(1))).copied();
        let called = self.new_name("r", dice);
        let entry = &self.model.tables[table];
        match column.filter(|_| !whole) {
            None => {
                if self.run(&format!("ALTER TABLE {on} RENAME TO {}", name(&called))) {
                    if self.log.as_ref() == Some(&self.model.tables[table].name) {
                        self.log = Some(called.clone());
                    }
                    self.model.tables[table].name = called;
                }
            }
            Some(at) => {
                let column = &entry.columns[at];
                if !fits_also(&called) && column.role == Role::Link {
                    return;
                }
                let sql = format!(
                    "ALTER TABLE {on} RENAME COLUMN {} TO {}",
                    name(&column.name),
                    name(&called)
                );
                if self.run(&sql) {
                    self.model.tables[table].columns[at].name = called;
                }
            }
        }
    }

    fn drop_table(&mut self, table: usize) {
        let called = self.model.tables[table].name.clone();
        if table == 0 || !self.run(&format!("DROP TABLE {}", name(&called))) {
            return;
        }
        self.model.tables[table].alive = false;
        if self.log == Some(called) {
            self.log = None;
        }
        for other in &mut self.model.tables {
            other.links.retain(|link| link.to != table);
            if matches!(other.said, Said::PointedAt { table: from, .. } if from == table) {
                other.said = Said::Nothing;
            }
        }
    }

    /// A table is made anew, as the manual of ALTER TABLE has it, with the same rows.
    fn rebuild(&mut self, table: usize) {
        let entry = &self.model.tables[table];
        let (old, columns) = (name(&entry.name), entry.names(&entry.stored()).join(", "));
        let sql = self.ask(&format!(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = {}",
            quoted(&self.model.tables[table].name)
        ));
        let Some(rest) = sql.strip_prefix(&format!("CREATE TABLE {old}")) else {
            return;
        };
        let new = name(&self.new_name("new", &mut Dice::new(&[])));
        self.run("PRAGMA legacy_alter_table = ON");
        self.run_all(&[
            format!("CREATE TABLE {new}{rest}"),
            format!("INSERT INTO {new} ({columns}) SELECT {columns} FROM {old}"),
            format!("DROP TABLE {old}"),
            format!("ALTER TABLE {new} RENAME TO {old}"),
        ]);
        self.run("PRAGMA legacy_alter_table = OFF");
    }

    fn file(&mut self, table: usize, dice: &mut Dice<'_>) {
        let entry = &self.model.tables[table];
        let on = name(&entry.name);
        match dice.pick(12) {
            0 => drop(self.run("VACUUM")),
            1 => drop(self.run(&format!(
                "PRAGMA user_version = {}",
                dice.raw().cast_signed()
            ))),
            2 => drop(self.run(&format!(
                "PRAGMA application_id = {}",
                dice.raw().cast_signed()
            ))),
            3 => drop(self.run("PRAGMA journal_mode = DELETE")),
            4 => drop(self.run("PRAGMA journal_mode = WAL")),
            5 => drop(self.run(&format!("DELETE FROM {on}"))),
            6 => drop(self.run("ANALYZE")),
            7 => {
                self.run(&format!(
                    "PRAGMA page_size = {}",
                    dice.of(&[512, 4096, 8192, 65536])
                ));
                self.run("VACUUM");
            }
            8 => {
                self.run(&format!("PRAGMA auto_vacuum = {}", dice.of(&[0, 1, 2])));
                self.run("VACUUM");
            }
            // Somebody settles a table that nobody had said anything of, or takes back what was said.
            9 => self.say_otherwise(table),
            10 => self.model.tables[table].class = dice.of(&CLASSES),
            _ => {
                let called = quoted(&entry.name);
                let seq = dice.of(&[
                    "7",
                    "0",
                    "-5",
                    "9223372036854775806",
                    "1.5",
                    "'many'",
                    "NULL",
                ]);
                let known = "(SELECT max(name) FROM sqlite_sequence)";
                let whose = [known, &called, "'nothing'"][dice.pick(3)].to_owned();
                if whose == known {
                    self.run(&format!(
                        "UPDATE sqlite_sequence SET seq = {seq} WHERE name = {known}"
                    ));
                } else {
                    self.run(&format!(
                        "INSERT INTO sqlite_sequence (name, seq) VALUES ({whose}, {seq})"
                    ));
                }
            }
        }
    }

    fn say_otherwise(&mut self, table: usize) {
        let entry = &mut self.model.tables[table];
        let silent = entry.links.iter().all(|link| link.means == Means::Nothing);
        entry.said = match entry.said {
            Said::Nothing if silent && table != 0 => Said::Shared,
            Said::Shared => Said::Nothing,
            ref said => said.clone(),
        };
    }
}
