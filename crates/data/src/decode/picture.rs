//! A decoded picture before its colours are sRGB, and the limits of its size.

use image::DynamicImage;
use image::metadata::Orientation;

use crate::image::Image;

/// The meaning of the channels, eight bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// 255 is full ink.
    Cmyk,
}

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// The pixels of a file with the metadata that change their look.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) layout: Layout,
    pub(super) samples: Vec<u8>,
    /// The ICC profile, or the reason why it cannot be used.
    pub(super) profile: Option<Result<Vec<u8>, String>>,
    pub(super) orientation: Orientation,
    pub(super) warnings: Vec<String>,
}

impl Picture {
    /// A picture without metadata.
    pub(super) fn new(width: usize, height: usize, layout: Layout, samples: Vec<u8>) -> Self {
        let orientation = Orientation::NoTransforms;
        Self { width, height, layout, samples, profile: None, orientation, warnings: Vec::new() }
    }

    /// A picture of eight bits a channel; deeper channels are rounded to the nearest value.
    pub(super) fn from_image(image: DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (layout, samples) = match image.color().channel_count() {
            1 => (Layout::Gray, image.into_luma8().into_raw()),
            2 => (Layout::GrayAlpha, image.into_luma_alpha8().into_raw()),
            3 => (Layout::Rgb, image.into_rgb8().into_raw()),
            _ => (Layout::Rgba, image.into_rgba8().into_raw()),
        };
        Self::new(width, height, layout, samples)
    }

    /// The upright RGB image; transparent pixels are blended with the background.
    pub(super) fn flatten(self, background: [u8; 3]) -> Result<Image, String> {
        let blend = |front: u8, back: u8, alpha: u8| {
            let [front, back, alpha] = [front, back, alpha].map(u32::from);
            ((front * alpha + back * (255 - alpha) + 127) / 255) as u8
        };
        let over = |colour: [u8; 3], alpha: u8| {
            std::array::from_fn::<u8, 3, _>(|i| blend(colour[i], background[i], alpha))
        };
        let samples = self.samples;
        let pixels = match self.layout {
            Layout::Rgb => samples,
            Layout::Gray => samples.iter().flat_map(|gray| [*gray; 3]).collect(),
            Layout::GrayAlpha => {
                samples.as_chunks().0.iter().flat_map(|&[gray, alpha]| over([gray; 3], alpha)).collect()
            }
            Layout::Rgba => {
                samples.as_chunks().0.iter().flat_map(|&[r, g, b, alpha]| over([r, g, b], alpha)).collect()
            }
            Layout::Cmyk => samples.as_chunks().0.iter().flat_map(|inks| without_profile(*inks)).collect(),
        };
        let image = image::RgbImage::from_raw(self.width as u32, self.height as u32, pixels)
            .ok_or("an image with the wrong number of pixels")?;
        let mut image = DynamicImage::from(image);
        image.apply_orientation(self.orientation);
        let (width, height) = (image.width() as usize, image.height() as usize);
        Ok(Image { width, height, pixels: image.into_rgb8().into_raw() })
    }
}

/// Inks of no known profile as light: black scales what the other inks let through.
fn without_profile([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = 255 - u32::from(k);
    [c, m, y].map(|ink| ((255 - u32::from(ink)) * light + 127).div_euclid(255) as u8)
}

/// Refuses sizes above the limit, before memory is allocated.
pub(super) fn check_size(width: u64, height: u64, max_pixels: u64) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err(format!("{width}x{height} pixels: an image has at least one"));
    }
    if width.saturating_mul(height) <= max_pixels {
        return Ok(());
    }
    Err(format!(
        "{width}x{height} pixels: expected at most {} megapixels (`data.files.max_megapixels`)",
        max_pixels as f64 / 1e6
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(layout: Layout, samples: &[u8]) -> Vec<u8> {
        let picture = Picture::new(samples.len() / layout.channels(), 1, layout, samples.to_vec());
        picture.flatten([100, 200, 0]).unwrap().pixels
    }

    #[test]
    fn every_layout_becomes_rgb_on_the_background() {
        assert_eq!(flat(Layout::Gray, &[7, 9]), [7, 7, 7, 9, 9, 9]);
        assert_eq!(flat(Layout::GrayAlpha, &[7, 255, 9, 0]), [7, 7, 7, 100, 200, 0]);
        assert_eq!(flat(Layout::Rgb, &[1, 2, 3]), [1, 2, 3]);
        assert_eq!(flat(Layout::Rgba, &[0, 0, 255, 51]), [80, 160, 51]);
        assert_eq!(
            flat(Layout::Cmyk, &[0, 255, 0, 0, 0, 0, 0, 255, 255, 0, 0, 128]),
            [255, 0, 255, 0, 0, 0, 0, 127, 127]
        );
    }

    #[test]
    fn the_message_about_a_size_names_its_setting() {
        assert!(check_size(8000, 8000, 64_000_000).is_ok());
        let reason = check_size(9000, 8000, 64_000_000).unwrap_err();
        assert!(reason.contains("9000x8000") && reason.contains("64 megapixels"), "{reason}");
        assert!(reason.contains("`data.files.max_megapixels`"), "{reason}");
        assert!(check_size(u64::MAX, u64::MAX, u64::MAX - 1).is_err());
        assert!(check_size(0, 5, 10).is_err());
    }
}
