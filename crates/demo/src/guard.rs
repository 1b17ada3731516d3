//! Protection of the demo from other sites in the same browser.
//!
//! A site whose name resolves to 127.0.0.1 (DNS rebinding) sends its own name as `Host` and is refused; a page
//! of another site has another `Origin` and is refused. No answer allows another origin (no CORS), and the page
//! can neither load from another host nor be shown in a frame.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// The content security policy: scripts, styles, pictures and requests of this host alone, nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The headers of every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The names under which the demo is reached.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Arc<[String]>);

impl Hosts {
    /// The names of an address of this machine.
    pub fn of(address: SocketAddr) -> Self {
        let port = address.port();
        let names = ["127.0.0.1", "localhost", "[::1]"];
        let with_port = names.iter().map(|name| format!("{name}:{port}"));
        // Browsers leave out port 80.
        let without = names.iter().filter(|_| port == 80).map(ToString::to_string);
        Self(with_port.chain(without).collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|host| host.eq_ignore_ascii_case(name))
    }

    /// The problem of a request that is not for this demo or not from its page.
    fn refusal(&self, request: &Request) -> Option<Problem> {
        let wanted = || format!("use http://{}/", self.0[0]);
        let host = single(request.headers(), &HOST).flatten().filter(|host| self.has(host));
        let authority = request.uri().authority().is_none_or(|authority| self.has(authority.as_str()));
        if host.is_none() || !authority {
            let detail = format!("the header `Host` is not one of {}", self.0.join(", "));
            return Some(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail, wanted()));
        }
        let origin = single(request.headers(), &ORIGIN)?;
        let own = origin.and_then(|origin| origin.strip_prefix("http://")).is_some_and(|host| self.has(host));
        if own {
            return None;
        }
        let detail = "the header `Origin` is of another site; the demo answers its own page alone";
        Some(Problem::new(StatusCode::FORBIDDEN, detail, wanted()))
    }
}

/// The value of a header; `Some(None)` if it is not text or is there more than once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(first.to_str().ok().filter(|_| values.next().is_none()))
}

/// Refuses requests of other sites, and adds the headers of every answer.
pub(crate) async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let mut response = match hosts.refusal(&request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
