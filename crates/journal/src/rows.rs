//! What goes into the journal and what comes out.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use laneway_model::{
    AccountName, AppName, Attempt, AttemptOutcome, EventId, Person, PhoneNumber, Reference, Route, Status,
    Timestamp, Touch,
};

/// The three queues. They have one layout and one set of operations; sequences are counted per queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Events on their way to WhatsApp.
    Events,
    /// What became of events, on its way to the account.
    Callbacks,
    /// Notifications, on their way to the account.
    Forwards,
}

/// A row's place in its queue: strictly growing, never reused, not even after erasure.
pub type Sequence = u64;

/// A call's number: strictly growing, never reused, counted per queue.
pub type CallId = u64;

/// A row to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// The tenant.
    pub account: AccountName,
    /// The business number.
    pub business: PhoneNumber,
    /// The person it is about, if it is about one.
    pub person: Option<Person>,
    /// The kind, as its owner numbers it ([`laneway_model::EventKind::code`] for events).
    pub kind: u8,
    /// The client's own word for it.
    pub reference: Option<Reference>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Before this instant it is not tried.
    pub due: Timestamp,
    /// From this instant on it is pointless.
    pub expires: Timestamp,
    /// Everything else, in a format its owner knows: see [`NewRow::of_event`], [`CallbackBody`](crate::CallbackBody) and
    /// [`ForwardBody`](crate::ForwardBody).
    pub body: Arc<[u8]>,
    /// The keys under which a repetition of it is recognised, each hash once.
    pub keys: Vec<Key>,
}

/// A name under which a repetition is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// A hash of the key and of everything it is scoped by (at least the account).
    pub hash: [u8; 16],
    /// A hash of what was asked for: another fingerprint under the same key is a conflict. `None`: whatever was asked
    /// for, the first answer is given again.
    pub fingerprint: Option<[u8; 16]>,
    /// From this instant on the key is free again.
    pub until: Timestamp,
}

/// What became of an appended row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is durable, under this id.
    Accepted(EventId),
    /// The same was appended before, under this id; nothing was stored.
    Replay(EventId),
    /// Another event was appended under the same key before, with this id; nothing was stored.
    Conflict(EventId),
}

/// One transaction's worth of new facts.
#[derive(Clone, Debug, Default)]
pub struct Append {
    /// Rows of the events queue.
    pub events: Vec<NewRow>,
    /// Notifications as they came.
    pub notifications: Vec<RawNotification>,
    /// What is now known of persons.
    pub touches: Vec<ContactTouch>,
    /// Rows of the other queues.
    pub posts: Vec<(Queue, NewRow)>,
}

/// A notification as it came, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawNotification {
    /// The Meta app whose callback received it.
    pub app: AppName,
    /// When.
    pub received_at: Timestamp,
    /// The signature header.
    pub signature: String,
    /// The body.
    pub body: Arc<[u8]>,
}

/// A touch and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactTouch {
    /// The business number.
    pub business: PhoneNumber,
    /// The person.
    pub person: Person,
    /// What is known now.
    pub touch: Touch,
}

/// The right to work on one partition of a queue. On SQLite it is the process's own and lasts as long as the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The queue.
    pub queue: Queue,
    /// The partition.
    pub partition: u16,
    /// Grows with every change of owner; a write under an old epoch is refused as [`Error::Fenced`](crate::Error).
    pub epoch: u64,
}

/// What the engine needs to know of a row that is open or holds its lane; its body stays in the journal until a call is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRow {
    /// Its place in the queue.
    pub sequence: Sequence,
    /// Its place in its lane: its sequence, or a later one after it was requeued.
    pub order: u64,
    /// The business number.
    pub business: PhoneNumber,
    /// [`laneway_model::LaneKey::hash64`] of business and person; 0 without a person.
    pub person_hash: u64,
    /// [`reference_hash`] of the reference; 0 without one.
    pub reference_hash: u64,
    /// The kind.
    pub kind: u8,
    /// Accepted or retrying; or `Failed`, if the row is final and holds its lane ([`Change::holds_lane`]).
    pub status: Status,
    /// Before this instant it is not tried.
    pub due: Timestamp,
    /// From this instant on it is pointless.
    pub expires: Timestamp,
    /// How many calls have carried it.
    pub attempts: u32,
    /// A call that was begun for it and never settled: the process ended in between.
    pub unfinished: Option<CallId>,
    /// The bytes of its body.
    pub body_bytes: usize,
    /// Whether its body lacks something without which it cannot be sent. Then `due` is the instant until which that is
    /// waited for.
    pub lacks: bool,
}

