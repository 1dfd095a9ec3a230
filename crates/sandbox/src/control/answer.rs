//! Control answers: JSON, and errors with a message and, where there is one, a hint.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::body::BodyError;
use crate::faults::FaultError;
use crate::state::StateError;
use crate::webhook::{RedeliverError, WebhookError};
use crate::world::{MoveError, TokenError, WriteError};

/// Why a control call failed: `{"error":{"message","hint"}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ControlError {
    status: StatusCode,
    message: String,
    hint: Option<String>,
}

impl ControlError {
    /// 400: the call itself is wrong.
    pub(crate) fn invalid(message: String) -> ControlError {
        ControlError { status: StatusCode::BAD_REQUEST, message, hint: None }
    }

    /// 404, with what there is instead.
    pub(crate) fn unknown(message: String, hint: String) -> ControlError {
        ControlError { status: StatusCode::NOT_FOUND, message, hint: Some(hint) }
    }

    /// 405, with the methods there are.
    pub(crate) fn method(message: String, hint: String) -> ControlError {
        ControlError { status: StatusCode::METHOD_NOT_ALLOWED, message, hint: Some(hint) }
    }

    /// 401: the control token is missing or wrong.
    pub(crate) fn unauthorized() -> ControlError {
        ControlError {
            status: StatusCode::UNAUTHORIZED,
            message: "this sandbox was started with a control token".to_owned(),
            hint: Some("send it as \"Authorization: Bearer …\" or ?control_token=…".to_owned()),
        }
    }

    /// 403: a page of another site stands behind the call.
    pub(crate) fn foreign(message: String) -> ControlError {
        ControlError {
            status: StatusCode::FORBIDDEN,
            message,
            hint: Some(
                "without a control token, only this machine may control the sandbox, under localhost or a loopback \
                 address"
                    .to_owned(),
            ),
        }
    }

    /// 503: as many pages listen as may.
    pub(crate) fn no_seat() -> ControlError {
        ControlError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "too many pages listen to this sandbox".to_owned(),
            hint: Some("close some of them".to_owned()),
        }
    }

    /// 400: the body is not the JSON it should be.
    pub(crate) fn json(error: serde_json::Error) -> ControlError {
        ControlError::invalid(format!("body: {error}"))
    }

    /// 400: the body is no state.
    pub(crate) fn state(error: &StateError) -> ControlError {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        ControlError::invalid(format!("this state cannot be imported: {error}{cause}"))
    }
}

impl From<WriteError> for ControlError {
    fn from(error: WriteError) -> ControlError {
        let status = match &error {
            WriteError::From | WriteError::To | WriteError::FromBusiness(_) | WriteError::Text => {
                StatusCode::BAD_REQUEST
            }
            WriteError::UnknownBusiness { .. } => StatusCode::NOT_FOUND,
            WriteError::Full => StatusCode::SERVICE_UNAVAILABLE,
        };
        ControlError { status, message: error.to_string(), hint: None }
    }
}

impl From<FaultError> for ControlError {
    fn from(error: FaultError) -> ControlError {
        let status = match &error {
            FaultError::Nothing
            | FaultError::TwoThings
            | FaultError::WithoutCode(_)
            | FaultError::Status
            | FaultError::Latency
            | FaultError::LieWithoutEffect
            | FaultError::Number
            | FaultError::TwoNumbers => StatusCode::BAD_REQUEST,
            FaultError::UnknownNumber { .. } | FaultError::UnknownToken => StatusCode::NOT_FOUND,
            FaultError::Full => StatusCode::SERVICE_UNAVAILABLE,
        };
        ControlError { status, message: error.to_string(), hint: None }
    }
}

impl From<TokenError> for ControlError {
    fn from(error: TokenError) -> ControlError {
        let status = match &error {
            TokenError::Unreadable(_) => StatusCode::BAD_REQUEST,
            TokenError::UnknownNumber { .. } | TokenError::UnknownToken => StatusCode::NOT_FOUND,
        };
        ControlError { status, message: error.to_string(), hint: None }
    }
}

impl From<WebhookError> for ControlError {
    fn from(error: WebhookError) -> ControlError {
        let status = match &error {
            WebhookError::Number
            | WebhookError::Url
            | WebhookError::Unreachable(_)
            | WebhookError::Status(_)
            | WebhookError::Echo => StatusCode::BAD_REQUEST,
            WebhookError::UnknownNumber { .. } => StatusCode::NOT_FOUND,
        };
        let hint = match &error {
            WebhookError::Unreachable(_) | WebhookError::Status(_) | WebhookError::Echo => Some(
                "Meta sends GET with hub.mode=subscribe, hub.challenge and hub.verify_token first; \
                 \"challenge\":false sets the webhook without it"
                    .to_owned(),
            ),
            WebhookError::Number | WebhookError::Url | WebhookError::UnknownNumber { .. } => None,
        };
        ControlError { status, message: error.to_string(), hint }
    }
}

impl From<RedeliverError> for ControlError {
    fn from(error: RedeliverError) -> ControlError {
        let status = match &error {
            RedeliverError::Unknown(_) => StatusCode::NOT_FOUND,
            RedeliverError::Dropped(_) | RedeliverError::NoWebhook(_) => StatusCode::CONFLICT,
        };
        ControlError { status, message: error.to_string(), hint: None }
    }
}

impl From<MoveError> for ControlError {
    fn from(error: MoveError) -> ControlError {
        let status = match &error {
            MoveError::Unreadable { .. } => StatusCode::BAD_REQUEST,
            MoveError::UnknownUser(_) => StatusCode::NOT_FOUND,
            MoveError::Taken(_) => StatusCode::CONFLICT,
        };
        ControlError { status, message: error.to_string(), hint: None }
    }
}

impl From<BodyError> for ControlError {
    fn from(error: BodyError) -> ControlError {
        let status = match error {
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        ControlError { status, message: error.to_string(), hint: None }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: Members<'a>,
        }
        #[derive(Serialize)]
        struct Members<'a> {
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
        }
        let members = Members { message: &self.message, hint: self.hint.as_deref() };
        let body = serde_json::to_vec(&Envelope { error: members }).expect("two texts are always JSON");
        let mut response = json_bytes(Bytes::from(body));
        *response.status_mut() = self.status;
        response
    }
}

/// 200 with a JSON body.
pub(super) fn json(value: &impl Serialize) -> Result<Response, ControlError> {
    let bytes = serde_json::to_vec(value).map_err(|error| ControlError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: format!("the answer cannot be written: {error}"),
        hint: None,
    })?;
    Ok(json_bytes(Bytes::from(bytes)))
}

/// 200 with bytes that are JSON already.
pub(super) fn json_bytes(bytes: Bytes) -> Response {
    let mut response = bytes.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
