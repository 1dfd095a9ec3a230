//! How the kinds of a queue are treated.

use std::collections::BTreeMap;
use std::time::Duration;

use laneway_model::{EventKind, Family};

/// Events of one number and one class share a call: the same endpoint, the same verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class(u8);

impl Class {
    /// How many classes a queue can have.
    pub const COUNT: usize = 5;

    /// The class's place in tables.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How one kind is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindPolicy {
    /// What it shares calls with.
    pub class: Class,
    /// What it shares an endpoint, a permission and a credential with.
    pub family: Family,
    /// Whether events of one person keep their order.
    pub ordered: bool,
    /// Which earlier events one of this kind makes pointless.
    pub supersedes: Supersedes,
    /// The most events in one call.
    pub group_max: usize,
    /// Whether the journal must know of a call before its bytes leave, because a repetition counts twice.
    pub begin: bool,
    /// What to do when a call's answer was lost.
    pub lost_answer: LostAnswer,
}

/// Which earlier events an event makes pointless. One that is in a call is never superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supersedes {
    /// None.
    Nothing,
    /// Those of its lane: only the last word about a person counts.
    Lane,
    /// Those of its kind about the same person.
    Kind,
    /// Those of its kind about the same person that are known to be about something older, accepted earlier or not.
    Older,
}

/// What to do with an event whose call was sent and whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostAnswer {
    /// Send it again: a repetition has no further effect.
    Repeat,
    /// Send it again, and say that it may have counted twice.
    Resend,
    /// Leave it to a person.
    Hold,
}

/// How a queue's events are treated.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Per kind. Events of a kind that is not here are held and never sent.
    pub kinds: BTreeMap<u8, KindPolicy>,
    /// Named limits and times.
    pub limits: Limits,
}

/// Named limits and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls under way at any moment, all numbers together.
    pub calls_in_flight_max: usize,
    /// Calls of one number under way at its start.
    pub window_start: u32,
    /// Calls of one number under way at most.
    pub window_max: u32,
    /// The first retry comes at a random moment within this.
    pub backoff_base: Duration,
    /// Retries come within this, however many there were.
    pub backoff_max: Duration,
    /// A throttle of a scope wider than one event, when the service names no end, lasts this long.
    pub throttle: Duration,
    /// After Meta's pair-rate limit (131056), no sooner than this: one message per 6 seconds to the same user. Source:
    /// Meta, Cloud API throughput, documented.
    pub pair_rate: Duration,
    /// After more than this many calls of a number in a row that told nothing, the number rests between calls.
    pub outage_calls: u32,
    /// Such a rest is no longer than this.
    pub outage_max: Duration,
    /// A scope whose credential is dead is tried again after this.
    pub probe: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_in_flight_max: 4096,
            window_start: 8,
            window_max: 1024,
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_mins(10),
            throttle: Duration::from_secs(5),
            pair_rate: Duration::from_secs(6),
            outage_calls: 3,
            outage_max: Duration::from_secs(30),
            probe: Duration::from_mins(5),
        }
    }
}

impl Policy {
    /// The most users in one block call. Source: Meta, "Block users", documented.
    pub const BLOCKS_PER_CALL_MAX: usize = 1000;
    /// The most conversions in one call. Source: Meta, Conversions API, "Using the API", documented.
    pub const CONVERSIONS_PER_CALL_MAX: usize = 1000;

    /// The one kind in the queues of callbacks and forwards.
    pub const POST: u8 = 1;

    /// The queues of callbacks and forwards, on their way to an account's own addresses. An address stands where a business
    /// number does among events, so a dead one holds its own posts and no others; whatever shares its order at an address (a
    /// person's callbacks, a business number's forwards) stands where a person does.
    pub fn posts() -> Self {
        let post = KindPolicy {
            class: Class(0),
            family: Family::Messages,
            ordered: true,
            supersedes: Supersedes::Nothing,
            group_max: 1,
            begin: false,
            // Whoever receives posts knows a repetition by its id.
            lost_answer: LostAnswer::Repeat,
        };
        let limits = Limits {
            calls_in_flight_max: 256,
            window_start: 4,
            window_max: 16,
            backoff_max: Duration::from_mins(30),
            ..Limits::default()
        };
        Self { kinds: BTreeMap::from([(Self::POST, post)]), limits }
    }

    /// The events queue. Read marks and blocks may be repeated; Meta does not deduplicate conversions, so their calls are
    /// begun in the journal first.
    pub fn events() -> Self {
        let kinds = EventKind::all().map(|kind| {
            let commuting = |class: u8, group_max: usize| KindPolicy {
                class: Class(class),
                family: kind.family(),
                ordered: false,
                supersedes: Supersedes::Nothing,
                group_max,
                begin: false,
                lost_answer: LostAnswer::Repeat,
            };
            let in_lanes = |class: u8| KindPolicy {
                ordered: true,
                supersedes: Supersedes::Lane,
                ..commuting(class, Self::BLOCKS_PER_CALL_MAX)
            };
            let policy = match kind {
                // "Marks earlier messages in the thread as read too" (Meta, "Mark messages as read", documented).
                EventKind::MarkAsRead => KindPolicy { supersedes: Supersedes::Older, ..commuting(0, 1) },
                EventKind::Typing => KindPolicy { supersedes: Supersedes::Kind, ..commuting(1, 1) },
                EventKind::Block => in_lanes(2),
                EventKind::UnBlock => in_lanes(3),
                EventKind::Conversion(_) => KindPolicy {
                    begin: true,
                    lost_answer: LostAnswer::Resend,
                    ..commuting(4, Self::CONVERSIONS_PER_CALL_MAX)
                },
            };
            (kind.code(), policy)
        });
        Self { kinds: kinds.collect(), limits: Limits::default() }
    }
}
