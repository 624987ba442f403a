//! The trees of all incarnations: what a keyring can still read.

use std::collections::BTreeMap;

use super::{Tree, Walker};
use crate::ids::{Domain, Incarnation};
use crate::secret::DomainKey;

/// One key tree for each incarnation of the repository's writer.
#[derive(Debug, Default)]
pub struct Forest {
    trees: BTreeMap<Incarnation, Tree>,
}

impl Forest {
    /// A forest without a tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an incarnation's tree. Gives back the tree that stood there before.
    pub fn insert(&mut self, inc: Incarnation, tree: Tree) -> Option<Tree> {
        self.trees.insert(inc, tree)
    }

    /// Takes in the trees of another forest; of two of one incarnation that one stays which has lost less. A tree
    /// that contradicts the one that is here is not taken; returns whose those are.
    pub fn merge(&mut self, other: Self) -> Vec<Incarnation> {
        let mut contradict = Vec::new();
        for (inc, tree) in other.trees {
            match self.trees.get(&inc) {
                Some(here) if !here.agrees_with(&tree) => contradict.push(inc),
                Some(here) if here.leaves() >= tree.leaves() => {}
                _ => drop(self.trees.insert(inc, tree)),
            }
        }
        contradict
    }

    /// One incarnation's tree.
    pub fn tree(&self, inc: Incarnation) -> Option<&Tree> {
        self.trees.get(&inc)
    }

    /// All trees, by incarnation.
    pub fn trees(&self) -> impl ExactSizeIterator<Item = (Incarnation, &Tree)> {
        self.trees.iter().map(|(inc, tree)| (*inc, tree))
    }

    /// The key of a domain; none if it is punctured, or if its incarnation's tree is not here
    /// ([`Self::is_punctured`] tells which).
    pub fn key(&self, domain: Domain) -> Option<DomainKey> {
        self.tree(domain.inc)?.leaf(domain.leaf())
    }

    /// Whether the domain's tree is here and the domain is punctured in it. A tree that is missing
    /// says nothing about what was erased, so the answer is no.
    pub fn is_punctured(&self, domain: Domain) -> bool {
        self.tree(domain.inc)
            .is_some_and(|tree| !tree.has(domain.leaf()))
    }

    /// Makes domains unreadable, for good. Any order; repetitions and what is punctured already
    /// change nothing, nor do domains whose tree is not here. Returns how many had a key before.
    pub fn puncture(&mut self, domains: &[Domain]) -> usize {
        let mut leaves: BTreeMap<Incarnation, Vec<u64>> = BTreeMap::new();
        for domain in domains {
            leaves.entry(domain.inc).or_default().push(domain.leaf());
        }
        self.trees
            .iter_mut()
            .filter_map(|(inc, tree)| Some(tree.puncture(leaves.get(inc)?)))
            .sum()
    }

    /// Derives the keys of many domains, best in ascending order.
    pub fn walker(&self) -> ForestWalker<'_> {
        ForestWalker {
            forest: self,
            at: None,
        }
    }

    /// Whether all trees are kept out of swap.
    pub fn is_locked(&self) -> bool {
        self.trees.values().all(Tree::is_locked)
    }
}

/// Derives keys of a forest; cheapest for ascending domains, right for any order.
#[derive(Debug)]
pub struct ForestWalker<'a> {
    forest: &'a Forest,
    at: Option<(Incarnation, Walker<'a>)>,
}

