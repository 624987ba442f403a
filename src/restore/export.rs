//! Rows as JSON lines, one file per table, for people and programs that have no SQLite.
//!
//! Integers are numbers, or strings beyond 2^53, which many readers of JSON would round. Bytes, and
//! text that is not UTF-8, are `{"b64": …}` (RFC 4648, with padding); numbers that are not finite
//! are `{"real": "inf"}`. A value that led to a forgotten customer is null.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::engine::general_purpose::STANDARD as BASE64;
use base64::{Engine, write::EncoderWriter};
use serde_json::{Value as Json, json};

use super::rows::Resolved;
use crate::error::Outcome;
use crate::fsx::{self, FileError};
use crate::piece::cut::LongKind;
use crate::schema::Table;
use crate::source::LongValue;
use crate::value::ValueRef;

/// Integers up to this are exact in every reader of JSON.
const EXACT: u64 = 1 << 53;
/// Bytes of a long value that are written at once.
const CHUNK: usize = 64 << 10;

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

    /// Writes a row of a table, with the values that are too long to be held.
    pub fn row(
        &mut self,
        table: &Table,
        rowid: Option<i64>,
        values: &[Resolved<'_>],
        long: Vec<LongValue<'_>>,
    ) -> Outcome<()> {
        let (path, file) = self.file(&table.name)?;
        let written = write_row(file, table, rowid, values, long);
        Ok(written.map_err(FileError::new("write", path))?)
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

fn json_of(value: ValueRef<'_>) -> Json {
    match value {
        ValueRef::Null => Json::Null,
        ValueRef::Int(i) => integer(i),
        ValueRef::Real(r) if r.is_finite() => json!(r),
        ValueRef::Real(r) => {
            json!({ "real": if r.is_nan() { "nan" } else if r > 0.0 { "inf" } else { "-inf" } })
        }
        ValueRef::Blob(bytes) => json!({ "b64": BASE64.encode(bytes) }),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "b64": BASE64.encode(bytes) }),
        },
    }
}

fn write_row(
    out: &mut impl Write,
    table: &Table,
    rowid: Option<i64>,
    values: &[Resolved<'_>],
    long: Vec<LongValue<'_>>,
) -> io::Result<()> {
    let mut long = long.into_iter().peekable();
    let mut before = '{';
    let mut key = |out: &mut dyn Write, name: &str| {
        write!(out, "{before}{}:", Json::from(name))?;
        before = ',';
        Ok::<_, io::Error>(())
    };
    if let (Some(alias), Some(rowid)) = (&table.rowid_alias, rowid) {
        key(out, &alias.name)?;
        write!(out, "{}", integer(rowid))?;
    }
    for (at, (column, value)) in table.columns.iter().zip(values).enumerate() {
        key(out, &column.name)?;
        match (long.next_if(|value| value.column == at), value) {
            (Some(long), _) => write_long(out, long)?,
            (None, value) => {
                let value = value.value().unwrap_or(ValueRef::Null);
                write!(out, "{}", json_of(value))?;
            }
        }
    }
    writeln!(out, "{}", if before == '{' { "{}" } else { "}" })
}

/// The same as [`json_of`], without holding the value.
fn write_long(out: &mut impl Write, mut value: LongValue<'_>) -> io::Result<()> {
    if value.kind != LongKind::Text {
        write!(out, "{{\"b64\":\"")?;
        let mut encoder = EncoderWriter::new(&mut *out, &BASE64);
        io::copy(&mut value.bytes, &mut encoder)?;
        encoder.finish()?;
        drop(encoder);
        return write!(out, "\"}}");
    }
    write!(out, "\"")?;
    let (mut buffer, mut kept) = (vec![0; CHUNK], 0);
    loop {
        let read = value.bytes.read(&mut buffer[kept..])?;
        let end = kept + read;
        // The first bytes of a character that goes on in the next chunk are kept for that.
        let valid = match std::str::from_utf8(&buffer[..end]) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&buffer[..error.valid_up_to()]).unwrap_or_default(),
        };
        let quoted = Json::from(valid).to_string();
        out.write_all(&quoted.as_bytes()[1..quoted.len() - 1])?;
        let valid = valid.len();
        buffer.copy_within(valid..end, 0);
        kept = end - valid;
        match read {
            0 if kept > 0 => return Err(io::ErrorKind::InvalidData.into()),
            0 => return write!(out, "\""),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

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
            assert_eq!(json_of(value.as_ref()), expected);
        }
    }

    #[test]
    fn a_table_s_name_stays_within_its_folder() {
        let names = ["a b", "../x", "50%", "..", ""].map(file_name);
        assert_eq!(names, ["a b", "..%2Fx", "50%25", "%..", "%"]);
    }
}
