//! Guessing from a look at values what stands in a column. What is told is what they look like, never one
//! of them.

use rusqlite::types::ValueRef as Stored;
use rusqlite::{Connection, Row};

use super::personal::hints_at_birth;
use super::sql::quote;
use crate::schema::Table;

/// Rows of a table that are looked at, unless it is so wide that these are too many values.
const ROWS: usize = 1000;
/// Values that are looked at.
const VALUES: usize = 200_000;
/// The longest value that is, in bytes.
const LONGEST: usize = 4096;
/// Columns that are read at once.
const AT_ONCE: usize = 100;
/// One in so many values must look alike to be told.
const ONE_IN: usize = 10;

/// What values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Like {
    Email,
    Phone,
    Iban,
    ChineseId,
    Birth,
}

impl Like {
    const ALL: [Self; 5] = [
        Self::Email,
        Self::Phone,
        Self::Iban,
        Self::ChineseId,
        Self::Birth,
    ];

    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Email => "e-mail addresses",
            Self::Phone => "phone numbers",
            Self::Iban => "IBANs",
            Self::ChineseId => "Chinese identity numbers",
            Self::Birth => "dates of birth",
        }
    }

    fn is_like(self, value: &str, of_birth: bool) -> bool {
        match self {
            Self::Email => has_email(value),
            Self::Phone => is_phone(value),
            Self::Iban => is_iban(value),
            Self::ChineseId => is_chinese_id(value),
            Self::Birth => of_birth && is_date(value),
        }
    }
}

/// What the values of each column of a table look like, by its first rows.
pub(super) fn of_values(conn: &Connection, table: &Table) -> rusqlite::Result<Vec<Vec<Like>>> {
    let rows = (VALUES / table.columns.len().max(1)).clamp(10, ROWS);
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let mut found = Vec::with_capacity(names.len());
    for names in names.chunks(AT_ONCE) {
        found.extend(of_some(conn, &table.name, names, rows)?);
    }
    Ok(found)
}

fn of_some(
    conn: &Connection,
    table: &str,
    names: &[&str],
    rows: usize,
) -> rusqlite::Result<Vec<Vec<Like>>> {
    let short = |name: &&str| {
        let name = quote(name);
        format!("CASE WHEN octet_length({name}) <= {LONGEST} THEN {name} END")
    };
    let columns: Vec<String> = names.iter().map(short).collect();
    let sql = format!(
        "SELECT {} FROM {} LIMIT {rows}",
        columns.join(", "),
        quote(table)
    );
    let mut seen = vec![(0, [0; Like::ALL.len()]); names.len()];
    let hints: Vec<bool> = names.iter().map(|name| hints_at_birth(name)).collect();
    let mut prepared = conn.prepare(&sql)?;
    let mut all = prepared.query([])?;
    while let Some(row) = all.next()? {
        for (at, (values, counts)) in seen.iter_mut().enumerate() {
            let Some(value) = text(row, at)? else {
                continue;
            };
            *values += 1;
            for (like, count) in Like::ALL.iter().zip(counts) {
                *count += usize::from(like.is_like(value.trim(), hints[at]));
            }
        }
    }
    let told = |(values, counts): &(usize, [usize; Like::ALL.len()])| {
        let likely = |count: usize| count > 0 && count * ONE_IN >= *values;
        let pairs = Like::ALL.into_iter().zip(counts);
        pairs
            .filter(|(_, count)| likely(**count))
            .map(|(like, _)| like)
            .collect()
    };
    Ok(seen.iter().map(told).collect())
}

/// A text, or a number as one; none where it is neither, or empty.
fn text(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(at)? {
        Stored::Text(text) => std::str::from_utf8(text).ok().map(str::to_owned),
        Stored::Integer(number) => Some(number.to_string()),
        _ => None,
    }
    .filter(|text| !text.trim().is_empty()))
}

