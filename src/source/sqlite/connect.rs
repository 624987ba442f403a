//! Connections that read one state of a database: the live file, or a copy of it.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, FileControl, MAIN_DB, OpenFlags};
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::apart::{self, Copy, Mode};
use super::collations::stand_in;
use super::damage::is_damage;
use super::error::SqliteError;
use super::plan::Trouble;
use super::read::{PATIENCE, regular_file};
use super::short;

/// How often we begin anew when the database is another one each time.
const TRIES: usize = 10;

/// Nobody else knows of a copy, so a log needs no index that is shared.
const ALONE: &str = "PRAGMA locking_mode = EXCLUSIVE";

/// A page of a copy costs more than one of a plain file, so more of them are held: 16 MiB.
const HELD: &str = "PRAGMA cache_size = -16384";

/// A connection in a read transaction that has begun to read.
pub(super) enum View {
    /// Of the live file, and another connection that sees the same state, if there is one.
    Live(Connection, Option<Connection>),
    /// Of a copy, for which nobody waits.
    Apart(Copy),
}

impl Deref for View {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::Live(connection, _) => connection,
            Self::Apart(copy) => copy,
        }
    }
}

impl View {
    /// Reads the live file.
    pub(super) fn live(path: &Path) -> Result<Self, SqliteError> {
        until_it_stays(path, || {
            let connection = open(path)?;
            let begun = begin(&connection);
            begun.or_else(|e| begin_anyhow(path, &connection, Trouble::IsRefused, e))?;
            Ok((!moved(path, &connection)?).then_some(Self::Live(connection, None)))
        })
    }

    /// Reads the live file where its writers do not wait for that, else a copy in `dir`.
    pub(super) fn apart(path: &Path, dir: &Path, trouble: Trouble) -> Result<Self, SqliteError> {
        until_it_stays(path, || {
            let mut connection = open(path)?;
            let fail = |error| SqliteError::on_open(path, error);
            let mode = apart::mode(&mut connection, PATIENCE).map_err(fail)?;
            if mode == Mode::Rollback {
                return copied(path, &mut connection, mode, dir, trouble);
            }
            let watcher = Watcher::new(path);
            match begin(&connection) {
                Err(error) if mode == Mode::Log && lacks_index(path, &error) => {
                    copied(path, &mut open(path)?, mode, dir, trouble)
                }
                begun => {
                    begun.or_else(|e| begin_anyhow(path, &connection, trouble, e))?;
                    let same = has_log(&connection).map_err(fail)? == (mode == Mode::Log);
                    let stays = same && !moved(path, &connection)?;
                    // Zeros would be read for the rest of a page. What is read here meanwhile keeps the log that
                    // is copied from being begun anew.
                    if stays && short::is_torn(&connection, path).map_err(fail)? {
                        return copied(path, &mut open(path)?, mode, dir, trouble);
                    }
                    let second = watcher.and_then(|it| it.begin_if_same(path, &connection));
                    Ok(stays.then_some(Self::Live(connection, second)))
                }
            }
        })
    }

    /// Another view of the same state, to be read beside this one, if there can be one.
    pub(super) fn second(&mut self) -> Option<Self> {
        match self {
            Self::Live(_, second) => second.take().map(|second| Self::Live(second, None)),
            Self::Apart(copy) => {
                let again = copy.again().ok()??;
                let begun = again.execute_batch(ALONE).and_then(|()| begin(&again));
                begun.and_then(|()| again.execute_batch(HELD)).ok()?;
                Some(Self::Apart(again))
            }
        }
    }
}

/// Sees whether anybody commits until another connection has begun to read: only if nobody does, both read one state.
struct Watcher {
    connection: Connection,
    version: i64,
}

impl Watcher {
    /// Looks from now on; none if the database cannot be read.
    fn new(path: &Path) -> Option<Self> {
        let connection = open(path).ok()?;
        // Whoever is to read waits for writers; this one is of use only where there are none.
        connection.busy_timeout(Duration::ZERO).ok()?;
        let version = version(&connection).ok()?;
        Some(Self {
            connection,
            version,
        })
    }

    /// The watching connection, in a read transaction, if it is of the same file as the `first`, which has begun, and
    /// nobody has committed meanwhile.
    fn begin_if_same(self, path: &Path, first: &Connection) -> Option<Connection> {
        let watching = &self.connection;
        begin(watching).ok()?;
        // A link may lead somewhere else by now, and a file be another one.
        let one_file = watching.path() == first.path()
            && !moved(path, watching).ok()?
            && !moved(path, first).ok()?;
        let same = one_file && version(watching).ok()? == self.version;
        same.then_some(self.connection)
    }
}

