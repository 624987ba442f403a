//! Rows as JSON lines, one file per table, for people and programs that have no SQLite.
//!
//! Integers are numbers, or strings beyond 2^53, which many readers of JSON would round. Bytes, and
//! text that is not UTF-8, are `{"b64": …}` (RFC 4648, with padding); numbers that are not finite
//! are `{"real": "inf"}`. A value that led to a forgotten customer is null.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::rows::Resolved;
use crate::error::Outcome;
use crate::fsx::{self, FileError};
use crate::schema::Table;
use crate::value::Value;

/// Integers up to this are exact in every reader of JSON.
const EXACT: u64 = 1 << 53;

/// Writes the rows of one source.
pub struct Exporter {
    folder: PathBuf,
    files: HashMap<String, (PathBuf, BufWriter<File>)>,
}

impl Exporter {
    /// Into a folder, which is made.
    pub fn new(folder: &Path) -> Outcome<Self> {
        fsx::create_dir(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            files: HashMap::new(),
        })
    }

    /// Writes a row of a table.
    pub fn row(&mut self, table: &Table, rowid: Option<i64>, values: &[Resolved]) -> Outcome<()> {
        let mut object = Map::new();
        if let (Some(alias), Some(rowid)) = (&table.rowid_alias, rowid) {
            object.insert(alias.name.clone(), integer(rowid));
        }
        for (column, value) in table.columns.iter().zip(values) {
            let value = match value {
                Resolved::Kept(value) => json_of(value),
                Resolved::Lost(_) => Json::Null,
            };
            object.insert(column.name.clone(), value);
        }
        let (path, file) = self.file(&table.name)?;
        writeln!(file, "{}", Json::Object(object)).map_err(FileError::new("write", path))?;
        Ok(())
    }

    fn file(&mut self, table: &str) -> Outcome<&mut (PathBuf, BufWriter<File>)> {
        if !self.files.contains_key(table) {
            let path = self.folder.join(format!("{}.jsonl", file_name(table)));
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            let file = file.map_err(FileError::new("create", &path))?;
            self.files
                .insert(table.to_owned(), (path, BufWriter::new(file)));
        }
        let missing = || crate::error::Failure::new(format!("table {table:?} has no file"));
        self.files.get_mut(table).ok_or_else(missing)
    }

    /// Makes everything durable.
    pub fn finish(self) -> Outcome<()> {
        for (path, file) in self.files.into_values() {
            let file = file
                .into_inner()
                .map_err(|e| FileError::new("write", &path)(e.into_error()))?;
            file.sync_all().map_err(FileError::new("sync", &path))?;
        }
        Ok(fsx::sync_dir(&self.folder)?)
    }
}

/// A table's name as the name of a file: what a path cannot hold is written as `%XX`.
fn file_name(table: &str) -> String {
    let plain = |c: char| c != '/' && c != '%' && !c.is_control();
    let name: String = table
        .chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else {
                format!("%{:02X}", u32::from(c))
            }
        })
        .collect();
    match name.as_str() {
        "" | "." | ".." => format!("%{name}"),
        _ => name,
    }
}

fn integer(i: i64) -> Json {
    if i.unsigned_abs() <= EXACT {
        json!(i)
    } else {
        json!(i.to_string())
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Int(i) => integer(*i),
        Value::Real(r) if r.is_finite() => json!(r),
        Value::Real(r) => {
            json!({ "real": if r.is_nan() { "nan" } else if *r > 0.0 { "inf" } else { "-inf" } })
        }
        Value::Blob(bytes) => json!({ "b64": base64(bytes) }),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "b64": base64(bytes) }),
        },
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let symbol = ALPHABET[(group >> (18 - 6 * digit) & 63) as usize];
            out.push(if digit <= chunk.len() {
                char::from(symbol)
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_the_contract_says() {
        let cases = [
            (Value::Null, json!(null)),
            (Value::Int(1 << 53), json!(1_i64 << 53)),
            (Value::Int((1 << 53) + 1), json!("9007199254740993")),
            (Value::Int(i64::MIN), json!("-9223372036854775808")),
            (Value::Real(0.5), json!(0.5)),
            (Value::Real(f64::INFINITY), json!({"real": "inf"})),
            (Value::Real(f64::NEG_INFINITY), json!({"real": "-inf"})),
            (Value::Text("ä".into()), json!("ä")),
            (Value::Text(vec![0xff]), json!({"b64": "/w=="})),
            (
                Value::Blob(b"any carnal pleas".to_vec()),
                json!({"b64": "YW55IGNhcm5hbCBwbGVhcw=="}),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(json_of(&value), expected);
        }
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_table_s_name_stays_within_its_folder() {
        let names = ["a b", "../x", "50%", "..", ""].map(file_name);
        assert_eq!(names, ["a b", "..%2Fx", "50%25", "%..", "%"]);
    }
}
