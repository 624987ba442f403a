//! Builds the state directory of a new incarnation. Nothing is written to any store.

use std::collections::BTreeMap;
use std::path::Path;

use super::evidence::Evidence;
use super::place::Place;
use super::seen::Seen;
use crate::certificate::Certificate;
use crate::clock::Timestamp;
use crate::error::{Failure, Outcome};
use crate::fsx;
use crate::ids::{Domain, Incarnation, StoreName};
use crate::journal::{Entry, Event, Position, Voided};
use crate::keyring::recovery::{self, Recipient};
use crate::keyring::tree::{Forest, Tree};
use crate::keyring::{HostKeyring, Keyring, host};
use crate::object::{self, Chain, Head};
use crate::repo::state::StateDir;
use crate::secret::{self, Seed};
use crate::sign::{SigningKey, VerifyKey};

/// What was settled before anything is written.
#[derive(Default)]
pub(super) struct Decided {
    /// None once it was built.
    pub(super) evidence: Option<Evidence>,
    pub(super) config: String,
    pub(super) recipients: Vec<String>,
    pub(super) voided: Vec<Voided>,
    pub(super) void_words: Vec<String>,
    pub(super) give_up: Vec<StoreName>,
    pub(super) unread: BTreeMap<StoreName, String>,
    pub(super) notes: Vec<String>,
    pub(super) lost: Vec<String>,
}

/// Builds it.
pub(super) struct Building<'a> {
    pub(super) place: &'a Place,
    pub(super) decided: &'a Decided,
    pub(super) stores: &'a [Seen],
    pub(super) root: &'a SigningKey,
    pub(super) fingerprint: VerifyKey,
}

impl Building<'_> {
    /// Writes everything; the fingerprint last, which makes the state directory one.
    pub(super) fn run(&self) -> Outcome<()> {
        let evidence = self.decided.evidence.as_ref();
        let evidence = evidence.ok_or_else(|| Failure::new("nothing was read"))?;
        let state = StateDir::new(self.place.state());
        fsx::write(&state.root(), &self.stores[0].root)?;
        for (writer, bytes) in &evidence.writers {
            write_into(&state.certificate(writer.inc), bytes)?;
        }
        for journal in &evidence.journals {
            for (number, (bytes, _)) in (1..).zip(&journal.entries) {
                write_into(
                    &state.object(Chain::Journal, journal.position.inc, number),
                    bytes,
                )?;
            }
        }
        for ((_, id), named) in &evidence.snapshots {
            write_into(
                &state.object(Chain::Manifest, id.inc, id.number),
                &named.bytes,
            )?;
        }
        self.incarnation(evidence, &state)?;
        state.set_next_numbers((0, 2))?;
        state.set_fingerprint(&self.fingerprint)
    }

    /// The new incarnation: certificate, keyring, and the entry that opens its journal.
    fn incarnation(&self, evidence: &Evidence, state: &StateDir) -> Outcome<()> {
        let writer = SigningKey::random()?;
        let newest = evidence
            .writers
            .iter()
            .map(|(writer, _)| writer.ordinal)
            .max();
        let own = Certificate {
            repo: evidence.repo,
            inc: Incarnation(secret::random()?),
            ordinal: newest.unwrap_or(0) + 1,
            verify: writer.verify_key(),
        };
        write_into(&state.certificate(own.inc), &own.issue(self.root))?;
        let seed = Seed::random()?;
        let journals: Vec<_> = evidence
            .journals
            .iter()
            .map(|journal| journal.position)
            .collect();
        let keyring = Keyring {
            repo: evidence.repo,
            inc: own.inc,
            epoch: next(evidence.epoch)?,
            fingerprint: self.fingerprint,
            journal: journals.clone(),
            forest: self.forest(evidence, own.inc, seed)?,
        };
        let recipients = self
            .decided
            .recipients
            .iter()
            .map(|text| Recipient::parse(text));
        let recipients: Vec<_> = recipients.collect::<Result<_, _>>()?;
        let age = recovery::encrypt(&recipients, &keyring.encode(&writer))?;
        host::make_host_secret(&self.place.host_key())?;
        HostKeyring::open(&state.keyring(), &self.place.host_key())?
            .write(&keyring, &writer, &age)?;
        self.first_entry(&keyring, &own, &writer, journals, state)
    }

    /// The punctured trees of all incarnations, and a fresh one.
    fn forest(&self, evidence: &Evidence, inc: Incarnation, seed: Seed) -> Outcome<Forest> {
        let mut forest = Forest::new();
        for (former, tree) in evidence.forest.trees() {
            forest.insert(
                former,
                Tree::decode(tree.as_bytes())
                    .map_err(|error| Failure::new("a key tree cannot be copied").because(error))?,
            );
        }
        forest.insert(inc, Tree::plant(seed));
        Ok(forest)
    }

    fn first_entry(
        &self,
        keyring: &Keyring,
        own: &Certificate,
        writer: &SigningKey,
        journals: Vec<Position>,
        state: &StateDir,
    ) -> Outcome<()> {
        let meta = keyring.forest.key(Domain::meta(own.inc));
        let meta = meta.ok_or_else(|| Failure::new("the new key tree has no keys"))?;
        let head = Head {
            repo: own.repo,
            inc: own.inc,
            number: 1,
            previous: [0; 32],
        };
        let entry = Entry {
            time: Timestamp::now(),
            event: Event::Recovered {
                recipients: self.decided.recipients.clone(),
                journals,
                voided: self.decided.voided.clone(),
                unread: self
                    .decided
                    .unread
                    .keys()
                    .map(ToString::to_string)
                    .collect(),
            },
        };
        let bytes = object::write(Chain::Journal, &head, &entry, &meta, writer)?;
        write_into(&state.intent(Chain::Journal, own.inc), &bytes)
    }
}

fn next(epoch: u64) -> Outcome<u64> {
    let next = epoch.checked_add(1);
    next.ok_or_else(|| Failure::new("the newest keyring has the last epoch that there is"))
}

fn write_into(path: &Path, bytes: &[u8]) -> Outcome<()> {
    fsx::create_dir(path.parent().unwrap_or(path))?;
    Ok(fsx::write(path, bytes)?)
}
