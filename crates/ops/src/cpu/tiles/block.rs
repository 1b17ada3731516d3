//! The sums of a block, and the order of its factors.

/// Rows and columns of a block, and the depth of a step.
pub(crate) const SIDE: usize = 32;

/// Elements of the right factor in a step.
pub(crate) const STEP: usize = SIDE * SIDE;

/// The sums of a block, by rows.
#[repr(C, align(64))]
#[derive(Clone)]
pub(crate) struct Block(pub(crate) [f32; STEP]);

/// The first element of each step of the left factor.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(super) starts: Vec<usize>,
    /// The largest of them, or 0.
    pub(super) last: usize,
}

impl Steps {
    pub(crate) fn new(starts: Vec<usize>) -> Self {
        let last = starts.iter().copied().max().unwrap_or(0);
        Self { starts, last }
    }
}

/// The index, in a step of the right factor, of row `k` and column `n`.
#[cfg(test)]
pub(super) fn right_index(k: usize, n: usize) -> usize {
    (k / 2 * SIDE + n) * 2 + k % 2
}
