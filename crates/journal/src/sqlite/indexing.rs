//! The index's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};

use laneway_model::Person;
use tokio::sync::oneshot;

use super::index::Indexer;
use super::writer::Gauges;
use crate::{Error, Queue, Sequence};

/// What the index's thread is sent.
pub(super) enum IndexJob {
    /// Index what the journal has by now.
    CatchUp,
    /// Remove every entry of these persons.
    Forget(Vec<Person>, oneshot::Sender<Result<(), Error>>),
    /// Remove keys of days before this one.
    DropDays(u64),
    /// Remove persons of rows below this one.
    Trim(Queue, Sequence),
    /// Stop.
    Close,
}

/// Works until it is told to stop or nobody can send any more. While nothing else is to be done, filters are loaded;
/// until then the index is asked instead, which is slower and as right.
pub(super) fn run(mut indexer: Indexer, jobs: Receiver<IndexJob>, gauges: Arc<Gauges>) {
    let mut loads_filters = true;
    loop {
        let job = match jobs.try_recv() {
            Ok(job) => job,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) if loads_filters => {
                let loaded = indexer.load_filter();
                loads_filters = report(&indexer, loaded).unwrap_or(false);
                continue;
            }
            Err(TryRecvError::Empty) => match jobs.recv() {
                Ok(job) => job,
                Err(_) => return,
            },
        };
        match job {
            IndexJob::CatchUp => {
                let caught_up = indexer.catch_up();
                report(&indexer, caught_up);
                gauges.is_indexing.store(false, Ordering::Release);
            }
            IndexJob::Forget(persons, answer) => {
                let forgotten = persons.iter().try_for_each(|person| indexer.forget(person));
                let _nobody_waits_any_more = answer.send(indexer.noted(forgotten));
            }
            IndexJob::DropDays(before) => {
                let dropped = indexer.drop_days(before);
                report(&indexer, dropped);
            }
            IndexJob::Trim(queue, lowest) => {
                let trimmed = indexer.trim(queue, lowest);
                report(&indexer, trimmed);
            }
            IndexJob::Close => return,
        }
    }
}

/// A failure here loses nothing: everything is in the journal, and is indexed at the next occasion.
fn report<T>(indexer: &Indexer, result: Result<T, Error>) -> Option<T> {
    match indexer.noted(result) {
        Ok(value) => Some(value),
        Err(problem) => {
            tracing::warn!(error = &problem as &dyn std::error::Error, "the index could not be written");
            None
        }
    }
}
