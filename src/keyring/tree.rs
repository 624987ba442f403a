//! A key tree that can forget single leaves (a puncturable pseudo-random function, after
//! Goldreich, Goldwasser and Micali).
//!
//! A binary tree of depth 40. Its leaves are numbered from 0 to 2^40 − 1: `class (8 bits) |
//! arrival (32)`, as `ids::Domain::leaf` has it. Every node has a seed of 32 bytes. The root's is
//! random; a child's is BLAKE3's keyed hash, under its parent's seed, of one byte: `00` for the
//! left child, `01` for the right. So the bits of a leaf's number, from bit 39 down to bit 0, say
//! which way to go from the root, and the seed at the end is the key of that leaf's domain.
//!
//! **What is kept** is not the leaves but the *cover*: the fewest nodes from which every leaf that
//! is not erased follows, and no other. At birth that is the root. To *puncture* a leaf is to
//! replace the covering node by the siblings along the way down to the leaf, and to forget the
//! node itself. No leaf's seed says anything about that of another, or about a node above both, so
//! whoever has only the new cover cannot derive the leaf again. The cover follows from the set of
//! erased leaves alone: the order of the punctures, their batches and repetitions leave no trace.
//!
//! **Invariant:** no node of the cover lies above (or is) an erased leaf; every other leaf lies
//! under exactly one.
//!
//! # Bytes
//!
//! The cover, from the left: for each node 38 bytes, and nothing else.
//!
//! | offset | length | what |
//! |---|---|---|
//! | 0 | 5 | the number of the first leaf under the node, most significant byte first |
//! | 5 | 1 | the node's depth: 0 is the root, 40 a leaf. 2^(40 − depth) leaves lie under it |
//! | 6 | 32 | the node's seed |
//!
//! No bytes at all is a cover too: everything is erased. A reader refuses ([`TreeError`]): a length
//! that is no multiple of 38; a depth beyond 40; a first leaf that is no multiple of the number of
//! leaves under its node; a node that begins before the one before it has ended; two siblings next
//! to each other (their parent would stand there, were neither of them punctured). So there is one
//! encoding for each set of erased leaves. Whether the bytes are the right ones is not for this
//! module: they lie in a signed and encrypted file.
//!
//! In memory the cover has the same form, in locked pages ([`LockedBytes`]), and is searched by
//! halves. A puncture writes a new one and wipes the old.
//!
//! # Vectors
//!
//! For a tree whose root's seed is `00 01 … 1f`:
//!
//! ```text
//! leaf 0000000000  774204c4919843c65d694a57c46a0a6899fc1b53a299fe253e546739a9cec42a
//! leaf 0000000001  06757f05ce92367ee674f745e6758d86f4ebc508905583c3bdd5237fa16786f8
//! leaf 0100000000  2abeea300033af619dc3cdecb0054344852b15f696a3c252d355ddc9e8bef23e
//! leaf 0100000007  16c4b7bb14aef0d7853ce319416ed22e63bffca7fa699ec92e9ca2bf40b36200
//! leaf ffffffffff  b855967469fee554faaf1c24dcd9cc9a8be8d72324960fadee6c73fee095b88d
//! ```
//!
//! Punctured at leaf `0100000005` (all numbers hexadecimal), its cover has 40 nodes; the first and
//! the last, and the BLAKE3 of all 1,520 bytes, are
//!
//! ```text
//! first  0000000000 08 cfd0f2364634ecfe70a9e14235e28ba8e6229bc4c6f8e3191123b4053a852b62
//! last   8000000000 01 c83549102fe62df0a1cda96ab32500a6eb0ebeb0bdf481fb489921ab389ed63a
//! all    34f23a28ddc094c3023e783dcccb326e669ab23268bfc825c67bb23e29d6207e
//! ```
//!
//! Punctured at `0100000000` to `0100000003`, a whole subtree, it has 38 nodes, of which
//!
//! ```text
//! second 0100000004 26 6431a5269ce70bb6026624f58db4589a4a3a4a4a29993c266473c3808a4a9c07
//! whole  1f173c9132fa0d5a9eba7a95be98b0d97fa17c0aa411ffc1d07749a55411fd7a
//! ```
//!
//! is the second node (depth 38, which is hexadecimal 26) and the BLAKE3 of all.

