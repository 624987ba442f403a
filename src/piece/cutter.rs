//! Where pieces end: see the text of the module above.

use minicbor::Decoder;

use super::{FRAGMENT, LAST_FRAGMENT, MAX, MIN, ROWS};

/// A piece, done.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes.
    pub plain: Vec<u8>,
    /// How many rows end in it.
    pub rows: u32,
}

/// Makes one domain's rows into pieces.
#[derive(Default)]
pub struct Cutter {
    plain: Vec<u8>,
    rows: u32,
}

impl Cutter {
    /// Takes the next row, as encoded; gives finished pieces to `done`.
    pub fn row(&mut self, row: &[u8], done: &mut impl FnMut(Piece)) {
        if row.len() > MAX {
            let last = (row.len() - 1) / MAX;
            for (n, part) in row.chunks(MAX).enumerate() {
                self.part(part, n == last, done);
            }
            return;
        }
        if self.plain.is_empty() {
            self.plain.push(ROWS);
        }
        self.plain.extend_from_slice(row);
        self.rows += 1;
        if self.plain.len() >= MAX || (self.plain.len() >= MIN && is_boundary(row)) {
            self.finish(done);
        }
    }

    /// Takes the next part of a row that was cut.
    pub fn part(&mut self, part: &[u8], last: bool, done: &mut impl FnMut(Piece)) {
        self.finish(done);
        let kind = if last { LAST_FRAGMENT } else { FRAGMENT };
        done(Piece {
            plain: [&[kind], part].concat(),
            rows: u32::from(last),
        });
    }

    /// Gives what is left to `done`; the next row is another domain's.
    pub fn finish(&mut self, done: &mut impl FnMut(Piece)) {
        if !self.plain.is_empty() {
            // As long as it is: most pieces are short, and many wait to be compressed.
            done(Piece {
                plain: self.plain.as_slice().to_vec(),
                rows: std::mem::take(&mut self.rows),
            });
            self.plain.clear();
        }
    }
}

/// Whether a piece may end behind this row: by the hash of table number and rowid, or of the whole
/// row where there is no rowid.
fn is_boundary(row: &[u8]) -> bool {
    let mut r = Decoder::new(row);
    let head = (|| {
        r.array()?;
        r.u32()?;
        r.decode::<Option<i64>>()
    })();
    let head = match head {
        Ok(Some(_)) => &row[1..r.position()],
        _ => row,
    };
    let hash = blake3::hash(head);
    u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]).is_multiple_of(2048)
}
