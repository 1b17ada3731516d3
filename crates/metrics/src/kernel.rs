//! Kernel distance: the maximum mean discrepancy of features under a polynomial kernel.

use candle_core::{DType, Device, Tensor};
use serde::Serialize;
use t2f_ops::rng::{Key, permutation};

use crate::error::{Error, Result};
use crate::estimate::Estimate;

/// The number of random subsets.
pub const SUBSETS: usize = 100;
/// The most rows of a subset; a subset has at most half of the rows.
pub const SUBSET_SIZE: usize = 1000;

/// The kernel distance of two sets of features.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KernelDistance {
    /// The mean over subsets, and the middle 95 % of the subsets. This is the spread at the size of a
    /// subset, which is wider than the uncertainty of the mean.
    pub distance: Estimate,
    /// Rows of each subset.
    pub subset_size: usize,
}

/// KID: the unbiased estimate of the squared maximum mean discrepancy with the kernel
/// `k(x, y) = (x·y / F + 1)³`, Bińkowski et al. (arXiv:1801.01401), §4, on `subsets` random subsets
/// of both sets. Its expectation is 0 for equal distributions, at any N; single values may be
/// negative.
///
/// # Shapes
/// `real`: `(N, F)`, `fake`: `(M, F)`.
///
/// # Errors
/// If the features are of different sizes, or there are fewer than four rows on a side.
pub fn kernel_distance(real: &Tensor, fake: &Tensor, subsets: usize, key: Key) -> Result<KernelDistance> {
    let ((n, size), (m, other)) = (real.dims2()?, fake.dims2()?);
    let subset_size = SUBSET_SIZE.min(n.min(m) / 2);
    if size != other || subset_size < 2 {
        return Err(Error::State(format!(
            "kernel distance of {n} features of size {size} and {m} of size {other}, expected equal sizes and at \
             least four of each"
        )));
    }
    let (real, fake) = (in_f64(real)?, in_f64(fake)?);
    let mut distances = Vec::with_capacity(subsets);
    for subset in 0..subsets as u64 {
        let draw = |rows: &Tensor, side: &str| -> Result<Tensor> {
            let order = permutation(&mut key.child(side).at(subset).rng(), rows.dim(0)?);
            let chosen: Vec<u32> = order[..subset_size].iter().map(|&row| row as u32).collect();
            Ok(rows.index_select(&Tensor::new(chosen, &Device::Cpu)?, 0)?)
        };
        distances.push(squared_discrepancy(&draw(&real, "real")?, &draw(&fake, "fake")?)?);
    }
    let mean = distances.iter().sum::<f64>() / subsets.max(1) as f64;
    Ok(KernelDistance { distance: Estimate::new(mean, distances), subset_size })
}

fn in_f64(rows: &Tensor) -> Result<Tensor> {
    Ok(rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.contiguous()?)
}

/// `Σ_{i≠j} k(xᵢ, xⱼ) / (n (n-1)) + Σ_{i≠j} k(yᵢ, yⱼ) / (m (m-1)) - 2 Σ k(xᵢ, yⱼ) / (n m)`.
fn squared_discrepancy(x: &Tensor, y: &Tensor) -> Result<f64> {
    let kernel = |a: &Tensor, b: &Tensor| -> Result<Tensor> {
        let base = a.matmul(&b.t()?)?.affine(1.0 / a.dim(1)? as f64, 1.0)?;
        Ok(base.sqr()?.mul(&base)?)
    };
    let sum = |k: &Tensor| -> Result<f64> { Ok(k.sum_all()?.to_scalar()?) };
    let own = |a: &Tensor| -> Result<f64> {
        let count = a.dim(0)? as f64;
        let base = a.sqr()?.sum(1)?.affine(1.0 / a.dim(1)? as f64, 1.0)?;
        let diagonal = sum(&base.sqr()?.mul(&base)?)?;
        Ok((sum(&kernel(a, a)?)? - diagonal) / (count * (count - 1.0)))
    };
    let between = sum(&kernel(x, y)?)? / (x.dim(0)? * y.dim(0)?) as f64;
    Ok(own(x)? + own(y)? - 2.0 * between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use t2f_ops::rng;

    fn rows(purpose: &str, count: usize) -> Tensor {
        rng::normal(Key::new(6).child(purpose), (count, 3), DType::F64, &Device::Cpu).unwrap()
    }

    #[test]
    fn the_discrepancy_by_hand() -> Result<()> {
        // One feature: k(x, y) = (x y + 1)³, of x = 0, 1 and y = 1, 2.
        let column = |a: f64, b: f64| Tensor::new(&[[a], [b]], &Device::Cpu);
        let (x, y) = (column(0., 1.)?, column(1., 2.)?);
        let expected = 1.0 + 27.0 - 2.0 * (1.0 + 1.0 + 8.0 + 27.0) / 4.0;
        assert!((squared_discrepancy(&x, &y)? - expected).abs() < 1e-12);
        Ok(())
    }

    #[test]
    fn the_expectation_is_zero_for_equal_distributions() -> Result<()> {
        let pairs: Vec<f64> = (0..400)
            .map(|i| squared_discrepancy(&rows(&format!("a{i}"), 8), &rows(&format!("b{i}"), 8)))
            .collect::<Result<_>>()?;
        let mean = pairs.iter().sum::<f64>() / 400.0;
        let deviation = (pairs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 399.0).sqrt();
        // The biased estimate includes the diagonals; its mean would be above 1.
        assert!(mean.abs() < 3.0 * deviation / 20.0 && mean.abs() < 0.3, "{mean} of deviation {deviation}");
        Ok(())
    }

    #[test]
    fn the_distance_is_small_for_equal_distributions_and_grows_with_a_shift() -> Result<()> {
        let (a, b) = (rows("a", 400), rows("b", 400));
        let equal = kernel_distance(&a, &b, 60, Key::new(1))?;
        assert_eq!(equal.subset_size, 200);
        assert!(equal.distance.low < 0.0 && 0.0 < equal.distance.high, "{equal:?}");
        let shifted = kernel_distance(&a, &(b + 1.0)?, 60, Key::new(1))?;
        assert!(shifted.distance.low > 10.0 * equal.distance.high.abs(), "{shifted:?} {equal:?}");
        assert!(kernel_distance(&a, &rows("c", 3), 2, Key::new(1)).is_err());
        Ok(())
    }
}
