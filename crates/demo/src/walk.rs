//! Walks between two captions: `POST /api/v1/walk` for the frames, `GET /api/v1/walk.png` and `walk.gif` for the
//! animation.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use t2f_data::Image;
use t2f_pictures::animation::{there_and_back, to_apng};
use t2f_pictures::picture::to_png;
use t2f_pictures::provenance::Provenance;
use t2f_pictures::timelapse::Timelapse;
use t2f_train::model::Model;
use utoipa::{IntoParams, ToSchema};

use crate::caching::Tag;
use crate::extract::{JsonBody, QueryString};
use crate::problem::Problem;
use crate::refusals::{RefusalsOfBody, RefusalsOfQuery};
use crate::state::App;
use crate::values::{Caption, Frames, Guidance, Seed, Truncation, sampling};

/// The time of a frame in milliseconds.
const DELAY: u16 = 80;

/// A walk between two captions.
#[derive(Clone, Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WalkRequest {
    #[schema(inline)]
    #[param(inline)]
    from: Caption,
    #[schema(inline)]
    #[param(inline)]
    to: Caption,
    #[schema(inline)]
    #[param(inline)]
    seed: Seed,
    #[serde(default)]
    #[schema(inline, required = false)]
    #[param(inline, required = false)]
    frames: Frames,
    #[serde(default)]
    #[schema(inline, required = false)]
    #[param(inline, required = false)]
    truncation: Truncation,
    #[serde(default)]
    #[schema(inline, required = false)]
    #[param(inline, required = false)]
    guidance: Guidance,
}

/// The frames of a walk.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Walk {
    /// The PNG file of each frame in base64: from the face of the first caption to that of the second.
    frames: Vec<String>,
    /// The address of the animation, an APNG file that goes there and back.
    url: String,
}

/// The frames of a walk between two captions.
///
/// Each frame is generated from a mixture of the captions' embeddings and attribute codes, with the same noise.
#[utoipa::path(
    post,
    path = "/api/v1/walk",
    operation_id = "walk",
    request_body = WalkRequest,
    responses((status = 200, description = "The frames", body = Walk), RefusalsOfBody)
)]
pub(crate) async fn walk(
    State(app): State<App>,
    JsonBody(request): JsonBody<WalkRequest>,
) -> Result<Json<Walk>, Problem> {
    let url = request.url();
    let files = |_: &Model, images: Vec<Image>| {
        images
            .iter()
            .map(|image| Ok(base64::encode(to_png(image, None).map_err(Problem::internal)?)))
            .collect()
    };
    let frames: Vec<String> = request.run(&app, files).await?;
    Ok(Json(Walk { frames, url }))
}

/// The animation of a walk: an APNG file with its provenance, which goes there and back.
#[utoipa::path(
    get,
    path = "/api/v1/walk.png",
    operation_id = "getWalk",
    params(WalkRequest),
    responses(
        (status = 200, description = "The APNG file", content_type = "image/apng", body = Vec<u8>),
        (status = 304, description = "The client has the file"),
        RefusalsOfQuery
    )
)]
pub(crate) async fn walk_png(
    State(app): State<App>,
    headers: HeaderMap,
    QueryString(request): QueryString<WalkRequest>,
) -> Result<Response, Problem> {
    let encode =
        |images: &[Image], origin: &Provenance| to_apng(&there_and_back(images), DELAY, Some(origin));
    request.file(&app, &headers, "image/apng", encode).await
}

/// The animation of a walk as a GIF file, of at most 256 colours a frame, with its provenance as a comment.
#[utoipa::path(
    get,
    path = "/api/v1/walk.gif",
    operation_id = "getWalkGif",
    params(WalkRequest),
    responses(
        (status = 200, description = "The GIF file", content_type = "image/gif", body = Vec<u8>),
        (status = 304, description = "The client has the file"),
        RefusalsOfQuery
    )
)]
pub(crate) async fn walk_gif(
    State(app): State<App>,
    headers: HeaderMap,
    QueryString(request): QueryString<WalkRequest>,
) -> Result<Response, Problem> {
    let encode = |images: &[Image], origin: &Provenance| {
        let frames: Vec<Image> = there_and_back(images).into_iter().cloned().collect();
        let timelapse = Timelapse { delay: DELAY / 10, hold: DELAY / 10, max_frames: frames.len() };
        timelapse.to_gif(&frames, Some(origin))
    };
    request.file(&app, &headers, "image/gif", encode).await
}

impl WalkRequest {
    /// Generates the images on the worker and makes the result of them there.
    async fn run<T: Send + 'static>(
        self,
        app: &App,
        make: impl FnOnce(&Model, Vec<Image>) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        app.facts.check_caption("from", &self.from)?;
        app.facts.check_caption("to", &self.to)?;
        app.facts.check_guidance(self.guidance)?;
        let count = app.images.clone();
        let work = move |model: &Model, _: &dyn Fn() -> bool| {
            let stops = [&self.from, &self.to].map(|caption| (caption.as_str().to_owned(), self.seed.0));
            let last = (self.frames.0 - 1) as f64;
            let positions: Vec<f64> = (0..self.frames.0).map(|frame| frame as f64 / last).collect();
            let images = model.walk(&stops, &positions, sampling(self.truncation, self.guidance));
            let images = images.map_err(Problem::internal)?;
            count.add(images.len());
            make(model, images)
        };
        app.queue.run(work).await?
    }

    /// The answer with the animation in a form of file, `kind`.
    async fn file(
        self,
        app: &App,
        headers: &HeaderMap,
        kind: &'static str,
        encode: impl Fn(&[Image], &Provenance) -> t2f_pictures::Result<Vec<u8>> + Send + 'static,
    ) -> Result<Response, Problem> {
        let tag = Tag::of(&[app.facts.hash.as_bytes(), kind.as_bytes(), self.url().as_bytes()]);
        if tag.is_known(headers) {
            return Ok(tag.not_modified());
        }
        let of = self.clone();
        let file = move |model: &Model, images: Vec<Image>| {
            let prompt = format!("{} → {}", of.from.as_str(), of.to.as_str());
            let origin = Provenance::generated(model.hash(), &prompt, &of.seed.0.to_string())
                .sampled(of.truncation.0, of.guidance.0);
            encode(&images, &origin).map_err(Problem::internal)
        };
        Ok(tag.answer(kind, self.run(app, file).await?))
    }

    /// The address of the animation.
    fn url(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("from", self.from.as_str())
            .append_pair("to", self.to.as_str())
            .append_pair("seed", &self.seed.0.to_string())
            .append_pair("frames", &self.frames.0.to_string())
            .append_pair("truncation", &self.truncation.0.to_string())
            .append_pair("guidance", &self.guidance.0.to_string())
            .finish();
        format!("/api/v1/walk.png?{query}")
    }
}
