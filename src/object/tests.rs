//! The module `object` against its promises.

use super::*;
use crate::secret::Seed;

const REPO: RepoId = RepoId([1; 16]);
const INC: Incarnation = Incarnation([2; 8]);

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(Seed::from_bytes([n; 32]))
}
fn meta() -> DomainKey {
    DomainKey::new(Seed::from_bytes([9; 32]))
}
fn bytes() -> Vec<u8> {
    let head = Head {
        repo: REPO,
        inc: INC,
        number: 7,
        previous: [3; 32],
    };
    write(
        Chain::Journal,
        &head,
        &"what was decided".to_owned(),
        &meta(),
        &key(1),
    )
    .unwrap()
}
fn read_as(
    chain: Chain,
    inc: Incarnation,
    number: u64,
    bytes: &[u8],
) -> Result<String, ObjectError> {
    read(chain, REPO, inc, number, bytes, &key(1).verify_key())?.open(&meta())
}

#[test]
fn comes_back() {
    let back = read_as(Chain::Journal, INC, 7, &bytes());
    assert_eq!(back.as_deref(), Ok("what was decided"));
    assert_eq!(
        Chain::Journal.parse(&Chain::Journal.path(INC, 7)),
        Some((INC, 7))
    );
    assert_eq!(Chain::Manifest.parse(&Chain::Journal.path(INC, 7)), None);
    assert_eq!(hash(b"abc"), *blake3::hash(b"abc").as_bytes());
    assert_eq!(MAX, 268_435_456);
}

#[test]
fn an_empty_body_is_no_torn_one() {
    let mut empty = bytes()[..HEADER].to_vec();
    let signature = key(1).sign("journal", &empty);
    empty.extend_from_slice(&signature);
    assert_eq!(
        read_as(Chain::Journal, INC, 7, &empty),
        Err(ObjectError::Sealed(SealError::NotAuthentic))
    );
}

#[test]
fn everything_else_is_refused_by_name() {
    let good = bytes();
    let err = |chain, inc, number, bytes: &[u8]| read_as(chain, inc, number, bytes).unwrap_err();
    assert_eq!(
        err(Chain::Manifest, INC, 7, &good),
        ObjectError::NotOne("manifest")
    );
    assert_eq!(
        err(Chain::Journal, INC, 8, &good),
        ObjectError::WrongNumber {
            found: 7,
            expected: 8
        }
    );
    let other = Incarnation([5; 8]);
    assert_eq!(
        err(Chain::Journal, other, 7, &good),
        ObjectError::Foreign("incarnation")
    );
    assert_eq!(err(Chain::Journal, INC, 7, &good[..8]), ObjectError::Torn);
    assert_eq!(err(Chain::Journal, INC, 7, &good[..150]), ObjectError::Torn);
    assert_eq!(
        err(Chain::Journal, INC, 7, &good[..good.len() - 1]),
        ObjectError::NotSigned
    );
    let mut later = good.clone();
    later[8] = 2;
    assert_eq!(
        err(Chain::Journal, INC, 7, &later),
        ObjectError::UnknownVersion(2)
    );
    for at in 9..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 16;
        assert_eq!(
            err(Chain::Journal, INC, 7, &flipped),
            ObjectError::NotSigned
        );
    }
    let foreign = read(
        Chain::Journal,
        RepoId([8; 16]),
        INC,
        7,
        &good,
        &key(1).verify_key(),
    );
    assert_eq!(foreign.unwrap_err(), ObjectError::Foreign("repository"));
    let wrong = DomainKey::new(Seed::from_bytes([8; 32]));
    let sealed = read(Chain::Journal, REPO, INC, 7, &good, &key(1).verify_key()).unwrap();
    assert!(matches!(
        sealed.open::<String>(&wrong),
        Err(ObjectError::Sealed(_))
    ));
    assert!(matches!(
        sealed.open::<u64>(&meta()),
        Err(ObjectError::Malformed(_))
    ));
}
