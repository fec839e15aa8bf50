//! SHA-256 over words that hold bytes in order.

use crate::machine;

/// A digest, or the state between two blocks.
pub type Digest = [u32; 8];

/// Words of a block.
pub const BLOCK_WORDS: usize = 16;

/// The state before the first block.
#[rustfmt::skip]
pub const INITIAL: Digest = [
    0x67e6_096a, 0x85ae_67bb, 0x72f3_6e3c, 0x3af5_4fa5, 0x7f52_0e51, 0x8c68_059b, 0xabd9_831f, 0x19cd_e05b,
];

/// Takes whole blocks into `state`. A tail that is no whole block is left out.
#[inline(always)]
pub fn compress(state: &mut Digest, blocks: &[u32]) {
    machine::compress_in_place(state, blocks);
}

/// The digest of blocks that are padded already.
#[inline(always)]
pub fn digest_of(blocks: &[u32]) -> Digest {
    let mut digest = [0; 8];
    digest_into(&mut digest, blocks);
    digest
}

/// The same, put where it is wanted.
#[inline(always)]
pub fn digest_into(to: &mut Digest, blocks: &[u32]) {
    machine::compress_into(to, &INITIAL, blocks);
}

/// Pads the first `length` bytes of `words` to whole blocks, in place, and returns these. What was behind the bytes is
/// overwritten; at least three words of room are needed, and up to 18 for the last block.
#[inline(always)]
pub fn pad(words: &mut [u32], length: usize) -> &[u32] {
    let blocks = (length + 8) / 64 + 1;
    let Some(words) = words.get_mut(..blocks * BLOCK_WORDS) else { crate::trap() };
    let (at, shift) = (length / 4, length % 4 * 8);
    let Some((first, rest)) = words.get_mut(at..).and_then(<[u32]>::split_first_mut) else { crate::trap() };
    *first = *first & ((1 << shift) - 1) | 0x80 << shift;
    rest.fill(0);
    if let Some(last) = rest.last_mut() {
        *last = (length as u32 * 8).to_be();
    }
    words
}

/// The digest of the first `length` bytes, which are padded in place.
#[inline(always)]
pub fn sha256(words: &mut [u32], length: usize) -> Digest {
    digest_of(pad(words, length))
}
