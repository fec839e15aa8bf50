//! The machine's stand-in everywhere else: an input and an output per thread, and SHA-256 in software.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sha::Digest;

#[derive(Default)]
struct Machine {
    input: Vec<u8>,
    read: usize,
    journal: Vec<u8>,
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::default();
}

/// What a trap unwinds with; any other panic is a trap in the machine, but here most likely a mistake of ours.
struct Trap;

/// What a run that did not trap came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The public output.
    pub journal: Vec<u8>,
    /// What the program ended with.
    pub digest: Digest,
}

/// Runs a program on an input; nothing if it trapped.
pub fn run(input: &[u8], program: fn() -> Digest) -> Option<Output> {
    MACHINE.set(Machine { input: input.to_vec(), ..Machine::default() });
    match catch_unwind(AssertUnwindSafe(program)) {
        Ok(digest) => Some(Output { journal: MACHINE.take().journal, digest }),
        Err(cause) if cause.is::<Trap>() => None,
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

/// Reads input into `words` and returns how many bytes there were: fewer than asked for only at the input's end.
pub fn read(words: &mut [u32]) -> usize {
    MACHINE.with_borrow_mut(|machine| {
        let rest = &machine.input[machine.read..];
        let count = rest.len().min(size_of_val(words));
        for (word, four) in words.iter_mut().zip(rest[..count].chunks(4)) {
            let mut filled = [0; 4];
            filled[..four.len()].copy_from_slice(four);
            *word = u32::from_le_bytes(filled);
        }
        machine.read += count;
        count
    })
}

pub(crate) fn write_journal(journal: &[u32], length: usize) {
    crate::check(length <= size_of_val(journal));
    MACHINE.with_borrow_mut(|machine| machine.journal.extend_from_slice(&bytes(journal)[..length]));
}

/// Ends the run without output.
pub fn trap() -> ! {
    // Not through the panic hook: a refused input is what a test wants to see, not a message.
    std::panic::resume_unwind(Box::new(Trap))
}

/// Memory for one who takes it once: here, once for each run.
#[derive(Default)]
pub struct Buffer<const WORDS: usize>(());

impl<const WORDS: usize> Buffer<WORDS> {
    /// For a static.
    pub const fn new() -> Self {
        Self(())
    }

    /// The memory.
    pub fn take(&'static self) -> &'static mut [u32; WORDS] {
        // Tests are short, and threads of theirs run side by side.
        Box::leak(Box::new([0; WORDS]))
    }
}

/// The bytes that words are.
#[expect(unsafe_code, reason = "the same view that programs have in the machine; the rest of the crate is safe here")]
pub fn bytes(words: &[u32]) -> &[u8] {
    const { assert!(cfg!(target_endian = "little")) };
    // SAFETY: same memory, weaker alignment, and every byte is a u8.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// The bytes that words are, to be written to.
#[expect(unsafe_code, reason = "as above")]
pub fn bytes_mut(words: &mut [u32]) -> &mut [u8] {
    // SAFETY: as above, and every four bytes are a u32.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

pub(crate) fn compress_in_place(state: &mut Digest, blocks: &[u32]) {
    let from = *state;
    compress_into(state, &from, blocks);
}

/// FIPS 180-4, section 6.2.
pub(crate) fn compress_into(to: &mut Digest, from: &Digest, blocks: &[u32]) {
    let mut state = from.map(u32::from_be);
    for block in blocks.chunks_exact(16) {
        let mut schedule = [0u32; 64];
        for (word, bytes) in schedule.iter_mut().zip(block) {
            *word = u32::from_be(*bytes);
        }
        for i in 16..64 {
            let (x, y) = (schedule[i - 15], schedule[i - 2]);
            let small0 = x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3;
            let small1 = y.rotate_right(17) ^ y.rotate_right(19) ^ y >> 10;
            schedule[i] = schedule[i - 16].wrapping_add(small0).wrapping_add(schedule[i - 7]).wrapping_add(small1);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        for (constant, word) in ROUND.into_iter().zip(schedule) {
            let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = e & f ^ !e & g;
            let one = h.wrapping_add(big1).wrapping_add(choice).wrapping_add(constant).wrapping_add(word);
            let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let two = big0.wrapping_add(a & b ^ a & c ^ b & c);
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
        }
        for (sum, word) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *sum = sum.wrapping_add(word);
        }
    }
    *to = state.map(u32::to_be);
}

/// The fractional parts of the cube roots of the first 64 primes.
#[rustfmt::skip]
const ROUND: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// An input as the sender builds it: the length of the private block, the block, zeros to a whole word, the public
/// part.
pub fn input(block: &[u8], public: &[u8]) -> Vec<u8> {
    let length = u32::try_from(block.len()).expect("a block of a test is short");
    let mut input = [&length.to_le_bytes(), block].concat();
    input.resize(input.len().next_multiple_of(4), 0);
    input.extend_from_slice(public);
    input
}

/// A payload block: the DAG-CBOR list of a salt, a media type and a value.
pub fn block(salt: [u8; 16], media_type: &str, value: &[u8]) -> Vec<u8> {
    let mut block = vec![0x83];
    for (major, bytes) in [(0x40, &salt[..]), (0x60, media_type.as_bytes()), (0x40, value)] {
        match bytes.len() {
            length @ 0..24 => block.push(major | length as u8),
            length @ 24..0x100 => block.extend([major | 24, length as u8]),
            length @ 0x100..0x1_0000 => block.extend([&[major | 25][..], &(length as u16).to_be_bytes()].concat()),
            length => block.extend([&[major | 26][..], &(length as u32).to_be_bytes()].concat()),
        }
        block.extend_from_slice(bytes);
    }
    block
}
