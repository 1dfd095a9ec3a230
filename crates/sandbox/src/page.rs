//! The page at `/`: the customer's phone, the business's inbox, and what stands behind both.
//!
//! Hand-written files, embedded as they are. They hold nothing of the world, so everybody may have them; the page asks for
//! the world through the control surface, with the control token where there is one.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shares;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};

use crate::control::{ENDPOINTS, graph_usage};
use crate::shared::Shared;
use crate::world::AD;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// A file of the page: its path, its type, its text.
type Asset = (&'static str, &'static str, &'static str);

/// Everything that the page loads.
const ASSETS: [Asset; 17] = [
    ("/page/base.css", CSS, include_str!("page/base.css")),
    ("/page/chat.css", CSS, include_str!("page/chat.css")),
    ("/page/behind.css", CSS, include_str!("page/behind.css")),
    ("/page/app.js", JS, include_str!("page/app.js")),
    ("/page/api.js", JS, include_str!("page/api.js")),
    ("/page/dom.js", JS, include_str!("page/dom.js")),
    ("/page/icons.js", JS, include_str!("page/icons.js")),
    ("/page/words.js", JS, include_str!("page/words.js")),
    ("/page/chat.js", JS, include_str!("page/chat.js")),
    ("/page/home.js", JS, include_str!("page/home.js")),
    ("/page/phone.js", JS, include_str!("page/phone.js")),
    ("/page/inbox.js", JS, include_str!("page/inbox.js")),
    ("/page/calls.js", JS, include_str!("page/calls.js")),
    ("/page/ledger.js", JS, include_str!("page/ledger.js")),
    ("/page/behind.js", JS, include_str!("page/behind.js")),
    ("/page/clock.js", JS, include_str!("page/clock.js")),
    ("/page/recipes.js", JS, include_str!("page/recipes.js")),
];

/// The page and its files.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    let page = Router::new().route("/", get(page));
    ASSETS.into_iter().fold(page, |router, (path, kind, text)| {
        router.route(path, get(async move || dressed(text, kind, None)))
    })
}

async fn page(Shares(shared): Shares<Arc<Shared>>) -> Response {
    dressed(html(), HTML, shared.gateway.get().map(String::as_str))
}

/// The file with headers that let the page load its own files and nothing else, and talk to the sandbox and, where it is
/// known, to the gateway.
fn dressed(text: impl IntoResponse, kind: &'static str, gateway: Option<&str>) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // The files change with the binary only, but under the same names.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = HeaderValue::try_from(policy(gateway)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy(gateway: Option<&str>) -> String {
    let gateway = gateway.map(|gateway| format!(" {gateway}")).unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{gateway}; \
         form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
}

fn html() -> String {
    let mut graph = String::new();
    for usage in graph_usage() {
        line(&mut graph, &format!("<li><code>{}</code></li>", escaped(usage)));
    }
    let mut control = String::new();
    for (path, methods, what) in ENDPOINTS {
        line(&mut control, &format!("<dt><code>{methods} {path}</code></dt><dd>{}</dd>", coded(what)));
    }
    include_str!("page/index.html")
        .replace("{ad_headline}", &escaped(AD.headline))
        .replace("{ad_body}", &escaped(AD.body))
        .replace("{ad_source}", &escaped(AD.source_url.trim_start_matches("https://")))
        .replace("{graph}", graph.trim_end())
        .replace("{control}", control.trim_end())
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// Escaped, with what stands between backticks set as code.
fn coded(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let set = |(index, part)| match (index % 2, escaped(part)) {
        (0, part) => part,
        (_, part) => format!("<code>{part}</code>"),
    };
    parts.map(set).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_called_is_on_the_page() {
        let html = html();
        for wanted in [
            "/{phone_number_id}/messages",
            "/sandbox/clock",
            "<code>{&quot;advance&quot;:&quot;25h&quot;}</code>",
            AD.headline,
        ] {
            assert!(html.contains(wanted), "{wanted}");
        }
        for unwanted in ["{graph}", "{control}", "{ad_", "<style", "style=", "onclick"] {
            assert!(!html.contains(unwanted), "{unwanted}");
        }
    }

    /// The paths that a file names as its own.
    fn paths(text: &str) -> impl Iterator<Item = String> {
        text.split(['"', '\'']).filter_map(|part| {
            let path = part.strip_prefix("./").map(|name| format!("/page/{name}"));
            path.or_else(|| part.starts_with("/page/").then(|| part.to_owned()))
        })
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_is_missing() {
        let html = html();
        let files = ASSETS.iter().map(|(path, _, text)| (*path, *text)).chain([("/", html.as_str())]);
        let mut named: Vec<String> = Vec::new();
        for (path, text) in files {
            for unwanted in ["https://", " url(", ":url(", "@import", "eval(", "innerHTML"] {
                assert!(!text.contains(unwanted), "{path}: {unwanted}");
            }
            named.extend(paths(text));
        }
        for (path, ..) in ASSETS {
            assert!(named.iter().any(|named| named == path), "nothing loads {path}");
        }
        for path in named {
            assert!(ASSETS.iter().any(|(known, ..)| *known == path), "{path} is loaded but not there");
        }
    }

    #[test]
    fn the_gateway_may_be_talked_to_where_it_is_known() {
        assert!(policy(None).contains("connect-src 'self';"));
        assert!(policy(Some("http://127.0.0.1:8080")).contains("connect-src 'self' http://127.0.0.1:8080;"));
    }
}
