//! Faces: `POST /api/v1/faces` for the faces of captions and seeds, `GET /api/v1/face.png` for one file.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use t2f_data::attributes::{Claim, Schema};
use t2f_pictures::picture::to_png;
use t2f_pictures::provenance::Provenance;
use t2f_train::model::Model;
use t2f_train::pipeline::Sampling;
use t2f_train::understanding::Generated;
use utoipa::{IntoParams, ToSchema};

use crate::caching::Tag;
use crate::extract::{JsonBody, QueryString};
use crate::problem::Problem;
use crate::refusals::{RefusalsOfBody, RefusalsOfQuery};
use crate::state::App;
use crate::values::{Caption, Captions, Guidance, Seed, Seeds, Truncation, sampling};

/// Faces that are generated at once. Between two batches a request can be cancelled.
const BATCH: usize = 8;

/// The faces to generate: each caption with each seed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FacesRequest {
    #[schema(inline)]
    captions: Captions,
    #[schema(inline)]
    seeds: Seeds,
    #[serde(default)]
    #[schema(inline, required = false)]
    truncation: Truncation,
    #[serde(default)]
    #[schema(inline, required = false)]
    guidance: Guidance,
}

/// Generated faces, caption by caption, in the order of the seeds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Faces {
    faces: Vec<Face>,
}

/// A generated face.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Face {
    caption: String,
    seed: u64,
    /// The PNG file with its provenance, in base64.
    png: String,
    /// The address of the same file.
    url: String,
    /// The sampled attributes by name; empty for a model without an attribute prior.
    attributes: BTreeMap<String, String>,
    /// The attributes that contradict the caption as understood.
    contradictions: Vec<Contradiction>,
}

/// An attribute of a face that contradicts its caption as understood.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Contradiction {
    attribute: String,
    /// The values that the caption allows, as understood.
    understood: Vec<String>,
}

/// One face.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FaceQuery {
    #[param(inline)]
    caption: Caption,
    #[param(inline)]
    seed: Seed,
    #[serde(default)]
    #[param(inline, required = false)]
    truncation: Truncation,
    #[serde(default)]
    #[param(inline, required = false)]
    guidance: Guidance,
}

/// Generate faces: each caption with each seed.
///
/// The same request to the same model has the same answer.
#[utoipa::path(
    post,
    path = "/api/v1/faces",
    operation_id = "generateFaces",
    request_body = FacesRequest,
    responses((status = 200, description = "The faces", body = Faces), RefusalsOfBody)
)]
pub(crate) async fn faces(
    State(app): State<App>,
    JsonBody(request): JsonBody<FacesRequest>,
) -> Result<Json<Faces>, Problem> {
    for (at, caption) in request.captions.iter().enumerate() {
        app.facts.check_caption(&format!("captions[{at}]"), caption)?;
    }
    app.facts.check_guidance(request.guidance)?;
    let images = app.images.clone();
    let work = move |model: &Model, cancelled: &dyn Fn() -> bool| {
        let sampling = sampling(request.truncation, request.guidance);
        let pairs: Vec<(String, u64)> = request
            .captions
            .iter()
            .flat_map(|caption| request.seeds.iter().map(|seed| (caption.as_str().to_owned(), seed.0)))
            .collect();
        let mut faces = Vec::with_capacity(pairs.len());
        for pairs in pairs.chunks(BATCH) {
            if cancelled() {
                break;
            }
            let (captions, seeds): (Vec<String>, Vec<u64>) = pairs.iter().cloned().unzip();
            let generated =
                model.generate_explained(&captions, &seeds, sampling).map_err(Problem::internal)?;
            images.add(generated.len());
            for ((caption, seed), of) in pairs.iter().zip(generated) {
                faces.push(face(model, caption, *seed, sampling, &of)?);
            }
        }
        Ok(Faces { faces })
    };
    app.queue.run(work).await?.map(Json)
}

/// The PNG file of one face, with its provenance.
///
/// The bytes are those that `t2f generate` writes.
#[utoipa::path(
    get,
    path = "/api/v1/face.png",
    operation_id = "getFace",
    params(FaceQuery),
    responses(
        (status = 200, description = "The PNG file", content_type = "image/png", body = Vec<u8>),
        (status = 304, description = "The client has the file"),
        RefusalsOfQuery
    )
)]
pub(crate) async fn face_png(
    State(app): State<App>,
    headers: HeaderMap,
    QueryString(query): QueryString<FaceQuery>,
) -> Result<Response, Problem> {
    app.facts.check_caption("caption", &query.caption)?;
    app.facts.check_guidance(query.guidance)?;
    let caption = query.caption.as_str().to_owned();
    let sampling = sampling(query.truncation, query.guidance);
    let address = url(&caption, query.seed.0, sampling);
    let tag = Tag::of(&[app.facts.hash.as_bytes(), address.as_bytes()]);
    if tag.is_known(&headers) {
        return Ok(tag.not_modified());
    }
    let images = app.images.clone();
    let work = move |model: &Model, _: &dyn Fn() -> bool| {
        let seed = query.seed.0;
        let drawn = model.generate(std::slice::from_ref(&caption), &[seed], sampling);
        images.add(1);
        let origin = origin(model, &caption, seed, sampling);
        let image = drawn.map_err(Problem::internal)?.pop();
        let image = image.ok_or_else(|| Problem::internal("no image was generated"))?;
        to_png(&image, Some(&origin)).map_err(Problem::internal)
    };
    Ok(tag.answer("image/png", app.queue.run(work).await??))
}

fn face(
    model: &Model,
    caption: &str,
    seed: u64,
    sampling: Sampling,
    of: &Generated,
) -> Result<Face, Problem> {
    let schema = model.schema();
    let png = to_png(&of.image, Some(&origin(model, caption, seed, sampling))).map_err(Problem::internal)?;
    let contradiction = |claim: &Claim| Contradiction {
        attribute: schema.name(claim.attribute).to_owned(),
        understood: allowed(schema, claim),
    };
    Ok(Face {
        caption: caption.to_owned(),
        seed,
        png: base64::encode(png),
        url: url(caption, seed, sampling),
        attributes: of.attributes.to_names(schema).map_err(Problem::internal)?,
        contradictions: of.contradictions().iter().map(contradiction).collect(),
    })
}

/// The names of the values that a claim allows.
fn allowed(schema: &Schema, claim: &Claim) -> Vec<String> {
    claim.allowed.iter().map(|value| schema.values(claim.attribute)[*value].clone()).collect()
}

/// The provenance of a face, as `t2f generate` writes it.
fn origin(model: &Model, caption: &str, seed: u64, sampling: Sampling) -> Provenance {
    Provenance::generated(model.hash(), caption, &seed.to_string())
        .sampled(sampling.truncation, sampling.guidance_scale)
}

/// The address of a face.
fn url(caption: &str, seed: u64, sampling: Sampling) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("caption", caption)
        .append_pair("seed", &seed.to_string())
        .append_pair("truncation", &sampling.truncation.to_string())
        .append_pair("guidance", &sampling.guidance_scale.to_string())
        .finish();
    format!("/api/v1/face.png?{query}")
}
