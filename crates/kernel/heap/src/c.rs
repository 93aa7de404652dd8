//! C's functions (C11 7.22.3, posix_memalign(3)). What one of them has given, and what Rust was given, may be given to any other.

use crate::heap;
use libc::{EINVAL, ENOMEM, c_int, c_void, size_t};
use std::ptr;

/// What every block is aligned to: as much as any plain type needs.
const ALIGN: usize = 2 * size_of::<usize>();

/// A block, or null with the reason in `errno`.
fn given(block: *mut u8) -> *mut c_void {
    if block.is_null() {
        // SAFETY: a thread's own, which is always there.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: nobody else has it now.
        unsafe { *errno = ENOMEM };
    }
    block.cast()
}

/// A block of so many bytes.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: size_t) -> *mut c_void {
    // SAFETY: any size may be asked for.
    given(unsafe { heap().c_malloc(size) })
}

/// A block for so many things of a size, all zero.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: size_t, size: size_t) -> *mut c_void {
    let Some(bytes) = count.checked_mul(size) else {
        return given(ptr::null_mut());
    };
    // SAFETY: any size may be asked for; the alignment is a power of two.
    given(unsafe { heap().calloc(bytes, ALIGN) })
}

/// The same block with another size, perhaps elsewhere.
///
/// # Safety
/// `block` is null or one of ours, and not used any more where this gives another.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(block: *mut c_void, size: size_t) -> *mut c_void {
    // SAFETY: the caller's word.
    given(unsafe { heap().c_realloc(block.cast(), size) })
}

/// Takes a block back.
///
/// # Safety
/// `block` is null or one of ours, and not used any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(block: *mut c_void) {
    // SAFETY: the caller's word.
    unsafe { heap().c_free(block.cast()) };
}

/// A block at a multiple of `align`.
#[unsafe(no_mangle)]
extern "C" fn aligned_alloc(align: size_t, size: size_t) -> *mut c_void {
    if !align.is_power_of_two() {
        return given(ptr::null_mut());
    }
    // SAFETY: the alignment is a power of two, and any size may be asked for.
    given(unsafe { heap().c_memalign(align, size) })
}

/// The same, under its older name.
#[unsafe(no_mangle)]
extern "C" fn memalign(align: size_t, size: size_t) -> *mut c_void {
    aligned_alloc(align, size)
}

/// The same, with the error as the result.
///
/// # Safety
/// `to` is where a pointer can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, align: size_t, size: size_t) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<usize>()) {
        return EINVAL;
    }
    let block = aligned_alloc(align, size);
    if block.is_null() {
        return ENOMEM;
    }
    // SAFETY: the caller's word.
    unsafe { *to = block };
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn c_gets_what_it_asks_for() {
        // The compiler knows these names, and what became of a block that nobody uses.
        assert!(black_box(calloc(black_box(usize::MAX), 2)).is_null());
        assert!(black_box(aligned_alloc(black_box(3), 8)).is_null());
        let mut block = ptr::null_mut();
        // SAFETY: there is a pointer.
        assert_eq!(unsafe { posix_memalign(&raw mut block, 4, 8) }, EINVAL);
        // SAFETY: as above.
        assert_eq!(unsafe { posix_memalign(&raw mut block, 256, 1000) }, 0);
        assert!((block as usize).is_multiple_of(256));
        // SAFETY: it has that many bytes.
        unsafe { libc::memset(block, 7, 1000) };
        // SAFETY: it is ours.
        let block = unsafe { realloc(block, 100_000) };
        // SAFETY: realloc has kept what was there.
        let bytes = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), 1000) };
        assert!(bytes.iter().all(|byte| *byte == 7));
        // SAFETY: it is ours.
        unsafe { free(block) };
        // SAFETY: nothing is as good.
        unsafe { free(ptr::null_mut()) };
    }
}
