//! Timelapse of a run: its sample sheets, from the initial networks to the last level, as an animated GIF.
//!
//! Frames may differ in size; each is enlarged by a whole factor to fit the largest. Every frame has a
//! palette of 256 colours (NeuQuant, or exact for up to 256 colours). The animation loops, with a longer
//! last frame.

use std::path::{Path, PathBuf};

use gif::{Encoder, Extension, Frame, Repeat};

use t2f_data::Image;

use crate::canvas::{enlarged, paste};
use crate::error::{Error, Result};
use crate::palette::quantized;
use crate::picture::read;
use crate::provenance::Provenance;

/// Options of a timelapse.
#[derive(Clone, Debug)]
pub struct Timelapse {
    /// Duration of a frame, in hundredths of a second. Default 25.
    pub delay: u16,
    /// Duration of the last frame, in hundredths of a second. Default 250.
    pub hold: u16,
    /// The maximum of frames; of more samples an even selection with the first and the last is taken. Default
    /// 120.
    pub max_frames: usize,
}

impl Default for Timelapse {
    fn default() -> Self {
        Self { delay: 25, hold: 250, max_frames: 120 }
    }
}

impl Timelapse {
    /// The GIF file of `frames`, with the provenance as its comment.
    ///
    /// # Errors
    /// If there are no frames, or one is wider or higher than 65,535 pixels.
    pub fn to_gif(&self, frames: &[Image], provenance: Option<&Provenance>) -> Result<Vec<u8>> {
        let side = |of: fn(&Image) -> usize| frames.iter().map(of).max().unwrap_or(0);
        let size = (side(|image| image.width), side(|image| image.height));
        let chosen = even_choice(frames.len(), self.max_frames);
        self.encode(chosen, size, provenance, |frame| Ok(frames[frame].clone()))
    }

    /// The GIF file of the samples in a run folder: `fakes_init.png`, then every `fakes<KIMG>.png`.
    ///
    /// The selected frames are read one at a time.
    ///
    /// # Errors
    /// If there are no samples, or a file cannot be read.
    pub fn of_run(&self, run: &Path) -> Result<Vec<u8>> {
        let sheets = sheets(run)?;
        let chosen: Vec<&PathBuf> =
            even_choice(sheets.len(), self.max_frames).into_iter().map(|i| &sheets[i].path).collect();
        let mut size = (0, 0);
        for file in &chosen {
            let picture = read(file)?;
            size = (size.0.max(picture.width), size.1.max(picture.height));
        }
        self.encode((0..chosen.len()).collect(), size, None, |frame| read(chosen[frame]))
    }

    fn encode(
        &self,
        shown: Vec<usize>,
        (width, height): (usize, usize),
        provenance: Option<&Provenance>,
        mut frame: impl FnMut(usize) -> Result<Image>,
    ) -> Result<Vec<u8>> {
        if shown.is_empty() {
            return Err(Error::Empty("a timelapse without frames".into()));
        }
        let (Ok(columns), Ok(rows)) = (width.try_into(), height.try_into()) else {
            let what = format!("a timelapse of {width}x{height} pixels, at most 65535x65535");
            return Err(Error::Empty(what));
        };
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, columns, rows, &[]).map_err(Error::Gif)?;
        encoder.set_repeat(Repeat::Infinite).map_err(Error::Gif)?;
        if let Some(provenance) = provenance {
            let comment = provenance.comment();
            encoder
                .write_raw_extension(Extension::Comment.into(), &[comment.as_bytes()])
                .map_err(Error::Gif)?;
        }
        for (i, &index) in shown.iter().enumerate() {
            let picture = frame(index)?;
            let factor = (width / picture.width.max(1)).min(height / picture.height.max(1));
            let large = enlarged(&picture, factor);
            let mut canvas = Image::filled(width, height, picture.pixel(0, 0));
            paste(&mut canvas, &large, (width - large.width) / 2, (height - large.height) / 2);
            let (palette, indices) = quantized(&canvas);
            let mut frame = Frame::from_palette_pixels(columns, rows, indices, palette, None);
            frame.delay = if i + 1 == shown.len() { self.hold } else { self.delay };
            encoder.write_frame(&frame).map_err(Error::Gif)?;
        }
        drop(encoder);
        Ok(bytes)
    }
}

