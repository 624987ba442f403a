//! Deriving many keys by keeping the way down to the last one.
//!
//! Two leaves share the seeds of all nodes above both. On an ascending pass over neighbours all
//! but about two of a leaf's 40 hashes have been made already, for the leaf before.

use super::{DEPTH, Tree, turn};
use crate::secret::{DomainKey, LockedBytes, Seed};

/// Derives keys of one tree; cheapest for ascending leaves, right for any order.
#[derive(Debug)]
pub struct Walker<'a> {
    tree: &'a Tree,
    /// The seeds on the way to the leaf `at`, by depth, from the covering node down.
    pub(super) way: LockedBytes,
    /// The leaf of the last key, and which node of the cover it lies under.
    at: Option<(u64, usize)>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            way: LockedBytes::zeroed((usize::from(DEPTH) + 1) * Seed::LEN),
            at: None,
        }
    }

    /// The key of one leaf; none if it is punctured or is no leaf.
    pub fn leaf(&mut self, leaf: u64) -> Option<DomainKey> {
        let (index, known) = self.start(leaf)?;
        // The way has room for all depths, except in a forked child, which has no keys at all.
        let mut seeds = seeds(&mut self.way).iter_mut().skip(usize::from(known));
        let mut seed = Seed::from_bytes(*seeds.next()?);
        for (depth, below) in (known..DEPTH).zip(seeds) {
            seed = seed.keyed(&[turn(leaf, depth)]);
            *below = *seed.expose();
        }
        self.at = Some((leaf, index));
        Some(DomainKey::new(seed))
    }

    /// Which node covers `leaf`, and the depth down to which the way to `leaf` is known.
    fn start(&mut self, leaf: u64) -> Option<(usize, u8)> {
        if let Some((last, index)) = self.at
            && self.tree.node(index)?.covers(leaf)
        {
            return Some((index, shared_depth(last, leaf)));
        }
        let index = self.tree.find(leaf)?;
        let node = self.tree.node(index)?;
        *seeds(&mut self.way).get_mut(usize::from(node.depth))? = *node.seed;
        Some((index, node.depth))
    }
}

fn seeds(way: &mut LockedBytes) -> &mut [[u8; Seed::LEN]] {
    way.as_mut_slice().as_chunks_mut().0
}

/// The depth of the lowest node above (or at) both leaves.
fn shared_depth(a: u64, b: u64) -> u8 {
    const UNUSED_BITS: u32 = u64::BITS - DEPTH as u32;
    ((a ^ b).leading_zeros() - UNUSED_BITS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_depths() {
        assert_eq!(shared_depth(0, 0), 40);
        assert_eq!(shared_depth(6, 7), 39);
        assert_eq!(shared_depth(7, 8), 36);
        assert_eq!(shared_depth(0, (1 << 40) - 1), 0);
    }

    #[test]
    fn only_the_lowest_shared_seed_is_needed() {
        let tree = Tree::plant(Seed::from_bytes([3; 32]));
        let mut walker = tree.walker();
        for (last, next) in [(6, 7), (7, 8), (8, 8), (8, 2), (1 << 32, 1 << 39)] {
            walker.leaf(last).unwrap();
            let shared = usize::from(shared_depth(last, next));
            for (depth, seed) in seeds(&mut walker.way).iter_mut().enumerate() {
                if depth != shared {
                    *seed = [0; 32];
                }
            }
            let key = walker.leaf(next).unwrap();
            assert_eq!(key.expose(), tree.leaf(next).unwrap().expose());
            walker = tree.walker();
        }
    }

    #[test]
    fn a_pass_costs_two_hashes_a_leaf() {
        let hashes: u64 = (1..1 << 16)
            .map(|leaf| u64::from(DEPTH - shared_depth(leaf - 1, leaf)))
            .sum();
        assert!(hashes < 2 << 16);
    }
}
