//! Precision, recall, density and coverage of generated images by the k nearest neighbours.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use serde::Serialize;
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::Estimate;

/// k: the radius of the ball of an image is the distance to its k-th neighbour.
pub const K: usize = 5;
/// Rows whose distances are in memory at once.
const BLOCK: usize = 512;

/// Four shares; all but density lie in `[0, 1]`. Intervals resample the images that a share is taken
/// of. The balls stay fixed, so that their own uncertainty is not included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Neighbourhood {
    /// The share of generated images in the ball of a real one: quality.
    pub precision: Estimate,
    /// The share of real images in the ball of a generated one: variety.
    pub recall: Estimate,
    /// The mean number of k-NN balls of real images that contain a generated one, divided by k. Its
    /// expectation is 1 for equal distributions. The large ball of an outlier counts once.
    pub density: Estimate,
    /// The share of real images whose ball contains a generated one.
    pub coverage: Estimate,
}

/// Precision and recall of Kynkäänniemi et al. (arXiv:1904.06991, §2), density and coverage of
/// Naeem et al. (arXiv:2002.09797, §3). The ball of a row has the distance to its `k`-th neighbour in its
/// own set for its radius. Resamples are drawn from `key`.
///
/// # Shapes
/// `real`: `(N, F)`, `fake`: `(M, F)`.
///
/// # Errors
/// If the features are of different sizes, or a set has no more than `k` rows.
pub fn neighbourhood(real: &Tensor, fake: &Tensor, k: usize, key: Key) -> Result<Neighbourhood> {
    let ((n, size), (m, other)) = (real.dims2()?, fake.dims2()?);
    if k == 0 || size != other || n.min(m) <= k {
        return Err(Error::State(format!(
            "neighbours of {n} features of size {size} and {m} of size {other}, expected equal sizes and more than \
             {k} of each"
        )));
    }
    let (real, fake) = (Points::new(real)?, Points::new(fake)?);
    let (real_radius, fake_radius) = (real.radii(k)?, fake.radii(k)?);
    // For each fake, the number of balls of reals that contain it. For each real, whether its ball
    // contains a fake, and whether a ball of a fake contains it.
    let mut among = vec![0.0; m];
    let (mut covered, mut recalled) = (Vec::with_capacity(n), Vec::with_capacity(n));
    real.each_block(&fake, |start, distances| {
        for (i, row) in distances.chunks(m).enumerate() {
            let radius = real_radius[start + i];
            let one = |yes: bool| f64::from(u8::from(yes));
            covered.push(one(row.iter().any(|distance| *distance <= radius)));
            recalled.push(one(row.iter().zip(&fake_radius).any(|(distance, radius)| distance <= radius)));
            among.iter_mut().zip(row).for_each(|(among, distance)| *among += one(*distance <= radius));
        }
    })?;
    let mean = |values: &[f64], name: &str| {
        let of =
            |members: &[usize]| Some(members.iter().map(|&i| values[i]).sum::<f64>() / members.len() as f64);
        Estimate::bootstrap(values.len(), key.child(name), of)
            .ok_or_else(|| Error::State(format!("{name} of no images")))
    };
    let precise: Vec<f64> = among.iter().map(|among| among.min(1.0)).collect();
    let dense: Vec<f64> = among.iter().map(|among| among / k as f64).collect();
    Ok(Neighbourhood {
        precision: mean(&precise, "precision")?,
        recall: mean(&recalled, "recall")?,
        density: mean(&dense, "density")?,
        coverage: mean(&covered, "coverage")?,
    })
}

/// Rows in `f64` with the squares of their lengths.
pub(crate) struct Points {
    rows: Tensor,
    squares: Vec<f64>,
}

impl Points {
    pub(crate) fn new(rows: &Tensor) -> Result<Self> {
        let rows = rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.contiguous()?;
        let squares = rows.sqr()?.sum(1)?.to_vec1()?;
        Ok(Self { rows, squares })
    }

