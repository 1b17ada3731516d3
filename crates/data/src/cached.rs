//! Images in memory after they are first decoded or rendered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::dataset::{Dataset, check_index};
use crate::error::Result;
use crate::forward::forward_dataset;
use crate::image::Image;

/// A data set that keeps its images in memory, up to a limit.
///
/// The first images stay and nothing is evicted: an epoch reads every image once, so the least
/// recently used image is always the next one. Images beyond the limit are read again each time.
#[derive(Debug)]
pub struct Cached {
    inner: Arc<dyn Dataset>,
    images: Vec<OnceLock<Box<[u8]>>>,
    bytes: AtomicUsize,
    limit: usize,
}

impl Cached {
    /// Keeps up to `limit` bytes of the images of `inner`.
    pub fn new(inner: Arc<dyn Dataset>, limit: usize) -> Self {
        let images = (0..inner.len()).map(|_| OnceLock::new()).collect();
        Self { inner, images, bytes: AtomicUsize::new(0), limit }
    }

    /// As [`new`](Self::new) with the limit in MiB, or all that can be counted.
    pub fn with_mib(inner: Arc<dyn Dataset>, mib: usize) -> Self {
        Self::new(inner, mib.saturating_mul(1 << 20))
    }

    /// The bytes of pixels in memory.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keeps an image that was read elsewhere, if the limit allows.
    pub(crate) fn keep(&self, index: usize, image: &Image) {
        let size = image.pixels.len();
        let claimed = self.bytes.fetch_add(size, Ordering::Relaxed);
        if claimed + size > self.limit || self.images[index].set(image.pixels.clone().into()).is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
    }

    fn same(&self, index: usize) -> Result<usize> {
        Ok(index)
    }
}

impl Dataset for Cached {
    forward_dataset!(same);
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn image(&self, index: usize) -> Result<Image> {
        check_index(self, index)?;
        let side = self.resolution();
        if let Some(pixels) = self.images[index].get() {
            return Ok(Image { width: side, height: side, pixels: pixels.to_vec() });
        }
        let image = self.inner.image(index)?;
        self.keep(index, &image);
        Ok(image)
    }
    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }
    fn earlier_fingerprint(&self) -> Option<String> {
        self.inner.earlier_fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedural::{ProceduralFaces, Split};

    #[test]
    fn a_cached_image_equals_the_first_and_the_limit_holds() {
        let faces: Arc<dyn Dataset> = Arc::new(ProceduralFaces::new(Split::Train, 3, 5, 16));
        let size = 3 * 16 * 16;
        let cached = Cached::new(faces.clone(), 2 * size + 1);
        for round in 0..2 {
            for index in 0..5 {
                assert_eq!(cached.image(index).unwrap(), faces.image(index).unwrap(), "round {round}");
            }
        }
        assert_eq!(cached.bytes(), 2 * size);
        assert!(cached.image(5).is_err());
    }
}
