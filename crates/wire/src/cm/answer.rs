//! What the events endpoint answers.
//!
//! CM.com documents no answer of `/v1.0/event`, and none is on public record. The form is that of its message endpoint
//! (`details`, `errorCode`, `messages`, in this order; `messages` never null, because CM.com's own .NET client cannot
//! take that): <https://developers.cm.com/messaging/docs/responses-errors-json>, documented there. `event` and `error`
//! are Laneway's additions for programs; clients of CM.com's API ignore keys that they do not know.

use laneway_model::EventId;
use serde::Serialize;

/// The answer to an event that is taken, or that would be.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    details: &'static str,
    #[serde(rename = "errorCode")]
    error_code: u16,
    messages: [(); 0],
    event: ReceivedEvent,
}

#[derive(Clone, Debug, Serialize)]
struct ReceivedEvent {
    id: Option<String>,
    status: &'static str,
}

impl Receipt {
    /// The event is durable under this id. A repetition of it is answered with the same.
    pub fn accepted(id: EventId) -> Self {
        Self {
            details: "Created 1 event(s)",
            error_code: 0,
            messages: [],
            event: ReceivedEvent { id: Some(id.to_string()), status: "accepted" },
        }
    }

    /// The event passed every check of a dry run; nothing was stored.
    pub const fn valid() -> Self {
        Self {
            details: "Checked 1 event(s), nothing stored",
            error_code: 0,
            messages: [],
            event: ReceivedEvent { id: None, status: "valid" },
        }
    }
}

/// The answer to a request that is refused.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorBody<'a> {
    details: &'a str,
    #[serde(rename = "errorCode")]
    error_code: u16,
    messages: [(); 0],
    error: ErrorObject<'a>,
}

/// The part of it that programs read.
#[derive(Clone, Debug, Serialize)]
struct ErrorObject<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl<'a> ErrorBody<'a> {
    /// An error in CM.com's words (`details` and its number) and in Laneway's (`code` from the documented list, the path
    /// of the field, what to do); `field` and `hint` are left out when there is none.
    pub const fn new(
        details: &'a str,
        error_code: u16,
        code: &'a str,
        field: Option<&'a str>,
        hint: Option<&'a str>,
    ) -> Self {
        Self { details, error_code, messages: [], error: ErrorObject { code, field, hint } }
    }
}

#[cfg(test)]
mod tests {
    use laneway_model::Timestamp;

    use super::*;

    #[track_caller]
    fn check(body: &impl Serialize, expected: &str) {
        assert_eq!(serde_json::to_string(body).unwrap(), expected);
    }

    #[test]
    fn bodies_key_for_key() {
        let id = EventId::new(Timestamp::from_millis(0), 0, 1);
        check(
            &Receipt::accepted(id),
            r#"{"details":"Created 1 event(s)","errorCode":0,"messages":[],"event":{"id":"ev_00000000000000000000000001","status":"accepted"}}"#,
        );
        check(
            &Receipt::valid(),
            r#"{"details":"Checked 1 event(s), nothing stored","errorCode":0,"messages":[],"event":{"id":null,"status":"valid"}}"#,
        );
        check(
            &ErrorBody::new("no", 305, "unknown_event_type", Some("event.type"), Some("write it right")),
            r#"{"details":"no","errorCode":305,"messages":[],"error":{"code":"unknown_event_type","field":"event.type","hint":"write it right"}}"#,
        );
        check(
            &ErrorBody::new("No authentication method found.", 101, "token_missing", None, None),
            r#"{"details":"No authentication method found.","errorCode":101,"messages":[],"error":{"code":"token_missing"}}"#,
        );
    }
}
