//! The trait of the formats that a conversion writes.

use super::items::Item;
use crate::error::Result;

/// Writes the images of a part in one format.
pub(super) trait Writer {
    /// Adds an image.
    fn add(&mut self, item: Item) -> Result<()>;

    /// Ends the part.
    fn finish(self: Box<Self>) -> Result<()>;
}
