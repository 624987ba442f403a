//! Whose a row is, as SQL.
//!
//! An edge leads from a row to the row (or, without a register, the key) that owns it. Followed to
//! the end it is a scalar subquery, and subqueries compose: for an item of an order of a customer
//!
//! ```sql
//! (SELECT (SELECT t2."id" FROM "customers" AS t2 WHERE t2."id" = +t1."customer_id")
//!    FROM "orders" AS t1 WHERE t1."id" = +t0."order_id")
//! ```
//!
//! Foreign keys compare with the collation and the affinity of the parent. `=` takes the collation
//! of its left side, so the parent stands there, and the `+` takes the child's affinity away.

use super::sql::quote;

/// One way from the rows of a table to their owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// Columns of the table that the edge starts from.
    pub columns: Vec<String>,
    /// What they lead to.
    pub to: To,
    /// An SQL condition that a row must meet for the edge to be there.
    pub filter: Option<String>,
}

/// What the columns of an [`Edge`] mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// They are themselves the key of a customer, of a register that is elsewhere.
    Token,
    /// They hold what stands in these columns of a row of that table.
    Row { table: usize, columns: Vec<String> },
    /// These columns of that table hold what stands in them.
    PointedAtBy { table: usize, columns: Vec<String> },
}

impl Edge {
    /// The table that the edge leads to, if it leads to one.
    pub(super) fn table(&self) -> Option<usize> {
        match self.to {
            To::Token => None,
            To::Row { table, .. } | To::PointedAtBy { table, .. } => Some(table),
        }
    }
}

/// How the owners of all settled tables are found.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    /// The tables' names.
    pub names: Vec<String>,
    /// The register and its key, if it is here.
    pub register: Option<(usize, Vec<String>)>,
    /// Whether that key is the register's rowid.
    pub key_is_rowid: bool,
    /// For each table the edges that its owners are found by: none unless it is owned.
    pub edges: Vec<Vec<Edge>>,
    /// The SQL function that says which keys are known, if there is one: see
    /// [`Database::tell_missing`](super::read::Database::tell_missing).
    pub is_known: Option<&'static str>,
    /// For each table the columns that an index has in an order which is not known here: nothing is found in it.
    pub unordered: Vec<Vec<String>>,
}

impl Owners {
    /// SQL for the token of the owner of row `t<depth>` of `table`: NULL if it has none.
    pub(super) fn of_row(&self, table: usize, depth: usize) -> String {
        if let Some((register, key)) = &self.register
            && *register == table
        {
            return token(key, depth);
        }
        let mut found: Vec<String> = self.edges[table]
            .iter()
            .map(|edge| self.along(edge, depth))
            .collect();
        match found.len() {
            0 => "NULL".into(),
            1 => found.remove(0),
            _ => format!("coalesce({})", found.join(", ")),
        }
    }

    /// Like [`Owners::of_row`], but a key that stands in the last row before the register is taken for the
    /// token, whether or not the register has it: that spares looking each up there. None where it could mean
    /// something else. Only an integer is certainly what a rowid is compared with.
    pub(super) fn of_row_by_key(&self, table: usize, depth: usize) -> Option<String> {
        let [edge] = &self.edges[table][..] else {
            // The next way is taken only where the register has nobody by this one.
            return None;
        };
        let To::Row { table: to, columns } = &edge.to else {
            return None;
        };
        let found = match (&self.register, &edge.columns[..]) {
            (Some((register, key)), [own]) if register == to => {
                if !self.key_is_rowid || columns != key {
                    return None;
                }
                let own = format!("t{depth}.{}", quote(own));
                let looked_up = self.select(edge, depth, &token(key, depth + 1));
                format!("CASE typeof({own}) WHEN 'integer' THEN {own} ELSE {looked_up} END")
            }
            (Some((register, _)), _) if register == to => return None,
            _ => self.select(edge, depth, &self.of_row_by_key(*to, depth + 1)?),
        };
        Some(filtered(edge, found))
    }

    /// Whether rows of a table lead to their owners by rows of tables other than the register.
    pub(super) fn leads_through_others(&self, table: usize) -> bool {
        let register = self.register.as_ref().map(|(register, _)| *register);
        let mut to = self.edges[table].iter().filter_map(Edge::table);
        to.any(|to| Some(to) != register)
    }

    /// SQL for the token found along `edge` from row `t<depth>`.
    pub(super) fn along(&self, edge: &Edge, depth: usize) -> String {
        let found = match edge.table() {
            None => token(&edge.columns, depth),
            Some(table) => {
                let owner = self.of_row(table, depth + 1);
                match edge.to {
                    // Those rows that have an owner have the same one.
                    To::PointedAtBy { .. } => self.select(edge, depth, &format!("max({owner})")),
                    _ => self.select(edge, depth, &owner),
                }
            }
        };
        filtered(edge, found)
    }

