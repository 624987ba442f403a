//! Makes a database of a [`Case`](super::case::Case), statement by statement, and keeps two things
//! of it: the script of what SQLite took, and the [`Model`]. What SQLite refuses has not happened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::dice::Dice;
use super::model::Model;

mod changes;
mod extras;
mod fulltext;
pub mod links;
mod names;
mod rows;
mod tables;

/// See the module's text.
pub struct World {
    /// What is known of the tables.
    pub model: Model,
    /// What SQLite took, a statement each.
    pub script: Vec<String>,
    /// Statements tried.
    pub tried: usize,
    path: PathBuf,
    conn: Option<Connection>,
    /// How many names were given.
    named: usize,
    /// `(kind, name)` of indexes, triggers and views.
    extras: Vec<(&'static str, String)>,
    /// The table into which triggers write.
    log: Option<String>,
    /// Whether what is in the write-ahead log stays there between the rounds.
    stays_open: bool,
}

impl World {
    /// A new file with the register and further tables, and the first rows.
    pub fn new(path: &Path, case: &super::case::Case) -> Self {
        let mut world = Self {
            model: Model::default(),
            script: Vec::new(),
            tried: 0,
            path: path.to_owned(),
            conn: None,
            named: 0,
            extras: Vec::new(),
            log: None,
            stays_open: false,
        };
        let mut dice = Dice::new(&case.file);
        let sizes = [4096, 512, 1024, 2048, 8192, 16384, 32768, 65536];
        world.run(&format!("PRAGMA page_size = {}", dice.of(&sizes)));
        if let Some(encoding) = dice.of(&[None, None, Some("UTF-16le"), Some("UTF-16be")]) {
            world.run(&format!("PRAGMA encoding = '{encoding}'"));
        }
        world.run(&format!("PRAGMA auto_vacuum = {}", dice.of(&[0, 0, 1, 2])));
        if dice.one_in(3) {
            world.run("PRAGMA journal_mode = WAL");
            world.stays_open = dice.one_in(2);
        }
        world.table(&case.register);
        for spec in &case.tables {
            world.table(spec);
        }
        world.all(&case.start);
        world
    }

    /// Does all of a round.
    pub fn all(&mut self, ops: &[super::case::Op]) {
        for op in ops {
            self.change(op);
        }
        if !(self.stays_open && self.ask("PRAGMA journal_mode") == "wal") {
            self.conn = None;
        }
    }

    /// Those in the register: their keys, and since when they have them.
    pub fn people(&mut self) -> Vec<(Vec<rusqlite::types::Value>, rusqlite::types::Value)> {
        let register = self.model.tables[0].clone();
        super::check::people(self.conn(), &register)
    }

    /// Closes the file, as far as this is concerned.
    pub fn close(&mut self) {
        self.conn = None;
    }

    fn conn(&mut self) -> &Connection {
        let path = &self.path;
        self.conn.get_or_insert_with(|| {
            let conn = Connection::open(path).unwrap();
            conn.busy_timeout(Duration::from_secs(5)).unwrap();
            // What this writes need not outlive the machine.
            conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF")
                .unwrap();
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
                .unwrap();
            conn
        })
    }

    /// Runs a statement, and keeps it if SQLite took it.
    fn run(&mut self, sql: &str) -> bool {
        self.tried += 1;
        match self.conn().execute_batch(sql) {
            Ok(()) => {
                self.script.push(sql.to_owned());
                true
            }
            Err(error) => {
                if std::env::var_os("TENURE_REFUSED").is_some() {
                    eprintln!("{error}: {sql:.300}");
                }
                false
            }
        }
    }

    /// Runs several statements: all of them or none.
    fn run_all(&mut self, statements: &[String]) -> bool {
        self.conn().execute_batch("SAVEPOINT s").unwrap();
        let before = self.script.len();
        let taken = statements.iter().all(|sql| self.run(sql));
        if !taken {
            self.script.truncate(before);
            let _ = self.conn().execute_batch("ROLLBACK TO s");
        }
        let _ = self.conn().execute_batch("RELEASE s");
        taken
    }

    /// Runs several statements with foreign keys enforced, in one transaction: all of them or none.
    fn in_one(&mut self, statements: &[String]) {
        self.run("PRAGMA foreign_keys = ON");
        let before = self.script.len();
        let taken =
            self.run("BEGIN") && statements.iter().all(|sql| self.run(sql)) && self.run("COMMIT");
        if !taken {
            self.script.truncate(before);
            let _ = self.conn().execute_batch("ROLLBACK");
        }
        self.run("PRAGMA foreign_keys = OFF");
    }

    /// The one text or number that a query answers; empty if nothing.
    fn ask(&mut self, sql: &str) -> String {
        let text = |row: &rusqlite::Row<'_>| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str().unwrap_or_default().to_owned(),
            })
        };
        self.conn().query_row(sql, [], text).unwrap_or_default()
    }
}
