//! From the configuration and the foreign keys to the edges of each table.

use rusqlite::Connection;

use super::{Planner, Tests, Trouble, edge_of};
use crate::schema::{Ownership, Schema};
use crate::source::sqlite::edges::{Edge, Owners, To};
use crate::source::sqlite::error::{REGISTER, SqliteError};
use crate::source::sqlite::shape::{Shape, spelled};
use crate::source::sqlite::sql::{quote, same};
use crate::source::{By, OwnsRule, RegisterRule, Rules};

impl<'a> Planner<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        rules: &Rules,
        schema: &'a mut Schema,
        shapes: &'a [Shape],
        trouble: Trouble,
    ) -> Result<Self, SqliteError> {
        let tables = shapes.len();
        let mut planner = Self {
            conn,
            shapes,
            register: None,
            shared: vec![false; tables],
            edges: vec![Vec::new(); tables],
            also: vec![Vec::new(); tables],
            settled: vec![false; tables],
            distance: vec![0; tables],
            owners: Owners {
                names: schema.tables.iter().map(|t| t.name.clone()).collect(),
                register: None,
                key_is_rowid: false,
                edges: vec![Vec::new(); tables],
                is_known: None,
                unordered: shapes.iter().map(|shape| shape.unordered.clone()).collect(),
            },
            references: vec![Vec::new(); tables],
            unsaid: vec![Vec::new(); tables],
            trouble,
            unexamined: Vec::new(),
            unmet: Vec::new(),
            tests: vec![Tests::default(); tables],
            looks: true,
            schema,
        };
        if let Some(rule) = &rules.register {
            planner.place_register(rule)?;
        }
        let dropped = planner.dropped(rules)?;
        for name in rules.shared.iter().filter(|name| !dropped.contains(name)) {
            let table = planner.find("`shared`", name);
            let shared = table.and_then(|table| planner.share(table));
            planner.note(shared)?;
        }
        let owns = rules.owns.iter();
        for rule in owns.filter(|rule| !dropped.contains(&&rule.table)) {
            let followed = planner.follow_rule(rule);
            planner.note(followed)?;
        }
        for table in 0..tables {
            planner.follow_keys(table, rules);
        }
        Ok(planner)
    }

    /// Notes the rules whose own tables were dropped, where that is no error, and gives their names.
    fn dropped<'r>(&mut self, rules: &'r Rules) -> Result<Vec<&'r String>, SqliteError> {
        let mut dropped = Vec::new();
        if self.trouble != Trouble::IsRefusedUnlessDropped {
            return Ok(dropped);
        }
        let shared = rules
            .shared
            .iter()
            .map(|name| ("`shared`".to_owned(), name));
        let owns = rules.owns.iter();
        let owns = owns.map(|rule| (format!("a rule for {:?}", rule.table), &rule.table));
        for (role, name) in shared.chain(owns) {
            let Err(error) = self.find(&role, name) else {
                continue;
            };
            // There are tables and views whose rows are not read.
            let sql = "SELECT 1 FROM main.sqlite_schema WHERE name = ?1 COLLATE NOCASE";
            let there = self
                .conn
                .prepare(sql)
                .and_then(|mut there| there.exists([name]));
            if there.map_err(SqliteError::reading("the schema"))? {
                continue;
            }
            self.unmet.push(error.to_string());
            dropped.push(name);
        }
        Ok(dropped)
    }

    /// Notes a rule that could not be followed, where that is no error.
    fn note(&mut self, followed: Result<(), SqliteError>) -> Result<(), SqliteError> {
        match followed {
            Err(
                error @ (SqliteError::NoTable { .. }
                | SqliteError::NoColumn { .. }
                | SqliteError::BadRule { .. }
                | SqliteError::BadFilter { .. }),
            ) if self.trouble == Trouble::IsNoted => {
                self.unmet.push(error.to_string());
                Ok(())
            }
            followed => followed,
        }
    }

    fn find(&self, role: &str, name: &str) -> Result<usize, SqliteError> {
        let tables = &self.schema.tables;
        tables
            .iter()
            .position(|t| same(&t.name, name))
            .ok_or_else(|| SqliteError::NoTable {
                role: role.into(),
                table: name.into(),
                tables: tables.iter().map(|table| table.name.clone()).collect(),
            })
    }

    /// The same columns as the table spells them.
    fn columns(
        &self,
        role: &str,
        table: usize,
        names: &[String],
    ) -> Result<Vec<String>, SqliteError> {
        let all = &self.shapes[table].all;
        let one = |name: &String| {
            let there = spelled(std::slice::from_ref(name), all).and_then(|mut found| found.pop());
            there.ok_or_else(|| SqliteError::NoColumn {
                role: role.into(),
                table: self.owners.names[table].clone(),
                column: name.clone(),
                columns: all.clone(),
            })
        };
        names.iter().map(one).collect()
    }

    /// The columns of a path: the same, and where no column is called so, the rowid, under the name that it has.
    fn path_columns(
        &self,
        role: &str,
        table: usize,
        names: &[String],
    ) -> Result<Vec<String>, SqliteError> {
        match names {
            [name] if self.means_rowid(table, name) => Ok(self.rowid(table).into_iter().collect()),
            _ => self.columns(role, table, names),
        }
    }

    fn means_rowid(&self, table: usize, name: &str) -> bool {
        let words = ["rowid", "_rowid_", "oid"];
        let taken = self.shapes[table].all.iter().any(|c| same(c, name));
        !taken && words.iter().any(|word| same(word, name)) && self.rowid(table).is_some()
    }

    /// The rowid of the table `to`, if a path comes from a rowid: that leads to a rowid, whatever else is a key
    /// there.
    fn rowid_for(&self, from: usize, columns: &[String], to: usize) -> Option<Vec<String>> {
        match columns {
            [name] if self.means_rowid(from, name) => self.rowid(to).map(|rowid| vec![rowid]),
            _ => None,
        }
    }

    /// By what column of a path the rowid is reached; none where there is no rowid, or no name for it.
    fn rowid(&self, table: usize) -> Option<String> {
        let alias = self.schema.tables[table].rowid_alias.as_ref();
        match alias {
            Some(alias) => Some(alias.name.clone()),
            None => self.shapes[table].rowid.clone(),
        }
    }

    fn bad_rule(&self, table: usize, what: impl Into<String>) -> SqliteError {
        SqliteError::BadRule {
            table: self.owners.names[table].clone(),
            what: what.into(),
        }
    }

    fn place_register(&mut self, rule: &RegisterRule) -> Result<(), SqliteError> {
        let role = REGISTER;
        let table = self.find(role, &rule.table)?;
        if rule.key.is_empty() {
            return Err(self.bad_rule(table, "names no key"));
        }
        let optional = |name: &Option<String>| {
            name.iter()
                .map(|name| {
                    Ok(self
                        .columns(role, table, std::slice::from_ref(name))?
                        .remove(0))
                })
                .next()
                .transpose()
        };
        let rule = RegisterRule {
            table: self.owners.names[table].clone(),
            key: self.columns(role, table, &rule.key)?,
            since: optional(&rule.since)?,
            name: optional(&rule.name)?,
        };
        if !self.is_unique(table, &rule.key)? {
            self.table(table).warnings.push(format!(
                "nothing keeps two rows from having the same {}, which is the customers' key",
                rule.key.join(", ")
            ));
        }
        self.owners.key_is_rowid = match (&self.schema.tables[table].rowid_alias, &rule.key[..]) {
            (Some(alias), [key]) => alias.name == *key,
            _ => false,
        };
        self.owners.register = Some((table, rule.key.clone()));
        self.register = Some(rule);
        self.settled[table] = true;
        self.table(table).ownership = Ownership::Register;
        Ok(())
    }

    /// Whether no two rows can be equal in these columns as the columns themselves compare: an index may compare
    /// otherwise.
    fn is_unique(&self, table: usize, key: &[String]) -> Result<bool, SqliteError> {
        let name = &self.owners.names[table];
        let fail = || SqliteError::reading(name);
        let alias = self.schema.tables[table].rowid_alias.as_ref();
        if alias.is_some_and(|alias| key.contains(&alias.name)) {
            return Ok(true);
        }
        let mut bound = vec![name.clone()];
        let mut alike = Vec::new();
        for column in key {
            let told = self.conn.column_metadata(Some("main"), name, column);
            let (_, collation, ..) = told.map_err(fail())?;
            let collation = collation.map(|told| told.to_string_lossy().to_ascii_uppercase());
            bound.extend([column.clone(), collation.unwrap_or_default()]);
            let (column, by) = (bound.len() - 1, bound.len());
            alike.push(format!(
                "(x.name = ?{column} AND ?{by} IN ('BINARY', upper(x.coll)))"
            ));
        }
        let sql = format!(
            "SELECT 1 FROM pragma_index_list(?1) AS l WHERE l.\"unique\" AND NOT l.partial AND NOT EXISTS \
             (SELECT 1 FROM pragma_index_xinfo(l.name) AS x WHERE x.key AND NOT coalesce({}, 0))",
            alike.join(" OR ")
        );
        let found = self.conn.prepare(&sql);
        let found = found.and_then(|mut found| found.exists(rusqlite::params_from_iter(&bound)));
        found.map_err(fail())
    }

    fn share(&mut self, table: usize) -> Result<(), SqliteError> {
        if self.is_register(table) {
            return Err(self.bad_rule(table, "says that it is shared, and it is the register"));
        }
        self.shared[table] = true;
        self.settled[table] = true;
        self.table(table).ownership = Ownership::Shared;
        Ok(())
    }

    pub(super) fn is_register(&self, table: usize) -> bool {
        self.owners
            .register
            .as_ref()
            .is_some_and(|(register, _)| *register == table)
    }

    fn follow_rule(&mut self, rule: &OwnsRule) -> Result<(), SqliteError> {
        let role = format!("a rule for {:?}", rule.table);
        let table = self.find(&role, &rule.table)?;
        if rule.class.is_some() {
            self.table(table).class.clone_from(&rule.class);
        }
        if let Some(also) = &rule.also {
            let edge = self.also_edge(&role, table, also)?;
            self.also[table].push(edge);
        }
        let Some(by) = &rule.by else {
            return match rule.filter {
                None => Ok(()),
                Some(_) => {
                    Err(self.bad_rule(table, "has a `where` and no `by` that it belongs to"))
                }
            };
        };
        if self.is_register(table) {
            return Err(self.bad_rule(table, "says who owns it, and it is the register"));
        }
        let edge = self.stated_edge(&role, table, by, rule.filter.clone())?;
        if let Some(filter) = &edge.filter {
            self.try_filter(table, filter)?;
        }
        self.edges[table].push(edge);
        Ok(())
    }

    /// Seen alone first: in a subquery a misspelt column could be found in a table further out. Nor can it name the table,
    /// which goes by another name wherever the condition stands.
    fn try_filter(&self, table: usize, filter: &str) -> Result<(), SqliteError> {
        let name = &self.owners.names[table];
        let sql = format!(
            "SELECT 1 FROM {} AS \"one row\" WHERE ({filter}\n)",
            quote(name)
        );
        let prepared = self
            .conn
            .prepare(&sql)
            .map(|statement| statement.parameter_count());
        let tried = prepared.and_then(|parameters| match parameters {
            0 => Ok(()),
            given => Err(rusqlite::Error::InvalidParameterCount(0, given)),
        });
        tried.map_err(|source| SqliteError::BadFilter {
            table: name.clone(),
            source,
        })
    }

    fn also_edge(&self, role: &str, table: usize, also: &str) -> Result<Edge, SqliteError> {
        let whole = self.shapes[table]
            .all
            .iter()
            .any(|column| same(column, also));
        let names: Vec<String> = match whole {
            true => vec![also.to_owned()],
            false => also.split(',').map(|name| name.trim().to_owned()).collect(),
        };
        let columns = self.columns(role, table, &names)?;
        // Where a foreign key stands on the column, it knows better where the column leads.
        if let Some(key) = self.shapes[table]
            .keys
            .iter()
            .find(|key| key.columns == columns)
        {
            return Ok(edge_of(key));
        }
        let Some((register, key)) = self.owners.register.clone() else {
            return Err(self.bad_rule(
                table,
                "has an `also`, and this source does not hold the register",
            ));
        };
        self.to_row(table, columns, register, key, None)
    }

    fn stated_edge(
        &self,
        role: &str,
        table: usize,
        by: &By,
        filter: Option<String>,
    ) -> Result<Edge, SqliteError> {
        match by {
            By::Key(names) => {
                let columns = self.path_columns(role, table, names)?;
                match self.owners.register.clone() {
                    Some((register, key)) => self.to_row(table, columns, register, key, filter),
                    None => Ok(Edge {
                        columns,
                        to: To::Token,
                        filter,
                    }),
                }
            }
            By::Through {
                columns,
                table: through,
            } => {
                let through = self.find(role, through)?;
                let rowid = self.rowid_for(table, columns, through);
                let key = rowid.map_or_else(|| self.key_of(through, table), Ok)?;
                let columns = self.path_columns(role, table, columns)?;
                self.to_row(table, columns, through, key, filter)
            }
            By::PointedAtBy {
                table: from,
                columns,
            } => self.pointed_at(role, table, from, columns, filter),
        }
    }

    fn to_row(
        &self,
        table: usize,
        columns: Vec<String>,
        to: usize,
        key: Vec<String>,
        filter: Option<String>,
    ) -> Result<Edge, SqliteError> {
        if to == table {
            return Err(self.bad_rule(table, "leads to the table itself"));
        }
        if columns.len() != key.len() {
            let (given, wanted) = (columns.join(", "), key.join(", "));
            let what = format!(
                "names {given}, where the key of {} is {wanted}",
                self.owners.names[to]
            );
            return Err(self.bad_rule(table, what));
        }
        let to = To::Row {
            table: to,
            columns: key,
        };
        Ok(Edge {
            columns,
            to,
            filter,
        })
    }

    /// The primary key of `table`, or what stands for one, on behalf of a rule for `of`.
    fn key_of(&self, table: usize, of: usize) -> Result<Vec<String>, SqliteError> {
        match &self.owners.register {
            Some((register, key)) if *register == table => return Ok(key.clone()),
            _ => {}
        }
        let primary = self.primary(table);
        if !primary.is_empty() {
            return Ok(primary);
        }
        let what = format!(
            "leads to {}, which has no primary key",
            self.owners.names[table]
        );
        Err(self.bad_rule(of, what))
    }

    /// The primary key; of a full-text index, which can have none, the rowid.
    fn primary(&self, table: usize) -> Vec<String> {
        match self.schema.holds_text(&self.schema.tables[table]) {
            true => self.rowid(table).into_iter().collect(),
            false => self.shapes[table].primary.clone(),
        }
    }

    fn pointed_at(
        &self,
        role: &str,
        table: usize,
        from: &str,
        columns: &[String],
        filter: Option<String>,
    ) -> Result<Edge, SqliteError> {
        let from = self.find(role, from)?;
        let pointing = self.path_columns(role, from, columns)?;
        let declared = self.shapes[from]
            .keys
            .iter()
            .find(|key| key.parent == table && key.columns == pointing);
        let columns = match declared {
            Some(key) => key.parent_columns.clone(),
            None => {
                let rowid = self.rowid_for(from, columns, table);
                rowid.unwrap_or_else(|| self.primary(table))
            }
        };
        if from == table || columns.len() != pointing.len() {
            let what = format!(
                "is pointed at by {}, which does not fit its key",
                pointing.join(", ")
            );
            return Err(self.bad_rule(table, what));
        }
        let to = To::PointedAtBy {
            table: from,
            columns: pointing,
        };
        Ok(Edge {
            columns,
            to,
            filter,
        })
    }

    /// A table that no rule says `by` of is owned along its foreign keys; self-references, and keys
    /// over an `also` column, never own.
    fn follow_keys(&mut self, table: usize, rules: &Rules) {
        let stated = rules
            .owns
            .iter()
            .any(|rule| rule.by.is_some() && same(&rule.table, &self.owners.names[table]));
        if stated || self.is_register(table) {
            return;
        }
        for key in &self.shapes[table].keys {
            let also = self.also[table]
                .iter()
                .any(|edge| edge.columns.iter().any(|c| key.columns.contains(c)));
            let edge = edge_of(key);
            if key.parent != table && !also && !self.edges[table].contains(&edge) {
                self.edges[table].push(edge);
            }
        }
    }
}
