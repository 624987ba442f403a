//! Does to a database what a history says.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Result, ToSql, params};

use super::{Odd, Op, Pick, Round, SCHEMA, Who};

impl ToSql for Odd {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Makes the tables, in a database that has none.
pub fn create(db: &Connection) {
    db.execute_batch(SCHEMA).expect("the schema of the history");
}

/// Does all of a round, with foreign keys enforced. Returns for each operation whether it did
/// anything.
pub fn apply(db: &Connection, round: &Round) -> Vec<bool> {
    db.execute_batch("PRAGMA foreign_keys=ON; BEGIN IMMEDIATE")
        .expect("a transaction");
    let done = round.0.iter().map(|op| run(db, op)).collect();
    db.execute_batch("COMMIT").expect("a commit");
    done
}

fn run(db: &Connection, op: &Op) -> bool {
    match carry_out(db, op) {
        Ok(changed) => changed > 0,
        // A key or a value is taken: then nothing happens.
        Err(rusqlite::Error::SqliteFailure(error, _))
            if error.code == ErrorCode::ConstraintViolation =>
        {
            false
        }
        Err(rusqlite::Error::QueryReturnedNoRows) => false, // there is nothing to pick from
        Err(error) => panic!("{op:?}: {error}"),
    }
}

fn carry_out(db: &Connection, op: &Op) -> Result<usize> {
    match op {
        Op::Join { .. } | Op::EditCustomer { .. } | Op::Rekey { .. } | Op::Leave { .. } => {
            on_customers(db, op)
        }
        Op::Item { .. } | Op::MoveItem { .. } | Op::EditItem { .. } | Op::DropItem { .. } => {
            on_items(db, op)
        }
        Op::Note { .. } | Op::MoveNote { .. } | Op::EditNote { .. } | Op::DropNote { .. } => {
            on_notes(db, op)
        }
        Op::Introduce { .. } | Op::EditIntroduction { .. } | Op::DropIntroduction { .. } => {
            on_introductions(db, op)
        }
        Op::Label { .. } | Op::EditLabel { .. } | Op::DropLabel { .. } => on_labels(db, op),
        _ => on_orders(db, op),
    }
}

fn on_customers(db: &Connection, op: &Op) -> Result<usize> {
    match op {
        Op::Join {
            id,
            referred_by,
            extra,
        } => {
            let sql = "INSERT INTO customers (id, referred_by, extra) VALUES (?, ?, ?)";
            db.execute(sql, params![id, customer(db, *referred_by)?, extra])
        }
        Op::EditCustomer {
            customer: pick,
            referred_by,
            extra,
        } => {
            let sql = "UPDATE customers SET referred_by = ?, extra = ? WHERE id = ?";
            let id = picked(db, "customers", *pick)?;
            db.execute(sql, params![customer(db, *referred_by)?, extra, id])
        }
        Op::Rekey { customer: pick, id } => {
            let old = picked(db, "customers", *pick)?;
            db.execute(
                "UPDATE customers SET id = ?1 WHERE id = ?2 AND id <> ?1",
                [*id, old],
            )
        }
        Op::Leave { customer: pick } => drop_row(db, "customers", *pick),
        _ => unreachable!("{op:?} is not about customers"),
    }
}

fn on_orders(db: &Connection, op: &Op) -> Result<usize> {
    match op {
        Op::Order {
            customer: who,
            extra,
        } => {
            let sql = "INSERT INTO orders (customer_id, extra) VALUES (?, ?)";
            db.execute(sql, params![customer(db, *who)?, extra])
        }
        Op::DanglingOrder { customer, extra } => {
            // Foreign keys can only be switched between transactions.
            db.execute_batch("COMMIT; PRAGMA foreign_keys=OFF")?;
            let sql = "INSERT INTO orders (customer_id, extra) VALUES (?, ?)";
            let done = db.execute(sql, params![customer, extra]);
            db.execute_batch("PRAGMA foreign_keys=ON; BEGIN IMMEDIATE")?;
            done
        }
        Op::MoveOrder { order, to } => {
            let sql = "UPDATE orders SET customer_id = ?1 WHERE id = ?2 AND customer_id IS NOT ?1";
            let id = picked(db, "orders", *order)?;
            db.execute(sql, params![customer(db, *to)?, id])
        }
        Op::RekeyOrder { order, id } => {
            let old = picked(db, "orders", *order)?;
            db.execute(
                "UPDATE orders SET id = ?1 WHERE id = ?2 AND id <> ?1",
                [*id, old],
            )
        }
        Op::EditOrder { order, extra } => {
            let id = picked(db, "orders", *order)?;
            db.execute(
                "UPDATE orders SET extra = ? WHERE id = ?",
                params![extra, id],
            )
        }
        Op::DropOrder { order } => drop_row(db, "orders", *order),
        _ => unreachable!("{op:?} is not about orders"),
    }
}

fn on_items(db: &Connection, op: &Op) -> Result<usize> {
    match op {
        Op::Item {
            order,
            line,
            label,
            extra,
        } => {
            let order = picked(db, "orders", *order)?;
            let label = label.map(|pick| picked(db, "labels", pick).optional());
            let label = label.transpose()?.flatten();
            let sql = "INSERT INTO order_items VALUES (?, ?, ?, ?)";
            db.execute(sql, params![order, line, label, extra])
        }
        Op::MoveItem {
            item: pick,
            order,
            line: new,
        } => {
            let (order, (old, line)) = (picked(db, "orders", *order)?, item(db, *pick)?);
            let sql = "UPDATE order_items SET order_id = ?1, line = ?2
                       WHERE order_id = ?3 AND line = ?4 AND (order_id, line) <> (?1, ?2)";
            db.execute(sql, params![order, new, old, line])
        }
        Op::EditItem { item: pick, extra } => {
            let (order, line) = item(db, *pick)?;
            let sql = "UPDATE order_items SET extra = ? WHERE order_id = ? AND line = ?";
            db.execute(sql, params![extra, order, line])
        }
        Op::DropItem { item: pick } => {
            let (order, line) = item(db, *pick)?;
            db.execute(
                "DELETE FROM order_items WHERE order_id = ? AND line = ?",
                [order, line],
            )
        }
        _ => unreachable!("{op:?} is not about items"),
    }
}

fn on_notes(db: &Connection, op: &Op) -> Result<usize> {
    match op {
        Op::Note {
            customer: who,
            mentions,
            body,
        } => {
            let (who, mentions) = (customer(db, *who)?, customer(db, *mentions)?);
            db.execute(
                "INSERT INTO notes VALUES (?, ?, ?)",
                params![who, mentions, body],
            )
        }
        Op::MoveNote { note, to } => {
            let sql = "UPDATE notes SET customer_id = ?1 WHERE rowid = ?2
                       AND customer_id IS NOT ?1";
            let id = picked(db, "notes", *note)?;
            db.execute(sql, params![customer(db, *to)?, id])
        }
        Op::EditNote {
            note,
            mentions,
            body,
        } => {
            let id = picked(db, "notes", *note)?;
            let sql = "UPDATE notes SET mentions = ?, body = ? WHERE rowid = ?";
            db.execute(sql, params![customer(db, *mentions)?, body, id])
        }
        Op::DropNote { note } => drop_row(db, "notes", *note),
        _ => unreachable!("{op:?} is not about notes"),
    }
}

fn on_introductions(db: &Connection, op: &Op) -> Result<usize> {
    match op {
        Op::Introduce {
            code,
            customer,
            introduced,
        } => {
            let of = picked(db, "customers", *customer)?;
            let introduced = picked(db, "customers", *introduced)?;
            let sql = "INSERT INTO introductions VALUES (?, ?, ?)";
            db.execute(sql, params![code, of, introduced])
        }
        Op::EditIntroduction {
            which,
            code,
            customer,
            introduced,
        } => {
            let id = picked(db, "introductions", *which)?;
            let of = picked(db, "customers", *customer)?;
            let introduced = picked(db, "customers", *introduced)?;
            let sql = "UPDATE introductions SET code = ?, customer_id = ?, introduced = ?
                       WHERE rowid = ?";
            db.execute(sql, params![code, of, introduced, id])
        }
        Op::DropIntroduction { which } => drop_row(db, "introductions", *which),
        _ => unreachable!("{op:?} is not about introductions"),
    }
}

fn on_labels(db: &Connection, op: &Op) -> Result<usize> {
    match op {
        Op::Label { text } => db.execute("INSERT INTO labels (text) VALUES (?)", [text]),
        Op::EditLabel { label, text } => {
            let id = picked(db, "labels", *label)?;
            db.execute("UPDATE labels SET text = ? WHERE id = ?", params![text, id])
        }
        Op::DropLabel { label } => drop_row(db, "labels", *label),
        _ => unreachable!("{op:?} is not about labels"),
    }
}

fn drop_row(db: &Connection, table: &str, pick: Pick) -> Result<usize> {
    let id = picked(db, table, pick)?;
    db.execute(&format!("DELETE FROM {table} WHERE rowid = ?"), [id])
}

/// The rowid of the row that is picked from a table; an error when the table is empty.
fn picked(db: &Connection, table: &str, pick: Pick) -> Result<i64> {
    let count = format!("SELECT count(*) FROM {table}");
    let count: i64 = db.query_row(&count, [], |row| row.get(0))?;
    let sql = format!("SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET ?");
    db.query_row(&sql, [i64::from(pick.0) % count.max(1)], |row| row.get(0))
}

/// The key of the customer who is meant; nobody's when there are no customers.
fn customer(db: &Connection, who: Who) -> Result<Option<i64>> {
    match who {
        Who::Nobody => Ok(None),
        Who::Picked(pick) => picked(db, "customers", pick).optional(),
    }
}

/// The key of the item that is picked: it has no rowid.
fn item(db: &Connection, pick: Pick) -> Result<(i64, i64)> {
    let count = "SELECT count(*) FROM order_items";
    let count: i64 = db.query_row(count, [], |row| row.get(0))?;
    let sql = "SELECT order_id, line FROM order_items ORDER BY 1, 2 LIMIT 1 OFFSET ?";
    db.query_row(sql, [i64::from(pick.0) % count.max(1)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}
