//! The tree against a naive model: a root and a set of erased leaves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What the tree must be, without any cleverness.
struct Model {
    root: [u8; 32],
    erased: BTreeSet<u64>,
}

impl Model {
    fn new(root: [u8; 32]) -> Self {
        let erased = BTreeSet::new();
        Self { root, erased }
    }

    /// The seed of the node that `steps` turns towards `leaf` lead to, from the root.
    fn seed(&self, leaf: u64, steps: u32) -> [u8; 32] {
        (0..steps).fold(self.root, |seed, step| {
            let bit = (leaf >> (39 - step) & 1) as u8;
            *blake3::keyed_hash(&seed, &[bit]).as_bytes()
        })
    }

    fn leaf(&self, leaf: u64) -> Option<[u8; 32]> {
        let alive = leaf < 1 << 40 && !self.erased.contains(&leaf);
        alive.then(|| self.seed(leaf, 40))
    }

    fn erase(&mut self, leaves: &[u64]) -> usize {
        let leaves = leaves.iter().filter(|leaf| **leaf < 1 << 40);
        leaves.filter(|leaf| self.erased.insert(**leaf)).count()
    }

    /// First leaf and depth of every node of the cover: the nodes beside the ways down to the
    /// erased leaves that are on none of these ways themselves.
    fn cover(&self) -> BTreeMap<u64, u32> {
        if self.erased.is_empty() {
            return BTreeMap::from([(0, 0)]);
        }
        let on_a_way: BTreeSet<(u32, u64)> = self
            .erased
            .iter()
            .flat_map(|leaf| (0..=40).map(move |depth| (depth, leaf >> (40 - depth))))
            .collect();
        on_a_way
            .iter()
            .filter(|(depth, _)| *depth > 0)
            .map(|(depth, index)| (*depth, index ^ 1))
            .filter(|sibling| !on_a_way.contains(sibling))
            .map(|(depth, index)| (index << (40 - depth), depth))
            .collect()
    }
}

/// Leaves that meet often: few regions, many neighbours, some numbers that are no leaves.
fn some_leaf() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0u64..3, 0u64..64).prop_map(|(class, arrival)| class << 32 | arrival),
        2 => (LEAVES - 20)..LEAVES,
        2 => 0..LEAVES,
        1 => LEAVES..LEAVES + 4,
    ]
}

/// A batch: single leaves, and whole small subtrees.
fn batch() -> impl Strategy<Value = Vec<u64>> {
    let run = (some_leaf(), 0u32..6).prop_map(|(leaf, bits)| {
        let first = leaf >> bits << bits;
        (first..first + (1 << bits)).collect()
    });
    let part = prop_oneof![3 => some_leaf().prop_map(|leaf| vec![leaf]), 1 => run];
    vec(part, 0..12).prop_map(|parts: Vec<Vec<u64>>| parts.concat())
}

fn key(key: Option<DomainKey>) -> Option<[u8; 32]> {
    key.map(|key| *key.expose())
}

/// Everything that must hold between a tree and what was done to it.
fn agree(tree: &Tree, model: &Model, probes: &[u64]) {
    let nodes: Vec<_> = tree.cover().collect();
    assert_eq!(nodes.len(), tree.cover_len());
    assert!(nodes.is_sorted_by(|a, b| a.first < b.first));
    let mut leaves = 0;
    for node in &nodes {
        let span = 1u64 << (40 - node.depth);
        leaves += span;
        // Not above any erased leaf, so none can be derived from it.
        let mut under = model.erased.range(node.first..node.first + span);
        assert_eq!(under.next(), None);
        let seed = model.seed(node.first, u32::from(node.depth));
        assert_eq!(node.seed, &seed);
    }
    assert_eq!(leaves, (1 << 40) - model.erased.len() as u64);
    let shape: BTreeMap<_, _> = nodes.iter().map(|n| (n.first, n.depth.into())).collect();
    assert_eq!(shape, model.cover());
    for leaf in probes.iter().chain(&model.erased).copied() {
        assert_eq!(key(tree.leaf(leaf)), model.leaf(leaf));
        assert_eq!(tree.has(leaf), model.leaf(leaf).is_some());
    }
}

