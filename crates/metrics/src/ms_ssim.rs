//! Multi-scale structural similarity between pairs of generated images, a sign of mode collapse.

use rayon::prelude::*;
use serde::Serialize;
use t2f_data::Image;
use t2f_ops::rng::Key;

use crate::error::{Error, Result};
use crate::estimate::Estimate;
use crate::images::read_first;
use crate::metric::{Accumulator, Better, Context, Images, Metric, MetricValue, Report};

/// The weight of each scale, Wang et al. (2003), §3.2; they do not quite add up to 1.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Side and standard deviation of the window, smaller for small images.
const WINDOW: usize = 11;
const DEVIATION: f64 = 1.5;
/// `(0.01 · 255)²` and `(0.03 · 255)²`.
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// The keys of earlier versions in `details`.
const OLD_KEYS: [(&str, &str); 2] = [("generated", "drawn"), ("images", "pictures")];

/// The metric `ms-ssim`: structural similarity of images of different captions.
#[derive(Clone, Copy, Debug, Default)]
pub struct StructuralSimilarity;

/// The structural similarity of pairs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimilarityScores {
    /// Of generated images, the first of each caption.
    pub generated: Estimate,
    /// Of as many real images of the split.
    pub real: Estimate,
    /// The number of generated images in pairs.
    pub images: usize,
}

impl Metric for StructuralSimilarity {
    fn name(&self) -> &'static str {
        "ms-ssim"
    }
    fn about(&self) -> &'static str {
        "multi-scale structural similarity of images of different captions"
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        Ok(Box::new(Pairing(context)))
    }
}

struct Pairing<'a>(&'a Context<'a>);

impl Accumulator for Pairing<'_> {
    fn images(&self) -> Images {
        Images::All
    }

    fn finish(self: Box<Self>, generated: &[Image]) -> Result<Report> {
        let (request, key) = (self.0.request(), self.0.key().child("ms-ssim"));
        let images = request.len();
        let scores = SimilarityScores {
            generated: ms_ssim_of_pairs(&request.across_captions(generated, images), key)?,
            real: ms_ssim_of_pairs(&read_first(self.0.data(), images)?, key)?,
            images,
        };
        let title = "structural similarity of different images; above that of real images is collapse";
        let values = [
            MetricValue::estimate("ms_ssim", title, scores.generated, Better::Nearer)
                .with_baseline("real images", "ms_ssim_real"),
            MetricValue::estimate("ms_ssim_real", "the same for real images", scores.real, Better::Baseline),
        ];
        let values = values.map(|value| value.with_images(images));
        Report::new(values).with_old_details("ms_ssim", &scores, &OLD_KEYS)
    }
}

/// The multi-scale structural similarity of two images: `Π_{j<5} cs_j^{w_j} · ssim_5^{w_5}`, Wang,
/// Simoncelli and Bovik (Asilomar 2003), with means over pixels and channels at each of five scales,
/// in the form that ProGAN uses. It is 1 for equal images and at least 0.
///
/// # Errors
/// If the images are not squares of one size that is a multiple of 16.
pub fn ms_ssim(a: &Image, b: &Image) -> Result<f64> {
    let side = a.width;
    let sizes = [a.height, b.width, b.height];
    if side == 0 || !side.is_multiple_of(16) || sizes != [side; 3] {
        return Err(Error::State(format!(
            "structural similarity of images of {}x{} and {}x{}, expected squares of one multiple of 16",
            a.width, a.height, b.width, b.height
        )));
    }
    let planes = |image: &Image| -> [Vec<f64>; 3] {
        [0, 1, 2].map(|channel| image.pixels.iter().skip(channel).step_by(3).map(|x| f64::from(*x)).collect())
    };
    let (mut a, mut b) = (planes(a), planes(b));
    let mut product = 1.0;
    for (scale, weight) in WEIGHTS.iter().enumerate() {
        let side = side >> scale;
        let parts: Vec<(f64, f64)> =
            (0..3).map(|channel| similarity(&a[channel], &b[channel], side)).collect();
        let (ssim, contrast) =
            parts.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0 / 3.0, sum.1 + part.1 / 3.0));
        let used = if scale + 1 == WEIGHTS.len() { ssim } else { contrast };
        product *= used.max(0.0).powf(*weight);
        a.iter_mut().chain(&mut b).for_each(|plane| *plane = halved(plane, side));
    }
    Ok(product)
}

/// The mean similarity of pairs of consecutive images (the first and second, the third and fourth, …),
/// with an interval that resamples pairs. It is near 1 if all images are alike; compare it with that of
/// real images.
///
/// # Errors
/// If there is no pair; those of [`ms_ssim`].
pub fn ms_ssim_of_pairs(images: &[Image], key: Key) -> Result<Estimate> {
    let scores: Vec<f64> =
        images.par_chunks_exact(2).map(|pair| ms_ssim(&pair[0], &pair[1])).collect::<Result<_>>()?;
    let mean = |members: &[usize]| {
        let sum: f64 = members.iter().map(|&index| scores[index]).sum();
        (!members.is_empty()).then(|| sum / members.len() as f64)
    };
    Estimate::bootstrap(scores.len(), key, mean)
        .ok_or_else(|| Error::State("structural similarity of fewer than two images".into()))
}

