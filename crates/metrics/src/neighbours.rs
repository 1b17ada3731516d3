//! Precision, recall, density, coverage: is what is drawn among the data, and the data among it?

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use serde::Serialize;
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::Estimate;

/// The neighbour that a ball reaches to.
pub const K: usize = 5;
/// Rows whose distances are held at once.
const BLOCK: usize = 512;

/// Four shares; all but density lie in `[0, 1]`. Intervals are over the pictures that a share is of,
/// with the balls as they are: they say nothing of what other balls would do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Neighbourhood {
    /// Of the fakes, those in the ball of some real: quality.
    pub precision: Estimate,
    /// Of the reals, those in the ball of some fake: variety.
    pub recall: Estimate,
    /// The number of reals' balls that a fake lies in, over k; 1 is expected for equal
    /// distributions. One outlier's large ball counts once, not for everything.
    pub density: Estimate,
    /// Of the reals, those with a fake in their ball.
    pub coverage: Estimate,
}

/// Precision and recall of Kynkäänniemi et al. (arXiv:1904.06991, §2), density and coverage of
/// Naeem et al. (arXiv:2002.09797, §3). The ball of a row reaches to its `k`-th neighbour in its own
/// set. `key` is what resamples are drawn by.
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
    let (real, fake) = (Rows::new(real)?, Rows::new(fake)?);
    let (real_reach, fake_reach) = (real.reach(k)?, fake.reach(k)?);
    // Of each fake the reals' balls that it lies in; of each real whether fakes are in its ball, and
    // whether it is in one of theirs.
    let mut among = vec![0.0; m];
    let (mut covered, mut recalled) = (Vec::with_capacity(n), Vec::with_capacity(n));
    real.each_block(&fake, |start, distances| {
        for (i, row) in distances.chunks(m).enumerate() {
            let reach = real_reach[start + i];
            let one = |yes: bool| f64::from(u8::from(yes));
            covered.push(one(row.iter().any(|distance| *distance <= reach)));
            recalled.push(one(row.iter().zip(&fake_reach).any(|(distance, reach)| distance <= reach)));
            among.iter_mut().zip(row).for_each(|(among, distance)| *among += one(*distance <= reach));
        }
    })?;
    let mean = |values: &[f64], name: &str| {
        let of =
            |members: &[usize]| Some(members.iter().map(|&i| values[i]).sum::<f64>() / members.len() as f64);
        Estimate::bootstrap(values.len(), key.child(name), of)
            .ok_or_else(|| Error::State(format!("{name} of no pictures")))
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
pub(super) struct Rows {
    rows: Tensor,
    squares: Vec<f64>,
}

impl Rows {
    pub(super) fn new(rows: &Tensor) -> Result<Self> {
        let rows = rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.contiguous()?;
        let squares = rows.sqr()?.sum(1)?.to_vec1()?;
        Ok(Self { rows, squares })
    }

    /// Shows the squared distances from blocks of these rows to all others: the first row's
    /// position, and the distances row by row.
    pub(super) fn each_block(&self, others: &Self, mut each: impl FnMut(usize, &[f64])) -> Result<()> {
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

    /// For each row, the squared distance to its `k`-th neighbour, itself left out.
    fn reach(&self, k: usize) -> Result<Vec<f64>> {
        let mut reach = Vec::with_capacity(self.squares.len());
        self.each_block(self, |start, distances| {
            let rows = distances.par_chunks(self.squares.len()).enumerate().map(|(i, row)| {
                let mut row = row.to_vec();
                row.swap_remove(start + i);
                *row.select_nth_unstable_by(k - 1, f64::total_cmp).1
            });
            reach.par_extend(rows);
        })?;
        Ok(reach)
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
        // Reals: reach 1, 1, 2, 2. Fakes: reach 0.5, 0.5, 21. 0.5 and 1 lie in two balls each, 22 in none.
        assert_eq!(found.precision.value, 2.0 / 3.0);
        assert_eq!(found.density.value, 4.0 / 3.0);
        assert_eq!(found.coverage.value, 0.5);
        // 0 is 0.5 from the first fake, 1 upon the second; 10 and 12 are less than 21 from the third.
        assert_eq!((found.recall.low, found.recall.value, found.recall.high), (1.0, 1.0, 1.0));
        // Three coins that show heads twice, thrown again: none in 1/27, all in 8/27.
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
        // One real picture over and over is precise and covers next to nothing.
        let one = a.narrow(0, 0, 1)?.broadcast_as((600, 4))?;
        let [precision, recall, _, coverage] = values(of(&one)?);
        assert_eq!(precision, 1.0);
        assert!(recall < 0.01 && coverage < 0.05, "{recall} {coverage}");
        assert!(of(&rows("c", 5)).is_err());
        Ok(())
    }
}
