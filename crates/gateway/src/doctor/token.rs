//! What Meta tells of the tokens themselves: whether they work, for how long, and for what.

use std::time::Duration;

use laneway_channel::Secret;
use laneway_channel::meta::look_up::{Error, TokenState};
use laneway_model::{Timestamp, WabaId};

use super::{Answer, Examination, bad, good, unknown};
use crate::clock::{Clock as _, SystemClock};

/// How near a token's end is too near.
const ENDS_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What messages, read marks and blocks need: Meta, "Cloud API, get started" (documented).
const MESSAGING: &str = "whatsapp_business_messaging";
/// What conversions need: Meta, "Conversions API for business messaging" (documented).
const EVENTS: &str = "whatsapp_business_manage_events";

const ACCESS: &str = "token scopes and expiry";
const CONVERSIONS: &str = "conversions token";
const MAKE: &str = "make a token of a system user that never expires, with the scopes that are missing";
const ASSIGN: &str = "assign the WABA to the token's system user, and make the token anew";

impl Examination<'_> {
    /// A row for each token.
    pub(super) async fn tokens(&self) -> Vec<(&'static str, Answer)> {
        let waba = self.waba;
        let sends_conversions = waba.dataset_id.is_some() || waba.looks_up_dataset;
        let own = waba.conversions_token.as_ref();
        let access = if sends_conversions && own.is_none() { &[MESSAGING, EVENTS][..] } else { &[MESSAGING] };
        let tokens =
            [Some((ACCESS, &waba.access_token, access)), own.map(|own| (CONVERSIONS, own, &[EVENTS][..]))];
        let now = SystemClock::new().wall();
        let mut rows = Vec::new();
        for (question, token, needed) in tokens.into_iter().flatten() {
            rows.push((question, self.token(token, needed, now).await));
        }
        rows
    }

    async fn token(&self, token: &Secret, needed: &[&str], now: Timestamp) -> Answer {
        if !self.options.ask_token {
            return unknown(
                "Not asked: it would write the token into an address, which logs on the way may show. --ask-token asks; \
                 Meta's Access Token Debugger shows it, too.",
            );
        }
        let told = self.client.token_state(&self.account, token).await;
        // Whose token it is, every token may ask that works (seen in the field).
        if let (Err(Error::Refused(told)), Err(Error::Refused(_))) =
            (&told, self.client.app(&self.account, token).await)
        {
            return bad(format!("Meta refuses it every question: {told}"), MAKE);
        }
        judge(&told, needed, &self.waba.id, now)
    }
}

/// Whether a token does what is needed of it for this WABA, and will go on to.
pub(super) fn judge(
    told: &Result<TokenState, Error>,
    needed: &[&str],
    waba: &WabaId,
    now: Timestamp,
) -> Answer {
    let state = match told {
        Ok(state) => state,
        // A token may be refused questions about itself and still send messages.
        Err(Error::Refused(told) | Error::NoAnswer(told)) => return unknown(told),
    };
    if let Some(why) = &state.dead {
        return bad(format!("Meta says that it does not work: {why}"), MAKE);
    }
    let end = state.ends_at.map(written);
    let ends = end.map_or_else(|| "It never expires".to_owned(), |end| format!("It ends at {end}"));
    if state.ends_at.is_some_and(|end| end <= now.saturating_add(ENDS_SOON)) {
        return bad(format!("{ends}, which is over or less than 7 days away."), MAKE);
    }
    if state.scopes.is_empty() {
        return unknown(format!("{ends}; Meta does not say what it may do."));
    }
    let scopes = state.scopes.join(", ");
    let missing: Vec<_> =
        needed.iter().filter(|need| !state.scopes.iter().any(|scope| scope == *need)).collect();
    if let Some(missing) = missing.first() {
        return bad(format!("{ends}. It lacks {missing}; it has {scopes}."), MAKE);
    }
    let elsewhere = state.granted.iter().find(|(scope, targets)| {
        scope == MESSAGING && !targets.is_empty() && !targets.iter().any(|target| target == waba.as_str())
    });
    if needed.contains(&MESSAGING) && elsewhere.is_some() {
        return bad(format!("{ends}. It has {MESSAGING}, but not for this WABA."), ASSIGN);
    }
    good(format!("{ends}; it has {scopes}."))
}

/// An instant in RFC 3339, in UTC, to the second.
fn written(end: Timestamp) -> String {
    let seconds = i64::try_from(end.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}
