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

    /// `c = Σ_s A_s·B_s`, or `c += …` if `add`. `A_s` is [`SIDE`] rows from the start of step `s` in `left` on,
    /// `B_s` is step `s` of `right`. Only the first `columns` of `c` need be computed.
    ///
    /// Sums are of `f32`, numbers below the smallest normal `f32` count as zero, and the order of the sums
    /// is fixed.
    ///
    /// # Panics
    /// If a step reaches past the end of a factor.
    pub(crate) fn multiply(
        self,
        (left, steps): (&[bf16], &Steps),
        right: &[bf16],
        columns: usize,
        c: &mut Block,
        add: bool,
    ) {
        assert!(steps.last + STEP <= left.len() && steps.starts.len() * STEP <= right.len());
        match self {
            #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
            // SAFETY: every step was tested against the ends of both factors.
            Self::Amx(amx) => unsafe { amx.multiply(left, &steps.starts, right, columns, c, add) },
            #[cfg(test)]
            Self::Plain => plain::multiply(left, &steps.starts, right, columns, c, add),
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
        let depth = 5;
        let left: Vec<bf16> = numbers(STEP + 200, 1).into_iter().map(round).collect();
        let right: Vec<bf16> = numbers(depth * STEP, 2).into_iter().map(round).collect();
        let steps = Steps::new(vec![0, 31, 64, 7, 168]);
        for tiles in Tiles::available() {
            for columns in [1, 16, 17, SIDE] {
                let mut c = Block(std::array::from_fn(|i| i as f32));
                tiles.multiply((&left, &steps), &right, columns, &mut c, false);
                let once = c.clone();
                tiles.multiply((&left, &steps), &right, columns, &mut c, true);
                for (m, n) in (0..SIDE).flat_map(|m| (0..columns).map(move |n| (m, n))) {
                    let (mut sum, mut magnitude) = (0.0, 0.0);
                    for (s, step) in steps.starts.iter().enumerate() {
                        for k in 0..SIDE {
                            let product = f64::from(left[m * SIDE + step + k].to_f32())
                                * f64::from(right[s * STEP + right_index(k, n)].to_f32());
                            sum += product;
                            magnitude += product.abs();
                        }
                    }
                    let bound = (depth * SIDE) as f64 * magnitude * 2f64.powi(-24);
                    let at = m * SIDE + n;
                    assert!((f64::from(once.0[at]) - sum).abs() <= bound, "{tiles:?} ({m}, {n})");
                    assert!(
                        (f64::from(c.0[at]) - 2.0 * sum).abs() <= 4.0 * bound,
                        "{tiles:?} ({m}, {n}), added"
                    );
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "left.len()")]
    fn a_step_past_the_end_is_refused() {
        let (left, right) = (vec![bf16::ZERO; STEP], vec![bf16::ZERO; STEP]);
        Tiles::Plain.multiply((&left, &Steps::new(vec![1])), &right, SIDE, &mut Block([0.0; STEP]), false);
    }
}
