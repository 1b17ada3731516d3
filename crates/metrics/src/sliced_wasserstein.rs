//! The sliced Wasserstein distance of ProGAN between patches of generated and real images at each scale.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use t2f_data::Image;
use t2f_ops::rng::{self, Key, below};

use crate::cache::Entry;
use crate::error::{Error, Result};
use crate::images::read_first;
use crate::metric::{Accumulator, Better, Context, Images, Metric, MetricValue, Part, Report};

/// Side of a patch.
const PATCH: usize = 7;
/// Patches of each image at each level.
const PATCHES: usize = 128;
/// The directions of projection, in the four draws of ProGAN.
const DRAWS: u64 = 4;
const DIRECTIONS: usize = 128;
/// The side of the last level.
const LAST: usize = 16;
/// The version of cached distances.
const VERSION: u32 = 1;

/// The distance of one level of the pyramid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelDistance {
    /// The side of the images of the level.
    pub resolution: usize,
    /// The distance times 1000, as in ProGAN.
    pub swd_x1000: f64,
}

/// The keys of earlier versions in `details`.
const OLD_KEYS: [(&str, &str); 1] = [("images", "pictures")];

/// The metric `swd`: the sliced Wasserstein distance.
#[derive(Clone, Copy, Debug, Default)]
pub struct SlicedWasserstein;

/// The sliced Wasserstein distance at each level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SwdScores {
    /// The mean over levels, times 1000.
    pub mean_x1000: f64,
    /// The distance at each level.
    pub levels: Vec<LevelDistance>,
    /// The number of images on each side.
    pub images: usize,
    /// The same of training images; `None` if the split is `train`.
    pub real: Option<RealSwd>,
}

/// The sliced Wasserstein distance between training images and real images of the split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RealSwd {
    /// The mean over levels, times 1000.
    pub mean_x1000: f64,
    /// The distance at each level.
    pub levels: Vec<LevelDistance>,
    /// The number of images on each side.
    pub images: usize,
}

impl Metric for SlicedWasserstein {
    fn name(&self) -> &'static str {
        "swd"
    }
    fn about(&self) -> &'static str {
        "sliced Wasserstein distance of patches at each scale"
    }
    fn start<'a>(&'a self, context: &'a Context<'a>) -> Result<Box<dyn Accumulator + 'a>> {
        Ok(Box::new(Slicing(context)))
    }
}

struct Slicing<'a>(&'a Context<'a>);

impl Accumulator for Slicing<'_> {
    fn images(&self) -> Images {
        Images::All
    }

    fn finish(self: Box<Self>, generated: &[Image]) -> Result<Report> {
        let (data, request) = (self.0.data(), self.0.request());
        let images = generated.len().min(data.len());
        let fakes = request.across_captions(generated, images);
        let levels = sliced_wasserstein(&read_first(data, images)?, &fakes, self.key())?;
        drop(fakes);
        let real = self.of_training_images(images)?;
        let title = "sliced Wasserstein distance, times 1000";
        let mean = mean_of_levels(&levels);
        let mut values =
            vec![MetricValue::number("swd_x1000", title, mean, Better::Lower).with_images(images)];
        if let Some(real) = &real {
            values[0] = values[0].clone().with_baseline("training images", "swd_x1000_real");
            let (title, mean) = (format!("{title}, of training images"), real.mean_x1000);
            let value = MetricValue::number("swd_x1000_real", title, mean, Better::Baseline);
            values.push(value.with_images(real.images));
        }
        let scores = SwdScores { mean_x1000: mean, levels, images, real };
        Report::new(values).with_old_details("swd", &scores, &OLD_KEYS)
    }
}

