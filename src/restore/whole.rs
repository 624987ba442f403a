//! Restores everything, or one source, into an empty directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use zeroize::Zeroizing;

use super::collect::Collector;
use super::lives::{Change, Lives};
use super::lost::Lost;
use super::rows::{Resolver, Tables, cells, each_row};
use super::site::{Site, check_empty};
use super::{check_journal, fetcher};
use crate::clock::Timestamp;
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx;
use crate::ids::{Class, SnapshotId, StoreName};
use crate::manifest::{Manifest, SourceState};
use crate::page::Entry;
use crate::repo::Repository;
use crate::repo::objects::{Fetcher, pack_path};
use crate::repo::view::View;
use crate::report::{Report, Unit};
use crate::seal::Decompressor;
use crate::source::sqlite::Builder;
use crate::spill::{Sorted, Sorter};

/// What was restored.
pub struct Restored {
    /// From which snapshot.
    pub id: SnapshotId,
    /// The sources.
    pub sources: Vec<RestoredSource>,
    /// What was left out on purpose, in words.
    pub left_out: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// One restored database.
pub struct RestoredSource {
    /// The source's name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Rows in it.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Values that referred to forgotten customers and are NULL now.
    pub nulled: u64,
    /// Neutral rows that stand for forgotten customers where NULL is forbidden.
    pub tombstones: u64,
    /// What is not as it should be: see [`Built::problems`](crate::source::sqlite::Built::problems).
    pub problems: Vec<String>,
    /// How many references of which tables lead nowhere.
    pub violations: Vec<(String, u64)>,
}

/// Restores a snapshot into `to`, which must be empty or not there.
pub fn whole(
    repository: &Repository,
    to: &Path,
    id: SnapshotId,
    source: Option<&str>,
    store: Option<&StoreName>,
    report: &dyn Report,
) -> Outcome<Restored> {
    let started = Timestamp::now();
    check_empty(to)?;
    let fetcher = fetcher(repository, id, store)?;
    let view = View::open(repository, &fetcher, id)?;
    let wanted = wanted(view.manifest().sources.as_slice(), source)?;
    let site = Site::begin(to)?;
    let lives = Lives::new(repository, view.manifest())?;
    let from = (repository, &view, &fetcher);
    let (mut sorters, lost, opened) = sort_around_damage(from, &lives, &wanted, &site, report)?;
    let (forgotten, mut left_out) = opened;
    let mut resolver = Resolver::new(repository.id(), &repository.keyring.forest);
    let mut sources = Vec::new();
    for state in wanted {
        let Some(sorter) = sorters.remove(&state.number) else {
            continue;
        };
        let restored = build(&site, state, sorter.finish()?, &mut resolver, report);
        let restored = restored.failed_to(|| format!("restore source {:?}", state.name))?;
        let problems = [lost.words(state.number, &fetcher), restored.problems].concat();
        sources.push(RestoredSource {
            problems,
            ..restored
        });
    }
    check_journal(repository)?;
    site.finish()?;
    for pack in fetcher.lost() {
        let path = pack_path(pack);
        report.note(&format!(
            "no store that was asked has {path} whole: what still opens in it was taken (`tenure verify --data` names \
             what else is damaged)"
        ));
    }
    if !left_out.is_empty() {
        left_out.extend(sources.iter().flat_map(led_to));
    }
    if forgotten > 0 {
        let s = if forgotten == 1 { "" } else { "s" };
        left_out.push(format!("{forgotten} forgotten customer{s}"));
    }
    left_out.extend(not_hidden(&lives));
    let seconds = Timestamp::now().seconds_since(started);
    Ok(Restored {
        id,
        sources,
        left_out,
        seconds,
    })
}

/// How many references of a restored database lead nowhere, in words: to tables that were forgotten, or as before.
fn led_to(source: &RestoredSource) -> impl Iterator<Item = String> {
    let name = &source.name;
    let words = move |(table, count): &(String, u64)| {
        format!(
            "what references of table {name}.{table} lead to ({count}, also what was not there before)"
        )
    };
    source.violations.iter().map(words)
}

/// That somebody who is hidden could not be hidden in what was restored, in words.
pub(super) fn not_hidden(lives: &Lives) -> Option<String> {
    let hidden = lives.not_applied();
    let what = format!(
        "the hide of {hidden} customers: the register of this snapshot has no column that hides"
    );
    (hidden > 0).then_some(what)
}

fn wanted<'m>(sources: &'m [SourceState], source: Option<&str>) -> Outcome<Vec<&'m SourceState>> {
    let wanted: Vec<_> = sources
        .iter()
        .filter(|state| source.is_none_or(|name| name == state.name))
        .collect();
    match source {
        Some(name) if wanted.is_empty() => {
            let known: Vec<_> = sources.iter().map(|state| state.name.as_str()).collect();
            let what = format!("the snapshot has no source {name:?}");
            Err(Failure::of(FailureKind::NotFound, what)
                .hint(format!("sources: {}", known.join(", "))))
        }
        _ => Ok(wanted),
    }
}

