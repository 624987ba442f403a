//! Where the rows of tables lead, and what is said of it.

use super::World;
use super::tables::Draft;
use crate::random::dice::Dice;
use crate::random::model::{Column, Link, Means, Role, Said};
use crate::random::values::{Takes, name};

/// Whether `also` of several columns can be written with this name among them: it knows no quotes.
pub(super) fn fits_also(name: &str) -> bool {
    !name.contains(',') && name.trim() == name
}

/// The columns of some links, each once: SQLite drops the second from a key, and a rule with both fits none.
pub fn all_columns(links: &[Link]) -> Vec<usize> {
    let mut all = Vec::new();
    for at in links.iter().flat_map(|link| &link.columns) {
        if !all.contains(at) {
            all.push(*at);
        }
    }
    all
}

impl World {
    /// Where the rows lead.
    pub(super) fn links(&mut self, draft: &mut Draft, dice: &mut Dice<'_>) {
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
                    if dice.one_in(2) {
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
        let columns = all_columns(&draft.table.links);
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
        let target_names = target.names(&key);
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
        let unfit = columns
            .iter()
            .any(|at| !fits_also(&draft.table.columns[*at].name));
        let means = match means {
            Means::Also if unfit && columns.len() > 1 => Means::Nothing,
            means => means,
        };
        let declared = itself || !(by_rule || means == Means::Also) || dice.one_in(2);
        if declared {
            let (mut own, mut other) = (draft.table.names(&columns), target_names);
            // A foreign key may name them in another order than the key does.
            if dice.one_in(2) {
                own.reverse();
                other.reverse();
            }
            let (own, other) = (own.join(", "), other.join(", "));
            let action = dice.of(&[
                "",
                " ON DELETE CASCADE",
                " ON DELETE SET NULL ON UPDATE CASCADE",
            ]);
            let deferred = dice.of(&["", "", " DEFERRABLE INITIALLY DEFERRED"]);
            draft.constraints.push(format!(
                "FOREIGN KEY ({own}) REFERENCES {parent} ({other}){action}{deferred}"
            ));
        }
        draft.table.links.push(Link {
            columns,
            to,
            key,
            declared,
            means,
            under: Vec::new(),
        });
    }

    /// Closes a circle of foreign keys: the table to which this one leads leads to this one as well.
    pub(super) fn back(&mut self, table: usize, dice: &mut Dice<'_>) {
        let entry = &self.model.tables[table];
        let [key] = entry.key[..] else { return };
        let led = entry
            .links
            .iter()
            .find(|link| link.declared && link.to != table);
        let Some(from) = led.map(|link| link.to) else {
            return;
        };
        let column = Column {
            default: false,
            role: Role::Link,
            ..entry.columns[key].clone()
        };
        let parent = format!("{} ({})", name(&entry.name), name(&column.name));
        let called = self.new_name("back", dice);
        let sql = format!(
            "ALTER TABLE {} ADD COLUMN {} {} REFERENCES {parent} DEFERRABLE INITIALLY DEFERRED",
            name(&self.model.tables[from].name),
            name(&called),
            column.declared
        );
        if self.run(&sql) {
            let entry = &mut self.model.tables[from];
            entry.columns.push(Column {
                name: called,
                collate: "",
                ..column
            });
            entry.links.push(Link {
                columns: vec![entry.columns.len() - 1],
                to: table,
                key: vec![key],
                declared: true,
                means: Means::Nothing,
                under: Vec::new(),
            });
        }
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
            under: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_two_links_in_one_tenant_names_it_once() {
        let link = |columns: &[usize]| Link {
            columns: columns.to_vec(),
            to: 0,
            key: vec![0, 1],
            declared: false,
            means: Means::Nothing,
            under: Vec::new(),
        };
        assert_eq!(all_columns(&[link(&[0, 1]), link(&[0, 2])]), [0, 1, 2]);
        let sql = "CREATE TABLE t(a, b, c, PRIMARY KEY (a, b, a, c)) WITHOUT ROWID";
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        conn.execute_batch(sql).unwrap();
        let key = "SELECT max(pk) FROM pragma_table_info('t')";
        let key = conn.query_row(key, [], |row| row.get::<_, i64>(0));
        assert_eq!(key.unwrap(), 3);
    }
}
