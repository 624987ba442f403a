//! Where a dictionary's content begins, by RFC 8878, section 5.

/// The first byte of the content: behind magic number, name, four tables of symbols and three offsets.
///
/// # Panics
/// When the bytes are no dictionary.
pub fn content(dictionary: &[u8]) -> usize {
    assert_eq!(dictionary[..4], [0x37, 0xa4, 0x30, 0xec]);
    let mut at = 8 + huffman(&dictionary[8..]);
    for _ in ["offsets", "lengths of matches", "lengths of literals"] {
        at += fse(&dictionary[at..]);
    }
    let (offsets, content) = dictionary[at..].split_at(12);
    for offset in offsets.chunks(4) {
        let offset = u32::from_le_bytes(offset.try_into().unwrap());
        assert!((1..=content.len() as u32).contains(&offset), "{offset}");
    }
    at + 12
}

/// The length of a Huffman tree's description (section 4.2.1).
fn huffman(bytes: &[u8]) -> usize {
    match usize::from(bytes[0]) {
        compressed @ ..128 => 1 + compressed,
        direct => 1 + (direct - 127).div_ceil(2),
    }
}

/// The length of an FSE table's description (section 4.1.1).
fn fse(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut read = |bits: u32| {
        let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
        let value = (0..bits).fold(0, |value, n| value | bit(at + n as usize) << n);
        at += bits as usize;
        (value, at)
    };
    let mut left = 1_u32 << (read(4).0 + 5);
    while left > 0 {
        // A value below `short` takes one bit less.
        let bits = (left + 1).ilog2() + 1;
        let short = (1 << bits) - 1 - (left + 1);
        let low = read(bits - 1).0;
        let value = match low < short {
            true => low,
            false if read(1).0 == 0 => low,
            false => low + (1 << (bits - 1)) - short,
        };
        // A probability is one less; less than one counts as one.
        left -= value.abs_diff(1);
        if value == 1 {
            while read(2).0 == 3 {}
        }
    }
    read(0).1.div_ceil(8)
}
