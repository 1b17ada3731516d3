//! The files of the page, embedded in the program.

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;

use crate::caching::Tag;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Each file of the page: its path, its content type and its content.
const FILES: [(&str, &str, &str); 11] = [
    ("/", HTML, include_str!("../page/index.html")),
    ("/page/style.css", CSS, include_str!("../page/style.css")),
    ("/page/icon.svg", SVG, include_str!("../page/icon.svg")),
    ("/page/main.js", SCRIPT, include_str!("../page/main.js")),
    ("/page/state.js", SCRIPT, include_str!("../page/state.js")),
    ("/page/api.js", SCRIPT, include_str!("../page/api.js")),
    ("/page/dom.js", SCRIPT, include_str!("../page/dom.js")),
    ("/page/reading.js", SCRIPT, include_str!("../page/reading.js")),
    ("/page/faces.js", SCRIPT, include_str!("../page/faces.js")),
    ("/page/compare.js", SCRIPT, include_str!("../page/compare.js")),
    ("/page/walk.js", SCRIPT, include_str!("../page/walk.js")),
];

/// The routes of the page.
pub(crate) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        let tag = Tag::of(&[content.as_bytes()]);
        let answer = move |headers: HeaderMap| async move {
            if tag.is_known(&headers) { tag.not_modified() } else { tag.answer(kind, content) }
        };
        router.route(path, get(answer))
    })
}
