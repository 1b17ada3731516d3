//! Labelled images in memory: batches, augmentation, and the quality of an oracle on them.

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use t2f_data::Dataset;
use t2f_data::attributes::{Attributes, Observation, Schema};
use t2f_ops::rng::{Key, below, permutation};

use super::model::Oracle;
use super::network::classes;
use super::record::AttributeQuality;
use crate::error::Result;

/// Images that the quality is measured on at once.
const MEASURED: usize = 500;
/// A shift is at most this part of the side.
const SHIFT: usize = 16;

/// Images and their attributes in memory.
pub(super) struct Examples {
    resolution: usize,
    schema: Schema,
    pixels: Vec<Vec<u8>>,
    labels: Vec<Attributes>,
}

impl Examples {
    /// The first `most` images with known attributes.
    pub(super) fn read(data: &dyn Dataset, most: usize) -> Result<Self> {
        let known = (0..data.len()).filter_map(|index| Some((index, data.attributes(index)?)));
        let (indices, labels): (Vec<usize>, Vec<Attributes>) = known.take(most).unzip();
        let read = |index: &usize| Ok(data.image(*index)?.pixels);
        let pixels = indices.par_iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Self { resolution: data.resolution(), schema: data.schema().clone(), pixels, labels })
    }

    /// The number of images.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Takes out a tenth of the images, at least one, which `key` selects.
    pub(super) fn split_off_tenth(&mut self, key: Key) -> Self {
        let mut chosen = vec![false; self.len()];
        let order = permutation(&mut key.rng(), self.len());
        order[..self.len().div_ceil(10)].iter().for_each(|&index| chosen[index] = true);
        let (resolution, schema) = (self.resolution, self.schema.clone());
        let mut part = Self { resolution, schema, pixels: Vec::new(), labels: Vec::new() };
        let all = std::mem::take(&mut self.pixels).into_iter().zip(std::mem::take(&mut self.labels));
        for ((pixels, labels), chosen) in all.zip(chosen) {
            let to = if chosen { &mut part } else { &mut *self };
            to.pixels.push(pixels);
            to.labels.push(labels);
        }
        part
    }

    /// Images `(B, 3, R, R)` in `[-1, 1]`, and 1 at the class of each known attribute, `(B, A, K)`. With
    /// `augment` each image is mirrored and shifted at random ([`augmented`]).
    pub(super) fn batch(&self, indices: &[usize], augment: Option<Key>) -> Result<(Tensor, Tensor)> {
        let (side, attributes, classes) = (self.resolution, self.schema.len(), classes(&self.schema));
        let mut pixels = Vec::with_capacity(3 * side * side * indices.len());
        for &index in indices {
            let image = &self.pixels[index];
            let float = |byte: &u8| f32::from(*byte) / 127.5 - 1.0;
            match augment {
                None => pixels.extend(image.iter().map(float)),
                Some(key) => pixels.extend(augmented(image, side, key.at(index as u64)).iter().map(float)),
            }
        }
        let images = Tensor::from_vec(pixels, (indices.len(), side, side, 3), &Device::Cpu)?;
        let mut wanted = vec![0f32; indices.len() * attributes * classes];
        for (row, &index) in indices.iter().enumerate() {
            for attribute in 0..attributes {
                let class = match self.labels[index].get(attribute) {
                    Observation::Unknown => continue,
                    Observation::Hidden => 0,
                    Observation::Value(value) => usize::from(value) + 1,
                };
                wanted[(row * attributes + attribute) * classes + class] = 1.0;
            }
        }
        let wanted = Tensor::from_vec(wanted, (indices.len(), attributes, classes), &Device::Cpu)?;
        Ok((images.permute((0, 3, 1, 2))?, wanted))
    }

    /// The quality of an oracle on each attribute, over the images that show it.
    pub(super) fn quality(&self, oracle: &Oracle) -> Result<Vec<AttributeQuality>> {
        let indices: Vec<usize> = (0..self.labels.len()).collect();
        let mut predictions = Vec::with_capacity(self.labels.len());
        for indices in indices.chunks(MEASURED) {
            predictions.extend(oracle.predict(&self.batch(indices, None)?.0)?);
        }
        let of = |attribute: usize| {
            let mut counts = vec![0usize; self.schema.values(attribute).len()];
            let (mut right, mut support) = (0usize, 0usize);
            for (label, prediction) in self.labels.iter().zip(&predictions) {
                if let Some(value) = label.value(attribute) {
                    counts[value] += 1;
                    support += 1;
                    right += usize::from(prediction.value(attribute) == Some(value));
                }
            }
            let share = |count: usize| count as f64 / support.max(1) as f64;
            let majority = counts.into_iter().max().map(share);
            AttributeQuality { accuracy: share(right), majority, support: Some(support) }
        };
        Ok((0..self.schema.len()).map(of).collect())
    }
}

/// An image that is mirrored with probability 1/2 and shifted by up to a sixteenth of its side in each
/// direction; the pixels of its border are repeated.
fn augmented(pixels: &[u8], side: usize, key: Key) -> Vec<u8> {
    let mut stream = key.rng();
    let mirror = below(&mut stream, 2) == 1;
    let most = side / SHIFT;
    let [down, right] = [(); 2].map(|()| below(&mut stream, 2 * most + 1));
    // The place in the image of each row and of each column.
    let from = |place: usize, shift: usize| (place + shift).saturating_sub(most).min(side - 1);
    let mut moved = Vec::with_capacity(pixels.len());
    for y in 0..side {
        for x in 0..side {
            let x = if mirror { side - 1 - x } else { x };
            let at = 3 * (from(y, down) * side + from(x, right));
            moved.extend_from_slice(&pixels[at..at + 3]);
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_augmented_image_is_mirrored_and_shifted_and_nothing_else() {
        let side = 16;
        // The bytes of a pixel are its row, its column and 0.
        let image: Vec<u8> = (0..side * side).flat_map(|i| [(i / side) as u8, (i % side) as u8, 0]).collect();
        let (mut mirrored, mut shifts) = (0, std::collections::BTreeSet::new());
        for index in 0..200 {
            let moved = augmented(&image, side, Key::new(1).at(index));
            let pixel = |y: usize, x: usize| {
                (i32::from(moved[3 * (y * side + x)]), i32::from(moved[3 * (y * side + x) + 1]))
            };
            let mirror = pixel(8, 8).1 > pixel(8, 9).1;
            let (row, column) = pixel(8, 8);
            let shift = (row - 8, column - if mirror { 7 } else { 8 });
            for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                let column = if mirror { side - 1 - x } else { x } as i32;
                let inside = |place: i32| place.clamp(0, side as i32 - 1);
                assert_eq!(pixel(y, x), (inside(y as i32 + shift.0), inside(column + shift.1)));
            }
            mirrored += i32::from(mirror);
            shifts.insert(shift);
        }
        assert!((70..130).contains(&mirrored), "{mirrored} of 200 are mirrored");
        assert_eq!(shifts.len(), 9, "one pixel at most in each direction: {shifts:?}");
        assert_eq!(augmented(&image, side, Key::new(3)), augmented(&image, side, Key::new(3)));
    }
}
