//! Addresses: where the node listens, and where the Graph API and CM.com are.

use std::net::{IpAddr, SocketAddr};

use http::Uri;

use super::super::Config;
use super::super::source::Table;
use super::{Reader, quoted};

/// What can stand in `graph_url`.
const GRAPH_URL_ALLOWED: &str = "an address such as \"https://graph.facebook.com\"";

impl Reader<'_> {
    /// The addresses to listen on, and whether they go together.
    pub(super) fn addresses(&mut self, root: &Table<'_>, config: &mut Config) {
        const ALLOWED: &str = "an IP address with a port, such as \"127.0.0.1:8080\"";
        let parse = |text: &str| text.parse::<SocketAddr>().ok();
        let listen = self.choice(root, "listen", ALLOWED, parse);
        let admin_listen = self.choice(root, "admin_listen", ALLOWED, parse);
        let is_bad = |key, found: Option<SocketAddr>| root.get(key).is_some() && found.is_none();
        let is_either_bad = is_bad("listen", listen) || is_bad("admin_listen", admin_listen);
        let (listen, admin) =
            (listen.unwrap_or(Config::LISTEN), admin_listen.unwrap_or(Config::ADMIN_LISTEN));
        (config.listen, config.admin_listen) = (listen, Some(admin));
        if !is_either_bad && collide(listen, admin) {
            let says = format!("{admin} and listen ({listen}) are in each other's way; choose another port");
            self.note(root.remark_at("admin_listen", says));
        }
        if !admin.ip().is_loopback() && root.get("admin_token").is_none() {
            let says =
                format!("{admin} can be reached from outside; set admin_token, or listen on 127.0.0.1");
            self.note(root.remark_at("admin_listen", says));
        }
    }

    /// Where a WABA's Graph API is. Plain http is taken, because a sandbox speaks nothing else, and warned of when it
    /// leaves this machine.
    pub(super) fn graph_url(&mut self, waba: &Table<'_>) -> Option<String> {
        self.service_url(waba, "graph_url", GRAPH_URL_ALLOWED, "Meta")
    }

    /// Where CM.com is.
    pub(super) fn cm_url(&mut self, upstream: &Table<'_>) -> Option<String> {
        const ALLOWED: &str = "an address such as \"https://gw.messaging.cm.com\"";
        self.service_url(upstream, "cm_url", ALLOWED, "CM.com")
    }

    fn service_url(
        &mut self,
        table: &Table<'_>,
        key: &'static str,
        allowed: &str,
        whose: &str,
    ) -> Option<String> {
        let ServiceUrl { url, is_in_clear } =
            self.parsed(table, key, allowed, |text| service_url(text, allowed))?;
        if is_in_clear {
            let says = format!(
                "the token travels in clear to {}; that is for a sandbox, {whose}'s address begins with https://",
                quoted(&url)
            );
            self.warnings.push(table.remark_at(key, says));
        }
        Some(url)
    }
}

/// The address of a service.
#[derive(Debug)]
struct ServiceUrl {
    url: String,
    /// Whether whoever is on the way to it can read the access token.
    is_in_clear: bool,
}

/// Whether only one of the two can be listened on. Port 0 stands for any free one.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let is_same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && is_same_ip
}

/// Reads the address of a service: scheme, host and port, nothing else. A slash at the end is dropped.
fn service_url(text: &str, allowed: &str) -> Result<ServiceUrl, String> {
    if text.contains('@') {
        // The address is not shown, because what stands before the @ may be a password.
        return Err(format!("contains an @, and so perhaps a password; write {allowed}"));
    }
    let refusal = |what: &str| format!("{} {what}; write {allowed}", quoted(text));
    let uri: Uri = text.parse().map_err(|_| refusal("is not an address"))?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refusal("is not an address"))?;
    let is_in_clear = match uri.scheme_str() {
        Some("https") => false,
        Some("http") => !is_loopback(host),
        Some(_) | None => return Err(refusal("is not http or https")),
    };
    if uri.path() != "/" || uri.query().is_some() || text.contains(['#', '?']) {
        return Err(refusal("goes on after the host and port"));
    }
    Ok(ServiceUrl { url: text.strip_suffix('/').unwrap_or(text).to_owned(), is_in_clear })
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        match (service_url(text, "another"), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.url, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text:?}: {found}"),
            (found, expected) => panic!("{text:?}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn service_urls() {
        check("https://graph.facebook.com", Ok("https://graph.facebook.com"));
        check("https://graph.facebook.com/", Ok("https://graph.facebook.com"));
        check("https://graph.facebook.com:8443", Ok("https://graph.facebook.com:8443"));
        check("http://127.0.0.1:8090", Ok("http://127.0.0.1:8090"));
        check("http://localhost:8090/", Ok("http://localhost:8090"));
        check("http://[::1]:8090", Ok("http://[::1]:8090"));
        check("http://sandbox:8090", Ok("http://sandbox:8090"));
        check("https://graph.facebook.com/v26.0", Err("goes on"));
        check("https://graph.facebook.com//", Err("goes on"));
        check("https://graph.facebook.com?x=1", Err("goes on"));
        check("https://graph.facebook.com/?", Err("goes on"));
        check("https://graph.facebook.com/#x", Err("goes on"));
        check("ftp://graph.facebook.com", Err("not http or https"));
        check("graph.facebook.com", Err("not http or https"));
        check("graph.facebook.com:443", Err("not http or https"));
        check("/v26.0", Err("is not an address"));
        check("https://", Err("is not an address"));
        check("https://:443", Err("is not an address"));
        check("", Err("is not an address"));
        check("https://gráph.facebook.com", Err("is not an address"));
    }

    #[test]
    fn what_can_be_read_on_the_way() {
        for (text, expected) in [
            ("https://graph.facebook.com", false),
            ("https://sandbox:8090", false),
            ("http://127.0.0.1:8090", false),
            ("http://127.9.9.9", false),
            ("http://localhost:8090", false),
            ("http://LOCALHOST", false),
            ("http://[::1]:8090", false),
            ("http://sandbox:8090", true),
            ("http://graph.facebook.com", true),
            ("HTTP://graph.facebook.com", true),
            ("http://10.0.0.1:8090", true),
            ("http://0.0.0.0:8090", true),
            ("http://localhost.example.com", true),
            ("http://[::2]:8090", true),
        ] {
            assert_eq!(service_url(text, "another").unwrap().is_in_clear, expected, "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        let says = service_url("https://user:hunter2@graph.facebook.com", "another").unwrap_err();
        assert!(!says.contains("hunter2"), "{says}");
    }

    #[test]
    fn addresses_in_each_others_way() {
        for (one, other, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", true),
            ("0.0.0.0:8080", "127.0.0.1:8080", true),
            ("127.0.0.1:8080", "[::]:8080", true),
            ("127.0.0.1:8080", "127.0.0.1:8081", false),
            ("127.0.0.1:8080", "127.0.0.2:8080", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            assert_eq!(collide(one.parse().unwrap(), other.parse().unwrap()), expected, "{one} {other}");
        }
    }
}