/// A number that another connection's commit changes, from one look of this connection to the next.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA data_version", [], |row| row.get(0))
}

/// Tries until the database is the same before and after.
fn until_it_stays(
    path: &Path,
    mut once: impl FnMut() -> Result<Option<View>, SqliteError>,
) -> Result<View, SqliteError> {
    for _ in 0..TRIES {
        if let Some(view) = once()? {
            return Ok(view);
        }
    }
    Err(SqliteError::Replaced {
        path: path.to_owned(),
    })
}

/// A read-only connection that has not begun to read.
fn open(path: &Path) -> Result<Connection, SqliteError> {
    let absolute = regular_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(absolute, flags).map_err(|e| SqliteError::on_open(path, e))
}

/// A copy of the database of `connection`, which has not begun to read; none if that is another one now.
fn copied(
    path: &Path,
    connection: &mut Connection,
    mode: Mode,
    dir: &Path,
    trouble: Trouble,
) -> Result<Option<View>, SqliteError> {
    let Some(copy) = apart::copy(path, connection, mode, dir, PATIENCE)? else {
        return Ok(None);
    };
    // Only after the copying: what lies beside the database was opened by name.
    if moved(path, connection)? {
        return Ok(None);
    }
    let begun = copy.execute_batch(ALONE).and_then(|()| begin(&copy));
    begun.or_else(|e| begin_anyhow(path, &copy, trouble, e))?;
    let held = copy.execute_batch(HELD);
    held.map_err(|e| SqliteError::on_open(path, e))?;
    Ok(Some(View::Apart(copy)))
}

/// Whether another file stands at the path now.
fn moved(path: &Path, connection: &Connection) -> Result<bool, SqliteError> {
    let mut moved = 0;
    connection
        .file_control(Some(MAIN_DB), FileControl::HasMoved(&mut moved))
        .map_err(|e| SqliteError::on_open(path, e))?;
    Ok(moved != 0)
}

/// Whether a transaction that has begun reads a log.
fn has_log(connection: &Connection) -> rusqlite::Result<bool> {
    let mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))?;
    Ok(mode == "wal")
}

