//! The allocator of this module's instance.

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32;
use std::cell::UnsafeCell;
use std::ptr;

use super::{Heap, Memory};

const PAGE_BYTES: usize = 64 * 1024;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(Heap::new(LinearMemory)));

struct Allocator(UnsafeCell<Heap<LinearMemory>>);

/// The linear memory behind the module's own data.
struct LinearMemory;

impl Memory for LinearMemory {
    fn range(&self) -> (usize, usize) {
        unsafe extern "C" {
            // The linker puts this symbol where the module's stack and data end.
            static __heap_base: u8;
        }
        (
            ptr::addr_of!(__heap_base).addr(),
            wasm32::memory_size(0) * PAGE_BYTES,
        )
    }

    fn grow(&mut self, bytes: usize) -> bool {
        wasm32::memory_grow(0, bytes.div_ceil(PAGE_BYTES)) != usize::MAX
    }
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Allocator {}

// SAFETY: blocks do not overlap and are as large and as aligned as asked for. The heap is borrowed
// for the length of one method, none of which calls the allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: nobody else has it borrowed.
        unsafe { &mut *self.0.get() }.allocate(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by the caller's contract; nobody else has the heap borrowed.
        unsafe { (*self.0.get()).release(block, layout.size()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: nobody else has it borrowed.
        if unsafe { &mut *self.0.get() }.resize(block, layout.size(), new_size) {
            return block;
        }
        // SAFETY: by the caller's contract, which is the same for both.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
