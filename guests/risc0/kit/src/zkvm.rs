//! The machine itself: system calls of RISC Zero's v1compat kernel, the entry point, the heap.

use core::arch::{asm, global_asm};
use core::cell::{Cell, UnsafeCell};
use core::panic::PanicInfo;

use crate::sha::Digest;

const ECALL_HALT: u32 = 0;
const ECALL_SOFTWARE: u32 = 2;
const ECALL_SHA: u32 = 3;
const SYS_RANDOM: u32 = 11;
const SYS_READ: u32 = 12;
const SYS_WRITE: u32 = 16;
const STDIN: u32 = 0;
const JOURNAL: u32 = 3;

/// Words of random data that stay in memory. The payload's salt, which stays as well, is not enough: who knows the
/// payload must not be able to tell a proof of it by its final memory.
const BLINDING_WORDS: usize = 4;
static mut BLINDING: [u32; BLINDING_WORDS] = [0; BLINDING_WORDS];

global_asm!(
    r#"
.section .text._start,"ax"
.globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, _stack_top
    call loom_start
"#
);

unsafe extern "C" {
    fn loom_program() -> !;
}

#[unsafe(no_mangle)]
extern "C" fn loom_start() -> ! {
    let name = c"risc0_zkvm_platform::syscall::nr::SYS_RANDOM";
    // SAFETY: the kernel fills as many words as it is told, and nobody else writes to these.
    unsafe {
        asm!(
            "ecall", in("t0") ECALL_SOFTWARE, in("t6") SYS_RANDOM,
            inlateout("a0") &raw mut BLINDING => _, inlateout("a1") BLINDING_WORDS => _, in("a2") name.as_ptr(),
        );
        loom_program()
    }
}

/// Reads input into `words` and returns how many bytes there were: fewer than asked for only at the input's end.
#[inline(always)]
pub fn read(words: &mut [u32]) -> usize {
    let name = c"risc0_zkvm_platform::syscall::nr::SYS_READ";
    let length = size_of_val(words);
    let count: usize;
    // SAFETY: the kernel writes at most `length` bytes.
    unsafe {
        asm!(
            "ecall", in("t0") ECALL_SOFTWARE, in("t6") SYS_READ,
            inlateout("a0") words.as_mut_ptr() => count, inlateout("a1") length => _, in("a2") name.as_ptr(),
            in("a3") STDIN, in("a4") length,
        );
    }
    count
}

/// Makes the first `length` bytes the public output.
#[inline(always)]
pub(crate) fn write_journal(journal: &[u32], length: usize) {
    crate::check(length <= size_of_val(journal));
    let name = c"risc0_zkvm_platform::syscall::nr::SYS_WRITE";
    // SAFETY: the bytes are there; nothing is written back.
    unsafe {
        asm!(
            "ecall", in("t0") ECALL_SOFTWARE, in("t6") SYS_WRITE,
            inlateout("a0") 0 => _, inlateout("a1") 0 => _, in("a2") name.as_ptr(),
            in("a3") JOURNAL, in("a4") journal.as_ptr(), in("a5") length, options(readonly),
        );
    }
}

/// Takes whole blocks into `from`, the result goes to `to`.
#[inline(always)]
pub(crate) fn compress_into(to: &mut Digest, from: &Digest, blocks: &[u32]) {
    // SAFETY: the blocks are there, and a state is what the kernel reads and writes.
    unsafe { ecall_sha(to, from, blocks) }
}

#[inline(always)]
pub(crate) fn compress_in_place(state: &mut Digest, blocks: &[u32]) {
    // SAFETY: as above; the kernel reads the state before it writes it.
    unsafe { ecall_sha(state, state, blocks) }
}

