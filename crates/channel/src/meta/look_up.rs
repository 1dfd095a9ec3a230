//! Questions about a WhatsApp Business Account. They may be asked at any time and again.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Method, Request};
use laneway_model::{PhoneNumber, PhoneNumberId, Timestamp, WabaId};
use laneway_wire::graph::client::{
    AppAnswer, AppEntry, DatasetAnswer, Endpoint, GraphError, PhoneNumbersAnswer, SubscribedAppsAnswer,
    TokenAnswer, challenge_query,
};

use super::classify::without;
use super::codes::{self, Class};
use super::{Client, request};
use crate::Secret;

/// The most numbers that are asked for at once, and that Meta gives: github.com/facebook/openapi @ecba623
/// `business-messaging-api_v23.0.yaml`, line 25613 (documented).
const NUMBERS_PER_PAGE: u16 = 100;
/// The most pages of one reading: 10,000 numbers, far more than Meta lets a WABA have.
const NUMBER_PAGES_MAX: usize = 100;

/// Whom a question is about, and where it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The Graph API's address, as in [`super::Target`].
    pub graph_url: String,
    /// The version in the path, such as `v26.0`.
    pub version: String,
    /// The WhatsApp Business Account.
    pub waba_id: WabaId,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Meta refuses it until a person mends something: a token, a permission, an id.
    #[error("{0}")]
    Refused(String),
    /// No answer came, or one that says nothing; it may be another at another time.
    #[error("{0}")]
    NoAnswer(String),
}

/// A business number, as Meta lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedNumber {
    /// Meta's id of it.
    pub id: PhoneNumberId,
    /// The number, if it is in a form that can be read.
    pub number: Option<PhoneNumber>,
}

/// The numbers of a WABA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedNumbers {
    /// Them, in Meta's order.
    pub numbers: Vec<ListedNumber>,
    /// Whether that is all; the list is read up to a limit of 10,000.
    pub is_whole: bool,
}

/// A Meta app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub id: String,
    /// Its name, if it is told.
    pub name: Option<String>,
    /// Where a WABA's notifications go instead of the app's own callback, if anywhere.
    pub callback: Option<String>,
}

/// What Meta tells of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenState {
    /// Why it does not work, if it does not.
    pub dead: Option<String>,
    /// The app that it is of: id and name.
    pub app: Option<App>,
    /// When it, or the access to data that it gives, ends; `None` for never.
    pub ends_at: Option<Timestamp>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// For which objects it may do it; what is not here, it may do for all (inferred).
    pub granted: Vec<(String, Vec<String>)>,
}

impl Client {
    /// The numbers of a WABA, page after page. Meta, "Business phone numbers" (documented). A list that breaks off is no
    /// answer.
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn numbers(&self, account: &Account, token: &Secret) -> Result<ListedNumbers, Error> {
        let mut numbers = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..NUMBER_PAGES_MAX {
            let endpoint = Endpoint::PhoneNumbers {
                waba: &account.waba_id,
                limit: NUMBERS_PER_PAGE,
                after: after.as_deref(),
            };
            let body = self.ask(account, token, endpoint).await?;
            let page = PhoneNumbersAnswer::read(&body.bytes).ok_or_else(no_graph)?;
            body.judge(page.error.as_ref(), token)?;
            numbers.extend(page.numbers.iter().filter_map(|entry| {
                let number = entry.display_phone_number.as_deref().and_then(displayed);
                Some(ListedNumber { id: PhoneNumberId::parse(&entry.id).ok()?, number })
            }));
            // A cursor that does not move would lead round in circles.
            match page.after {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                Some(_) | None => return Ok(ListedNumbers { numbers, is_whole: true }),
            }
        }
        Ok(ListedNumbers { numbers, is_whole: false })
    }

