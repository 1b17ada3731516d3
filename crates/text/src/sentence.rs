//! A frozen sentence encoder of a local folder, in the layout of Hugging Face and sentence-transformers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor, safetensors};
use candle_nn::VarBuilder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use t2f_ops::setting::SettingError;
use tokenizers::{Tokenizer, TruncationParams};

use crate::bert::{Bert, BertConfig};
use crate::error::{Error, Result};
use crate::sentence_cache::SentenceCache;
use crate::text_encoder::TextEncoder;

/// The settings of a frozen sentence encoder, `[text]` with `kind = "sentence"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SentenceConfig {
    /// The folder of the encoder, see [`SentenceEncoder`].
    pub path: PathBuf,
    /// The folder that keeps embeddings. Default none: they are kept in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
}

impl SentenceConfig {
    /// Checks that there is a path.
    pub(crate) fn check(&self) -> Result<()> {
        if self.path.as_os_str().is_empty() {
            return Err(SettingError::new("text.path", "empty", "the folder of a sentence encoder").into());
        }
        Ok(())
    }

    /// The encoder.
    ///
    /// # Errors
    /// As for [`SentenceEncoder::open`] and [`SentenceEncoder::with_cache`].
    pub fn open(&self, device: &Device) -> Result<SentenceEncoder> {
        let encoder = SentenceEncoder::open(&self.path, device)?;
        match &self.cache {
            Some(folder) => encoder.with_cache(folder),
            None => Ok(encoder),
        }
    }
}

/// How the states of a text's tokens become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    /// Their mean.
    Mean,
    /// Their largest value in each column.
    Max,
    /// The state of the first token, `[CLS]`.
    First,
}

/// `1_Pooling/config.json` of sentence-transformers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PoolingFile {
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

impl PoolingFile {
    fn pooling(&self) -> Result<Pooling> {
        let others = self.pooling_mode_mean_sqrt_len_tokens
            || self.pooling_mode_weightedmean_tokens
            || self.pooling_mode_lasttoken;
        match (self.pooling_mode_mean_tokens, self.pooling_mode_max_tokens, self.pooling_mode_cls_token) {
            (true, false, false) if !others => Ok(Pooling::Mean),
            (false, true, false) if !others => Ok(Pooling::Max),
            (false, false, true) if !others => Ok(Pooling::First),
            _ => Err(Error::Sentence(
                "1_Pooling/config.json has another pooling, expected one of mean, max and cls tokens".into(),
            )),
        }
    }
}

/// `sentence_bert_config.json`.
#[derive(Debug, Default, Deserialize)]
struct Lengths {
    max_seq_length: Option<usize>,
}

/// A BERT of a local folder that encodes captions and is not trained (SBERT, arXiv:1908.10084).
///
/// The folder has `config.json` of a `bert` model, `model.safetensors`, `tokenizer.json`, and optionally
/// `1_Pooling/config.json` (mean, max or cls tokens; mean without the file) and `sentence_bert_config.json`, as
/// sentence-transformers writes them, such as all-MiniLM-L6-v2. Its weights are in no model
/// file of t2f, so that generation needs the folder as well.
///
/// An embedding is the pooled state, divided by its length and multiplied by `√E`, so that its columns have a
/// mean square of 1; sentence-transformers has a length of 1 with the module `Normalize` and the pooled state
/// itself without it.
pub struct SentenceEncoder {
    tokenizer: Tokenizer,
    bert: Bert,
    pooling: Pooling,
    size: usize,
    hash: String,
    device: Device,
    cache: Mutex<SentenceCache>,
}

impl std::fmt::Debug for SentenceEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { size, pooling, hash, .. } = self;
        f.debug_struct("SentenceEncoder")
            .field("size", size)
            .field("pooling", pooling)
            .field("hash", hash)
            .finish_non_exhaustive()
    }
}

