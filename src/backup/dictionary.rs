//! Makes the dictionary that short pieces are compressed with: of what many customers share, found by counting.
//!
//! Some customers' rows are kept aside while they are read. They are cut into *words*: items of CBOR, and the
//! words and the gaps between words of texts. A *run* is up to [`LONGEST`] words one behind the other. The runs
//! that [`SHARED_BY`] or more different customers have are counted level by level, since a run can be that common
//! only if the two runs are of which it consists but for its ends. The best of them are the dictionary's content:
//! those that save most, best last, where they are cheapest to refer to.
//!
//! Values that lead to other customers, and what is longer than [`LONGEST_WORD`], stand in no run.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::ids::Domain;
use crate::repo::Repository;
use crate::repo::objects::Fetcher;
use crate::repo::view::View;
use crate::seal::{Dictionary, SHARED_BY};

mod runs;
#[cfg(test)]
mod tests;
mod words;

use runs::runs;
use words::words;

/// Bytes of rows that are kept aside: ten to twenty thousand customers of a few hundred bytes.
const SAMPLE: usize = 12 << 20;
/// Bytes that are kept of one customer's rows: whoever has more must not leave the others without room.
const OF_ONE: usize = 64 << 10;
/// Longer rows are not looked at: there are not many of them, and they bring words of their own.
const LONGEST_ROW: usize = 4 << 10;
/// The most words of a run.
const LONGEST: usize = 6;
/// The most bytes of a word.
const LONGEST_WORD: usize = 40;
/// The most bytes of a dictionary's content. Beyond that, references to it get longer, and each context's own copy of
/// its tables does not stay in the processor's nearest memory.
const CONTENT: usize = 64 << 10;
/// The most words that are counted, which bounds the memory for it: fewer than that are in rows of the usual kind.
const WORDS: usize = 4 << 20;
/// How many customers' rows the statistics are taken from, and how many bytes of each: none is to outweigh the others.
const SAMPLES: usize = 4096;
const SAMPLE_OF_ONE: usize = 4 << 10;

/// The dictionary that a snapshot's pieces were compressed with, if they were and it can be read. Incrementals use it on;
/// a full snapshot counts anew, since customers come and go, and with them what at least [`SHARED_BY`] of them share.
pub fn of_before(
    repository: &Repository,
    fetcher: &Fetcher,
    view: &View,
) -> Option<Arc<Dictionary>> {
    let mut firsts = view
        .chain()
        .iter()
        .filter_map(|manifest| manifest.pages.first());
    firsts.find_map(|page| {
        let page = fetcher.near_index(page, view.meta()).ok()?;
        let pack = page.packs().iter().find(|pack| pack.dictionary > 0)?;
        fetcher.dictionary(pack, &repository.keyring.forest).ok()?
    })
}

/// Some customers' rows.
pub struct Sample {
    /// The most bytes that it holds.
    room: usize,
    /// Customers are in it whose number, scattered, ends with so many zero bits.
    zeros: u32,
    rows: Vec<(Customer, Range<usize>)>,
    bytes: Vec<u8>,
    /// How many bytes each customer has in it.
    shares: HashMap<Customer, usize, RandomState>,
}

/// Whoever has the same number in the same incarnation is one customer, whatever the class.
type Customer = ([u8; 8], u32);

