//! The sums of a block, and the order of its right factor.

use half::bf16;

/// Rows and columns of a block, and the depth of a step.
pub(crate) const SIDE: usize = 32;

/// Elements of the right factor in a step.
pub(crate) const STEP: usize = SIDE * SIDE;

/// The sums of a block, by rows.
#[repr(C, align(64))]
#[derive(Clone)]
pub(crate) struct Block(pub(crate) [f32; STEP]);

/// Writes rows `k` and `k + 1` of a step of the right factor, `k` even. The tile instructions read it as halves
/// of 16 columns, and in a half the rows in pairs: both numbers of a column are neighbours.
pub(crate) fn interleave([upper, lower]: &[[bf16; SIDE]; 2], k: usize, step: &mut [bf16]) {
    for (half, step) in step.chunks_exact_mut(STEP / 2).enumerate() {
        let (upper, lower) = (&upper[half * 16..][..16], &lower[half * 16..][..16]);
        let pairs = step[k / 2 * SIDE..][..SIDE].as_chunks_mut::<2>().0;
        for ((pair, upper), lower) in pairs.iter_mut().zip(upper).zip(lower) {
            *pair = [*upper, *lower];
        }
    }
}

/// The index, in a step of the right factor, of row `k` and column `n`.
#[cfg(test)]
pub(super) fn right_index(k: usize, n: usize) -> usize {
    n / 16 * (STEP / 2) + k / 2 * SIDE + n % 16 * 2 + k % 2
}
