//! News from the writer to whoever works on the queues.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Fresh, Queue, Wake};

/// Receives what has just been committed, of one queue or of several. It is bounded: what does not fit is left out, and
/// [`Wake::Behind`] says so once everything before it has been read. A row may then come twice, by `load_open` and by the
/// feed.
///
/// The news of a requeue is never left out, because a requeued row is not found after the last sequence seen; instead
/// `requeue` answers [`Error::Busy`](crate::Error::Busy) while there is no room.
pub struct Feed {
    shared: Arc<Shared>,
    /// Those that it tells of.
    queues: Vec<Queue>,
    news: Arc<Notify>,
}

/// The writer's end of the feed. Publishing never waits.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    rows_max: usize,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    /// In the order of [`Queue::ALL`].
    channels: [Channel; 3],
    ended: bool,
}

/// The news of one queue.
struct Channel {
    wakes: VecDeque<Vec<Fresh>>,
    rows: usize,
    behind: bool,
    abandoned: bool,
    /// Wakes whoever reads it.
    reader: Arc<Notify>,
}

/// Whether news may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It can be loaded instead.
    Droppable,
    /// It must arrive.
    Kept,
}

/// A feed of every queue that holds at most this many rows of each.
pub(crate) fn feed(rows_max: usize) -> (Publisher, Feed) {
    let news = Arc::new(Notify::new());
    let channel = |_| Channel {
        wakes: VecDeque::new(),
        rows: 0,
        behind: false,
        abandoned: false,
        reader: Arc::clone(&news),
    };
    let state = State { channels: std::array::from_fn(channel), ended: false };
    let shared = Arc::new(Shared { state: Mutex::new(state) });
    let publisher = Publisher { shared: Arc::clone(&shared), rows_max };
    (publisher, Feed { shared, queues: Queue::ALL.into(), news })
}

impl Shared {
    /// A holder that panicked leaves the state whole, because every change is one short step.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn channel(&mut self, queue: Queue) -> &mut Channel {
        &mut self.channels[queue.index()]
    }
}

impl Feed {
    /// The next news; none after the journal has been closed and everything has been read. News of one queue come in
    /// commit order; those of different queues do not.
    pub async fn next(&mut self) -> Option<Wake> {
        loop {
            if let Some(answer) = self.poll() {
                return answer;
            }
            self.news.notified().await;
        }
    }

    /// Gives one queue to another reader: from now on its news come by the feed that is returned, and by no other.
    pub fn split(&mut self, queue: Queue) -> Self {
        let news = Arc::new(Notify::new());
        self.queues.retain(|own| *own != queue);
        let mut state = self.shared.state();
        state.channel(queue).reader = Arc::clone(&news);
        drop(state);
        Self { shared: Arc::clone(&self.shared), queues: vec![queue], news }
    }

    fn poll(&self) -> Option<Option<Wake>> {
        let mut state = self.shared.state();
        for queue in self.queues.iter().copied() {
            let channel = state.channel(queue);
            if let Some(rows) = channel.wakes.pop_front() {
                channel.rows -= rows.len();
                return Some(Some(Wake::Rows(queue, rows)));
            }
        }
        for queue in self.queues.iter().copied() {
            if std::mem::take(&mut state.channel(queue).behind) {
                return Some(Some(Wake::Behind(queue)));
            }
        }
        state.ended.then_some(None)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        for queue in self.queues.iter().copied() {
            let channel = state.channel(queue);
            (channel.abandoned, channel.behind, channel.rows) = (true, false, 0);
            channel.wakes.clear();
        }
    }
}

impl Publisher {
    /// Whether there is room for so many rows. Only the writer adds rows, so room that was there stays.
    pub(crate) fn has_room(&self, queue: Queue, rows: usize) -> bool {
        let mut state = self.shared.state();
        let channel = state.channel(queue);
        channel.abandoned || channel.rows + rows <= self.rows_max
    }

    /// Adds news, or notes that it did not fit.
    pub(crate) fn publish(&self, queue: Queue, rows: Vec<Fresh>, weight: Weight) {
        if rows.is_empty() {
            return;
        }
        let mut state = self.shared.state();
        let channel = state.channel(queue);
        if channel.abandoned {
            return;
        }
        let fits = channel.rows + rows.len() <= self.rows_max && !channel.behind;
        if fits || weight == Weight::Kept {
            channel.rows += rows.len();
            channel.wakes.push_back(rows);
        } else {
            channel.behind = true;
        }
        let reader = Arc::clone(&channel.reader);
        drop(state);
        reader.notify_one();
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.ended = true;
        state.channels.iter().for_each(|channel| channel.reader.notify_one());
    }
}
