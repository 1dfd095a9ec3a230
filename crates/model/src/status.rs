//! Where an event stands.

use std::fmt;

/// Where an event stands. The numbers are stored; they are never renumbered or reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// Durable, not yet tried.
    Accepted = 1,
    /// A call for it is under way.
    Sending = 2,
    /// Tried without success; it will be tried again.
    Retrying = 3,
    /// Meta said yes.
    Confirmed = 10,
    /// CM.com took it.
    Relayed = 11,
    /// A later event made it pointless.
    Superseded = 12,
    /// It can no longer work.
    Expired = 13,
    /// Refused for good: a dead letter.
    Failed = 14,
    /// Sent, the answer was lost, and the policy says hold.
    InDoubt = 15,
    /// An operator gave it up.
    Discarded = 16,
}

impl Status {
    /// Every status, in the order of the numbers.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Sending,
        Self::Retrying,
        Self::Confirmed,
        Self::Relayed,
        Self::Superseded,
        Self::Expired,
        Self::Failed,
        Self::InDoubt,
        Self::Discarded,
    ];

    /// Whether more may happen to the event by itself.
    pub const fn is_open(self) -> bool {
        (self as u8) < Self::Confirmed as u8
    }

    /// The number that is stored.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The status behind a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// The word users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sending => "sending",
            Self::Retrying => "retrying",
            Self::Confirmed => "confirmed",
            Self::Relayed => "relayed",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
            Self::Discarded => "discarded",
        }
    }

    /// The status behind the word users see.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an open event waits for, when it is not simply its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// A token that works.
    Credential,
    /// The end of a throttle.
    Throttle,
    /// An earlier event of the same lane.
    Lane,
    /// A click id that has not been seen yet.
    ClickId,
    /// A person's decision.
    Operator,
}

impl WaitingFor {
    /// The word users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Throttle => "throttle",
            Self::Lane => "lane",
            Self::ClickId => "click_id",
            Self::Operator => "operator",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_lead_back() {
        for status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(status));
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        let open: Vec<_> = Status::ALL.into_iter().filter(|s| s.is_open()).collect();
        assert_eq!(open, [Status::Accepted, Status::Sending, Status::Retrying]);
        assert_eq!((Status::from_code(0), Status::parse("delivered")), (None, None));
    }
}
