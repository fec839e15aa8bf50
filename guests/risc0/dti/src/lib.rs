//! Proves a debt-to-income ratio without showing debt or income.
//!
//! The input is one payload block of [`BLOCK_BYTES`] bytes, see `docs/formats/programs.md`. The sender divides, the
//! program multiplies: it takes the ratio from the payload and refuses it unless it is the right one. So a wrong ratio
//! has no proof, and the machine is spared a division in 64 bits.

#![cfg_attr(not(test), no_std)]

use kit::{BLOCK_WORDS, Digest, check};

/// Bytes of the payload block: salt, media type `loom/dti`, value of 20 bytes.
pub const BLOCK_BYTES: usize = 48;
/// Words of the payload block.
pub const CASE_WORDS: usize = BLOCK_BYTES / 4;
/// Bytes of the public output.
pub const OUTPUT_BYTES: usize = 37;

/// The ratio that means "this or more".
const BPS_MAX: u32 = 65_535;
/// Amounts are below 2^48, so that no product leaves 64 bits.
const AMOUNT_HIGH_BITS: u32 = 16;

/// Reads one case, checks it, and makes digest, ratio, limit and verdict public.
pub fn run() -> Digest {
    // The length, the block, and room for its padding; asking for more than there should be shows whether there is.
    let mut input = [0; 1 + BLOCK_WORDS];
    check(kit::read(&mut input) == 4 + BLOCK_BYTES && input[0] == BLOCK_BYTES as u32);
    let [_, block @ ..] = &mut input;
    let mut journal = [0; BLOCK_WORDS];
    [journal[8], journal[9]] = claim(block);
    pad_case(block);
    let digest = kit::digest_of(block);
    journal[..8].copy_from_slice(&digest);
    kit::commit(&mut journal, OUTPUT_BYTES)
}

/// Writes the padding of SHA-256 behind a payload block.
#[inline(always)]
pub fn pad_case(case: &mut [u32; BLOCK_WORDS]) {
    case[12] = 0x80;
    case[13] = 0;
    case[14] = 0;
    case[15] = (BLOCK_BYTES as u32 * 8).to_be();
}

/// What a case says in public, after its digest: ratio and limit in one word, the verdict in the next one's first byte.
/// Traps if the block is not one of a case, or its ratio is wrong.
#[inline(always)]
pub fn claim(case: &[u32; BLOCK_WORDS]) -> [u32; 2] {
    // `83 50` salt `68` "loom/dti" `54`: a list of three, 16 bytes, 8 characters, 20 bytes.
    check(case[0] & 0xffff == 0x5083);
    check(case[4] >> 16 == 0x6c68);
    check(case[5] == u32::from_le_bytes(*b"oom/"));
    check(case[6] == u32::from_le_bytes(*b"dti\x54"));
    let [.., income_low, income_high, debt_low, debt_high, terms, _, _, _, _] = *case;
    check((income_high | debt_high) >> AMOUNT_HIGH_BITS == 0);
    let (limit_bps, dti_bps) = (terms & 0xffff, terms >> 16);
    check(is_ratio(wide(debt_low, debt_high), wide(income_low, income_high), dti_bps));
    [dti_bps | limit_bps << 16, u32::from(dti_bps <= limit_bps)]
}

/// Whether `dti_bps` is `debt / income` in basis points, rounded up: `(dti - 1) * income < debt * 10,000 <= dti *
/// income`. For the largest ratio the right half is not asked.
#[inline(always)]
fn is_ratio(debt: u64, income: u64, dti_bps: u32) -> bool {
    // Amounts below 2^48 keep both products within 64 bits.
    if dti_bps == BPS_MAX {
        return income > 0 && debt * 10_000 > income * u64::from(BPS_MAX - 1);
    }
    // If the product with the ratio is too small, this wraps round to more than any income.
    let over = (income * u64::from(dti_bps)).wrapping_sub(debt * 10_000);
    over < income
}

#[inline(always)]
fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests;
