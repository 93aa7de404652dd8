//! The memory of a program that lives for a moment: one block that is never given back, with short lists of what is free.
//!
//! musl's allocator asks the kernel for a page or two at a time and returns them as soon as it can; a runtime's command
//! spent two hundred calls on that. Here the kernel is asked once, when the program is loaded, and pages that are not
//! touched cost nothing. A block that is freed is not touched either: after a fork every page that is written is copied,
//! and what one command frees at its end nobody needs again. What no list has room for is lost.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// How much there is; what does not fit is the system allocator's.
const SIZE: usize = 1 << 20;
/// Every block begins at a multiple of this and is a multiple of it long.
const UNIT: usize = 16;
/// Up to here there is a list of free blocks for each multiple of the unit, above for each power of two.
const FINE: usize = 1024;
/// How many blocks a list remembers.
const DEPTH: usize = 16;
const LISTS: usize = FINE / UNIT + SIZE.ilog2() as usize - FINE.ilog2() as usize;

/// An allocator, for `#[global_allocator]`.
///
/// Threads and signal handlers are safe and slow: whoever comes while another is in here is served by the system
/// allocator, and a block that is freed meanwhile is lost. Contains no lock that a fork could leave held: a program
/// that forks with one thread forks outside.
#[derive(Debug)]
pub struct Arena {
    busy: AtomicBool,
    block: UnsafeCell<Block>,
    lists: UnsafeCell<Lists>,
}

#[repr(C, align(4096))]
#[derive(Debug)]
struct Block([u8; SIZE]);

#[derive(Debug)]
struct Lists {
    used: usize,
    lengths: [u8; LISTS],
    /// Offsets into the block.
    free: [[u32; DEPTH]; LISTS],
}

// SAFETY: `lists` is touched by whoever has set `busy`, and by nobody else; of `block` only addresses are taken.
unsafe impl Sync for Arena {}

impl Arena {
    /// An arena with nothing in it. All of it is zero, so that it takes no room in the program's file.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made once, as a static")]
    pub const fn new() -> Arena {
        Arena {
            busy: AtomicBool::new(false),
            block: UnsafeCell::new(Block([0; SIZE])),
            lists: UnsafeCell::new(Lists {
                used: 0,
                lengths: [0; LISTS],
                free: [[0; DEPTH]; LISTS],
            }),
        }
    }

    /// Runs `with` on the lists, unless somebody is at them.
    fn enter<T>(&self, with: impl FnOnce(&mut Lists) -> Option<T>) -> Option<T> {
        if self.busy.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: `busy` was clear and is set now, so that this is the only reference until it is cleared below.
        let lists = unsafe { &mut *self.lists.get() };
        let done = with(lists);
        self.busy.store(false, Ordering::Release);
        done
    }

    fn start(&self) -> *mut u8 {
        self.block.get().cast()
    }

    /// The offset of what lies in the block.
    fn offset(&self, at: *mut u8) -> Option<usize> {
        let offset = at.addr().checked_sub(self.start().addr())?;
        (offset < SIZE).then_some(offset)
    }
}

/// The list that a block of this many bytes belongs to, and how long it really is.
fn list_of(size: usize) -> (usize, usize) {
    if size <= FINE {
        let units = size.max(1).div_ceil(UNIT);
        (units - 1, units * UNIT)
    } else {
        let length = size.next_power_of_two();
        let above = length.ilog2() - FINE.ilog2() - 1;
        (FINE / UNIT + above as usize, length)
    }
}

impl Lists {
    /// The offset of a free block.
    fn take(&mut self, size: usize) -> Option<usize> {
        let (list, length) = list_of(size);
        let known = self.lengths.get_mut(list)?;
        if let Some(last) = known.checked_sub(1) {
            *known = last;
            return Some(*self.free.get(list)?.get(usize::from(last))? as usize);
        }
        let begins = self.used;
        self.used = begins.checked_add(length).filter(|ends| *ends <= SIZE)?;
        Some(begins)
    }

    fn give(&mut self, at: usize, size: usize) -> Option<()> {
        let (list, length) = list_of(size);
        if at + length == self.used {
            self.used = at;
            return Some(());
        }
        let known = self.lengths.get_mut(list)?;
        *self.free.get_mut(list)?.get_mut(usize::from(*known))? = u32::try_from(at).ok()?;
        *known += 1;
        Some(())
    }

    /// Makes the block that was taken last longer or shorter, where it lies.
    fn stretch(&mut self, at: usize, from: usize, to: usize) -> Option<()> {
        let (_, is) = list_of(from);
        if at + is != self.used {
            return None;
        }
        self.used = at.checked_add(list_of(to).1).filter(|ends| *ends <= SIZE)?;
        Some(())
    }
}

