//! The Inception score, from the class probabilities of a feature extractor.

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};
use crate::estimate::Estimate;

/// The number of parts whose scores are averaged.
pub const PARTS: usize = 10;

/// The sums of one part.
#[derive(Clone, Debug, Default)]
struct Part {
    count: usize,
    /// Σₓ Σ_y p(y|x) ln p(y|x).
    certainty: f64,
    /// Σₓ p(y|x).
    classes: Vec<f64>,
}

/// The Inception score in memory that does not grow with the number of images:
///
/// `exp(E_x KL(p(y|x) ‖ p(y)))`, Salimans et al. (arXiv:1606.03498), §4, between 1 and the number of
/// classes, over ten parts of the images: image `i` belongs to part `i mod 10`.
///
/// `E_x KL = E_x Σ_y p(y|x) ln p(y|x) - Σ_y p(y) ln p(y)`.
#[derive(Clone, Debug, Default)]
pub struct ClassScore {
    parts: [Part; PARTS],
    count: usize,
}

impl ClassScore {
    /// Adds the probabilities of images.
    ///
    /// # Shapes
    /// `(B, K)`, rows that sum to 1.
    ///
    /// # Errors
    /// If the shape or the number of classes differs.
    pub fn add(&mut self, probabilities: &Tensor) -> Result<()> {
        for row in probabilities.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec2::<f64>()? {
            let part = &mut self.parts[self.count % PARTS];
            part.classes.resize(row.len().max(part.classes.len()), 0.0);
            if part.classes.len() != row.len() {
                let (here, before) = (row.len(), part.classes.len());
                return Err(Error::State(format!("{here} classes, expected {before} as before")));
            }
            part.certainty += row.iter().map(|p| entropy_term(*p)).sum::<f64>();
            part.classes.iter_mut().zip(&row).for_each(|(sum, p)| *sum += p);
            part.count += 1;
            self.count += 1;
        }
        Ok(())
    }

    /// The mean of the scores of the parts, and 1.96 of their standard deviations on both sides;
    /// `None` with fewer images than parts.
    pub fn score(&self) -> Option<Estimate> {
        let scores: Option<Vec<f64>> = self.parts.iter().map(Part::score).collect();
        let scores = scores?;
        let mean = scores.iter().sum::<f64>() / PARTS as f64;
        let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (PARTS - 1) as f64;
        let half = 1.96 * variance.sqrt();
        Some(Estimate { value: mean, low: mean - half, high: mean + half })
    }
}

/// The form of the cache of real images.
impl ClassScore {
    /// `(10, 2 + K)`: for each part the number of images, the certainty and the sums of the classes;
    /// `None` without images.
    pub(crate) fn to_rows(&self) -> Result<Option<Tensor>> {
        let classes = self.parts[0].classes.len();
        if self.count == 0 {
            return Ok(None);
        }
        let row = |part: &Part| {
            let mut row = vec![part.count as f64, part.certainty];
            row.extend(&part.classes);
            row.resize(2 + classes, 0.0);
            row
        };
        let rows: Vec<f64> = self.parts.iter().flat_map(row).collect();
        Ok(Some(Tensor::from_vec(rows, (PARTS, 2 + classes), &Device::Cpu)?))
    }

    /// From the form of [`to_rows`](Self::to_rows).
    pub(crate) fn from_rows(rows: &Tensor) -> Result<Self> {
        let mut score = Self::default();
        for (part, row) in score.parts.iter_mut().zip(rows.to_vec2::<f64>()?) {
            let [count, certainty, classes @ ..] = row.as_slice() else {
                return Err(Error::State("saved class scores are too short".into()));
            };
            *part = Part { count: *count as usize, certainty: *certainty, classes: classes.to_vec() };
            score.count += part.count;
        }
        Ok(score)
    }
}

impl Part {
    fn score(&self) -> Option<f64> {
        let count = self.count as f64;
        let classes: f64 = self.classes.iter().map(|sum| entropy_term(sum / count)).sum();
        (self.count > 0).then(|| (self.certainty / count - classes).exp())
    }
}

fn entropy_term(p: f64) -> f64 {
    if p > 0.0 { p * p.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(rows: Vec<Vec<f64>>) -> Option<f64> {
        let mut score = ClassScore::default();
        for rows in rows.chunks(7) {
            score.add(&Tensor::new(rows.to_vec(), &Device::Cpu).unwrap()).unwrap();
        }
        score.score().map(|estimate| estimate.value)
    }

    fn certain(class: usize) -> Vec<f64> {
        (0..4).map(|other| f64::from(u8::from(other == class))).collect()
    }

    #[test]
    fn the_bounds_are_one_and_the_number_of_classes() {
        assert_eq!(score((0..200).map(|_| certain(2)).collect()), Some(1.0));
        assert_eq!(score(vec![vec![0.25; 4]; 200]), Some(1.0));
        // Every part of twenty sees each class five times.
        let all = score((0..200).map(|i| certain(i / 10 % 4)).collect()).unwrap();
        assert!((all - 4.0).abs() < 1e-12, "{all}");
        assert_eq!(score(vec![certain(0); 9]), None, "fewer than parts");
    }

    #[test]
    fn a_saved_score_is_the_same_score_and_goes_on() -> Result<()> {
        let rows = |from: usize| -> Result<Tensor> {
            let row = |i: usize| certain((i * i + from) % 4).into_iter().map(|p| 0.1 + 0.6 * p);
            Ok(Tensor::from_vec((0..25).flat_map(row).collect::<Vec<_>>(), (25, 4), &Device::Cpu)?)
        };
        let mut whole = ClassScore::default();
        assert!(whole.to_rows()?.is_none());
        whole.add(&rows(0)?)?;
        let mut saved = ClassScore::from_rows(&whole.to_rows()?.unwrap())?;
        assert_eq!(saved.score(), whole.score());
        whole.add(&rows(1)?)?;
        saved.add(&rows(1)?)?;
        assert_eq!(saved.score(), whole.score());
        Ok(())
    }

    #[test]
    fn a_value_by_hand() {
        // Two classes, certain with 0.9: ln 2 - H(0.9).
        let rows = (0..40).map(|i| if i / 10 % 2 == 0 { vec![0.9, 0.1] } else { vec![0.1, 0.9] }).collect();
        let expected = (2f64.ln() + 0.9 * 0.9f64.ln() + 0.1 * 0.1f64.ln()).exp();
        assert!((score(rows).unwrap() - expected).abs() < 1e-12);
    }
}
