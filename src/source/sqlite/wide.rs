//! Text of UTF-16 databases, unit by unit.
//!
//! SQLite gives and takes text as UTF-8, and on the way changes what is not well-formed: halves of
//! surrogate pairs, and the two noncharacters U+FFFE and U+FFFF. So the text of such a database is read
//! as the bytes that it is. We write it as UTF-8 in which a lone surrogate is three bytes like any
//! other unit (WTF-8): for well-formed text that is what SQLite gives, and no two texts are the same.
//! What SQLite would change on its way back goes back as bytes too.

use crate::schema::Schema;

/// The order of bytes in a UTF-16 database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wide {
    /// UTF-16le.
    Little,
    /// UTF-16be.
    Big,
}

impl Wide {
    /// Of a database; none for UTF-8.
    pub(super) fn of(schema: &Schema) -> Option<Self> {
        let mut pragmas = schema.pragmas.iter();
        let (_, encoding) = pragmas.find(|(name, _)| name == "encoding")?;
        match encoding.as_str() {
            "UTF-16le" => Some(Self::Little),
            "UTF-16be" => Some(Self::Big),
            _ => None,
        }
    }

    /// Bytes of the database as text of ours.
    pub(super) fn text(self, bytes: &[u8]) -> Vec<u8> {
        let units = bytes.as_chunks().0.iter().map(|pair| match self {
            Self::Little => u16::from_le_bytes(*pair),
            Self::Big => u16::from_be_bytes(*pair),
        });
        let mut text = Vec::with_capacity(bytes.len());
        for unit in char::decode_utf16(units) {
            match unit {
                Ok(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Err(lone) => text.extend_from_slice(&three(lone.unpaired_surrogate())),
            }
        }
        text
    }

    /// Whether bytes of the database end in the first half of a pair.
    pub(super) fn ends_open(self, bytes: &[u8]) -> bool {
        let last = bytes.last_chunk().map(|pair| match self {
            Self::Little => u16::from_le_bytes(*pair),
            Self::Big => u16::from_be_bytes(*pair),
        });
        last.is_some_and(|unit| (0xd800..0xdc00).contains(&unit))
    }

    /// Text of ours as bytes of the database, if SQLite would change it on the way.
    pub(super) fn bytes(self, text: &[u8]) -> Option<Vec<u8>> {
        if survives(text) {
            return None;
        }
        let mut units = Vec::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let valid = rest.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            units.extend(valid.encode_utf16());
            rest = &rest[valid.len()..];
            if let [0xed, second, third, after @ ..] = rest {
                units.push(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f));
                rest = after;
            } else if !rest.is_empty() {
                // Not a text of ours: nothing better is known of it than what SQLite makes of it.
                return None;
            }
        }
        let bytes = units.into_iter().flat_map(|unit| match self {
            Self::Little => unit.to_le_bytes(),
            Self::Big => unit.to_be_bytes(),
        });
        Some(bytes.collect())
    }
}

/// A unit above U+07FF in the form of UTF-8.
fn three(unit: u16) -> [u8; 3] {
    let low = |bits: u16| (bits & 0x3f) as u8 | 0x80;
    [0xe0 | (unit >> 12) as u8, low(unit >> 6), low(unit)]
}

/// Whether SQLite takes a text as it is, whatever the database's encoding.
pub(super) fn survives(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| !text.contains(['\u{fffe}', '\u{ffff}']))
}

/// The value of `column` in SQL, with text as the bytes that it is.
pub(super) fn exact(column: &str) -> String {
    format!("CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END")
}

/// One character a column: whether it holds text. All in SQL, in groups, since an expression may not be
/// as deep as a table is wide.
pub(super) fn marks(columns: &[String]) -> String {
    let mark = |column: &String| format!("(typeof({column}) = 'text')");
    let group = |columns: &[String]| {
        let marks: Vec<String> = columns.iter().map(mark).collect();
        format!("({})", marks.join(" || "))
    };
    // Joined to nothing, it is text even if it is one digit.
    let groups = std::iter::once("''".to_owned()).chain(columns.chunks(100).map(group));
    groups.collect::<Vec<_>>().join(" || ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_comes_back() {
        let texts: [&[u16]; 7] = [
            &[0x41, 0xd83d],
            &[0xd83d, 0x41],
            &[0xdc00, 0xd800],
            &[0xd83d, 0xde00, 0xdc00],
            &[0xfeff, 0xffff, 0xfffe],
            &[0, 0xd800, 0],
            &[0xdfff],
        ];
        for units in texts {
            for wide in [Wide::Little, Wide::Big] {
                let bytes = units.iter().flat_map(|unit| match wide {
                    Wide::Little => unit.to_le_bytes(),
                    Wide::Big => unit.to_be_bytes(),
                });
                let bytes: Vec<u8> = bytes.collect();
                assert_eq!(wide.bytes(&wide.text(&bytes)), Some(bytes), "{units:x?}");
            }
        }
    }

    #[test]
    fn what_is_well_formed_is_utf_8_and_goes_as_it_is() {
        let bytes: Vec<u8> = "aé客😀".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Wide::Little.text(&bytes), "aé客😀".as_bytes());
        assert_eq!(Wide::Little.bytes("aé客😀".as_bytes()), None);
    }
}
