//! Working memory that outlives the operator, so that its pages are mapped once.

use std::cell::RefCell;

use half::bf16;

/// Buffers that a thread keeps. Nested and stolen tasks each take one of their own.
const KEPT: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Elements in a cache line.
const LINE: usize = 16;

/// Calls `f` with a slice of `len` elements of any value that begins on a cache line.
pub(crate) fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    // The pool is not borrowed while `f` runs: `f` may wait for other tasks and run one of them here.
    let mut buffer = POOL.with_borrow_mut(|pool| {
        let fit = pool.iter().position(|b| b.len() >= len + LINE);
        match fit {
            Some(at) => pool.swap_remove(at),
            None => pool.pop().unwrap_or_default(),
        }
    });
    if buffer.len() < len + LINE {
        buffer = vec![0.0; len + LINE];
    }
    let start = buffer.as_ptr().align_offset(64).min(LINE);
    let result = f(&mut buffer[start..start + len]);
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push(buffer);
        }
    });
    result
}

/// As [`with`], with elements of `bf16`.
pub(crate) fn with_bf16<R>(len: usize, f: impl FnOnce(&mut [bf16]) -> R) -> R {
    with(len.div_ceil(2), |buffer| {
        // SAFETY: two elements of `bf16` take the place of one `f32`, every bit pattern is valid for both, and
        // the slice borrows the buffer.
        f(unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), len) })
    })
}
