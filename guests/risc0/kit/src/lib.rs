//! What a RISC Zero program needs of its machine: input, SHA-256, output, an end. Nothing else, and no dependency.
//!
//! A program is a function from its input to the digest that [`commit`] returns, and [`entry!`] makes it one:
//!
//! ```ignore
//! pub fn run() -> Digest { /* read, check, commit */ }
//! kit::entry!(my_program::run);      // in main.rs
//! ```
//!
//! What is kept:
//! - Bad input ends in [`trap`]: no output, hence no proof. A panic is a trap as well and formats nothing.
//! - Before the program starts, random bytes are written to memory that stays. The proof shows a hash of the final
//!   memory, and without them somebody could try values until one fits it.
//! - This is the only place with unsafe code. Everywhere but in the machine the same functions work on an input set by
//!   [`host::run`], so that whole programs are tested natively.
//!
//! Memory is counted in words: a digest or a block is its bytes in order, four to a word, the first the lowest.
//! Start reading at [`commit`].

#![cfg_attr(target_os = "zkvm", no_std)]
#![cfg_attr(
    target_os = "zkvm",
    expect(unsafe_code, reason = "system calls, the entry point and the heap are made of it")
)]

#[cfg(not(target_os = "zkvm"))]
pub mod host;
pub mod payload;
mod sha;
#[cfg(target_os = "zkvm")]
mod zkvm;

#[cfg(not(target_os = "zkvm"))]
use host as machine;
#[cfg(target_os = "zkvm")]
use zkvm as machine;

pub use self::machine::{Buffer, bytes, bytes_mut, read, trap};
pub use self::sha::{BLOCK_WORDS, Digest, INITIAL, compress, digest_into, digest_of, pad, sha256};
#[cfg(target_os = "zkvm")]
pub use self::zkvm::halt;

/// SHA-256 of `risc0.Output`, the tag of the structure whose digest a program ends with.
#[rustfmt::skip]
const OUTPUT_TAG: Digest = [
    0xb3fe_ea77, 0x478b_a766, 0xd7e0_7d74, 0x8462_17bb, 0x56f5_5f08, 0x9a00_8748, 0xa33d_e65b, 0xd459_352d,
];

/// Makes `journal`'s first `length` bytes the program's public output, and returns the digest to end with.
///
/// The words behind it are written to (padding, see [`pad`]); room for it is the caller's business.
#[inline(always)]
pub fn commit(journal: &mut [u32], length: usize) -> Digest {
    machine::write_journal(journal, length);
    // Tag, digest of the output, digest of no assumptions, number of the two as 16 bits: 98 bytes in two blocks.
    let mut output = [0; 2 * BLOCK_WORDS];
    output[..8].copy_from_slice(&OUTPUT_TAG);
    output[8..16].copy_from_slice(&sha256(journal, length));
    output[24] = 0x0080_0002;
    output[31] = (98u32 * 8).to_be();
    digest_of(&output)
}

/// Traps unless the condition holds.
#[inline(always)]
pub fn check(condition: bool) {
    if !condition {
        trap()
    }
}

/// Makes a function `fn() -> Digest` the program.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        #[cfg(target_os = "zkvm")]
        #[expect(unsafe_code, reason = "the kit's entry point calls it by this name")]
        #[unsafe(no_mangle)]
        extern "C" fn loom_program() -> ! {
            $crate::halt(&$run())
        }
        #[cfg(not(target_os = "zkvm"))]
        fn main() {
            // Natively a program is tested, not run.
            let _ = $run;
        }
    };
}
