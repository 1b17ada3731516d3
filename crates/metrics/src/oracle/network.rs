//! The network of the oracle.

use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};
use t2f_data::attributes::Schema;
use t2f_gan::ImageEncoder;

use crate::error::{Error, Result};

/// The logit of a class that an attribute does not have.
const CLOSED: f64 = -1e4;

/// An [`ImageEncoder`], as the attribute classifier beside the discriminator has one, and a linear head
/// that all attributes share.
pub struct OracleNetwork {
    encoder: ImageEncoder,
    head: (Tensor, Tensor),
    /// `(A·K)`: the output of the head for each class of each attribute.
    places: Tensor,
    attributes: usize,
    classes: usize,
}

impl std::fmt::Debug for OracleNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OracleNetwork")
            .field("attributes", &self.attributes)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

impl OracleNetwork {
    /// Reads `stages.<i>.{mix,see}.{weight,bias}` and `head.{weight,bias}` from `vb`.
    ///
    /// # Errors
    /// If the schema has no attributes, the channels do not lead from `resolution` to 4x4, or a
    /// parameter is missing.
    pub fn new(schema: &Schema, resolution: usize, channels: &[usize], vb: VarBuilder) -> Result<Self> {
        if schema.is_empty() {
            return Err(Error::Unavailable("an oracle of no attributes, expected at least one".into()));
        }
        if channels.is_empty() || ImageEncoder::side(channels) != resolution || channels.contains(&0) {
            let expected = "one number above 0 for each halving down to 4 pixels";
            return Err(Error::Config(format!(
                "an oracle of {resolution} pixels has channels {channels:?}, expected {expected}"
            )));
        }
        let encoder = ImageEncoder::new(channels, &vb.pp("stages"))?;
        let sizes = schema.sizes();
        let vb = vb.pp("head");
        let (inputs, outputs) = (encoder.outputs(), sizes.iter().map(|size| size + 1).sum::<usize>());
        let init = Init::Randn { mean: 0.0, stdev: (1.0 / inputs as f64).sqrt() };
        let weight = vb.get_with_hints((inputs, outputs), "weight", init)?;
        let bias = vb.get_with_hints(outputs, "bias", Init::Const(0.0))?;
        let classes = classes(schema);
        let places = Tensor::new(places(&sizes, classes, outputs as u32), vb.device())?;
        Ok(Self { encoder, head: (weight, bias), places, attributes: sizes.len(), classes })
    }

    /// The logit of each class of each attribute: class 0 is hidden, class `v + 1` is value `v`.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)` in `[-1, 1]`; result: `(B, A, K)` with A attributes and the K of
    /// [`classes`], and -10000 at classes that an attribute does not have.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let features = self.features(images)?;
        let batch = features.dim(0)?;
        let logits = features.matmul(&self.head.0)?.broadcast_add(&self.head.1)?;
        let closed = Tensor::full(CLOSED as f32, (batch, 1), images.device())?.to_dtype(logits.dtype())?;
        let logits = Tensor::cat(&[&logits, &closed], 1)?.index_select(&self.places, 1)?;
        Ok(logits.reshape((batch, self.attributes, self.classes))?)
    }

    /// The input of the head.
    ///
    /// # Shapes
    /// `images`: `(B, 3, R, R)`; result: `(B, 16·C)` with C channels of the last stage.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.encoder.features(images)?)
    }
}

/// K, the largest number of classes of an attribute: hidden and its values.
pub fn classes(schema: &Schema) -> usize {
    schema.sizes().into_iter().max().unwrap_or(0) + 1
}

/// The output of the head for each class of each attribute. Classes that an attribute does not have
/// are at the one output behind all others.
fn places(sizes: &[usize], classes: usize, outputs: u32) -> Vec<u32> {
    let mut next = 0..outputs;
    let mut place = |exists: bool| if exists { next.next() } else { None }.unwrap_or(outputs);
    sizes.iter().flat_map(|size| (0..classes).map(move |class| class <= *size)).map(&mut place).collect()
}
