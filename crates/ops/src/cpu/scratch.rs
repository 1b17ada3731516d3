//! Working memory that outlives the operator, so that its pages are mapped once.

use std::cell::RefCell;

/// Buffers kept by a thread: nested and stolen tasks each take their own.
const KEPT: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Numbers to a cache line.
const LINE: usize = 16;

/// A slice of `len` numbers of any value, on a cache line's boundary.
pub(super) fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    // The pool is not borrowed while `f` runs: `f` may wait for other tasks, and run one here.
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
