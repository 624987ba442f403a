//! What somebody brings along who recovers: identities, and the fingerprint that everything must lead back to.

use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Failure, FailureKind, Outcome};
use crate::fsx;
use crate::keyring::recovery::{self, Identity};
use crate::sign::VerifyKey;

/// No identity file is longer.
const LONGEST: u64 = 1 << 20;

/// The recovery identities, and the repository's fingerprint.
pub(super) struct Offline {
    pub(super) identities: Vec<Identity>,
    pub(super) fingerprint: VerifyKey,
}

impl Offline {
    /// Reads the identity file, and takes the fingerprint from there unless one was typed.
    ///
    /// # Errors
    /// `Usage` when there is no fingerprint, or when file and command line name two.
    pub(super) fn read(path: &Path, typed: Option<VerifyKey>) -> Outcome<Self> {
        let text = Zeroizing::new(fsx::read(path, LONGEST)?);
        let text = String::from_utf8_lossy(&text);
        let usage = |what| Failure::of(FailureKind::Usage, what);
        let identities = recovery::identities(&text).map_err(|error| {
            let what = format!("{} cannot be used as an identity file", path.display());
            usage(what).because(Failure::from(error)).hint(
                "an identity file has a line that begins with AGE-SECRET-KEY-1, such as the recovery.key that \
                 `tenure init` made",
            )
        })?;
        let written = recovery::fingerprint(&text);
        let fingerprint = match (typed, written) {
            (Some(typed), Some(written)) if typed != written => {
                let what = format!(
                    "--fingerprint is {typed}, and {} says {written}",
                    path.display()
                );
                return Err(usage(what).hint("one of them is another repository's"));
            }
            (Some(fingerprint), _) | (None, Some(fingerprint)) => fingerprint,
            (None, None) => {
                let what = format!(
                    "{} does not tell the repository's fingerprint",
                    path.display()
                );
                return Err(usage(what).hint(
                    "give it with --fingerprint: `tenure init` has shown it, and it stands on the page in the \
                     binder; without it, anybody who knows the recipient could have made this store",
                ));
            }
        };
        Ok(Self {
            identities,
            fingerprint,
        })
    }
}
