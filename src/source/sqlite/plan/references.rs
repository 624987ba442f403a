//! From edges to the references of each table: by which columns a row may name a customer who is
//! not its owner.

use super::leading::Step;
use super::{Planner, edge_of, list};
use crate::schema::{Ownership, ParentColumn, Reference};
use crate::source::sqlite::edges::{Edge, To};
use crate::source::sqlite::shape::{Kept, place};

/// Under how many conditions the same columns may lead to the same, over other tables: with more they lead there in any case.
const CONDITIONS: usize = 16;

impl Planner<'_> {
    /// Every column by which a row may name a customer who is not its owner.
    pub(super) fn refer(&mut self) {
        for table in 0..self.shapes.len() {
            let keys = self.shapes[table].keys.iter().map(edge_of);
            let named: Vec<Edge> = keys
                .chain(self.also[table].clone())
                .chain(self.edges[table].clone())
                .collect();
            for edge in named {
                let To::Row { table: parent, .. } = &edge.to else {
                    continue;
                };
                if !self.owned(*parent) {
                    continue;
                }
                let Some(reference) = self.reference(table, &edge, &[]) else {
                    // What is no cell of this table may be one of those that lead here.
                    self.unsaid[table].push(edge);
                    continue;
                };
                // A rule that follows a foreign key says nothing new, unless under a condition.
                let known = self.references[table]
                    .iter()
                    .zip(&self.schema.tables[table].references);
                let mut same_as =
                    known.filter(|(_, known)| all_columns(known) == all_columns(&reference));
                if same_as.any(|(known, _)| known.filter.is_none() || known.filter == edge.filter) {
                    continue;
                }
                self.references[table].push(edge);
                self.table(table).references.push(reference);
            }
        }
    }

    /// What a key refers to, or a rule leads to, may itself lead on to a customer: then so do the columns of that key.
    /// What is fewer steps away comes first.
    pub(super) fn refer_on(&mut self) {
        let (all, ways) = (0..self.shapes.len(), self.ways());
        let mut steps: Vec<Step> = all.flat_map(|table| self.direct(table)).collect();
        let mut next = 0;
        while next < steps.len() {
            let step = steps[next].clone();
            next += 1;
            for (table, way) in &ways[step.table] {
                let Some(on) = step.back(*table, way, &self.owners.names) else {
                    continue;
                };
                let many = steps.iter().filter(|known| known.is_of(&on)).count() >= CONDITIONS;
                let on = if many { on.in_any_case() } else { on };
                if !steps.iter().any(|known| known.says(&on)) {
                    self.refer_to(*table, &on);
                    steps.push(on);
                }
            }
        }
    }

    /// By the table that they lead to, the foreign keys of all tables, and what rules say of them: each with its table.
    fn ways(&self) -> Vec<Vec<(usize, Edge)>> {
        let mut ways = vec![Vec::new(); self.shapes.len()];
        for table in 0..self.shapes.len() {
            let keys = self.shapes[table].keys.iter().map(edge_of);
            let rules = self.also[table].iter().chain(&self.edges[table]);
            for way in keys.chain(rules.cloned()) {
                let Some(to) = way.table() else { continue };
                let way = (table, way);
                if !ways[to].contains(&way) {
                    ways[to].push(way);
                }
            }
        }
        ways
    }

    /// What the references of a table say, and the edges that are none.
    fn direct(&self, table: usize) -> Vec<Step> {
        let said = self.references[table].iter();
        let said = said.zip(&self.schema.tables[table].references);
        let said = said.map(|(edge, reference)| (edge, self.withheld(table, reference)));
        let unsaid = self.unsaid[table].iter().map(|edge| (edge, Vec::new()));
        let all = said.chain(unsaid);
        all.map(|(edge, withheld)| Step::direct(table, edge, withheld))
            .collect()
    }

    fn refer_to(&mut self, table: usize, step: &Step) {
        let edge = step.edge.clone();
        match self.reference(table, &edge, &step.withheld) {
            None => self.unsaid[table].push(edge),
            Some(reference) => {
                self.references[table].push(edge);
                self.table(table).references.push(reference);
            }
        }
    }

    /// The names of the columns of `table` that are withheld by a reference.
    fn withheld(&self, table: usize, reference: &Reference) -> Vec<String> {
        let columns = &self.schema.tables[table].columns;
        let withheld = reference.columns.iter();
        withheld.map(|at| columns[*at].name.clone()).collect()
    }

    /// Rowids that may name somebody other than their row's owner (an INTEGER PRIMARY KEY that is a foreign key) are
    /// kept as values like any other, so that they can be withheld: from here on such a table is described as
    /// one without rowids. Whether there are any; then references are to be found anew.
    pub(super) fn keep_naming_rowids(&mut self) -> bool {
        let all = 0..self.shapes.len();
        let naming: Vec<usize> = all
            .filter(|table| self.rowid_names_others(*table))
            .collect();
        for table in &naming {
            let shape = &self.shapes[*table];
            let entry = &mut self.schema.tables[*table];
            let Some(alias) = entry.rowid_alias.take() else {
                continue;
            };
            entry.has_rowid = false;
            let behind = shape.all.iter().skip_while(|name| **name != alias.name);
            let behind: Vec<&String> = behind.collect();
            let mut columns = entry.columns.iter();
            let at = columns.position(|column| behind.contains(&&column.name));
            entry
                .columns
                .insert(at.unwrap_or(entry.columns.len()), alias);
        }
        if naming.is_empty() {
            return false;
        }
        for table in 0..self.shapes.len() {
            self.references[table].clear();
            self.unsaid[table].clear();
            self.table(table).references.clear();
        }
        true
    }

    /// Whether the rowid of a table's rows may name somebody who is not their owner. In the register, and where nothing
    /// but the rowid says whose a row is and it leads no further, it names nobody else.
    fn rowid_names_others(&self, table: usize) -> bool {
        let Some(alias) = &self.schema.tables[table].rowid_alias else {
            return false;
        };
        if self.is_register(table) {
            return false;
        }
        let owning = self.owning_alone(table);
        let mut unsaid = self.unsaid[table].iter();
        unsaid.any(|edge| edge.columns.contains(&alias.name) && Some(edge) != owning)
    }

    /// The edge that alone says whose the rows of a table are: where it leads to somebody, the row is theirs.
    fn owning_alone(&self, table: usize) -> Option<&Edge> {
        match &self.owners.edges[table][..] {
            [edge] if edge.filter.is_none() => Some(edge),
            _ => None,
        }
    }

    /// None where a column is the rowid, which cannot be NULL and is not stored as a cell, or where
    /// all are generated, and follow from others. `there` are the columns in which stands what is withheld where it leads on.
    fn reference(&self, table: usize, edge: &Edge, there: &[String]) -> Option<Reference> {
        let To::Row {
            table: parent,
            columns,
        } = &edge.to
        else {
            return None;
        };
        let parent = *parent;
        let stored = |table: usize, name: &String| match place(
            &self.schema.tables[table],
            &self.shapes[table],
            name,
        ) {
            Some(Kept::Stored(place)) => place,
            // The place behind the stored ones stands for all that are computed.
            Some(Kept::Generated) => ParentColumn::Column(self.schema.tables[table].columns.len()),
            // An edge names columns, and besides them the rowid alone.
            None => ParentColumn::Rowid,
        };
        let mut pairs = Vec::new();
        for (own, other) in edge.columns.iter().zip(columns) {
            let ParentColumn::Column(at) = stored(table, own) else {
                return None;
            };
            if at < self.schema.tables[table].columns.len() {
                pairs.push((own, at, stored(parent, other)));
            }
        }
        // What is computed there follows from what is not, and tells nothing by itself.
        let computed = ParentColumn::Column(self.schema.tables[parent].columns.len());
        let told = pairs.iter().any(|(.., there)| *there != computed);
        let (pairs, following): (Vec<_>, Vec<_>) = pairs
            .into_iter()
            .partition(|(.., there)| !told || *there != computed);
        // What is withheld in the row that a key leads on over is withheld here as well. A column that also belongs to
        // another key (such as a tenant's), here or there, stays, unless nothing else is left; last of all what says whose
        // the row is, since without that it would be cut off from its owner.
        let owning = |own: &String| self.owning_columns(table, edge).contains(&own);
        let known = |own: &String| self.known_by(table, edge).any(|key| key.contains(own));
        let elsewhere = |own: &String| {
            let mut pairs = edge.columns.iter().zip(columns);
            self.other_keys(table, edge).any(|key| key.contains(own))
                || pairs.any(|(column, other)| column == own && self.is_nobodys(parent, other))
        };
        let primary = &self.shapes[table].primary;
        let narrow: [&dyn Fn(&String) -> bool; 6] = [
            &|own| there.contains(own) && !owning(own) && !elsewhere(own),
            &|own| !owning(own) && !known(own) && !elsewhere(own) && !primary.contains(own),
            &|own| !owning(own) && !known(own) && !elsewhere(own),
            &|own| !owning(own) && !known(own),
            &|own| !owning(own),
            &|_| true,
        ];
        let lost = narrow
            .into_iter()
            .find(|keep| pairs.iter().any(|(own, ..)| keep(own)))?;
        let (lost, mut kept): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(own, ..)| lost(own));
        kept.extend(following);
        Some(Reference {
            columns: lost.iter().map(|(_, at, _)| *at).collect(),
            parent,
            parent_columns: lost.iter().map(|(.., parent)| *parent).collect(),
            kept: kept.iter().map(|(_, at, parent)| (*at, *parent)).collect(),
        })
    }

    /// The columns of every other key and edge of `table`, but for those that an edge is a part of: by these it has come.
    fn other_keys(&self, table: usize, edge: &Edge) -> impl Iterator<Item = &Vec<String>> {
        let keys = self.shapes[table].keys.iter().map(|key| &key.columns);
        let edges = self.edges[table].iter().map(|edge| &edge.columns);
        let own = edge.columns.clone();
        keys.chain(edges)
            .filter(move |columns| !has_all(columns, &own))
    }

    /// Whether a column of `table` refers to a table of which a person has said that its rows are everybody's.
    fn is_nobodys(&self, table: usize, column: &str) -> bool {
        let mut keys = self.shapes[table].keys.iter();
        let shared = |table: usize| self.schema.tables[table].ownership == Ownership::Shared;
        keys.any(|key| key.columns == [column] && shared(key.parent))
    }

    /// The columns that say whose a row of `table` is, but for those of which an edge is a part.
    fn owning_columns(&self, table: usize, edge: &Edge) -> Vec<&String> {
        if let Some((register, key)) = &self.owners.register
            && *register == table
        {
            return key.iter().collect();
        }
        let edges = self.owners.edges[table].iter().map(|edge| &edge.columns);
        let others = edges.filter(|columns| !has_all(columns, &edge.columns));
        others.flatten().collect()
    }

    /// The keys by which others refer to a row of `table`, but for those that are part of an edge.
    fn known_by(&self, table: usize, edge: &Edge) -> impl Iterator<Item = &Vec<String>> {
        let keys = self.shapes.iter().flat_map(|shape| &shape.keys);
        let keys = keys.filter(move |key| key.parent == table);
        let own = edge.columns.clone();
        keys.map(|key| &key.parent_columns)
            .filter(move |columns| !has_all(&own, columns))
    }

    /// What leads to customers and is no cell cannot be withheld once one of them is forgotten, unless the row goes with
    /// them.
    pub(super) fn warn_of_what_is_not_withheld(&mut self, table: usize) {
        if self.is_register(table) {
            return;
        }
        let owning = self.owning_alone(table).cloned();
        let mut told = Vec::new();
        for edge in self.unsaid[table].clone() {
            let columns = list(&edge.columns);
            // Whoever owns the row is led to by the same columns over others.
            let owns = owning
                .as_ref()
                .is_some_and(|one| one.columns == edge.columns);
            if owns || told.contains(&columns) {
                continue;
            }
            let name = &self.owners.names[edge.table().unwrap_or(table)];
            let warning = format!(
                "keeps {columns}, which leads to {name} and is no stored column, also when whom it names is forgotten"
            );
            self.table(table).warnings.push(warning);
            told.push(columns);
        }
    }

    pub(super) fn warn_of_slow_lookups(&mut self, table: usize) {
        for edge in self.owners.edges[table].clone() {
            let (to, columns) = match edge.to {
                To::Token => continue,
                To::Row { table, columns } | To::PointedAtBy { table, columns } => (table, columns),
            };
            let shape = &self.shapes[to];
            let quick = |column: &String| {
                shape.alias() == Some(column)
                    || shape.rowid.as_ref() == Some(column)
                    || shape.leading.contains(column)
            };
            if !columns.iter().any(quick) {
                let name = &self.owners.names[to];
                let warning = format!("is slow to read: {name} has no index on {}", list(&columns));
                self.table(table).warnings.push(warning);
            }
        }
    }
}

fn has_all(columns: &[String], others: &[String]) -> bool {
    others.iter().all(|other| columns.contains(other))
}

/// All columns of a reference with what they refer to, for comparing references.
fn all_columns(reference: &Reference) -> (usize, Vec<(usize, ParentColumn)>) {
    let lost = reference
        .columns
        .iter()
        .copied()
        .zip(reference.parent_columns.iter().copied());
    let mut all: Vec<_> = lost.chain(reference.kept.iter().copied()).collect();
    all.sort_by_key(|(at, _)| *at);
    (reference.parent, all)
}
