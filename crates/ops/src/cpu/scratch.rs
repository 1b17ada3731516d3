//! Working memory that outlives the operator, so that its pages are mapped once.

use std::cell::RefCell;

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
