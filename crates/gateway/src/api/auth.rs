//! Who is asking.

use http::{HeaderMap, header};

use crate::config::{Account, Config, Scopes};

/// CM.com's header for the product token (<https://developers.cm.com/messaging/docs/integration>, documented).
const PRODUCT_TOKEN: &str = "x-cm-producttoken";

/// The account behind a request, and what its token may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'c> {
    pub(super) account: &'c Account,
    pub(super) scopes: Scopes,
}

/// Nobody is asking, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// There is no token.
    Missing,
    /// The token is nobody's.
    Unknown,
}

/// The account that the token belongs to.
pub(super) fn caller<'c>(config: &'c Config, token: Option<&str>) -> Result<Caller<'c>, Stranger> {
    let token = token.unwrap_or_default();
    match config.accounts.find_token(token) {
        Some((account, scopes)) => Ok(Caller { account, scopes }),
        None if is_nothing(token) => Err(Stranger::Missing),
        None => Err(Stranger::Unknown),
    }
}

/// Whether there is no token in it: CM.com answers an empty token and the GUID of all zeros alike (observed).
fn is_nothing(token: &str) -> bool {
    token.bytes().all(|b| matches!(b, b'0' | b'-'))
}

/// The token in CM.com's header. Empty is none; what is not text is nobody's token.
pub(super) fn header_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(PRODUCT_TOKEN)?;
    Some(value.to_str().unwrap_or("\u{fffd}").trim()).filter(|token| !token.is_empty())
}

/// The token in CM.com's header, else in `Authorization: Bearer`.
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    header_token(headers).or_else(|| {
        let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
    })
}
