//! Errors of Laneway's own API, and what its document says of those that many resources share.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use super::{Api, RETRY_AFTER, answer};

/// Why a request to `/api` was not answered as asked. The words are part of the API: they are added to, never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProblemCode {
    /// A query parameter that this resource does not know.
    UnknownParameter,
    /// A query parameter whose value cannot be used.
    InvalidParameter,
    /// The body is not what this resource takes.
    InvalidBody,
    /// No token was given.
    TokenMissing,
    /// The token belongs to no account.
    TokenUnknown,
    /// The token does not have the scope that the resource needs.
    ScopeMissing,
    /// No such path, or no such event of this account.
    NotFound,
    /// The signature, or the secret in the path, is missing or not one of those that are known.
    SignatureInvalid,
    /// The verify token is not the app's.
    VerifyTokenInvalid,
    /// The path does not know the method; `Allow` lists those it knows.
    MethodNotAllowed,
    /// What is asked for cannot be done with the event as it stands.
    WrongStatus,
    /// The body did not arrive in time, or not to its end.
    BodyTooSlow,
    /// The body is larger than it may be.
    BodyTooLarge,
    /// The body is compressed.
    UnsupportedEncoding,
    /// Meta did not answer, or not with what was asked for.
    MetaFailed,
    /// The account sends faster than it may.
    RateLimited,
    /// The event is stored in a form that this version cannot read.
    Unreadable,
    /// The store cannot answer now.
    Unavailable,
}

impl ProblemCode {
    const fn status(self) -> StatusCode {
        match self {
            Self::UnknownParameter | Self::InvalidParameter | Self::InvalidBody => StatusCode::BAD_REQUEST,
            Self::TokenMissing | Self::TokenUnknown => StatusCode::UNAUTHORIZED,
            Self::ScopeMissing => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::SignatureInvalid => StatusCode::UNAUTHORIZED,
            Self::VerifyTokenInvalid => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::WrongStatus => StatusCode::CONFLICT,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::MetaFailed => StatusCode::BAD_GATEWAY,
            Self::Unreadable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The body of every error under `/api`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
#[serde(deny_unknown_fields)]
pub(super) struct ProblemBody {
    error: Problem,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProblemDetail)]
#[serde(deny_unknown_fields)]
pub(super) struct Problem {
    /// For programs.
    code: ProblemCode,
    /// For people.
    message: String,
    /// The parameter it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    pub(super) fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, hint: None, retry_after: None }
    }

    /// About this parameter.
    pub(super) fn of(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    /// With advice.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// With the time after which it is worth trying again.
    pub(super) fn retry_after(self, delay: Duration) -> Self {
        Self { retry_after: Some(delay), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (code, status, retry_after) = (self.code, self.code.status(), self.retry_after);
        let mut response = answer::json(status, &ProblemBody { error: self });
        if status == StatusCode::UNAUTHORIZED && code != ProblemCode::SignatureInvalid {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(delay) = retry_after {
            answer::set_retry_after(&mut response, delay);
        }
        response
    }
}

/// What the journal could not do.
pub(super) fn unavailable(api: &Api, error: &laneway_journal::Error) -> Problem {
    api.journal_failed(error);
    match error {
        // Asking again would not help; the log says which file it is and what to do.
        laneway_journal::Error::Damaged { .. } => {
            Problem::new(ProblemCode::Unreadable, "what is stored there is damaged")
                .hint("the gateway's log says what to do")
        }
        laneway_journal::Error::Full
        | laneway_journal::Error::Busy
        | laneway_journal::Error::Fenced
        | laneway_journal::Error::NotOpen { .. }
        | laneway_journal::Error::Closed
        | laneway_journal::Error::Sqlite { .. } => {
            Problem::new(ProblemCode::Unavailable, "the store cannot answer now").retry_after(RETRY_AFTER)
        }
    }
}

/// The refusals of a resource whose token needs the scope `read`: one word among its `responses`.
pub(super) enum ReaderRefused {}

/// The same for `operate`.
pub(super) enum OperatorRefused {}

/// The same for `erase`.
pub(super) enum EraserRefused {}

type Responses = BTreeMap<String, RefOr<utoipa::openapi::Response>>;

impl IntoResponses for ReaderRefused {
    fn responses() -> Responses {
        refused_without("read")
    }
}

impl IntoResponses for OperatorRefused {
    fn responses() -> Responses {
        refused_without("operate")
    }
}

impl IntoResponses for EraserRefused {
    fn responses() -> Responses {
        refused_without("erase")
    }
}

fn refused_without(scope: &str) -> Responses {
    let refusals = [
        (StatusCode::BAD_REQUEST, "A parameter cannot be used".to_owned()),
        (StatusCode::UNAUTHORIZED, "The token is missing or unknown".to_owned()),
        (StatusCode::FORBIDDEN, format!("The token lacks the scope `{scope}`")),
    ];
    let body = || ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    let responses = refusals.into_iter().map(|(status, description)| {
        let response = ResponseBuilder::new().description(description).content("application/json", body());
        (status.as_str().to_owned(), RefOr::T(response.build()))
    });
    responses.collect()
}
