//! From an image of any shape to a square.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use crate::image::Image;

/// How an image that is not square becomes square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The largest square in the middle.
    #[default]
    Crop,
    /// The whole image, with bars in the colour of the background.
    Pad,
    /// The whole image, with another aspect ratio.
    Stretch,
}

impl Fit {
    /// Whether an image of `width` by `height` pixels, of which the central `crop` is used, has fewer
    /// pixels a side than the square of `side` pixels that it becomes.
    ///
    /// ```
    /// use t2f_data::Fit;
    ///
    /// assert!(Fit::Crop.enlarges((100, 60), 64, 1.0));
    /// assert!(!Fit::Pad.enlarges((100, 60), 64, 1.0));
    /// ```
    pub fn enlarges(self, (width, height): (usize, usize), side: usize, crop: f64) -> bool {
        let kept = match self {
            Self::Crop | Self::Stretch => width.min(height),
            Self::Pad => width.max(height),
        };
        (kept as f64 * crop).round() < side as f64
    }
}

/// The largest ratio of the sides of a portrait.
const MOST_ELONGATED: f64 = 4.0;

/// The central `crop` of an image (a fraction of both sides) as a square of `side` pixels, resampled
/// with a Lanczos filter of three lobes.
///
/// On failure, the reason: the image is more than four times longer than wide, or a side of the part
/// in use is smaller than half of `side`.
pub(crate) fn fit(
    image: &Image,
    side: usize,
    fit: Fit,
    crop: f64,
    background: [u8; 3],
) -> Result<Image, String> {
    let (width, height) = (image.width as f64, image.height as f64);
    if width.max(height) > MOST_ELONGATED * width.min(height) {
        return Err(format!("{width}x{height} pixels: more than {MOST_ELONGATED} times longer than wide"));
    }
    let (mut kept_width, mut kept_height) = (width * crop, height * crop);
    if fit == Fit::Crop {
        kept_width = kept_width.min(kept_height);
        kept_height = kept_width;
    }
    if kept_width.min(kept_height) * 2.0 < side as f64 {
        return Err(format!(
            "{width}x{height} pixels, of which {kept_width:.0}x{kept_height:.0} are used: expected at least {} a side",
            side.div_ceil(2)
        ));
    }
    if fit != Fit::Pad {
        return resize(image, (kept_width, kept_height), side, side);
    }
    let scale = side as f64 / kept_width.max(kept_height);
    let scaled = |kept: f64| ((kept * scale).round() as usize).clamp(1, side);
    let inner = resize(image, (kept_width, kept_height), scaled(kept_width), scaled(kept_height))?;
    let mut padded = Image::filled(side, side, background);
    let (left, top) = ((side - inner.width) / 2, (side - inner.height) / 2);
    for (y, line) in inner.pixels.chunks_exact(3 * inner.width).enumerate() {
        let start = 3 * ((top + y) * side + left);
        padded.pixels[start..start + line.len()].copy_from_slice(line);
    }
    Ok(padded)
}

/// The central `kept` pixels of an image at a new size; a copy where the size stays.
fn resize(image: &Image, kept: (f64, f64), width: usize, height: usize) -> Result<Image, String> {
    let whole = kept == (image.width as f64, image.height as f64);
    if whole && (image.width, image.height) == (width, height) {
        return Ok(image.clone());
    }
    let (left, top) = ((image.width as f64 - kept.0) / 2.0, (image.height as f64 - kept.1) / 2.0);
    let mut pixels = vec![0; 3 * width * height];
    let source = TypedImageRef::<U8x3>::from_buffer(image.width as u32, image.height as u32, &image.pixels)
        .map_err(|error| error.to_string())?;
    let mut result = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, &mut pixels)
        .map_err(|error| error.to_string())?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(left, top, kept.0, kept.1);
    // The typed call compiles the resampling of one pixel type instead of thirty.
    Resizer::new().resize_typed(&source, &mut result, &options).map_err(|error| error.to_string())?;
    Ok(Image { width, height, pixels })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Left half red, right half blue, with green in the middle column.
    fn striped(width: usize, height: usize) -> Image {
        let colour = |i: usize| if i % width < width / 2 { [255, 0, 0] } else { [0, 0, 255] };
        Image { width, height, pixels: (0..width * height).flat_map(colour).collect() }
    }

    #[test]
    fn each_fit_keeps_its_part_of_the_image() {
        let wide = striped(64, 32);
        let cropped = fit(&wide, 16, Fit::Crop, 1.0, [0; 3]).unwrap();
        assert_eq!((cropped.pixel(0, 8), cropped.pixel(15, 8)), ([255, 0, 0], [0, 0, 255]));
        let padded = fit(&wide, 16, Fit::Pad, 1.0, [9, 8, 7]).unwrap();
        assert_eq!((padded.pixel(0, 0), padded.pixel(0, 8)), ([9, 8, 7], [255, 0, 0]));
        let stretched = fit(&wide, 16, Fit::Stretch, 1.0, [0; 3]).unwrap();
        assert_eq!(stretched.pixel(0, 0), [255, 0, 0]);
        for image in [cropped, padded, stretched] {
            assert_eq!((image.width, image.height, image.pixels.len()), (16, 16, 768));
        }
    }

    #[test]
    fn a_square_of_the_right_side_does_not_change() {
        let image = striped(16, 16);
        assert_eq!(fit(&image, 16, Fit::Crop, 1.0, [0; 3]).unwrap(), image);
    }

    #[test]
    fn an_image_with_fewer_pixels_than_the_square_is_enlarged() {
        assert!(!Fit::Crop.enlarges((64, 64), 64, 1.0));
        assert!(Fit::Crop.enlarges((64, 64), 64, 0.9));
        assert!(Fit::Stretch.enlarges((200, 63), 64, 1.0));
        assert!(Fit::Pad.enlarges((63, 20), 64, 1.0));
        assert!(!Fit::Pad.enlarges((64, 20), 64, 1.0));
    }

    #[test]
    fn slivers_and_stamps_are_refused() {
        assert!(
            fit(&striped(410, 100), 16, Fit::Crop, 1.0, [0; 3]).unwrap_err().contains("longer than wide")
        );
        assert!(fit(&striped(400, 100), 16, Fit::Crop, 1.0, [0; 3]).is_ok());
        assert!(
            fit(&striped(20, 20), 64, Fit::Crop, 1.0, [0; 3]).unwrap_err().contains("at least 32 a side")
        );
        assert!(fit(&striped(40, 40), 64, Fit::Crop, 0.5, [0; 3]).unwrap_err().contains("20x20 are used"));
    }
}
