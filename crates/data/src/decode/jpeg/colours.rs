//! Colour spaces of JPEG files, with libjpeg's integer arithmetic (jdcolor.c).

use super::headers::Colours;
use crate::decode::picture::Layout;

/// The interleaved components as gray, RGB or CMYK.
///
/// CMYK files have inverted components, as Adobe writes them and Pillow reads them.
pub(super) fn convert(mut pixels: Vec<u8>, colours: Colours) -> (Layout, Vec<u8>) {
    match colours {
        Colours::Gray => (Layout::Gray, pixels),
        Colours::Rgb => (Layout::Rgb, pixels),
        Colours::YCbCr => {
            pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = rgb(*pixel));
            (Layout::Rgb, pixels)
        }
        Colours::Cmyk => {
            pixels.iter_mut().for_each(|ink| *ink = 255 - *ink);
            (Layout::Cmyk, pixels)
        }
        // YCCK is the YCbCr form of the complement of CMY, which is then inverted once more.
        Colours::Ycck => {
            for pixel in pixels.as_chunks_mut::<4>().0 {
                let [y, cb, cr, k] = *pixel;
                let [c, m, y] = rgb([y, cb, cr]);
                *pixel = [c, m, y, 255 - k];
            }
            (Layout::Cmyk, pixels)
        }
    }
}

/// BT.601 in 16-bit fixed point.
pub(crate) fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    const HALF: i32 = 1 << 15;
    let byte = |value: i32| value.clamp(0, 255) as u8;
    [
        byte(y + ((91881 * cr + HALF) >> 16)),
        byte(y + ((-22554 * cb - 46802 * cr + HALF) >> 16)),
        byte(y + ((116130 * cb + HALF) >> 16)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_colour_space_becomes_its_layout() {
        // Pure red is Y 76, Cb 85, Cr 255.
        let (layout, red) = convert(vec![76, 85, 255], Colours::YCbCr);
        assert_eq!((layout, red), (Layout::Rgb, vec![254, 0, 0]));
        let (layout, inks) = convert(vec![255, 0, 100, 255], Colours::Cmyk);
        assert_eq!((layout, inks), (Layout::Cmyk, vec![0, 255, 155, 0]));
        let (_, inks) = convert(vec![76, 85, 255, 200], Colours::Ycck);
        assert_eq!(inks, [254, 0, 0, 55]);
    }
}
