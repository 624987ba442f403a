//! The command itself: what it prints, what it writes, and its exit codes.
//!
//! Everything here goes through the built binary. Every answer is taken with `--json` unless a test
//! is about text, so that each of them also shows that exactly one JSON document is printed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;
use tenure::demo::crm::Crm;

mod forgotten;
mod fulltext;
mod init;
mod inspect;
mod life;
mod odd;
mod prune;
mod recover;
mod restore;
mod track;
mod usage;
mod wrong;

/// A CRM of 20 customers in a directory of its own, and the command run in it.
struct Place {
    dir: TempDir,
    crm: Crm,
}

/// What a command printed.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let crm = Crm::create(&dir.path().join("crm.db"), 20, 3).unwrap();
        Self { dir, crm }
    }

    /// With a repository in `near` and `far`, and without a snapshot.
    fn initialised() -> Self {
        let place = Self::new();
        let (near, far) = (place.path("near"), place.path("far"));
        let register = format!("sqlite:{}#customers.id", place.path("crm.db"));
        let (code, answer) = place.json(&[
            "init",
            "--register",
            &register,
            "--store",
            &near,
            "--store",
            &far,
        ]);
        assert_eq!(code, 0, "{answer:#}");
        place
    }

    /// A repository around a database `x` of its own, made by `sql`, with the register `TABLE.KEY`.
    fn with_database(sql: &str, register: &str) -> Self {
        let place = Self::new();
        let db = rusqlite::Connection::open(place.at("x.db")).unwrap();
        db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        db.execute_batch(sql).unwrap();
        drop(db);
        let (near, far) = (place.path("near"), place.path("far"));
        let register = format!("sqlite:{}#{register}", place.path("x.db"));
        let arguments = [
            "init",
            "--register",
            &register,
            "--store",
            &near,
            "--store",
            &far,
        ];
        let (code, answer) = place.json(&arguments);
        assert_eq!(code, 0, "{answer:#}");
        place
    }

    /// Says that the rows of a table belong to whom a column names.
    fn own(&self, table: &str, column: &str) {
        let mut text = fs::read_to_string(self.at("tenure.toml")).unwrap();
        let rule = format!("\n[[source.owns]]\ntable = \"{table}\"\nby = '{column}'\n");
        let at = text.find("[[store]]").unwrap();
        text.insert_str(at, &rule);
        fs::write(self.at("tenure.toml"), text).unwrap();
    }

    /// With a first snapshot as well.
    fn with_snapshot() -> Self {
        let place = Self::initialised();
        assert_eq!(place.json(&["snapshot"]).0, 0);
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_tenure"))
            .current_dir(self.dir.path())
            .env("TENURE_CONFIG", self.at("tenure.toml"))
            .env("TZ", "Europe/Berlin")
            .args(arguments)
            .output()
            .unwrap();
        Ran {
            code: output.status.code().expect("it was not killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The exit code, and the one document on standard output.
    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let ran = self.run(&[arguments, &["--json"]].concat());
        let value = serde_json::from_str(&ran.out);
        (
            ran.code,
            value
                .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{}\n{}", ran.out, ran.err)),
        )
    }

    /// The exit code of a command that fails, and what it says: error, causes and hint.
    fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let (code, value) = self.json(arguments);
        assert_ne!(code, 0, "{arguments:?}: {value:#}");
        let mut said = vec![value["error"].as_str().unwrap().to_owned()];
        said.extend(texts(&value["causes"]));
        said.extend(value["hint"].as_str().map(|hint| format!("hint: {hint}")));
        (code, said.join("\n"))
    }

    /// Every file and directory there is, with its contents.
    fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut tree = BTreeMap::new();
        look(self.dir.path(), &mut tree);
        tree
    }
}

fn look(dir: &Path, tree: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tree.insert(path.clone(), None);
            look(&path, tree);
        } else {
            let bytes = fs::read(&path).unwrap();
            tree.insert(path, Some(bytes));
        }
    }
}

/// An array of texts.
fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}
