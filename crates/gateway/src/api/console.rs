//! The console at `/console`: events as they happen, one event's attempts, dead letters, and what is paused.
//!
//! Hand-written files, embedded as they are. They hold no data, so they need no token; the page asks the API for data,
//! with the token that its reader gives it.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing;
use http::{HeaderValue, StatusCode, header};

use super::{Api, answer};
use crate::telemetry::Route;

/// The page loads its own files, talks to its own address, and is shown in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// The page's files: path, type, text.
const FILES: [(&str, &str, &str); 6] = [
    ("/console", "text/html; charset=utf-8", include_str!("console/index.html")),
    ("/console/console.css", "text/css; charset=utf-8", include_str!("console/console.css")),
    ("/console/console.js", "text/javascript; charset=utf-8", include_str!("console/console.js")),
    ("/console/dom.js", "text/javascript; charset=utf-8", include_str!("console/dom.js")),
    ("/console/pauses.js", "text/javascript; charset=utf-8", include_str!("console/pauses.js")),
    ("/console/source.js", "text/javascript; charset=utf-8", include_str!("console/source.js")),
];

/// The page and its files.
pub(super) fn routes() -> Router<Arc<Api>> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        let get = move |State(api): State<Arc<Api>>| async move { file(&api, kind, text) };
        router.route(path, routing::get(get))
    })
}

fn file(api: &Api, kind: &'static str, text: &'static str) -> Response {
    let mut response = answer::raw(StatusCode::OK, kind, text);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // The files change with the binary only, but under the same names.
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    api.answered(Route::Console, response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_is_missing() {
        for (path, _, text) in FILES {
            for unwanted in ["https://", "url(", "@import", "innerHTML", "<style", " style="] {
                assert!(!text.contains(unwanted), "{path}: {unwanted}");
            }
            let is_loaded = FILES.iter().any(|(_, _, other)| {
                let name = path.rsplit('/').next().unwrap_or_default();
                other.contains(&format!("\"{path}\"")) || other.contains(&format!("'./{name}'"))
            });
            assert!(is_loaded || path == "/console", "nothing loads {path}");
        }
    }
}
