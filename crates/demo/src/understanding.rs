//! What the model understands of captions: `POST /api/v1/understanding`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use t2f_data::attributes::{Claims, Schema};
use t2f_train::model::Model;
use t2f_train::understanding::{Content, Understanding, UnreadDenial, claims};
use utoipa::ToSchema;

use crate::extract::JsonBody;
use crate::problem::Problem;
use crate::refusals::RefusalsOfBody;
use crate::state::App;
use crate::values::{Captions, Guidance, Truncation, sampling};
use crate::words::{Piece, pieces};

/// The captions to understand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnderstandingRequest {
    #[schema(inline)]
    captions: Captions,
    #[serde(default)]
    #[schema(inline, required = false)]
    guidance: Guidance,
}

/// What the model understands of each caption.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Understandings {
    captions: Vec<Understood>,
}

/// What the model understands of a caption.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Understood {
    /// The caption in pieces: words, and what is between them. Together they are the caption.
    pieces: Vec<Piece>,
    /// What the caption says of each attribute; empty for a model without an attribute prior.
    attributes: Vec<Said>,
    /// The denials that the model does not read, so that the denied thing may be drawn.
    unread_denials: Vec<Denial>,
}

/// What a caption says of an attribute.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Said {
    attribute: String,
    /// The probability that the caption mentions the attribute.
    mentioned: f32,
    /// The values that the caption claims; empty if it claims nothing of the attribute.
    claimed: Vec<String>,
    /// Each value with the probability that the caption claims it.
    values: Vec<ValueProbability>,
}

/// A value with the probability that the caption claims it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueProbability {
    value: String,
    probability: f32,
}

/// A word that denies something and that the model does not read as a denial.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Denial {
    word: String,
    /// The word with the next one.
    phrase: String,
    /// Whether the vocabulary has the word.
    known: bool,
}

/// What the model understands of captions.
#[utoipa::path(
    post,
    path = "/api/v1/understanding",
    operation_id = "understandCaptions",
    request_body = UnderstandingRequest,
    responses((status = 200, description = "What is understood", body = Understandings), RefusalsOfBody)
)]
pub(crate) async fn understanding(
    State(app): State<App>,
    JsonBody(request): JsonBody<UnderstandingRequest>,
) -> Result<Json<Understandings>, Problem> {
    app.facts.check_guidance(request.guidance)?;
    let work = move |model: &Model, _: &dyn Fn() -> bool| {
        let captions: Vec<String> = request.captions.iter().map(|caption| caption.as_str().into()).collect();
        let all = model.understanding(&captions, sampling(Truncation::default(), request.guidance));
        let all = captions.iter().zip(all.map_err(Problem::internal)?);
        Ok(Understandings { captions: all.map(|(caption, of)| understood(model, caption, of)).collect() })
    };
    app.queue.run(work).await?.map(Json)
}

fn understood(model: &Model, caption: &str, of: Understanding) -> Understood {
    let claims = claims(&of.content);
    let attributes = of.content.iter().enumerate();
    let denial = |UnreadDenial { word, phrase, known }| Denial { word, phrase, known };
    Understood {
        pieces: pieces(model, caption, &of.read_as),
        attributes: attributes.map(|(at, content)| said(model.schema(), &claims, at, content)).collect(),
        unread_denials: of.unread_denials.into_iter().map(denial).collect(),
    }
}

fn said(schema: &Schema, claims: &Claims, attribute: usize, content: &Content) -> Said {
    let names = schema.values(attribute);
    let claimed = claims.about(attribute).map(|claim| claim.allowed.as_slice()).unwrap_or_default();
    let of_value = |(value, probability): (&String, &f32)| ValueProbability {
        value: value.clone(),
        probability: *probability,
    };
    Said {
        attribute: schema.name(attribute).to_owned(),
        mentioned: content.mentioned(),
        claimed: claimed.iter().map(|value| names[*value].clone()).collect(),
        values: names.iter().zip(&content.values).map(of_value).collect(),
    }
}
