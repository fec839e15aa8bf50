//! Proves the debt-to-income ratios of thousands of cases under one Merkle root.
//!
//! The input is one payload block whose value is the cases' own payload blocks, one after the other, see
//! `docs/formats/programs.md`. A leaf is the digest of what the program `dti` would put out for the case alone, so a
//! case and its path in the tree say as much as a proof of its own.
//!
//! What a case costs is what counts here, and most of that is four digests: the set's, the case's, the leaf's and a
//! share of a node's. So cases are read sixteen at a time, the children of one node, and worked on where they lie: from
//! the last to the first, because a case's padding is written over the one behind it.

#![cfg_attr(not(test), no_std)]

use dti::{BLOCK_BYTES, CASE_WORDS};
use kit::{BLOCK_WORDS, Buffer, Digest, INITIAL, check, digest_into, trap};

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "loom/dti-set";
/// The most cases: four levels of nodes.
pub const CASES_MAX: usize = CHILDREN.pow(4);
/// The most children of a node; only the last node of a level has fewer.
pub const CHILDREN: usize = 16;
/// Bytes of the public output.
pub const OUTPUT_BYTES: usize = 72;

/// Bytes before the first case. So many that cases lie on word boundaries, whatever the length of the value's head.
const HEAD_BYTES: usize = 36;
const HEAD_WORDS: usize = HEAD_BYTES / 4;
/// The length of the block, the head or what is left of the last case, a node's cases, padding.
const INPUT_WORDS: usize = 1 + (HEAD_WORDS + CHILDREN * CASE_WORDS).next_multiple_of(BLOCK_WORDS);
/// Levels that hashes are collected on: the leaves, three of nodes, the root.
const LEVELS: usize = 5;
/// Children of a node, and the padding behind sixteen of them.
const NODE_WORDS: usize = 8 * CHILDREN + BLOCK_WORDS;

static INPUT: Buffer<INPUT_WORDS> = Buffer::new();
static NODES: Buffer<{ LEVELS * NODE_WORDS }> = Buffer::new();

/// Reads the cases, checks each, and makes digest, root, their number and that of those within their limits public.
pub fn run() -> Digest {
    let input = INPUT.take();
    check(kit::read(&mut input[..1 + HEAD_WORDS]) == 4 + HEAD_BYTES);
    let length = input[0];
    let count = cases(length as usize, kit::bytes(&input[1..=HEAD_WORDS]));
    let [_, block @ ..] = input;

    let mut tree = Tree::new(NODES.take());
    let mut set = INITIAL;
    let mut within = 0;
    let mut left = count;
    while left > CHILDREN {
        check(kit::read(&mut block[HEAD_WORDS..HEAD_WORDS + CHILDREN * CASE_WORDS]) == CHILDREN * BLOCK_BYTES);
        // As many whole blocks as there are words of cases; the tail of the last case waits where the head was.
        kit::compress(&mut set, &block[..CHILDREN * CASE_WORDS]);
        block.copy_within(CHILDREN * CASE_WORDS..CHILDREN * CASE_WORDS + HEAD_WORDS, 0);
        within += review(&mut block[HEAD_WORDS..], CHILDREN, tree.leaves());
        tree.close_full();
        left -= CHILDREN;
    }
    // One byte more than there should be shows whether there is.
    let words = left * CASE_WORDS;
    let Some(rest) = block.get_mut(HEAD_WORDS..HEAD_WORDS + words + 1) else { trap() };
    check(kit::read(rest) == left * BLOCK_BYTES);
    finish(&mut set, block, HEAD_BYTES + left * BLOCK_BYTES, length);
    within += review(&mut block[HEAD_WORDS..], left, tree.leaves());

    let mut journal = [0; 2 * BLOCK_WORDS];
    journal[..8].copy_from_slice(&set);
    journal[8..16].copy_from_slice(&tree.root(left));
    journal[16] = count as u32;
    journal[17] = within;
    kit::commit(&mut journal, OUTPUT_BYTES)
}

