//! What the checks are made of.

use std::sync::Arc;

use laneway_journal::{
    Append, Appended, Change, EndedCall, Feed, Fresh, Journal, Key, Lease, Limits, MemberOutcome, NewRow,
    OpenRow, Queue, Record, Sequence, Settlement, Wake,
};
use laneway_model::{
    AccountName, AttemptOutcome, EventId, Person, PhoneNumber, Reference, Route, Status, Timestamp,
};

/// A store under test, which can be stopped and killed.
pub(crate) trait Harness {
    /// Opens an empty store.
    async fn create(limits: Limits) -> Self;
    /// The open journal and its feed.
    fn journal(&self) -> Journal;
    /// The feed; it can be taken once after each opening.
    fn feed(&mut self) -> Feed;
    /// Closes the store in order and opens it again.
    async fn reopen(&mut self);
    /// Leaves the store as a crash would, without closing anything, and opens what is durable.
    async fn crash(&mut self);
}

/// A journal and what the checks need around it.
pub(crate) struct Fixture<H> {
    pub(crate) harness: H,
    pub(crate) journal: Journal,
    pub(crate) feed: Feed,
}

impl<H: Harness> Fixture<H> {
    pub(crate) async fn new() -> Self {
        Self::limited(Limits::default()).await
    }

    pub(crate) async fn limited(limits: Limits) -> Self {
        let mut harness = H::create(limits).await;
        let (journal, feed) = (harness.journal(), harness.feed());
        Self { harness, journal, feed }
    }

    pub(crate) async fn reopen(&mut self) {
        self.harness.reopen().await;
        (self.journal, self.feed) = (self.harness.journal(), self.harness.feed());
    }

    pub(crate) async fn crash(&mut self) {
        self.harness.crash().await;
        (self.journal, self.feed) = (self.harness.journal(), self.harness.feed());
    }

    pub(crate) async fn lease(&self, queue: Queue) -> Lease {
        self.journal.lease(queue).await.unwrap()[0]
    }

    /// Appends rows to a queue; their ids, in order.
    pub(crate) async fn append(&self, queue: Queue, rows: Vec<NewRow>) -> Vec<EventId> {
        let count = rows.len();
        let first = self.last_sequence(queue).await + 1;
        let ids =
            (first..).zip(&rows).map(|(sequence, row)| EventId::new(row.accepted_at, 0, sequence)).collect();
        let posts = rows.into_iter().map(|row| (queue, row)).collect();
        self.journal.append(Append { posts, ..Append::default() }).await.unwrap();
        assert_eq!(self.last_sequence(queue).await, first + count as u64 - 1);
        ids
    }

    /// Appends events, all of them new; their ids, in order.
    pub(crate) async fn events(&self, rows: Vec<NewRow>) -> Vec<EventId> {
        let answers = self.journal.append(Append { events: rows, ..Append::default() }).await.unwrap();
        answers
            .into_iter()
            .map(|answer| match answer {
                Appended::Accepted(id) => id,
                Appended::Replay(_) | Appended::Conflict(_) => panic!("{answer:?}"),
            })
            .collect()
    }

    pub(crate) async fn last_sequence(&self, queue: Queue) -> Sequence {
        let place = Queue::ALL.iter().position(|q| *q == queue).unwrap();
        self.journal.stats().await.unwrap().last_sequence[place]
    }

    pub(crate) async fn record(&self, id: EventId) -> Record {
        self.journal.get(Queue::Events, id).await.unwrap().expect("the record is there")
    }

    /// Every open row of a queue, in pages of two.
    pub(crate) async fn open_rows(&self, queue: Queue) -> Vec<OpenRow> {
        let lease = self.lease(queue).await;
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let page = self.journal.load_open(lease, after, 2).await.unwrap();
            rows.extend(page.rows);
            after = page.complete_to;
            if !page.more {
                return rows;
            }
        }
    }

    /// Settles events without a call.
    pub(crate) async fn decide(&self, at: u64, changes: Vec<Change>) {
        let lease = self.lease(Queue::Events).await;
        let settlement = Settlement { at: time(at), changes, ..Settlement::default() };
        self.journal.settle(lease, settlement).await.unwrap();
    }

    /// Settles events by a call that was not begun in the journal.
    pub(crate) async fn answer(&self, at: u64, members: Vec<MemberOutcome>, changes: Vec<Change>) {
        let lease = self.lease(Queue::Events).await;
        let call = Some(ended(None, at, members));
        let settlement = Settlement { at: time(at), call, changes, ..Settlement::default() };
        self.journal.settle(lease, settlement).await.unwrap();
    }
}

pub(crate) fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn business() -> PhoneNumber {
    PhoneNumber::parse("+316098765432").unwrap()
}

pub(crate) fn person(text: &str) -> Person {
    Person::parse(text).unwrap()
}

pub(crate) fn account(name: &str) -> AccountName {
    AccountName::parse(name).unwrap()
}

/// A plain row, accepted then.
pub(crate) fn row(accepted_at: u64) -> NewRow {
    NewRow {
        account: account("shop"),
        business: business(),
        person: Some(person("+316012345678")),
        kind: 3,
        reference: None,
        accepted_at: time(accepted_at),
        due: time(accepted_at),
        expires: time(accepted_at + 1_000_000),
        body: Arc::from([1, 2, 3].as_slice()),
        keys: Vec::new(),
    }
}

pub(crate) fn row_of(accepted_at: u64, who: &str) -> NewRow {
    NewRow { person: Some(person(who)), ..row(accepted_at) }
}

pub(crate) fn row_named(accepted_at: u64, reference: &str) -> NewRow {
    NewRow { reference: Some(Reference::parse(reference).unwrap()), ..row(accepted_at) }
}

pub(crate) fn row_with(accepted_at: u64, keys: Vec<Key>) -> NewRow {
    NewRow { keys, ..row(accepted_at) }
}

/// A key, by the first byte of its hash, and a fingerprint by its own.
pub(crate) fn key(hash: u8, fingerprint: u8, until: u64) -> Key {
    Key { hash: [hash; 16], fingerprint: Some([fingerprint; 16]), until: time(until) }
}

pub(crate) fn change(sequence: Sequence, status: Status) -> Change {
    Change {
        sequence,
        status,
        due: time(0),
        reason: None,
        superseded_by: None,
        possibly_duplicate: false,
        holds_lane: false,
    }
}

pub(crate) fn outcome(sequence: Sequence, outcome: AttemptOutcome) -> MemberOutcome {
    MemberOutcome { sequence, outcome, code: None, subcode: None, detail: None }
}

pub(crate) fn ended(
    begun: Option<laneway_journal::CallId>,
    at: u64,
    members: Vec<MemberOutcome>,
) -> EndedCall {
    EndedCall {
        begun,
        started_at: time(at - 1),
        finished_at: time(at),
        route: Route::Meta,
        http_status: Some(200),
        trace_id: Some(format!("trace-{at}")),
        members,
    }
}

/// The rows that the feed tells next, which must be of this queue.
pub(crate) async fn next_rows(feed: &mut Feed, queue: Queue) -> Vec<Fresh> {
    match feed.next().await {
        Some(Wake::Rows(found, rows)) => {
            assert_eq!(found, queue);
            rows
        }
        other => panic!("expected rows of {queue:?}, not {other:?}"),
    }
}

pub(crate) fn sequences(ids: &[EventId]) -> Vec<Sequence> {
    ids.iter().map(|id| id.sequence()).collect()
}
