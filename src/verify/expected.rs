//! What pages say of packs, sorted by pack, so that each pack is read once and nothing has to be
//! kept in memory for the others.

use std::collections::HashSet;

use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::{Domain, Incarnation, ObjectName, PieceName};
use crate::keyring::tree::{Forest, ForestWalker};
use crate::pack::Slot;
use crate::page::{Entry, PieceRef};
use crate::repo::Repository;
use crate::spill::{Record, Sorted, Sorter};

/// What an entry says of one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) domain: Domain,
    pub(super) slot: Slot,
    pub(super) plain: u32,
    pub(super) rows: u32,
    pub(super) name: PieceName,
}

const LEN: usize = 44;

impl Expected {
    fn encode(domain: Domain, piece: &PieceRef) -> [u8; LEN] {
        let mut out = [0; LEN];
        let parts: [&[u8]; 6] = [
            &domain.inc.0,
            &domain.leaf().to_be_bytes(),
            &piece.slot.len.to_be_bytes(),
            &piece.plain.to_be_bytes(),
            &piece.rows.to_be_bytes(),
            &piece.name.0,
        ];
        let mut at = 0;
        for part in parts {
            out[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        out
    }

    fn decode(offset: u64, record: &[u8]) -> Option<Self> {
        let (inc, rest) = record.split_first_chunk()?;
        let (leaf, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (plain, rest) = rest.split_first_chunk()?;
        let (rows, name) = rest.split_first_chunk()?;
        Some(Self {
            domain: Domain::from_leaf(Incarnation(*inc), u64::from_be_bytes(*leaf))?,
            slot: Slot {
                offset: u32::try_from(offset).ok()?,
                len: u32::from_be_bytes(*len),
            },
            plain: u32::from_be_bytes(*plain),
            rows: u32::from_be_bytes(*rows),
            name: PieceName(name.try_into().ok()?),
        })
    }
}

/// A row that is longer than a piece: its pieces, in order.
pub(super) struct LongRow {
    pub(super) domain: Domain,
    pub(super) pieces: Vec<PieceRef>,
}

/// What entries of living domains say of pieces, as it is gathered. Nothing, unless data is read.
pub(super) struct Expectations<'a> {
    keys: ForestWalker<'a>,
    sorter: Option<Sorter>,
    long_rows: Vec<LongRow>,
    /// Where each of those begins: snapshots share them.
    known: HashSet<(ObjectName, u32)>,
}

impl<'a> Expectations<'a> {
    /// An empty one; it gathers only if `data` is to be read.
    pub(super) fn new(repository: &'a Repository, data: bool) -> Outcome<Self> {
        let forest: &Forest = &repository.keyring.forest;
        let sorter = if data {
            let spill = repository.state.path().join("spill");
            fsx::create_dir(&spill)?;
            Some(Sorter::new(&spill))
        } else {
            None
        };
        Ok(Self {
            keys: forest.walker(),
            sorter,
            long_rows: Vec::new(),
            known: HashSet::new(),
        })
    }

    /// The key of an entry's domain, if pieces are gathered and the domain lives.
    pub(super) fn key(&mut self, domain: Domain) -> Option<crate::secret::DomainKey> {
        self.sorter.as_ref()?;
        self.keys.key(domain)
    }

    /// Takes what an entry of a living domain says; `rank` tells a pack's place in the order.
    pub(super) fn take(
        &mut self,
        entry: &Entry,
        rank: impl Fn(&ObjectName) -> Option<usize>,
    ) -> Outcome<()> {
        let Some(sorter) = &mut self.sorter else {
            return Ok(());
        };
        let pieces = entry.pieces.as_deref().unwrap_or_default();
        for piece in pieces {
            if let Some(rank) = rank(&piece.pack.name) {
                let key = (rank as u64, u64::from(piece.slot.offset));
                sorter.push(key, &Expected::encode(entry.domain, piece))?;
            }
        }
        // A piece in which no row ends is a fragment, and goes on in the next.
        for pieces in pieces.split_inclusive(|piece| piece.rows > 0) {
            let Some(first) = pieces.first().filter(|first| first.rows == 0) else {
                continue;
            };
            if self.known.insert((first.pack.name, first.slot.offset)) {
                let (domain, pieces) = (entry.domain, pieces.to_vec());
                self.long_rows.push(LongRow { domain, pieces });
            }
        }
        Ok(())
    }

    /// No more entries. The pieces by pack, and the rows that are longer than a piece.
    pub(super) fn finish(self) -> Outcome<(Option<ByPack>, Vec<LongRow>)> {
        let sorted = match self.sorter {
            Some(sorter) => Some(ByPack {
                sorted: sorter.finish()?,
                next: None,
                started: false,
            }),
            None => None,
        };
        Ok((sorted, self.long_rows))
    }
}

/// The pieces of one pack after the other.
pub(super) struct ByPack {
    sorted: Sorted,
    next: Option<(u64, Expected)>,
    started: bool,
}

impl ByPack {
    /// The pieces in the pack of that rank, by offset, each once; ranks must be asked for in order.
    pub(super) fn of(&mut self, rank: usize) -> Outcome<Vec<Expected>> {
        if !self.started {
            self.started = true;
            self.advance()?;
        }
        let mut found: Vec<Expected> = Vec::new();
        while let Some((_, expected)) = self.next.filter(|(next, _)| *next == rank as u64) {
            if found.last() != Some(&expected) {
                found.push(expected);
            }
            self.advance()?;
        }
        Ok(found)
    }

    fn advance(&mut self) -> Outcome<()> {
        self.next = match self.sorted.next_record()? {
            None => None,
            Some(((rank, offset), record)) => {
                let expected = match record {
                    Record::Whole(record) => Expected::decode(offset, record),
                    Record::Parts(_) => None,
                };
                let lost = || Failure::new("what was sorted comes back damaged");
                Some((rank, expected.ok_or_else(lost)?))
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Class;
    use crate::page::PackRef;

    fn piece(pack: u8, offset: u32, rows: u32) -> PieceRef {
        PieceRef {
            pack: PackRef {
                name: ObjectName([pack; 32]),
                size: 1000,
                salt: [4; 16],
                dictionary: 0,
            },
            slot: Slot {
                offset,
                len: 70 + offset,
            },
            plain: 100 + offset,
            rows,
            name: PieceName([offset as u8; 16]),
        }
    }

    fn entry(arrival: u32, pieces: Vec<PieceRef>) -> Entry {
        let domain = Domain {
            inc: Incarnation([2; 8]),
            class: Class::CUSTOMER,
            arrival,
        };
        Entry {
            domain,
            source: 0,
            id: None,
            pieces: Some(pieces),
        }
    }

    /// What comes out for packs 0 to 2, and the long rows as first offsets and numbers of pieces.
    fn sorted(entries: &[Entry]) -> (Vec<Vec<Expected>>, Vec<(u32, usize)>) {
        let (forest, dir) = (Forest::new(), tempfile::tempdir().unwrap());
        let mut expected = Expectations {
            keys: forest.walker(),
            sorter: Some(Sorter::new(dir.path())),
            long_rows: Vec::new(),
            known: HashSet::new(),
        };
        for entry in entries {
            // Pack 9 is one that nobody names.
            let rank = |name: &ObjectName| Some(usize::from(name.0[0])).filter(|rank| *rank < 9);
            expected.take(entry, rank).unwrap();
        }
        let (by_pack, long_rows) = expected.finish().unwrap();
        let mut by_pack = by_pack.unwrap();
        let packs = (0..3).map(|rank| by_pack.of(rank).unwrap()).collect();
        let long = long_rows
            .iter()
            .map(|row| (row.pieces[0].slot.offset, row.pieces.len()));
        (packs, long.collect())
    }

    #[test]
    fn pieces_come_by_pack_and_offset_each_once() {
        let entries = [
            entry(5, vec![piece(2, 9, 1), piece(0, 7, 3), piece(9, 1, 1)]),
            entry(4, vec![piece(0, 2, 1), piece(0, 5, 1)]),
            // The same in a later snapshot, and one that contradicts.
            entry(5, vec![piece(0, 7, 3)]),
            entry(6, vec![piece(0, 2, 1)]),
        ];
        let (packs, long) = sorted(&entries);
        let seen = |pack: &Vec<Expected>| -> Vec<(u32, u32)> {
            pack.iter()
                .map(|e| (e.slot.offset, e.domain.arrival))
                .collect()
        };
        assert_eq!(
            packs.iter().map(seen).collect::<Vec<_>>(),
            [vec![(2, 4), (2, 6), (5, 4), (7, 5)], vec![], vec![(9, 5)],]
        );
        let (domain, piece) = (entries[0].domain, piece(2, 9, 1));
        let (slot, plain, rows, name) = (piece.slot, piece.plain, piece.rows, piece.name);
        assert_eq!(
            packs[2],
            [Expected {
                domain,
                slot,
                plain,
                rows,
                name
            }]
        );
        assert!(long.is_empty());
    }

    #[test]
    fn a_row_of_many_pieces_is_found_once_and_so_is_one_without_an_end() {
        let long = |from| {
            vec![
                piece(0, from, 0),
                piece(1, from + 1, 0),
                piece(1, from + 2, 1),
            ]
        };
        let mut pieces = vec![piece(0, 1, 8)];
        pieces.extend(long(10));
        pieces.extend([piece(1, 40, 2), piece(2, 50, 0)]);
        let entries = [entry(5, pieces), entry(5, long(10))];
        assert_eq!(sorted(&entries).1, [(10, 3), (50, 1)]);
    }
}
