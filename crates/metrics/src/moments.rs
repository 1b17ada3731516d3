//! Mean and covariance of features, batch by batch, and their Fréchet distance.

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};
use crate::symmetric::{Symmetric, trace_of_root};

/// Mean and covariance of rows in `f64`, in memory that does not grow with the number of rows.
///
/// Batches are centred before they are squared, and merged by the formula of Chan, Golub and
/// LeVeque (1979): `M ← M + M_b + δ δᵀ n n_b / (n + n_b)`.
#[derive(Clone, Debug)]
pub struct Moments {
    count: usize,
    mean: Tensor,
    /// The sum of the outer products of centred rows.
    scatter: Tensor,
}

impl Moments {
    /// The moments of the first batch.
    ///
    /// # Shapes
    /// `rows`: `(B, F)`, at least one row.
    ///
    /// # Errors
    /// If the shape is another.
    pub fn of(rows: &Tensor) -> Result<Self> {
        let (count, _) = rows.dims2()?;
        if count == 0 {
            return Err(Error::State("moments of no rows".into()));
        }
        let rows = rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        let mean = rows.mean(0)?;
        let centred = rows.broadcast_sub(&mean)?;
        let scatter = centred.t()?.contiguous()?.matmul(&centred)?;
        Ok(Self { count, mean, scatter })
    }

    /// Moments from their parts.
    ///
    /// # Shapes
    /// `mean`: `(F)`, `scatter`: `(F, F)`, both `f64`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn from_parts(count: usize, mean: Tensor, scatter: Tensor) -> Result<Self> {
        let size = mean.dims1()?;
        if scatter.dims() != [size, size] || [mean.dtype(), scatter.dtype()] != [DType::F64; 2] {
            return Err(Error::State(format!(
                "saved moments of {:?} and {:?} do not fit together",
                mean.shape(),
                scatter.shape()
            )));
        }
        Ok(Self { count, mean, scatter })
    }

    /// Adds the moments of other rows.
    ///
    /// # Errors
    /// If the rows are of another length.
    pub fn add(&mut self, other: &Self) -> Result<()> {
        let (here, there) = (self.count as f64, other.count as f64);
        let difference = other.mean.sub(&self.mean)?;
        let column = difference.unsqueeze(1)?;
        let between = column.matmul(&difference.unsqueeze(0)?)?.affine(here * there / (here + there), 0.0)?;
        self.scatter = self.scatter.add(&other.scatter)?.add(&between)?;
        self.mean = self.mean.add(&difference.affine(there / (here + there), 0.0)?)?;
        self.count += other.count;
        Ok(())
    }

    /// The number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// `(F)`, `f64`
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// `(F, F)`, `f64`: the sum of the outer products of centred rows.
    pub fn scatter(&self) -> &Tensor {
        &self.scatter
    }

    /// The unbiased covariance, divided by N - 1.
    ///
    /// # Errors
    /// If there are fewer than two rows.
    pub fn covariance(&self) -> Result<Symmetric> {
        if self.count < 2 {
            return Err(Error::State("the covariance of fewer than two rows".into()));
        }
        Symmetric::new(&self.scatter.affine(1.0 / (self.count - 1) as f64, 0.0)?)
    }
}

/// The Fréchet distance between the normal distributions of two moments:
///
/// `|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 √(Σ₁ Σ₂))`, Heusel et al. (arXiv:1706.08500), eq. 6.
///
/// On the features of Inception it is called FID. It falls as N grows: compare equal N only.
///
/// # Errors
/// If the features are of different sizes, or there are fewer than two rows.
pub fn frechet(a: &Moments, b: &Moments) -> Result<f64> {
    let (first, second) = (a.covariance()?, b.covariance()?);
    let apart = a.mean.sub(&b.mean)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
    Ok(apart + first.trace() + second.trace() - 2.0 * trace_of_root(&first, &second)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use t2f_ops::rng::{self, Key};

    fn rows(purpose: &str, count: usize, size: usize) -> Tensor {
        rng::normal(Key::new(4).child(purpose), (count, size), DType::F64, &Device::Cpu).unwrap()
    }

    fn gap(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn batches_give_the_moments_of_the_whole() -> Result<()> {
        // Sums of squares would lose precision where the mean is large against the deviation.
        let all = (rows("a", 60, 5) + 1e7)?;
        let whole = Moments::of(&all)?;
        let mut parts = Moments::of(&all.narrow(0, 0, 7)?)?;
        parts.add(&Moments::of(&all.narrow(0, 7, 52)?)?)?;
        parts.add(&Moments::of(&all.narrow(0, 59, 1)?)?)?;
        assert_eq!(parts.count(), 60);
        assert!(gap(parts.mean(), whole.mean()) < 1e-6);
        assert!(gap(parts.scatter(), whole.scatter()) < 1e-5, "{}", gap(parts.scatter(), whole.scatter()));
        Ok(())
    }

    #[test]
    fn the_covariance_by_hand() -> Result<()> {
        let moments = Moments::of(&Tensor::new(&[[1f64, 2.], [3., 6.]], &Device::Cpu)?)?;
        assert_eq!(
            moments.covariance()?,
            Symmetric::new(&Tensor::new(&[[2f64, 4.], [4., 8.]], &Device::Cpu)?)?
        );
        assert!(Moments::of(&Tensor::new(&[[1f64, 2.]], &Device::Cpu)?)?.covariance().is_err());
        Ok(())
    }

    /// Whitened rows with given means and deviations: the distance of two normal distributions with
    /// diagonal covariances is the sum over axes of (μ₁ - μ₂)² + (σ₁ - σ₂)².
    #[test]
    fn the_distance_of_normal_distributions_is_that_of_the_formula() -> Result<()> {
        // The four corners of a square have mean 0 and unit deviation up to the factor of N - 1.
        let corners = Tensor::new(&[[1f64, 1.], [1., -1.], [-1., 1.], [-1., -1.]], &Device::Cpu)?;
        let corners = (corners * (0.75f64).sqrt())?;
        let normal = |mean: [f64; 2], deviation: [f64; 2]| -> Result<Moments> {
            let scaled = corners.broadcast_mul(&Tensor::new(&deviation, &Device::Cpu)?)?;
            Moments::of(&scaled.broadcast_add(&Tensor::new(&mean, &Device::Cpu)?)?)
        };
        let (a, b) = (normal([0., 0.], [1., 2.])?, normal([3., -1.], [2., 5.])?);
        assert!((frechet(&a, &b)? - (9. + 1. + 1. + 9.)).abs() < 1e-10);
        assert!((frechet(&b, &a)? - 20.).abs() < 1e-10, "symmetric");
        assert!(frechet(&a, &a)?.abs() < 1e-10);
        let shifted = normal([2., 0.], [1., 2.])?;
        assert!((frechet(&a, &shifted)? - 4.).abs() < 1e-10, "a shift of 2");
        Ok(())
    }

    #[test]
    fn fewer_rows_than_features_are_no_obstacle() -> Result<()> {
        let (a, b) = (rows("a", 10, 30), rows("b", 12, 30));
        let (a, b) = (Moments::of(&a)?, Moments::of(&b)?);
        assert!(frechet(&a, &a)?.abs() < 1e-6);
        assert!((frechet(&a, &b)? - frechet(&b, &a)?).abs() < 1e-6 && frechet(&a, &b)? > 1.0);
        Ok(())
    }
}
