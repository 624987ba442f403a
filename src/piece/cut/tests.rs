//! The module `cut` against its promises.

use proptest::prelude::*;

use super::*;
use crate::ids::{Class, Incarnation};
use crate::piece::tests::stamps;

#[derive(Clone, Debug)]
enum Given {
    Short(Value),
    Reference(Vec<u8>),
    Long(LongKind, usize),
}

fn domain() -> Domain {
    Domain {
        inc: Incarnation([2; 8]),
        class: Class::CUSTOMER,
        arrival: 7,
    }
}

fn given() -> impl Strategy<Value = Given> {
    let kind = prop_oneof![
        Just(LongKind::Blob),
        Just(LongKind::Text),
        Just(LongKind::OtherText)
    ];
    let near = prop_oneof![
        LONG as usize + 1..LONG as usize + 9,
        MAX - 20..MAX + 9,
        2 * MAX..2 * MAX + 9
    ];
    prop_oneof![
        3 => any::<i64>().prop_map(|i| Given::Short(Value::Int(i))),
        1 => any::<f64>().prop_map(|r| Given::Short(Value::Real(r))),
        1 => Just(Given::Short(Value::Null)),
        2 => any::<Vec<u8>>().prop_map(|t| Given::Short(Value::Text(t))),
        1 => stamps().prop_map(|t| Given::Short(Value::Text(t.into_bytes()))),
        1 => (0..LONG as usize).prop_map(|len| Given::Short(Value::Blob(vec![7; len]))),
        1 => any::<Vec<u8>>().prop_map(Given::Reference),
        2 => (kind, near).prop_map(|(kind, len)| Given::Long(kind, len)),
    ]
}

fn content(kind: LongKind, len: usize) -> Vec<u8> {
    let shift = if kind == LongKind::Text { 32 } else { 0xc0 };
    (0..len).map(|n| (n % 60) as u8 + shift).collect()
}

fn value(kind: LongKind, bytes: Vec<u8>) -> Value {
    match kind {
        LongKind::Blob => Value::Blob(bytes),
        LongKind::Text | LongKind::OtherText => Value::Text(bytes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_cut_row_is_the_encoded_row_cut(
        table in any::<u32>(), rowid in any::<Option<i64>>(), row in prop::collection::vec(given(), 0..5),
        other in 900_000_usize..5_000_000,
    ) {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut sink = |part: Vec<u8>| { parts.push(part); Ok::<(), Malformed>(()) };
        let mut writer = CutWriter::new(table, rowid, row.len());
        let mut values = Vec::new();
        for cell in &row {
            match cell {
                Given::Short(value) => writer.cell(Cell::Value(value.as_ref()), &mut sink).unwrap(),
                Given::Reference(sealed) => {
                    writer.cell(Cell::Reference { domain: domain(), sealed }, &mut sink).unwrap();
                }
                Given::Long(kind, len) => {
                    writer.long(*kind, *len as u64, &mut sink).unwrap();
                    for chunk in content(*kind, *len).chunks(700_000) {
                        writer.bytes(chunk, &mut sink).unwrap();
                    }
                }
            }
        }
        let last = writer.finish();
        parts.push(last);
        for cell in &row {
            values.push(match cell {
                Given::Short(value) => CutCell::Value(value.clone()),
                Given::Reference(sealed) => CutCell::Reference { domain: domain(), sealed: sealed.clone() },
                Given::Long(kind, len) => CutCell::Value(value(*kind, content(*kind, *len))),
            });
        }
        let mut one = Vec::new();
        super::super::encode_row(&mut one, table, rowid, values.iter().map(|v| v.short().unwrap()));
        prop_assert!(parts.concat() == one);
        prop_assert!(parts.iter().rev().skip(1).all(|part| part.len() == MAX));

        // A reader takes parts of other lengths too.
        let whole = parts.concat();
        let again: Vec<Vec<u8>> = whole.chunks(other).map(<[u8]>::to_vec).collect();
        for parts in [&parts, &again] {
        let lens: Vec<usize> = parts.iter().map(Vec::len).collect();
        let mut back = read_cut(&lens, |n| Ok::<_, Malformed>(parts[n].clone())).unwrap();
        prop_assert_eq!((back.table, back.rowid), (table, rowid));
        for cell in &mut back.cells {
            if let CutCell::Long(long) = cell {
                let bytes: Vec<u8> = long.places(&lens).flat_map(|(n, range)| parts[n][range].to_vec()).collect();
                *cell = CutCell::Value(value(long.kind, bytes));
            }
        }
        prop_assert!(back.cells == values);
        }

        // Shorter or longer, it is no row.
        for wrong in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat()] {
            let parts: Vec<Vec<u8>> = wrong.chunks(other).map(<[u8]>::to_vec).collect();
            let lens: Vec<usize> = parts.iter().map(Vec::len).collect();
            prop_assert!(read_cut(&lens, |n| Ok::<_, Malformed>(parts[n].clone())).is_err());
        }
    }
}
