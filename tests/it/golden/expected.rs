//! What the good fixtures hold.

use tenure::clock::Timestamp;
use tenure::ids::{Domain, Incarnation, KeyedHash, ObjectName, SnapshotId};
use tenure::journal::{Cause, Event, Order, Position, Recognised, Sealed, Voided};
use tenure::keyring::Keyring;
use tenure::manifest::{
    Manifest, ObjectRef, PageRef, SnapshotKind, SourceState, TableState, Totals,
};
use tenure::object;
use tenure::piece::Identity;
use tenure::schema::{Column, Ownership, ParentColumn, Reference, Schema, Statement, Table};
use tenure::value::{CustomerKey, Value};

use super::keys::{ANN, BEN, EVA, GONE, INC, META, OTHER, REPO, SHARED, forest, root};

/// One cell of a row.
pub enum Cell {
    Is(Value),
    /// Leads to another customer.
    Leads(Domain, Value),
    /// Leads to one who had been forgotten before.
    Lost(Domain),
}

pub type Row = (u32, Option<i64>, Vec<Cell>);

pub fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().to_vec())
}

/// Every storage class, at its edges.
pub fn rows() -> Vec<Row> {
    let every = [
        Value::Null,
        Value::Int(0),
        Value::Int(-1),
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Real(1.5),
        Value::Real(-0.0),
        Value::Real(f64::NEG_INFINITY),
        Value::Real(f64::from_bits(0x7ff8_0000_0000_0001)),
        text(""),
        text("Zoë €"),
        Value::Text(b"\xff\xfe not UTF-8 \x00".to_vec()),
        Value::Blob(Vec::new()),
        Value::Blob(vec![0, 1, 2, 255]),
    ];
    vec![
        (0, Some(1), every.into_iter().map(Cell::Is).collect()),
        (0, Some(i64::MIN), Vec::new()),
        (1, None, vec![Cell::Is(text("without a rowid"))]),
        (
            2,
            Some(7),
            vec![
                Cell::Leads(BEN, Value::Int(2)),
                Cell::Leads(EVA, text("by a text key")),
                Cell::Lost(GONE),
            ],
        ),
    ]
}

/// The row that the two fragments make together.
pub fn fragmented() -> Row {
    (3, Some(12), vec![Cell::Is(Value::Blob(vec![0x5a; 300]))])
}

/// The pieces in each pack, in order. One of version 2 has as well what is too long for a dictionary.
pub fn packed(version: u8, rows: &[u8]) -> Vec<(Domain, Vec<u8>)> {
    let short = |rowid: u8| vec![1, 0x83, 0, rowid, 0x63, b'x', b'y', b'z'];
    let long = [&[1, 0x83, 0, 1, 0x59, 0x03, 0xe8][..], &[7; 1000]].concat();
    let mut packed = vec![
        (SHARED, short(5)),
        (ANN, rows.to_vec()),
        (ANN, long),
        (BEN, short(6)),
        (EVA, short(7)),
    ];
    if version > 1 {
        let longer = [&[1, 0x83, 0, 8, 0x59, 0x4e, 0x20][..], &[7; 20_000]].concat();
        packed.push((BEN, longer));
    }
    packed
}

pub fn identity(domain: Domain) -> Identity {
    let (key, since) = match domain {
        ANN => (vec![Value::Int(1)], Some(text("2020-01-01"))),
        BEN => (vec![Value::Int(2)], None),
        _ => (vec![text("a"), Value::Blob(vec![9])], Some(Value::Int(-5))),
    };
    Identity {
        key: CustomerKey(key),
        since,
    }
}

