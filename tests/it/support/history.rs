//! Random histories of a CRM of six tables: how it begins, and six rounds of changes.
//!
//! An operation does not name rows by their keys but picks them: "the 7th order", counted round
//! the orders that are there. So whatever operations proptest leaves out while it shrinks a
//! history, the others still mean something, and one that finds nothing to do does nothing. The
//! same history always makes the same database.
//!
//! | table | whose | what is in it for a backup |
//! |---|---|---|
//! | `customers` | the register | refers to itself; its keys change |
//! | `orders` | `customer_id`, NULL for some, dangling for others | cascades from the customer |
//! | `order_items` | through `order_id` | no rowid, cascades in two steps |
//! | `notes` | `customer_id`, NULL for some | rowids of its own; mentions a customer or nobody |
//! | `introductions` | `customer_id` | a text key; names a second customer who cannot be NULL |
//! | `labels` | everybody | AUTOINCREMENT; its values are unique |

use proptest::collection::vec;
use proptest::prelude::*;

mod apply;

pub use apply::{apply, create};

/// How many rounds of changes follow upon the beginning.
pub const ROUNDS: usize = 6;

/// The names of all tables.
pub const TABLES: [&str; 6] = [
    "customers",
    "introductions",
    "labels",
    "notes",
    "order_items",
    "orders",
];

/// The tables and what hangs on them.
pub const SCHEMA: &str = include_str!("history/schema.sql");

/// What a configuration must say for these tables besides their foreign keys: `[[source]]` with
/// `shared` and `owns`.
pub const OWNERSHIP: &str = r#"
shared = ["labels"]

  [[source.owns]]
  table = "notes"
  by    = "customer_id"
  also  = "mentions"
  [[source.owns]]
  table = "introductions"
  by    = "customer_id"
  also  = "introduced"
"#;

/// A beginning and what happened then.
#[derive(Clone, Debug)]
pub struct History {
    /// The first rows.
    pub start: Round,
    /// [`ROUNDS`] rounds of changes.
    pub rounds: Vec<Round>,
}

/// What happens between two snapshots.
#[derive(Clone, Debug)]
pub struct Round(pub Vec<Op>);

/// The n-th of the rows that are there, counted round.
#[derive(Clone, Copy, Debug)]
pub struct Pick(u16);

/// Which customer a reference names.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// Nobody: NULL, where that is allowed.
    Nobody,
    /// One who is there.
    Picked(Pick),
}

/// One value of any storage class, for columns without a type.
#[derive(Clone, Debug)]
pub enum Odd {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A real; never NaN, which SQLite stores as NULL.
    Real(f64),
    /// Text, which SQLite takes for granted to be UTF-8.
    Text(Vec<u8>),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One change. The fields are what it writes, and what it picks to write to.
#[derive(Clone, Debug)]
pub enum Op {
    /// A customer joins, under this key unless it is taken.
    Join {
        id: i64,
        referred_by: Who,
        extra: Odd,
    },
    /// A customer's own row changes, self-reference included.
    EditCustomer {
        customer: Pick,
        referred_by: Who,
        extra: Odd,
    },
    /// A customer gets another key, which cascades into all that is theirs.
    Rekey { customer: Pick, id: i64 },
    /// A customer goes, with orders, items and introductions; notes stay, without an owner.
    Leave { customer: Pick },
    /// An order, of somebody or nobody.
    Order { customer: Who, extra: Odd },
    /// An order of a customer who is not there.
    DanglingOrder { customer: i64, extra: Odd },
    /// An order goes to another customer, with its items.
    MoveOrder { order: Pick, to: Who },
    /// An order gets another key, which cascades into its items.
    RekeyOrder { order: Pick, id: i64 },
    /// An order's value changes.
    EditOrder { order: Pick, extra: Odd },
    /// An order goes with its items.
    DropOrder { order: Pick },
    /// An order gets an item, unless it has that line.
    Item {
        order: Pick,
        line: i8,
        label: Option<Pick>,
        extra: Odd,
    },
    /// An item goes to another order or line.
    MoveItem { item: Pick, order: Pick, line: i8 },
    /// An item's value changes.
    EditItem { item: Pick, extra: Odd },
    /// An item goes.
    DropItem { item: Pick },
    /// A note on somebody or nobody, that mentions somebody or nobody.
    Note {
        customer: Who,
        mentions: Who,
        body: Odd,
    },
    /// A note goes to another customer.
    MoveNote { note: Pick, to: Who },
    /// A note's text and whom it mentions change.
    EditNote {
        note: Pick,
        mentions: Who,
        body: Odd,
    },
    /// A note goes.
    DropNote { note: Pick },
    /// One customer introduces another, perhaps themselves.
    Introduce {
        code: String,
        customer: Pick,
        introduced: Pick,
    },
    /// An introduction changes hands at either end, and its key changes unless that is taken.
    EditIntroduction {
        which: Pick,
        code: String,
        customer: Pick,
        introduced: Pick,
    },
    /// An introduction goes.
    DropIntroduction { which: Pick },
    /// A label, unless there is one of that value.
    Label { text: Odd },
    /// A label's value changes.
    EditLabel { label: Pick, text: Odd },
    /// A label goes; items that had it have none.
    DropLabel { label: Pick },
}

/// A beginning with some of everything, and six rounds of changes.
pub fn history() -> impl Strategy<Value = History> {
    let start = (vec(joins(), 1..6), vec(inserts(), 0..30))
        .prop_map(|(joins, others)| Round(joins.into_iter().chain(others).collect()));
    let rounds = vec(vec(ops(), 0..12).prop_map(Round), ROUNDS);
    (start, rounds).prop_map(|(start, rounds)| History { start, rounds })
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![5 => inserts(), 3 => moves(), 3 => edits(), 3 => drops()]
}

fn pick() -> impl Strategy<Value = Pick> {
    any::<u16>().prop_map(Pick)
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![1 => Just(Who::Nobody), 4 => pick().prop_map(Who::Picked)]
}

/// Few, so that they are used again; some where a varint or a sign changes.
fn key() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 1..20_i64,
        1 => prop::sample::select(vec![0, -1, i64::MIN, i64::MAX - 1, i64::MAX, 1 << 53]),
    ]
}

