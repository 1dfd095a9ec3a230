//! What the engine is told, and what it asks for.

use std::time::Duration;

use laneway_model::{Family, Outcome, PhoneNumber, Route, Scope, Status, Timestamp};

/// An event's place in its queue, as the journal counts it.
pub type Sequence = u64;

/// A call, as the engine counts them. It means nothing after a restart.
pub type CallId = u64;

/// A settlement, as the engine counts them. It means nothing after a restart.
pub type SettlementId = u64;

/// The time, twice: delays are measured on the first, expiry and stored instants on the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since some fixed moment of this process; never goes back.
    pub elapsed_ms: u64,
    /// The wall clock, which can step.
    pub wall: Timestamp,
}

impl Now {
    /// The wall-clock instant that is `delay` from now.
    pub(crate) fn wall_after(self, delay: Duration) -> Timestamp {
        self.wall.saturating_add(delay)
    }

    /// The wall-clock instant of a monotonic moment, in milliseconds, before or after this one.
    pub(crate) fn wall_at(self, ms: u64) -> Timestamp {
        let after = Duration::from_millis(ms.saturating_sub(self.elapsed_ms));
        let before = Duration::from_millis(self.elapsed_ms.saturating_sub(ms));
        self.wall.saturating_add(after).saturating_sub(before)
    }

    /// The monotonic moment, in milliseconds, that is `delay` from now.
    pub(crate) fn elapsed_after(self, delay: Duration) -> u64 {
        self.elapsed_ms.saturating_add(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
    }
}

/// An open event, as much of it as the engine needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// Its place in its lane.
    pub order: u64,
    /// The business number.
    pub business: PhoneNumber,
    /// A stand-in for business and person ([`laneway_model::LaneKey::hash64`]); only read for kinds that keep order.
    pub person_hash: u64,
    /// The kind, a key of [`Policy::kinds`](crate::Policy).
    pub kind: u8,
    /// Before this instant it is not tried.
    pub due: Timestamp,
    /// From this instant on it is pointless.
    pub expires: Timestamp,
    /// How many calls have carried it.
    pub attempts: u32,
    /// The journal's number of a call that was begun for it and whose end nobody saw.
    pub interrupted: Option<u64>,
    /// How new what it is about is, where events about newer things make those about older ones pointless; 0 if that is not
    /// known.
    pub rank: u64,
    /// Whether it is a dead letter that holds its lane: it is not sent, and nothing of its lane passes it, until somebody
    /// redrives or discards it.
    pub holds_lane: bool,
    /// Whether it lacks something without which it cannot be sent. That is sought for when the event comes in, when
    /// [`Control::Seek`] says that there is news, and at `due`, which is the deadline: if it is not known then, the event
    /// fails. Only for kinds that neither keep order nor supersede one another.
    pub lacks: bool,
}

/// Some kinds of events, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSet([u64; 4]);

impl KindSet {
    /// No kind.
    pub const NONE: Self = Self([0; 4]);

    /// Adds a kind.
    pub const fn insert(&mut self, kind: u8) {
        self.0[kind as usize / 64] |= 1 << (kind % 64);
    }

    /// Whether the kind is among them.
    pub const fn contains(&self, kind: u8) -> bool {
        self.0[kind as usize / 64] >> (kind % 64) & 1 == 1
    }
}

