//! Incrementals that read no more than what triggers in the source have noted as changed.
//!
//! Notes are trusted if the source stands where the snapshot before has left it, and nobody was forgotten or let in again
//! since, whose references in other customers' rows would have to be written anew. Whatever is in doubt,
//! everything is read, and that is told.
//!
//! What a snapshot has left is noted in the catalog, under the snapshot's number, before it stands in the source: a crash
//! between the two makes the next snapshot read everything.

use crate::config::{Changes, Source};
use crate::error::{Failure, Outcome};
use crate::ids::{ObjectName, SnapshotId};
use crate::journal::Event;
use crate::manifest::Manifest;
use crate::repo::Repository;
use crate::schema::{Ownership, Table};
use crate::source::sqlite::{self, Database, Noted};

/// Where a source's notes stood when it was read, or why they cannot be trusted.
pub type Stand = Result<Noted, String>;

/// Fewer customers than that are always read by themselves.
const FEW: u64 = 1000;

/// How many customers are read by themselves at most: one in so many.
const SHARE: u64 = 8;
/// The same where writers wait for that, as long as a copy of the database would take.
const SHARE_WAITED_FOR: u64 = 64;

/// Whether a source's changes are tracked.
pub fn is_tracked(source: &Source) -> bool {
    source.changes == Changes::Triggers
}

/// Says to all tracked sources that a snapshot begins. One that cannot be told keeps its notes for the next one too.
pub fn begin(repository: &Repository) {
    for source in repository
        .config
        .sources
        .iter()
        .filter(|source| is_tracked(source))
    {
        let _ = sqlite::begin(&source.path);
    }
}

/// Where the notes of a source stand that was read.
pub fn stand(source: &Source, database: &Database) -> Outcome<Option<Stand>> {
    if !is_tracked(source) {
        return Ok(None);
    }
    let mut tables = 0..database.schema().tables.len();
    if tables.any(|table| database.is_damaged(table)) || database.is_short().is_some() {
        return Ok(Some(Err("it is damaged".to_owned())));
    }
    Ok(Some(database.noted()?))
}

/// The source with its notes, if they tell of everything that has changed since the snapshot of `manifest`.
pub fn trusted(
    repository: &Repository,
    id: SnapshotId,
    manifest: &Manifest,
) -> Outcome<Result<(Source, Database, Noted), String>> {
    let sources = &repository.config.sources;
    if let Some(other) = sources.iter().find(|source| !is_tracked(source)) {
        return Ok(Err(format!("{}: changes are not tracked", other.name)));
    }
    let [source] = &sources[..] else {
        return Ok(Err("there are several sources".to_owned()));
    };
    let told = |why: String| Ok(Err(format!("{}: {why}", source.name)));
    let database = match Database::open_trusting(&source.path, &source.rules) {
        Ok(database) => database,
        Err(error) => return told(Failure::from(error).to_string()),
    };
    match doubt(repository, (id, manifest), source, &database)? {
        Ok(noted) => Ok(Ok((source.clone(), database, noted))),
        Err(why) => told(why),
    }
}

/// Where the notes of a source stand; or why they do not tell of everything that has changed since a snapshot.
pub fn doubt(
    repository: &Repository,
    (id, manifest): (SnapshotId, &Manifest),
    source: &Source,
    database: &Database,
) -> Outcome<Stand> {
    let mut tables = manifest
        .sources
        .iter()
        .flat_map(|source| &source.schema.tables);
    if let Some(table) = tables.find(|table| table.ownership == Ownership::Ambiguous) {
        return Ok(Err(format!("table {:?} is ambiguous", table.name)));
    }
    if forgotten_since(repository, manifest)? {
        return Ok(Err("customers were forgotten or let in again".to_owned()));
    }
    let noted = match database.noted()? {
        Ok(noted) => noted,
        Err(why) => return Ok(Err(why)),
    };
    let left = repository.catalog.note(&name(source))?.unwrap_or_default();
    let differs = differs(&left, &standing(repository, source, id, &noted));
    if let Some(why) = differs {
        return Ok(Err(why.to_owned()));
    }
    let was = manifest.sources.iter().flat_map(|one| &one.schema.tables);
    if !was
        .map(read_as)
        .eq(database.schema().tables.iter().map(read_as))
    {
        return Ok(Err("its rows are read otherwise than before".to_owned()));
    }
    Ok(Ok(noted))
}

/// What says how a table's rows are read, and whom they refer to: the schema, rules, and the version of this program.
fn read_as(table: &Table) -> impl PartialEq {
    let (alias, references) = (&table.rowid_alias, &table.references);
    let rows = (alias, table.has_rowid, references);
    (&table.name, &table.columns, rows)
}

/// How many customers are read by themselves at most, of so many.
pub fn most(database: &Database, customers: u64) -> u64 {
    let mut pragmas = database.schema().pragmas.iter();
    let has_log = pragmas.any(|(name, value)| name == "journal_mode" && value == "wal");
    FEW.max(customers / if has_log { SHARE } else { SHARE_WAITED_FOR })
}

/// Notes where a source stands now that a snapshot has got its name.
///
/// # Errors
/// When the catalog cannot be written. A source that cannot be told is read as a whole next time.
pub fn named(
    repository: &mut Repository,
    id: SnapshotId,
    stands: &[(Source, Stand)],
) -> Outcome<()> {
    for (source, stand) in stands {
        let Ok(seen) = stand else { continue };
        let told = sqlite::done(&source.path, seen, |lineage| -> Outcome<()> {
            let now = Noted {
                lineage: lineage.to_owned(),
                ..seen.clone()
            };
            let standing = standing(repository, source, id, &now).join(" ");
            repository
                .catalog
                .change(|change| change.set_note(&name(source), &standing))?;
            Ok(())
        });
        // Its notes stay, and what the catalog has says that they are not to be trusted.
        let _ = told;
    }
    Ok(())
}

fn name(source: &Source) -> String {
    format!("tracking {}", source.name)
}

/// Where a source stands, in words without spaces.
fn standing(
    repository: &Repository,
    source: &Source,
    id: SnapshotId,
    noted: &Noted,
) -> [String; 4] {
    let rules = format!(
        "{:?} {:?} {}",
        source.rules,
        repository.config.class_names(),
        env!("CARGO_PKG_VERSION")
    );
    [
        id.to_string(),
        noted.lineage.clone(),
        noted.schema_version.to_string(),
        ObjectName::of(rules.as_bytes()).to_string(),
    ]
}

/// In what a source does not stand as it was left.
fn differs(left: &str, now: &[String; 4]) -> Option<&'static str> {
    let why = [
        "what its notes stood at after the snapshot before is not known",
        "it is not the database that the snapshot before has left: an older copy was put back, or the last snapshot was \
         interrupted",
        "its schema was changed",
        "the rules or this program have changed",
    ];
    let mut left = left.split(' ');
    now.iter()
        .zip(why)
        .find(|(now, _)| left.next() != Some(now))
        .map(|(_, why)| why)
}

/// Whether somebody was erased or readmitted since a snapshot.
fn forgotten_since(repository: &Repository, manifest: &Manifest) -> Outcome<bool> {
    let now = repository.log().position();
    let then = manifest
        .journal
        .iter()
        .find(|position| position.inc == now.inc);
    let first = then.map_or(0, |position| position.len) + 1;
    let entries = repository
        .log()
        .entries(first..now.len + 1, &repository.meta()?)?;
    let bears = |event: &Event| matches!(event, Event::Erased { .. } | Event::Readmitted { .. });
    Ok(entries.iter().any(|entry| bears(&entry.event)))
}
