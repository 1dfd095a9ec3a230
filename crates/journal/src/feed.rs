//! News from the writer to whoever works on the queues.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Fresh, Queue, Wake};

/// Receives what has just been committed. It is bounded: what does not fit is left out, and [`Wake::Behind`] says so
/// once everything before it has been read. A row may then come twice, by `load_open` and by the feed.
///
/// The news of a requeue is never left out, because a requeued row is not found after the last sequence seen; instead
/// `requeue` answers [`Error::Busy`](crate::Error::Busy) while there is no room.
pub struct Feed {
    shared: Arc<Shared>,
}

/// The writer's end of the feed. Publishing never waits.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    rows_max: usize,
}

struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    wakes: VecDeque<Wake>,
    rows: usize,
    behind: [bool; 3],
    ended: bool,
    abandoned: bool,
}

/// Whether news may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It can be loaded instead.
    Droppable,
    /// It must arrive.
    Kept,
}

/// A feed that holds at most this many rows.
pub(crate) fn feed(rows_max: usize) -> (Publisher, Feed) {
    let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new() });
    (Publisher { shared: Arc::clone(&shared), rows_max }, Feed { shared })
}

impl Shared {
    /// A holder that panicked leaves the state whole, because every change is one short step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// The next news; none after the journal has been closed and everything has been read.
    pub async fn next(&mut self) -> Option<Wake> {
        loop {
            if let Some(answer) = self.poll() {
                return answer;
            }
            self.shared.news.notified().await;
        }
    }

    fn poll(&self) -> Option<Option<Wake>> {
        let mut state = self.shared.state();
        if let Some(wake) = state.wakes.pop_front() {
            if let Wake::Rows(_, rows) = &wake {
                state.rows -= rows.len();
            }
            return Some(Some(wake));
        }
        let behind = Queue::ALL.into_iter().find(|queue| state.behind[queue.index()]);
        if let Some(queue) = behind {
            state.behind[queue.index()] = false;
            return Some(Some(Wake::Behind(queue)));
        }
        state.ended.then_some(None)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        *state = State { abandoned: true, ..State::default() };
    }
}

impl Publisher {
    /// Whether there is room for so many rows. Only the writer adds rows, so room that was there stays.
    pub(crate) fn has_room(&self, rows: usize) -> bool {
        let state = self.shared.state();
        state.abandoned || state.rows + rows <= self.rows_max
    }

    /// Adds news, or notes that it did not fit.
    pub(crate) fn publish(&self, queue: Queue, rows: Vec<Fresh>, weight: Weight) {
        if rows.is_empty() {
            return;
        }
        let mut state = self.shared.state();
        if state.abandoned {
            return;
        }
        let fits = state.rows + rows.len() <= self.rows_max && !state.behind[queue.index()];
        if fits || weight == Weight::Kept {
            state.rows += rows.len();
            state.wakes.push_back(Wake::Rows(queue, rows));
        } else {
            state.behind[queue.index()] = true;
        }
        drop(state);
        self.shared.news.notify_one();
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.news.notify_one();
    }
}
