//! The packs of a store: one after the other through several threads, each read once.
//!
//! Memory is bounded by the number of threads: each holds one pack and one piece of it.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::expected::{ByPack, Expectations, Expected, LongRow};
use super::snapshots::{Wanted, get_whole};
use super::{Look, told};
use crate::cbor::Malformed;
use crate::error::{Failure, Outcome};
use crate::ids::{Domain, RepoId};
use crate::keyring::tree::Forest;
use crate::pack::{self, Pack};
use crate::piece::cut::read_cut;
use crate::piece::{self, RowReader};
use crate::repo::objects::{Fetcher, check_name, open_dictionary, pack_path};
use crate::report::Report;
use crate::seal::Decompressor;
use crate::store::Store;

/// A pack to be looked at, with what entries of living domains say of it.
struct Work {
    wanted: Wanted,
    expected: Vec<Expected>,
}

/// What a thread has found.
#[derive(Default)]
struct Found {
    objects: u64,
    bytes: u64,
    blobs: u64,
    forgotten: u64,
    /// Bytes of the pack at hand that progress was told of.
    told: u64,
    /// Path and what is wrong, one for each bad pack.
    problems: Vec<(String, String)>,
}

impl Look<'_> {
    /// All packs, and then the rows that are spread over several pieces.
    pub(super) fn packs(&mut self, wanted: Vec<Wanted>, expected: Expectations<'_>) -> Outcome<()> {
        let (mut by_pack, long_rows) = expected.finish()?;
        let reader = Reader {
            repo: self.repository.id(),
            store: self.store,
            forest: &self.repository.keyring.forest,
            data: self.data,
            report: self.report,
        };
        let found = reader.all(wanted, by_pack.as_mut())?;
        for found in found {
            self.count(found.objects, found.bytes);
            self.verified.blobs += found.blobs;
            self.verified.forgotten += found.forgotten;
            for (path, what) in found.problems {
                self.problem(&path, what);
            }
        }
        let fetcher = Fetcher::new(reader.repo, vec![reader.store.clone()], None);
        for row in long_rows {
            let paths: HashSet<_> = row.pieces.iter().map(|p| pack_path(p.pack.name)).collect();
            if paths.is_disjoint(&self.bad)
                && let Err(failure) = reader.long_row(&row, &fetcher)
                && let Some(first) = row.pieces.first()
            {
                self.problem(&pack_path(first.pack.name), told(&failure));
            }
        }
        Ok(())
    }
}

/// What every thread needs.
#[derive(Clone, Copy)]
struct Reader<'a> {
    repo: RepoId,
    store: &'a Store,
    forest: &'a Forest,
    data: bool,
    report: &'a dyn Report,
}

