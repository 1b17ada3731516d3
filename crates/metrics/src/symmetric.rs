//! Symmetric matrices in `f64` for the Fréchet distance.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::error::{Error, Result};

/// The least rows of a thread.
const ROWS: usize = 64;
/// The most sweeps for an eigenvalue; two or three are usual.
const SWEEPS: usize = 60;

/// A symmetric matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    size: usize,
    values: Vec<f64>,
}

impl Symmetric {
    /// The matrix of a tensor; both halves are averaged.
    ///
    /// # Shapes
    /// `(N, N)`
    ///
    /// # Errors
    /// If it is not square.
    pub fn new(matrix: &Tensor) -> Result<Self> {
        let (rows, columns) = matrix.dims2()?;
        if rows != columns {
            return Err(Error::State(format!("a matrix of {rows} by {columns}, expected a square one")));
        }
        let matrix = matrix.to_dtype(DType::F64)?.to_device(&Device::Cpu)?;
        let values = ((&matrix + matrix.t()?)? * 0.5)?.flatten_all()?.to_vec1()?;
        Ok(Self { size: rows, values })
    }

    /// The sum of the diagonal.
    pub fn trace(&self) -> f64 {
        self.values.iter().step_by(self.size + 1).sum()
    }

    /// `(N, N)`
    fn tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.values, (self.size, self.size), &Device::Cpu)?)
    }

    /// `L` with `L Lᵀ` equal to this matrix, which has no negative eigenvalue: Cholesky's
    /// method with the largest diagonal element first, until the rest is rounding error (Higham, Accuracy
    /// and Stability of Numerical Algorithms, §10.3). The columns are as many as the rank.
    fn factor(&self) -> Result<Tensor> {
        let size = self.size;
        let mut rest: Vec<f64> = self.values.iter().copied().step_by(size + 1).collect();
        let largest = rest.iter().copied().fold(0.0, f64::max);
        let smallest = largest * size as f64 * f64::EPSILON;
        let mut factor = vec![0.0; size * size];
        let mut rank = 0;
        while rank < size {
            let (pivot, left) =
                rest.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
            if left <= smallest {
                break;
            }
            let scale = 1.0 / left.sqrt();
            let known = factor[pivot * size..pivot * size + rank].to_vec();
            let column = &self.values[pivot * size..(pivot + 1) * size];
            factor.par_chunks_mut(size).zip(&mut rest).zip(column).with_min_len(ROWS).for_each(
                |((row, rest), value)| {
                    row[rank] = (value - dot(&row[..rank], &known)) * scale;
                    *rest -= row[rank] * row[rank];
                },
            );
            rest[pivot] = f64::NEG_INFINITY;
            rank += 1;
        }
        Ok(Tensor::from_vec(factor, (size, size), &Device::Cpu)?.narrow(1, 0, rank)?.contiguous()?)
    }

    /// All eigenvalues, ascending: Householder's tridiagonalisation, then QL with implicit shifts
    /// (Golub and Van Loan, Matrix Computations, §8.3).
    ///
    /// # Errors
    /// If the matrix has a number that is not finite.
    pub fn eigenvalues(mut self) -> Result<Vec<f64>> {
        if self.values.iter().any(|value| !value.is_finite()) {
            return Err(Error::State("eigenvalues of a matrix that holds NaN or infinity".into()));
        }
        let size = self.size;
        let (mut diagonal, mut beside) = (Vec::with_capacity(size), Vec::with_capacity(size));
        for step in 0..size {
            let left = size - step - 1;
            diagonal.push(self.values[step * size + step]);
            let mut axis: Vec<f64> = self.values[step * size + step + 1..(step + 1) * size].to_vec();
            if left <= 1 {
                beside.extend(axis);
                continue;
            }
            let length = dot(&axis, &axis).sqrt();
            if length == 0.0 {
                beside.push(0.0);
                continue;
            }
            let turned = if axis[0] > 0.0 { -length } else { length };
            beside.push(turned);
            axis[0] -= turned;
            let scale = 2.0 / dot(&axis, &axis);
            let rows = &mut self.values[(step + 1) * size..];
            let mut other: Vec<f64> = rows
                .par_chunks(size)
                .with_min_len(ROWS)
                .map(|row| scale * dot(&row[step + 1..], &axis))
                .collect();
            let along = 0.5 * scale * dot(&axis, &other);
            other.iter_mut().zip(&axis).for_each(|(other, axis)| *other -= along * axis);
            rows.par_chunks_mut(size).enumerate().with_min_len(ROWS).for_each(|(i, row)| {
                let (first, second) = (axis[i], other[i]);
                for ((value, axis), other) in row[step + 1..].iter_mut().zip(&axis).zip(&other) {
                    *value -= first * other + second * axis;
                }
            });
        }
        tridiagonal(diagonal, beside)
    }
}

