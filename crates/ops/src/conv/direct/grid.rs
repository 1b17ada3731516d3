//! The order in which a direct convolution holds the pixels of a batch.

use crate::cpu::tiles::SIDE;

/// In place of a pixel, at a position that is none.
pub(super) const NO_PIXEL: u32 = u32::MAX;

/// The positions of a grid: one row of pixels after another, where each row ends with a zero pixel, each image
/// with a row of zeros, and zeros precede the first image. At a distance that depends on the tap alone every
/// tap of every pixel is then a pixel of the image or a zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) batch: usize,
    pub(super) height: usize,
    pub(super) width: usize,
}

impl Grid {
    /// Positions of a row.
    fn row(&self) -> usize {
        self.width + 1
    }

    /// Positions that are convolved: those of all images, in whole blocks.
    pub(super) fn positions(&self) -> usize {
        (self.batch * (self.height + 1) * self.row()).next_multiple_of(SIDE)
    }

    /// Zeros before the first image.
    pub(super) fn lead(&self) -> usize {
        self.row() + 1
    }

    /// Positions that the taps of `positions` in succession reach, in whole blocks.
    pub(super) fn reach(&self, positions: usize) -> usize {
        (positions + 2 * self.lead()).next_multiple_of(SIDE)
    }

    /// The distance of a tap from its pixel, plus the zeros before the first image.
    pub(super) fn tap(&self, tap: usize) -> usize {
        tap / 3 * self.row() + tap % 3
    }

    /// The pixel at each position, counted over all images, or [`NO_PIXEL`]: the zeros before the first image,
    /// the positions that are convolved, what their taps reach, and a block more. With `up` each pixel is at 2x2
    /// positions.
    ///
    /// # Panics
    /// If the batch has 2³² pixels or more.
    pub(super) fn pixels(&self, up: bool) -> Vec<u32> {
        assert!(self.batch * self.height * self.width < NO_PIXEL as usize, "a batch of {self:?}");
        let shift = usize::from(up);
        let mut pixels = vec![NO_PIXEL; self.reach(self.positions()) + SIDE];
        let rows = pixels[self.lead()..].chunks_exact_mut(self.row());
        for (at, row) in rows.take(self.batch * (self.height + 1)).enumerate() {
            let (image, y) = (at / (self.height + 1), at % (self.height + 1));
            if y < self.height {
                let first = (image * (self.height >> shift) + (y >> shift)) * (self.width >> shift);
                for (x, pixel) in row[..self.width].iter_mut().enumerate() {
                    *pixel = (first + (x >> shift)) as u32;
                }
            }
        }
        pixels
    }
}