impl FromIterator<u8> for KindSet {
    fn from_iter<T: IntoIterator<Item = u8>>(kinds: T) -> Self {
        let mut set = Self::NONE;
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

/// What the engine is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// These events are durable and open: just accepted, redriven, or found at start. An event that is open already is
    /// not taken twice; one that is redriven (its `order` grew, or it held its lane) while the commit of its end has not
    /// been reported yet starts anew after that report.
    Accepted(Vec<Entry>),
    /// The bodies of the call's members are at hand, except for those that no longer exist. As an answer to
    /// [`Effect::Begin`]: the journal would not begin the call, because these members are final or gone.
    Loaded {
        /// The call.
        call: CallId,
        /// Members that no longer exist; they are forgotten.
        missing: Vec<Sequence>,
        /// Members, the last ones, for whom the call's body has no room; they go with the next call.
        left_over: Vec<Sequence>,
        /// Members of whom it has become known that the service must refuse them; they expire and are not sent.
        closed: Vec<Sequence>,
    },
    /// The journal knows that the call is about to be made.
    Begun {
        /// The call.
        call: CallId,
    },
    /// The call leaves this machine: it has a connection, and its first byte is about to be written. A call that was
    /// answered has left, so this may come late or not at all; but until one of the two, the call keeps its place in the
    /// number's rate.
    Left {
        /// The call.
        call: CallId,
    },
    /// The call has ended.
    Answered {
        /// The call.
        call: CallId,
        /// One per member, in the order of [`Effect::Send`]. A member without one counts as a lost answer.
        outcomes: Vec<Outcome>,
    },
    /// The answer to [`Effect::Seek`].
    Sought {
        /// Events that are complete now, and that is committed.
        found: Vec<Sequence>,
        /// Events for which it is not known.
        unknown: Vec<Sequence>,
        /// Events that no longer exist; they are forgotten.
        gone: Vec<Sequence>,
    },
    /// The settlement is committed.
    Settled {
        /// The settlement.
        settlement: SettlementId,
        /// Events that were to be superseded and are not, because the later event is about somebody else: two persons can
        /// share a hash. They go on as if nothing had been said of them.
        unlike: Vec<Sequence>,
    },
    /// Time has passed.
    Tick,
    /// Somebody decides.
    Control(Control),
}

/// A decision from outside.
#[derive(Clone, Debug)]
pub enum Control {
    /// The open set is complete; calls may begin.
    Start,
    /// These are the business numbers now. Numbers that are not among them keep their events and send none. Whatever a
    /// dead credential has paused is tried at once, with one call.
    Configure(Vec<NumberSetup>),
    /// An operator gives these events up. Those in a call are left alone; a dead letter that holds its lane, which the
    /// journal has discarded already, lets the lane go on.
    Discard(Vec<Sequence>),
    /// What these events lack may be known now; each is named once. Those that lack nothing are left alone.
    Seek(Vec<Sequence>),
    /// No new calls; those under way go on.
    Stop,
}

/// What stands behind a failure's scope: two numbers with the same id for one of these share its pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeId(pub u32);

/// How one business number is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberSetup {
    /// The number.
    pub business: PhoneNumber,
    /// Its WhatsApp Business Account.
    pub waba: ScopeId,
    /// The Meta app whose limits its calls count for.
    pub app: ScopeId,
    /// The token that its read marks and blocks are sent with.
    pub messages_credential: ScopeId,
    /// The token that its conversions are sent with.
    pub conversions_credential: ScopeId,
    /// The token that events for CM.com are sent with; of no meaning for a number that relays nothing.
    pub relay_credential: ScopeId,
    /// The most calls in any second.
    pub calls_per_second_max: u32,
    /// The most conversions in one call.
    pub conversions_per_call_max: usize,
    /// Kinds that go to CM.com, one event per call.
    pub relayed: KindSet,
    /// Kinds whose events are left to a person when a call's answer was lost.
    pub hold_lost: KindSet,
    /// Whether a dead letter holds back the events behind it in its lane.
    pub holds_lanes: bool,
}

/// What the engine asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Fetch the bodies of these events; answer `Loaded`.
    Load {
        /// The call they are for.
        call: CallId,
        /// Its members.
        members: Vec<Sequence>,
    },
    /// Commit that this call is about to be made; answer `Begun`.
    Begin {
        /// The call.
        call: CallId,
        /// Its members.
        members: Vec<Sequence>,
    },
    /// Make the call; answer `Answered`.
    Send {
        /// The call.
        call: CallId,
        /// Its members, in this order.
        members: Vec<Sequence>,
    },
    /// Look for what these events lack, and commit what is found; answer `Sought`.
    Seek {
        /// The events.
        events: Vec<Sequence>,
    },
    /// Commit what becomes of these events; answer `Settled`.
    Settle {
        /// Names it in the answer.
        settlement: SettlementId,
        /// What led to it.
        cause: Cause,
        /// One per event.
        changes: Vec<Change>,
    },
    /// A person must act, or need no longer.
    Alarm(Alarm),
}

/// What led to a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This call was answered.
    Call(CallId),
    /// The process ended during this call (the journal's number): it may or may not have had its effect.
    Interrupted(u64),
    /// No call: time, a later event, or an operator.
    Decision,
}

/// What becomes of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event.
    pub sequence: Sequence,
    /// Its new status.
    pub status: Status,
    /// When it is tried next, if it is still open.
    pub due: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Whether it may be sent a second time after this.
    pub possibly_duplicate: bool,
    /// Whether this dead letter holds back the events behind it in its lane.
    pub holds_lane: bool,
}

/// Why an event's status changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The call's answer for this event says it all.
    Answer,
    /// Its time is over.
    Expired,
    /// It would be over before the next try.
    ExpiresBeforeRetry,
    /// The service must refuse it by now.
    Closed,
    /// Its answer was lost, and it must not be sent twice.
    AnswerLost,
    /// Its answer was lost, and it is sent again.
    Resend,
    /// The whole group was refused because of one of them; it is tried again in a smaller group.
    Halved,
    /// A later event made it pointless.
    Superseded {
        /// That event.
        by: Sequence,
    },
    /// An operator gave it up.
    Discarded,
    /// What it lacked did not become known in time.
    Lacking,
}

/// Something that a person must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Calls are refused because of a credential or a permission. All calls in this scope are paused; one is tried
    /// again after the pause. Raised once per pause, however many events wait.
    Unauthorized {
        /// The number whose call showed it.
        business: PhoneNumber,
        /// The calls that it was one of.
        family: Family,
        /// Where that call went; the pause covers nothing that goes elsewhere.
        route: Route,
        /// How far the pause reaches.
        scope: Scope,
        /// The service's code.
        code: Option<u32>,
        /// And its subcode.
        subcode: Option<u32>,
    },
    /// Calls work again.
    Recovered {
        /// The number whose call showed it.
        business: PhoneNumber,
        /// The calls that it was one of.
        family: Family,
        /// Where that call went.
        route: Route,
        /// How far the pause reached.
        scope: Scope,
    },
}
