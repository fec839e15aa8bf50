//! Proves what a criteria program decides about facts that are not shown.
//!
//! The private input is the facts, as JSON; the public one is the text of the criteria program, see
//! `docs/formats/programs.md`. The crate `criteria` decides, the same source that the activity `criteria-reviewer` is
//! made of; what that fails on has no proof.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use criteria::limits::PROGRAM_BYTES_MAX;
use criteria::{Decision, Facts, Program, Review};
use kit::{BLOCK_WORDS, Digest, bytes, bytes_mut, check, payload, trap};
use serde::Deserialize;

/// The media type of the payload.
pub const MEDIA_TYPE: &str = "application/json";
/// Bytes of the payload block: facts at their limits fit.
pub const BLOCK_BYTES_MAX: usize = 64 * 1024;

/// What the payload holds: the activity's input without the program.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    state: Option<String>,
    facts: Facts,
}

/// Reads facts and program, and makes the digests of both, the decision and what was missed public.
pub fn run() -> Digest {
    let mut length = [0];
    check(kit::read(&mut length) == 4);
    let length = length[0] as usize;
    check(length <= BLOCK_BYTES_MAX);
    let mut block = padded(length);
    let words = length.div_ceil(4);
    check(kit::read(&mut block[..words]) == 4 * words);
    check(bytes(&block[..words])[length..].iter().all(|byte| *byte == 0));
    let mut text = padded(PROGRAM_BYTES_MAX);
    // A word more, so that a longer one is not taken for its beginning.
    let text_length = kit::read(&mut text[..=PROGRAM_BYTES_MAX / 4]);
    check(text_length <= PROGRAM_BYTES_MAX);

    let digests = [kit::sha256(&mut block, length), kit::sha256(&mut text, text_length)];
    let input = payload::value(&bytes(&block)[..length], MEDIA_TYPE.as_bytes());
    let output = output(&digests, &review(input, &bytes(&text)[..text_length]));
    let mut journal = padded(output.len());
    bytes_mut(&mut journal)[..output.len()].copy_from_slice(&output);
    kit::commit(&mut journal, output.len())
}

/// What the program decides. Traps where the activity answers with an error.
fn review(input: &[u8], program: &[u8]) -> Review {
    let Ok(text) = str::from_utf8(program) else { trap() };
    let Ok(program) = Program::parse(text) else { trap() };
    let Ok(Input { state, facts }) = serde_json::from_slice(input) else { trap() };
    let Ok(review) = criteria::evaluate(&program, state.as_deref(), &facts) else { trap() };
    review
}

/// The public output.
fn output(digests: &[Digest; 2], review: &Review) -> Vec<u8> {
    let mut output = Vec::from(bytes(digests.as_flattened()));
    output.push(match review.decision {
        Decision::Approve => 1,
        Decision::Deny => 2,
        Decision::Refer => 3,
    });
    output.extend_from_slice(&(review.missed.len() as u16).to_le_bytes());
    for id in &review.missed {
        output.push(id.len() as u8);
        output.extend_from_slice(id.as_bytes());
    }
    output
}

/// Room for so many bytes and their padding.
fn padded(length: usize) -> Vec<u32> {
    vec![0; (length / 64 + 2) * BLOCK_WORDS]
}

#[cfg(test)]
mod tests;