/// Whether a database with a log could not be read because its index can be made nowhere: where nobody
/// can write.
fn lacks_index(path: &Path, error: &rusqlite::Error) -> bool {
    let refused = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    );
    refused && statvfs(path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn begin(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(PATIENCE)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    stand_in(conn)?;
    // A column misspelt in a `where` shall be an error, not a string.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    // What a damaged page seems to hold is looked at more closely, so that it is not taken for rows.
    conn.execute_batch(
        "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; BEGIN",
    )?;
    fix_view(conn)
}

/// Begins to read a file that is too short, where that is not refused.
fn begin_anyhow(
    path: &Path,
    conn: &Connection,
    trouble: Trouble,
    error: rusqlite::Error,
) -> Result<(), SqliteError> {
    let short = match is_damage(&error) && !conn.is_autocommit() {
        true => short::begin(conn, path).map_err(|e| SqliteError::on_open(path, e))?,
        false => None,
    };
    match short {
        None => Err(SqliteError::on_open(path, error)),
        Some(_) if trouble == Trouble::IsNoted => Ok(()),
        Some(short) => Err(SqliteError::Short {
            path: path.to_owned(),
            there: short.there,
            pages: short.pages,
        }),
    }
}

/// BEGIN alone does not look at the file: this read is what fixes the view.
pub(super) fn fix_view(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(dir: &Path, name: &str, mode: &str) -> std::path::PathBuf {
        let path = dir.join(name);
        let sql = format!("PRAGMA journal_mode = {mode}; CREATE TABLE \"{name}\"(a)");
        let made = Connection::open(&path).unwrap();
        made.execute_batch(&sql).unwrap();
        path
    }

    fn table(view: &View) -> String {
        let sql = "SELECT name FROM sqlite_schema";
        view.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_file_that_was_replaced_after_it_was_opened_is_seen() {
        for mode in ["DELETE", "WAL"] {
            let dir = tempfile::tempdir().unwrap();
            let (old, new) = (
                database(dir.path(), "old", mode),
                database(dir.path(), "new", mode),
            );
            let connection = open(&old).unwrap();
            assert!(!moved(&old, &connection).unwrap());
            std::fs::rename(&new, &old).unwrap();
            begin(&connection).unwrap();
            assert!(moved(&old, &connection).unwrap(), "{mode}");
            std::fs::remove_file(&old).unwrap();
            assert!(moved(&old, &connection).unwrap(), "{mode}");
            // It is what it was for as long as it is open.
            assert_eq!(table(&View::Live(connection, None)), "old");
        }
    }

    #[test]
    fn what_is_replaced_is_begun_anew_but_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let old = database(dir.path(), "old", "DELETE");
        let mut replaced = false;
        let view = until_it_stays(&old, || {
            let mut connection = open(&old)?;
            if !replaced {
                let new = database(dir.path(), "new", "DELETE");
                std::fs::rename(new, &old).unwrap();
                replaced = true;
            }
            let noted = Trouble::IsNoted;
            copied(&old, &mut connection, Mode::Rollback, dir.path(), noted)
        });
        assert_eq!(table(&view.unwrap()), "new");
        let mut tries = 0;
        let never = until_it_stays(&old, || {
            tries += 1;
            Ok(None)
        });
        assert!(matches!(never.err(), Some(SqliteError::Replaced { .. })));
        assert_eq!(tries, TRIES);
    }

    #[test]
    fn a_second_view_is_of_the_same_state() {
        for mode in ["DELETE", "WAL"] {
            let dir = tempfile::tempdir().unwrap();
            let path = database(dir.path(), "crm", mode);
            let mut view = View::apart(&path, dir.path(), Trouble::IsNoted).unwrap();
            let second = view.second().unwrap();
            let writer = Connection::open(&path).unwrap();
            writer.execute_batch("CREATE TABLE later(a)").unwrap();
            for seen in [&view, &second] {
                assert_eq!(count(seen), 1, "{mode}");
                assert!(!seen.is_autocommit());
            }
            seen_twice(&mut view, mode);
        }
    }

    /// A log's second view is there once; a copy's, as often as somebody asks.
    fn seen_twice(view: &mut View, mode: &str) {
        match view.second() {
            Some(again) => assert_eq!((count(&again), mode), (1, "DELETE")),
            None => assert_eq!(mode, "WAL"),
        }
    }

    fn count(view: &View) -> i64 {
        let sql = "SELECT count(*) FROM sqlite_schema";
        view.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn whoever_commits_meanwhile_is_seen() {
        for commits in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let path = database(dir.path(), "crm", "WAL");
            let writer = Connection::open(&path).unwrap();
            let watcher = Watcher::new(&path).unwrap();
            if commits {
                writer.execute_batch("INSERT INTO crm VALUES (1)").unwrap();
            }
            let first = open(&path).unwrap();
            begin(&first).unwrap();
            let same = |watcher: Watcher, first| watcher.begin_if_same(&path, first).is_some();
            assert_eq!(same(watcher, &first), !commits);
            // Between the two as well.
            let watcher = Watcher::new(&path).unwrap();
            let first = open(&path).unwrap();
            begin(&first).unwrap();
            if commits {
                writer.execute_batch("INSERT INTO crm VALUES (1)").unwrap();
            }
            assert_eq!(same(watcher, &first), !commits);
        }
    }

    #[test]
    fn another_file_behind_the_same_link_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (
            database(dir.path(), "one", "WAL"),
            database(dir.path(), "other", "WAL"),
        );
        let link = dir.path().join("current");
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let first = open(&link).unwrap();
        begin(&first).unwrap();
        let watcher = Watcher::new(&link).unwrap();
        assert!(watcher.begin_if_same(&link, &first).is_some());
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let watcher = Watcher::new(&link).unwrap();
        assert!(watcher.begin_if_same(&link, &first).is_none());
        // And one that was put in its place, and is there no more.
        let away = dir.path().join("away");
        std::fs::rename(&one, &away).unwrap();
        std::fs::rename(&other, &one).unwrap();
        let watcher = Watcher::new(&one).unwrap();
        std::fs::rename(&away, &one).unwrap();
        assert!(watcher.begin_if_same(&one, &first).is_none());
    }

    #[test]
    fn a_change_of_mode_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = database(dir.path(), "crm", "WAL");
        let mut connection = open(&path).unwrap();
        let noted = Trouble::IsNoted;
        let copy = copied(&path, &mut connection, Mode::Rollback, dir.path(), noted);
        assert!(copy.unwrap().is_none());
        let view = View::apart(&path, dir.path(), noted).unwrap();
        assert!(matches!(view, View::Live(..)));
        assert!(has_log(&view).unwrap());
        drop(view);
        let owner = Connection::open(&path).unwrap();
        owner.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
        let view = View::apart(&path, dir.path(), noted).unwrap();
        assert!(matches!(view, View::Apart(_)));
        assert!(!has_log(&view).unwrap());
    }
}
