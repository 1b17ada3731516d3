//! Facts of the model, for `GET /api/v1/model`, and the checks of requests that depend on them.

use serde::Serialize;
use t2f_train::model::Model;
use utoipa::ToSchema;

use crate::limits;
use crate::problem::Problem;
use crate::values::{Caption, Guidance};

/// Captions to try. A model offers those of which it knows every word.
const EXAMPLES: [&str; 8] = [
    "a bald man with a beard and round glasses",
    "a young woman with long red hair and freckles",
    "an old man with white hair, a moustache and a suit",
    "a smiling woman with curly black hair and hoop earrings",
    "a woman with a blond bob and red lips",
    "a man with a cap and sunglasses",
    "a person with dark skin and short grey hair",
    "a smiling man with glasses",
];

/// Facts of the model.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Facts {
    /// Where the model is from: `shipped model` or its path.
    pub name: String,
    /// The blake3 hash of the model file, in hexadecimal.
    pub hash: String,
    /// The side of the images in pixels.
    pub resolution: usize,
    /// The attributes of the training data with their values; empty for data without attributes.
    pub attributes: Vec<AttributeFacts>,
    /// The number of words in the vocabulary.
    pub words: usize,
    /// The maximum number of words of a caption that are read.
    pub caption_words: usize,
    /// Whether unknown words are read by their letters; otherwise they are ignored.
    pub reads_unknown_words: bool,
    /// Whether the model has an attribute prior, and so claims and sampled attributes.
    pub has_prior: bool,
    /// Whether the model accepts the empty caption, and guidance scales other than 1.
    pub has_empty_caption: bool,
    /// The provenance of the model.
    pub provenance: ProvenanceFacts,
    /// Captions to try, of which the model knows every word.
    pub examples: Vec<String>,
    /// Limits of requests.
    pub limits: LimitFacts,
}

/// An attribute of the training data.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AttributeFacts {
    /// Its name.
    pub name: String,
    /// The names of its values.
    pub values: Vec<String>,
}

/// The provenance of a model.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProvenanceFacts {
    /// The version of the program of the training.
    pub version: String,
    /// The fingerprint of the training data.
    pub data: String,
    /// Thousands of images shown in training.
    pub kimg: f64,
}

/// Limits of requests.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct LimitFacts {
    /// The maximum number of characters of a caption.
    pub caption_characters: usize,
    /// The maximum number of captions of a request.
    pub captions: usize,
    /// The maximum number of seeds of a request.
    pub seeds: usize,
    /// The largest seed.
    pub largest_seed: u64,
    /// The largest guidance scale.
    pub largest_guidance: f64,
    /// The maximum number of frames of a walk.
    pub frames: u64,
}

impl Facts {
    /// The facts of a model with a name.
    pub fn of(model: &Model, name: &str) -> Self {
        let schema = model.schema();
        let attribute = |at: usize| AttributeFacts {
            name: schema.name(at).to_owned(),
            values: schema.values(at).to_vec(),
        };
        let provenance = model.provenance();
        let known = |example: &&str| model.words_known() > 0 && model.unknown_words(example).is_empty();
        Self {
            name: name.to_owned(),
            hash: model.hash().to_owned(),
            resolution: model.resolution(),
            attributes: (0..schema.len()).map(attribute).collect(),
            words: model.words_known(),
            caption_words: model.config().text.max_length(),
            reads_unknown_words: model.reads_unknown_words(),
            has_prior: model.has_prior(),
            has_empty_caption: model.has_empty_caption(),
            provenance: ProvenanceFacts {
                version: provenance.version.clone(),
                data: provenance.data.clone(),
                kimg: provenance.kimg,
            },
            examples: EXAMPLES.iter().filter(|example| known(example)).map(ToString::to_string).collect(),
            limits: LimitFacts {
                caption_characters: limits::CAPTION_CHARACTERS,
                captions: limits::CAPTIONS,
                seeds: limits::SEEDS,
                largest_seed: limits::LARGEST_SEED,
                largest_guidance: limits::LARGEST_GUIDANCE,
                frames: *limits::FRAMES.end(),
            },
        }
    }

    /// Checks a caption, the value of `parameter`.
    ///
    /// # Errors
    /// If it is empty and the model was trained without the empty caption.
    pub fn check_caption(&self, parameter: &str, caption: &Caption) -> Result<(), Problem> {
        if self.has_empty_caption || !caption.as_str().trim().is_empty() {
            return Ok(());
        }
        let detail = "the caption is empty, and the model was trained without caption dropout";
        Err(Problem::of_value(parameter, detail, "describe a face"))
    }

    /// Checks a guidance scale.
    ///
    /// # Errors
    /// If it is not 1 and the model was trained without the empty caption.
    pub fn check_guidance(&self, Guidance(scale): Guidance) -> Result<(), Problem> {
        if self.has_empty_caption || scale == 1.0 {
            return Ok(());
        }
        let detail = format!("the guidance scale {scale}, and the model was trained without caption dropout");
        Err(Problem::of_value("guidance", detail, "leave it out, or give 1"))
    }
}