mod forest;
mod puncture;
mod walker;

use std::fmt;

use crate::secret::{DomainKey, LockedBytes, Seed};

pub use forest::{Forest, ForestWalker};
pub use walker::Walker;

/// How far the leaves lie below the root.
pub const DEPTH: u8 = 40;
/// How many leaves a tree has.
pub const LEAVES: u64 = 1 << DEPTH;

/// Bytes of one node in a cover.
const NODE_LEN: usize = 38;
/// Bytes of a leaf's number in a cover.
const FIRST_LEN: usize = 5;

/// Why bytes are not a cover. Nodes are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Cut short, or with something appended.
    #[error("{len} bytes are no whole number of key tree nodes")]
    Length {
        /// How many bytes there are.
        len: usize,
    },
    /// Deeper than the tree.
    #[error("node {node} of the key tree has depth {depth}, beyond 40")]
    Depth {
        /// Which node.
        node: usize,
        /// The depth it claims.
        depth: u8,
    },
    /// No node of that depth begins at that leaf.
    #[error("node {node} of the key tree does not begin where a node of its depth can")]
    Alignment {
        /// Which node.
        node: usize,
    },
    /// Out of order, or the same leaves twice.
    #[error("node {node} of the key tree begins before the one before it ends")]
    Order {
        /// Which node: the second of the two.
        node: usize,
    },
    /// Both children of one node, where that node should stand.
    #[error("node {node} of the key tree and the one before it are siblings")]
    Siblings {
        /// Which node: the second of the two.
        node: usize,
    },
}

/// One node of a cover: a subtree of which no leaf is erased.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    /// The first leaf under it.
    pub first: u64,
    /// Steps from the root, 0 to [`DEPTH`].
    pub depth: u8,
    /// Its seed: whoever has it can derive every leaf under it.
    pub seed: &'a [u8; Seed::LEN],
}

impl<'a> Node<'a> {
    fn read(bytes: &'a [u8; NODE_LEN]) -> Self {
        let [a, b, c, d, e, depth, seed @ ..] = bytes;
        Self {
            first: u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e]),
            depth: *depth,
            seed,
        }
    }

    /// The first leaf beyond it.
    fn end(&self) -> u64 {
        self.first + leaves_under(self.depth)
    }

    fn covers(&self, leaf: u64) -> bool {
        (self.first..self.end()).contains(&leaf)
    }

    /// Whether the higher of two nodes, of which one lies under the other, leads to the lower one's seed.
    fn leads_to_same(&self, other: &Node<'_>) -> bool {
        let (upper, lower) = match self.depth <= other.depth {
            true => (self, other),
            false => (other, self),
        };
        let mut seed = Seed::from_bytes(*upper.seed);
        for depth in upper.depth..lower.depth {
            seed = seed.keyed(&[turn(lower.first, depth)]);
        }
        seed.expose() == lower.seed
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({:010x}, depth {})", self.first, self.depth)
    }
}

/// How many leaves lie under a node of depth `depth`, at most [`DEPTH`].
const fn leaves_under(depth: u8) -> u64 {
    1 << (DEPTH - depth)
}

/// Which child of a node of depth `depth` leads to `leaf`: 0 for the left, 1 for the right.
const fn turn(leaf: u64, depth: u8) -> u8 {
    (leaf >> (DEPTH - 1 - depth)) as u8 & 1
}

/// A key tree, as far as it has not been punctured.
pub struct Tree {
    /// Nodes of [`NODE_LEN`] bytes, ascending: exactly the tree's binary form.
    cover: LockedBytes,
}

impl Tree {
    /// A whole tree, nothing erased, with this seed for its root.
    pub fn plant(seed: Seed) -> Self {
        let mut cover = LockedBytes::with_capacity(NODE_LEN);
        push(&mut cover, 0, 0, &seed);
        Self { cover }
    }

    /// The key of one leaf; none if it is punctured or is no leaf (2^40 and beyond). At most 40
    /// hashes; a [`Walker`] is cheaper for many.
    pub fn leaf(&self, leaf: u64) -> Option<DomainKey> {
        let node = self.node(self.find(leaf)?)?;
        let mut seed = Seed::from_bytes(*node.seed);
        for depth in node.depth..DEPTH {
            seed = seed.keyed(&[turn(leaf, depth)]);
        }
        Some(DomainKey::new(seed))
    }