impl Slicing<'_> {
    fn key(&self) -> Key {
        self.0.key().child("swd")
    }

    /// The distance between the first training images and the split, with as many on each side as
    /// generated images, or as there are.
    fn of_training_images(&self, images: usize) -> Result<Option<RealSwd>> {
        let (data, train) = (self.0.data(), self.0.splits().train.as_ref());
        if self.0.part() == Part::Train {
            return Ok(None);
        }
        let images = images.min(train.len());
        let origin = (VERSION, data.fingerprint(), train.fingerprint(), images, self.0.seed());
        let entry = Entry::new(self.0.cache(), "swd", &origin)?;
        let levels: Vec<LevelDistance> = match entry.read() {
            Some(levels) => levels,
            None => {
                let [data, train] = [data, train].map(|data| read_first(data, images));
                let levels = sliced_wasserstein(&data?, &train?, self.key())?;
                entry.write(&levels);
                levels
            }
        };
        Ok(Some(RealSwd { mean_x1000: mean_of_levels(&levels), levels, images }))
    }
}

/// The sliced Wasserstein distance of two equally large sets of images, ProGAN §5
/// (arXiv:1710.10196): Laplacian pyramids down to 16 pixels, 128 patches of 7x7 from each image at
/// each level, each channel normalised to mean 0 and deviation 1 over the set, the mean difference
/// of sorted projections on 512 directions. The positions of patches are the same in both sets.
///
/// # Errors
/// If the sets are empty or differ in number, or the side of an image is not one power of two from 16.
pub fn sliced_wasserstein(real: &[Image], fake: &[Image], key: Key) -> Result<Vec<LevelDistance>> {
    let side = real.first().map_or(0, |image| image.width);
    let square = |image: &Image| image.width == side && image.height == side;
    let fits = side >= LAST && side.is_power_of_two() && real.iter().chain(fake).all(square);
    if real.len() != fake.len() || !fits {
        return Err(Error::State(format!(
            "sliced Wasserstein distance of {} and {} images of side {side}, expected equally many, of one power of \
             two from {LAST}",
            real.len(),
            fake.len()
        )));
    }
    let levels = (side / LAST).ilog2() as usize + 1;
    (0..levels)
        .map(|level| {
            let key = key.at(level as u64);
            let patches = |set: &[Image]| normalised(patches(set, level, levels, key.child("patches")));
            let distance = projected(&patches(real)?, &patches(fake)?, key.child("directions"))?;
            Ok(LevelDistance { resolution: side >> level, swd_x1000: 1e3 * distance })
        })
        .collect()
}

/// The mean over levels.
pub fn mean_of_levels(levels: &[LevelDistance]) -> f64 {
    levels.iter().map(|level| level.swd_x1000).sum::<f64>() / levels.len().max(1) as f64
}

/// A channel of an image, row by row.
#[derive(Clone, Debug, PartialEq)]
struct Plane {
    side: usize,
    values: Vec<f32>,
}

/// One direction of the binomial filter of OpenCV's pyramids.
const BINOMIAL: [f32; 5] = [1.0 / 16.0, 4.0 / 16.0, 6.0 / 16.0, 4.0 / 16.0, 1.0 / 16.0];

impl Plane {
    fn of(image: &Image, channel: usize) -> Self {
        let values = image.pixels.iter().skip(channel).step_by(3).map(|byte| f32::from(*byte)).collect();
        Self { side: image.width, values }
    }

    /// Filtered in both directions. The image is mirrored at its outermost pixels.
    fn filtered(&self) -> Self {
        let side = self.side as isize;
        let mirror = |i: isize| {
            (if i < 0 {
                -i
            } else if i >= side {
                2 * (side - 1) - i
            } else {
                i
            }) as usize
        };
        let along = |at: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
            let one = |i: usize| {
                let (y, x) = (i / self.side, i % self.side);
                let taps = BINOMIAL.iter().enumerate();
                taps.map(|(tap, weight)| weight * at(y, mirror(x as isize + tap as isize - 2))).sum()
            };
            (0..self.side * self.side).map(one).collect()
        };
        let rows = along(&|y, x| self.values[y * self.side + x]);
        // The second pass runs along columns and transposes the image.
        let turned = along(&|x, y| rows[y * self.side + x]);
        let value = |i: usize| turned[(i % self.side) * self.side + i / self.side];
        Self { side: self.side, values: (0..turned.len()).map(value).collect() }
    }

    /// OpenCV's `pyrDown`.
    fn down(&self) -> Self {
        let (all, side) = (self.filtered(), self.side / 2);
        let value = |i: usize| all.values[2 * (i / side) * self.side + 2 * (i % side)];
        Self { side, values: (0..side * side).map(value).collect() }
    }

    /// OpenCV's `pyrUp`.
    fn up(&self) -> Self {
        let side = 2 * self.side;
        let value = |i: usize| {
            let (y, x) = (i / side, i % side);
            if y % 2 == 0 && x % 2 == 0 { 4.0 * self.values[y / 2 * self.side + x / 2] } else { 0.0 }
        };
        Self { side, values: (0..side * side).map(value).collect() }.filtered()
    }

    /// One level of the Laplacian pyramid: the difference to the next level; the last level is not
    /// changed.
    fn level(mut self, level: usize, levels: usize) -> Self {
        for _ in 0..level {
            self = self.down();
        }
        if level + 1 < levels {
            let coarse = self.down().up();
            self.values.iter_mut().zip(&coarse.values).for_each(|(value, coarse)| *value -= coarse);
        }
        self
    }
}