    /// SQL for the token of a customer whom the register does not hold, by which row `t<depth>` of
    /// `table` leads to it: NULL if it leads to no key at all. It means something only for rows that
    /// have no owner.
    pub(super) fn missing(&self, table: usize, depth: usize) -> String {
        let found = self.edges[table].iter();
        let found: Vec<String> = found
            .map(|edge| self.missing_along(edge, depth))
            .filter(|sql| sql != "NULL")
            .collect();
        match &found[..] {
            [] => "NULL".into(),
            [one] => one.clone(),
            [first, others @ ..] => {
                let others = others.iter().map(|way| format!(" UNION ALL SELECT {way}"));
                self.choose(&format!(
                    "SELECT {first} AS key{}",
                    others.collect::<String>()
                ))
            }
        }
    }

    /// SQL for one of several keys that is not NULL: one that is known, if there is one.
    fn choose(&self, keys: &str) -> String {
        let order = self
            .is_known
            .map(|is_known| format!(" ORDER BY {is_known}(key) DESC"));
        format!(
            "(SELECT key FROM ({keys}) WHERE key IS NOT NULL{} LIMIT 1)",
            order.unwrap_or_default()
        )
    }

    /// The same along one edge.
    pub(super) fn missing_along(&self, edge: &Edge, depth: usize) -> String {
        let found = match (&edge.to, &self.register) {
            (To::Row { table, columns }, Some((register, key))) if table == register => {
                let place = |wanted: &String| columns.iter().position(|column| column == wanted);
                let own = |wanted| place(wanted).map(|at| edge.columns[at].clone());
                match key.iter().map(own).collect::<Option<Vec<_>>>() {
                    Some(own) => token(&own, depth),
                    // It leads to other columns, which do not tell the key.
                    None => return "NULL".into(),
                }
            }
            (To::Row { table, .. } | To::PointedAtBy { table, .. }, _) => {
                match self.missing(*table, depth + 1) {
                    nothing if nothing == "NULL" => return nothing,
                    there if matches!(edge.to, To::PointedAtBy { .. }) => {
                        self.choose(&self.select(edge, depth, &format!("{there} AS key")))
                    }
                    there => self.select(edge, depth, &there),
                }
            }
            (To::Token, _) => return "NULL".into(),
        };
        filtered(edge, found)
    }

    /// SQL for the number of different owners along `edge`; only rows that are pointed at can have
    /// more than one.
    pub(super) fn count(&self, edge: &Edge, depth: usize) -> Option<String> {
        let To::PointedAtBy { table, .. } = edge.to else {
            return None;
        };
        let owner = self.of_row(table, depth + 1);
        let count = format!("count(DISTINCT ({owner}) COLLATE BINARY)");
        Some(filtered(edge, self.select(edge, depth, &count)))
    }

    fn select(&self, edge: &Edge, depth: usize, what: &str) -> String {
        let (here, there) = (depth, depth + 1);
        let pair = |own: &String, other: &String| {
            let unordered = edge.table().map(|table| &self.unordered[table]);
            let by_bytes = unordered.is_some_and(|columns| columns.contains(other));
            let (own, other) = (quote(own), quote(other));
            match edge.to {
                // Of another collation than the index has, so that SQLite looks at the rows themselves.
                To::PointedAtBy { .. } if by_bytes => {
                    format!("t{here}.{own} = t{there}.{other} COLLATE BINARY")
                }
                _ if by_bytes => format!("t{there}.{other} COLLATE BINARY = +t{here}.{own}"),
                // No `+` here: it would keep SQLite from looking `other` up in an index.
                To::PointedAtBy { .. } => format!("t{here}.{own} = t{there}.{other}"),
                _ => format!("t{there}.{other} = +t{here}.{own}"),
            }
        };
        let (table, columns) = match &edge.to {
            To::Token => return what.into(),
            To::Row { table, columns } | To::PointedAtBy { table, columns } => (*table, columns),
        };
        let on: Vec<String> = edge
            .columns
            .iter()
            .zip(columns)
            .map(|(own, other)| pair(own, other))
            .collect();
        let name = quote(&self.names[table]);
        format!(
            "(SELECT {what} FROM {name} AS t{there} WHERE {})",
            on.join(" AND ")
        )
    }
}

/// SQL for the token that a key's values make: the value itself, or for a composite key the SQL
/// literals of its values.
fn token(key: &[String], depth: usize) -> String {
    let columns: Vec<String> = key
        .iter()
        .map(|column| format!("t{depth}.{}", quote(column)))
        .collect();
    if let [column] = &columns[..] {
        return column.clone();
    }
    let null: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} IS NULL"))
        .collect();
    // `quote` ends a text at its first NUL; to others two keys could look the same.
    let quoted = |column: &String| {
        format!(
            "CASE typeof({column}) WHEN 'text' THEN '''' || replace({column}, '''', '''''') || '''' \
             ELSE quote({column}) END"
        )
    };
    let quoted: Vec<String> = columns
        .iter()
        .map(|column| format!("({})", quoted(column)))
        .collect();
    format!(
        "CASE WHEN {} THEN NULL ELSE {} END",
        null.join(" OR "),
        quoted.join(" || ',' || ")
    )
}

/// The line's end after the condition keeps a comment in it from reaching further.
fn filtered(edge: &Edge, sql: String) -> String {
    match &edge.filter {
        None => sql,
        Some(filter) => format!("CASE WHEN ({filter}\n) THEN {sql} END"),
    }
}
