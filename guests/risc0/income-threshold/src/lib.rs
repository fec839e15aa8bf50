//! Proves that amounts add up to a threshold, or do not, without showing one of them or how many there are.
//!
//! The input is one payload block, see `docs/formats/programs.md`.

#![cfg_attr(not(test), no_std)]

use kit::{BLOCK_WORDS, Buffer, Digest, check, payload, trap};

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "loom/income";
/// The most amounts.
pub const AMOUNTS_MAX: usize = 500;
/// Bytes of the public output.
pub const OUTPUT_BYTES: usize = 41;

const AMOUNT_BYTES: usize = 8;
/// A list's head, the salt, the media type, the value's head of three bytes at most, threshold and amounts.
const BLOCK_BYTES_MAX: usize = 18 + 1 + MEDIA_TYPE.len() + 3 + AMOUNT_BYTES * (1 + AMOUNTS_MAX);
/// The length, the block, its padding.
const INPUT_WORDS: usize = 1 + (BLOCK_BYTES_MAX + 8) / 64 * BLOCK_WORDS + BLOCK_WORDS;

static INPUT: Buffer<INPUT_WORDS> = Buffer::new();

/// Reads threshold and amounts, and makes digest, threshold and verdict public.
pub fn run() -> Digest {
    let input = INPUT.take();
    let count = kit::read(input);
    let [length, block @ ..] = input;
    let length = *length as usize;
    check(length <= BLOCK_BYTES_MAX && count == 4 + length.next_multiple_of(4));
    let bytes = kit::bytes(block);
    check(bytes[length..count - 4].iter().all(|byte| *byte == 0));
    let (threshold, reached) = add_up(payload::value(&bytes[..length], MEDIA_TYPE.as_bytes()));

    let mut journal = [0; BLOCK_WORDS];
    journal[..8].copy_from_slice(&kit::sha256(block, length));
    [journal[8], journal[9]] = [threshold as u32, (threshold >> 32) as u32];
    journal[10] = u32::from(reached);
    kit::commit(&mut journal, OUTPUT_BYTES)
}

/// The threshold, and whether the amounts behind it reach it. Traps if there is none, or too many, or half of one, or
/// if they do not add up within 64 bits.
fn add_up(value: &[u8]) -> (u64, bool) {
    let (numbers, rest) = value.as_chunks::<AMOUNT_BYTES>();
    check(rest.is_empty() && numbers.len() <= 1 + AMOUNTS_MAX);
    let [threshold, amounts @ ..] = numbers else { trap() };
    check(!amounts.is_empty());
    let mut sum = 0u64;
    for amount in amounts {
        let Some(more) = sum.checked_add(u64::from_le_bytes(*amount)) else { trap() };
        sum = more;
    }
    let threshold = u64::from_le_bytes(*threshold);
    (threshold, sum >= threshold)
}

#[cfg(test)]
mod tests;
