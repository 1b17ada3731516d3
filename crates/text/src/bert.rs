//! BERT (arXiv:1810.04805), the transformer of sentence encoders, for inference.

use candle_core::{Device, Tensor};
use candle_nn::{LayerNorm, Linear, Module, VarBuilder, layer_norm, linear, ops::softmax_last_dim};
use serde::Deserialize;

use crate::error::{Error, Result};

/// The keys of `config.json` that decide the network; others are ignored.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct BertConfig {
    pub(crate) model_type: String,
    pub(crate) hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    pub(crate) max_position_embeddings: usize,
    type_vocab_size: usize,
    layer_norm_eps: f64,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn absolute() -> String {
    "absolute".into()
}

impl BertConfig {
    /// Checks that the network is one of this module.
    pub(crate) fn check(&self) -> Result<()> {
        let named = [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.hidden_act, "gelu"),
            ("position_embedding_type", &self.position_embedding_type, "absolute"),
        ];
        if let Some((key, value, expected)) = named.into_iter().find(|(_, value, expected)| value != expected)
        {
            return Err(Error::Sentence(format!(
                "config.json has {key} = \"{value}\", expected \"{expected}\""
            )));
        }
        let (size, heads) = (self.hidden_size, self.num_attention_heads);
        if heads == 0 || !size.is_multiple_of(heads) {
            return Err(Error::Sentence(format!(
                "config.json has hidden_size = {size} and num_attention_heads = {heads}, expected a multiple"
            )));
        }
        Ok(())
    }
}

/// Embeddings and layers.
#[derive(Debug)]
pub(crate) struct Bert {
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    device: Device,
}

impl Bert {
    /// Reads the weights under the names of Hugging Face's `BertModel`.
    ///
    /// # Errors
    /// If one is missing or has another shape.
    pub(crate) fn new(config: &BertConfig, vb: &VarBuilder) -> Result<Self> {
        let (size, of) = (config.hidden_size, vb.pp("embeddings"));
        let layer = |at: usize| Layer::new(config, &vb.pp(format!("encoder.layer.{at}")));
        Ok(Self {
            words: of.get((config.vocab_size, size), "word_embeddings.weight")?,
            positions: of.get((config.max_position_embeddings, size), "position_embeddings.weight")?,
            types: of.get((config.type_vocab_size, size), "token_type_embeddings.weight")?,
            norm: layer_norm(size, config.layer_norm_eps, of.pp("LayerNorm"))?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
            device: vb.device().clone(),
        })
    }

    /// The states of the last layer, `(T, H)`, of one text. Texts are computed one at a time, so that the state of
    /// a text does not depend on the others of a batch, not even in its last bit.
    pub(crate) fn forward(&self, ids: &[u32]) -> Result<Tensor> {
        let steps = ids.len();
        let words = self.words.index_select(&Tensor::new(ids, &self.device)?, 0)?;
        let places = self.positions.narrow(0, 0, steps)?.broadcast_add(&self.types.narrow(0, 0, 1)?)?;
        let mut x = self.norm.forward(&words.add(&places)?)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        Ok(x)
    }
}

#[derive(Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    norm: LayerNorm,
    heads: usize,
}

impl Layer {
    fn new(config: &BertConfig, vb: &VarBuilder) -> Result<Self> {
        let (size, wide) = (config.hidden_size, config.intermediate_size);
        let square = |name: &str| linear(size, size, vb.pp(name));
        let norm = |name: &str| layer_norm(size, config.layer_norm_eps, vb.pp(name));
        Ok(Self {
            query: square("attention.self.query")?,
            key: square("attention.self.key")?,
            value: square("attention.self.value")?,
            output: square("attention.output.dense")?,
            attention_norm: norm("attention.output.LayerNorm")?,
            wide: linear(size, wide, vb.pp("intermediate.dense"))?,
            narrow: linear(wide, size, vb.pp("output.dense"))?,
            norm: norm("output.LayerNorm")?,
            heads: config.num_attention_heads,
        })
    }

    /// `x ← norm(x + attention(x))`, `x ← norm(x + W gelu(V x))`, BERT §3 and arXiv:1706.03762, §3.1.
    ///
    /// # Shapes
    /// `x` and result: `(T, H)`
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.attention_norm.forward(&x.add(&self.attention(x)?)?)?;
        let wide = self.wide.forward(&x)?.gelu_erf()?;
        Ok(self.norm.forward(&x.add(&self.narrow.forward(&wide)?)?)?)
    }

    /// `softmax(Q Kᵀ / √d) V` in each head.
    fn attention(&self, x: &Tensor) -> Result<Tensor> {
        let (steps, size) = x.dims2()?;
        let of_heads = |of: &Linear| -> Result<Tensor> {
            let y = of.forward(x)?.reshape((steps, self.heads, size / self.heads))?;
            Ok(y.transpose(0, 1)?.contiguous()?) // (heads, T, d)
        };
        let (queries, keys) = (of_heads(&self.query)?, of_heads(&self.key)?);
        let scale = 1.0 / ((size / self.heads) as f64).sqrt();
        let products = queries.matmul(&keys.t()?.contiguous()?)?.affine(scale, 0.0)?;
        let weights = softmax_last_dim(&products)?; // (heads, T, T)
        let sums = weights.matmul(&of_heads(&self.value)?)?.transpose(0, 1)?.contiguous()?;
        Ok(self.output.forward(&sums.reshape((steps, size))?)?)
    }
}
