//! Customers' identities and reasons at rest on this host and in the journal: sealed under the
//! customer's own key, so that they go when the customer goes.

use crate::cbor::Malformed;
use crate::error::Outcome;
use crate::ids::{Domain, RepoId};
use crate::piece::{self, Identity};
use crate::seal::{self, Kind, Place};
use crate::secret::{self, DomainKey};
use crate::value::Value;

/// Seals an identity: `salt (16) ‖ frame`, the frame encrypted under
/// `field_key(salt, "catalog identity")` of the customer's domain. The salt is random, and of this sealing alone.
pub fn seal_identity(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    identity: &Identity,
    salt: &[u8; 16],
) -> Vec<u8> {
    let sealed = seal::encrypt(
        &key.field_key(salt, b"catalog identity"),
        &identity_place(repo, domain),
        seal::plain_frame(&identity.encode()),
    );
    [&salt[..], &sealed].concat()
}

/// The identity that [`seal_identity`] sealed.
pub fn open_identity(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    sealed: &[u8],
) -> Outcome<Identity> {
    let (salt, sealed) = sealed.split_at_checked(16).ok_or(Malformed)?;
    let key = key.field_key(salt, b"catalog identity");
    let plain = seal::open(&key, &identity_place(repo, domain), sealed)?;
    Ok(Identity::decode(&plain)?)
}

fn identity_place(repo: RepoId, domain: Domain) -> Place<'static> {
    Place {
        repo,
        kind: Kind::CatalogField,
        number: domain.leaf(),
        field: b"identity",
    }
}

/// Seals what a hide has replaced: `salt (16) ‖ frame`, the frame being the CBOR of a value,
/// encrypted under `field_key(salt, "hidden")` of the customer's domain.
pub fn seal_former(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    former: &Value,
) -> Outcome<Vec<u8>> {
    let salt: [u8; 16] = secret::random()?;
    let frame = seal::plain_frame(&piece::encode_single(former));
    let place = former_place(repo, domain);
    let sealed = seal::encrypt(&key.field_key(&salt, b"hidden"), &place, frame);
    Ok([&salt[..], &sealed].concat())
}

/// The value that [`seal_former`] sealed.
pub fn open_former(repo: RepoId, domain: Domain, key: &DomainKey, sealed: &[u8]) -> Outcome<Value> {
    let (salt, sealed) = sealed.split_at_checked(16).ok_or(Malformed)?;
    let key = key.field_key(salt, b"hidden");
    let plain = seal::open(&key, &former_place(repo, domain), sealed)?;
    Ok(piece::decode_single(&plain)?)
}

fn former_place(repo: RepoId, domain: Domain) -> Place<'static> {
    Place {
        repo,
        kind: Kind::CatalogField,
        number: domain.leaf(),
        field: b"hidden",
    }
}

/// The reason that [`seal_reason`] sealed.
pub fn open_reason(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    sealed: &[u8],
) -> Outcome<String> {
    let (salt, sealed) = sealed.split_at_checked(16).ok_or(Malformed)?;
    let key = key.field_key(salt, b"reason");
    let plain = seal::open(&key, &reason_place(repo, domain), sealed)?;
    Ok(String::from_utf8_lossy(&plain).into_owned())
}

fn reason_place(repo: RepoId, domain: Domain) -> Place<'static> {
    Place {
        repo,
        kind: Kind::Reason,
        number: domain.leaf(),
        field: b"",
    }
}

/// Seals a reason that somebody gave: `salt (16) ‖ frame`, the frame encrypted under
/// `field_key(salt, "reason")` of the customer's domain.
pub fn seal_reason(
    repo: RepoId,
    domain: Domain,
    key: &DomainKey,
    reason: &str,
) -> Outcome<Vec<u8>> {
    let salt: [u8; 16] = secret::random()?;
    let place = reason_place(repo, domain);
    let frame = seal::plain_frame(reason.as_bytes());
    let sealed = seal::encrypt(&key.field_key(&salt, b"reason"), &place, frame);
    Ok([&salt[..], &sealed].concat())
}