/// In four sums, so that the compiler can vectorise.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4.remainder().iter().zip(b4.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a4.zip(b4) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The eigenvalues of a symmetric tridiagonal matrix.
fn tridiagonal(mut diagonal: Vec<f64>, mut beside: Vec<f64>) -> Result<Vec<f64>> {
    let size = diagonal.len();
    beside.resize(size, 0.0);
    // The rounding error of every element. In a matrix of low rank, neighbours of an element are zero,
    // and so the element is not small relative to them.
    let noise = f64::EPSILON * diagonal.iter().chain(&beside).fold(0.0, |most: f64, x| most.max(x.abs()));
    for first in 0..size {
        for sweep in 0.. {
            let small = |m: &usize| {
                let neighbours = diagonal[*m].abs() + diagonal[*m + 1].abs();
                beside[*m].abs() <= noise.max(f64::EPSILON * neighbours)
            };
            let last = (first..size - 1).find(small).unwrap_or(size - 1);
            if last == first {
                break;
            }
            if sweep == SWEEPS {
                return Err(Error::State(format!("eigenvalue {first} of {size} does not converge")));
            }
            let slope = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
            let root = slope.hypot(1.0).copysign(slope);
            let mut g = diagonal[last] - diagonal[first] + beside[first] / (slope + root);
            let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (first..last).rev() {
                let (f, b) = (sine * beside[i], cosine * beside[i]);
                let r = f.hypot(g);
                beside[i + 1] = r;
                if r == 0.0 {
                    diagonal[i + 1] -= shift;
                    beside[last] = 0.0;
                    split = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                g = diagonal[i + 1] - shift;
                let r = (diagonal[i] - g) * sine + 2.0 * cosine * b;
                shift = sine * r;
                diagonal[i + 1] = g + shift;
                g = cosine * r - b;
            }
            if !split {
                diagonal[first] -= shift;
                beside[first] = g;
                beside[last] = 0.0;
            }
        }
    }
    diagonal.sort_by(f64::total_cmp);
    Ok(diagonal)
}

/// `tr √(A B)` of two matrices without negative eigenvalues.
///
/// With `A = L Lᵀ` the product `A B` has the eigenvalues of the symmetric `Lᵀ B L`, and zeros. No square
/// root of a matrix is needed.
///
/// # Errors
/// If the sizes differ, or a number is not finite.
pub fn trace_of_root(a: &Symmetric, b: &Symmetric) -> Result<f64> {
    if a.size != b.size {
        return Err(Error::State(format!(
            "matrices of {} and {} rows, expected equal sizes",
            a.size, b.size
        )));
    }
    let factor = a.factor()?;
    if factor.dim(1)? == 0 {
        return Ok(0.0);
    }
    let product = factor.t()?.contiguous()?.matmul(&b.tensor()?)?.matmul(&factor)?;
    Ok(Symmetric::new(&product)?.eigenvalues()?.into_iter().map(|value| value.max(0.0).sqrt()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use t2f_ops::rng::{self, Key};

    fn matrix(rows: &[&[f64]]) -> Symmetric {
        let values = rows.concat();
        Symmetric::new(&Tensor::from_vec(values, (rows.len(), rows.len()), &Device::Cpu).unwrap()).unwrap()
    }

    /// `B Bᵀ` of `size` rows and `rank` columns.
    fn random(size: usize, rank: usize, purpose: &str) -> Symmetric {
        let b = rng::normal(Key::new(8).child(purpose), (size, rank), DType::F64, &Device::Cpu).unwrap();
        Symmetric::new(&b.matmul(&b.t().unwrap()).unwrap()).unwrap()
    }

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-10, "{a:?} {b:?}");
    }

    #[test]
    fn eigenvalues_by_hand() -> Result<()> {
        close(&matrix(&[&[5.0]]).eigenvalues()?, &[5.0]);
        close(&matrix(&[&[2.0, 1.0], &[1.0, 2.0]]).eigenvalues()?, &[1.0, 3.0]);
        // The second difference of n points: 2 - 2 cos(k π / (n + 1)).
        let n = 7;
        let entry = |i: usize, j: usize| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)];
        let rows: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let angle = |k: usize| std::f64::consts::PI * k as f64 / (n + 1) as f64;
        let expected: Vec<f64> = (1..=n).map(|k| 2.0 - 2.0 * angle(k).cos()).collect();
        close(&matrix(&rows).eigenvalues()?, &expected);
        close(&matrix(&[&[0.0, 0.0], &[0.0, 0.0]]).eigenvalues()?, &[0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn eigenvalues_keep_trace_and_square_and_show_the_rank() -> Result<()> {
        let a = random(90, 60, "a");
        let (trace, square) = (a.trace(), dot(&a.values, &a.values));
        let found = a.eigenvalues()?;
        assert!((found.iter().sum::<f64>() / trace - 1.0).abs() < 1e-12);
        assert!((dot(&found, &found) / square - 1.0).abs() < 1e-12);
        assert_eq!(found.iter().filter(|value| value.abs() > 1e-9).count(), 60);
        Ok(())
    }

    #[test]
    fn the_factor_squares_to_the_matrix_and_has_its_rank() -> Result<()> {
        let a = random(40, 25, "a");
        let factor = a.factor()?;
        assert_eq!(factor.dims(), [40, 25]);
        let square = Symmetric::new(&factor.matmul(&factor.t()?)?)?;
        close(&square.values, &a.values);
        Ok(())
    }

    #[test]
    fn the_root_of_a_square_has_the_trace_of_the_matrix() -> Result<()> {
        let a = random(50, 30, "a");
        assert!((trace_of_root(&a, &a)? / a.trace() - 1.0).abs() < 1e-7);
        Ok(())
    }

    /// Of two rows: `tr √M = √(tr M + 2 √det M)`, for `M = A B` too, which is not symmetric.
    #[test]
    fn the_root_of_a_product_has_the_trace_of_the_formula() -> Result<()> {
        let (a, b) = (matrix(&[&[2.0, 1.0], &[1.0, 3.0]]), matrix(&[&[4.0, -1.0], &[-1.0, 1.0]]));
        let (trace, determinant) = (2.0 * 4.0 - 1.0 - 1.0 + 3.0, 5.0 * 3.0);
        let expected: f64 = (trace + 2.0 * f64::sqrt(determinant)).sqrt();
        assert!((trace_of_root(&a, &b)? - expected).abs() < 1e-12);
        assert!((trace_of_root(&b, &a)? - expected).abs() < 1e-12);
        assert!(trace_of_root(&a, &random(3, 3, "b")).is_err());
        Ok(())
    }
}
