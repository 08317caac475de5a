//! The files of the page, which are part of the program: nothing is built or fetched.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("../page/index.html")),
    ("/style.css", CSS, include_str!("../page/style.css")),
    ("/app.js", SCRIPT, include_str!("../page/app.js")),
    ("/dom.js", SCRIPT, include_str!("../page/dom.js")),
    ("/list.js", SCRIPT, include_str!("../page/list.js")),
    ("/detail.js", SCRIPT, include_str!("../page/detail.js")),
    ("/rollout.js", SCRIPT, include_str!("../page/rollout.js")),
    ("/icon.svg", SVG, include_str!("../page/icon.svg")),
];

/// A route for each file.
pub(super) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, (path, content_type, text)| {
        router.route(path, get(|| async { ([(CONTENT_TYPE, *content_type)], *text) }))
    })
}
