//! Errors of pictures.

/// A picture that cannot be read, made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] t2f_files::Error),
    /// A file or a buffer is not a readable PNG.
    #[error("not a readable 8-bit RGB PNG: {0}")]
    Decode(String),
    /// A PNG could not be written.
    #[error("PNG encoding: {0}")]
    Encode(#[from] png::EncodingError),
    /// A GIF could not be written.
    #[error("GIF encoding: {0}")]
    Gif(#[from] gif::EncodingError),
    /// The input has no pictures.
    #[error("nothing to show: {0}")]
    Empty(String),
    /// The frames of an animation differ in size.
    #[error("frames of {}x{} and of {}x{} pixels in one animation", first.0, first.1, other.0, other.1)]
    FrameSizes {
        /// Width and height of the first frame.
        first: (usize, usize),
        /// Width and height of another frame.
        other: (usize, usize),
    },
    /// A plot failed.
    #[error("plot: {0}")]
    Plot(String),
}

impl Error {
    pub(crate) fn file(path: impl Into<std::path::PathBuf>, error: impl Into<t2f_files::Cause>) -> Self {
        Self::File(t2f_files::Error::new(path, error))
    }
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;
