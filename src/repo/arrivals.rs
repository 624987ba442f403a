//! Sets of customers.

use std::collections::BTreeMap;

use crate::ids::{Domain, Incarnation};

/// A set of customers, in one bit each.
#[derive(Default)]
pub struct Arrivals {
    bits: BTreeMap<Incarnation, Vec<u64>>,
    count: u64,
}

impl Arrivals {
    /// Adds one, whatever the class.
    pub fn insert(&mut self, domain: Domain) {
        let bits = self.bits.entry(domain.inc).or_default();
        let (word, bit) = place(domain);
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        self.count += u64::from(bits[word] & bit == 0);
        bits[word] |= bit;
    }

    /// Whether it has that one.
    pub fn contains(&self, domain: Domain) -> bool {
        let (word, bit) = place(domain);
        let bits = self.bits.get(&domain.inc).and_then(|bits| bits.get(word));
        bits.is_some_and(|bits| bits & bit != 0)
    }

    /// How many it has.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// In which word somebody stands, and as which bit.
fn place(domain: Domain) -> (usize, u64) {
    (domain.arrival as usize / 64, 1 << (domain.arrival % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::Class;

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let mut set = Arrivals::default();
        let mut expected = BTreeSet::new();
        for (inc, arrival) in [
            (1, 0),
            (1, 63),
            (1, 64),
            (2, 64),
            (1, 100_000),
            (1, 63),
            (2, 0),
        ] {
            for class in [1, 2] {
                let inc = Incarnation([inc; 8]);
                set.insert(Domain {
                    inc,
                    class: Class(class),
                    arrival,
                });
                expected.insert((inc, arrival));
            }
        }
        assert_eq!(set.count(), expected.len() as u64);
        for inc in [0, 1, 2, 3].map(|n| Incarnation([n; 8])) {
            for arrival in [
                0,
                1,
                31,
                32,
                62,
                63,
                64,
                65,
                99_999,
                100_000,
                100_001,
                u32::MAX,
            ] {
                let domain = Domain {
                    inc,
                    class: Class::CUSTOMER,
                    arrival,
                };
                assert_eq!(set.contains(domain), expected.contains(&(inc, arrival)));
            }
        }
    }
}