    /// Whether the leaf's key can be derived.
    pub fn has(&self, leaf: u64) -> bool {
        self.find(leaf).is_some()
    }

    /// Derives the keys of many leaves, best in ascending order.
    pub fn walker(&self) -> Walker<'_> {
        Walker::new(self)
    }

    /// Whether both could have grown from one root: what both have left is the same.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let (mut here, mut there) = (self.cover().peekable(), other.cover().peekable());
        while let (Some(a), Some(b)) = (here.peek(), there.peek()) {
            // Of two nodes that share leaves one lies under the other, or they are the same.
            let shares = a.first < b.end() && b.first < a.end();
            if shares && !a.leads_to_same(b) {
                return false;
            }
            if a.end() <= b.end() {
                here.next();
            } else {
                there.next();
            }
        }
        true
    }

    /// How many leaves can be derived.
    pub fn leaves(&self) -> u64 {
        self.cover().map(|node| leaves_under(node.depth)).sum()
    }

    /// How many nodes the cover has: what a keyring's size and an erasure's cost go by.
    pub fn cover_len(&self) -> usize {
        self.nodes().len()
    }

    /// The nodes of the cover, ascending.
    pub fn cover(&self) -> impl ExactSizeIterator<Item = Node<'_>> {
        self.nodes().iter().map(Node::read)
    }

    /// Whether the cover is kept out of swap; see [`LockedBytes::is_locked`].
    pub fn is_locked(&self) -> bool {
        self.cover.is_locked()
    }

    /// The tree as bytes, as the module text describes them: `38 * cover_len()` bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.cover.as_slice()
    }

    /// Appends the tree's bytes. A `Vec` that must grow leaves its old memory behind unwiped: have
    /// it reserve enough before the first secret goes in, and wipe it afterwards.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    /// Reads a tree from its bytes, and all of them, straight into locked memory. The caller wipes
    /// what it passed.
    ///
    /// # Errors
    /// [`TreeError`] says what is wrong with the first bytes that are.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        let (nodes, []) = bytes.as_chunks::<NODE_LEN>() else {
            return Err(TreeError::Length { len: bytes.len() });
        };
        let mut before: Option<Node<'_>> = None;
        for (index, node) in nodes.iter().map(Node::read).enumerate() {
            check(index, &node, before.as_ref())?;
            before = Some(node);
        }
        let mut cover = LockedBytes::with_capacity(bytes.len());
        cover.extend(bytes);
        Ok(Self { cover })
    }

    fn nodes(&self) -> &[[u8; NODE_LEN]] {
        self.cover.as_slice().as_chunks().0
    }

    fn node(&self, index: usize) -> Option<Node<'_>> {
        self.nodes().get(index).map(Node::read)
    }

    /// The index of the node that covers `leaf`.
    fn find(&self, leaf: u64) -> Option<usize> {
        let beyond = self
            .nodes()
            .partition_point(|node| Node::read(node).first <= leaf);
        let index = beyond.checked_sub(1)?;
        self.node(index)?.covers(leaf).then_some(index)
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tree({} nodes)", self.cover_len())
    }
}

/// Appends one node to a cover.
fn push(cover: &mut LockedBytes, first: u64, depth: u8, seed: &Seed) {
    let [.., a, b, c, d, e] = first.to_be_bytes();
    let number: [u8; FIRST_LEN] = [a, b, c, d, e];
    cover.extend(&number);
    cover.extend(&[depth]);
    cover.extend(seed.expose());
}

/// Whether `node`, the `index`th, may stand after `before`.
fn check(index: usize, node: &Node<'_>, before: Option<&Node<'_>>) -> Result<(), TreeError> {
    if node.depth > DEPTH {
        let depth = node.depth;
        return Err(TreeError::Depth { node: index, depth });
    }
    if !node.first.is_multiple_of(leaves_under(node.depth)) {
        return Err(TreeError::Alignment { node: index });
    }
    let Some(before) = before else {
        return Ok(());
    };
    if node.first < before.end() {
        return Err(TreeError::Order { node: index });
    }
    if node.depth == before.depth && node.first ^ before.first == leaves_under(node.depth) {
        return Err(TreeError::Siblings { node: index });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
