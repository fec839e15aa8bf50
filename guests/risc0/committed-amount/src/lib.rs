//! Proves that an amount reaches a threshold, or does not, where a notary committed to it, without showing it.
//!
//! A TLSNotary notary commits to ranges of what a server said: the SHA-256 of their bytes and a blinder. This opens one
//! such commitment, reads the bytes as an amount, and makes the commitment public with the range and the id of the
//! notary's attestation. Whoever has the attestation finds the commitment in it, and knows where the amount stands.
//!
//! The bytes are an amount from the first to the last, so nothing else can be hidden in that place: no quote that ends a
//! text, no comma, no other member. That the notary signed the commitment is for the verifier of the attestation to see.
//!
//! The input is one payload block, see `docs/formats/programs.md`.

#![cfg_attr(not(test), no_std)]

use kit::{BLOCK_WORDS, Buffer, Digest, check, payload, trap};

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "loom/committed-amount";
/// The longest text of an amount, in bytes.
pub const TEXT_BYTES_MAX: usize = 32;
/// Bytes of the public output.
pub const OUTPUT_BYTES: usize = 106;

/// The attestation's id, and where the range begins and ends: what is made public as it is.
const PLACE_BYTES: usize = 16 + 8 + 8;
const THRESHOLD_BYTES: usize = 8;
const BLINDER_BYTES: usize = 16;
/// A list's head, the salt, the media type, the value's head, place, threshold, text and blinder.
const BLOCK_BYTES_MAX: usize =
    18 + 1 + MEDIA_TYPE.len() + 2 + PLACE_BYTES + THRESHOLD_BYTES + TEXT_BYTES_MAX + BLINDER_BYTES;
/// The length, the block, its padding.
const INPUT_WORDS: usize = 1 + (BLOCK_BYTES_MAX + 8) / 64 * BLOCK_WORDS + BLOCK_WORDS;
/// The public output and its padding.
const JOURNAL_WORDS: usize = 2 * BLOCK_WORDS;

static INPUT: Buffer<INPUT_WORDS> = Buffer::new();

/// Reads an opening, checks that it is one of an amount, and makes digest, place, commitment, threshold and verdict
/// public.
pub fn run() -> Digest {
    let input = INPUT.take();
    let count = kit::read(input);
    let [length, block @ ..] = input;
    let length = *length as usize;
    check(length <= BLOCK_BYTES_MAX && count == 4 + length.next_multiple_of(4));
    let bytes = kit::bytes(block);
    check(bytes[length..count - 4].iter().all(|byte| *byte == 0));

    let mut journal = [0; JOURNAL_WORDS];
    claim(payload::value(&bytes[..length], MEDIA_TYPE.as_bytes()), &mut journal);
    journal[..8].copy_from_slice(&kit::sha256(block, length));
    kit::commit(&mut journal, OUTPUT_BYTES)
}

/// Puts what a value says into the public output, behind the room for its digest.
fn claim(value: &[u8], journal: &mut [u32; JOURNAL_WORDS]) {
    let Some((place, rest)) = value.split_first_chunk::<PLACE_BYTES>() else { trap() };
    let Some((threshold, opening)) = rest.split_first_chunk::<THRESHOLD_BYTES>() else { trap() };
    let Some((text, _)) = opening.split_last_chunk::<BLINDER_BYTES>() else { trap() };
    check(text.len() <= TEXT_BYTES_MAX && range_bytes(place) == Some(text.len() as u64));
    let Amount { cents, is_quoted } = Amount::read(text);
    let cents_min = u64::from_le_bytes(*threshold);

    // Text and blinder fit into one block of SHA-256 with its padding.
    let mut hashed = [0; BLOCK_WORDS];
    kit::bytes_mut(&mut hashed)[..opening.len()].copy_from_slice(opening);
    kit::bytes_mut(&mut journal[8..16]).copy_from_slice(place);
    journal[16..24].copy_from_slice(&kit::sha256(&mut hashed, opening.len()));
    [journal[24], journal[25]] = [cents_min as u32, (cents_min >> 32) as u32];
    journal[26] = u32::from(cents >= cents_min) | u32::from(is_quoted) << 8;
}

/// How many bytes the range of a place has.
fn range_bytes(place: &[u8; PLACE_BYTES]) -> Option<u64> {
    let [_, _, start, end] = place.as_chunks::<8>().0 else { trap() };
    u64::from_le_bytes(*end).checked_sub(u64::from_le_bytes(*start))
}

struct Amount {
    cents: u64,
    is_quoted: bool,
}

impl Amount {
    /// Reads a whole number without leading zeros, or one with one or two decimals, with or without quotes around it.
    /// Traps if the text is anything else, or more than 64 bits of cents hold.
    fn read(text: &[u8]) -> Self {
        let (number, is_quoted) = match text {
            [b'"', number @ .., b'"'] => (number, true),
            number => (number, false),
        };
        let dot = number.iter().position(|byte| *byte == b'.').unwrap_or(number.len());
        let (whole, fraction) = number.split_at(dot);
        check(matches!(whole, [b'0'] | [b'1'..=b'9', ..]));
        let scale = match fraction {
            [] => 100,
            [_, _] => 10,
            [_, _, _] => 1,
            _ => trap(),
        };
        let mut cents = 0u64;
        for digit in whole.iter().chain(fraction.iter().skip(1)) {
            check(digit.is_ascii_digit());
            cents = next(cents, 10, *digit - b'0');
        }
        Self { cents: next(cents, scale, 0), is_quoted }
    }
}

/// `number * factor + digit`; traps if that is too large.
fn next(number: u64, factor: u64, digit: u8) -> u64 {
    let Some(number) = number.checked_mul(factor).and_then(|number| number.checked_add(digit.into())) else { trap() };
    number
}

#[cfg(test)]
mod tests;
