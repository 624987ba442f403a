//! The Merkle tree of RFC 6962 (and RFC 9162), section 2.1, with SHA-256.
//!
//! A leaf's hash is SHA-256 of `0x00 ‖ bytes`, a node's is SHA-256 of `0x01 ‖ left ‖ right`, and the
//! root of no leaves is SHA-256 of nothing. A tree of more than one leaf splits at the largest power
//! of two that is smaller than the number of leaves.
//!
//! [`Tree`] takes leaves one after the other and keeps only the roots of the perfect subtrees that
//! they make up so far: one for each bit of their number, so at most 64. The root at an earlier size
//! is had by asking for it when that many leaves were pushed.

use aws_lc_rs::digest::{Context, SHA256};

/// The hash of a leaf, a node or a whole tree.
pub type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of a leaf that holds `bytes`.
pub fn leaf(bytes: &[u8]) -> Hash {
    sha256(&[&[0], bytes])
}

/// The hash of the node above two others.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// A tree that grows by one leaf after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// The roots of the perfect subtrees, the largest (and first) one first.
    perfect: Vec<Hash>,
}

impl Tree {
    /// Adds a leaf that holds `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut root = leaf(bytes);
        // Two perfect subtrees of one size are one of twice the size: a carry, as in counting.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.perfect.pop() {
                root = node(&left, &root);
            }
        }
        self.perfect.push(root);
        self.size += 1;
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.perfect.iter().rev();
        match smallest_first.next() {
            None => sha256(&[]),
            Some(last) => smallest_first.fold(*last, |right, left| node(left, &right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{hex, unhex};

    /// The leaves that the implementations of Certificate Transparency test with, and the roots
    /// over the first of them, from none to all.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn known_roots() {
        let mut tree = Tree::default();
        assert_eq!(hex(&tree.root()), ROOTS[0]);
        for (leaf, root) in LEAVES.into_iter().zip(&ROOTS[1..]) {
            tree.push(leaf);
            assert_eq!(hex(&tree.root()), *root, "{} leaves", tree.size());
        }
    }

    /// RFC 6962, section 2.1, word for word.
    fn mth(leaves: &[Vec<u8>]) -> Hash {
        match leaves.len() {
            0 => unhex(ROOTS[0]).unwrap(),
            1 => sha256(&[&[0], &leaves[0]]),
            n => {
                let mut k = 1;
                while k * 2 < n {
                    k *= 2;
                }
                let (left, right) = leaves.split_at(k);
                sha256(&[&[1], &mth(left), &mth(right)])
            }
        }
    }

    proptest! {
        #[test]
        fn every_size_has_the_root_of_the_recursive_definition(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..70),
        ) {
            let mut tree = Tree::default();
            for (before, leaf) in leaves.iter().enumerate() {
                prop_assert_eq!(tree.root(), mth(&leaves[..before]));
                tree.push(leaf);
                prop_assert_eq!(tree.perfect.len() as u32, tree.size().count_ones());
            }
            prop_assert_eq!(tree.root(), mth(&leaves));
        }
    }
}
