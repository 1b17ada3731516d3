//! Entity tags (RFC 9110, §8.8.3): a client that has an answer already is told so, before any generation.
//!
//! An answer depends on its request and the model alone, so that its tag is the hash of these.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// An entity tag, with its quotation marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// The tag of a content, or of everything that a content depends on.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(format!("\"{}\"", &hasher.finalize().to_hex()[..32]))
    }

    /// Whether the client has the content.
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        let given = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = given.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.0)
    }

    /// The answer to a client that has the content.
    pub fn not_modified(self) -> Response {
        (StatusCode::NOT_MODIFIED, [(ETAG, self.0), (CACHE_CONTROL, "no-cache".into())]).into_response()
    }

    /// The answer with the content.
    pub fn answer(self, kind: &'static str, content: impl Into<Body>) -> Response {
        let headers = [(ETAG, self.0), (CACHE_CONTROL, "no-cache".into()), (CONTENT_TYPE, kind.into())];
        (headers, content.into()).into_response()
    }
}