// SAFETY: blocks are disjoint (`take` hands out a part of `block` once until `give` gets it back, and `stretch` moves an
// end only where nothing lies behind), as long as asked and
// aligned to a unit; everything else is the system allocator's, told apart by address.
unsafe impl GlobalAlloc for Arena {
    // Called from everywhere: a copy at each place would be a quarter of the program.
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let fits = layout.align() <= UNIT && layout.size() <= SIZE / 4;
        match fits
            .then(|| self.enter(|lists| lists.take(layout.size())))
            .flatten()
        {
            Some(offset) => self.start().wrapping_add(offset),
            // SAFETY: the caller's layout is handed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if let Some(offset) = self.offset(at) {
            // Lost where somebody is at the memory right now, or there are enough of its kind.
            let _ = self.enter(|lists| lists.give(offset, layout.size()));
        } else {
            // SAFETY: what is not in the block came from the system allocator, with this layout.
            unsafe { System.dealloc(at, layout) };
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(at) else {
            // SAFETY: what is not in the block came from the system allocator, with this layout.
            return unsafe { System.realloc(at, layout, size) };
        };
        if list_of(size) == list_of(layout.size())
            || (size <= SIZE / 4
                && self
                    .enter(|lists| lists.stretch(offset, layout.size(), size))
                    .is_some())
        {
            return at;
        }
        // SAFETY: the alignment is that of a valid layout; the caller vouches for the size.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the size is not zero, as the caller vouches.
        let to = unsafe { self.alloc(new) };
        if !to.is_null() {
            // SAFETY: both are at least that long, and a block that is in use overlaps no other.
            unsafe { ptr::copy_nonoverlapping(at, to, size.min(layout.size())) };
            // SAFETY: the old block is the caller's, with its layout, and is not used any more.
            unsafe { self.dealloc(at, layout) };
        }
        to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_what_they_promise() {
        for size in [0, 1, 16, 17, 1000, 1024, 1025, 2048, 2049, 65_536, SIZE / 4] {
            let (list, length) = list_of(size);
            assert!(length >= size && length % UNIT == 0 && list < LISTS, "{size}");
            assert_eq!(list_of(length), (list, length), "{size}");
        }
        assert_ne!(list_of(1024).0, list_of(1025).0);
    }

    #[test]
    fn many_blocks_may_be_freed_in_any_order() {
        let arena = Box::new(Arena::new());
        let many = 4 * DEPTH;
        let mut blocks: Vec<_> = (0..many).map(|_| take(&arena, 48)).collect();
        blocks.rotate_left(many / 3);
        for block in blocks {
            // SAFETY: it was taken with this layout and is not used any more.
            unsafe { arena.dealloc(block, layout(48)) };
        }
        let again: std::collections::BTreeSet<_> = (0..many).map(|_| take(&arena, 48)).collect();
        let apart = again.iter().zip(again.iter().skip(1));
        assert!(again.len() == many && apart.into_iter().all(|(a, b)| b.addr() - a.addr() >= 48));
    }

    fn take(arena: &Arena, size: usize) -> *mut u8 {
        // SAFETY: no size below is zero.
        unsafe { arena.alloc(layout(size)) }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn blocks_are_disjoint_come_back_and_run_out() {
        let arena = Box::new(Arena::new());
        let (a, b) = (take(&arena, 100), take(&arena, 100));
        let holds = |at| arena.offset(at).is_some();
        assert!(holds(a) && holds(b) && a.addr().abs_diff(b.addr()) >= 100);
        // SAFETY: it was taken with this layout and is not used any more.
        unsafe { arena.dealloc(a, layout(100)) };
        assert_eq!(take(&arena, 104), a);
        // SAFETY: it is 100 bytes long.
        unsafe { b.write_bytes(7, 100) };
        // SAFETY: it was taken with this layout, and is used under its new address only.
        let grown = unsafe { arena.realloc(b, layout(100), 5000) };
        assert_eq!(grown, b, "the last block grows where it lies");
        let behind = take(&arena, 1);
        // SAFETY: it was taken with this layout, and is used under its new address only.
        let moved = unsafe { arena.realloc(grown, layout(5000), 9000) };
        assert!(moved != grown && behind.addr() >= grown.addr() + 5000);
        // SAFETY: it is 9,000 bytes long, of which 5,000 were copied.
        let bytes = unsafe { std::slice::from_raw_parts(moved, 100) };
        assert!(bytes.iter().all(|byte| *byte == 7));
        let inside = (0..8)
            .map(|_| take(&arena, SIZE / 4))
            .filter(|at| holds(*at))
            .count();
        assert_eq!(inside, 3);
    }
}
