//! The resizing filters of published values of FID. The filter alone moves FID by several points
//! (Parmar et al., arXiv:2104.11222), so a metric names its filter.
//!
//! The results are planes, channel by channel, in `[0, 255]` and not rounded.

use t2f_data::Image;

/// Pillow's bicubic filter (Catmull-Rom, a = -1/2), widened by the factor of reduction against
/// aliasing, on floating-point channels, clipped: the `clean` mode of clean-fid.
pub fn pil_bicubic(image: &Image, side: usize) -> Vec<f32> {
    let taps = |from: usize| -> Vec<Taps> {
        let scale = from as f64 / side as f64;
        let widened = scale.max(1.0);
        let tap = |to: usize| {
            let center = (to as f64 + 0.5) * scale;
            let first = (center - 2.0 * widened + 0.5).max(0.0) as usize;
            let end = ((center + 2.0 * widened + 0.5) as usize).min(from);
            let weights = (first..end).map(|x| cubic((x as f64 - center + 0.5) / widened));
            let weights: Vec<f64> = weights.collect();
            let total: f64 = weights.iter().sum();
            Taps { first, weights: weights.into_iter().map(|weight| weight / total).collect() }
        };
        (0..side).map(tap).collect()
    };
    let mut planes = separable(image, side, taps);
    planes.iter_mut().for_each(|value| *value = value.clamp(0.0, 255.0));
    planes
}

/// An image of another side by [`pil_bicubic`], rounded to eight bits; the image itself if it has that side.
pub fn resized(image: &Image, side: usize) -> Image {
    if image.width == side && image.height == side {
        return image.clone();
    }
    let planes = pil_bicubic(image, side);
    let (pixels, plane) = (side * side, |channel: usize| &planes[channel * side * side..]);
    let at = |pixel: usize| (0..3).map(move |channel| (pixel, channel));
    let bytes = (0..pixels).flat_map(at).map(|(pixel, channel)| plane(channel)[pixel].round() as u8);
    Image { width: side, height: side, pixels: bytes.collect() }
}

/// Keys' cubic convolution with a = -1/2.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    match x {
        _ if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        _ if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    }
}

/// TensorFlow 1's `resize_bilinear` without aligned corners, as in the graph of the original FID:
/// the first pixels of both images coincide, and there is no smoothing.
pub fn tensorflow_bilinear(image: &Image, side: usize) -> Vec<f32> {
    separable(image, side, |from| {
        let scale = from as f32 / side as f32;
        (0..side).map(|to| Taps::between(to as f32 * scale, from)).collect()
    })
}

/// PyTorch's `interpolate(mode="bilinear", align_corners=False)`, as pytorch-fid uses it: the
/// edges of the images coincide, and there is no smoothing.
pub fn torch_bilinear(image: &Image, side: usize) -> Vec<f32> {
    separable(image, side, |from| {
        let scale = from as f32 / side as f32;
        (0..side).map(|to| Taps::between(((to as f32 + 0.5) * scale - 0.5).max(0.0), from)).collect()
    })
}

/// A pixel of the result as a weighted sum of neighbours.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

impl Taps {
    /// The two pixels beside a position.
    fn between(position: f32, from: usize) -> Self {
        let first = (position as usize).min(from - 1);
        let part = f64::from(position - first as f32);
        let weights = if first + 1 < from { vec![1.0 - part, part] } else { vec![1.0] };
        Self { first, weights }
    }
}

/// Rows first, then columns, as in Pillow; the argument of `taps` is the original side.
fn separable(image: &Image, side: usize, taps: impl Fn(usize) -> Vec<Taps>) -> Vec<f32> {
    let (width, height) = (image.width, image.height);
    let (across, down) = (taps(width), taps(height));
    let mut wide = vec![0f32; 3 * height * side]; // (3, H, side)
    for channel in 0..3 {
        for y in 0..height {
            for (x, taps) in across.iter().enumerate() {
                let value = |i: usize| f64::from(image.pixels[3 * (y * width + taps.first + i) + channel]);
                let sum: f64 = taps.weights.iter().enumerate().map(|(i, weight)| weight * value(i)).sum();
                wide[(channel * height + y) * side + x] = sum as f32;
            }
        }
    }
    let mut planes = vec![0f32; 3 * side * side];
    for channel in 0..3 {
        for (y, taps) in down.iter().enumerate() {
            let out = &mut planes[(channel * side + y) * side..][..side];
            for (x, out) in out.iter_mut().enumerate() {
                let value = |i: usize| f64::from(wide[(channel * height + taps.first + i) * side + x]);
                let sum: f64 = taps.weights.iter().enumerate().map(|(i, weight)| weight * value(i)).sum();
                *out = sum as f32;
            }
        }
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row of grey pixels, resized in both directions to a square.
    fn row(values: &[u8]) -> Image {
        let side = values.len();
        let pixels = (0..side * side).flat_map(|i| [values[i % side]; 3]).collect();
        Image { width: side, height: side, pixels }
    }

    fn first_row(planes: &[f32], side: usize) -> Vec<f32> {
        planes[..side].to_vec()
    }

    #[test]
    fn bilinear_filters_by_hand() {
        let image = row(&[0, 100]);
        assert_eq!(first_row(&tensorflow_bilinear(&image, 4), 4), [0.0, 50.0, 100.0, 100.0]);
        assert_eq!(first_row(&torch_bilinear(&image, 4), 4), [0.0, 25.0, 75.0, 100.0]);
        let image = row(&[0, 10, 20, 90]);
        assert_eq!(first_row(&tensorflow_bilinear(&image, 2), 2), [0.0, 20.0]);
        assert_eq!(first_row(&torch_bilinear(&image, 2), 2), [5.0, 55.0]);
    }

    #[test]
    fn an_image_is_resized_in_every_channel_and_kept_at_its_own_size() {
        let pixels: Vec<u8> = (0..4).flat_map(|_| [10, 120, 250]).collect();
        let image = Image { width: 2, height: 2, pixels };
        assert_eq!(resized(&image, 2), image);
        assert_eq!(resized(&image, 8), Image::filled(8, 8, [10, 120, 250]));
    }

    #[test]
    fn every_filter_keeps_an_equal_size_and_a_constant() {
        let image = row(&[3, 200, 41, 90, 255]);
        let grey = row(&[77; 5]);
        for filter in [pil_bicubic, tensorflow_bilinear, torch_bilinear] {
            assert_eq!(first_row(&filter(&image, 5), 5), [3.0, 200.0, 41.0, 90.0, 255.0]);
            for side in [2, 13] {
                assert!(filter(&grey, side).iter().all(|value| (value - 77.0).abs() < 1e-4));
            }
        }
    }
}
