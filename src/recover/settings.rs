//! The configuration of a recovered host: the one that the newest snapshot carries, with other places.

use super::place::Place;
use super::seen::Seen;
use crate::config::Config;
use crate::config::write::{Relocation, relocate};
use crate::error::{Context, Outcome};
use crate::ids::StoreName;

/// What is to stand in it.
pub(super) struct Settings<'a> {
    pub(super) place: &'a Place,
    pub(super) recipients: &'a [String],
    /// The stores that were read.
    pub(super) stores: &'a [Seen],
    pub(super) give_up: &'a [StoreName],
    pub(super) rehearse: bool,
}

impl Settings<'_> {
    /// Writes it, from the text that the newest snapshot carries.
    pub(super) fn write(&self, text: &str) -> Outcome<String> {
        let path = self.place.config();
        let given_up = |name: &str| self.give_up.iter().any(|gone| gone.as_str() == name);
        let is_read = |name: &str| self.stores.iter().any(|s| s.store.name().as_str() == name);
        let drops = |name: &str| !is_read(name) && (self.rehearse || given_up(name));
        let stores = self.stores.iter();
        let stores = stores.map(|seen| seen.configured.clone());
        let relocation = Relocation {
            state_dir: self.place.state(),
            host_key: &self.place.host_key(),
            socket: &self.place.dir().join("admin.sock"),
            recipients: self.recipients,
            drops: &drops,
            stores: stores.collect(),
        };
        let text = relocate(path, text, &relocation)?;
        Config::parse(path, &text)
            .failed_to(|| "understand the configuration of the newest snapshot")?;
        Ok(text)
    }
}
