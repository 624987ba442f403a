//! The end of the story: a bare machine that has a copy of the second store, the recovery identity, and
//! nothing else.

use std::path::Path;

use serde_json::Value;

use super::crm::Crm;
use super::{Demo, compare};
use crate::error::{Failure, Outcome};
use crate::fsx;

/// No object of a store is longer.
const LONGEST: u64 = 1 << 30;

impl Demo<'_> {
    /// Recovers there, and compares what comes back with the CRM as it is now.
    pub(super) fn recover_and_compare(&mut self, crm: &Crm, forgotten: i64) -> Outcome<()> {
        self.say(
            "\n16. A fire: the host and the first store are gone. A bare machine has a copy of the second\n    \
             store, recovery.key, and nothing else.",
        )?;
        let taken = self.snapshot(false)?;
        self.keep(crm, taken.id.number)?;
        let bare = self.dir.join("bare-machine");
        fsx::create_dir(&bare)?;
        copy(&self.dir.join("store-2"), &bare.join("store"))?;
        let url = format!("far=file://{}", super::url_path(&bare.join("store")));
        let (to, key) = (text(&bare)?, text(&self.dir.join("recovery.key"))?);
        let made = self.answered(&[
            "recover",
            "--store",
            &url,
            "--identity",
            &key,
            "--to",
            &to,
            "--alone",
            "--give-up",
            "first",
            "--give-up",
            "second",
        ])?;
        self.say(&format!(
            "   tenure recover: {} snapshots, keyring epoch {}; nothing was asked but that one store.",
            made["snapshots"], made["epoch"]
        ))?;
        let config = text(&bare.join("tenure.toml"))?;
        let restored = text(&bare.join("restored"))?;
        let back = self.answered(&["--config", &config, "restore", "--to", &restored])?;
        let path = back["sources"][0]["path"].as_str().unwrap_or_default();
        let path = Path::new(path);
        compare::same(&self.kept(taken.id.number), path, None)?;
        if compare::rows_of(path, forgotten)? != 0 {
            return Err(Failure::new(format!("customer {forgotten} came back")));
        }
        self.say(&format!(
            "   tenure restore: every row as it is in the CRM now, compared; customer {forgotten} is still gone."
        ))?;
        let verified = self.answered(&["--config", &config, "verify", "--data"])?;
        self.say(&format!(
            "   tenure verify --data: {} pieces opened there, all whole. See {}.",
            verified["blobs"],
            self.shown(&bare)
        ))
    }

    /// What a command says that has to succeed.
    fn answered(&self, arguments: &[&str]) -> Outcome<Value> {
        match self.ask(arguments)? {
            (0, answer) => Ok(answer),
            (code, answer) => Err(Failure::new(format!(
                "`tenure {}` has ended with {code}: {answer}",
                arguments.join(" ")
            ))),
        }
    }
}

fn text(path: &Path) -> Outcome<String> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| Failure::new(format!("{} is not UTF-8", path.display())))
}

/// Copies a folder, as somebody does who carries a disk away.
fn copy(from: &Path, to: &Path) -> Outcome<()> {
    fsx::create_dir(to)?;
    for name in fsx::names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        match from.is_dir() {
            true => copy(&from, &to)?,
            false => fsx::write(&to, &fsx::read(&from, LONGEST)?)?,
        }
    }
    Ok(())
}
