#![expect(unsafe_code, reason = "what is tested hands out raw memory")]

use std::alloc::Layout;

use super::{Heap, Memory, class_of};

/// A range inside a buffer, of which more may be taken.
struct Arena {
    buffer: Vec<u128>,
    bytes: usize,
}

impl Arena {
    fn new(bytes: usize, bytes_max: usize) -> Self {
        Self {
            buffer: vec![0; bytes_max / 16],
            bytes,
        }
    }
}

impl Memory for Arena {
    fn range(&self) -> (usize, usize) {
        let start = self.buffer.as_ptr().expose_provenance();
        // The heap aligns what it is given.
        (start + 4, start + self.bytes)
    }

    fn grow(&mut self, bytes: usize) -> bool {
        let fits = self.bytes + bytes <= 16 * self.buffer.len();
        if fits {
            self.bytes += bytes;
        }
        fits
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("layout")
}

#[test]
fn classes_cover_every_size_with_little_waste() {
    let mut before = (0, 16);
    for size in 0..100_000 {
        let (class, bytes) = class_of(size).expect("a small size");
        assert!(bytes >= size && bytes % 16 == 0, "{size}");
        assert!(bytes <= 16.max(size + size / 4 + 16), "{size} in {bytes}");
        assert_eq!(
            class_of(bytes),
            Some((class, bytes)),
            "a block's size is in its own class"
        );
        let same = (class, bytes) == before;
        assert!(
            same || (class == before.0 + 1 && bytes > before.1),
            "{size}"
        );
        before = (class, bytes);
    }
    assert!(class_of(0x7fff_ffff).is_some());
    assert!(class_of(usize::MAX).is_none());
}

#[test]
fn blocks_are_aligned_and_apart() {
    let mut heap = Heap::new(Arena::new(256, 1 << 20));
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (i, align) in (0..400).zip([1, 8, 16, 64, 4096, 2].into_iter().cycle()) {
        let size = (i * 37) % 300 + 1;
        let start = heap.allocate(layout(size, align)).addr();
        assert!(start != 0 && start.is_multiple_of(align), "{size} {align}");
        taken.push((start, start + size));
    }
    taken.sort_unstable();
    assert!(taken.windows(2).all(|pair| pair[0].1 <= pair[1].0));
}

#[test]
fn freed_blocks_are_used_again() {
    let mut heap = Heap::new(Arena::new(4096, 4096));
    let (first, second) = (heap.allocate(layout(100, 8)), heap.allocate(layout(100, 8)));
    // SAFETY: both came from this heap with this size, and are not used again.
    unsafe {
        heap.release(first, 100);
        heap.release(second, 100);
    }
    assert_eq!(heap.allocate(layout(112, 8)), second, "the same class");
    assert_eq!(heap.allocate(layout(97, 1)), first);
    assert_ne!(heap.allocate(layout(97, 1)), first);
}

#[test]
fn the_last_block_grows_in_place() {
    let mut heap = Heap::new(Arena::new(128, 1 << 16));
    let first = heap.allocate(layout(10, 1));
    let last = heap.allocate(layout(10, 1));
    assert!(heap.resize(first, 10, 16), "within its class");
    assert!(!heap.resize(first, 16, 17), "something is behind it");
    assert!(
        heap.resize(last, 10, 50_000),
        "even beyond what memory there was"
    );
    assert!(heap.resize(last, 50_000, 100));
    assert!(
        heap.allocate(layout(16, 1)).addr() - last.addr() < 200,
        "what it gave back is used"
    );
}

#[test]
fn memory_that_is_refused_is_null() {
    let mut heap = Heap::new(Arena::new(64, 1024));
    assert!(heap.allocate(layout(2000, 1)).is_null());
    let block = heap.allocate(layout(100, 1));
    assert!(!block.is_null(), "less still works");
    assert!(!heap.resize(block, 100, 5000));
    assert!(heap.allocate(layout(isize::MAX as usize, 1)).is_null());
}