impl Sample {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_room(SAMPLE)
    }

    fn with_room(room: usize) -> Self {
        Self {
            room,
            zeros: 0,
            rows: Vec::new(),
            bytes: Vec::new(),
            shares: HashMap::default(),
        }
    }

    /// Takes a row of a customer's.
    pub fn add(&mut self, domain: Domain, row: &[u8]) {
        let customer = (domain.inc.0, domain.arrival);
        if row.len() > LONGEST_ROW || !self.takes(customer) {
            return;
        }
        let share = self.shares.entry(customer).or_default();
        if *share + row.len() > OF_ONE {
            return;
        }
        *share += row.len();
        self.keep(customer, row);
        while self.bytes.len() > self.room {
            self.halve();
        }
    }

    fn keep(&mut self, customer: Customer, row: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(row);
        self.rows.push((customer, start..self.bytes.len()));
    }

    fn takes(&self, (_, arrival): Customer) -> bool {
        // Neighbours by arrival came on the same day from the same place: the numbers are scattered first.
        let scattered = arrival.wrapping_mul(0x9E37_79B1).reverse_bits();
        scattered.trailing_zeros() >= self.zeros
    }

    /// Leaves out every other customer.
    fn halve(&mut self) {
        self.zeros += 1;
        let (rows, bytes) = (
            std::mem::take(&mut self.rows),
            std::mem::take(&mut self.bytes),
        );
        for (customer, range) in rows {
            if self.takes(customer) {
                self.keep(customer, &bytes[range]);
            }
        }
        let mut shares = std::mem::take(&mut self.shares);
        shares.retain(|customer, _| self.takes(*customer));
        self.shares = shares;
    }

    /// The dictionary for customers like these; none if they share too little.
    pub fn dictionary(mut self) -> Option<Dictionary> {
        self.rows.sort_by_key(|(customer, _)| *customer);
        let customers: Vec<_> = self.rows.chunk_by(|a, b| a.0 == b.0).collect();
        // Statistics of few customers would tell of them.
        if customers.len() < SHARED_BY {
            return None;
        }
        let content = self.content(&customers);
        let (mut samples, mut lengths) = (Vec::new(), Vec::new());
        for rows in customers.iter().take(SAMPLES) {
            let start = samples.len();
            for (_, range) in *rows {
                samples.extend_from_slice(&self.bytes[range.clone()]);
            }
            samples.truncate(start + SAMPLE_OF_ONE);
            lengths.push(samples.len() - start);
        }
        Dictionary::of(&content, &samples, &lengths)
    }

    /// The best runs, best last.
    fn content(&self, customers: &[&[(Customer, Range<usize>)]]) -> Vec<u8> {
        let mut numbers: HashMap<&[u8], u32, RandomState> = HashMap::default();
        let mut known: Vec<&[u8]> = Vec::new();
        let (mut texts, mut count) = (Vec::with_capacity(customers.len()), 0);
        for rows in customers {
            if count > WORDS {
                break;
            }
            let mut text = Vec::new();
            for (_, range) in *rows {
                words(&self.bytes[range.clone()], &mut |word| {
                    text.push(word.map(|word| {
                        *numbers.entry(word).or_insert_with(|| {
                            known.push(word);
                            known.len() as u32 - 1
                        })
                    }));
                });
                // A run does not go on into the next row of the same customer, which need not be the next in a piece.
                text.push(None);
            }
            count += text.len();
            texts.push(text);
        }
        let found = runs(texts, SHARED_BY, LONGEST);
        let spelt = found.iter().map(|run| {
            let bytes: Vec<u8> = run
                .words
                .iter()
                .flat_map(|word| known[*word as usize])
                .copied()
                .collect();
            (run.customers, bytes)
        });
        best(spelt.collect())
    }
}

/// Of runs, each with how many share it: what belongs into the content.
fn best(mut runs: Vec<(u32, Vec<u8>)>) -> Vec<u8> {
    // What a reference to it saves, which itself takes some two bytes.
    let saved = |(customers, bytes): &(u32, Vec<u8>)| {
        u64::from(*customers) * (bytes.len() as u64).saturating_sub(2)
    };
    runs.retain(|run| saved(run) > 0);
    runs.sort_by(|a, b| saved(b).cmp(&saved(a)).then_with(|| a.1.cmp(&b.1)));
    let mut chosen: Vec<Vec<u8>> = Vec::new();
    let (mut all, mut size) = (Vec::new(), 0);
    for (_, bytes) in runs {
        if size + bytes.len() > CONTENT {
            break;
        }
        if memchr::memmem::find(&all, &bytes).is_none() {
            size += bytes.len();
            all.extend_from_slice(&bytes);
            chosen.push(bytes);
        }
    }
    chosen.into_iter().rev().flatten().collect()
}
