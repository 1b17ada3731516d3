//! A run as an animated GIF: its samples, from the first noise to the last level.
//!
//! Frames may differ in size; each is enlarged by a whole factor into the largest one's canvas.
//! Every frame has its own palette of 256 colours (NeuQuant, or exact where 256 are
//! enough); the film loops and the last frame is held.

use gif::{Encoder, Frame, Repeat};

use crate::picture::{Picture, PictureError};

/// How a film runs.
#[derive(Clone, Debug)]
pub struct Film {
    /// Time of a frame, in hundredths of a second. Default 25.
    pub delay: u16,
    /// Time of the last frame, in hundredths of a second. Default 250.
    pub hold: u16,
    /// At most so many frames: of more, an even choice with the first and the last. Default 120.
    pub max_frames: usize,
}

impl Default for Film {
    fn default() -> Self {
        Self { delay: 25, hold: 250, max_frames: 120 }
    }
}

impl Film {
    /// The GIF file of `frames`.
    ///
    /// # Errors
    /// If there are no frames, or one is wider or higher than 65,535 pixels.
    pub fn to_gif(&self, frames: &[Picture]) -> Result<Vec<u8>, PictureError> {
        let side = |of: fn(&Picture) -> u32| frames.iter().map(of).max().unwrap_or(0);
        let (width, height) = (side(Picture::width), side(Picture::height));
        let (Ok(columns), Ok(rows), Some(last)) = (width.try_into(), height.try_into(), frames.last()) else {
            let what =
                if frames.is_empty() { "a film without frames" } else { "a film wider than 65535 pixels" };
            return Err(PictureError::Empty(what.into()));
        };
        let background = last.get(0, 0).unwrap_or([255; 3]);

        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, columns, rows, &[])?;
        encoder.set_repeat(Repeat::Infinite)?;
        let shown = even_choice(frames.len(), self.max_frames);
        for (i, &frame) in shown.iter().enumerate() {
            let picture = &frames[frame];
            let factor = (width / picture.width().max(1)).min(height / picture.height().max(1));
            let large = picture.enlarged(factor);
            let mut canvas = Picture::filled(width, height, background);
            canvas.paste(&large, (width - large.width()) / 2, (height - large.height()) / 2);
            let mut frame = Frame::from_rgb_speed(columns, rows, canvas.pixels(), 10);
            frame.delay = if i + 1 == shown.len() { self.hold } else { self.delay };
            encoder.write_frame(&frame)?;
        }
        drop(encoder);
        Ok(bytes)
    }
}

/// At most `limit` of `0..count`, evenly spaced, with the first and the last.
fn even_choice(count: usize, limit: usize) -> Vec<usize> {
    let limit = limit.max(2);
    if count <= limit {
        return (0..count).collect();
    }
    (0..limit).map(|i| i * (count - 1) / (limit - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (gif::Decoder<&[u8]>, Vec<Frame<'static>>) {
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes).unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            frames.push(frame.clone());
        }
        (decoder, frames)
    }

    #[test]
    fn film_keeps_every_frame_in_one_size_loops_and_holds_the_last() {
        let levels: Vec<Picture> = [(4, [250, 0, 0]), (8, [0, 250, 0]), (16, [0, 0, 250])]
            .map(|(s, c)| Picture::filled(s, s, c))
            .into();
        let bytes = Film::default().to_gif(&levels).unwrap();
        let (decoder, frames) = decoded(&bytes);
        assert_eq!(decoder.repeat(), Repeat::Infinite);
        assert_eq!(frames.iter().map(|frame| frame.delay).collect::<Vec<_>>(), [25, 25, 250]);
        for (frame, wanted) in frames.iter().zip([[250, 0, 0, 255], [0, 250, 0, 255], [0, 0, 250, 255]]) {
            assert_eq!((frame.width, frame.height), (16, 16));
            assert!(frame.buffer.chunks(4).all(|pixel| pixel == wanted));
        }
    }

    #[test]
    fn long_films_are_thinned_evenly() {
        assert_eq!(even_choice(3, 120), [0, 1, 2]);
        let chosen = even_choice(1000, 5);
        assert_eq!(chosen, [0, 249, 499, 749, 999]);
    }

    #[test]
    fn a_film_needs_a_frame() {
        assert!(Film::default().to_gif(&[]).is_err());
    }
}
