//! Requests from JSON bodies and from query strings. Everything that is wrong with them is a [`Problem`] that
//! names the parameter.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::limits::BODY_BYTES;
use crate::problem::Problem;
use crate::state::App;

/// The hint for a value of another form.
const SEE: &str = "GET /api/v1/openapi.json has the form of every request";

/// The value of a JSON body.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("the body has the content type {kind:?}, expected application/json"),
                "send the header `Content-Type: application/json`",
            ));
        }
        let body = Bytes::from_request(request, app);
        let body = tokio::time::timeout(app.limits.body_time, body).await.map_err(|_| {
            let detail = format!("the body did not arrive within {:?}", app.limits.body_time);
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail, "send the body at once")
        })?;
        from_json(&body.map_err(|rejection| unreadable(&rejection))?)
    }
}

/// The problem of a body that cannot be read.
fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body has more than {BODY_BYTES} bytes");
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail, "send fewer or shorter captions");
    }
    Problem::new(StatusCode::BAD_REQUEST, rejection.body_text(), "send the whole body")
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<JsonBody<T>, Problem> {
    // serde also takes a list for a structure, which the document does not name.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the body is a list, expected an object", SEE));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let parameter = error.path().to_string();
        let cause = error.into_inner();
        match cause.classify() {
            serde_json::error::Category::Data => Problem::of_value(&parameter, cause.to_string(), SEE),
            _ => not_json(&cause),
        }
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(JsonBody(value))
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"), SEE)
}

/// The value of a query string.
#[derive(Debug)]
pub(crate) struct QueryString<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for QueryString<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Problem> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let value = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs));
        let value = value.map_err(|error| {
            let parameter = error.path().to_string();
            Problem::of_value(&parameter, error.into_inner().to_string(), SEE)
        })?;
        Ok(Self(value))
    }
}
