//! **What.** One allocator for a whole program: [`Heap`] for Rust, and where the C library is musl, `malloc` and its kin for the C
//! that is linked into it (SQLite).
//!
//! **Not.** The allocator itself is `dlmalloc`'s. A runtime's command, which lives for less, has `tare-sys`'s arena.
//!
//! **Words.** C11's and POSIX's.
//!
//! **Life.** `#[global_allocator] static HEAP: Heap = Heap;` in the program; C's functions are there as soon as it is linked.
//!
//! **Rules.** musl's own allocator gives a page back as soon as nothing is in it and takes it again for the next thing: of SQLite's
//! the half of all mmap and munmap of a `tare run`. As musl has it, whoever replaces one of its functions replaces all of them. One
//! lock: a program that forks with one thread forks outside.
#![expect(unsafe_code, reason = "an allocator hands out memory")]

#[cfg(target_env = "musl")]
mod c;

use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::{Mutex, MutexGuard, PoisonError};

static HEAP: Mutex<Dlmalloc> = Mutex::new(Dlmalloc::new());

/// The allocator, for `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

// SAFETY: all of it is one dlmalloc behind a lock, which gives every block to one caller, as large and aligned as it was asked for.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size, and an alignment that is a power of two.
        unsafe { heap().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { heap().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's block is one of ours, of this layout.
        unsafe { heap().free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above, and the new size is one that a layout may have.
        unsafe { heap().realloc(block, layout.size(), layout.align(), size) }
    }
}

fn heap() -> MutexGuard<'static, Dlmalloc> {
    HEAP.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_they_were_asked_for() {
        for (size, align) in [(1, 1), (24, 8), (4096, 4096), (200_000, 64)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the layout has a size.
            let block = unsafe { Heap.alloc_zeroed(layout) };
            assert!(!block.is_null() && (block as usize).is_multiple_of(align));
            // SAFETY: it has that many bytes, and all were set.
            let bytes = unsafe { std::slice::from_raw_parts_mut(block, size) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            bytes.fill(7);
            // SAFETY: it is ours, of this layout, and nobody has the slice any more.
            let block = unsafe { Heap.realloc(block, layout, size * 2) };
            assert!((block as usize).is_multiple_of(align));
            // SAFETY: realloc has kept what was there.
            let bytes = unsafe { std::slice::from_raw_parts(block, size) };
            assert!(bytes.iter().all(|byte| *byte == 7));
            let layout = Layout::from_size_align(size * 2, align).unwrap();
            // SAFETY: as above.
            unsafe { Heap.dealloc(block, layout) };
        }
    }
}
