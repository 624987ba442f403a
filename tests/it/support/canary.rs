//! A canary: a random string that is planted where a customer's data can stand, and then looked
//! for in every byte of every file. Whoever expects not to find it must have found it before.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Read at once. What lies across the border of two reads is found too.
const BUFFER: usize = 1 << 16;

/// 24 random letters and digits, fit for row text, SQL, file names and CBOR alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary(String);

impl Canary {
    /// A new one, unlike all others.
    pub fn new() -> Self {
        let mut random = [0; 24];
        File::open("/dev/urandom")
            .unwrap()
            .read_exact(&mut random)
            .unwrap();
        let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
        Self(random.iter().map(letter).collect())
    }

    /// As text, to be planted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As bytes, to be looked for.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The files, links and directories under a directory that hold the needle, in their bytes, their
/// names or where they point: as it is, in UTF-16 of both orders, or in hexadecimal.
///
/// # Panics
/// When anything cannot be read: what was not seen must not pass for clean.
pub fn find(dir: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let patterns = Pattern::all(needle);
    let mut found = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        for entry in entries {
            let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let inside = if kind.is_dir() {
                waiting.push(path.clone());
                false
            } else if kind.is_symlink() {
                let target = std::fs::read_link(&path).unwrap();
                any(&patterns, target.as_os_str().as_bytes())
            } else if kind.is_file() {
                let in_file = File::open(&path).and_then(|file| in_bytes(file, &patterns));
                in_file.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
            } else {
                false // a socket or a pipe holds nothing
            };
            if inside || any(&patterns, entry.file_name().as_bytes()) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether bytes hold the needle, in any of the forms that [`find`] knows.
pub fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    any(&Pattern::all(needle), bytes)
}

/// One form of the needle, with how far to skip after a byte that does not fit (Horspool): looking
/// at every byte costs far less than a step for each.
struct Pattern {
    bytes: Vec<u8>,
    skip: [usize; 256],
}

impl Pattern {
    fn all(needle: &[u8]) -> Vec<Self> {
        assert!(needle.len() >= 8, "a short needle is found by chance");
        let hex = |upper: bool| {
            let digits = needle.iter().map(|byte| match upper {
                true => format!("{byte:02X}"),
                false => format!("{byte:02x}"),
            });
            digits.collect::<String>().into_bytes()
        };
        let wide = |swap: bool| {
            let text = String::from_utf8_lossy(needle);
            let units = text
                .encode_utf16()
                .map(|unit| if swap { unit.swap_bytes() } else { unit });
            units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        };
        [
            needle.to_vec(),
            wide(false),
            wide(true),
            hex(false),
            hex(true),
        ]
        .map(Self::new)
        .into()
    }

    fn new(bytes: Vec<u8>) -> Self {
        let mut skip = [bytes.len(); 256];
        for (at, byte) in bytes[..bytes.len() - 1].iter().enumerate() {
            skip[usize::from(*byte)] = bytes.len() - 1 - at;
        }
        Self { bytes, skip }
    }

    fn is_in(&self, hay: &[u8]) -> bool {
        let mut end = self.bytes.len();
        while end <= hay.len() {
            if hay[end - self.bytes.len()..end] == self.bytes {
                return true;
            }
            end += self.skip[usize::from(hay[end - 1])];
        }
        false
    }
}

fn any(patterns: &[Pattern], hay: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.is_in(hay))
}

fn in_bytes(mut from: impl Read, patterns: &[Pattern]) -> io::Result<bool> {
    let longest = patterns
        .iter()
        .map(|pattern| pattern.bytes.len())
        .max()
        .unwrap_or(1);
    let mut buffer = Vec::with_capacity(BUFFER + longest);
    loop {
        let read = from.by_ref().take(BUFFER as u64).read_to_end(&mut buffer)?;
        if read == 0 {
            return Ok(false);
        }
        if any(patterns, &buffer) {
            return Ok(true);
        }
        // The end of this read may be the beginning of a needle.
        let kept = buffer.len().saturating_sub(longest - 1);
        buffer.drain(..kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn no_two_are_alike() {
        let (one, other) = (Canary::new(), Canary::new());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 24);
        assert!(
            one.as_str()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric())
        );
    }

    #[test]
    fn it_is_found_at_every_place_around_the_border_of_two_reads() {
        let canary = Canary::new();
        let wide: Vec<u8> = canary
            .as_str()
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let patterns = Pattern::all(canary.as_bytes());
        for form in [canary.as_bytes().to_vec(), wide] {
            let around = BUFFER - form.len() - 2..BUFFER + 2;
            for at in around.chain([0, 1, 2 * BUFFER - 5, 2 * BUFFER + 100]) {
                let mut bytes = vec![b'A'; at];
                bytes.extend(&form);
                assert!(in_bytes(&bytes[..], &patterns).unwrap(), "missed at {at}");
                bytes.extend(vec![b'A'; 3 * BUFFER]);
                assert!(
                    in_bytes(&bytes[..], &patterns).unwrap(),
                    "missed at {at} of more"
                );
                bytes[at + form.len() / 2] ^= 1;
                assert!(
                    !in_bytes(&bytes[..], &patterns).unwrap(),
                    "found what is not there"
                );
            }
        }
    }

    #[test]
    fn it_is_found_in_short_reads() {
        struct Trickle<'a>(&'a [u8]);
        impl Read for Trickle<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.len().min(buffer.len()).min(7);
                let (now, later) = self.0.split_at(count);
                buffer[..count].copy_from_slice(now);
                self.0 = later;
                Ok(count)
            }
        }
        let canary = Canary::new();
        let text = format!("{}{}", "x".repeat(BUFFER - 3), canary.as_str());
        let patterns = Pattern::all(canary.as_bytes());
        assert!(in_bytes(Trickle(text.as_bytes()), &patterns).unwrap());
    }

    #[test]
    fn every_form_and_place_of_it_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let canary = Canary::new();
        let name = canary.as_str();
        let wide = |to: fn(u16) -> [u8; 2]| name.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        let deep = dir.path().join("one/two");
        std::fs::create_dir_all(&deep).unwrap();
        for (file, bytes) in [
            ("plain", format!("before {name} after").into_bytes()),
            ("wide", wide(u16::to_le_bytes)),
            ("wide-other", wide(u16::to_be_bytes)),
            ("hex", hex(name.as_bytes()).into_bytes()),
            (
                "hex-upper",
                hex(name.as_bytes()).to_uppercase().into_bytes(),
            ),
        ] {
            std::fs::write(deep.join(file), bytes).unwrap();
        }
        std::fs::write(dir.path().join(format!("{name}.txt")), "empty").unwrap();
        std::fs::create_dir(dir.path().join(hex(name.as_bytes()))).unwrap();
        std::os::unix::fs::symlink(format!("/nowhere/{name}"), deep.join("link")).unwrap();
        std::fs::write(deep.join("half"), &name[..23]).unwrap();
        std::fs::write(deep.join("other"), Canary::new().as_str()).unwrap();
        std::fs::write(deep.join("nothing"), "").unwrap();

        let found = find(dir.path(), canary.as_bytes());
        let clean = ["half", "nothing", "other"].map(|file| deep.join(file));
        assert_eq!(found.len(), 8, "{found:?}");
        assert!(found.iter().all(|path| !clean.contains(path)), "{found:?}");
        assert!(find(dir.path(), Canary::new().as_bytes()).is_empty());
        assert!(holds(hex(name.as_bytes()).as_bytes(), canary.as_bytes()));
    }
}
