//! What CM.com's error codes mean for an event: one row per code.
//!
//! CM.com publishes these numbers for messages, in its clients for PHP, .NET and Python
//! (<https://github.com/cmdotcom/text-sdk-php>, `TextClientStatusCodes.php`), and none for events, so that every row is
//! an inference from the meaning it has there. The rules are those of Meta's table: a refusal of an event needs proof that
//! the call must fail, and what a person can mend pauses what it covers and keeps the events. For a refused token, and for an
//! address that is wrong, that is everything sent to CM.com with the token, and nothing that goes to Meta.

use laneway_model::Scope::{self, Credential, Event, NumberFamily};

use crate::meta::codes::Confidence::{self, Documented, Field, Inferred};

/// How to go on after such an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// CM.com's own trouble, or the moment's.
    Transient,
    /// Too many calls.
    Throttled,
    /// Refused for good.
    Rejected,
    /// A person must mend something first.
    Unauthorized,
    /// It may or may not have had its effect.
    Unknown,
}

/// A row of the table of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// CM.com's number.
    pub code: u32,
    /// How to go on.
    pub class: Class,
    /// How far it reaches.
    pub scope: Scope,
    /// How well it is known that the number means this, for a message. For an event each is inferred.
    pub confidence: Confidence,
    /// What it means and what to do, in one sentence for a person.
    pub meaning: &'static str,
}

const fn row(code: u32, class: Class, scope: Scope, confidence: Confidence, meaning: &'static str) -> Row {
    Row { code, class, scope, confidence, meaning }
}

/// The row of a code.
pub fn find(code: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

/// Every code that is known, in the order of the numbers.
pub static TABLE: &[Row] = &[
    row(
        101,
        Class::Unauthorized,
        Credential,
        Documented,
        "CM.com does not know the product token; replace cm_token.",
    ),
    // The call works again when the account is topped up, so the events wait.
    row(102, Class::Unauthorized, Credential, Documented, "The account at CM.com has too little credit."),
    row(
        103,
        Class::Unauthorized,
        Credential,
        Documented,
        "CM.com calls the product token incorrect; replace cm_token.",
    ),
    row(201, Class::Rejected, Event, Documented, "CM.com found errors in the event."),
    row(202, Class::Rejected, Event, Documented, "CM.com calls the request malformed."),
    row(203, Class::Rejected, Event, Documented, "CM.com calls the list of messages incorrect."),
    row(301, Class::Rejected, Event, Documented, "CM.com does not take the business number."),
    row(302, Class::Rejected, Event, Documented, "CM.com does not take the recipient."),
    row(303, Class::Rejected, Event, Documented, "CM.com calls the recipient's number invalid."),
    row(304, Class::Rejected, Event, Documented, "CM.com does not take the body."),
    row(305, Class::Rejected, Event, Documented, "CM.com does not take one of the fields."),
    row(401, Class::Rejected, Event, Documented, "CM.com holds it for spam."),
    row(402, Class::Rejected, Event, Documented, "The recipient is on a blacklist at CM.com."),
    row(403, Class::Rejected, Event, Documented, "CM.com rejected it."),
    // The texts promise nothing about whether it was taken before the error came up, but a repetition of what was
    // answered with an error is what CM.com's own clients leave to their callers.
    row(500, Class::Transient, Event, Documented, "CM.com has an error of its own."),
    row(
        999,
        Class::Transient,
        Event,
        Documented,
        "CM.com has an unknown error, and asks to contact its support.",
    ),
];

/// What an answer without a known code means, by its HTTP status: class, scope, confidence and one sentence. Only 200 and
/// 400 are documented for CM.com's gateway; clients in the field try again after 429 and 5xx.
pub const fn by_status(status: u16) -> (Class, Scope, Confidence, &'static str) {
    match status {
        300..=399 => (
            Class::Unauthorized,
            Credential,
            Inferred,
            "The address answered with a redirect, which is not followed; check upstream.cm_url.",
        ),
        401 | 403 => (
            Class::Unauthorized,
            Credential,
            Inferred,
            "CM.com, or what stands before it, does not let this call in; check cm_token and the account's allowed addresses.",
        ),
        404 | 405 | 407 => (
            Class::Unauthorized,
            Credential,
            Inferred,
            "The address knows no such call; check upstream.cm_url.",
        ),
        408 | 425 => (Class::Transient, Event, Inferred, "The call came to nothing in time."),
        429 => (Class::Throttled, NumberFamily, Field, "Too many calls."),
        400..=499 => (
            Class::Rejected,
            Event,
            Inferred,
            "The call was refused for a reason that is not in the table of codes.",
        ),
        // A gateway in between lost the answer of what stands behind it (520 and 524 are Cloudflare's, before CM.com).
        502 | 504 | 520 | 524 => (
            Class::Unknown,
            Event,
            Inferred,
            "A gateway before CM.com had no answer from behind it; the event may or may not have been taken.",
        ),
        500..=599 => (Class::Transient, Event, Field, "CM.com, or something on the way to it, has trouble."),
        _ => (Class::Unknown, Event, Inferred, "The answer's status is none that HTTP knows."),
    }
}
