//! The answer to a request that fails: problem details (RFC 9457) with what was wrong, where, and what to do.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// The content type of problem details.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Problem details: what was wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The name of the HTTP status.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong.
    detail: String,
    /// Where: the parameter of the request, such as `captions[0]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// What to do.
    hint: String,
}

impl Problem {
    /// A problem of a request as a whole.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { title, status: status.as_u16(), detail: detail.into(), parameter: None, hint: hint.into() }
    }

    /// A value that is not accepted; `.` is the request as a whole.
    pub(crate) fn of_value(parameter: &str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let parameter = (parameter != ".").then(|| parameter.to_owned());
        Self { parameter, ..Self::new(StatusCode::BAD_REQUEST, detail, hint) }
    }

    /// A failure of the program.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::warn!("a request failed: {cause}");
        let hint = "repeat the request; if it fails again, start `t2f demo` again";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the generation failed: {cause}"), hint)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
