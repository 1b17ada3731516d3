//! From the bytes of an encoded image to a square of the training resolution.

use t2f_ops::setting::SettingError;

use crate::decode::{Decoding, decode};
use crate::files_config::FilesConfig;
use crate::fit::fit;
use crate::image::Image;

/// Every change of decoding or fitting that alters pixels increases it.
const VERSION: u32 = 3;

/// The settings that the pixels of a data set depend on.
#[derive(Clone, Debug)]
pub(crate) struct Squares {
    side: usize,
    crop: f64,
    files: FilesConfig,
}

/// A square of the training resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Square {
    pub(crate) image: Image,
    /// Whether the part of the image in use has fewer pixels than the square.
    pub(crate) enlarged: bool,
    /// Remarks about the file, such as a colour profile that is ignored.
    pub(crate) warnings: Vec<String>,
}

impl Squares {
    /// Squares of `side` pixels of the central `crop` of each image.
    ///
    /// # Errors
    /// If `crop` is out of range.
    pub(crate) fn new(side: usize, crop: f64, files: &FilesConfig) -> Result<Self, SettingError> {
        if !(crop > 0.0 && crop <= 1.0) {
            return Err(SettingError::new("data.crop", crop, "above 0 and at most 1"));
        }
        Ok(Self { side, crop, files: files.clone() })
    }

    /// The side of the squares.
    pub(crate) fn side(&self) -> usize {
        self.side
    }

    /// A text that is equal for equal settings.
    pub(crate) fn recipe(&self) -> String {
        let FilesConfig { fit, background, max_megapixels, .. } = &self.files;
        format!("{VERSION} {} {fit:?} {} {background:?} {max_megapixels}", self.side, self.crop)
    }

    /// Decodes an image and fits it into the square.
    ///
    /// On failure, the reason, without the path.
    pub(crate) fn square(&self, bytes: &[u8]) -> Result<Square, String> {
        let FilesConfig { background, max_megapixels, .. } = self.files;
        let decoding = Decoding { max_pixels: u64::from(max_megapixels) * 1_000_000, background };
        let decoded = decode(bytes, &decoding)?;
        let size = (decoded.image.width, decoded.image.height);
        let enlarged = self.files.fit.enlarges(size, self.side, self.crop);
        let image = fit(&decoded.image, self.side, self.files.fit, self.crop, background)?;
        Ok(Square { image, enlarged, warnings: decoded.warnings })
    }
}