#[inline(always)]
unsafe fn ecall_sha(to: *mut Digest, from: *const Digest, blocks: &[u32]) {
    let at = blocks.as_ptr();
    // The second pointer is to the second half of the first block. Elsewhere than behind the first it costs a copy.
    // SAFETY: the caller's.
    unsafe {
        asm!(
            "ecall", in("t0") ECALL_SHA, in("a0") to, in("a1") from, in("a2") at, in("a3") at.wrapping_add(8),
            in("a4") blocks.len() / 16,
        );
    }
}

/// Ends the run with the digest of the output.
#[inline(always)]
pub fn halt(output: &Digest) -> ! {
    // SAFETY: the kernel reads the digest and does not come back.
    unsafe { asm!("ecall", "unimp", in("t0") ECALL_HALT, in("a0") 0, in("a1") output, options(noreturn, readonly)) }
}

/// Ends the run without output, hence without a proof: the machine has no handler for an illegal instruction.
#[inline(always)]
pub fn trap() -> ! {
    // SAFETY: does not come back.
    unsafe { asm!("unimp", options(noreturn, nomem)) }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    trap()
}

/// Memory for one who takes it once. It is zeros from the start; an array on the stack is made so word by word.
pub struct Buffer<const WORDS: usize>(UnsafeCell<[u32; WORDS]>, Cell<bool>);

// SAFETY: there is one thread.
unsafe impl<const WORDS: usize> Sync for Buffer<WORDS> {}

impl<const WORDS: usize> Buffer<WORDS> {
    /// For a static.
    #[expect(clippy::new_without_default, reason = "only ever called in a constant")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; WORDS]), Cell::new(false))
    }

    /// The memory. Traps the second time.
    #[inline(always)]
    pub fn take(&'static self) -> &'static mut [u32; WORDS] {
        crate::check(!self.1.replace(true));
        // SAFETY: nobody else was given it.
        unsafe { &mut *self.0.get() }
    }
}

/// The bytes that words are.
#[inline(always)]
pub fn bytes(words: &[u32]) -> &[u8] {
    // SAFETY: same memory, weaker alignment, and every byte is a u8.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// The bytes that words are, to be written to.
#[inline(always)]
pub fn bytes_mut(words: &mut [u32]) -> &mut [u8] {
    // SAFETY: as above, and every four bytes are a u32.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(words)) }
}

/// A heap that only grows: memory costs nothing until it is touched, and a program ends soon.
#[cfg(feature = "heap")]
mod heap {
    use core::alloc::{GlobalAlloc, Layout};
    use core::cell::Cell;
    use core::ptr::null_mut;

    unsafe extern "C" {
        /// Behind the stack, by the linker script.
        static mut _end: u8;
    }

    /// User memory ends at 0xc0000000.
    const TOP: usize = 0xc000_0000;

    struct Heap(Cell<usize>);

    // SAFETY: there is one thread.
    unsafe impl Sync for Heap {}

    #[global_allocator]
    static HEAP: Heap = Heap(Cell::new(0));

    // SAFETY: pieces do not overlap, are within user memory and aligned as asked.
    unsafe impl GlobalAlloc for Heap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let start = match self.0.get() {
                0 => &raw mut _end as usize,
                next => next,
            };
            let at = start.next_multiple_of(layout.align());
            match at.checked_add(layout.size()) {
                Some(next) if next <= TOP => {
                    self.0.set(next);
                    at as *mut u8
                }
                _ => null_mut(),
            }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // Memory starts out as zeros and no piece is given out twice.
            // SAFETY: the caller's.
            unsafe { self.alloc(layout) }
        }

        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

        unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // The last piece grows in its place, so that a text that is built up is not copied over and over.
            let end = at as usize + layout.size();
            if end == self.0.get() && size >= layout.size() && size <= TOP - at as usize {
                self.0.set(at as usize + size);
                return at;
            }
            // SAFETY: the caller's layout with another size, and both pieces are at least the smaller size.
            unsafe {
                let to = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !to.is_null() {
                    at.copy_to_nonoverlapping(to, size.min(layout.size()));
                }
                to
            }
        }
    }
}
