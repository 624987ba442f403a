use super::*;
use crate::secret::Seed;

/// From the tests of golang.org/x/mod/sumdb/note (BSD-3-Clause): two keys, and a note of both.
const PETER: (&str, &str) = (
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz",
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
);
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn peter() -> SigningKey {
    let encoded = PETER.0.rsplit_once("c74f20a3+").unwrap().1;
    let bytes = STANDARD.decode(encoded).unwrap();
    SigningKey::from_seed(Seed::from_bytes(bytes[1..].try_into().unwrap()))
}

fn enoch() -> SigningKey {
    SigningKey::from_seed(Seed::from_bytes([0; 32]))
}

fn open_as_peter(note: &str) -> Result<&str, NoteError> {
    open(note.as_bytes(), "PeterNeumann", &peter().verify_key())
}

#[test]
fn the_notes_and_keys_of_another_implementation() {
    assert_eq!(verifier_key("PeterNeumann", &peter().verify_key()), PETER.1);
    assert_eq!(verifier_key("EnochRoot", &enoch().verify_key()), ENOCH);
    let note = format!("{TEXT}\n{PETER_LINE}");
    assert_eq!(sign(TEXT, "PeterNeumann", &peter()).unwrap(), note);
    let both = format!("{TEXT}\n{PETER_LINE}{ENOCH_LINE}");
    for note in [&note, &both] {
        assert_eq!(open_as_peter(note), Ok(TEXT));
    }
    let by_enoch = open(both.as_bytes(), "EnochRoot", &enoch().verify_key());
    assert_eq!(by_enoch, Ok(TEXT));
}

#[test]
fn notes_that_are_none_are_refused_by_name() {
    let (line, other) = (PETER_LINE, ENOCH_LINE);
    let forged = line.replacen("x08go/Z", "x08go/Y", 1);
    let other_id = line.replacen("x08go/Z", "x18go/Z", 1);
    let cases = [
        (format!("{TEXT}\n{other}"), NoteError::NotSigned),
        (format!("{TEXT}\n{other_id}"), NoteError::NotSigned),
        (format!("{TEXT}\n{forged}"), NoteError::BadSignature),
        (format!("{TEXT}\n{line}{forged}"), NoteError::BadSignature),
        (format!("{TEXT}.\n\n{line}"), NoteError::BadSignature),
        (format!("{TEXT}\n"), NoteError::NotSignedText),
        (format!("{TEXT}{line}"), NoteError::NotSignedText),
        (
            format!("{TEXT}\n{}", line.trim_end()),
            NoteError::NotSignedText,
        ),
        (format!("{TEXT}\n{line}more\n"), NoteError::BadSignatureLine),
        (format!("{TEXT}\n{line}— x\n"), NoteError::BadSignatureLine),
        (
            format!("{TEXT}\n{line}— x AAAAAA\n"),
            NoteError::BadSignatureLine,
        ),
        (
            format!("{TEXT}\n{line}— x AAAAAA==\n"),
            NoteError::BadSignatureLine,
        ),
        (
            format!("{TEXT}\n{line}— a+b AAAAAAA=\n"),
            NoteError::BadName,
        ),
        (format!("{TEXT}\t\n\n{line}"), NoteError::NotText),
    ];
    for (note, error) in cases {
        assert_eq!(open_as_peter(&note), Err(error), "{note:?}");
    }
    let key = peter().verify_key();
    assert_eq!(open(&[0xff], "x", &key), Err(NoteError::NotText));
    for name in ["", "a b", "a+b", "a\u{a0}b"] {
        assert_eq!(sign(TEXT, name, &peter()), Err(NoteError::BadName));
    }
    assert_eq!(sign("a\0\n", "x", &peter()), Err(NoteError::NotText));
    assert_eq!(sign("a", "x", &peter()), Err(NoteError::NotSignedText));
}

#[test]
fn the_example_of_the_checkpoint_specification_is_read() {
    let text =
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let checkpoint = Checkpoint::parse(text).unwrap();
    assert_eq!(checkpoint.origin, "example.com/behind-the-sofa");
    assert_eq!(checkpoint.size, 20_852_163);
    assert_eq!(hex(&checkpoint.root[..4]), "0ac5186a");
    let note = checkpoint.sign(&peter()).unwrap();
    assert!(note.starts_with(text));
}

#[test]
fn a_checkpoint_comes_back_and_each_flipped_byte_is_refused() {
    let checkpoint = Checkpoint {
        origin: "tenure-audit/a/b".into(),
        size: 0,
        root: [7; 32],
    };
    let (key, name) = (peter().verify_key(), "tenure-audit/a/b");
    let note = checkpoint.sign(&peter()).unwrap();
    assert_eq!(
        Checkpoint::open(note.as_bytes(), name, &key),
        Ok(checkpoint)
    );
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut flipped = note.clone().into_bytes();
            flipped[at] ^= 1 << bit;
            assert!(Checkpoint::open(&flipped, name, &key).is_err(), "byte {at}");
        }
    }
    let other = Checkpoint::open(note.as_bytes(), name, &enoch().verify_key());
    assert_eq!(other, Err(NoteError::NotSigned));
    let elsewhere = sign(&note[..note.rfind("\n\n").unwrap() + 1], "x", &peter()).unwrap();
    let other = Checkpoint::open(elsewhere.as_bytes(), "x", &key);
    assert_eq!(other, Err(NoteError::OtherOrigin));
}

#[test]
fn texts_that_are_no_checkpoints_are_refused_by_name() {
    let root = STANDARD.encode([7; 32]);
    for (text, error) in [
        (format!("a\n1\n{root}\nmore\n"), NoteError::NotCheckpoint),
        (format!("a\n1\n{root}"), NoteError::NotCheckpoint),
        ("a\n1\n".into(), NoteError::NotCheckpoint),
        (format!("\n1\n{root}\n"), NoteError::BadName),
        (format!("a b\n1\n{root}\n"), NoteError::BadName),
        (format!("a\n01\n{root}\n"), NoteError::BadSize),
        (format!("a\n+1\n{root}\n"), NoteError::BadSize),
        (format!("a\n\n{root}\n"), NoteError::BadSize),
        (
            format!("a\n18446744073709551616\n{root}\n"),
            NoteError::BadSize,
        ),
        (format!("a\n1\n{}\n", &root[1..]), NoteError::BadRoot),
        (
            format!("a\n1\n{}\n", STANDARD.encode([7; 31])),
            NoteError::BadRoot,
        ),
        (
            format!("a\n1\n{}\n", root.trim_end_matches('=')),
            NoteError::BadRoot,
        ),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
    }
}
