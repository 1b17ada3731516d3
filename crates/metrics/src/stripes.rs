//! Stripes: fine horizontal and vertical lines across whole images, an artefact of generators that neither KID nor
//! a discriminator needs to notice.

use t2f_data::{Dataset, Image};

use crate::error::{Error, Result};
use crate::estimate::{Estimate, resamples};
use crate::images::read_each;
use crate::metric::{Accumulator, Batch, Better, Context, Metric, MetricValue, Part, Report, Source};

/// The longest period of a fine stripe, in pixels.
const PERIOD: usize = 6;

/// The metric `stripes`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stripes;

impl Metric for Stripes {
    fn name(&self) -> &'static str {
        "stripes"
    }

    fn about(&self) -> &'static str {
        "the energy of fine horizontal and vertical stripes, relative to real images"
    }

    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        Ok(Box::new(Observing { context, generated: Vec::new() }))
    }
}

struct Observing<'a> {
    context: &'a Context<'a>,
    /// The powers of each generated image.
    generated: Vec<Vec<f64>>,
}

impl Accumulator for Observing<'_> {
    fn observe(&mut self, batch: &Batch) -> Result<()> {
        for image in batch.images() {
            self.generated.push(powers(image)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _generated: &[Image]) -> Result<Report> {
        let (context, count) = (self.context, self.generated.len());
        let real = mean(of_data(context.data(), count)?.iter());
        let key = context.key().child("stripes");
        let ratio = |powers: &[Vec<f64>]| -> Result<Estimate> {
            let resampled = resamples(powers.len(), key);
            let resampled = resampled.map(|members| relative(members.into_iter().map(|i| &powers[i]), &real));
            Ok(Estimate::new(relative(powers.iter(), &real), resampled.collect()))
        };
        let title = "energy of stripes of up to 6 pixels, relative to real images; 1 for real ones";
        let mut values =
            vec![MetricValue::estimate("stripes", title, ratio(&self.generated)?, Better::Nearer)];
        if context.part() != Part::Train {
            let train = of_data(context.splits().train.as_ref(), count)?;
            let baseline = MetricValue::estimate(
                "stripes_real",
                "the same for training images",
                ratio(&train)?,
                Better::Baseline,
            );
            values[0] = values[0].clone().with_baseline("training images", "stripes_real");
            values.push(baseline.with_images(train.len()));
        }
        let source = Source::new("pixels", "", "none");
        Ok(Report::new(values.into_iter().map(|value| value.with_source(&source))))
    }
}

/// The powers of the first images of a data set.
fn of_data(data: &dyn Dataset, count: usize) -> Result<Vec<Vec<f64>>> {
    let mut all = Vec::new();
    let indices: Vec<usize> = (0..count.min(data.len())).collect();
    read_each(data, &indices, &mut |images| {
        images.iter().try_for_each(|image| {
            all.push(powers(image)?);
            Ok(())
        })
    })?;
    Ok(all)
}

/// `mean_k (mean_i P_k of images) / (mean_j P_k of real ones)`, over the frequencies of fine stripes; `real` has the
/// means of real images.
fn relative<'a>(images: impl Iterator<Item = &'a Vec<f64>>, real: &[f64]) -> f64 {
    let own = mean(images);
    let ratios = own.iter().zip(real).map(|(own, real)| own / real.max(1e-12));
    ratios.sum::<f64>() / own.len().max(1) as f64
}

fn mean<'a>(rows: impl Iterator<Item = &'a Vec<f64>>) -> Vec<f64> {
    let (mut sums, mut count) = (Vec::new(), 0.0);
    for row in rows {
        sums.resize(row.len(), 0.0);
        sums.iter_mut().zip(row).for_each(|(sum, power)| *sum += power);
        count += 1.0;
    }
    sums.iter().map(|sum| sum / count).collect()
}

/// `P_k = |DFT_k of the means of the columns|² + |DFT_k of the means of the rows|²` of an image's grey values, at the
/// frequencies `k ≥ R / 6` of stripes of up to six pixels: the parts of the two-dimensional spectrum on its axes.
fn powers(image: &Image) -> Result<Vec<f64>> {
    let side = image.width;
    if image.height != side || side < 2 {
        return Err(Error::State(format!(
            "stripes of an image of {}x{} pixels, expected a square",
            image.width, image.height
        )));
    }
    let (mut rows, mut columns) = (vec![0.0; side], vec![0.0; side]);
    for (at, pixel) in image.pixels.chunks_exact(3).enumerate() {
        let grey = pixel.iter().map(|byte| f64::from(*byte)).sum::<f64>() / (3.0 * side as f64);
        rows[at / side] += grey;
        columns[at % side] += grey;
    }
    let first = side.div_ceil(PERIOD).max(1);
    Ok((first..=side / 2).map(|k| power(&rows, k) + power(&columns, k)).collect())
}

/// `|Σ_x v_x exp(-2πi k x / R)|²`.
fn power(values: &[f64], k: usize) -> f64 {
    let turn = -2.0 * std::f64::consts::PI * k as f64 / values.len() as f64;
    let (re, im) = values.iter().enumerate().fold((0.0, 0.0), |(re, im), (x, value)| {
        let angle = turn * x as f64;
        (re + value * angle.cos(), im + value * angle.sin())
    });
    re * re + im * im
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(side: usize, grey: impl Fn(usize, usize) -> u8) -> Image {
        let pixels = (0..side * side).flat_map(|at| [grey(at % side, at / side); 3]);
        Image { width: side, height: side, pixels: pixels.collect() }
    }

    /// Vertical stripes 10 and 30 of two pixels' period on 8 pixels: the means of the columns alternate by ±10, so
    /// that |Σ ±10|² = 80² at k = 4, and nothing at k = 2 and 3.
    #[test]
    fn the_power_of_stripes_by_hand() {
        let vertical = image(8, |x, _| if x % 2 == 0 { 10 } else { 30 });
        let horizontal = image(8, |_, y| if y % 2 == 0 { 10 } else { 30 });
        let checkers = image(8, |x, y| if (x + y) % 2 == 0 { 10 } else { 30 });
        for (image, expected) in [(vertical, 6400.0), (horizontal, 6400.0), (checkers, 0.0)] {
            let powers = powers(&image).unwrap();
            assert_eq!(powers.len(), 3);
            assert!(
                powers[0].abs() + powers[1].abs() < 1e-9 && (powers[2] - expected).abs() < 1e-6,
                "{powers:?}"
            );
        }
    }

    #[test]
    fn images_relative_to_themselves_are_1_and_stripes_of_twice_the_height_are_4() {
        let stripes = |height: u8| powers(&image(16, |x, _| 100 + height * u8::from(x % 4 < 2))).unwrap();
        let noise = |seed: usize| {
            powers(&image(16, |x, y| ((x * 7 + y * 13 + seed * 31) * (x + 3 * y + 1) % 97) as u8)).unwrap()
        };
        let real: Vec<Vec<f64>> = (0..4).map(noise).collect();
        assert!((relative(real.iter(), &mean(real.iter())) - 1.0).abs() < 1e-12);
        // The frequencies without stripes have a power of 0 in both.
        let (one, two) = (vec![stripes(10)], vec![stripes(20)]);
        let at_4 = |rows: &[Vec<f64>]| rows[0][1];
        assert!((at_4(&two) / at_4(&one) - 4.0).abs() < 1e-9);
    }
}