/// What rows come from.
type From<'f> = (&'f Repository, &'f View, &'f Fetcher);
/// How many customers were forgotten, and which tables, in words.
type Forgotten = (u64, Vec<String>);

/// Sorts the rows of each source; once more without those whose packs turn out to be lost.
fn sort_around_damage(
    from: From<'_>,
    lives: &Lives,
    wanted: &[&SourceState],
    site: &Site,
    report: &dyn Report,
) -> Outcome<(BTreeMap<u32, Sorter>, Lost, Forgotten)> {
    let (repository, view, fetcher) = from;
    let sort = |lost: Lost| {
        let sorters = wanted
            .iter()
            .map(|state| (state.number, Sorter::new(site.work())));
        let mut sorters = sorters.collect();
        let opened = sort_rows(from, lives, &lost, &mut sorters, report)?;
        Ok((sorters, lost, opened))
    };
    match sort(Lost::default()) {
        Err(_) if !fetcher.lost().is_empty() => {
            report.note("packs are damaged or gone: looking who is not in them");
            sort(Lost::look(repository, view, fetcher)?)
        }
        sorted => sorted,
    }
}

/// Opens every piece that can be opened, and sorts the rows by table and rowid, in a thread of its own.
fn sort_rows(
    from: From<'_>,
    lives: &Lives,
    lost: &Lost,
    sorters: &mut BTreeMap<u32, Sorter>,
    report: &dyn Report,
) -> Outcome<Forgotten> {
    let (_, view, _) = from;
    let total = view.manifest().totals.plain_bytes;
    let is_full = view.chain().len() == 1;
    report.begin(
        "reading the snapshot",
        is_full.then_some(total),
        Unit::Bytes,
    );
    let sources: BTreeSet<u32> = sorters.keys().copied().collect();
    let opened = thread::scope(|scope| {
        let (to, opened) = sync_channel(4);
        let sorting = scope.spawn(move || sort_opened(&opened, sorters));
        let opened = open_pieces(from, lives, (lost, &sources), &to, report);
        drop(to);
        let sorted = sorting.join();
        let sorted = sorted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Where opening failed, what has come to the sorting is cut short; where sorting did, opening has merely ended.
        opened.and_then(|opened| sorted.map(|()| opened))
    })?;
    report.end();
    Ok(opened)
}

/// What one thread hands to the other.
enum Opened<'l> {
    /// Pieces of an entry in this source follow; its rows are changed so.
    Entry(u32, Option<Change<'l>>),
    /// The next piece.
    Piece(Zeroizing<Vec<u8>>),
}

/// Plain bytes of pieces that are handed over at once.
const BATCH: u32 = 256 << 10;

