//! Choices out of numbers: the smaller the number, the plainer the choice, so that proptest's way of
//! making numbers smaller makes cases plainer.

/// What a part of a case is made from; numbers that are missing are 0.
pub type Picks = Vec<u32>;

/// Reads picks one after the other.
pub struct Dice<'a>(std::slice::Iter<'a, u32>);

impl<'a> Dice<'a> {
    /// From the first one on.
    pub fn new(picks: &'a [u32]) -> Self {
        Self(picks.iter())
    }

    /// The next number as it is.
    pub fn raw(&mut self) -> u32 {
        self.0.next().copied().unwrap_or(0)
    }

    /// One of `0..n`, 0 for the plainest.
    pub fn pick(&mut self, n: usize) -> usize {
        ((u64::from(self.raw()) * n as u64) >> 32) as usize
    }

    /// One of a list, whose first is the plainest.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.pick(list.len())]
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.pick(n) == n - 1
    }
}