/// An entry of a page by (domain, source): the numbers of its pieces in the pack, and whether it
/// carries the customer's id.
pub type Entry = (Domain, u32, bool, Option<&'static [usize]>);

pub const FULL: [Entry; 5] = [
    (SHARED, 0, false, Some(&[0])),
    (ANN, 0, true, Some(&[1, 2])),
    (ANN, 1, false, Some(&[])),
    (BEN, 0, true, Some(&[3])),
    (EVA, 0, true, Some(&[4])),
];
pub const INCREMENTAL: [Entry; 3] = [
    (ANN, 1, false, None),
    (BEN, 0, true, Some(&[3, 3])),
    (GONE, 0, false, None),
];
/// Pieces in each entry of the page of two blocks.
pub const MANY: usize = 3000;

fn column(name: &str, declared: &str, not_null: bool) -> Column {
    Column {
        name: name.into(),
        declared: declared.into(),
        not_null,
    }
}

fn tables() -> Vec<Table> {
    let customers = Table {
        name: "customers".into(),
        columns: vec![column("name", "TEXT", true), column("friend", "INT", false)],
        rowid_alias: Some(column("id", "INTEGER", true)),
        has_rowid: true,
        ownership: Ownership::Register,
        class: None,
        path: String::new(),
        references: vec![Reference {
            columns: vec![1],
            parent: 0,
            parent_columns: vec![ParentColumn::Rowid],
            kept: vec![],
        }],
        warnings: vec![],
    };
    let orders = Table {
        name: "the \"orders\"".into(),
        columns: vec![column("tenant", "", false), column("no", "", false)],
        rowid_alias: None,
        has_rowid: false,
        ownership: Ownership::Owned,
        class: Some("billing".into()),
        path: "tenant, no -> customers".into(),
        references: vec![Reference {
            columns: vec![1],
            parent: 0,
            parent_columns: vec![ParentColumn::Column(0)],
            kept: vec![(0, ParentColumn::Column(1))],
        }],
        warnings: vec!["look at this".into()],
    };
    let plain = |name: &str, ownership| Table {
        name: name.into(),
        columns: vec![],
        rowid_alias: None,
        has_rowid: true,
        ownership,
        class: None,
        path: String::new(),
        references: vec![],
        warnings: vec![],
    };
    vec![
        customers,
        orders,
        plain("countries", Ownership::Shared),
        plain("calls", Ownership::Ambiguous),
        plain("new", Ownership::Unsettled),
    ]
}

fn source() -> SourceState {
    let state = |number, whole, orphans| TableState {
        number,
        whole,
        orphans,
        rows: 10 + u64::from(number),
    };
    SourceState {
        number: 0,
        name: "crm".into(),
        file_name: "crm.db".into(),
        schema: Schema {
            engine: "SQLite 3.50.4".into(),
            pragmas: vec![("encoding".into(), "UTF-8".into())],
            statements: vec![Statement {
                kind: "view".into(),
                name: "v".into(),
                sql: "CREATE VIEW v AS SELECT 1".into(),
            }],
            tables: tables(),
            sequences: vec![("customers".into(), 41)],
            not_restorable: vec!["a virtual table".into()],
            full_text: Vec::new(),
            statistics: Vec::new(),
        },
        tables: vec![
            state(0, None, None),
            state(1, None, Some(Domain { arrival: 2, ..META })),
            state(2, Some(SHARED), None),
        ],
    }
}

pub fn object_ref(bytes: &[u8]) -> ObjectRef {
    ObjectRef {
        name: ObjectName::of(bytes),
        size: bytes.len() as u64,
    }
}

/// The length of a page's index with its trailer, as the module text of pages has it.
pub fn tail(page: &[u8]) -> u32 {
    let (_, len) = page.split_last_chunk::<4>().unwrap();
    u32::from_le_bytes(*len) + 4
}

fn page_ref(page: &[u8], entries: &[Entry]) -> PageRef {
    PageRef {
        object: object_ref(page),
        tail: tail(page),
        first: entries[0].0,
        last: entries[entries.len() - 1].0,
        entries: entries.len() as u64,
    }
}

pub fn full(page: &[u8], pack: &[u8]) -> Manifest {
    Manifest {
        kind: SnapshotKind::Full,
        base: 1,
        started: Timestamp(1_793_491_200_000),
        finished: Timestamp(1_793_491_260_123),
        pages: vec![page_ref(page, &FULL)],
        packs: vec![object_ref(pack)],
        sources: vec![source()],
        classes: vec!["customer".into(), "billing".into()],
        totals: Totals {
            customers: 3,
            rows: 8,
            plain_bytes: 1500,
            changed: 3,
            removed: 0,
            read_bytes: 4096,
            stored_bytes: 2048,
        },
        journal: vec![Position {
            inc: INC,
            len: 0,
            hash: [0; 32],
        }],
        next_customer: 3,
        next_own: 3,
        config: "[customers]\nsource = \"crm\"\n".into(),
    }
}

pub fn incremental(page: &[u8], pack: &[u8], journal: &[u8]) -> Manifest {
    Manifest {
        kind: SnapshotKind::Incremental,
        pages: vec![page_ref(page, &INCREMENTAL)],
        sources: vec![],
        totals: Totals {
            removed: 1,
            ..Totals::default()
        },
        journal: vec![
            Position {
                inc: INC,
                len: 1,
                hash: object::hash(journal),
            },
            Position {
                inc: OTHER,
                len: u64::MAX,
                hash: [0xff; 32],
            },
        ],
        next_customer: 4,
        ..full(page, pack)
    }
}

/// How far some journal has come.
const POSITION: Position = Position {
    inc: Incarnation([8; 8]),
    len: 13,
    hash: [6; 32],
};

/// At least one of each kind, by file name.
pub fn events() -> Vec<(&'static str, Event)> {
    let who = KeyedHash([4; 16]);
    let sealed = |byte| vec![byte; 40];
    vec![
        (
            "1-opened.bin",
            Event::Opened {
                recipients: vec!["age1first".into(), "age1second".into()],
            },
        ),
        (
            "2-erased.bin",
            Event::Erased {
                domains: vec![GONE, SHARED],
                recognised: vec![Recognised {
                    who,
                    domain: GONE,
                    key: None,
                }],
                order: None,
            },
        ),
        (
            "3-readmitted.bin",
            Event::Readmitted {
                who,
                domain: Domain { arrival: 4, ..ANN },
                identity: vec![1, 2, 3],
                reason: vec![],
            },
        ),
        ("4-recipients.bin", Event::Recipients { recipients: vec![] }),
        (
            "5-store-opened.bin",
            Event::StoreOpened {
                name: "offsite".into(),
                url: "file:///srv/backup".into(),
            },
        ),
        (
            "6-pruned.bin",
            Event::Pruned {
                snapshots: vec![1, 2, 300],
                former: None,
            },
        ),
        (
            "7-erased-by-order.bin",
            Event::Erased {
                domains: vec![GONE],
                recognised: vec![Recognised {
                    who,
                    domain: GONE,
                    key: Some(KeyedHash([5; 16])),
                }],
                order: Some(Order {
                    cause: Cause::Retention,
                    ground: Some("T-17".into()),
                    reasons: vec![Sealed {
                        domain: GONE,
                        bytes: sealed(1),
                    }],
                    vacuum: true,
                }),
            },
        ),
        (
            "8-hidden.bin",
            Event::Hidden {
                domain: ANN,
                former: sealed(2),
                restricted: true,
                reason: sealed(3),
            },
        ),
        (
            "9-unhidden.bin",
            Event::Unhidden {
                domain: ANN,
                reason: sealed(4),
            },
        ),
        (
            "10-held.bin",
            Event::Held {
                domain: BEN,
                until: Some(Timestamp(1_800_000_000_000)),
                reason: sealed(5),
            },
        ),
        (
            "11-released.bin",
            Event::Released {
                domain: BEN,
                reason: sealed(6),
            },
        ),
        (
            "12-certified.bin",
            Event::Certified {
                erasure: 7,
                certificate: "{}".into(),
                is_final: true,
            },
        ),
        (
            "13-recovered.bin",
            Event::Recovered {
                recipients: vec!["age1first".into()],
                journals: vec![POSITION],
                voided: vec![Voided {
                    inc: POSITION.inc,
                    from: 12,
                }],
                unread: vec!["offsite".into()],
            },
        ),
        (
            "14-read.bin",
            Event::Read {
                store: "offsite".into(),
                journals: vec![POSITION],
            },
        ),
        (
            "15-given-up.bin",
            Event::GivenUp {
                store: "offsite".into(),
            },
        ),
        (
            "16-pruned-of-former.bin",
            Event::Pruned {
                snapshots: vec![],
                former: Some(vec![SnapshotId {
                    inc: POSITION.inc,
                    number: 3,
                }]),
            },
        ),
    ]
}

/// When the `number`th entry of the journal was written.
pub fn event_time(number: u64) -> Timestamp {
    Timestamp(1_793_491_200_000 + number as i64)
}

pub fn keyring() -> Keyring {
    let mut forest = forest();
    forest.puncture(&[GONE]);
    Keyring {
        repo: REPO,
        inc: INC,
        epoch: 5,
        fingerprint: root().verify_key(),
        journal: vec![Position {
            inc: INC,
            len: 2,
            hash: [6; 32],
        }],
        forest,
    }
}
