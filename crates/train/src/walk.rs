//! Positions of a walk over stops, and the weights of the stops at each.

use candle_core::{Device, Tensor};

use crate::error::{Error, Result};

/// Positions of a walk, each between two neighbouring stops.
#[derive(Debug)]
pub(crate) struct Walk {
    stops: usize,
    /// The stop before each position, and the part of the way to the next, in `[0, 1]`.
    places: Vec<(usize, f64)>,
}

impl Walk {
    /// `positions` are from 0, the first stop, to `stops - 1`, the last.
    ///
    /// # Errors
    /// If there are fewer than two stops, no position, or a position outside.
    pub(crate) fn new(stops: usize, positions: &[f64]) -> Result<Self> {
        if stops < 2 || positions.is_empty() {
            let found = format!("{stops} stops and {} positions", positions.len());
            return Err(Error::Config(format!(
                "a walk of {found}, expected at least two stops and one position"
            )));
        }
        let last = (stops - 1) as f64;
        if let Some(outside) = positions.iter().find(|position| !(0.0..=last).contains(*position)) {
            return Err(Error::Config(format!("a walk of {stops} stops at {outside}, expected 0 to {last}")));
        }
        let place = |position: &f64| {
            let before = (position.floor() as usize).min(stops - 2);
            (before, position - before as f64)
        };
        Ok(Self { stops, places: positions.iter().map(place).collect() })
    }

    /// The weights of linear interpolation.
    ///
    /// # Shapes
    /// The result is `(P, S)` for P positions and S stops.
    ///
    /// # Errors
    /// If the device refuses the copy.
    pub(crate) fn linear(&self, device: &Device) -> Result<Tensor> {
        self.weights(device, |_, way| (1.0 - way, way))
    }

    /// The weights of spherical interpolation, exact at the stops, `sin((1 - t) a) / sin a` and `sin(t a) / sin a` with the angle `a`
    /// between two stops; those of linear interpolation where they have the same direction, or none.
    ///
    /// # Shapes
    /// `noise`: `(S, Z)`; the result is `(P, S)`.
    ///
    /// # Errors
    /// If the device refuses the copy.
    pub(crate) fn spherical(&self, noise: &Tensor) -> Result<Tensor> {
        let rows = noise.to_vec2::<f32>()?;
        let dot = |x: &[f32], y: &[f32]| -> f64 {
            x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let angle = |(x, y): (&Vec<f32>, &Vec<f32>)| {
            (dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()).clamp(-1.0, 1.0).acos()
        };
        let angles: Vec<f64> = rows.iter().zip(&rows[1..]).map(angle).collect();
        self.weights(noise.device(), |before, way| {
            let angle = angles[before];
            match angle.sin() {
                sine if sine.abs() > 1e-6 => (((1.0 - way) * angle).sin() / sine, (way * angle).sin() / sine),
                _ => (1.0 - way, way),
            }
        })
    }

    fn weights(&self, device: &Device, of: impl Fn(usize, f64) -> (f64, f64)) -> Result<Tensor> {
        let mut weights = vec![0f32; self.places.len() * self.stops];
        for (row, &(before, way)) in weights.chunks_exact_mut(self.stops).zip(&self.places) {
            let (first, second) = of(before, way);
            (row[before], row[before + 1]) = (first as f32, second as f32);
        }
        Ok(Tensor::from_vec(weights, (self.places.len(), self.stops), device)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(weights: &Tensor) -> Vec<Vec<f32>> {
        weights.to_vec2().unwrap()
    }

    #[test]
    fn weights_are_exact_at_stops_and_even_half_way() {
        let walk = Walk::new(3, &[0.0, 0.5, 1.0, 2.0]).unwrap();
        let expected = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(rows(&walk.linear(&Device::Cpu).unwrap()), expected);
        // Right angles: the length is kept.
        let noise = Tensor::new(&[[2f32, 0.0], [0.0, 2.0], [-2.0, 0.0]], &Device::Cpu).unwrap();
        let spherical = walk.spherical(&noise).unwrap();
        let lengths =
            spherical.matmul(&noise).unwrap().sqr().unwrap().sum(1).unwrap().to_vec1::<f32>().unwrap();
        assert!(lengths.iter().all(|length| (length - 4.0).abs() < 1e-5), "{lengths:?}");
        assert_eq!(rows(&spherical)[2], expected[2]);
    }

    #[test]
    fn noise_without_a_direction_is_interpolated_linearly() {
        let walk = Walk::new(2, &[0.25]).unwrap();
        for noise in [[[0f32, 0.0], [0.0, 0.0]], [[1.0, 2.0], [1.0, 2.0]]] {
            let noise = Tensor::new(&noise, &Device::Cpu).unwrap();
            let weights = rows(&walk.spherical(&noise).unwrap());
            assert!(
                (weights[0][0] - 0.75).abs() < 1e-5 && (weights[0][1] - 0.25).abs() < 1e-5,
                "{weights:?}"
            );
        }
    }

    #[test]
    fn positions_outside_of_the_stops_are_refused() {
        for (stops, positions) in [(1, &[0.0][..]), (2, &[]), (2, &[1.1]), (2, &[-0.1]), (2, &[f64::NAN])] {
            assert!(Walk::new(stops, positions).is_err(), "{stops} {positions:?}");
        }
    }
}