fn open_pieces<'l>(
    (repository, view, fetcher): From<'_>,
    lives: &'l Lives,
    (lost, sources): (&Lost, &BTreeSet<u32>),
    to: &SyncSender<Vec<Opened<'l>>>,
    report: &dyn Report,
) -> Outcome<Forgotten> {
    let forest = &repository.keyring.forest;
    let mut keys = forest.walker();
    let mut decompressor = Decompressor::new()?;
    let (mut forgotten, mut tables) = (BTreeSet::new(), Vec::new());
    let (mut batch, mut size) = (Vec::new(), 0);
    // Not, if nobody sorts any more.
    let hand_on = |batch: &mut Vec<_>| to.send(std::mem::take(batch)).is_ok();
    let mut entries = view.entries(fetcher, repository.id())?;
    'entries: while let Some(entry) = entries.next_entry()? {
        if !sources.contains(&entry.source) || lost.has(&entry) {
            continue;
        }
        let Some(key) = keys.key(entry.domain) else {
            if entry.domain.class == Class::OWN {
                tables.push(own_rows(view.manifest(), &entry));
            } else {
                forgotten.insert((entry.domain.inc, entry.domain.arrival));
            }
            continue;
        };
        let change = lives.of(entry.domain, entry.source);
        batch.push(Opened::Entry(entry.source, change));
        for piece in entry.pieces.iter().flatten() {
            let plain = fetcher.piece_of_pack(piece, &key, forest, &mut decompressor)?;
            batch.push(Opened::Piece(plain));
            size += piece.plain;
            if size >= BATCH {
                report.advance(u64::from(std::mem::take(&mut size)));
                if !hand_on(&mut batch) {
                    break 'entries;
                }
            }
        }
    }
    report.advance(size.into());
    hand_on(&mut batch);
    Ok((forgotten.len() as u64, tables))
}

fn sort_opened(
    from: &Receiver<Vec<Opened<'_>>>,
    sorters: &mut BTreeMap<u32, Sorter>,
) -> Outcome<()> {
    let mut entry: Option<(&mut Sorter, Collector<'_>)> = None;
    for opened in from.iter().flatten() {
        match opened {
            Opened::Entry(source, change) => {
                if let Some((_, collector)) = entry.take() {
                    collector.finish()?;
                }
                let sorter = sorters.get_mut(&source);
                entry = sorter.map(|sorter| (sorter, Collector::new(change)));
            }
            Opened::Piece(plain) => {
                if let Some((sorter, collector)) = &mut entry {
                    collector.piece(&plain, sorter)?;
                }
            }
        }
    }
    match entry {
        Some((_, collector)) => collector.finish(),
        None => Ok(()),
    }
}

/// What is said of a table's domain that was forgotten.
pub(super) fn own_rows(manifest: &Manifest, entry: &Entry) -> String {
    let mut sources = manifest.sources.iter();
    let source = sources.find(|source| source.number == entry.source);
    let named = source.and_then(|source| {
        let mut tables = source.schema.tables.iter().zip(&source.tables);
        let (table, _) =
            tables.find(|(_, state)| [state.whole, state.orphans].contains(&Some(entry.domain)))?;
        Some(format!("{}.{}", source.name, table.name))
    });
    match named {
        Some(table) => format!("forgotten rows of table {table}"),
        // It was settled since the base of the snapshot was taken.
        None => format!("forgotten rows of a table (domain {})", entry.domain),
    }
}

fn build(
    site: &Site,
    state: &SourceState,
    sorted: Sorted,
    resolver: &mut Resolver<'_>,
    report: &dyn Report,
) -> Outcome<RestoredSource> {
    let folder = site.work().join(&state.name);
    fsx::create_dir(&folder)?;
    let path = folder.join(&state.file_name);
    let tables = Tables::new(state);
    let total = state.tables.iter().map(|table| table.rows).sum();
    report.begin("writing the database", Some(total), Unit::Items);
    let mut builder = Builder::create(&path, &state.schema)?;
    let mut since = 0;
    each_row(sorted, &tables, resolver, |row| {
        builder.put_long(row.index, row.rowid, &cells(&row.cells), row.long())?;
        since += 1;
        if since == 4096 {
            report.advance(std::mem::take(&mut since));
        }
        Ok(())
    })?;
    let built = builder.finish()?;
    report.end();
    let bytes = std::fs::metadata(&path)
        .map_err(fsx::FileError::new("look at", &path))?
        .len();
    Ok(RestoredSource {
        name: state.name.clone(),
        path: site.place_of(&path),
        rows: built.rows,
        bytes,
        nulled: built.nulled,
        tombstones: built.tombstones,
        problems: built.problems,
        violations: built.violations,
    })
}