/// A 64-bit stand-in for a reference, the same throughout one process.
pub fn reference_hash(reference: &Reference) -> u64 {
    let mut hasher = DefaultHasher::new();
    reference.as_str().hash(&mut hasher);
    hasher.finish()
}

/// A page of rows that are open or hold their lane, in order of sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPage {
    /// The rows.
    pub rows: Vec<OpenRow>,
    /// No row with this sequence or a smaller one can still appear. Pass it as `after` for the next page.
    pub complete_to: Sequence,
    /// Whether more rows are there already.
    pub more: bool,
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id, which carries its sequence.
    pub id: EventId,
    /// The tenant.
    pub account: AccountName,
    /// The business number.
    pub business: PhoneNumber,
    /// The person it is about, if it is about one.
    pub person: Option<Person>,
    /// The kind.
    pub kind: u8,
    /// The client's own word for it.
    pub reference: Option<Reference>,
    /// From this instant on it is pointless.
    pub expires: Timestamp,
    /// Everything else.
    pub body: Arc<[u8]>,
}

/// A row and what became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The row.
    pub row: Row,
    /// Where it stands. Never `Sending`: who holds the lease knows what is under way.
    pub status: Status,
    /// When that last changed.
    pub updated_at: Timestamp,
    /// When it is tried next, if it is open.
    pub due: Timestamp,
    /// Why it ended as it did, for a person.
    pub reason: Option<String>,
    /// The later row that made it pointless.
    pub superseded_by: Option<EventId>,
    /// Whether it was sent again after its answer was lost.
    pub possibly_duplicate: bool,
    /// Every call that carried it, oldest first.
    pub attempts: Vec<Attempt>,
}

/// What an open row lacked has become known: its body with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The row.
    pub sequence: Sequence,
    /// Its new body.
    pub body: Arc<[u8]>,
}

/// A call to begin: committed before its bytes leave, for calls that must not be repeated blindly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCall {
    /// When.
    pub started_at: Timestamp,
    /// Where it goes.
    pub route: Route,
    /// Its members.
    pub members: Vec<Sequence>,
}

/// What became of rows: the outcomes of one call, or a decision without a call. One transaction, never split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settlement {
    /// When it was decided.
    pub at: Timestamp,
    /// The call, if there was one.
    pub call: Option<EndedCall>,
    /// What becomes of each row; every member of the call is among them.
    pub changes: Vec<Change>,
    /// What is now known of persons.
    pub touches: Vec<ContactTouch>,
    /// Rows for the other queues: what the account is told.
    pub posts: Vec<(Queue, NewRow)>,
}

/// A call that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedCall {
    /// Its number, if it was begun in the journal; otherwise its row is written now.
    pub begun: Option<CallId>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Where it went. For the queues of posts it says nothing: each goes to the address of its row.
    pub route: Route,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<u16>,
    /// The service's id for it.
    pub trace_id: Option<String>,
    /// What came of it for each member.
    pub members: Vec<MemberOutcome>,
}

/// What a call meant for one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberOutcome {
    /// The member.
    pub sequence: Sequence,
    /// The outcome in one word.
    pub outcome: AttemptOutcome,
    /// The service's error code.
    pub code: Option<u32>,
    /// The service's subcode.
    pub subcode: Option<u32>,
    /// One sentence for a person.
    pub detail: Option<String>,
}

/// What becomes of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub sequence: Sequence,
    /// Its new status: final, or `Retrying`, or `Accepted` to leave it as untried.
    pub status: Status,
    /// When it is tried next; only for open statuses.
    pub due: Timestamp,
    /// Why, for a person.
    pub reason: Option<String>,
    /// The later row that made it pointless.
    pub superseded_by: Option<Sequence>,
    /// Sets the mark that it may have been sent twice; never clears it.
    pub possibly_duplicate: bool,
    /// Only with [`Status::Failed`]: nothing behind the row in its lane may leave before it was requeued or discarded.
    /// The row is final for everyone but the holder of the lease, whom `load_open` goes on telling about it; it is not
    /// counted as open, and not purged.
    pub holds_lane: bool,
}

