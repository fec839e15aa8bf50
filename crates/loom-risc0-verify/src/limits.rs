//! How much is read of a receipt. A prover's own receipts are far below all of it.

/// Largest receipt, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most segments.
pub const SEGMENTS_MAX: usize = 256;
/// Longest seal of a STARK, in words. One over 2^14 cycles has 49,658, and each doubling adds about 2,800.
pub const SEAL_WORDS_MAX: usize = 100_000;
/// Longest seal of a Groth16 proof, in bytes: the only length there is.
pub const GROTH16_SEAL_BYTES: usize = 256;
/// Largest output, in bytes.
pub const JOURNAL_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Fewest and most cycles of a segment, as powers of two. The library takes up to 2^24; its analysis of 97 bits of
/// security is for 2^22.
pub const SEGMENT_PO2: std::ops::RangeInclusive<u32> = 13..=22;
/// Most hashes beside the way up from a recursion program to the root of all.
pub const CONTROL_PROOF_HASHES_MAX: usize = 8;
/// Deepest nesting of CBOR that is read. A receipt has less than 20.
pub const DEPTH_MAX: usize = 32;
/// Longest output that a verdict repeats, in bytes; of longer ones it has the digest.
pub const OUTPUT_SHOWN_BYTES_MAX: usize = 256 * 1024;
