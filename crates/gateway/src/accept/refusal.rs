//! Why an event, or a request that should have carried one, is not taken.

use laneway_wire::cm::{Defect, ErrorBody, ParseError};

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $http_status:literal, $cm_error_code:literal;)+) => {
        /// The documented reasons of the events endpoint, `docs/events.md`. The list is closed; a word is never reused
        /// for something else.
        ///
        /// CM.com publishes its error codes for messages, and none for events
        /// (<https://developers.cm.com/messaging/docs/responses-errors-json>): which number goes with which reason is
        /// Laneway's choice, by the meaning that CM.com gives the number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)+
        }

        impl RefusalCode {
            /// Every reason, in the order of the document.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            const fn row(self) -> (&'static str, u16, u16) {
                match self {
                    $(Self::$name => ($word, $http_status, $cm_error_code),)+
                }
            }
        }
    };
}

refusal_codes! {
    /// No token in any of its places.
    TokenMissing = "token_missing", 400, 101;
    /// The token belongs to no account.
    TokenUnknown = "token_unknown", 400, 101;
    /// The token may not send events.
    ScopeMissing = "scope_missing", 400, 101;
    /// The body has nothing in it.
    EmptyBody = "empty_body", 400, 202;
    /// The body is not UTF-8, not JSON, or nested too deep.
    NotJson = "not_json", 400, 202;
    /// A field has the wrong type.
    WrongType = "wrong_type", 400, 202;
    /// A key is given twice.
    DoubledKey = "doubled_key", 400, 202;
    /// `from.number` is missing.
    FromMissing = "from_missing", 400, 301;
    /// `from.number` is not a number.
    FromNotANumber = "from_not_a_number", 400, 301;
    /// `from.number` is no number of this account.
    FromUnknown = "from_unknown", 400, 301;
    /// `to.number` is missing.
    ToMissing = "to_missing", 400, 302;
    /// `to.number` is neither a number nor a business-scoped user id.
    ToNotANumber = "to_not_a_number", 400, 303;
    /// `channel` is missing.
    ChannelMissing = "channel_missing", 400, 305;
    /// `channel` is not WhatsApp.
    UnknownChannel = "unknown_channel", 400, 305;
    /// `event.type` is missing.
    EventTypeMissing = "event_type_missing", 400, 305;
    /// `event.type` is not one of the known types.
    UnknownEventType = "unknown_event_type", 400, 305;
    /// A read mark or a typing indicator without the message it is about.
    MessageIdMissing = "message_id_missing", 400, 305;
    /// The message id cannot be one.
    MessageIdInvalid = "message_id_invalid", 400, 305;
    /// The click id cannot be one.
    ClickIdInvalid = "click_id_invalid", 400, 305;
    /// `ctwa_id` and `ctwa_clid` are both given and differ.
    ClickIdConflict = "click_id_conflict", 400, 305;
    /// A purchase or the like without a currency.
    CurrencyMissing = "currency_missing", 400, 305;
    /// The currency is no code of ISO 4217.
    UnknownCurrency = "unknown_currency", 400, 305;
    /// A purchase or the like without a value.
    ValueMissing = "value_missing", 400, 305;
    /// The value is not an amount.
    ValueInvalid = "value_invalid", 400, 305;
    /// The event time is no point in time.
    EventTimeInvalid = "event_time_invalid", 400, 305;
    /// The event id is empty, too long, or has a control character.
    EventIdInvalid = "event_id_invalid", 400, 305;
    /// The reference is too long or has a control character.
    ReferenceInvalid = "reference_invalid", 400, 305;
    /// The idempotency key is empty, too long, or has a control character.
    IdempotencyKeyInvalid = "idempotency_key_invalid", 400, 305;
    /// A query parameter that cannot be used.
    InvalidParameter = "invalid_parameter", 400, 305;
    /// No click id is given and none is known.
    ClickIdUnknown = "click_id_unknown", 400, 403;
    /// Conversions are closed to businesses of the account's country.
    CountryRestricted = "country_restricted", 400, 403;
    /// The business number has no data set that conversions could go to.
    NoDataset = "no_dataset", 400, 403;
    /// A business number is to block itself.
    SelfBlock = "self_block", 400, 403;
    /// The user has not written for longer than Meta lets anybody be blocked.
    WindowClosed = "window_closed", 400, 403;
    /// The event time lies in the future.
    EventTimeInFuture = "event_time_in_future", 400, 403;
    /// The event time is too long ago.
    EventTimeTooOld = "event_time_too_old", 400, 403;
    /// No such path.
    NotFound = "not_found", 404, 202;
    /// The path knows other methods.
    MethodNotAllowed = "method_not_allowed", 405, 202;
    /// The body did not arrive in time.
    BodyTooSlow = "body_too_slow", 408, 202;
    /// The idempotency key stands for another event.
    IdempotencyConflict = "idempotency_conflict", 409, 305;
    /// The body is larger than an event may be.
    BodyTooLarge = "body_too_large", 413, 202;
    /// The body is compressed.
    UnsupportedEncoding = "unsupported_encoding", 415, 202;
    /// The account sends faster than it may.
    RateLimited = "rate_limited", 429, 500;
    /// The business number has as many open events as it may have.
    NumberFull = "number_full", 429, 500;
    /// CM.com cannot be reached, so nothing was passed on.
    UpstreamUnreachable = "upstream_unreachable", 502, 500;
    /// A request was passed on to CM.com, and no answer came.
    UpstreamNoAnswer = "upstream_no_answer", 502, 500;
    /// The node has as many open events as it may have.
    NodeFull = "node_full", 503, 500;
    /// Meta has not told yet which numbers the account has.
    NumbersNotKnown = "numbers_not_known", 503, 500;
    /// The event cannot be stored now.
    NotDurable = "not_durable", 503, 500;
}

