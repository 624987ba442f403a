//! References on their way back: what leads to a row whose key leads to a customer leads to that customer as well.

use crate::source::sqlite::edges::{Edge, To};
use crate::source::sqlite::sql::quote;

/// How what stands in a row is called where a condition on another one is asked.
pub(in crate::source::sqlite) const OWN: &str = "tenure own";

/// By which columns the rows of a table lead to somebody, over other tables.
#[derive(Clone)]
pub(super) struct Step {
    /// The table.
    pub(super) table: usize,
    /// The tables that it came through, this one included, and by which columns of them.
    path: Vec<(usize, Vec<String>)>,
    /// The columns, where they lead, and all conditions together.
    pub(super) edge: Edge,
    /// Those of the columns that are withheld, if that is known.
    pub(super) withheld: Vec<String>,
    /// The condition on the row itself.
    own: Option<String>,
    /// Conditions on rows further on.
    far: Vec<Far>,
}

/// A condition on the row of another table that columns of this one lead to.
#[derive(Clone, PartialEq, Eq)]
struct Far {
    table: usize,
    /// Columns of this table, and those of the other one in which the same stands.
    pairs: Vec<(String, String)>,
    /// The condition, on the columns of the other one.
    on: String,
}

impl Far {
    /// It is met by what leads somewhere, unless there is a row that does not meet it: where that row has gone, and somebody's
    /// key was in it, nothing else may keep that key. Keys compare as foreign keys do (see
    /// [`edges`](crate::source::sqlite::edges)). What stands in the row comes by names that no other table has, since
    /// columns of both may be called the same.
    fn sql(&self, names: &[String]) -> String {
        let (mut leads, mut own, mut same) = (String::new(), Vec::new(), Vec::new());
        for (at, (here, there)) in self.pairs.iter().enumerate() {
            let (here, there) = (quote(here), quote(there));
            leads += &format!("{here} IS NOT NULL AND ");
            own.push(format!("+{here} AS \"{OWN} {at}\""));
            same.push(format!("there.{there} = own.\"{OWN} {at}\""));
        }
        format!(
            "{leads}NOT EXISTS (SELECT 1 FROM (SELECT {}) AS own, {} AS there WHERE {} AND NOT coalesce(({}\n), 0))",
            own.join(", "),
            quote(&names[self.table]),
            same.join(" AND "),
            self.on,
        )
    }
}

impl Step {
    /// One that leads there at once.
    pub(super) fn direct(table: usize, edge: &Edge, withheld: Vec<String>) -> Self {
        Self {
            table,
            path: vec![(table, edge.columns.clone())],
            edge: edge.clone(),
            withheld,
            own: edge.filter.clone(),
            far: Vec::new(),
        }
    }

    /// What this says of `table`, from which one `way` leads here; none where that leads by other columns, or where nothing
    /// new is said.
    pub(super) fn back(&self, table: usize, way: &Edge, names: &[String]) -> Option<Self> {
        let columns = self.edge.columns.iter();
        let columns = columns.map(|column| own_column(way, column));
        let columns = columns.collect::<Option<Vec<_>>>()?;
        let place = (table, columns.clone());
        // Round in a circle a condition would grow for ever, and says nothing new.
        let round = self.edge.filter.is_some() && self.path.contains(&place);
        let to = self.edge.to.clone();
        let itself = To::Row {
            table,
            columns: columns.clone(),
        };
        if round || to == itself {
            return None;
        }
        let withheld = self.withheld.iter();
        let withheld = withheld.filter_map(|column| own_column(way, column));
        let withheld = withheld.collect();
        let far = self.far_by(way, names)?;
        let own = way.filter.clone();
        let all = own.iter().map(|own| format!("({own}\n)"));
        let all: Vec<String> = all.chain(far.iter().map(|far| far.sql(names))).collect();
        let filter = (!all.is_empty()).then(|| all.join(" AND "));
        Some(Self {
            table,
            path: self.path.iter().cloned().chain([place]).collect(),
            edge: Edge {
                columns,
                to,
                filter,
            },
            withheld,
            own,
            far,
        })
    }

    /// All conditions of this, as those on other rows that they are for what leads here by one `way`.
    fn far_by(&self, way: &Edge, names: &[String]) -> Option<Vec<Far>> {
        let To::Row { table, columns } = &way.to else {
            return None;
        };
        let mut far: Vec<Far> = Vec::new();
        let mut on: Vec<String> = self.own.iter().map(|own| format!("({own}\n)")).collect();
        for one in &self.far {
            let pair =
                |(here, there): &(String, String)| Some((own_column(way, here)?, there.clone()));
            match one.pairs.iter().map(pair).collect::<Option<_>>() {
                Some(pairs) => far.push(Far {
                    pairs,
                    ..one.clone()
                }),
                // Which row that is, only this row tells.
                None => on.push(one.sql(names)),
            }
        }
        if !on.is_empty() {
            let pairs = way.columns.iter().cloned().zip(columns.iter().cloned());
            let one = Far {
                table: *table,
                pairs: pairs.collect(),
                on: on.join(" AND "),
            };
            far.extend((!far.contains(&one)).then_some(one));
        }
        Some(far)
    }

    /// The same under no condition.
    pub(super) fn in_any_case(self) -> Self {
        let edge = Edge {
            filter: None,
            ..self.edge
        };
        Self {
            edge,
            own: None,
            far: Vec::new(),
            ..self
        }
    }

    /// Whether this says all that another one does: the same under no more conditions.
    pub(super) fn says(&self, other: &Self) -> bool {
        self.is_of(other)
            && (self.own.is_none() || self.own == other.own)
            && self.far.iter().all(|far| other.far.contains(far))
    }

    /// Whether both lead from the same columns to the same.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.table == other.table
            && self.edge.columns == other.edge.columns
            && self.edge.to == other.edge.to
    }
}

/// The column by which a way leads to one of the other table's.
fn own_column(way: &Edge, there: &String) -> Option<String> {
    let To::Row { columns, .. } = &way.to else {
        return None;
    };
    let at = columns.iter().position(|column| column == there)?;
    Some(way.columns[at].clone())
}
