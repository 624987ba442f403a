//! Counts how many customers share runs of words.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A run of words, and how many customers have it.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// Its words, by number.
    pub words: Vec<u32>,
    /// How many different customers.
    pub customers: u32,
}

/// All runs of at most `longest` words that at least `least` of the texts have; each text is one customer's. No run
/// goes across a word that is none.
pub fn runs(texts: Vec<Vec<Option<u32>>>, least: usize, longest: usize) -> Vec<Run> {
    // What begins at each place: a word at first, then ever longer runs, by their place among those found.
    let mut begins = texts;
    let mut found = Vec::new();
    let mut last_level: Vec<Vec<u32>> = Vec::new();
    for level in 1..=longest {
        let mut counted: HashMap<(u32, u32), Count, RandomState> = HashMap::default();
        for (customer, begins) in (0..).zip(&mut begins) {
            for at in 0..begins.len() {
                begins[at] = pair(begins, at, level).map(|pair| {
                    let new = counted.len() as u32;
                    let count = counted.entry(pair).or_insert(Count::new(new));
                    count.meet(customer);
                    count.number
                });
            }
        }
        let mut counted: Vec<_> = counted.into_iter().collect();
        counted.sort_unstable_by_key(|(_, count)| count.number);
        let mut numbers = vec![None; counted.len()];
        let mut this_level = Vec::new();
        for ((first, second), count) in counted {
            if count.customers as usize >= least {
                let words = match level {
                    1 => vec![first],
                    _ => {
                        let (first, second) =
                            (&last_level[first as usize], &last_level[second as usize]);
                        first.iter().chain(second.last()).copied().collect()
                    }
                };
                numbers[count.number as usize] = Some(this_level.len() as u32);
                this_level.push(words.clone());
                found.push(Run {
                    words,
                    customers: count.customers,
                });
            }
        }
        for run in begins.iter_mut().flatten() {
            *run = run.and_then(|run| numbers[run as usize]);
        }
        last_level = this_level;
    }
    found
}

/// The two runs that make up the one of `level` words that begins at a place, if both are common; the word itself at
/// first.
fn pair(begins: &[Option<u32>], at: usize, level: usize) -> Option<(u32, u32)> {
    let first = begins[at]?;
    match level {
        1 => Some((first, 0)),
        _ => Some((first, (*begins.get(at + 1)?)?)),
    }
}

struct Count {
    number: u32,
    customers: u32,
    last: Option<u32>,
}

impl Count {
    fn new(number: u32) -> Self {
        Self {
            number,
            customers: 0,
            last: None,
        }
    }

    fn meet(&mut self, customer: u32) {
        if self.last.replace(customer) != Some(customer) {
            self.customers += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// All runs, counted one by one.
    fn naive(texts: &[Vec<Option<u32>>], least: usize, longest: usize) -> BTreeMap<Vec<u32>, u32> {
        let mut holders: BTreeMap<Vec<u32>, BTreeSet<usize>> = BTreeMap::new();
        for (customer, text) in texts.iter().enumerate() {
            for len in 1..=longest {
                for run in text.windows(len) {
                    if let Some(run) = run.iter().copied().collect::<Option<Vec<u32>>>() {
                        holders.entry(run).or_default().insert(customer);
                    }
                }
            }
        }
        let counts = holders
            .into_iter()
            .map(|(run, holders)| (run, holders.len() as u32));
        counts
            .filter(|(_, count)| *count as usize >= least)
            .collect()
    }

    #[test]
    fn finds_what_counting_one_by_one_finds() {
        for seed in 0..40_u32 {
            let mut state = seed;
            let mut next = |below: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) % below
            };
            let texts: Vec<Vec<Option<u32>>> = (0..30)
                .map(|_| {
                    (0..next(40))
                        .map(|_| Some(next(6)).filter(|word| *word < 5))
                        .collect()
                })
                .collect();
            let found = runs(texts.clone(), 5, 4);
            let by_words: BTreeMap<_, _> = found
                .iter()
                .map(|run| (run.words.clone(), run.customers))
                .collect();
            assert_eq!(by_words.len(), found.len(), "each once");
            assert_eq!(by_words, naive(&texts, 5, 4));
        }
    }
}
