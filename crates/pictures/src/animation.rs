//! Animations as PNG files (APNG): 8-bit RGB without loss, with [`Provenance`].
//!
//! Programs that do not know APNG show the first frame.

use t2f_data::Image;

use crate::error::{Error, Result};
use crate::picture::encoder;
use crate::provenance::Provenance;

/// The APNG file of `frames`, each shown for `delay` milliseconds; it loops.
///
/// # Errors
/// If there are no frames, or the frames differ in size.
pub fn to_apng(frames: &[&Image], delay: u16, provenance: Option<&Provenance>) -> Result<Vec<u8>> {
    let Some(first) = frames.first() else {
        return Err(Error::Empty("an animation without frames".into()));
    };
    let size = |image: &Image| (image.width, image.height);
    if let Some(other) = frames.iter().find(|frame| size(frame) != size(first)) {
        return Err(Error::FrameSizes { first: size(first), other: size(other) });
    }
    let mut bytes = Vec::new();
    let mut encoder = encoder(&mut bytes, first, provenance)?;
    encoder.set_animated(u32::try_from(frames.len()).unwrap_or(u32::MAX), 0)?;
    encoder.set_frame_delay(delay, 1000)?;
    let mut writer = encoder.write_header()?;
    for frame in frames {
        writer.write_image_data(&frame.pixels)?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// The frames, then those between the first and the last once more in reverse, so that a loop has no jump.
pub fn there_and_back<T>(frames: &[T]) -> Vec<&T> {
    let inner = frames.get(1..frames.len().saturating_sub(1)).unwrap_or_default();
    frames.iter().chain(inner.iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn an_animation_has_every_frame_its_delay_and_its_provenance() {
        let frames: Vec<Image> = (0..3).map(|shade| Image::filled(5, 4, [shade; 3])).collect();
        let frames: Vec<&Image> = frames.iter().collect();
        let origin = Provenance::generated("abc", "a man", "7");
        let bytes = to_apng(&frames, 80, Some(&origin)).unwrap();
        assert_eq!(bytes, to_apng(&frames, 80, Some(&origin)).unwrap());
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let control = reader.info().animation_control().unwrap();
        assert_eq!((control.num_frames, control.num_plays), (3, 0));
        assert!(reader.info().utf8_text.iter().any(|text| text.keyword == "Prompt"));
        for frame in &frames {
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!(pixels, frame.pixels);
            let control = reader.info().frame_control().unwrap();
            assert_eq!((control.delay_num, control.delay_den), (80, 1000));
        }
    }

    #[test]
    fn a_way_back_repeats_neither_end() {
        let numbers = |frames: &[u8]| there_and_back(frames).into_iter().copied().collect::<Vec<_>>();
        assert_eq!(numbers(&[1, 2, 3, 4]), [1, 2, 3, 4, 3, 2]);
        assert_eq!([numbers(&[1, 2]), numbers(&[1]), numbers(&[])], [vec![1, 2], vec![1], vec![]]);
    }

    #[test]
    fn an_animation_needs_frames_of_one_size() {
        assert!(to_apng(&[], 80, None).is_err());
        let (small, large) = (Image::filled(2, 2, [0; 3]), Image::filled(3, 2, [0; 3]));
        let message = to_apng(&[&small, &large], 80, None).unwrap_err().to_string();
        assert!(message.contains("2x2") && message.contains("3x2"), "{message}");
    }
}
