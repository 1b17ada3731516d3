//! Images that are nearly the same, by a perceptual hash.
//!
//! A difference hash has a bit for each pair of neighbours in a row of a 9x8 thumbnail: whether the
//! left one is brighter (N. Krawetz, "Kind of Like That", 2013). Hashes of candidates differ in at most
//! [`MOST_BITS`] bits; a candidate counts where the 16x16 thumbnails of both images differ by at most
//! [`MOST_DIFFERENCE`] on average, since aligned faces have similar hashes.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::image::Image;

/// The most bits in which the hashes of near-duplicates differ.
const MOST_BITS: u32 = 6;
/// The bands of a hash: hashes that differ in at most 6 bits agree in at least one of 7.
const BANDS: u32 = MOST_BITS + 1;
/// The largest mean difference of two thumbnails, of 255.
const MOST_DIFFERENCE: f64 = 5.0;
/// The most images with an equal band that are compared; more of them are plain.
const MOST_ALIKE: usize = 20_000;
/// The side of a thumbnail.
const SIDE: usize = 16;

/// Two images that are nearly the same.
#[derive(Clone, Debug, PartialEq)]
pub struct NearDuplicate {
    /// Part and index of both images.
    pub images: [(usize, usize); 2],
    /// The mean absolute difference of their thumbnails, of 255; 0 for equal images.
    pub difference: f64,
}

struct Print {
    place: (usize, usize),
    hash: u64,
    thumbnail: [u8; SIDE * SIDE],
}

/// The pairs of nearly equal images within and across `parts`, in order. Images that cannot be read are
/// left out.
///
/// ```
/// use t2f_data::procedural::{ProceduralFaces, Split};
///
/// let faces = ProceduralFaces::new(Split::Train, 0, 50, 32);
/// assert!(t2f_data::near_duplicates(&[&faces]).is_empty());
/// assert_eq!(t2f_data::near_duplicates(&[&faces, &faces]).len(), 50);
/// ```
pub fn near_duplicates(parts: &[&dyn Dataset]) -> Vec<NearDuplicate> {
    let places: Vec<(usize, usize)> =
        parts.iter().enumerate().flat_map(|(part, set)| (0..set.len()).map(move |at| (part, at))).collect();
    let print = |&(part, at): &(usize, usize)| {
        let image = parts[part].image(at).ok()?;
        Some(Print { place: (part, at), hash: difference_hash(&image), thumbnail: thumbnail(&image) })
    };
    let prints: Vec<Print> = places.par_iter().filter_map(print).collect();
    let mut found: Vec<NearDuplicate> = (0..BANDS)
        .into_par_iter()
        .flat_map_iter(|band| {
            let mut alike = HashMap::<u64, Vec<usize>>::new();
            for (at, print) in prints.iter().enumerate() {
                alike.entry(bits(print.hash, band)).or_default().push(at);
            }
            let lists = alike.into_values().filter(|list| list.len() <= MOST_ALIKE);
            lists.flat_map(|list| pairs(&list, &prints, band)).collect::<Vec<_>>()
        })
        .collect();
    found.sort_by_key(|pair| pair.images);
    found
}

/// The near-duplicates in a list of prints whose band is equal, and none that an earlier band has.
fn pairs(list: &[usize], prints: &[Print], band: u32) -> Vec<NearDuplicate> {
    let mut found = Vec::new();
    for (at, one) in list.iter().enumerate() {
        for other in &list[at + 1..] {
            let (one, other) = (&prints[*one], &prints[*other]);
            let earlier = (0..band).any(|earlier| bits(one.hash, earlier) == bits(other.hash, earlier));
            if earlier || (one.hash ^ other.hash).count_ones() > MOST_BITS {
                continue;
            }
            let difference = mean_difference(&one.thumbnail, &other.thumbnail);
            if difference <= MOST_DIFFERENCE {
                found.push(NearDuplicate { images: [one.place, other.place], difference });
            }
        }
    }
    found
}

/// A band of a hash: every seventh bit, so that the bits of a band are spread over the image.
fn bits(hash: u64, band: u32) -> u64 {
    (band..64).step_by(BANDS as usize).fold(0, |bits, at| bits << 1 | hash >> at & 1)
}

fn difference_hash(image: &Image) -> u64 {
    let small = luminance::<9, 8>(image);
    let row = |y: usize| (0..8).map(move |x| (y, x));
    (0..8).flat_map(row).fold(0, |hash, (y, x)| hash << 1 | u64::from(small[y][x] > small[y][x + 1]))
}

fn thumbnail(image: &Image) -> [u8; SIDE * SIDE] {
    let small = luminance::<SIDE, SIDE>(image);
    std::array::from_fn(|at| small[at / SIDE][at % SIDE].round() as u8)
}

fn mean_difference(one: &[u8], other: &[u8]) -> f64 {
    let sum: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

/// The mean luminance (Rec. 601) of `W` by `H` boxes.
fn luminance<const W: usize, const H: usize>(image: &Image) -> [[f64; W]; H] {
    let bounds = |at: usize, count: usize, length: usize| {
        let start = (at * length / count).min(length.saturating_sub(1));
        start..((at + 1) * length / count).max(start + 1).min(length)
    };
    std::array::from_fn(|y| {
        let rows = bounds(y, H, image.height);
        std::array::from_fn(|x| {
            let columns = bounds(x, W, image.width);
            let area = (rows.len() * columns.len()).max(1) as f64;
            let pixels = rows.clone().flat_map(|y| columns.clone().map(move |x| image.pixel(x, y)));
            let sum: f64 = pixels
                .map(|[r, g, b]| 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b))
                .sum();
            sum / area
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Caption;
    use crate::error::Result;
    use crate::procedural::{ProceduralFaces, Split};

    struct Shown(Vec<Image>);

    impl Dataset for Shown {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn resolution(&self) -> usize {
            32
        }
        fn image(&self, index: usize) -> Result<Image> {
            Ok(self.0[index].clone())
        }
        fn captions(&self, _: usize) -> Result<Vec<Caption>> {
            Ok(vec![Caption::unlabelled("a face")])
        }
    }

    #[test]
    fn copies_with_noise_and_other_brightness_are_found_and_other_faces_are_not() {
        let faces = ProceduralFaces::new(Split::Train, 3, 40, 32);
        let mut images: Vec<Image> = (0..40).map(|at| faces.image(at).unwrap()).collect();
        let changed = |at: usize, change: &dyn Fn(usize, u8) -> u8| {
            let image = faces.image(at).unwrap();
            let pixels = image.pixels.iter().enumerate().map(|(at, byte)| change(at, *byte)).collect();
            Image { pixels, ..image }
        };
        images.push(changed(4, &|at, byte| byte.saturating_add((at * 7 % 5) as u8)));
        images.push(changed(9, &|_, byte| (f64::from(byte) * 0.98) as u8));
        images.push(changed(9, &|_, byte| byte));
        let found = near_duplicates(&[&Shown(images)]);
        let pairs: Vec<_> = found.iter().map(|pair| pair.images.map(|(_, at)| at)).collect();
        assert_eq!(pairs, [[4, 40], [9, 41], [9, 42], [41, 42]]);
        assert_eq!(found[2].difference, 0.0);
    }

    #[test]
    fn hashes_that_differ_in_few_bits_share_a_band() {
        for at in 0..64u32 {
            let other = (0..MOST_BITS).fold(0u64, |hash, k| hash ^ 1 << ((at + k * 11) % 64));
            assert!((0..BANDS).any(|band| bits(0, band) == bits(other, band)));
        }
    }
}
