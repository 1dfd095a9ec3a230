//! Questions about a WhatsApp Business Account. They may be asked at any time and again.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Method, Request};
use laneway_model::{PhoneNumber, PhoneNumberId};
use laneway_wire::graph::client::{DatasetAnswer, Endpoint, GraphError, PhoneNumbersAnswer};

use super::classify::without;
use super::codes::{self, Class};
use super::{Client, Target, request};
use crate::Secret;

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
    /// Those of the first page, which is all for nearly every WABA.
    pub numbers: Vec<ListedNumber>,
    /// Whether that is all.
    pub is_whole: bool,
}

impl Client {
    /// The numbers of the target's WABA. Meta, "Business phone numbers" (documented).
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn numbers(&self, target: &Target) -> Result<ListedNumbers, Error> {
        let endpoint = Endpoint::PhoneNumbers(&target.waba_id);
        let body = self.ask(target, &target.access_token, endpoint).await?;
        let answer = PhoneNumbersAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), &target.access_token)?;
        let listed = answer.numbers.iter().filter_map(|entry| {
            let number = entry.display_phone_number.as_deref();
            let number = number.and_then(|text| PhoneNumber::parse(text).ok());
            Some(ListedNumber { id: PhoneNumberId::parse(&entry.id).ok()?, number })
        });
        Ok(ListedNumbers { numbers: listed.collect(), is_whole: answer.after.is_none() })
    }

    /// The ids of the data sets that the target's WABA has; none before the first one is made. Meta, "Conversions API for
    /// business messaging" (documented). Tokens that were made in Events Manager may not ask this (third-party).
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn datasets(&self, target: &Target, token: &Secret) -> Result<Vec<String>, Error> {
        let body = self.ask(target, token, Endpoint::Dataset(&target.waba_id)).await?;
        let answer = DatasetAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), token)?;
        Ok(answer.ids)
    }

    /// Makes the data set of the target's WABA, or is told the one that there is, so that it may be repeated. Meta, the
    /// same page (documented; that the answer is its id, too).
    ///
    /// # Errors
    /// [`Error`] when there is no answer to go by.
    pub async fn make_dataset(&self, target: &Target, token: &Secret) -> Result<Vec<String>, Error> {
        let body = self.call(target, token, Method::POST, Endpoint::Dataset(&target.waba_id)).await?;
        let answer = DatasetAnswer::read(&body.bytes).ok_or_else(no_graph)?;
        body.judge(answer.error.as_ref(), token)?;
        Ok(answer.ids)
    }

    async fn ask(&self, target: &Target, token: &Secret, endpoint: Endpoint<'_>) -> Result<Body, Error> {
        self.call(target, token, Method::GET, endpoint).await
    }

    async fn call(
        &self,
        target: &Target,
        token: &Secret,
        method: Method,
        endpoint: Endpoint<'_>,
    ) -> Result<Body, Error> {
        let refused = |error: request::Error| Error::Refused(error.to_string());
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = method;
        *request.uri_mut() = request::address(target, endpoint).map_err(refused)?;
        request.headers_mut().insert(AUTHORIZATION, request::bearer(token).map_err(refused)?);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("laneway"));
        let reply = self.http.call(request).await;
        let reply = reply.map_err(|error| Error::NoAnswer(super::classify::told(&error)))?;
        Ok(Body { status: reply.status, bytes: reply.body })
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

fn no_graph() -> Error {
    Error::NoAnswer("The answer is none of Meta's; something may stand in between.".to_owned())
}