/// The means of the similarity and of its contrast term over all positions of the window.
fn similarity(a: &[f64], b: &[f64], side: usize) -> (f64, f64) {
    let window = window(side.min(WINDOW));
    let blur =
        |of: &dyn Fn(usize) -> f64| blurred(&(0..side * side).map(of).collect::<Vec<_>>(), side, &window);
    let (mean_a, mean_b) = (blur(&|i| a[i]), blur(&|i| b[i]));
    let (square_a, square_b) = (blur(&|i| a[i] * a[i]), blur(&|i| b[i] * b[i]));
    let product = blur(&|i| a[i] * b[i]);
    let (mut ssim, mut contrast) = (0.0, 0.0);
    for i in 0..mean_a.len() {
        let (x, y) = (mean_a[i], mean_b[i]);
        let covariance = 2.0 * (product[i] - x * y) + C2;
        let variances = (square_a[i] - x * x) + (square_b[i] - y * y) + C2;
        contrast += covariance / variances;
        ssim += (2.0 * x * y + C1) * covariance / ((x * x + y * y + C1) * variances);
    }
    (ssim / mean_a.len() as f64, contrast / mean_a.len() as f64)
}

/// One direction of the Gaussian window.
fn window(size: usize) -> Vec<f64> {
    let deviation = size as f64 * DEVIATION / WINDOW as f64;
    let center = (size - 1) as f64 / 2.0;
    let weights: Vec<f64> =
        (0..size).map(|i| (-(i as f64 - center).powi(2) / (2.0 * deviation * deviation)).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// The weighted mean at each position of the window.
fn blurred(plane: &[f64], side: usize, window: &[f64]) -> Vec<f64> {
    let left = side - window.len() + 1;
    let row = |i: usize| {
        let start = i / left * side + i % left;
        window.iter().zip(&plane[start..]).map(|(weight, value)| weight * value).sum()
    };
    let rows: Vec<f64> = (0..side * left).map(row).collect();
    let column = |i: usize| window.iter().enumerate().map(|(j, weight)| weight * rows[i + j * left]).sum();
    (0..left * left).map(column).collect()
}

/// Means of 2x2 pixels.
fn halved(plane: &[f64], side: usize) -> Vec<f64> {
    let half = side / 2;
    let mean = |i: usize| {
        let start = 2 * (i / half.max(1)) * side + 2 * (i % half.max(1));
        0.25 * (plane[start] + plane[start + 1] + plane[start + side] + plane[start + side + 1])
    };
    (0..half * half).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(value: impl Fn(usize, usize, usize) -> usize) -> Image {
        let side = 32;
        let byte = |i: usize| (value(i / 3 / side, i / 3 % side, i % 3) % 256) as u8;
        Image { width: side, height: side, pixels: (0..3 * side * side).map(byte).collect() }
    }

    #[test]
    fn equal_pictures_score_one_and_opposite_ones_nothing() -> Result<()> {
        let a = image(|y, x, c| 31 * y + 17 * x * x + 50 * c);
        assert!((ms_ssim(&a, &a)? - 1.0).abs() < 1e-12);
        let negative = Image { pixels: a.pixels.iter().map(|byte| 255 - byte).collect(), ..a.clone() };
        assert_eq!(ms_ssim(&a, &negative)?, 0.0);
        Ok(())
    }

    #[test]
    fn a_value_by_hand() -> Result<()> {
        // Two greys have no contrast: only the last scale's luminance counts.
        let (a, b) = (image(|_, _, _| 100), image(|_, _, _| 150));
        let luminance = (2.0 * 100.0 * 150.0 + C1) / (100.0f64.powi(2) + 150.0f64.powi(2) + C1);
        assert!((ms_ssim(&a, &b)? - luminance.powf(0.1333)).abs() < 1e-9);
        assert_eq!(ms_ssim(&a, &b)?, ms_ssim(&b, &a)?);
        Ok(())
    }

    /// From ProGAN's formulas in NumPy and SciPy (`fftconvolve`, a two-dimensional window), on
    /// `(5y + 3x + 40c + 6 (xy mod 17)) mod 256` and `(6y + 3x + 35c + 6 (xy mod 13)) mod 256`.
    #[test]
    fn values_of_the_reference() -> Result<()> {
        for (side, expected) in [(32, 0.602681751324618), (64, 0.5818751144495965)] {
            let image = |row: usize, colour: usize, period: usize| {
                let byte = |i: usize| {
                    let (y, x, c) = (i / 3 / side, i / 3 % side, i % 3);
                    ((row * y + 3 * x + colour * c + x * y % period * 6) % 256) as u8
                };
                Image { width: side, height: side, pixels: (0..3 * side * side).map(byte).collect() }
            };
            let found = ms_ssim(&image(5, 40, 17), &image(6, 35, 13))?;
            assert!((found - expected).abs() < 1e-9, "{side}: {found}");
        }
        Ok(())
    }

    #[test]
    fn pairs_of_one_face_are_more_alike_than_others() -> Result<()> {
        let face = |i: usize| image(move |y, x, c| (i % 4 + 2) * y * x / 3 + 9 * i * x + 40 * c);
        let varied: Vec<Image> = (0..8).map(face).collect();
        let collapsed: Vec<Image> = (0..8).map(|_| face(1)).collect();
        assert!(ms_ssim_of_pairs(&varied, Key::new(0))?.value < 0.9);
        assert!((ms_ssim_of_pairs(&collapsed, Key::new(0))?.value - 1.0).abs() < 1e-12);
        assert!(ms_ssim_of_pairs(&varied[..1], Key::new(0)).is_err());
        let small = Image::filled(8, 8, [0; 3]);
        assert!(ms_ssim(&small, &small).unwrap_err().to_string().contains("multiple of 16"));
        Ok(())
    }
}