/// The patches of all images in order, each channel by channel.
fn patches(set: &[Image], level: usize, levels: usize, key: Key) -> Vec<f32> {
    let of_image = |(index, image): (usize, &Image)| -> Vec<f32> {
        let planes: Vec<Plane> =
            (0..3).map(|channel| Plane::of(image, channel).level(level, levels)).collect();
        let side = planes[0].side;
        let mut stream = key.at(index as u64).rng();
        let mut values = Vec::with_capacity(PATCHES * 3 * PATCH * PATCH);
        for _ in 0..PATCHES {
            let mut start = || below(&mut stream, side - PATCH + 1);
            let (x, y) = (start(), start());
            for plane in &planes {
                for row in y..y + PATCH {
                    values.extend(&plane.values[row * side + x..row * side + x + PATCH]);
                }
            }
        }
        values
    };
    set.par_iter().enumerate().flat_map_iter(of_image).collect()
}

/// Patches as rows, each channel with mean 0 and deviation 1 over all of them.
fn normalised(mut values: Vec<f32>) -> Result<Tensor> {
    let area = PATCH * PATCH;
    let rows = values.len() / (3 * area);
    for channel in 0..3 {
        let own = |values: &[f32], of: fn(f64, f64) -> f64, about: f64| -> f64 {
            let parts = values.par_chunks(3 * area).map(|row| -> f64 {
                row[channel * area..(channel + 1) * area].iter().map(|x| of(f64::from(*x), about)).sum()
            });
            parts.collect::<Vec<f64>>().iter().sum::<f64>() / (rows * area) as f64
        };
        let mean = own(&values, |x, _| x, 0.0);
        let deviation = own(&values, |x, mean| (x - mean).powi(2), mean).sqrt();
        // A set of one colour has no deviation to be divided by.
        let scale = if deviation > 0.0 { 1.0 / deviation } else { 0.0 };
        values.par_chunks_mut(3 * area).for_each(|row| {
            for value in &mut row[channel * area..(channel + 1) * area] {
                *value = ((f64::from(*value) - mean) * scale) as f32;
            }
        });
    }
    Ok(Tensor::from_vec(values, (rows, 3 * area), &Device::Cpu)?)
}