/// The number of images shown in a sample's name: `000012` or `000012.064` thousands.
fn images(kimg: &str) -> Option<u64> {
    let (thousands, rest) = kimg.split_once('.').unwrap_or((kimg, "0"));
    Some(thousands.parse::<u64>().ok()?.saturating_mul(1000).saturating_add(rest.parse().ok()?))
}

/// A sheet of samples of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Images shown before; 0 for those of the initial networks.
    pub images: u64,
    /// The file.
    pub path: PathBuf,
}

/// The sheets of a run in the order of the images shown.
///
/// # Errors
/// If the folder cannot be read.
pub fn sheets(run: &Path) -> Result<Vec<Sheet>> {
    let failed = |error| Error::file(run, error);
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(run).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(middle) = name.strip_prefix("fakes").and_then(|rest| rest.strip_suffix(".png")) else {
            continue;
        };
        match middle {
            "_init" => found.push((0, path)),
            // Plus one, so that `fakes000000.png` comes after `fakes_init.png`.
            kimg => found.extend(images(kimg).map(|images| (images.saturating_add(1), path))),
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(images, path)| Sheet { images: images.saturating_sub(1), path }).collect())
}

/// At most `limit` evenly spaced numbers of `0..count`, with the first and the last.
pub fn even_choice(count: usize, limit: usize) -> Vec<usize> {
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
    fn a_timelapse_has_frames_of_one_size_loops_and_shows_the_last_longer() {
        let levels: Vec<Image> = [(4, [250, 0, 0]), (8, [0, 250, 0]), (16, [0, 0, 250])]
            .map(|(s, c)| Image::filled(s, s, c))
            .into();
        let bytes = Timelapse::default().to_gif(&levels, None).unwrap();
        let (decoder, frames) = decoded(&bytes);
        assert_eq!(decoder.repeat(), Repeat::Infinite);
        assert_eq!(frames.iter().map(|frame| frame.delay).collect::<Vec<_>>(), [25, 25, 250]);
        for (frame, wanted) in frames.iter().zip([[250, 0, 0, 255], [0, 250, 0, 255], [0, 0, 250, 255]]) {
            assert_eq!((frame.width, frame.height), (16, 16));
            assert!(frame.buffer.chunks(4).all(|pixel| pixel == wanted));
        }
    }

    #[test]
    fn long_timelapses_are_thinned_evenly() {
        assert_eq!(even_choice(3, 120), [0, 1, 2]);
        let chosen = even_choice(1000, 5);
        assert_eq!(chosen, [0, 249, 499, 749, 999]);
    }

    #[test]
    fn the_timelapse_of_a_run_begins_with_the_initial_samples_in_the_order_of_images_shown() {
        let run = tempfile::tempdir().unwrap();
        let shades = [
            ("fakes000010.png", 30),
            ("fakes_init.png", 10),
            ("fakes000010.816.png", 40),
            ("fakes000002.png", 20),
            ("reals.png", 99),
        ];
        for (name, shade) in shades {
            crate::picture::write(&run.path().join(name), &Image::filled(4, 4, [shade; 3]), None).unwrap();
        }
        let (_, frames) = decoded(&Timelapse::default().of_run(run.path()).unwrap());
        assert_eq!(frames.iter().map(|frame| frame.buffer[0]).collect::<Vec<_>>(), [10, 20, 30, 40]);
    }

    #[test]
    fn a_timelapse_needs_a_frame() {
        assert!(Timelapse::default().of_run(tempfile::tempdir().unwrap().path()).is_err());
        assert!(Timelapse::default().to_gif(&[], None).is_err());
    }
}
