//! The refusals of the API, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::problem::{PROBLEM_JSON, Problem};

/// Refusals of every request.
const ALL: [(&str, &str); 4] = [
    ("403", "The request is from a page of another site"),
    ("421", "The header `Host` is not an address of the demo"),
    ("500", "The generation failed"),
    ("503", "Too many requests or connections; `Retry-After` has the seconds to wait"),
];
/// Refusals of requests with parameters.
const OF_VALUES: [(&str, &str); 1] = [("400", "A value is missing, unknown or not accepted")];
/// Refusals of requests with a body.
const OF_BODY: [(&str, &str); 3] = [
    ("408", "The body did not arrive in time"),
    ("413", "The body is too large"),
    ("415", "The body is not `application/json`"),
];

/// The refusals of a request without parameters.
pub(crate) struct Refusals;
/// The refusals of a request with a query string.
pub(crate) struct RefusalsOfQuery;
/// The refusals of a request with a body.
pub(crate) struct RefusalsOfBody;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[&ALL])
    }
}

impl IntoResponses for RefusalsOfQuery {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[&ALL, &OF_VALUES])
    }
}

impl IntoResponses for RefusalsOfBody {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(&[&ALL, &OF_VALUES, &OF_BODY])
    }
}

fn responses(lists: &[&[(&str, &str)]]) -> BTreeMap<String, RefOr<Response>> {
    let problem = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let response = |(status, description): &(&str, &str)| {
        let response =
            ResponseBuilder::new().description(*description).content(PROBLEM_JSON, content.clone());
        ((*status).to_owned(), response.build().into())
    };
    lists.iter().copied().flatten().map(response).collect()
}
