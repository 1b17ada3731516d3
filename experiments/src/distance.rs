//! Distances between pictures and between sets of pictures, in bytes of brightness (0 to 255).

use candle_core::{DType, Device, Result, Tensor};
use t2f_data::Image;
use t2f_ops::rng::{self, Key};

/// The mean over pixels and channels of the squared difference; pictures of one size.
pub fn squared(a: &Image, b: &Image) -> f64 {
    let sum: f64 = pairs(a, b).map(|difference| difference * difference).sum();
    sum / a.pixels.len() as f64
}

/// The mean over pictures, pixels and channels of the absolute difference; the smaller one of two pictures
/// is enlarged without interpolation.
pub fn absolute(a: &[Image], b: &[Image]) -> f64 {
    let one = |(a, b): (&Image, &Image)| {
        let width = a.width.max(b.width);
        let (a, b) = (enlarged(a, width), enlarged(b, width));
        pairs(&a, &b).map(f64::abs).sum::<f64>() / a.pixels.len() as f64
    };
    a.iter().zip(b).map(one).sum::<f64>() / a.len() as f64
}

/// The sliced Wasserstein-1 distance of two equally large sets of pictures of one size: the mean absolute
/// difference of sorted projections of the pixels on random unit vectors (Rabin et al., 2012; ProGAN,
/// arXiv:1710.10196, §5, with patches).
///
/// # Errors
/// If the sets are empty or their sizes differ.
pub fn sliced_wasserstein(a: &[Image], b: &[Image], directions: usize, key: Key) -> Result<f64> {
    let axes = rng::normal(key, (pixels(a)?.dim(1)?, directions), DType::F64, &Device::Cpu)?; // (P, D)
    let axes = axes.broadcast_div(&axes.sqr()?.sum_keepdim(0)?.sqrt()?)?;
    let sorted = |set: &[Image]| -> Result<Vec<Vec<f64>>> {
        let mut columns = pixels(set)?.matmul(&axes)?.t()?.to_vec2::<f64>()?; // (D, N)
        columns.iter_mut().for_each(|column| column.sort_by(f64::total_cmp));
        Ok(columns)
    };
    let (a, b) = (sorted(a)?.concat(), sorted(b)?.concat());
    Ok(a.iter().zip(&b).map(|(x, y)| (x - y).abs()).sum::<f64>() / a.len() as f64)
}

/// `(N, P)`.
fn pixels(set: &[Image]) -> Result<Tensor> {
    let rows = set.iter().map(|image| Tensor::from_slice(&image.pixels, image.pixels.len(), &Device::Cpu));
    Tensor::stack(&rows.collect::<Result<Vec<_>>>()?, 0)?.to_dtype(DType::F64)
}

fn pairs<'a>(a: &'a Image, b: &'a Image) -> impl Iterator<Item = f64> + 'a {
    a.pixels.iter().zip(&b.pixels).map(|(&a, &b)| f64::from(a) - f64::from(b))
}

fn enlarged(image: &Image, width: usize) -> Image {
    let factor = width / image.width;
    let height = image.height * factor;
    let pixels =
        (0..width * height).flat_map(|i| image.pixel(i % width / factor, i / width / factor)).collect();
    Image { width, height, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_hand_computed_values() {
        let grey = |width, value| Image::filled(width, width, [value; 3]);
        assert_eq!(squared(&grey(2, 10), &grey(2, 13)), 9.0);
        assert_eq!(absolute(&[grey(2, 10), grey(4, 9)], &[grey(4, 13), grey(2, 4)]), 4.0);
        let (a, b) = ([grey(2, 0), grey(2, 50)], [grey(2, 50), grey(2, 0)]);
        assert_eq!(sliced_wasserstein(&a, &b, 4, Key::new(0)).unwrap(), 0.0, "a set has no order");
        assert!(sliced_wasserstein(&a, &[grey(2, 9), grey(2, 99)], 4, Key::new(0)).unwrap() > 1.0);
    }

    #[test]
    fn enlarging_repeats_pixels() {
        let image = Image { width: 2, height: 1, pixels: vec![1, 2, 3, 4, 5, 6] };
        let twice = enlarged(&image, 4);
        assert_eq!((twice.width, twice.height), (4, 2));
        assert_eq!(twice.pixel(1, 1), [1, 2, 3]);
        assert_eq!(twice.pixel(2, 0), [4, 5, 6]);
    }
}