/// Whether an e-mail address stands in a text, such as `a.b@example.org`.
fn has_email(text: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || "<>()[],;:\"'".contains(c);
    text.split(ends).any(|word| {
        let Some((name, host)) = word.trim_end_matches(['.', '!', '?']).split_once('@') else {
            return false;
        };
        let Some((rest, last)) = host.rsplit_once('.') else {
            return false;
        };
        let labels = rest.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
        let named = name.chars().any(char::is_alphanumeric)
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&*+-/=?^_`{|}~.".contains(c));
        named && labels && last.chars().count() >= 2 && last.chars().all(char::is_alphabetic)
    })
}

/// Whether it is a phone number with an international prefix, such as `+49 (0)30 1234567`.
fn is_phone(text: &str) -> bool {
    let text = text.strip_prefix("tel:").unwrap_or(text).trim_start();
    // Two zeros alone begin many numbers of articles too.
    let (rest, spaced) = match (text.strip_prefix('+'), text.strip_prefix("00")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, rest.contains([' ', '-', '/', '('])),
        (None, None) => return false,
    };
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    let plain = rest
        .chars()
        .all(|c| c.is_ascii_digit() || " -/().\u{a0}".contains(c));
    spaced && plain && (8..=15).contains(&digits) && rest.starts_with(|c| ('1'..='9').contains(&c))
}

/// Whether it is an IBAN with a right checksum (ISO 13616).
fn is_iban(text: &str) -> bool {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    if !(15..=34).contains(&text.len()) || !text.is_ascii() {
        return false;
    }
    let (head, account) = text.split_at(4);
    let shaped = head[..2].chars().all(|c| c.is_ascii_uppercase())
        && head[2..].chars().all(|c| c.is_ascii_digit());
    let digits = account
        .chars()
        .chain(head.chars())
        .try_fold(0_u32, |rest, c| {
            let digit = c.to_digit(36).filter(|_| !c.is_ascii_lowercase())?;
            let shift = if digit > 9 { 100 } else { 10 };
            Some((rest * shift + digit) % 97)
        });
    shaped && digits == Some(1)
}

/// Whether it is a Chinese resident identity number with a right checksum (GB 11643).
fn is_chinese_id(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let bytes = text.as_bytes();
    let Some((last, digits)) = bytes.split_last().filter(|(_, digits)| digits.len() == 17) else {
        return false;
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let number = |from: usize, to: usize| text[from..to].parse().unwrap_or(0);
    let sum: u32 = digits
        .iter()
        .zip(WEIGHTS)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    (11..=91).contains(&number(0, 2))
        && is_day(number(6, 10), number(10, 12), number(12, 14))
        && CHECKS[(sum % 11) as usize] == last.to_ascii_uppercase()
}

/// Whether it is a day on which somebody who lives may be born, in one of the usual forms.
fn is_date(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    if text.len() == 8 && text.chars().all(digit) {
        let number = |from: usize, to: usize| text[from..to].parse().unwrap_or(0);
        return is_day(number(0, 4), number(4, 6), number(6, 8));
    }
    // What follows on a date is a time.
    let date = text.split(['T', ' ']).next().unwrap_or_default();
    let parts = date.split(['-', '/', '.', '年', '月', '日']);
    let parts: Vec<u32> = parts
        .filter(|part| !part.is_empty())
        .map_while(|part| part.parse().ok())
        .collect();
    match parts[..] {
        [year, month, day] if year > 31 => is_day(year, month, day),
        [day, month, year] => is_day(year, month, day) || is_day(year, day, month),
        _ => false,
    }
}

fn is_day(year: u32, month: u32, day: u32) -> bool {
    (1900..=2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(like: Like, right: &[&str], wrong: &[&str]) {
        for text in right {
            assert!(like.is_like(text, true), "{text} is {like:?}");
        }
        for text in wrong {
            assert!(!like.is_like(text, true), "{text} is no {like:?}");
        }
    }

    #[test]
    fn addresses_and_phones_are_told_from_codes() {
        all(
            Like::Email,
            &[
                "ann@example.org",
                "Write to <o'neil.x+y@mail.example.co.uk>.",
                "张三@例子.中国",
            ],
            &["@home", "a@b", "icon@2x.p1", "12 @ 3.50", "x@.com", "name@"],
        );
        all(
            Like::Phone,
            &[
                "+49 (0)30 1234567",
                "+8613812345678",
                "tel:+1-202-555-0143",
                "0049 30 1234567",
            ],
            &[
                "0049301234567",
                "030 1234567",
                "+5",
                "+1234567890123456",
                "+0123456789",
                "4006381333931",
            ],
        );
    }

    #[test]
    fn numbers_are_told_by_their_checksums() {
        all(
            Like::Iban,
            &[
                "DE89370400440532013000",
                "GB82 WEST 1234 5698 7654 32",
                "FR1420041010050500013M02606",
            ],
            &[
                "DE89370400440532013001",
                "DE8937",
                "de89370400440532013000",
                "89DE370400440532013000",
            ],
        );
        all(
            Like::ChineseId,
            &["11010519491231002X", "11010519491231002x"],
            &[
                "110105194912310021",
                "11010519491331002X",
                "123456789012345678",
                "11010519491231002",
                "客10105194912310021",
            ],
        );
    }

    #[test]
    fn births_are_dates_that_a_name_hints_at() {
        all(
            Like::Birth,
            &[
                "1980-02-29",
                "29.02.1980",
                "2/29/1980",
                "19800229",
                "1980年2月29日",
                "1980-02-29T00:00:00Z",
            ],
            &[
                "1880-02-29",
                "80",
                "1980",
                "12345678",
                "1980-13-40",
                "2.5.1",
            ],
        );
        assert!(!Like::Birth.is_like("1980-02-29", false));
    }
}
