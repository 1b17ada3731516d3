//! The sums of the tile instructions, one at a time: the reference of the tests.

use super::block::{Block, SIDE, STEP, right_index};
use half::bf16;

/// As the instruction `tdpbf16ps` sums: products of even and of odd rows in sums of their own, both added to
/// the block once a step.
pub(super) fn multiply(
    left: &[bf16],
    steps: &[usize],
    right: &[bf16],
    columns: usize,
    c: &mut Block,
    add: bool,
) {
    if !add {
        c.0.fill(0.0);
    }
    for (&step, right) in steps.iter().zip(right.chunks_exact(STEP)) {
        for (at, c) in c.0.iter_mut().enumerate() {
            let (m, n) = (at / SIDE, at % SIDE);
            if n >= columns.next_multiple_of(16) {
                continue;
            }
            let mut sums = [0f32; 2];
            for k in 0..SIDE {
                let (a, b) = (left[m * SIDE + step + k].to_f32(), right[right_index(k, n)].to_f32());
                sums[k % 2] = a.mul_add(b, sums[k % 2]);
            }
            *c += sums[0] + sums[1];
        }
    }
}
