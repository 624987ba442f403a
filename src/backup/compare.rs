//! Cuts each domain's rows into pieces, and compares them with the snapshot before: what stands in
//! a pack already is referred to, what is new is handed on to be stored.

use std::collections::{HashMap, HashSet};

use super::gather::{IDENTITY, Ranks, source_of};
use super::line::{Item, Line, Part};
use crate::error::{Failure, Outcome};
use crate::ids::{Class, Domain, ObjectName, PieceName};
use crate::keyring::tree::{Forest, ForestWalker};
use crate::page::{Entry, PieceRef};
use crate::piece::{self, Cutter, Piece};
use crate::repo::arrivals::Arrivals;
use crate::repo::view::Entries;
use crate::report::{Report, Unit};
use crate::secret::Seed;
use crate::spill::{Record, Sorted};

/// How the snapshot differs from the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    /// Customers with other pieces than before.
    pub changed: u64,
    /// Customers who are gone.
    pub removed: u64,
    /// Customers who have changed or gone, of whom no note told.
    pub missed: u64,
}

/// What must be known of the sources, by their numbers.
pub struct Sources {
    /// The one with the register.
    pub register: u32,
    /// Those that stay as they were.
    pub kept: Vec<u32>,
}

/// What the snapshot before had.
pub enum Earlier<'v> {
    /// There is none.
    Nothing,
    /// All of it.
    All(Entries<'v>),
    /// What it had of those domains alone that are compared.
    Some(std::vec::IntoIter<Entry>),
}

impl Earlier<'_> {
    fn next_entry(&mut self) -> Outcome<Option<Entry>> {
        match self {
            Self::Nothing => Ok(None),
            Self::All(entries) => entries.next_entry(),
            Self::Some(entries) => Ok(entries.next()),
        }
    }
}

/// One domain's rows in one source, on their way.
struct Group {
    domain: Domain,
    source: u32,
    id: Option<Vec<u8>>,
    name_key: Seed,
    parts: Vec<Part>,
    /// The pieces of the snapshot before, in order, and where each stands.
    before: Vec<PieceName>,
    known: HashMap<PieceName, PieceRef>,
    differs: bool,
}

/// The middle of the arrow.
pub struct Comparer<'v> {
    keys: ForestWalker<'v>,
    line: Line,
    before: Earlier<'v>,
    /// The next entry of the snapshot before.
    peeked: Option<Entry>,
    full: bool,
    /// Packs that every store has.
    packs: &'v HashSet<ObjectName>,
    sources: Sources,
    group: Option<Group>,
    changed: Arrivals,
    removed: u64,
    /// Whom notes told of, if they are to be compared with what is found.
    noted: Option<Arrivals>,
    missed: Arrivals,
}

impl<'v> Comparer<'v> {
    /// A comparer with the entries of the snapshot before, if there is one.
    pub fn new(
        forest: &'v Forest,
        line: Line,
        mut before: Earlier<'v>,
        full: bool,
        packs: &'v HashSet<ObjectName>,
        sources: Sources,
    ) -> Outcome<Self> {
        let peeked = before.next_entry()?;
        Ok(Self {
            keys: forest.walker(),
            line,
            before,
            peeked,
            full,
            packs,
            sources,
            group: None,
            changed: Arrivals::default(),
            removed: 0,
            noted: None,
            missed: Arrivals::default(),
        })
    }

    /// Counts who has changed besides those `noted`.
    pub fn expecting(self, noted: Option<Arrivals>) -> Self {
        Self { noted, ..self }
    }

    /// Somebody's rows differ.
    fn found(&mut self, domain: Domain) {
        if domain.class != Class::OWN
            && self
                .noted
                .as_ref()
                .is_some_and(|noted| !noted.contains(domain))
        {
            self.missed.insert(domain);
        }
    }

