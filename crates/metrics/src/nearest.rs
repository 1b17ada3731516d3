//! The nearest training image of each of many images: exact, and in memory that does not grow with the
//! training images.

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use t2f_data::{Dataset, Image};

use crate::error::{Error, Result};
use crate::images::read_each;
use crate::neighbours::Points;

/// The side that images are averaged down to before they are compared.
const SIDE: usize = 32;
/// The side of the boxes of the lower bound.
const BOX: usize = 4;

/// Images averaged over boxes down to 32 pixels; smaller ones as they are.
#[derive(Clone, Debug, Default)]
pub struct SmallImages {
    side: usize,
    /// Row by row, three bytes a pixel.
    pixels: Vec<u8>,
    /// The sums of the boxes of 4x4 pixels of each image.
    sums: Vec<f64>,
}

impl SmallImages {
    /// Images of one size.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn of(images: &[Image]) -> Result<Self> {
        let mut all = Self::default();
        all.add(images)?;
        Ok(all)
    }

    /// Adds images.
    ///
    /// # Errors
    /// If the sizes differ, or an image is not a square whose reduced side is a multiple of 4.
    pub fn add(&mut self, images: &[Image]) -> Result<()> {
        let small: Vec<Image> = images.par_iter().map(|image| image.shrink(image.width / SIDE)).collect();
        for image in &small {
            if self.pixels.is_empty() {
                self.side = image.width;
            }
            let side = self.side;
            if (image.width, image.height) != (side, side) || side == 0 || !side.is_multiple_of(BOX) {
                return Err(Error::State(format!(
                    "nearest neighbours of images of {}x{} pixels, averaged down, and of side {side}, expected squares \
                     of one side that is a multiple of {BOX}",
                    image.width, image.height
                )));
            }
            self.pixels.extend_from_slice(&image.pixels);
            self.sums.extend(sums(image));
        }
        Ok(())
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.values().max(1)
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The number of values of an image.
    fn values(&self) -> usize {
        3 * self.side * self.side
    }

    /// The values of an image.
    fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.values()..(index + 1) * self.values()]
    }

    fn points(&self) -> Result<Points> {
        let rows =
            Tensor::from_slice(&self.sums, (self.len(), self.sums.len() / self.len().max(1)), &Device::Cpu)?;
        Points::new(&rows)
    }

    /// The root mean square of the difference of two images' values, which lie in `[0, 1]`, from the sum
    /// of the squared differences of their bytes.
    pub(crate) fn distance(&self, squared: u64) -> f64 {
        (squared as f64 / self.values() as f64).sqrt() / 255.0
    }
}

/// The sums of the boxes of 4x4 pixels, channel by channel.
fn sums(image: &Image) -> Vec<f64> {
    let boxes = image.width / BOX;
    let mut sums = vec![0.0; 3 * boxes * boxes];
    for (at, byte) in image.pixels.iter().enumerate() {
        let (pixel, channel) = (at / 3, at % 3);
        let (y, x) = (pixel / image.width / BOX, pixel % image.width / BOX);
        sums[3 * (y * boxes + x) + channel] += f64::from(*byte);
    }
    sums
}

/// The training image that is nearest to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nearest {
    /// The index of the training image.
    pub(crate) train: usize,
    /// The sum of the squared differences of bytes.
    pub(crate) squared: u64,
}

/// A training image, and its distance from a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The index of the training image.
    pub train: usize,
    /// The root mean square of the difference of their values, which lie in `[0, 1]`.
    pub distance: f64,
}

/// The nearest training image of each query; of equally near ones it is the first.
///
/// # Errors
/// If an image cannot be read, or the sizes differ.
pub fn neighbours(queries: &SmallImages, train: &dyn Dataset) -> Result<Vec<Neighbour>> {
    let found = nearest(queries, |_| None, train)?;
    let neighbour = |one: Nearest| Neighbour { train: one.train, distance: queries.distance(one.squared) };
    Ok(found.into_iter().map(neighbour).collect())
}

