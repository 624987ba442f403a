//! Recovery recipients and identities: the age keys that are kept offline and open everything.
//!
//! An identity file is one of age's, with a line `AGE-SECRET-KEY-1…` for each identity. One that `init` has made
//! holds the repository's fingerprint as well, in a line `# fingerprint: ` and 64 hexadecimal digits.

use std::io::Read;
use std::iter;

use age::secrecy::ExposeSecret;
use age::x25519;
use zeroize::Zeroizing;

use crate::sign::VerifyKey;

/// What can go wrong with age keys and files.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// Not an age recipient.
    #[error("{0:?} is not an age recipient (age1…)")]
    BadRecipient(String),
    /// There is nobody to encrypt to.
    #[error("there is no recovery recipient")]
    NoRecipients,
    /// The file holds no identity that this version can use.
    #[error("there is no age identity (AGE-SECRET-KEY-1…) in it")]
    NoIdentity,
    /// age could not encrypt.
    #[error("cannot encrypt to the recovery recipients")]
    Encrypt(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The identity does not open this file, or it is damaged.
    #[error("the identity does not open it")]
    Decrypt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Who can recover, as `age1…`.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    /// Reads `age1…`.
    pub fn parse(text: &str) -> Result<Self, RecoveryError> {
        let parsed = text.parse();
        parsed
            .map(Self)
            .map_err(|_| RecoveryError::BadRecipient(text.to_owned()))
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A private age key. Cannot be printed, cloned or serialized.
pub struct Identity(x25519::Identity);

const FINGERPRINT: &str = "# fingerprint: ";

impl Identity {
    /// A new one.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// What is encrypted to it.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The text of an identity file, with the repository's fingerprint as a comment.
    pub fn to_file(&self, fingerprint: &VerifyKey) -> Zeroizing<String> {
        let secret = self.0.to_string();
        Zeroizing::new(format!(
            "# Tenure recovery identity. Whoever has this file can read every backup.\n\
             # Keep it offline, in two places, and not on the host that makes the backups.\n\
             # public key: {}\n{FINGERPRINT}{fingerprint}\n{}\n",
            self.recipient(),
            secret.expose_secret()
        ))
    }
}

/// The identities in a file's text, one per line.
pub fn identities(text: &str) -> Result<Vec<Identity>, RecoveryError> {
    let found: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().parse().ok().map(Identity))
        .collect();
    if found.is_empty() {
        return Err(RecoveryError::NoIdentity);
    }
    Ok(found)
}

/// The fingerprint that an identity file carries as a comment.
pub fn fingerprint(text: &str) -> Option<VerifyKey> {
    text.lines()
        .find_map(|line| line.strip_prefix(FINGERPRINT)?.trim().parse().ok())
}

/// Encrypts to all recipients (age-encryption.org/v1, binary).
pub fn encrypt(recipients: &[Recipient], plain: &[u8]) -> Result<Vec<u8>, RecoveryError> {
    use std::io::Write;
    if recipients.is_empty() {
        return Err(RecoveryError::NoRecipients);
    }
    let wrap = |e: Box<dyn std::error::Error + Send + Sync>| RecoveryError::Encrypt(e);
    let all = recipients.iter().map(|r| &r.0 as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(all).map_err(|e| wrap(e.into()))?;
    let mut out = Vec::with_capacity(plain.len() + plain.len() / 1024 + 512);
    let mut writer = encryptor
        .wrap_output(&mut out)
        .map_err(|e| wrap(e.into()))?;
    writer.write_all(plain).map_err(|e| wrap(e.into()))?;
    writer.finish().map_err(|e| wrap(e.into()))?;
    Ok(out)
}

/// Decrypts with whichever of the identities fits.
pub fn decrypt(identities: &[Identity], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, RecoveryError> {
    let wrap = |e: Box<dyn std::error::Error + Send + Sync>| RecoveryError::Decrypt(e);
    let decryptor = age::Decryptor::new_buffered(bytes).map_err(|e| wrap(e.into()))?;
    let all = identities.iter().map(|i| &i.0 as &dyn age::Identity);
    let mut reader = decryptor.decrypt(all).map_err(|e| wrap(e.into()))?;
    // Room for all at once: growing would leave copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.read_to_end(&mut plain).map_err(|e| wrap(e.into()))?;
    Ok(plain)
}

/// Whether a file's text holds an identity that one of the recipients belongs to.
pub fn holds_identity_of(text: &str, recipients: &[Recipient]) -> bool {
    let wanted: Vec<_> = recipients.iter().map(Recipient::to_string).collect();
    identities(text)
        .iter()
        .flatten()
        .flat_map(|identity| iter::once(identity.recipient().to_string()))
        .any(|recipient| wanted.contains(&recipient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_recipient_opens_and_nobody_else() {
        let (a, b, c) = (
            Identity::generate(),
            Identity::generate(),
            Identity::generate(),
        );
        let sealed = encrypt(&[a.recipient(), b.recipient()], b"keyring").unwrap();
        for identity in [a, b] {
            assert_eq!(
                decrypt(&[identity], &sealed).unwrap().as_slice(),
                b"keyring"
            );
        }
        assert!(matches!(
            decrypt(&[c], &sealed),
            Err(RecoveryError::Decrypt(_))
        ));
        assert!(matches!(
            encrypt(&[], b"x"),
            Err(RecoveryError::NoRecipients)
        ));
    }

    #[test]
    fn an_identity_file_tells_the_fingerprint_and_opens() {
        let identity = Identity::generate();
        let key = VerifyKey([5; 32]);
        let text = identity.to_file(&key);
        assert_eq!(fingerprint(&text), Some(key));
        assert!(holds_identity_of(&text, &[identity.recipient()]));
        assert!(!holds_identity_of(
            &text,
            &[Identity::generate().recipient()]
        ));
        assert!(matches!(
            identities("# nothing\n"),
            Err(RecoveryError::NoIdentity)
        ));
        assert!(matches!(
            Recipient::parse("age1x"),
            Err(RecoveryError::BadRecipient(_))
        ));
    }
}