    /// Takes all records, in order.
    pub fn run(
        mut self,
        mut sorted: Sorted,
        ranks: &Ranks,
        rows: u64,
        report: &dyn Report,
    ) -> Outcome<Changes> {
        report.begin("storing", Some(rows), Unit::Items);
        let mut identity = None;
        let mut cutter = Cutter::default();
        let (mut done, mut since) = (Vec::new(), 0);
        while let Some(((high, low), record)) = sorted.next_record()? {
            let domain = ranks.domain(high)?;
            if low == IDENTITY {
                identity = match record {
                    Record::Whole(id) => Some((domain, id.to_vec())),
                    Record::Parts(_) => return Err(Failure::new("an identity is too long")),
                };
                continue;
            }
            let key = (domain, source_of(low));
            if self
                .group
                .as_ref()
                .is_none_or(|group| (group.domain, group.source) != key)
            {
                cutter.finish(&mut |piece| done.push(piece));
                self.pieces(&mut done)?;
                self.end_group()?;
                let id = identity.as_ref().filter(|(whose, _)| *whose == domain);
                self.begin_group(key, id.map(|(_, id)| id.clone()))?;
            }
            match record {
                Record::Whole(row) => cutter.row(row, &mut |piece| done.push(piece)),
                Record::Parts(parts) => {
                    for (at, part) in (1..).zip(&parts) {
                        let body = sorted.part(*part)?;
                        cutter.part(&body, at == parts.len(), &mut |piece| done.push(piece));
                        self.pieces(&mut done)?;
                    }
                }
            }
            self.pieces(&mut done)?;
            since += 1;
            if since == 4096 {
                report.advance(std::mem::take(&mut since));
            }
        }
        cutter.finish(&mut |piece| done.push(piece));
        self.pieces(&mut done)?;
        self.end_group()?;
        self.skip_to(None)?;
        self.line.finish()?;
        report.end();
        Ok(Changes {
            changed: self.changed.count(),
            removed: self.removed,
            missed: self.missed.count(),
        })
    }

    fn begin_group(&mut self, (domain, source): (Domain, u32), id: Option<Vec<u8>>) -> Outcome<()> {
        self.skip_to(Some((domain, source)))?;
        let mut before = Vec::new();
        let mut known = HashMap::new();
        let met = self
            .peeked
            .as_ref()
            .is_some_and(|entry| entry.key() == (domain, source));
        if met && let Some(entry) = self.take_peeked()? {
            for piece in entry.pieces.into_iter().flatten() {
                before.push(piece.name);
                if self.packs.contains(&piece.pack.name) {
                    known.insert(piece.name, piece);
                }
            }
        }
        let key = self.keys.key(domain);
        let key = key.ok_or_else(|| Failure::new(format!("domain {domain} has no key")))?;
        self.group = Some(Group {
            domain,
            source,
            id,
            name_key: key.name_key(),
            parts: Vec::new(),
            before,
            known,
            differs: !met,
        });
        Ok(())
    }

    fn take_peeked(&mut self) -> Outcome<Option<Entry>> {
        let next = self.before.next_entry()?;
        Ok(std::mem::replace(&mut self.peeked, next))
    }

    /// Passes over what the snapshot before had and this one has not, up to `key` or to the end.
    fn skip_to(&mut self, key: Option<(Domain, u32)>) -> Outcome<()> {
        while self
            .peeked
            .as_ref()
            .is_some_and(|entry| key.is_none_or(|key| entry.key() < key))
        {
            let Some(gone) = self.take_peeked()? else {
                break;
            };
            if self.sources.kept.contains(&gone.source) {
                continue;
            }
            self.found(gone.domain);
            if gone.domain.class == Class::CUSTOMER && gone.source == self.sources.register {
                self.removed += 1;
            }
            if !self.full {
                let Entry { domain, source, .. } = gone;
                self.line.send(Item::Entry {
                    domain,
                    source,
                    id: None,
                    pieces: None,
                })?;
            }
        }
        Ok(())
    }

    fn pieces(&mut self, done: &mut Vec<Piece>) -> Outcome<()> {
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        for Piece { plain, rows } in done.drain(..) {
            let name = piece::name(&group.name_key, &plain);
            group.differs |= group.before.get(group.parts.len()) != Some(&name);
            if let Some(known) = group.known.get(&name) {
                group.parts.push(Part::Known(*known));
                continue;
            }
            group.parts.push(Part::New);
            let (domain, length) = (group.domain, plain.len() as u32);
            self.line.send(Item::Piece {
                domain,
                name,
                bytes: plain,
                plain: length,
                rows,
            })?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Outcome<()> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let Group {
            domain,
            source,
            id,
            parts,
            ..
        } = group;
        let differs = group.differs || parts.len() != group.before.len();
        if differs && domain.class != Class::OWN {
            self.changed.insert(domain);
            self.found(domain);
        }
        // A piece that no store may refer to any more is stored anew, even if nothing differs.
        let stored_anew = parts.iter().any(|part| matches!(part, Part::New));
        if self.full || differs || stored_anew {
            self.line.send(Item::Entry {
                domain,
                source,
                id,
                pieces: Some(parts),
            })?;
        }
        Ok(())
    }
}