impl SentenceEncoder {
    /// Reads the folder of an encoder.
    ///
    /// # Errors
    /// If a file is missing, damaged or of another kind of model.
    pub fn open(folder: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let folder = folder.as_ref();
        let config: BertConfig = json(&folder.join("config.json"))?;
        config.check()?;
        let pooling: Option<PoolingFile> = optional(&folder.join("1_Pooling/config.json"))?;
        let lengths: Lengths = optional(&folder.join("sentence_bert_config.json"))?.unwrap_or_default();
        let file = folder.join("tokenizer.json");
        let bytes = read(&file)?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| of(&file, error))?;
        let most = config.max_position_embeddings;
        let max_length = lengths.max_seq_length.unwrap_or(most).min(most);
        let truncation = TruncationParams { max_length, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|error| of(&file, error))?.with_padding(None);
        let file = folder.join("model.safetensors");
        let weights = read(&file)?;
        let hash = blake3::hash(&weights).to_hex().to_string();
        let tensors = safetensors::load_buffer(&weights, device).map_err(|error| of(&file, error))?;
        // Whole models have the names of `BertModel` after `bert.`.
        let whole = tensors.keys().any(|name| name.starts_with("bert."));
        let vb = VarBuilder::from_tensors(tensors, DType::F32, device);
        let vb = if whole { vb.pp("bert") } else { vb };
        Ok(Self {
            tokenizer,
            bert: Bert::new(&config, &vb).map_err(|error| of(&file, error))?,
            pooling: pooling.map_or(Ok(Pooling::Mean), |file| file.pooling())?,
            size: config.hidden_size,
            hash,
            device: device.clone(),
            cache: Mutex::new(SentenceCache::new(config.hidden_size)),
        })
    }

    /// Keeps embeddings in a folder, in a file for each encoder, and reads those that are there: 100,000 at
    /// most, 150 MB of 384 numbers each. Otherwise they are kept in memory.
    ///
    /// # Errors
    /// If the file cannot be read or created.
    pub fn with_cache(mut self, folder: impl AsRef<Path>) -> Result<Self> {
        let file = folder.as_ref().join(format!("{}.embeddings", &self.hash[..16]));
        self.cache = Mutex::new(SentenceCache::open(self.size, &file).map_err(|error| of(&file, error))?);
        Ok(self)
    }

    /// The blake3 hash of the weights, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The embedding of a caption.
    fn compute(&self, caption: &str) -> Result<Vec<f32>> {
        let encoding = self
            .tokenizer
            .encode(caption, true)
            .map_err(|error| Error::Sentence(format!("a caption cannot be tokenized: {error}")))?;
        let states = self.bert.forward(encoding.get_ids())?; // (T, E)
        let pooled = match self.pooling {
            Pooling::First => states.get(0)?,
            Pooling::Max => states.max(0)?,
            Pooling::Mean => states.mean(0)?,
        };
        let length = pooled.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt();
        let scale = (self.size as f64).sqrt() / f64::from(length.max(1e-12));
        Ok(pooled.affine(scale, 0.0)?.to_vec1()?)
    }
}

impl TextEncoder for SentenceEncoder {
    fn encode(&self, captions: &[String]) -> Result<Tensor> {
        if captions.is_empty() {
            return Err(Error::NoCaptions);
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = Vec::with_capacity(captions.len() * self.size);
        for caption in captions {
            match cache.get(caption) {
                Some(embedding) => rows.extend_from_slice(embedding),
                None => {
                    let embedding = self.compute(caption)?;
                    rows.extend_from_slice(&embedding);
                    let kept = cache.insert(caption, embedding);
                    kept.map_err(|error| Error::Sentence(format!("the cache of embeddings: {error}")))?;
                }
            }
        }
        Ok(Tensor::from_vec(rows, (captions.len(), self.size), &self.device)?)
    }

    fn embedding_size(&self) -> usize {
        self.size
    }

    /// None: an unknown word is read in pieces.
    fn unknown_words(&self, _caption: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn reads_unknown_words(&self) -> bool {
        true
    }
}

fn of(file: &Path, error: impl std::fmt::Display) -> Error {
    Error::Sentence(format!("{}: {error}", file.display()))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| of(file, error))
}

fn json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    serde_json::from_slice(&read(file)?).map_err(|error| of(file, error))
}

/// A file that an encoder may lack.
fn optional<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    if file.exists() { json(file).map(Some) } else { Ok(None) }
}