/// Which records a list shows. Empty fields do not narrow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this tenant's; `None` shows all and is for operators of the node.
    pub account: Option<AccountName>,
    /// Only these statuses. `Sending` counts as `Accepted` and `Retrying`.
    pub statuses: Vec<Status>,
    /// Only these kinds.
    pub kinds: Vec<u8>,
    /// Only this business number's.
    pub business: Option<PhoneNumber>,
    /// Only this person's.
    pub person: Option<Person>,
    /// Only with this reference.
    pub reference: Option<Reference>,
    /// Only accepted at or after.
    pub since: Option<Timestamp>,
    /// Only accepted before.
    pub until: Option<Timestamp>,
}

/// A page of records, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Pass it as `before` for the next page; `None` on the last. A page may be shorter than its limit and still have
    /// a next one, because the work per page is limited.
    pub next: Option<Sequence>,
}

/// A row that has just become durable (or open again), for whoever holds the lease: no need to read it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// What the engine needs.
    pub open: OpenRow,
    /// The row.
    pub row: Arc<Row>,
}

/// News for the holder of a lease, in commit order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// These rows have just been committed.
    Rows(Queue, Vec<Fresh>),
    /// Some news did not fit: call `load_open` from the last sequence seen.
    Behind(Queue),
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Events, Self::Callbacks, Self::Forwards];

    /// The word for it in logs, metrics and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Callbacks => "callbacks",
            Self::Forwards => "forwards",
        }
    }

    /// The number that is stored, which is also its place in [`Queue::ALL`]; never renumbered or reused.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Events => 0,
            Self::Callbacks => 1,
            Self::Forwards => 2,
        }
    }
}

/// A page of the persons whom a business number has blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedPage {
    /// The persons.
    pub persons: Vec<Person>,
    /// Pass it as `after` for the next page; `None` on the last. A page may be empty and still have a next one, because
    /// the work per page is limited.
    pub next: Option<(Person, PhoneNumber)>,
}

/// What became of a page of contacts that were looked at for their age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgedContacts {
    /// How many went.
    pub removed: u64,
    /// Pass it as `after` for the next page; `None` on the last.
    pub next: Option<(Person, PhoneNumber)>,
}

/// Whose data an erasure is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The tenant, whose rows they are.
    pub account: AccountName,
    /// Its business numbers, whose contacts they are.
    pub businesses: Vec<PhoneNumber>,
}

/// What an erasure removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Events, open or not.
    pub events: u64,
    /// Callbacks and forwards, open or not.
    pub posts: u64,
    /// Among them, forwards that are not about the person alone and were still to be sent.
    pub unsent: u64,
    /// Notifications that named the person.
    pub notifications: u64,
    /// Contacts, counted once per business number, folded or not.
    pub contacts: u64,
}

/// What the journal holds and how busy it is, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Open rows, in the order of [`Queue::ALL`].
    pub open: [u64; 3],
    /// The last sequence given, in the order of [`Queue::ALL`].
    pub last_sequence: [Sequence; 3],
    /// Bytes of the write-ahead log that are in use.
    pub log_bytes: u64,
    /// Bytes of all files in the directory that belong to the journal.
    pub file_bytes: u64,
    /// Keys that are held in memory because the index does not have them yet.
    pub keys_in_memory: u64,
    /// Rows that the index does not have yet, of all queues.
    pub rows_unindexed: u64,
    /// Touches that are not folded into contacts yet.
    pub touches_unfolded: u64,
    /// Operations that wait for the writer.
    pub ops_queued: u64,
    /// Changes, since the journal was opened, that were ignored because their row was final or gone.
    pub changes_ignored: u64,
    /// Transactions committed since the journal was opened.
    pub commits: u64,
}

/// A body that cannot be read: damaged, or written by a newer version.
#[derive(Debug, thiserror::Error)]
#[error("row {id}: {problem}")]
pub struct FormatError {
    /// The row.
    pub id: EventId,
    /// What is wrong with it.
    pub problem: &'static str,
}
