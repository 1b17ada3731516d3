//! Vectors without an initial value.

use std::mem::MaybeUninit;

/// A vector of `len` elements that `fill` writes.
///
/// # Safety
/// `fill` writes every element.
pub(crate) unsafe fn filled<T>(len: usize, fill: impl FnOnce(&mut [MaybeUninit<T>])) -> Vec<T> {
    let mut out = Vec::with_capacity(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and by the caller's promise every element is written.
    unsafe { out.set_len(len) };
    out
}