/// The nearest training image of each query. `own` gives the training image that a query is itself, which
/// is left out. Of equally near ones it is the first.
///
/// The squared distance of two images is at least that of their sums over boxes of 4x4 pixels, divided by
/// 16 (Cauchy-Schwarz). These bounds come from a matrix product, and the distance itself is computed where
/// the bound is below that of the nearest image so far.
///
/// # Errors
/// If an image cannot be read, or the sizes differ.
pub(crate) fn nearest(
    queries: &SmallImages,
    own: impl Fn(usize) -> Option<usize> + Sync,
    train: &dyn Dataset,
) -> Result<Vec<Nearest>> {
    let mut found = vec![Nearest { train: usize::MAX, squared: u64::MAX }; queries.len()];
    let points = queries.points()?;
    let mut first = 0;
    read_each(train, &(0..train.len()).collect::<Vec<_>>(), &mut |images| {
        let candidates = SmallImages::of(images)?;
        if candidates.side != queries.side {
            return Err(Error::State(format!(
                "nearest neighbours of images of side {} among those of side {}, expected equal sides",
                queries.side, candidates.side
            )));
        }
        points.each_block(&candidates.points()?, |start, distances| {
            let rows = distances.par_chunks(candidates.len()).zip(&mut found[start..]).enumerate();
            rows.for_each(|(i, (row, found))| {
                let (query, own) = (queries.image(start + i), own(start + i));
                for (j, distance) in row.iter().enumerate() {
                    let bound = distance / (BOX * BOX) as f64;
                    if bound < found.squared as f64 && own != Some(first + j) {
                        let squared = squared(query, candidates.image(j));
                        if squared < found.squared {
                            *found = Nearest { train: first + j, squared };
                        }
                    }
                }
            });
        })?;
        first += candidates.len();
        Ok(())
    })?;
    Ok(found)
}

/// The sum of squared differences. That of 3072 bytes fits 32 bits.
fn squared(a: &[u8], b: &[u8]) -> u64 {
    let one = |(a, b): (&u8, &u8)| {
        let difference = i32::from(*a) - i32::from(*b);
        difference * difference
    };
    u64::from(a.iter().zip(b).map(one).sum::<i32>().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use t2f_data::procedural::{ProceduralFaces, Split};

    #[test]
    fn the_nearest_image_is_that_of_an_exhaustive_search() -> Result<()> {
        let (train, test) =
            (ProceduralFaces::new(Split::Train, 4, 150, 64), ProceduralFaces::new(Split::Test, 4, 20, 64));
        let read = |data: &dyn Dataset| -> Result<SmallImages> {
            let images =
                (0..data.len()).map(|index| data.image(index)).collect::<t2f_data::Result<Vec<_>>>()?;
            SmallImages::of(&images)
        };
        let (queries, candidates) = (read(&test)?, read(&train)?);
        let search = |queries: &SmallImages, query: usize, own: Option<usize>| {
            let all = (0..150).filter(|index| own != Some(*index));
            let pairs = all.map(|index| (squared(queries.image(query), candidates.image(index)), index));
            let (squared, train) = pairs.min().unwrap();
            Nearest { train, squared }
        };
        let found = nearest(&queries, |_| None, &train)?;
        assert_eq!(found, (0..20).map(|query| search(&queries, query, None)).collect::<Vec<_>>());
        // An image is not its own neighbour.
        let found = nearest(&candidates, Some, &train)?;
        assert_eq!(found, (0..150).map(|query| search(&candidates, query, Some(query))).collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn distances_by_hand() -> Result<()> {
        let grey = |value| Image::filled(64, 64, [value; 3]);
        let all = SmallImages::of(&[grey(10), grey(61)])?;
        let apart = squared(all.image(0), all.image(1));
        assert_eq!((all.len(), apart), (2, 3072 * 51 * 51));
        assert!((all.distance(apart) - 0.2).abs() < 1e-12);
        assert_eq!(squared(&[0; 3072], &[255; 3072]), 3072 * 255 * 255);
        assert!(SmallImages::of(&[grey(1), Image::filled(16, 16, [0; 3])]).is_err());
        Ok(())
    }
}
