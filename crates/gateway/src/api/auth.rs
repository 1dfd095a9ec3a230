//! Who is asking.

use http::{HeaderMap, header};

use super::problem::{Problem, ProblemCode};
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

/// The caller's account, if its token may read.
pub(super) fn reader<'c>(config: &'c Config, headers: &HeaderMap) -> Result<&'c Account, Problem> {
    admitted(config, headers, Scopes::READ, "read")
}

/// The caller's account, if its token has the scope.
pub(super) fn admitted<'c>(
    config: &'c Config,
    headers: &HeaderMap,
    scope: Scopes,
    word: &str,
) -> Result<&'c Account, Problem> {
    let caller = caller(config, bearer_token(headers)).map_err(|stranger| match stranger {
        Stranger::Missing => Problem::new(ProblemCode::TokenMissing, "a token is needed")
            .hint("send it as X-CM-PRODUCTTOKEN, or as Authorization: Bearer"),
        Stranger::Unknown => Problem::new(ProblemCode::TokenUnknown, "the token belongs to no account"),
    })?;
    if !caller.scopes.contain(scope) {
        let message = format!("the token does not have the scope {word:?}");
        let hint = format!("add {word:?} to the token's scopes in the configuration, or use another token");
        return Err(Problem::new(ProblemCode::ScopeMissing, message).hint(hint));
    }
    Ok(caller.account)
}