/// The mean over directions of the one-dimensional Wasserstein distances.
fn projected(a: &Tensor, b: &Tensor, key: Key) -> Result<f64> {
    let mut total = 0.0;
    for draw in 0..DRAWS {
        let axes = rng::normal(key.at(draw), (a.dim(1)?, DIRECTIONS), DType::F32, &Device::Cpu)?;
        let axes = axes.broadcast_div(&axes.sqr()?.sum_keepdim(0)?.sqrt()?)?;
        let sorted = |rows: &Tensor| -> Result<Vec<f32>> {
            let mut columns = rows.matmul(&axes)?.t()?.flatten_all()?.to_vec1::<f32>()?;
            columns.par_chunks_mut(rows.dim(0)?).for_each(|column| column.sort_unstable_by(f32::total_cmp));
            Ok(columns)
        };
        let (a, b) = (sorted(a)?, sorted(b)?);
        let apart: f64 = a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs())).sum();
        total += apart / a.len().max(1) as f64;
    }
    Ok(total / DRAWS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(side: usize, value: impl Fn(usize, usize) -> f32) -> Plane {
        Plane { side, values: (0..side * side).map(|i| value(i / side, i % side)).collect() }
    }

    #[test]
    fn the_filter_by_hand() {
        // The mirror leaves out the border: a bright pixel in the corner has weight once.
        let corner = plane(4, |y, x| if (y, x) == (0, 0) { 256.0 } else { 0.0 }).filtered();
        assert_eq!(corner.values[..4], [36.0, 24.0, 6.0, 0.0]);
        assert_eq!(corner.values[4], 24.0);
        // At column 1 its mirror image adds weight: 1/16 + 4/16 of column 0.
        let edge = plane(4, |_, x| if x == 1 { 16.0 } else { 0.0 }).filtered();
        assert_eq!(edge.values[..4], [8.0, 7.0, 4.0, 2.0]);
    }

    /// From SciPy's `ndimage.convolve` with `mode="mirror"`, as ProGAN calls it.
    #[test]
    fn the_pyramid_of_the_reference() {
        let picture = plane(8, |y, x| ((7 * y + 13 * x + x * y) % 256) as f32);
        let close = |found: &[f32], expected: &[f32]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
        };
        close(&picture.down().values[4..8], &[25.25, 44.0, 74.0, 102.125]);
        let expected = [-16.69336, -6.410156, -2.258789, -0.9375, -0.79541, -0.181641, 4.205566, 15.66797];
        close(&picture.level(0, 2).values[16..24], &expected);
    }

    #[test]
    fn a_constant_is_all_in_the_last_level() {
        let grey = || plane(64, |_, _| 90.0);
        for level in 0..3 {
            let expected = if level == 2 { 90.0 } else { 0.0 };
            let found = grey().level(level, 3);
            assert_eq!(found.side, 64 >> level);
            assert!(found.values.iter().all(|value| (value - expected).abs() < 1e-4));
        }
    }

    #[test]
    fn levels_add_up_to_the_picture() {
        let picture = plane(32, |y, x| ((7 * y + 13 * x + x * y) % 256) as f32);
        let last = picture.clone().level(1, 2);
        let first = picture.clone().level(0, 2);
        let sum = last.up().values.iter().zip(&first.values).map(|(a, b)| a + b).collect::<Vec<_>>();
        assert!(sum.iter().zip(&picture.values).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    fn set(purpose: &str, count: u64, stripes: bool) -> Vec<Image> {
        let image = |index| {
            let mut stream = Key::new(3).child(purpose).at(index).rng();
            let noise: Vec<u8> = (0..3 * 32 * 32).map(|_| below(&mut stream, 256) as u8).collect();
            let at = |i: usize| if stripes { noise[i % 96] } else { noise[i] };
            Image { width: 32, height: 32, pixels: (0..noise.len()).map(at).collect() }
        };
        (0..count).map(image).collect()
    }

    #[test]
    fn the_distance_is_zero_of_itself_symmetric_and_sees_texture() -> Result<()> {
        let (fine, other, striped) = (set("a", 16, false), set("b", 16, false), set("c", 16, true));
        let distance = |a: &[Image], b: &[Image]| sliced_wasserstein(a, b, Key::new(0));
        let same = distance(&fine, &fine)?;
        assert_eq!(same.iter().map(|level| level.resolution).collect::<Vec<_>>(), [32, 16]);
        assert_eq!(mean_of_levels(&same), 0.0);
        assert_eq!(distance(&fine, &striped)?, distance(&striped, &fine)?);
        let (near, far) = (distance(&fine, &other)?, distance(&fine, &striped)?);
        assert!(far[0].swd_x1000 > 2.0 * near[0].swd_x1000, "{near:?} {far:?}");
        assert!(distance(&fine, &striped[..9]).is_err() && distance(&[], &[]).is_err());
        Ok(())
    }
}
