//! The module `piece` against its promises.

use proptest::prelude::*;

use super::*;
use crate::ids::Class;

const REPO: RepoId = RepoId([1; 16]);

fn domain(arrival: u32) -> Domain {
    Domain {
        inc: Incarnation([2; 8]),
        class: Class::CUSTOMER,
        arrival,
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(|bits| Value::Real(f64::from_bits(bits))),
        any::<String>().prop_map(|t| Value::Text(t.into_bytes())),
        any::<Vec<u8>>().prop_map(Value::Text),
        stamps().prop_map(|text| Value::Text(text.into_bytes())),
        any::<Vec<u8>>().prop_map(Value::Blob),
    ]
}

/// Dates, and text that is nearly one.
pub(super) fn stamps() -> impl Strategy<Value = String> {
    "[0-9]{4}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-5][0-9]:[0-6][0-9])?"
}

fn encoded(table: u32, rowid: Option<i64>, values: &[Value]) -> Vec<u8> {
    let mut row = Vec::new();
    encode_row(
        &mut row,
        table,
        rowid,
        values.iter().map(|v| Cell::Value(v.as_ref())),
    );
    row
}

proptest! {
    #[test]
    fn rows_come_back_exactly(
        rows in prop::collection::vec(
            (any::<u32>(), any::<Option<i64>>(), prop::collection::vec(values(), 0..5)), 0..20)
    ) {
        let mut pieces = Vec::new();
        let mut cutter = Cutter::default();
        for (table, rowid, values) in &rows {
            cutter.row(&encoded(*table, *rowid, values), &mut |p| pieces.push(p));
        }
        cutter.finish(&mut |p| pieces.push(p));
        let mut back = Vec::new();
        let mut reader = RowReader::default();
        for piece in &pieces {
            reader.piece::<Malformed>(&piece.plain, |found| {
                let Found::Row(row, _) = found else { unreachable!() };
                let values = row.cells.iter().map(|c| c.to_value().unwrap());
                back.push((row.table, row.rowid, values.collect::<Vec<_>>()));
                Ok(())
            }).unwrap();
        }
        prop_assert_eq!(back, rows);
    }

    #[test]
    fn identities_come_back(key in prop::collection::vec(values(), 1..3), since in values()) {
        let since = (since != Value::Null).then_some(since);
        let identity = Identity { key: CustomerKey(key), since };
        let (whole, short) = (identity.encode(), identity.encode_short());
        prop_assert!(short.len() <= whole.len());
        prop_assert_eq!(Identity::decode(&whole), Ok(identity.clone()));
        prop_assert_eq!(Identity::decode(&short), Ok(identity));
    }
}

#[test]
fn a_long_row_is_cut_and_joined() {
    let blob = vec![Value::Blob((0..MAX * 2 + 5).map(|n| n as u8).collect())];
    let rows = [
        encoded(1, Some(1), &[]),
        encoded(1, Some(2), &blob),
        encoded(1, Some(3), &[]),
    ];
    let (mut pieces, mut cutter) = (Vec::new(), Cutter::default());
    rows.iter()
        .for_each(|row| cutter.row(row, &mut |p| pieces.push(p)));
    cutter.finish(&mut |p| pieces.push(p));
    assert_eq!(
        pieces.iter().map(|p| p.rows).collect::<Vec<_>>(),
        [1, 0, 0, 1, 1]
    );
    let (mut reader, mut back, mut open) = (RowReader::default(), Vec::new(), Vec::new());
    for piece in &pieces {
        let each = |found: Found<'_>| {
            match found {
                Found::Row(_, bytes) => back.push(bytes.to_vec()),
                Found::Part { body, last } => {
                    open.extend_from_slice(body);
                    if last {
                        back.push(std::mem::take(&mut open));
                    }
                }
            }
            Ok::<_, Malformed>(())
        };
        reader.piece(&piece.plain, each).unwrap();
    }
    assert_eq!(back, rows);
    assert_eq!(head(&rows[1]), Ok((1, Some(2))));
    let mut torn = RowReader::default();
    torn.piece(&pieces[1].plain, |_| Ok::<_, Malformed>(()))
        .unwrap();
    assert_eq!(torn.piece(&pieces[4].plain, |_| Ok(())), Err(Malformed));
    assert_eq!(torn.finish(), Err(Malformed));
}

#[test]
fn an_update_or_an_insert_leaves_most_pieces_alone() {
    let text = |n: i64| vec![Value::Text(format!("note {n}").repeat(20).into_bytes())];
    let pieces = |skip: i64, altered: i64| {
        let (mut pieces, mut cutter) = (Vec::new(), Cutter::default());
        for n in (0..40_000).filter(|n| *n != skip) {
            let row = encoded(1, Some(n), &text(if n == altered { -n } else { n }));
            cutter.row(&row, &mut |p| pieces.push(p.plain));
        }
        cutter.finish(&mut |p| pieces.push(p.plain));
        pieces
    };
    let before = pieces(-1, -1);
    assert!(before.len() > 8, "{}", before.len());
    for after in [pieces(20_000, -1), pieces(-1, 20_000)] {
        let new = after.iter().filter(|p| !before.contains(p)).count();
        assert!(new <= 2, "{new} of {} are new", after.len());
    }
}

#[test]
fn references_open_under_the_key_of_whom_they_name() {
    let key = |n| DomainKey::new(Seed::from_bytes([n; 32]));
    let value = Value::Text(b"B-77".to_vec());
    let sealed = seal_reference(REPO, domain(3), &key(1), value.as_ref());
    assert_eq!(
        sealed,
        seal_reference(REPO, domain(3), &key(1), value.as_ref())
    );
    let opened = open_reference(REPO, domain(3), &key(1), &sealed);
    assert_eq!(opened, Ok(Opened::Value(value)));
    assert!(open_reference(REPO, domain(3), &key(2), &sealed).is_err());
    assert!(open_reference(REPO, domain(4), &key(1), &sealed).is_err());
    assert!(open_reference(REPO, domain(3), &key(1), &[]).is_err());
    // Sealed again for another, it opens with the keys of both alone.
    let again = seal_again(REPO, domain(4), &key(2), (domain(3), &sealed));
    assert_eq!(
        again,
        seal_again(REPO, domain(4), &key(2), (domain(3), &sealed))
    );
    assert!(open_reference(REPO, domain(4), &key(1), &again).is_err());
    let opened = open_reference(REPO, domain(4), &key(2), &again);
    assert_eq!(opened, Ok(Opened::Reference(domain(3), sealed)));
}
