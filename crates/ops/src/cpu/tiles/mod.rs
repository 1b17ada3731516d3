//! Blocks of products of `bf16` matrices, summed in `f32`, by the tile registers of a processor (AMX).
//!
//! A block has [`SIDE`] rows and columns. A *step* adds the product of [`SIDE`] columns of the left factor
//! and as many rows of the right one. A step of the right factor has its rows in pairs, and in a pair both
//! numbers of a column are neighbours.

#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
mod amx;
mod block;
#[cfg(test)]
mod plain;

use half::bf16;

pub(crate) use block::{Block, SIDE, STEP, Steps};

/// Instructions that multiply blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tiles {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    Amx(amx::Amx),
    /// The same sums in the same order, one at a time.
    #[cfg(test)]
    Plain,
}

impl Tiles {
    /// The tile instructions of this processor, if it has any and the system permits them.
    pub(crate) fn detect() -> Option<Self> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
        return amx::Amx::detect().map(Self::Amx);
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
        return None;
    }

    /// Those of this processor, and the plain form.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Self> {
        Self::detect().into_iter().chain([Self::Plain]).collect()
    }

    /// `c = Σ_s A_s·B_s`, or `c += …` if `add`. `A_s` begins at the start of step `s` in `left`, with rows
    /// `row` elements apart; `B_s` is step `s` of `right`.
    ///
    /// Sums are of `f32`, numbers below the smallest normal `f32` count as zero, and the order of the sums
    /// is fixed.
    ///
    /// # Panics
    /// If a step reaches past the end of a factor.
    pub(crate) fn multiply(
        self,
        (left, row): (&[bf16], usize),
        steps: &Steps,
        right: &[bf16],
        c: &mut Block,
        add: bool,
    ) {
        assert!(steps.last + (SIDE - 1) * row + SIDE <= left.len());
        assert!(steps.starts.len() * STEP <= right.len());
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
            // SAFETY: every step was tested against the ends of both factors.
            Self::Amx(amx) => unsafe { amx.multiply(left, row, &steps.starts, right, c, add) },
            #[cfg(test)]
            Self::Plain => plain::multiply(left, row, &steps.starts, right, c, add),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scalar::round;
    use super::super::testing::numbers;
    use super::block::right_index;
    use super::*;

    /// Against sums in double precision: the error of a sum of K products of `f32` is at most
    /// `K·2⁻²⁴·Σ|a·b|`.
    #[test]
    fn blocks_are_products() {
        let (row, depth) = (200, 5);
        let left: Vec<bf16> = numbers(SIDE * row, 1).into_iter().map(round).collect();
        let right: Vec<bf16> = numbers(depth * STEP, 2).into_iter().map(round).collect();
        let steps = Steps::new(vec![0, 31, 64, 7, 168]);
        for tiles in Tiles::available() {
            let mut c = Block(std::array::from_fn(|i| i as f32));
            tiles.multiply((&left, row), &steps, &right, &mut c, false);
            let once = c.clone();
            tiles.multiply((&left, row), &steps, &right, &mut c, true);
            for (m, n) in (0..STEP).map(|i| (i / SIDE, i % SIDE)) {
                let (mut sum, mut magnitude) = (0.0, 0.0);
                for (s, step) in steps.starts.iter().enumerate() {
                    for k in 0..SIDE {
                        let product = f64::from(left[m * row + step + k].to_f32())
                            * f64::from(right[s * STEP + right_index(k, n)].to_f32());
                        sum += product;
                        magnitude += product.abs();
                    }
                }
                let bound = (depth * SIDE) as f64 * magnitude * 2f64.powi(-24);
                let at = m * SIDE + n;
                assert!((f64::from(once.0[at]) - sum).abs() <= bound, "{tiles:?} ({m}, {n})");
                assert!((f64::from(c.0[at]) - 2.0 * sum).abs() <= 4.0 * bound, "{tiles:?} ({m}, {n}), added");
            }
        }
    }

    #[test]
    #[should_panic(expected = "left.len()")]
    fn a_step_past_the_end_is_refused() {
        let (left, right) = (vec![bf16::ZERO; STEP], vec![bf16::ZERO; STEP]);
        Tiles::Plain.multiply((&left, SIDE), &Steps::new(vec![1]), &right, &mut Block([0.0; STEP]), false);
    }
}
