//! Random numbers without state: every draw has a [`Key`], and equal keys give equal numbers.
//!
//! A key is derived from the seed of the run, the purpose of the draw and its position in the run:
//! `Key::new(seed).child("noise").at(step)`. A resumed run needs no saved generator, because the
//! step number determines every key. Numbers are drawn on the host with ChaCha8 and are the same on
//! every device. candle's generator, which cannot be seeded on the CPU, is not used.
//!
//! ```
//! use t2f_ops::rng::{Key, normal};
//! use t2f_ops::{DType, Device};
//!
//! let key = Key::new(7).child("noise").at(3);
//! let (a, b) = (normal(key, 4, DType::F32, &Device::Cpu)?, normal(key, 4, DType::F32, &Device::Cpu)?);
//! assert_eq!(a.to_vec1::<f32>()?, b.to_vec1::<f32>()?);
//! # Ok::<(), t2f_ops::Error>(())
//! ```

use candle_core::{DType, Device, Result, Shape, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// The name of one stream of random numbers, 256 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:02x}{:02x}{:02x}{:02x}…)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl Key {
    /// The root key of a run: the BLAKE3 hash of its seed.
    pub fn new(seed: u64) -> Self {
        Self(*blake3::hash(&seed.to_le_bytes()).as_bytes())
    }

    /// The key for a named purpose: the hash of `purpose` keyed by this key.
    pub fn child(self, purpose: &str) -> Self {
        Self(*blake3::keyed_hash(&self.0, purpose.as_bytes()).as_bytes())
    }

    /// The key for a numbered position, such as a step or an index: the hash of `position` keyed by this
    /// key.
    pub fn at(self, position: u64) -> Self {
        Self(*blake3::keyed_hash(&self.0, &position.to_le_bytes()).as_bytes())
    }

    /// A generator at the beginning of this key's stream.
    pub fn rng(self) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.0)
    }
}

/// A uniform number in `[0, 1)` with 53 random bits.
pub fn unit(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A uniform integer in `0..n`, with a bias below `n / 2⁶⁴`; 0 if `n` is 0.
///
/// Lemire's multiplication without rejection (arXiv:1805.10941, §3).
pub fn below(rng: &mut impl Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A position with a probability in proportion to its weight; 0 if there are no weights.
pub fn weighted(rng: &mut impl Rng, weights: impl Iterator<Item = f64> + Clone) -> usize {
    let mut rest = unit(rng) * weights.clone().sum::<f64>();
    let mut last = 0;
    for (position, weight) in weights.enumerate() {
        last = position;
        rest -= weight;
        if rest < 0.0 {
            break;
        }
    }
    last
}

/// A uniform permutation of `0..n` (Fisher–Yates shuffle).
pub fn permutation(rng: &mut impl Rng, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, below(rng, i + 1));
    }
    order
}

/// Independent standard normal numbers, drawn as `f32` and converted to `dtype`.
///
/// # Errors
/// If the device refuses the copy.
pub fn normal(key: Key, shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    let shape = shape.into();
    let mut rng = key.rng();
    let values: Vec<f32> = (0..shape.elem_count()).map(|_| StandardNormal.sample(&mut rng)).collect();
    Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
}

/// Independent uniform numbers in `[0, 1]`: drawn in `[0, 1)` and rounded to `f32`.
///
/// # Errors
/// If the device refuses the copy.
pub fn uniform(key: Key, shape: impl Into<Shape>, dtype: DType, device: &Device) -> Result<Tensor> {
    let shape = shape.into();
    let mut rng = key.rng();
    let values: Vec<f32> = (0..shape.elem_count()).map(|_| unit(&mut rng) as f32).collect();
    Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_as_frequent_as_their_weights() {
        let mut rng = Key::new(3).rng();
        let weights = [1.0, 0.0, 3.0];
        let mut counts = [0; 3];
        for _ in 0..4000 {
            counts[weighted(&mut rng, weights.into_iter())] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((900..1100).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn equal_keys_give_equal_numbers_and_unequal_ones_do_not() {
        let key = Key::new(7).child("noise").at(3);
        let draw = |key: Key| (0..4).scan(key.rng(), |rng, _| Some(rng.next_u64())).collect::<Vec<_>>();
        assert_eq!(draw(key), draw(Key::new(7).child("noise").at(3)));
        assert_ne!(draw(key), draw(Key::new(8).child("noise").at(3)));
        assert_ne!(draw(key), draw(Key::new(7).child("latent").at(3)));
        assert_ne!(draw(key), draw(Key::new(7).child("noise").at(4)));
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() -> Result<()> {
        let x = normal(Key::new(1), 100_000, DType::F64, &Device::Cpu)?;
        let mean = x.mean_all()?.to_scalar::<f64>()?;
        let variance = x.sqr()?.mean_all()?.to_scalar::<f64>()? - mean * mean;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
        Ok(())
    }

    #[test]
    fn permutation_holds_every_index_once() {
        let mut order = permutation(&mut Key::new(5).rng(), 100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
