//! Values of all storage classes as SQL, each from one number.

/// What a column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Anything,
    Integer,
    Real,
    Text,
    Blob,
}

const INTEGERS: [&str; 10] = [
    "-1",
    "127",
    "32768",
    "8388608",
    "2147483648",
    "140737488355328",
    "9007199254740993",
    "9223372036854775807",
    "(-9223372036854775807 - 1)",
    "-2147483649",
];
const REALS: [&str; 14] = [
    "0.5",
    "1.0",
    "-0.0",
    "0.1",
    "9e999",
    "-9e999",
    "5e-324",
    "-1e-310",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "9007199254740993.0",
    "9.2233720368547758e18",
    "1e300",
    "-123456.75",
];
const TEXTS: [&str; 22] = [
    "a",
    "B",
    "b",
    "b  ",
    "",
    "0",
    "1",
    "1.0",
    "-0",
    "-0.0",
    "1e5",
    "0x10",
    " 7 ",
    "Inf",
    "NULL",
    "O'Brien \"x\" [y] `z`",
    "Ünïcödé ẞ",
    "客户 🎷",
    "e\u{301}\u{200d}\u{feff}",
    "line\r\n\ttwo",
    "9223372036854775808",
    "{\"a\":[1,2]}",
];
/// As bytes: not UTF-8, or with a NUL. A UTF-16 database reads them in its own way.
const BYTES: [&str; 9] = [
    "00",
    "610062",
    "ff",
    "fffe",
    "c3",
    "eda080",
    "00d8",
    "f4908080",
    "61ff0062c0af",
];

/// The value that `v` stands for in a column that takes so much; 0 is the plainest.
pub fn literal(takes: Takes, v: u32) -> String {
    let (class, detail) = (v >> 24, v & 0xff_ffff);
    match (takes, class) {
        (_, 248..) => "NULL".into(),
        (Takes::Anything, 0..64) | (Takes::Integer, _) => integer(v),
        (Takes::Anything, 64..96) | (Takes::Real, _) => real(detail),
        (Takes::Anything, 96..160) | (Takes::Text, _) => text(v),
        (Takes::Anything, 240..) => "NULL".into(),
        (Takes::Anything | Takes::Blob, _) => blob(v),
    }
}

fn integer(v: u32) -> String {
    let detail = v & 0xff_ffff;
    match v >> 20 & 0xf {
        0..8 => (detail % 20).to_string(),
        8..12 => INTEGERS[detail as usize % INTEGERS.len()].into(),
        _ => mixed(v).cast_signed().max(-i64::MAX).to_string(),
    }
}

fn real(detail: u32) -> String {
    match detail >> 20 {
        0..12 => REALS[detail as usize % REALS.len()].into(),
        _ => {
            let number = f64::from_bits(mixed(detail));
            if number.is_finite() {
                format!("{number:e}")
            } else {
                "0.25".into()
            }
        }
    }
}

fn text(v: u32) -> String {
    let detail = v & 0xff_ffff;
    match v >> 19 & 0x1f {
        0..18 => quoted(TEXTS[detail as usize % TEXTS.len()]),
        18..22 => quoted(&format!("text {detail}")),
        22..26 => format!("CAST(x'{}' AS TEXT)", BYTES[detail as usize % BYTES.len()]),
        26..30 => format!("CAST(x'{:016x}{:06x}' AS TEXT)", mixed(v), detail),
        _ => format!(
            "replace(hex(zeroblob({})), '00', {})",
            length(detail),
            quoted("Äb ")
        ),
    }
}

fn blob(v: u32) -> String {
    let detail = v & 0xff_ffff;
    match v >> 19 & 0x1f {
        0..6 => "x''".into(),
        6..12 => uuid(detail),
        12..28 => format!("x'{:016x}'", mixed(v)),
        // Beyond what one piece holds.
        28 if detail & 0x7ff == 0x7ff => format!("zeroblob({})", (4 << 20) + detail % 99_999),
        _ => format!(
            "CAST(replace(hex(zeroblob({})), '00', '{:08x}') AS BLOB)",
            length(detail) / 3,
            mixed(v) >> 32
        ),
    }
}

/// 16 bytes that are another's for another number.
pub fn uuid(number: u32) -> String {
    format!("x'{:016x}{number:016x}'", mixed(number))
}

/// Between 5 and 100 KB.
fn length(detail: u32) -> u32 {
    5_000 + detail % 95_000
}

/// A string in SQL.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in SQL.
pub fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Other bits for other numbers.
fn mixed(v: u32) -> u64 {
    let mut x = u64::from(v).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
