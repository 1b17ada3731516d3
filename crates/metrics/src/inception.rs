//! InceptionV3 as the published values of FID, KID and the Inception score use it.
//!
//! The network of the 2015-12-05 TensorFlow graph in the form of `pytorch-fid` and `torch-fidelity`:
//! Szegedy et al. (arXiv:1512.00567) with 1008 classes, average pooling that leaves padding out,
//! and maximum pooling in the last block, where the paper has an average. The user provides the
//! weights.

mod blocks;

use std::path::Path;

use candle_core::{D, Device, Tensor};
use t2f_data::Image;

use self::blocks::{Build, Kernel, Mixed, Pool, Step};
use crate::error::{Error, Result};
use crate::features::{FeatureExtractor, Features, planes};
use crate::resize::{pil_bicubic, tensorflow_bilinear, torch_bilinear};
use crate::state_dict::StateDict;

/// The side of the input in pixels.
const SIDE: usize = 299;
/// Classes of the graph, of which 1000 are in use.
const CLASSES: usize = 1008;
/// The beginning of the SHA-256 of the published files, which is part of their names.
const PUBLISHED: &str = "6726825d";
/// The images of a batch.
const BATCH: usize = 16;

/// The resizing of images to 299 pixels, and the range of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Pillow's bicubic filter, `(x - 128) / 128`: clean-fid.
    Clean,
    /// TensorFlow 1's bilinear filter, `(x - 128) / 128`: the original FID, torch-fidelity.
    Tensorflow,
    /// PyTorch's bilinear filter, `2 x / 255 - 1`: pytorch-fid.
    Pytorch,
}

impl Resize {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Clean, Self::Tensorflow, Self::Pytorch];

    /// `clean`, `tensorflow` or `pytorch`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Tensorflow => "tensorflow",
            Self::Pytorch => "pytorch",
        }
    }

    fn filter(self) -> &'static str {
        match self {
            Self::Clean => "pil-bicubic",
            Self::Tensorflow => "tensorflow-bilinear",
            Self::Pytorch => "pytorch-bilinear",
        }
    }

    /// `(B, 3, 299, 299)` in `[-1, 1]`.
    fn prepare(self, images: &[Image]) -> Result<Tensor> {
        let planes = match self {
            Self::Clean => planes(images, SIDE, pil_bicubic),
            Self::Tensorflow => planes(images, SIDE, tensorflow_bilinear),
            Self::Pytorch => planes(images, SIDE, torch_bilinear),
        };
        let scale = if self == Self::Pytorch { 2.0 / 255.0 } else { 1.0 / 128.0 };
        Ok(planes?.affine(scale, -1.0)?)
    }
}

/// The network with its weights.
pub struct Inception {
    stem: Vec<Step>,
    mixed: Vec<Mixed>,
    /// `(2048, 1008)`
    classifier: Tensor,
    resize: Resize,
    name: String,
    hash: String,
    device: Device,
}

impl std::fmt::Debug for Inception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inception")
            .field("name", &self.name)
            .field("hash", &self.hash)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl Inception {
    /// Reads `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid, the file of torch-fidelity with
    /// that number, or the same tensors as safetensors. The name ends in `unverified` unless the
    /// SHA-256 of the file begins with that number.
    ///
    /// # Errors
    /// If the file cannot be read, or a tensor is missing, unknown or of another shape (the
    /// message lists them).
    pub fn load(path: &Path, resize: Resize, device: &Device) -> Result<Self> {
        let weights = StateDict::read(path)?;
        let verified = weights.sha256().starts_with(PUBLISHED);
        let mut network = Self::new(weights, resize, device).map_err(|error| Error::file(path, error))?;
        if verified {
            network.name = format!("inception_{}", resize.name());
        }
        Ok(network)
    }

    /// The network with weights under torchvision's names.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn new(mut weights: StateDict, resize: Resize, device: &Device) -> Result<Self> {
        let hash = weights.hash()?;
        let mut build = Build { weights: &mut weights, device };
        let stem = vec![
            build.conv("Conv2d_1a_3x3", 3, 32, Kernel::square(3).stride(2))?,
            build.conv("Conv2d_2a_3x3", 32, 32, Kernel::square(3))?,
            build.conv("Conv2d_2b_3x3", 32, 64, Kernel::square(3).pad(1, 1))?,
            Step::MaxPool,
            build.conv("Conv2d_3b_1x1", 64, 80, Kernel::square(1))?,
            build.conv("Conv2d_4a_3x3", 80, 192, Kernel::square(3))?,
            Step::MaxPool,
        ];
        let mixed = vec![
            build.block_a("Mixed_5b", 192, 32)?,
            build.block_a("Mixed_5c", 256, 64)?,
            build.block_a("Mixed_5d", 288, 64)?,
            build.block_b("Mixed_6a", 288)?,
            build.block_c("Mixed_6b", 128)?,
            build.block_c("Mixed_6c", 160)?,
            build.block_c("Mixed_6d", 160)?,
            build.block_c("Mixed_6e", 192)?,
            build.block_d("Mixed_7a", 768)?,
            build.block_e("Mixed_7b", 1280, Pool::Average)?,
            build.block_e("Mixed_7c", 2048, Pool::Max)?,
        ];
        let classifier = weights.take("fc.weight", &[CLASSES, 2048])?.t()?.contiguous()?.to_device(device)?;
        weights.take("fc.bias", &[CLASSES])?;
        weights.finish(|name| name.ends_with("num_batches_tracked"))?;
        let name = format!("inception_{}_unverified", resize.name());
        Ok(Self { stem, mixed, classifier, resize, name, hash, device: device.clone() })
    }

    /// The average of the last feature maps.
    ///
    /// # Shapes
    /// `(B, 3, 299, 299)` in `[-1, 1]` → `(B, 2048)`
    ///
    /// # Errors
    /// If the shape is another.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        let x = self.stem.iter().try_fold(images.clone(), |x, step| step.forward(&x))?;
        let x = self.mixed.iter().try_fold(x, |x, block| block.forward(&x))?;
        Ok(x.mean((2, 3))?)
    }

    /// The probabilities of the classes for the Inception score, from logits without biases.
    fn probabilities(&self, features: &Tensor) -> Result<Tensor> {
        let logits = features.matmul(&self.classifier)?;
        let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?.exp()?;
        Ok(shifted.broadcast_div(&shifted.sum_keepdim(D::Minus1)?)?)
    }
}

impl FeatureExtractor for Inception {
    fn name(&self) -> &str {
        &self.name
    }
    fn hash(&self) -> &str {
        &self.hash
    }
    fn resize(&self, from: usize) -> &str {
        if from == SIDE { "none" } else { self.resize.filter() }
    }
    fn extract(&self, images: &[Image]) -> Result<Features> {
        let (mut features, mut probabilities) = (Vec::new(), Vec::new());
        for images in images.chunks(BATCH) {
            let rows = self.features(&self.resize.prepare(images)?.to_device(&self.device)?)?;
            probabilities.push(self.probabilities(&rows)?.to_device(&Device::Cpu)?);
            features.push(rows.to_device(&Device::Cpu)?);
        }
        if features.is_empty() {
            return Err(Error::State("features of no images".into()));
        }
        Ok(Features {
            rows: Tensor::cat(&features, 0)?,
            probabilities: Some(Tensor::cat(&probabilities, 0)?),
        })
    }
}