/// As [`key`], without those after which the engine would choose the next one at random.
fn order_key() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 1..20_i64,
        1 => prop::sample::select(vec![0, -1, i64::MIN, 1 << 53]),
    ]
}

fn code() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-e]{1,2}", 1 => Just(String::new()), 1 => "\\PC{0,12}"]
}

/// A value of any storage class, the odd ones often.
pub fn odd() -> impl Strategy<Value = Odd> {
    let integers = vec![0, 1, -1, 255, i64::MIN, i64::MAX, (1 << 53) + 1];
    let reals = vec![
        0.0,
        -0.0,
        1.0,
        0.1,
        -1e308,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        9_007_199_254_740_992.0,
    ];
    let texts = [
        "",
        "0",
        "1.0",
        "O'Brien \"x\"",
        "a\0b",
        "\0",
        "ÅΩ€ 🎷",
        "NULL",
        " \r\n\t ",
    ];
    let texts = texts
        .map(|text| text.as_bytes().to_vec())
        .into_iter()
        .chain([vec![0xff, 0xfe]]);
    prop_oneof![
        1 => Just(Odd::Null),
        2 => prop::sample::select(integers).prop_map(Odd::Integer),
        2 => any::<i64>().prop_map(Odd::Integer),
        2 => prop::sample::select(reals).prop_map(Odd::Real),
        1 => any::<f64>().prop_map(Odd::Real),
        3 => prop::sample::select(texts.collect::<Vec<_>>()).prop_map(Odd::Text),
        3 => "\\PC{0,20}".prop_map(|text| Odd::Text(text.into_bytes())),
        2 => vec(any::<u8>(), 0..20).prop_map(Odd::Blob),
        1 => (any::<u8>(), 0..6000_usize).prop_map(|(byte, len)| Odd::Blob(vec![byte; len])),
    ]
}

fn joins() -> impl Strategy<Value = Op> {
    (key(), who(), odd()).prop_map(|(id, referred_by, extra)| Op::Join {
        id,
        referred_by,
        extra,
    })
}

fn inserts() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => joins(),
        4 => (who(), odd()).prop_map(|(customer, extra)| Op::Order { customer, extra }),
        1 => (key(), odd()).prop_map(|(customer, extra)| Op::DanglingOrder { customer, extra }),
        5 => (pick(), 0..5_i8, prop::option::of(pick()), odd())
            .prop_map(|(order, line, label, extra)| Op::Item { order, line, label, extra }),
        4 => (who(), who(), odd())
            .prop_map(|(customer, mentions, body)| Op::Note { customer, mentions, body }),
        3 => (code(), pick(), pick())
            .prop_map(|(code, customer, introduced)| Op::Introduce { code, customer, introduced }),
        2 => odd().prop_map(|text| Op::Label { text }),
    ]
}

fn moves() -> impl Strategy<Value = Op> {
    prop_oneof![
        (pick(), who()).prop_map(|(order, to)| Op::MoveOrder { order, to }),
        (pick(), who()).prop_map(|(note, to)| Op::MoveNote { note, to }),
        (pick(), pick(), 0..5_i8).prop_map(|(item, order, line)| Op::MoveItem {
            item,
            order,
            line
        }),
        (pick(), key()).prop_map(|(customer, id)| Op::Rekey { customer, id }),
        (pick(), order_key()).prop_map(|(order, id)| Op::RekeyOrder { order, id }),
    ]
}

fn edits() -> impl Strategy<Value = Op> {
    prop_oneof![
        (pick(), who(), odd()).prop_map(|(customer, referred_by, extra)| Op::EditCustomer {
            customer,
            referred_by,
            extra
        }),
        (pick(), odd()).prop_map(|(order, extra)| Op::EditOrder { order, extra }),
        (pick(), odd()).prop_map(|(item, extra)| Op::EditItem { item, extra }),
        (pick(), who(), odd()).prop_map(|(note, mentions, body)| Op::EditNote {
            note,
            mentions,
            body
        }),
        (pick(), code(), pick(), pick()).prop_map(|(which, code, customer, introduced)| {
            Op::EditIntroduction {
                which,
                code,
                customer,
                introduced,
            }
        }),
        (pick(), odd()).prop_map(|(label, text)| Op::EditLabel { label, text }),
    ]
}

fn drops() -> impl Strategy<Value = Op> {
    prop_oneof![
        pick().prop_map(|customer| Op::Leave { customer }),
        pick().prop_map(|order| Op::DropOrder { order }),
        pick().prop_map(|item| Op::DropItem { item }),
        pick().prop_map(|note| Op::DropNote { note }),
        pick().prop_map(|which| Op::DropIntroduction { which }),
        pick().prop_map(|label| Op::DropLabel { label }),
    ]
}

#[cfg(test)]
mod tests;