/// How many cases a block of this length has. Traps if its head is not that of a set of so many.
fn cases(length: usize, head: &[u8]) -> usize {
    check(length > HEAD_BYTES && (length - HEAD_BYTES).is_multiple_of(BLOCK_BYTES));
    let count = (length - HEAD_BYTES) / BLOCK_BYTES;
    check(count <= CASES_MAX);
    let [0x83, 0x50, rest @ ..] = head else { trap() };
    check(rest[16] == 0x60 | MEDIA_TYPE.len() as u8);
    check(rest[17..29] == *MEDIA_TYPE.as_bytes());
    // The value's length, and zeros up to the first case.
    let value = (length - 31) as u32;
    let [_, _, high, low] = (value - 3).to_be_bytes();
    check(match rest[29..] {
        [0x58, byte, 0, 0, 0] => value - 2 <= 0xff && u32::from(byte) == value - 2,
        [0x59, a, b, 0, 0] => value - 3 > 0xff && value - 3 <= 0xffff && a == high && b == low,
        [0x5a, a, b, c, d] => value - 5 > 0xffff && u32::from_be_bytes([a, b, c, d]) == value - 5,
        _ => false,
    });
    count
}

/// Checks so many cases, puts their leaves where they belong, and returns how many are within their limits. The cases
/// are gone afterwards.
#[inline(always)]
fn review(cases: &mut [u32], count: usize, leaves: &mut [Digest; CHILDREN]) -> u32 {
    let mut within = 0;
    let mut leaf = [0; BLOCK_WORDS];
    leaf[BLOCK_WORDS - 1] = (dti::OUTPUT_BYTES as u32 * 8).to_be();
    for index in (0..count).rev() {
        let (Some(leaf_to), Some(case)) =
            (leaves.get_mut(index), cases.get_mut(index * CASE_WORDS..).and_then(<[u32]>::first_chunk_mut))
        else {
            trap()
        };
        let [terms, verdict] = dti::claim(case);
        dti::pad_case(case);
        let (digest, public) = leaf.split_first_chunk_mut().expect("a digest is shorter than a block");
        digest_into(digest, case);
        public[0] = terms;
        public[1] = verdict | 0x80 << 8;
        digest_into(leaf_to, &leaf);
        within += verdict;
    }
    within
}

/// Takes in the last `left` bytes of the block that is `length` long.
fn finish(set: &mut Digest, block: &mut [u32], left: usize, length: u32) {
    let words = (left + 9).div_ceil(64) * BLOCK_WORDS;
    let Some(words) = block.get_mut(..words) else { trap() };
    let Some([first, rest @ ..]) = words.get_mut(left / 4..) else { trap() };
    *first = 0x80;
    rest.fill(0);
    if let Some(last) = rest.last_mut() {
        *last = (length * 8).to_be();
    }
    kit::compress(set, words);
}

/// The tree as it grows: on each level the hashes that have no parent yet.
struct Tree {
    /// Level by level, [`NODE_WORDS`] each.
    hashes: &'static mut [u32],
    counts: [usize; LEVELS],
}

impl Tree {
    fn new(hashes: &'static mut [u32]) -> Self {
        for node in hashes.chunks_exact_mut(NODE_WORDS) {
            node[8 * CHILDREN] = 0x80;
            node[NODE_WORDS - 1] = (32 * 8 * CHILDREN as u32).to_be();
        }
        Self { hashes, counts: [0; LEVELS] }
    }

    /// Where the leaves go that have no parent yet.
    #[inline(always)]
    fn leaves(&mut self) -> &mut [Digest; CHILDREN] {
        let Some(leaves) = self.hashes.as_chunks_mut().0.first_chunk_mut() else { trap() };
        leaves
    }

    /// Makes the node of sixteen leaves, and every node above that is complete with it.
    fn close_full(&mut self) {
        self.counts[0] = CHILDREN;
        let mut level = 0;
        while self.counts[level] == CHILDREN {
            let node = kit::digest_of(self.level(level));
            self.rise(&mut level, &node);
        }
    }

    /// The root, when there are so many leaves without a parent and no more to come.
    fn root(mut self, leaves: usize) -> Digest {
        self.counts[0] = leaves;
        let mut level = 0;
        while self.counts[level] > 1 || self.counts[level + 1..].iter().any(|count| *count > 0) {
            let length = 32 * self.counts[level];
            let node = kit::sha256(self.level(level), length);
            self.rise(&mut level, &node);
        }
        let Some(root) = self.level(level).first_chunk() else { trap() };
        *root
    }

    /// Takes the node of a level's hashes to the level above.
    fn rise(&mut self, level: &mut usize, node: &Digest) {
        self.counts[*level] = 0;
        *level += 1;
        let at = 8 * self.counts[*level];
        self.level(*level)[at..at + 8].copy_from_slice(node);
        self.counts[*level] += 1;
    }

    fn level(&mut self, level: usize) -> &mut [u32] {
        &mut self.hashes[level * NODE_WORDS..(level + 1) * NODE_WORDS]
    }
}

#[cfg(test)]
mod tests;
