//! A page of this machine that submits events and may read what became of the request: the sandbox's, in `dev`. A browser
//! lets a page of another address send events in any case, but keeps the answer from it unless the answer says otherwise.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

/// The page that made a request, if it is the one on that port of this machine.
pub(super) fn reader(port: Option<u16>, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let is_known = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|host| port.is_some_and(|port| origin == format!("http://{host}:{port}").as_str()));
    is_known.then(|| origin.clone())
}

/// Lets that page read the answer.
pub(super) fn admit(page: Option<HeaderValue>, response: &mut Response) {
    if let Some(origin) = page {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_page_may_read_answers() {
        let found = |port, origin: &'static str| {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            reader(port, &headers).is_some()
        };
        for (port, origin, may) in [
            (Some(8090), "http://127.0.0.1:8090", true),
            (Some(8090), "http://localhost:8090", true),
            (Some(8090), "http://[::1]:8090", true),
            (Some(8090), "http://127.0.0.1:8091", false),
            (Some(8090), "https://127.0.0.1:8090", false),
            (Some(8090), "http://127.0.0.1:8090.example", false),
            (Some(8090), "http://example.com:8090", false),
            (Some(8090), "null", false),
            (None, "http://127.0.0.1:8090", false),
        ] {
            assert_eq!(found(port, origin), may, "{origin}");
        }
        assert_eq!(reader(Some(8090), &HeaderMap::new()), None);
        let mut response = Response::default();
        admit(None, &mut response);
        assert!(response.headers().is_empty());
    }
}
