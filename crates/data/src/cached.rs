//! Images kept in memory after they were first decoded or drawn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::dataset::{Caption, Dataset, check_index};
use t2f_ops::rng::Key;

use crate::error::Result;
use crate::image::Image;
use crate::procedural::Attributes;

/// A dataset that remembers its images, up to a limit.
///
/// The first images to be read stay; nothing is ever evicted, since an epoch reads every image
/// once and the least recently used one is always the next to be needed. What does not fit is
/// read anew each time.
pub struct Cached {
    inner: Arc<dyn Dataset>,
    images: Vec<OnceLock<Box<[u8]>>>,
    bytes: AtomicUsize,
    limit: usize,
}

impl Cached {
    /// Remembers up to `limit` bytes of the images of `inner`.
    pub fn new(inner: Arc<dyn Dataset>, limit: usize) -> Self {
        let images = (0..inner.len()).map(|_| OnceLock::new()).collect();
        Self { inner, images, bytes: AtomicUsize::new(0), limit }
    }

    /// The bytes of pixels held now.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn remember(&self, index: usize, image: &Image) {
        let size = image.pixels.len();
        let claimed = self.bytes.fetch_add(size, Ordering::Relaxed);
        if claimed + size > self.limit || self.images[index].set(image.pixels.clone().into()).is_err() {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

impl Dataset for Cached {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn resolution(&self) -> usize {
        self.inner.resolution()
    }
    fn image(&self, index: usize) -> Result<Image> {
        check_index(self, index)?;
        let side = self.resolution();
        if let Some(pixels) = self.images[index].get() {
            return Ok(Image { width: side, height: side, pixels: pixels.to_vec() });
        }
        let image = self.inner.image(index)?;
        self.remember(index, &image);
        Ok(image)
    }
    fn captions(&self, index: usize) -> Result<Vec<Caption>> {
        self.inner.captions(index)
    }
    fn attributes(&self, index: usize) -> Option<Attributes> {
        self.inner.attributes(index)
    }
    fn altered(&self, index: usize, caption: usize, key: Key) -> Result<Option<Caption>> {
        self.inner.altered(index, caption, key)
    }
    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
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
