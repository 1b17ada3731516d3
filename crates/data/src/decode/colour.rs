//! From the colours of an ICC profile to sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout as Channels, TransformOptions};

use super::picture::{Layout, Picture};

/// Converts a picture with a profile to sRGB.
///
/// A profile that is sRGB itself leaves every pixel as it is. One that cannot be used does as well,
/// with a warning.
pub(super) fn to_srgb(picture: &mut Picture) {
    let Some(profile) = picture.profile.take() else { return };
    if let Err(reason) = profile.and_then(|profile| convert(picture, &profile)) {
        picture
            .warnings
            .push(format!("the ICC profile cannot be used, the colours are read as sRGB: {reason}"));
    }
}

fn convert(picture: &mut Picture, profile: &[u8]) -> Result<(), String> {
    let source = ColorProfile::new_from_slice(profile).map_err(|error| error.to_string())?;
    if source.color_space == DataColorSpace::Rgb {
        // Programs store gray pixels with the RGB profile of the screen.
        spread(picture);
    }
    let (from, to, layout) = match (picture.layout, source.color_space) {
        (Layout::Gray, DataColorSpace::Gray) => (Channels::Gray, Channels::Rgb, Layout::Rgb),
        (Layout::GrayAlpha, DataColorSpace::Gray) => (Channels::GrayAlpha, Channels::Rgba, Layout::Rgba),
        (Layout::Rgb, DataColorSpace::Rgb) => (Channels::Rgb, Channels::Rgb, Layout::Rgb),
        (Layout::Rgba, DataColorSpace::Rgb) => (Channels::Rgba, Channels::Rgba, Layout::Rgba),
        (Layout::Cmyk, DataColorSpace::Cmyk) => (Channels::Rgba, Channels::Rgb, Layout::Rgb),
        (layout, space) => return Err(format!("it is for {space:?}, the pixels are {layout:?}")),
    };
    let transform = source
        .create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default())
        .map_err(|error| error.to_string())?;
    let run = |samples: &[u8]| {
        let mut result = vec![0; samples.len() / picture.layout.channels() * layout.channels()];
        transform.transform(samples, &mut result).map_err(|error| error.to_string()).map(|()| result)
    };
    if picture.layout != Layout::Cmyk {
        let probe = probe(picture.layout);
        let channels = layout.channels();
        let expected = |pixel: &[u8]| -> Vec<u8> {
            (0..channels)
                .map(|i| pixel[if picture.layout.channels() < 3 { (i == 3).into() } else { i }])
                .collect()
        };
        let result = run(&probe)?;
        let mut pairs = probe.chunks_exact(picture.layout.channels()).zip(result.chunks_exact(channels));
        if pairs.all(|(old, new)| expected(old).iter().zip(new).all(|(old, new)| old.abs_diff(*new) <= 1)) {
            return Ok(());
        }
    }
    picture.samples = run(&picture.samples)?;
    picture.layout = layout;
    Ok(())
}

/// Gray pixels as RGB.
fn spread(picture: &mut Picture) {
    let samples = &picture.samples;
    (picture.layout, picture.samples) = match picture.layout {
        Layout::Gray => (Layout::Rgb, samples.iter().flat_map(|gray| [*gray; 3]).collect()),
        Layout::GrayAlpha => {
            let pixel = |&[gray, alpha]: &[u8; 2]| [gray, gray, gray, alpha];
            (Layout::Rgba, samples.as_chunks().0.iter().flat_map(pixel).collect())
        }
        _ => return,
    };
}

/// Colours from all parts of a layout: every gray, and a grid of colours.
fn probe(layout: Layout) -> Vec<u8> {
    let grays = (0..=255).map(|gray| [gray; 3]);
    let grid = (0..512usize).map(|i| [i / 64, i / 8 % 8, i % 8].map(|step| (step * 255 / 7) as u8));
    let pixels = |colour: [u8; 3]| match layout {
        Layout::Gray => vec![colour[0]],
        Layout::GrayAlpha => vec![colour[0], 255],
        Layout::Rgb => colour.to_vec(),
        Layout::Rgba | Layout::Cmyk => [&colour[..], &[255]].concat(),
    };
    grays.chain(grid).flat_map(pixels).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(layout: Layout, samples: &[u8], profile: &ColorProfile) -> Picture {
        let mut picture = Picture::new(samples.len() / layout.channels(), 1, layout, samples.to_vec());
        picture.profile = Some(Ok(profile.encode().unwrap()));
        to_srgb(&mut picture);
        picture
    }

    #[test]
    fn srgb_itself_changes_nothing() {
        let samples: Vec<u8> = (0..=254).collect();
        let picture = converted(Layout::Rgb, &samples, &ColorProfile::new_srgb());
        assert_eq!((picture.samples, picture.warnings), (samples, vec![]));
    }

    #[test]
    fn another_space_is_converted() {
        // Display P3: its full green lies outside sRGB, its (200, 100, 100) is (212, 95, 97) there.
        let p3 = ColorProfile::new_display_p3();
        let picture = converted(Layout::Rgba, &[0, 255, 0, 9, 200, 100, 100, 255], &p3);
        assert_eq!((picture.samples[..4].to_vec(), picture.layout), (vec![0, 255, 0, 9], Layout::Rgba));
        for (value, expected) in picture.samples[4..].iter().zip([214, 94, 97, 255u8]) {
            assert!(value.abs_diff(expected) <= 2, "{:?}", picture.samples);
        }
    }

    #[test]
    fn gray_pixels_take_gray_and_rgb_profiles() {
        let linear = ColorProfile::new_gray_with_gamma(1.0);
        let picture = converted(Layout::Gray, &[0, 55, 255], &linear);
        assert_eq!(picture.layout, Layout::Rgb);
        // A fifth of the light is half of the signal.
        assert!(picture.samples[3].abs_diff(128) <= 1, "{:?}", picture.samples);
        let picture = converted(Layout::Gray, &[0, 55, 255], &ColorProfile::new_srgb());
        assert_eq!(picture.samples, [0, 0, 0, 55, 55, 55, 255, 255, 255]);
        assert!(picture.warnings.is_empty());
    }

    #[test]
    fn a_profile_that_cannot_be_used_is_a_warning() {
        let mut picture = Picture::new(1, 1, Layout::Rgb, vec![1, 2, 3]);
        picture.profile = Some(Ok(vec![0; 200]));
        to_srgb(&mut picture);
        assert_eq!(picture.samples, [1, 2, 3]);
        assert!(picture.warnings[0].contains("ICC profile cannot be used"), "{:?}", picture.warnings);
        let gray = ColorProfile::new_gray_with_gamma(2.2);
        let picture = converted(Layout::Rgb, &[1, 2, 3], &gray);
        assert_eq!(picture.samples, [1, 2, 3]);
        assert!(picture.warnings[0].contains("it is for Gray"), "{:?}", picture.warnings);
    }
}
