//! Where the journal lives, and how much of everything it may hold.

use std::path::PathBuf;

/// How to open a journal.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its directory; created if it is not there. Nobody else may use it meanwhile.
    pub directory: PathBuf,
    /// How much of everything it may hold.
    pub limits: Limits,
    /// What is done when the disk did not take what it was given, told in one sentence. Nothing may be acknowledged
    /// after that, so by default it is logged and the process aborts. If this returns, every operation from then on
    /// answers [`Error::Closed`](crate::Error::Closed).
    pub on_fatal: OnFatal,
}

/// See [`Options::on_fatal`].
pub type OnFatal = fn(&str);

/// Named limits: none of the journal's queues, batches and files grows past one of these. Zero counts as one.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Operations that wait for the writer; more are answered [`Error::Busy`](crate::Error::Busy).
    pub ops_queued: usize,
    /// Operations per transaction.
    pub ops_per_commit: usize,
    /// Rows per transaction; reached by one operation alone, it is a transaction of its own.
    pub rows_per_commit: usize,
    /// Keys that the index does not have yet; a row with a key beyond is answered [`Error::Busy`](crate::Error::Busy).
    pub keys_in_memory: usize,
    /// Keys that the writer lets go of between two transactions once the index has them.
    pub keys_forgotten_per_step: usize,
    /// Keys or rows that are indexed at once.
    pub index_batch: usize,
    /// Touches that wait to be folded into contacts, and are then folded at once.
    pub touches_unfolded: usize,
    /// Bytes of log that are not in the main file yet, from which on they are copied there.
    pub log_bytes_checkpoint: u64,
    /// Bytes of log; beyond, appends are answered [`Error::Full`](crate::Error::Full).
    pub log_bytes_max: u64,
    /// Bytes of pages that each of the two writing connections (the writer's, and the index's) keeps in memory.
    pub cache_bytes: usize,
    /// Rows in the feed that nobody has read yet.
    pub feed_rows: usize,
    /// Threads that read.
    pub readers: usize,
    /// Questions that wait for a reader; more are answered [`Error::Busy`](crate::Error::Busy).
    pub reads_queued: usize,
    /// Rows that are looked at for one page of a list.
    pub rows_examined: usize,
    /// Rows that are removed in one transaction.
    pub rows_removed_per_step: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ops_queued: 4_096,
            ops_per_commit: 1_024,
            rows_per_commit: 8_192,
            keys_in_memory: 200_000,
            keys_forgotten_per_step: 4_096,
            index_batch: 100_000,
            touches_unfolded: 1_000,
            log_bytes_checkpoint: 32 << 20,
            log_bytes_max: 256 << 20,
            cache_bytes: 8 << 20,
            feed_rows: 65_536,
            readers: 2,
            reads_queued: 1_024,
            rows_examined: 10_000,
            rows_removed_per_step: 500,
        }
    }
}

impl Limits {
    /// The same limits, none of them zero: a queue that holds nothing and a step that does nothing would wait for ever.
    pub(crate) fn at_least_one(self) -> Self {
        Self {
            ops_queued: self.ops_queued.max(1),
            ops_per_commit: self.ops_per_commit.max(1),
            rows_per_commit: self.rows_per_commit.max(1),
            keys_in_memory: self.keys_in_memory.max(1),
            keys_forgotten_per_step: self.keys_forgotten_per_step.max(1),
            index_batch: self.index_batch.max(1),
            touches_unfolded: self.touches_unfolded.max(1),
            log_bytes_checkpoint: self.log_bytes_checkpoint.max(1),
            log_bytes_max: self.log_bytes_max.max(1),
            cache_bytes: self.cache_bytes.max(1),
            feed_rows: self.feed_rows.max(1),
            readers: self.readers.max(1),
            reads_queued: self.reads_queued.max(1),
            rows_examined: self.rows_examined.max(1),
            rows_removed_per_step: self.rows_removed_per_step.max(1),
        }
    }
}

impl Options {
    /// A journal in this directory with the usual limits.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), limits: Limits::default(), on_fatal: abort }
    }
}

fn abort(problem: &str) {
    tracing::error!(problem, "the process ends at once, so that nothing is acknowledged that may be lost");
    std::process::abort();
}
