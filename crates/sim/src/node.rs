//! One life of the process: the production engine, the journal's store, and what the driver keeps beside them. It ends
//! with a crash or with the world; what was not committed ends with it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use laneway_engine::{CallId, Change, Engine, NumberSetup, SettlementId};
use laneway_journal::sqlite::step::{Applied, News, Op, apply};
use laneway_journal::sqlite::{Indexer, Reader, Store};
use laneway_journal::{Fresh, Lease, Limits, Queue, Row, Sequence};
use laneway_model::{EventId, PhoneNumber, Status};

use crate::calls::Call;
use crate::clicks::Sought;

/// A life.
pub(crate) struct Node {
    pub(crate) life: u64,
    pub(crate) booted_ms: u64,
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) indexer: Indexer,
    pub(crate) reader: Reader,
    pub(crate) lease: Lease,
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// Rows that were just accepted, kept until their first call.
    pub(crate) bodies: BTreeMap<Sequence, Arc<Row>>,
    /// The events that lack their click ids, each with its lane.
    pub(crate) lacking: BTreeMap<Sequence, u64>,
    /// The highest sequence that the engine has been told of.
    pub(crate) seen: Sequence,
    pub(crate) setups: BTreeMap<PhoneNumber, NumberSetup>,
    /// The same, with the last setup of numbers that are configured no more.
    pub(crate) last_setups: BTreeMap<PhoneNumber, NumberSetup>,
    /// What waits for the writer.
    pub(crate) writes: Vec<Write>,
    pub(crate) is_commit_planned: bool,
    pub(crate) feed: Feed,
    pub(crate) is_news_planned: bool,
    pub(crate) wake_ms: Option<u64>,
}

/// An operation, and what follows from its answer.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) op: Op,
    pub(crate) then: Then,
}

/// For whom an operation is.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Clients, by the number of what they posted.
    Accept(Vec<usize>),
    /// The service, by the number of the click that it tells of.
    Click(usize),
    Complete(Sought),
    Begin(CallId, Vec<Sequence>),
    Settle(SettlementId, Vec<Change>, Vec<Sequence>),
    Redrive,
    Discard,
    Erase(Vec<Sequence>),
}

/// What reaches the driver.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    Read(CallId, Vec<Sequence>),
    Begun(CallId, laneway_journal::CallId),
    NotOpen(CallId, Sequence),
    /// Events are to be looked at whose clicks may be known.
    Look(Vec<Sequence>),
    Sought(Sought),
    Clicked(usize),
    Answered(CallId, Vec<laneway_model::Outcome>),
    Settled(SettlementId, Vec<Sequence>),
    /// An operator's word.
    Discard(Vec<Sequence>),
    /// Clients are told.
    Acknowledge(Vec<(usize, EventId)>),
}

/// The journal's feed: news in the order of their commits, and a limit.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    pub(crate) wakes: VecDeque<Vec<Fresh>>,
    rows: usize,
    rows_max: usize,
    is_behind: bool,
}

/// News for the driver.
#[derive(Debug)]
pub(crate) enum Wake {
    Rows(Vec<Fresh>),
    Behind,
}

/// A store whose disk fails is no part of this world.
fn on_fatal(problem: &str) {
    panic!("the store ended: {problem}");
}

/// Opens the store of a world.
pub(crate) fn open(path: &Path) -> (Store, Indexer) {
    let limits = Limits { touches_unfolded: 20, index_batch: 50, cache_bytes: 1 << 20, ..Limits::default() };
    Store::open(path, limits, on_fatal)
        .unwrap_or_else(|problem| panic!("the journal cannot be opened: {problem}"))
}

impl Node {
    /// Commits what waits, in one transaction.
    pub(crate) fn commit(&mut self, some: Vec<Write>) -> (Vec<Then>, Applied) {
        let (ops, then) = some.into_iter().map(|write| (write.op, write.then)).unzip();
        let mut applied = apply(&mut self.store, ops);
        for News { queue, rows, .. } in std::mem::take(&mut applied.news) {
            if queue == Queue::Events {
                self.feed.publish(rows);
            }
        }
        (then, applied)
    }
}

impl Feed {
    pub(crate) fn new(rows_max: usize) -> Self {
        Self { rows_max, ..Self::default() }
    }

    /// Whether news that must not be left out have room.
    pub(crate) fn has_room(&self, rows: usize) -> bool {
        self.rows == 0 || self.rows + rows <= self.rows_max
    }

    fn publish(&mut self, rows: Vec<Fresh>) {
        let must_arrive = rows.iter().any(|fresh| fresh.open.status == Status::Retrying);
        if must_arrive || (!self.is_behind && self.rows + rows.len() <= self.rows_max) {
            self.rows += rows.len();
            self.wakes.push_back(rows);
        } else {
            self.is_behind = true;
        }
    }

    pub(crate) fn next(&mut self) -> Option<Wake> {
        if let Some(rows) = self.wakes.pop_front() {
            self.rows -= rows.len();
            return Some(Wake::Rows(rows));
        }
        std::mem::take(&mut self.is_behind).then_some(Wake::Behind)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wakes.is_empty() && !self.is_behind
    }
}
