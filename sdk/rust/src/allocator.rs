//! The guests' allocator: made for instances that live for one call.
//!
//! A fresh instance begins with one page of memory, of which stack and data leave some. General
//! allocators ignore that rest and grow the memory first, which costs the host several times the
//! call. This one begins with the rest and grows only when it is used up.
//!
//! Blocks come in size classes, four per power of two. A freed block is kept for its class; blocks
//! are never split or joined, so what a guest can waste is bounded by the most it ever used of
//! each class. The last block grows in place, which is what a string under construction does.

#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
mod global;

use std::alloc::Layout;
use std::ptr::{self, NonNull};

/// Smallest block and its alignment.
const BLOCK_BYTES_MIN: usize = 16;
/// Enough for every size that 32 bits can say.
const CLASSES: usize = 4 * 28;

/// Where the heap's memory comes from: one range that may grow at its end.
pub(crate) trait Memory {
    /// The range there is now, as addresses.
    fn range(&self) -> (usize, usize);

    /// Moves the end by at least `bytes`; `false` if that is refused.
    fn grow(&mut self, bytes: usize) -> bool;
}

pub(crate) struct Heap<M> {
    memory: M,
    /// Everything from here to `end` was never handed out. 0 before the first use.
    next: usize,
    end: usize,
    /// Freed blocks by class, each linked to the one freed before.
    free: [Option<NonNull<FreeBlock>>; CLASSES],
}

struct FreeBlock {
    before: Option<NonNull<FreeBlock>>,
}

impl<M: Memory> Heap<M> {
    pub(crate) const fn new(memory: M) -> Self {
        Self {
            memory,
            next: 0,
            end: 0,
            free: [None; CLASSES],
        }
    }

    /// Memory for the layout, null if there is none.
    pub(crate) fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let Some((class, bytes)) = class_of(layout.size()) else {
            return ptr::null_mut();
        };
        // Freed blocks are aligned for everyday layouts only.
        if layout.align() <= BLOCK_BYTES_MIN
            && let Some(block) = self.free[class]
        {
            // SAFETY: blocks in the list are free, and hold their link since `release`.
            self.free[class] = unsafe { block.read() }.before;
            return block.as_ptr().cast();
        }
        let align = layout.align().max(BLOCK_BYTES_MIN);
        let Some(address) = self.reserve(bytes, align) else {
            return ptr::null_mut();
        };
        ptr::with_exposed_provenance_mut(address)
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block came from this heap for a layout of this size, and is not used afterwards.
    pub(crate) unsafe fn release(&mut self, block: *mut u8, size: usize) {
        let Some((class, _)) = class_of(size) else {
            return;
        };
        let Some(block) = NonNull::new(block.cast::<FreeBlock>()) else {
            return;
        };
        // SAFETY: every block has room for a link and is aligned for it, and nobody uses this one.
        unsafe {
            block.write(FreeBlock {
                before: self.free[class],
            })
        };
        self.free[class] = Some(block);
    }

    /// Makes a block larger or smaller where it is, if that costs nothing; `false` if it must move.
    pub(crate) fn resize(&mut self, block: *mut u8, old_size: usize, new_size: usize) -> bool {
        let (Some((old_class, old_bytes)), Some((new_class, new_bytes))) =
            (class_of(old_size), class_of(new_size))
        else {
            return false;
        };
        if old_class == new_class {
            return true;
        }
        let start = block.addr();
        let is_last = start + old_bytes == self.next;
        let grows = new_bytes > old_bytes;
        if !is_last || (grows && !self.make_room(new_bytes - old_bytes)) {
            return false;
        }
        self.next = start + new_bytes;
        true
    }

    /// The address of memory that was never handed out.
    fn reserve(&mut self, bytes: usize, align: usize) -> Option<usize> {
        if self.next == 0 {
            (self.next, self.end) = self.memory.range();
            self.next = self.next.next_multiple_of(BLOCK_BYTES_MIN);
        }
        let gap = self.next.next_multiple_of(align) - self.next;
        if !self.make_room(gap.checked_add(bytes)?) {
            return None;
        }
        let address = self.next + gap;
        self.next = address + bytes;
        Some(address)
    }

    fn make_room(&mut self, bytes: usize) -> bool {
        let room = self.end - self.next;
        if bytes > room && !self.memory.grow(bytes - room) {
            return false;
        }
        self.end = self.memory.range().1;
        true
    }
}

/// The class of a size, and how many bytes its blocks have. `None` if no block is that large.
fn class_of(size: usize) -> Option<(usize, usize)> {
    if size <= 4 * BLOCK_BYTES_MIN {
        let blocks = size.div_ceil(BLOCK_BYTES_MIN).max(1);
        return Some((blocks - 1, blocks * BLOCK_BYTES_MIN));
    }
    // Between one power of two and the next, the classes are a quarter of it apart.
    let power = (size - 1).ilog2();
    let quarter = 1usize << (power - 2);
    let bytes = size.checked_next_multiple_of(quarter)?;
    let class = 4 * (power as usize - 5) + bytes / quarter - 5;
    (class < CLASSES).then_some((class, bytes))
}

#[cfg(test)]
mod tests;
