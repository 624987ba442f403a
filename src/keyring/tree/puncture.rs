//! Puncturing: a new cover without the doomed leaves.
//!
//! All leaves of a batch go in one pass over the sorted cover. A node without a doomed leaf is
//! copied; from any other, the way down is taken to each doomed leaf under it, and what lies
//! beside the way is kept. That costs the cover's length, and at most two hashes for each doomed
//! leaf and level. The pass is made twice, the first time without seeds, to know how much locked
//! memory the new cover takes: that kind of memory is scarce.

use super::{NODE_LEN, Node, Tree, leaves_under, push};
use crate::secret::{LockedBytes, Seed};

/// What stands at a node while the cover is worked out.
trait Growth {
    /// The same for one of the node's children: 0 for the left, 1 for the right.
    fn child(&self, turn: u8) -> Self;
}

/// The node's seed.
impl Growth for Seed {
    fn child(&self, turn: u8) -> Self {
        self.keyed(&[turn])
    }
}

/// Nothing: for counting.
impl Growth for () {
    fn child(&self, _turn: u8) -> Self {}
}

impl Tree {
    /// Makes leaves underivable, for good. Any order; repetitions, leaves that are punctured
    /// already and numbers beyond the last leaf change nothing. Returns how many leaves could be
    /// derived before and cannot be now.
    pub fn puncture(&mut self, leaves: &[u64]) -> usize {
        let mut doomed: Vec<u64> = leaves.iter().copied().filter(|l| self.has(*l)).collect();
        doomed.sort_unstable();
        doomed.dedup();
        if doomed.is_empty() {
            return 0;
        }
        let mut count = 0;
        self.survivors(&doomed, |_| (), |_, _, ()| count += 1);
        let mut cover = LockedBytes::with_capacity(count * NODE_LEN);
        self.survivors(
            &doomed,
            |node| Seed::from_bytes(*node.seed),
            |first, depth, seed| push(&mut cover, first, depth, seed),
        );
        self.cover = cover;
        doomed.len()
    }

    /// Gives `keep` every node of the cover without `doomed` (ascending, each once), from the left.
    fn survivors<G: Growth>(
        &self,
        mut doomed: &[u64],
        start: impl Fn(&Node<'_>) -> G,
        mut keep: impl FnMut(u64, u8, &G),
    ) {
        for node in self.cover() {
            let under = doomed.iter().take_while(|l| **l < node.end()).count();
            let (here, beyond) = doomed.split_at(under);
            doomed = beyond;
            beside(node.first, node.depth, &start(&node), here, &mut keep);
        }
    }
}

/// Gives `keep` the fewest nodes that cover the leaves under one node but for `doomed`, all of
/// which lie under it.
fn beside<G: Growth>(
    first: u64,
    depth: u8,
    growth: &G,
    doomed: &[u64],
    keep: &mut impl FnMut(u64, u8, &G),
) {
    if doomed.is_empty() {
        keep(first, depth, growth);
    } else if (doomed.len() as u64) < leaves_under(depth) {
        let middle = first + leaves_under(depth + 1);
        let (left, right) = doomed.split_at(doomed.partition_point(|leaf| *leaf < middle));
        beside(first, depth + 1, &growth.child(0), left, keep);
        beside(middle, depth + 1, &growth.child(1), right, keep);
    }
    // Otherwise every leaf under it is doomed; that is so at the latest at a leaf.
}
