//! What became of one try to deliver an event.

use crate::Timestamp;

/// Where an event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Route {
    /// Meta's Graph API.
    Meta = 1,
    /// CM.com's events endpoint.
    Cm = 2,
}

/// Why a call did not do what it should, and how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Nothing left this machine, so there is no doubt: it can be sent again.
    NotSent,
    /// It was sent, and no answer came: it may or may not have had its effect.
    Unknown,
    /// Too many calls. No more before the instant, if the service named one.
    Throttled {
        /// When the service says that calls work again.
        until: Option<Timestamp>,
    },
    /// The service's own trouble; the same call may work later.
    Transient,
    /// Refused for good: the same call would be refused again.
    Rejected,
    /// The call was refused because of one of its events, and the answer does not say of which: each may be fine, and
    /// only smaller calls can tell. A call with one event is never refused like this.
    RefusedTogether,
    /// It was answered, and the answer leaves open whether it counts; to send it again could count it twice.
    Doubtful,
    /// The credential is dead or lacks a permission; the call works once a person has mended that.
    Unauthorized,
}

/// How far a failure reaches. A pause or a throttle acts on this and on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// This event alone.
    Event,
    /// The calls of one family of one business number; for conversions that is the number's data set.
    NumberFamily,
    /// Everything of one business number.
    Number,
    /// Everything of one WhatsApp Business Account.
    Waba,
    /// Everything that uses the same token.
    Credential,
    /// Everything of the Meta app.
    App,
}

/// What became of one member of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Meta said yes.
    Confirmed,
    /// CM.com took it.
    Relayed,
    /// It did not work.
    Failed(Failure),
}

/// A failure of one member of a call, as the service told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How to go on.
    pub class: FailureClass,
    /// How far it reaches.
    pub scope: Scope,
    /// The service's error code.
    pub code: Option<u32>,
    /// The service's subcode; Meta's conversion errors can only be told apart by it.
    pub subcode: Option<u32>,
    /// One sentence for a person: what it means, then the service's own words. Never a token, never a body.
    pub detail: String,
}

/// The answer to one call: what it was as a whole, and what became of each member, in the order they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The service's id for the call (`fbtrace_id`), for support.
    pub trace_id: Option<String>,
    /// One per member.
    pub outcomes: Vec<Outcome>,
}

impl Answer {
    /// An answer that tells the same of all `members` members.
    pub fn uniform(
        http_status: Option<u16>,
        trace_id: Option<String>,
        outcome: &Outcome,
        members: usize,
    ) -> Self {
        Self { http_status, trace_id, outcomes: vec![outcome.clone(); members] }
    }
}

/// The outcome of an attempt in one word. The numbers are stored; they are never renumbered or reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AttemptOutcome {
    /// See [`Outcome::Confirmed`].
    Confirmed = 1,
    /// See [`Outcome::Relayed`].
    Relayed = 2,
    /// See [`FailureClass::NotSent`].
    NotSent = 3,
    /// See [`FailureClass::Unknown`].
    Unknown = 4,
    /// See [`FailureClass::Throttled`].
    Throttled = 5,
    /// See [`FailureClass::Transient`].
    Transient = 6,
    /// See [`FailureClass::Rejected`].
    Rejected = 7,
    /// See [`FailureClass::Unauthorized`].
    Unauthorized = 8,
    /// See [`FailureClass::RefusedTogether`].
    RefusedTogether = 9,
    /// See [`FailureClass::Doubtful`].
    Doubtful = 10,
}

impl AttemptOutcome {
    const ALL: [Self; 10] = [
        Self::Confirmed,
        Self::Relayed,
        Self::NotSent,
        Self::Unknown,
        Self::Throttled,
        Self::Transient,
        Self::Rejected,
        Self::Unauthorized,
        Self::RefusedTogether,
        Self::Doubtful,
    ];

    /// The number that is stored.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The outcome behind a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// The word users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Relayed => "relayed",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Rejected => "rejected",
            Self::Unauthorized => "unauthorized",
            Self::RefusedTogether => "refused_together",
            Self::Doubtful => "doubtful",
        }
    }
}

impl From<&Outcome> for AttemptOutcome {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Confirmed => Self::Confirmed,
            Outcome::Relayed => Self::Relayed,
            Outcome::Failed(failure) => match failure.class {
                FailureClass::NotSent => Self::NotSent,
                FailureClass::Unknown => Self::Unknown,
                FailureClass::Throttled { .. } => Self::Throttled,
                FailureClass::Transient => Self::Transient,
                FailureClass::Rejected => Self::Rejected,
                FailureClass::Unauthorized => Self::Unauthorized,
                FailureClass::RefusedTogether => Self::RefusedTogether,
                FailureClass::Doubtful => Self::Doubtful,
            },
        }
    }
}

impl Scope {
    /// Every scope, narrowest first.
    pub const ALL: [Self; 6] =
        [Self::Event, Self::NumberFamily, Self::Number, Self::Waba, Self::Credential, Self::App];

    /// The word users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::NumberFamily => "number_family",
            Self::Number => "number",
            Self::Waba => "waba",
            Self::Credential => "credential",
            Self::App => "app",
        }
    }
}

impl Route {
    /// The number that is stored.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The route behind a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Meta, Self::Cm].into_iter().find(|route| route.code() == code)
    }

    /// The word users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Cm => "cm",
        }
    }
}

/// One try to deliver an event, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub n: u32,
    /// When the call began.
    pub started_at: Timestamp,
    /// When it ended; none if the process ended first.
    pub finished_at: Option<Timestamp>,
    /// Where it was sent.
    pub route: Route,
    /// How many events shared the call.
    pub group_size: u32,
    /// What came of it for this event; none if the process ended before the answer.
    pub outcome: Option<AttemptOutcome>,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The service's error code.
    pub code: Option<u32>,
    /// The service's subcode.
    pub subcode: Option<u32>,
    /// The service's id for the call.
    pub trace_id: Option<String>,
    /// One sentence for a person.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_numbers_lead_back() {
        for outcome in AttemptOutcome::ALL {
            assert_eq!(AttemptOutcome::from_code(outcome.code()), Some(outcome));
        }
        for route in [Route::Meta, Route::Cm] {
            assert_eq!(Route::from_code(route.code()), Some(route));
        }
        assert_eq!((AttemptOutcome::from_code(0), Route::from_code(0)), (None, None));
    }
}