    /// Calls `each` with the squared distances from a block of these rows to all others: the position of
    /// the first row, and the distances row by row.
    pub(crate) fn each_block(&self, others: &Self, mut each: impl FnMut(usize, &[f64])) -> Result<()> {
        let columns = others.rows.t()?.contiguous()?;
        let count = self.squares.len();
        for start in (0..count).step_by(BLOCK) {
            let rows = self.rows.narrow(0, start, BLOCK.min(count - start))?;
            let mut products = rows.matmul(&columns)?.flatten_all()?.to_vec1::<f64>()?;
            products.par_chunks_mut(others.squares.len()).enumerate().for_each(|(i, row)| {
                let own = self.squares[start + i];
                row.iter_mut().zip(&others.squares).for_each(|(value, square)| {
                    *value = (own + square - 2.0 * *value).max(0.0);
                });
            });
            each(start, &products);
        }
        Ok(())
    }

    /// For each row, the squared distance to its `k`-th neighbour, without itself.
    fn radii(&self, k: usize) -> Result<Vec<f64>> {
        let mut radii = Vec::with_capacity(self.squares.len());
        self.each_block(self, |start, distances| {
            let rows = distances.par_chunks(self.squares.len()).enumerate().map(|(i, row)| {
                let mut row = row.to_vec();
                row.swap_remove(start + i);
                *row.select_nth_unstable_by(k - 1, f64::total_cmp).1
            });
            radii.par_extend(rows);
        })?;
        Ok(radii)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use t2f_ops::rng::{self, Key};

    fn rows(purpose: &str, count: usize) -> Tensor {
        rng::normal(Key::new(2).child(purpose), (count, 4), DType::F64, &Device::Cpu).unwrap()
    }

    #[test]
    fn values_by_hand() -> Result<()> {
        let column = |values: &[f64]| Tensor::from_slice(values, (values.len(), 1), &Device::Cpu);
        let found = neighbourhood(&column(&[0., 1., 10., 12.])?, &column(&[0.5, 1., 22.])?, 1, Key::new(1))?;
        // Radii of reals: 1, 1, 2, 2; of fakes: 0.5, 0.5, 21. 0.5 and 1 are in two balls each, 22 in none.
        assert_eq!(found.precision.value, 2.0 / 3.0);
        assert_eq!(found.density.value, 4.0 / 3.0);
        assert_eq!(found.coverage.value, 0.5);
        // 0 is 0.5 from the first fake, 1 equals the second; 10 and 12 are less than 21 from the third.
        assert_eq!((found.recall.low, found.recall.value, found.recall.high), (1.0, 1.0, 1.0));
        // Two of three are precise; a resample has none with probability 1/27, all with 8/27.
        assert_eq!((found.precision.low, found.precision.high), (0.0, 1.0));
        Ok(())
    }

    #[test]
    fn extremes() -> Result<()> {
        let (a, b) = (rows("a", 600), rows("b", 600));
        let of = |fake: &Tensor| neighbourhood(&a, fake, K, Key::new(3));
        let values = |found: Neighbourhood| {
            let Neighbourhood { precision, recall, density, coverage } = found;
            [precision, recall, density, coverage].map(|share| share.value)
        };
        let [precision, recall, _, coverage] = values(of(&a)?);
        assert_eq!((precision, recall, coverage), (1.0, 1.0, 1.0));
        let like = of(&b)?;
        let [precision, recall, density, coverage] = values(like);
        assert!(precision > 0.85 && recall > 0.85 && coverage > 0.9, "{like:?}");
        assert!((density - 1.0).abs() < 0.1, "{like:?}");
        let Estimate { value, low, high } = like.density;
        assert!(low < value && value < high && high - low < 0.2, "{like:?}");
        assert_eq!(values(of(&(&b + 100.0)?)?), [0.0; 4]);
        // Copies of one real image are precise and cover almost nothing.
        let one = a.narrow(0, 0, 1)?.broadcast_as((600, 4))?;
        let [precision, recall, _, coverage] = values(of(&one)?);
        assert_eq!(precision, 1.0);
        assert!(recall < 0.01 && coverage < 0.05, "{recall} {coverage}");
        assert!(of(&rows("c", 5)).is_err());
        Ok(())
    }
}