impl ForestWalker<'_> {
    /// The key of a domain; none as in [`Forest::key`].
    pub fn key(&mut self, domain: Domain) -> Option<DomainKey> {
        match &mut self.at {
            Some((inc, walker)) if *inc == domain.inc => walker.leaf(domain.leaf()),
            at => {
                let walker = self.forest.tree(domain.inc)?.walker();
                at.insert((domain.inc, walker)).1.leaf(domain.leaf())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Class;
    use crate::secret::Seed;

    const A: Incarnation = Incarnation([1; 8]);
    const B: Incarnation = Incarnation([2; 8]);
    const ABSENT: Incarnation = Incarnation([9; 8]);

    fn forest() -> Forest {
        let mut forest = Forest::new();
        for inc in [A, B] {
            let tree = Tree::plant(Seed::from_bytes([inc.0[0]; 32]));
            assert!(forest.insert(inc, tree).is_none());
        }
        forest
    }

    fn domain(inc: Incarnation, arrival: u32) -> Domain {
        Domain {
            inc,
            class: Class::CUSTOMER,
            arrival,
        }
    }

    fn bytes(key: Option<DomainKey>) -> Option<[u8; 32]> {
        key.map(|key| *key.expose())
    }

    #[test]
    fn a_domain_is_a_leaf_of_its_incarnations_tree() {
        let forest = forest();
        let there = domain(B, 7);
        let leaf = forest.tree(B).unwrap().leaf(1 << 32 | 7);
        assert_eq!(bytes(forest.key(there)), bytes(leaf));
        assert_ne!(bytes(forest.key(there)), bytes(forest.key(domain(A, 7))));
        assert!(forest.key(domain(ABSENT, 7)).is_none());
        let incs: Vec<_> = forest.trees().map(|(inc, _)| inc).collect();
        assert_eq!(incs, [A, B]);
    }

    #[test]
    fn puncturing_reaches_the_named_tree_only() {
        let mut forest = forest();
        let doomed = [domain(B, 7), domain(A, 1), domain(B, 7), domain(ABSENT, 7)];
        assert_eq!(forest.puncture(&doomed), 2);
        assert_eq!(forest.puncture(&doomed), 0);
        for (domain, punctured) in [
            (domain(A, 1), true),
            (domain(B, 7), true),
            (domain(A, 7), false),
            (domain(B, 1), false),
        ] {
            assert_eq!(forest.is_punctured(domain), punctured);
            assert_eq!(forest.key(domain).is_none(), punctured);
        }
    }

    #[test]
    fn a_missing_tree_is_no_erasure() {
        assert!(!forest().is_punctured(domain(ABSENT, 7)));
    }

    #[test]
    fn inserting_again_gives_back_the_old_tree() {
        let mut forest = forest();
        let old = forest.insert(A, Tree::plant(Seed::from_bytes([5; 32])));
        assert_eq!(old.unwrap().as_bytes()[6..], [1; 32]);
        assert_eq!(forest.tree(A).unwrap().as_bytes()[6..], [5; 32]);
    }

    #[test]
    fn of_two_trees_the_one_that_lost_less_stays_and_a_stranger_is_not_taken() {
        let (mut here, mut more, mut stranger) = (forest(), forest(), forest());
        here.puncture(&[domain(A, 3), domain(A, 4)]);
        more.puncture(&[domain(A, 3), domain(B, 9)]);
        assert!(here.merge(more).is_empty());
        assert!(here.is_punctured(domain(A, 3)) && !here.is_punctured(domain(A, 4)));
        assert!(!here.is_punctured(domain(B, 9)));
        stranger.insert(A, Tree::plant(Seed::from_bytes([7; 32])));
        let before = bytes(here.key(domain(A, 4)));
        assert_eq!(here.merge(stranger), [A]);
        assert_eq!(bytes(here.key(domain(A, 4))), before);
    }

    #[test]
    fn a_walk_finds_what_single_look_ups_find() {
        let mut forest = forest();
        forest.puncture(&[domain(A, 3), domain(B, 0)]);
        let mut walker = forest.walker();
        for inc in [A, ABSENT, B, A] {
            for arrival in 0..9 {
                let domain = domain(inc, arrival);
                assert_eq!(bytes(walker.key(domain)), bytes(forest.key(domain)));
            }
        }
    }

    #[test]
    fn a_walk_keeps_its_walker_within_a_tree() {
        let forest = forest();
        let mut walker = forest.walker();
        let way = |walker: &ForestWalker<'_>| {
            let (_, walker) = walker.at.as_ref().unwrap();
            walker.way.as_slice().as_ptr()
        };
        walker.key(domain(A, 0));
        let first = way(&walker);
        walker.key(domain(A, 1));
        assert_eq!(way(&walker), first);
    }

    #[test]
    fn locked_only_if_all_trees_are() {
        assert!(Forest::new().is_locked());
        for (a, b) in [(true, true), (true, false), (false, true)] {
            let mut forest = forest();
            for (tree, locked) in forest.trees.values_mut().zip([a, b]) {
                tree.cover.pretend_locked(locked);
            }
            assert_eq!(forest.is_locked(), a && b);
        }
    }
}
