//! The page at `/`: what this is, which numbers there are, what can be called. Static HTML, no script, nothing from
//! elsewhere.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State as Shares;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};

use crate::control::{ENDPOINTS, graph_usage};
use crate::shared::Shared;
use crate::world::NumberInfo;

/// Nothing but the page's own style may be loaded.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/// How many numbers the page shows.
const NUMBERS_SHOWN_MAX: usize = 50;

/// Answers `GET /`.
pub(crate) async fn page(Shares(shared): Shares<Arc<Shared>>) -> Response {
    let numbers = shared.inner().world.numbers();
    let mut response = Html(html(&numbers)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn html(numbers: &[NumberInfo]) -> String {
    let mut rows = String::new();
    for info in numbers.iter().take(NUMBERS_SHOWN_MAX) {
        row(&mut rows, &[&info.number, &info.phone_number_id, &info.waba_id, &info.dataset_id]);
    }
    let mut more = String::new();
    if numbers.len() > NUMBERS_SHOWN_MAX {
        more = format!("<p>… and {} more.</p>", numbers.len() - NUMBERS_SHOWN_MAX);
    }
    let mut graph = String::new();
    for usage in graph_usage() {
        line(&mut graph, &format!("<li><code>{}</code></li>", escaped(usage)));
    }
    let mut control = String::new();
    for (path, methods, what) in ENDPOINTS {
        line(&mut control, &format!("<dt><code>{methods} {path}</code></dt><dd>{}</dd>", coded(what)));
    }
    include_str!("page.html")
        .replace("{numbers}", rows.trim_end())
        .replace("{more}", &more)
        .replace("{graph}", graph.trim_end())
        .replace("{control}", control.trim_end())
}

fn row(rows: &mut String, cells: &[&str]) {
    const LABELS: [&str; 4] = ["Number", "Phone number id", "WABA id", "Data set id"];
    let mut cells_html = String::new();
    for (label, cell) in LABELS.iter().zip(cells) {
        write!(cells_html, "<td data-label=\"{label}\">{}</td>", escaped(cell))
            .expect("writing to a string cannot fail");
    }
    line(rows, &format!("<tr>{cells_html}</tr>"));
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

    fn number(number: &str) -> NumberInfo {
        NumberInfo {
            number: number.to_owned(),
            phone_number_id: "106".to_owned(),
            waba_id: "102".to_owned(),
            dataset_id: "9".to_owned(),
            access_token: "EAAtoken".to_owned(),
            app_secret: "0123456789".to_owned(),
        }
    }

    #[test]
    fn everything_is_on_the_page_and_nothing_is_loaded() {
        let html = html(&[number("+316098765432")]);
        for wanted in [
            "+316098765432",
            "/{phone_number_id}/messages",
            "/sandbox/clock",
            "<code>{&quot;advance&quot;:&quot;25h&quot;}</code>",
        ] {
            assert!(html.contains(wanted), "{wanted}");
        }
        for unwanted in
            ["<script", "http://", "https://", "url(", "EAAtoken", "0123456789", "{numbers}", "{more}"]
        {
            assert!(!html.contains(unwanted), "{unwanted}");
        }
    }

    #[test]
    fn a_long_list_is_cut_short() {
        let numbers = vec![number("+316098765432"); NUMBERS_SHOWN_MAX + 3];
        assert!(html(&numbers).contains("… and 3 more."));
    }
}