impl RefusalCode {
    /// The word that programs decide by.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status of the HTTP answer.
    pub const fn http_status(self) -> u16 {
        self.row().1
    }

    /// CM.com's number, `errorCode`.
    pub const fn cm_error_code(self) -> u16 {
        self.row().2
    }
}

/// Why an event is not taken. What is written here is what the client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the documented reasons; it fixes HTTP status and CM.com's error code.
    pub code: RefusalCode,
    /// The sentence in `details`.
    pub details: String,
    /// The path of the field, as in `event.custom.value`.
    pub field: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal that is about no field.
    pub fn new(code: RefusalCode, details: impl Into<String>) -> Self {
        Self { code, details: details.into(), field: None, hint: None }
    }

    /// A refusal because of one field: `problem` says what is wrong with it.
    pub fn of_field(code: RefusalCode, field: &str, problem: impl AsRef<str>) -> Self {
        let details = format!("{field}: {}", problem.as_ref());
        Self { code, details, field: Some(field.to_owned()), hint: None }
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The body of the answer.
    pub fn body(&self) -> ErrorBody<'_> {
        let (field, hint) = (self.field.as_deref(), self.hint.as_deref());
        ErrorBody::new(&self.details, self.code.cm_error_code(), self.code.as_str(), field, hint)
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        let details = error.to_string();
        let (code, field) = match error.defect {
            Defect::Empty => (RefusalCode::EmptyBody, None),
            Defect::Utf8 | Defect::Syntax { .. } | Defect::TooDeep => (RefusalCode::NotJson, None),
            Defect::WrongType { path, .. } => (RefusalCode::WrongType, Some(path.to_owned())),
            Defect::DoubledKey { path } => (RefusalCode::DoubledKey, Some(path)),
        };
        Self { code, details, field: field.filter(|path| !path.is_empty()), hint: None }
    }
}

/// The most characters of a client's text that a refusal repeats.
const QUOTED_CHARS_MAX: usize = 64;

/// A client's text as a refusal repeats it: quoted, and cut where it gets long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("\"{}…\"", text[..end].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}