proptest! {
    #[test]
    fn like_the_model_after_every_batch(
        root: [u8; 32],
        batches in vec(batch(), 1..5),
        probes in vec(some_leaf(), 1..20),
    ) {
        let mut model = Model::new(root);
        let mut tree = Tree::plant(Seed::from_bytes(root));
        for batch in &batches {
            prop_assert_eq!(tree.puncture(batch), model.erase(batch));
            agree(&tree, &model, &probes);
        }
    }

    #[test]
    fn order_batches_and_repetitions_leave_no_trace(
        root: [u8; 32],
        leaves in batch().prop_shuffle(),
        cut: prop::sample::Index,
    ) {
        let (a, b) = leaves.split_at(cut.index(leaves.len() + 1));
        let punctured = |batches: &[&[u64]]| {
            let mut tree = Tree::plant(Seed::from_bytes(root));
            for batch in batches {
                tree.puncture(batch);
            }
            tree.as_bytes().to_vec()
        };
        let at_once = punctured(&[&leaves]);
        prop_assert_eq!(&punctured(&[a, b]), &at_once);
        prop_assert_eq!(&punctured(&[b, a]), &at_once);
        prop_assert_eq!(&punctured(&[b, a, b, &leaves]), &at_once);
        let singly: Vec<&[u64]> = leaves.chunks(1).collect();
        prop_assert_eq!(&punctured(&singly), &at_once);
    }

    #[test]
    fn trees_of_one_root_agree_and_one_forged_node_is_seen(
        root: [u8; 32],
        (here, there) in (batch(), batch()),
        which: prop::sample::Index,
    ) {
        let punctured = |leaves: &[u64]| {
            let mut tree = Tree::plant(Seed::from_bytes(root));
            tree.puncture(leaves);
            tree
        };
        let (here, there) = (punctured(&here), punctured(&there));
        prop_assert!(here.agrees_with(&there) && there.agrees_with(&here));
        let node = which.index(here.cover_len());
        let mut bytes = here.as_bytes().to_vec();
        bytes[node * NODE_LEN + NODE_LEN - 1] ^= 1;
        let (forged, node) = (Tree::decode(&bytes).unwrap(), here.node(node).unwrap());
        let shares = there.cover().any(|n| n.first < node.end() && node.first < n.end());
        prop_assert_eq!(forged.agrees_with(&there), !shares);
        prop_assert_eq!(there.agrees_with(&forged), !shares);
    }

    #[test]
    fn bytes_and_back(root: [u8; 32], leaves in batch(), more in batch()) {
        let mut model = Model::new(root);
        let mut tree = Tree::plant(Seed::from_bytes(root));
        model.erase(&leaves);
        tree.puncture(&leaves);
        let mut bytes = b"before".to_vec();
        tree.encode(&mut bytes);
        let bytes = bytes.strip_prefix(b"before").unwrap();
        prop_assert_eq!(bytes, tree.as_bytes());
        prop_assert_eq!(bytes.len(), 38 * tree.cover_len());
        let mut read = Tree::decode(bytes).unwrap();
        agree(&read, &model, &more);
        // It is a tree like any other.
        prop_assert_eq!(read.puncture(&more), model.erase(&more));
        agree(&read, &model, &leaves);
    }

    #[test]
    fn a_walker_gives_what_leaf_gives(
        root: [u8; 32],
        erased in batch(),
        walks in vec(vec(some_leaf(), 1..40), 1..3),
    ) {
        let mut tree = Tree::plant(Seed::from_bytes(root));
        tree.puncture(&erased);
        let mut walker = tree.walker();
        for (index, mut walk) in walks.into_iter().enumerate() {
            if index % 2 == 0 {
                walk.sort_unstable();
            }
            for leaf in walk {
                prop_assert_eq!(key(walker.leaf(leaf)), key(tree.leaf(leaf)));
            }
        }
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same(
        nodes in vec((0u64..1 << 10, 30u8..44, any::<u8>()), 0..6),
        sorted: bool,
    ) {
        let mut nodes = nodes;
        if sorted {
            nodes.sort_unstable();
        }
        let bytes: Vec<u8> = nodes.iter().flat_map(|n| raw(n.0, n.1, n.2)).collect();
        if let Ok(tree) = Tree::decode(&bytes) {
            prop_assert_eq!(tree.as_bytes(), bytes);
            let covers: Vec<_> = tree.cover().map(|n| (n.first, n.end())).collect();
            prop_assert!(covers.is_sorted_by(|a, b| a.1 <= b.0));
            for (first, end) in covers {
                prop_assert!(tree.leaf(first).is_some() && tree.leaf(end - 1).is_some());
            }
        }
    }
}

#[test]
fn everything_under_a_node_can_go() {
    // All that is left of the tree is one small subtree; then nothing.
    let mut tree = Tree::decode(&raw(0x10, 36, 7)).unwrap();
    assert_eq!(tree.puncture(&[0x0f, 0x20]), 0);
    let all: Vec<u64> = (0x10..0x20).rev().collect();
    assert_eq!(tree.puncture(&all), 16);
    assert_eq!(tree.as_bytes(), b"");
    assert!(all.iter().all(|leaf| tree.leaf(*leaf).is_none()));
    assert_eq!(tree.puncture(&all), 0);
    let empty = Tree::decode(b"").unwrap();
    assert_eq!(empty.cover_len(), 0);
    assert!(empty.leaf(0).is_none());
}

#[test]
fn a_whole_tree_is_its_root() {
    let tree = Tree::plant(Seed::from_bytes([0xa5; 32]));
    assert_eq!(tree.as_bytes(), raw(0, 0, 0xa5));
    assert!(tree.leaf(LEAVES - 1).is_some());
    assert!(tree.leaf(LEAVES).is_none());
    assert!(tree.leaf(u64::MAX).is_none());
}

#[test]
fn locked_as_its_memory_is() {
    let mut tree = Tree::plant(Seed::from_bytes([1; 32]));
    for locked in [true, false] {
        tree.cover.pretend_locked(locked);
        assert_eq!(tree.is_locked(), locked);
    }
}

#[test]
fn seeds_are_not_printed() {
    let mut tree = Tree::plant(Seed::from_bytes([0x41; 32]));
    tree.puncture(&[5]);
    assert_eq!(format!("{tree:?}"), "Tree(40 nodes)");
    let node = tree.cover().last().unwrap();
    assert_eq!(format!("{node:?}"), "Node(8000000000, depth 1)");
}

/// One node's bytes, its seed `seed` 32 times.
fn raw(first: u64, depth: u8, seed: u8) -> Vec<u8> {
    let mut bytes = first.to_be_bytes()[3..].to_vec();
    bytes.push(depth);
    bytes.extend([seed; 32]);
    bytes
}

#[test]
fn what_is_no_cover_is_refused_by_name() {
    let good = [raw(0, 38, 1), raw(4, 39, 2), raw(7, 40, 3)];
    Tree::decode(&good.concat()).unwrap();
    let refused = |nodes: &[Vec<u8>]| Tree::decode(&nodes.concat()).unwrap_err();

    assert_eq!(refused(&[vec![0; 1]]), TreeError::Length { len: 1 });
    assert_eq!(
        refused(&[good.concat()[..113].to_vec()]),
        TreeError::Length { len: 113 }
    );
    let (node, depth) = (1, 41);
    assert_eq!(
        refused(&[raw(0, 38, 1), raw(4, 41, 2)]),
        TreeError::Depth { node, depth }
    );
    let (node, depth) = (0, 255);
    assert_eq!(refused(&[raw(0, 255, 1)]), TreeError::Depth { node, depth });
    for (first, depth) in [(1, 39), (3, 38), (1, 0), (LEAVES / 2 + 1, 1), (6, 38)] {
        let bytes = raw(first, depth, 1);
        assert_eq!(refused(&[bytes]), TreeError::Alignment { node: 0 });
    }
    let [a, b, c] = good;
    let order = |node| TreeError::Order { node };
    assert_eq!(refused(&[b.clone(), a.clone()]), order(1));
    assert_eq!(refused(&[a.clone(), c.clone(), c.clone()]), order(2));
    assert_eq!(refused(&[a.clone(), raw(3, 40, 9)]), order(1), "inside");
    assert_eq!(refused(&[raw(0, 40, 9), a.clone()]), order(1), "around");
    assert_eq!(refused(&[raw(0, 0, 9), a.clone()]), order(1), "root");
    let siblings = |node| TreeError::Siblings { node };
    assert_eq!(
        refused(&[a, b, c, raw(8, 40, 1), raw(9, 40, 1)]),
        siblings(4)
    );
    assert_eq!(refused(&[raw(0, 1, 1), raw(LEAVES / 2, 1, 2)]), siblings(1));
}

#[test]
fn neighbours_that_are_no_siblings_are_fine() {
    // Leaves 1 and 2 stand next to each other under different parents; 2-3 is an uncle of 1.
    for nodes in [
        [raw(1, 40, 1), raw(2, 40, 2)],
        [raw(1, 40, 1), raw(2, 39, 2)],
    ] {
        Tree::decode(&nodes.concat()).unwrap();
    }
}

#[test]
fn errors_say_which_node() {
    let text = TreeError::Depth { node: 3, depth: 77 }.to_string();
    assert_eq!(text, "node 3 of the key tree has depth 77, beyond 40");
    let text = TreeError::Length { len: 39 }.to_string();
    assert_eq!(text, "39 bytes are no whole number of key tree nodes");
}

/// A line of the module text's vectors, so that text and code cannot part.
fn vector(name: &str) -> String {
    let lines = include_str!("../tree.rs").lines();
    let mut found = lines.filter_map(|line| line.strip_prefix("//! ")?.strip_prefix(name));
    let line = found.next().unwrap().trim().to_owned();
    assert_eq!(found.next(), None);
    line
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn line(node: Node<'_>) -> String {
    format!("{:010x} {:02x} {}", node.first, node.depth, hex(node.seed))
}

fn vector_tree() -> Tree {
    Tree::plant(Seed::from_bytes(std::array::from_fn(|i| i as u8)))
}

#[test]
fn vectors_of_leaves() {
    let tree = vector_tree();
    for leaf in [0, 1, 1 << 32, 1 << 32 | 7, LEAVES - 1] {
        let key = tree.leaf(leaf).unwrap();
        assert_eq!(hex(key.expose()), vector(&format!("leaf {leaf:010x} ")));
    }
}

#[test]
fn vectors_of_covers() {
    let mut tree = vector_tree();
    assert_eq!(tree.puncture(&[1 << 32 | 5]), 1);
    assert_eq!(tree.cover_len(), 40);
    assert_eq!(line(tree.cover().next().unwrap()), vector("first "));
    assert_eq!(line(tree.cover().last().unwrap()), vector("last "));
    let hash = blake3::hash(tree.as_bytes());
    assert_eq!(hash.to_string(), vector("all "));

    let mut tree = vector_tree();
    let four: Vec<u64> = (1 << 32..1 << 32 | 4).collect();
    assert_eq!(tree.puncture(&four), 4);
    assert_eq!(tree.cover_len(), 38);
    assert_eq!(line(tree.cover().nth(1).unwrap()), vector("second "));
    let hash = blake3::hash(tree.as_bytes());
    assert_eq!(hash.to_string(), vector("whole "));
}
