//! The writer's thread: it gathers what waits into one transaction, answers, and tidies up between two of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::checkpoint::{Checkpoints, Log};
use super::indexing::IndexJob;
use super::step::{Applied, Op, Reply, apply};
use super::store::Store;
use crate::feed::Publisher;
use crate::{Error, Limits, Queue, Stats};

/// What the writer is sent.
pub(super) enum Job {
    /// An operation, and where its answer goes.
    Do(Op, Answer),
    /// Do what came before this, then stop.
    Close,
}

pub(super) type Answer = oneshot::Sender<Result<Reply, Error>>;

/// What the writer shows of itself.
#[derive(Default)]
pub(super) struct Gauges {
    pub(super) stats: Mutex<Stats>,
    pub(super) queued: AtomicU64,
    pub(super) is_indexing: AtomicBool,
}

pub(super) struct Writer {
    pub(super) store: Store,
    pub(super) jobs: Receiver<Job>,
    pub(super) feed: Publisher,
    pub(super) indexing: SyncSender<IndexJob>,
    pub(super) checkpoints: Checkpoints,
    pub(super) gauges: Arc<Gauges>,
    pub(super) log: Log,
    pub(super) commits: u64,
}

/// Operations that share a transaction.
#[derive(Default)]
struct Batch {
    ops: Vec<Op>,
    answers: Vec<Answer>,
    weight: usize,
    /// They are folded after the transaction, and what comes then waits for that.
    touches: usize,
}

impl Batch {
    fn has_room(&self, limits: &Limits) -> bool {
        self.ops.len() < limits.ops_per_commit
            && self.weight < limits.rows_per_commit
            && self.touches < limits.touches_unfolded
    }
}

impl Writer {
    /// Works until it is told to stop or nobody can send any more; gives the store back to be closed.
    pub(super) fn run(mut self) -> Store {
        while let Ok(first) = self.jobs.recv() {
            let (batch, is_last) = self.gather(first);
            self.commit(batch);
            self.between();
            if is_last {
                break;
            }
        }
        self.store
    }

    /// The first job and what else waits already; and whether to stop after it.
    fn gather(&self, first: Job) -> (Batch, bool) {
        let mut batch = Batch::default();
        let mut requeued = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            let Job::Do(op, answer) = job else { return (batch, true) };
            self.gauges.queued.fetch_sub(1, Ordering::Relaxed);
            match self.refusal(&op, &mut requeued) {
                Some(refusal) => {
                    let _nobody_waits_any_more = answer.send(Err(refusal));
                }
                None => {
                    batch.weight += op.weight();
                    batch.touches += op.touches();
                    batch.ops.push(op);
                    batch.answers.push(answer);
                }
            }
            next = if batch.has_room(&self.store.limits) { self.jobs.try_recv().ok() } else { None };
        }
        (batch, false)
    }

    /// What can be refused without asking the store.
    fn refusal(&self, op: &Op, requeued: &mut usize) -> Option<Error> {
        match op {
            Op::Append(_) if self.log.bytes > self.store.limits.log_bytes_max => Some(Error::Full),
            Op::Requeue { lease, sequences, .. } => {
                *requeued += sequences.len();
                (!self.feed.has_room(lease.queue, *requeued)).then_some(Error::Busy)
            }
            Op::Append(_)
            | Op::Recall(_)
            | Op::Begin(..)
            | Op::Settle(..)
            | Op::Complete { .. }
            | Op::Discard { .. }
            | Op::Remove { .. }
            | Op::RemoveContactsBefore { .. }
            | Op::RemoveContacts { .. }
            | Op::RemoveNotifications(_)
            | Op::RemoveKeys { .. } => None,
        }
    }

    fn commit(&mut self, batch: Batch) {
        if batch.ops.is_empty() {
            return;
        }
        let Applied { replies, news } = apply(&mut self.store, batch.ops);
        self.commits += 1;
        for news in news {
            self.feed.publish(news.queue, news.rows, news.weight);
        }
        self.tell(self.log);
        for (reply, answer) in replies.into_iter().zip(batch.answers) {
            let _nobody_waits_any_more = answer.send(reply);
        }
    }

    fn between(&mut self) {
        if self.store.dead {
            return;
        }
        if let Err(problem) = self.store.tidy() {
            tracing::error!(error = &problem as &dyn std::error::Error, "tidying up failed");
        }
        let log = match self.checkpoints.step(&mut self.store) {
            Ok(log) => log,
            Err(problem) => {
                tracing::error!(error = &problem as &dyn std::error::Error, "a checkpoint failed");
                self.log
            }
        };
        self.tell(log);
        self.ask_to_index();
    }

    fn ask_to_index(&self) {
        let batch = self.store.limits.index_batch as u64;
        let counters = &self.store.memory.counters;
        let progress = self.store.index.progress();
        let keys = counters.keys - progress.keys_to();
        let rows = |queue: Queue| counters.sequences[queue.index()] - progress.rows_to(queue);
        let is_due = keys >= batch || Queue::ALL.into_iter().any(|queue| rows(queue) >= batch);
        if is_due
            && !self.gauges.is_indexing.swap(true, Ordering::AcqRel)
            && self.indexing.try_send(IndexJob::CatchUp).is_err()
        {
            self.gauges.is_indexing.store(false, Ordering::Release);
        }
    }

    /// Shows how things stand.
    pub(super) fn tell(&mut self, log: Log) {
        self.log = log;
        let counters = &self.store.memory.counters;
        let progress = self.store.index.progress();
        let unindexed = |queue: Queue| counters.sequences[queue.index()] - progress.rows_to(queue);
        let stats = Stats {
            open: counters.open,
            last_sequence: counters.sequences,
            log_bytes: log.bytes,
            file_bytes: 0,
            keys_in_memory: self.store.memory.keys.len() as u64,
            rows_unindexed: Queue::ALL.into_iter().map(unindexed).sum(),
            touches_unfolded: counters.touches,
            ops_queued: 0,
            changes_ignored: counters.ignored,
            commits: self.commits,
        };
        *self.gauges.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }
}
