//! Whole cases, as chance has them: numbers in a shape that can be made smaller. What they mean is
//! decided by [`World`](super::world::World), which makes a database of them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::dice::Picks;

/// How many rounds of changes follow upon the beginning.
pub const ROUNDS: usize = 6;

/// A schema, its rows, and what happens to them.
#[derive(Clone)]
pub struct Case {
    /// The file itself: encoding, page size and so on.
    pub file: Picks,
    /// The register.
    pub register: TableSpec,
    /// Further tables, 1 to 8.
    pub tables: Vec<TableSpec>,
    /// The first rows.
    pub start: Vec<Op>,
    /// [`ROUNDS`] rounds of changes.
    pub rounds: Vec<Vec<Op>>,
    /// After which snapshot somebody is forgotten, and who.
    pub forgotten: Picks,
}

/// proptest would print millions of numbers: whoever finds a failure prints the script.
impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a case")
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Name, key and owner.
    pub shape: Picks,
    /// Columns of data.
    pub columns: Vec<Picks>,
    /// Indexes, triggers and views.
    pub extras: Vec<Picks>,
}

/// One change.
#[derive(Clone, Debug)]
pub enum Op {
    /// A customer.
    Customer(Picks),
    /// A row of any table.
    Insert(Picks),
    /// A row of any table is another.
    Update(Picks),
    /// A row goes.
    Delete(Picks),
    /// A column more.
    AddColumn(Picks),
    /// A column less.
    DropColumn(Picks),
    /// A column or a table has another name.
    Rename(Picks),
    /// A table more.
    NewTable(TableSpec),
    /// A table less.
    DropTable(Picks),
    /// A table is made anew with the same rows.
    Rebuild(Picks),
    /// An index, a trigger or a view more.
    Extra(Picks),
    /// An index, a trigger or a view less.
    DropExtra(Picks),
    /// VACUUM, a pragma, a counter, or all rows of a table at once.
    File(Picks),
}

fn picks(most: usize) -> impl Strategy<Value = Picks> {
    vec(any::<u32>(), most)
}

fn table() -> impl Strategy<Value = TableSpec> {
    (picks(30), vec(picks(12), 0..7), vec(picks(10), 0..3)).prop_map(|(shape, columns, extras)| {
        TableSpec {
            shape,
            columns,
            extras,
        }
    })
}

fn rows() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => picks(12).prop_map(Op::Customer),
        9 => picks(16).prop_map(Op::Insert),
    ]
}

fn changes() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => picks(12).prop_map(Op::Customer),
        4 => picks(16).prop_map(Op::Insert),
        3 => picks(8).prop_map(Op::Update),
        2 => picks(4).prop_map(Op::Delete),
    ]
}

fn schema_changes() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => picks(14).prop_map(Op::AddColumn),
        2 => picks(3).prop_map(Op::DropColumn),
        2 => picks(5).prop_map(Op::Rename),
        2 => table().prop_map(Op::NewTable),
        1 => picks(2).prop_map(Op::DropTable),
        1 => picks(2).prop_map(Op::Rebuild),
        2 => picks(12).prop_map(Op::Extra),
        2 => picks(2).prop_map(Op::DropExtra),
        5 => picks(4).prop_map(Op::File),
    ]
}

/// A case with some of everything.
pub fn case() -> impl Strategy<Value = Case> {
    let round = vec(prop_oneof![4 => changes(), 1 => schema_changes()], 0..9);
    let start = (
        vec(picks(12).prop_map(Op::Customer), 1..5),
        vec(rows(), 0..60),
    );
    (
        (picks(8), table(), vec(table(), 1..9)),
        start,
        vec(round, ROUNDS),
        picks(2),
    )
        .prop_map(
            |((file, register, tables), (first, more), rounds, forgotten)| Case {
                file,
                register,
                tables,
                start: first.into_iter().chain(more).collect(),
                rounds,
                forgotten,
            },
        )
}