    /// The ids of the data sets that a WABA has; none before the first one is made. Meta, "Conversions API for
    /// business messaging" (documented). Tokens that were made in Events Manager may not ask this (third-party).
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn datasets(&self, account: &Account, token: &Secret) -> Result<Vec<String>, Error> {
        let body = self.ask(account, token, Endpoint::Dataset(&account.waba_id)).await?;
        let answer = DatasetAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), token)?;
        Ok(answer.ids)
    }

    /// Makes the data set of a WABA, or is told the one that there is, so that it may be repeated. Meta, the
    /// same page (documented; that the answer is its id, too).
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn make_dataset(&self, account: &Account, token: &Secret) -> Result<Vec<String>, Error> {
        let body = self.call(account, token, Method::POST, Endpoint::Dataset(&account.waba_id)).await?;
        let answer = DatasetAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), token)?;
        Ok(answer.ids)
    }

    /// The apps that are subscribed to a WABA's webhooks. Meta, "Webhooks, subscribed apps" (documented).
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn subscribed_apps(&self, account: &Account, token: &Secret) -> Result<Vec<App>, Error> {
        let body = self.ask(account, token, Endpoint::SubscribedApps(&account.waba_id)).await?;
        let answer = SubscribedAppsAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), token)?;
        Ok(answer.apps.into_iter().map(App::of).collect())
    }

    /// The app that a token is of; it is asked without writing the token into an address (seen in the field).
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn app(&self, account: &Account, token: &Secret) -> Result<App, Error> {
        let body = self.ask(account, token, Endpoint::App).await?;
        let answer = AppAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), token)?;
        answer.app.map(App::of).ok_or_else(|| Error::NoAnswer("Meta's answer names no app.".to_owned()))
    }

    /// What there is to know of a token, asked with the token itself. Graph API reference, "Debug-Token" (documented; that
    /// a token may ask about itself is seen in the field). The token stands in the address, where the logs of whatever is
    /// between may show it: whoever calls this has been told.
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn token_state(&self, account: &Account, token: &Secret) -> Result<TokenState, Error> {
        let body = self.ask(account, token, Endpoint::DebugToken(token.expose())).await?;
        let answer = TokenAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), token)?;
        let is_valid = answer.is_valid.ok_or_else(|| {
            Error::NoAnswer("Meta's answer does not say whether the token works.".to_owned())
        })?;
        let words = answer.token_error.as_ref().map(|error| without(token, &error.words().join(" / ")));
        let ends = [answer.expires_at, answer.data_access_expires_at];
        let app = answer.app_id.map(|id| App { id, name: answer.application, callback: None });
        Ok(TokenState {
            dead: (!is_valid).then(|| words.unwrap_or_default()),
            app,
            ends_at: ends.into_iter().flatten().filter(|end| *end > 0).min().map(Timestamp::from_secs),
            scopes: answer.scopes,
            granted: answer.granted.into_iter().map(|granted| (granted.scope, granted.targets)).collect(),
        })
    }

    /// Asks a callback what Meta asks it when it is set up, and says whether it answers as Meta wants it. Meta, "Webhooks,
    /// verification requests" (documented).
    ///
    /// # Errors
    /// [`Error::Refused`] when it answers something else, [`Error::NoAnswer`] when it does not answer.
    pub async fn challenge(
        &self,
        callback: &str,
        verify_token: &Secret,
        challenge: &str,
    ) -> Result<(), Error> {
        let address = format!("{callback}?{}", challenge_query(challenge, verify_token.expose()));
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = address
            .parse()
            .map_err(|_| Error::Refused(format!("{callback} is no http or https address.")))?;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("laneway"));
        let reply = self.http.call(request).await;
        let reply = reply.map_err(|error| Error::NoAnswer(super::classify::told(&error)))?;
        match (reply.status.is_success(), reply.body == challenge.as_bytes()) {
            (true, true) => Ok(()),
            (true, false) => Err(Error::Refused("It answers, but not with the challenge.".to_owned())),
            (false, _) => Err(Error::Refused(format!("It answers {}.", reply.status.as_u16()))),
        }
    }

    async fn ask(&self, account: &Account, token: &Secret, endpoint: Endpoint<'_>) -> Result<Body, Error> {
        self.call(account, token, Method::GET, endpoint).await
    }

    async fn call(
        &self,
        account: &Account,
        token: &Secret,
        method: Method,
        endpoint: Endpoint<'_>,
    ) -> Result<Body, Error> {
        let refused = |error: request::Error| Error::Refused(error.to_string());
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() =
            request::address(&account.graph_url, &account.version, endpoint).map_err(refused)?;
        request.headers_mut().insert(AUTHORIZATION, request::bearer(token).map_err(refused)?);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("laneway"));
        let reply = self.http.call(request).await;
        let reply = reply.map_err(|error| Error::NoAnswer(super::classify::told(&error)))?;
        Ok(Body { status: reply.status, bytes: reply.body })
    }
}

impl App {
    fn of(entry: AppEntry) -> Self {
        Self { id: entry.id, name: entry.name, callback: entry.callback }
    }
}

/// The body of an answer.
struct Body {
    status: http::StatusCode,
    bytes: Bytes,
}

impl Body {
    /// Whether the answer is one, by its error or its status.
    fn judge(&self, error: Option<&GraphError>, token: &Secret) -> Result<(), Error> {
        let row = error.and_then(|error| codes::find(error.code?, error.subcode));
        if error.is_none() && self.status.is_success() {
            return Ok(());
        }
        let (class, meaning) = match row {
            Some(row) => (row.class, row.meaning),
            None => {
                let (class, _, meaning) = codes::by_status(self.status.as_u16());
                (class, meaning)
            }
        };
        let words = error.map(|error| error.words().join(" / ")).filter(|words| !words.is_empty());
        let told = words.map_or_else(
            || meaning.to_owned(),
            |words| format!("{meaning} Meta says: {}", without(token, &words)),
        );
        Err(match class {
            Class::Unauthorized | Class::Rejected => Error::Refused(told),
            Class::Transient | Class::Throttled(_) => Error::NoAnswer(told),
        })
    }
}

/// A number as Meta displays it, such as `+1 631-555-5555` (documented): country code first, and between the digits
/// whatever people of that country put there. With letters it is something else.
pub(super) fn displayed(text: &str) -> Option<PhoneNumber> {
    if text.chars().any(char::is_alphabetic) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    PhoneNumber::parse(&digits).ok()
}

fn no_graph() -> Error {
    Error::NoAnswer("The answer is none of Meta's; something may stand in between.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        for (text, expected) in [
            ("+1 631-555-5555", Some("+16315555555")),
            ("+31 6 12345678", Some("+31612345678")),
            ("+55 (11) 91234-5678", Some("+5511912345678")),
            ("+49 30/123.456", Some("+4930123456")),
            ("+33\u{a0}6\u{202f}12 34 56 78", Some("+33612345678")),
            ("15550783881", Some("+15550783881")),
            ("0031 6 12345678", Some("+31612345678")),
            ("06 12345678", None),
            ("+1 631-555-5555 ext. 5", None),
            ("N/A", None),
            ("+1", None),
            ("", None),
        ] {
            assert_eq!(displayed(text).map(|number| number.to_string()).as_deref(), expected, "{text:?}");
        }
    }
}