impl Reader<'_> {
    fn all(&self, wanted: Vec<Wanted>, mut by_pack: Option<&mut ByPack>) -> Outcome<Vec<Found>> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(wanted.len());
        let (send, queue) = sync_channel(1);
        // The threads alone hold the far end: should all of them fail, nobody waits for them.
        let queue = Arc::new(Mutex::new(queue));
        thread::scope(|scope| {
            let lend = |_| {
                let queue = Arc::clone(&queue);
                scope.spawn(move || self.take_all(&queue))
            };
            let running: Vec<_> = (0..threads).map(lend).collect();
            drop(queue);
            let handed_out = wanted
                .into_iter()
                .enumerate()
                .try_for_each(|(rank, wanted)| {
                    let expected = match &mut by_pack {
                        Some(by_pack) => by_pack.of(rank)?,
                        None => Vec::new(),
                    };
                    let gone = |_| Failure::new("no thread is left to read packs");
                    send.send(Work { wanted, expected }).map_err(gone)
                });
            drop(send);
            let found = running
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Outcome<Vec<_>>>();
            handed_out.and(found)
        })
    }

    fn take_all(&self, queue: &Mutex<Receiver<Work>>) -> Outcome<Found> {
        let mut found = Found::default();
        let mut decompressor = Decompressor::new()?;
        loop {
            // Held only while waiting; nothing can be half done under it.
            let work = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(work) = work else { return Ok(found) };
            let path = pack_path(work.wanted.pack.name);
            if let Err(what) = self.pack(&path, &work, &mut decompressor, &mut found) {
                found.problems.push((path, what));
            }
            let told = std::mem::take(&mut found.told);
            self.report
                .advance(work.wanted.pack.size.saturating_sub(told));
        }
    }

    fn pack(
        &self,
        path: &str,
        work: &Work,
        decompressor: &mut Decompressor,
        found: &mut Found,
    ) -> Result<(), String> {
        let Wanted { pack: named, head } = work.wanted;
        let bytes = get_whole(self.store, path, named.size)?;
        found.objects += 1;
        found.bytes += bytes.len() as u64;
        let pack = Pack::read(named.name, bytes).map_err(|error| error.to_string())?;
        let found_head = (*pack.head().salt(), pack.head().dictionary_len());
        if head.is_some_and(|said| said != found_head) {
            return Err("its head is not the one that pages give".into());
        }
        if !self.data {
            return Ok(());
        }
        self.blobs(&pack, work, decompressor, found)
            .map_err(|failure| told(&failure))
    }

    /// The table of contents, and every blob that can be opened.
    fn blobs(
        &self,
        pack: &Pack,
        work: &Work,
        decompressor: &mut Decompressor,
        found: &mut Found,
    ) -> Outcome<()> {
        let head = pack.head();
        let meta = self.forest.key(Domain::meta(head.incarnation()));
        let meta = meta.ok_or_else(|| Failure::new("an unknown incarnation wrote it"))?;
        let contents = pack.contents(self.repo, &meta)?;
        check_expected(&contents, &work.expected)?;
        let dictionary = open_dictionary(self.repo, head, pack.bytes(), self.forest)?;
        let mut keys = self.forest.walker();
        let mut expected = work.expected.iter().peekable();
        for pack::Entry { domain, slot, .. } in contents {
            let Some(key) = keys.key(domain) else {
                if !self.forest.is_punctured(domain) {
                    return Err(Failure::new(format!(
                        "the keyring knows nothing of domain {domain}"
                    )));
                }
                found.forgotten += 1;
                continue;
            };
            let sealed = pack.blob(slot)?;
            let frame = pack::open_blob(self.repo, &key, head.salt(), slot.offset, sealed)?;
            let plain = decompressor.plain(&frame, dictionary.as_ref())?;
            found.blobs += 1;
            // A pack may take seconds: it is told of by its blobs.
            found.told += u64::from(slot.len);
            self.report.advance(u64::from(slot.len));
            let rows = whole_rows(&plain)?;
            while let Some(said) = expected.next_if(|said| said.slot.offset <= slot.offset) {
                check_name(&key, &plain, said.name)?;
                let counted = rows.is_none_or(|rows| rows == u64::from(said.rows));
                if plain.len() != said.plain as usize || !counted {
                    return Err(Failure::new("a piece is not as long as an entry says"));
                }
            }
        }
        Ok(())
    }

    /// Puts a row together that is spread over several pieces.
    fn long_row(&self, row: &LongRow, fetcher: &Fetcher) -> Outcome<()> {
        let key = self
            .forest
            .key(row.domain)
            .ok_or_else(|| Failure::new("its domain has no key"))?;
        let mut reader = RowReader::default();
        let mut body = Vec::new();
        let mut next = row.pieces.iter().enumerate();
        // Every piece is opened, also those that nothing but a long value stands in.
        let lens = row.pieces.iter().map(|piece| piece.plain as usize);
        // Without the byte that tells what a piece is.
        let lens: Vec<usize> = lens.map(|len| len.saturating_sub(1)).collect();
        read_cut(&lens, |wanted| {
            loop {
                let Some((at, piece)) = next.next() else {
                    return Outcome::Ok(body.clone());
                };
                let plain = fetcher.piece(piece, &key, self.forest)?;
                reader.piece(&plain, |found| match found {
                    piece::Found::Part { body: part, .. } => {
                        body = part.to_vec();
                        Ok(())
                    }
                    piece::Found::Row(..) => Err(Malformed),
                })?;
                if at == wanted {
                    return Ok(body.clone());
                }
            }
        })?;
        Ok(reader.finish()?)
    }
}

/// That everything that entries refer to is in the table of contents, under the same name where that tells names.
fn check_expected(contents: &[pack::Entry], expected: &[Expected]) -> Outcome<()> {
    for said in expected {
        let at = contents.binary_search_by_key(&said.slot.offset, |entry| entry.slot.offset);
        let same = at.is_ok_and(|at| {
            let entry = contents[at];
            let named = entry.name.is_none_or(|name| name == said.name);
            (entry.domain, entry.slot) == (said.domain, said.slot) && named
        });
        if !same {
            let what = "an entry refers to a piece that its table of contents does not have";
            return Err(Failure::new(what));
        }
    }
    Ok(())
}

/// How many rows a piece holds; none if it is part of a longer row, which it cannot tell alone.
fn whole_rows(plain: &[u8]) -> Result<Option<u64>, Malformed> {
    if piece::is_fragment(plain) {
        return Ok(None);
    }
    let mut rows = 0;
    let mut reader = RowReader::default();
    reader.piece(plain, |_| {
        rows += 1;
        Ok::<_, Malformed>(())
    })?;
    reader.finish()?;
    Ok(Some(rows))
}
