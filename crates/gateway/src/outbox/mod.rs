//! What goes to an account's own addresses: callbacks, which tell what became of its events, and forwards, the notifications
//! about its numbers.
//!
//! Each kind has a queue of its own in the journal and a [`Courier`] of its own, a task that owns an engine with that
//! queue's policy. So what holds for events holds for posts: they are durable, are tried until they are taken or their time
//! is over, and keep their order; and a dead address holds its own posts and nothing else.
//!
//! [`callback_row`] and [`forward_row`] make the rows; whoever appends them asks [`Outbox::admit`] for room first.

mod callbacks;
mod courier;
mod directory;
mod metrics;
mod post;
mod request;
mod room;

use std::sync::Arc;

use laneway_journal::{Feed, Lease, NewRow, Queue, Sequence, reference_hash};
use tokio::sync::{mpsc, oneshot};

use crate::driver::{Error, Live};
use crate::telemetry::Telemetry;
use room::{Room, Verdict};

pub use callbacks::Callbacks;
pub use courier::{Courier, Parts};
pub use metrics::Posts;
pub use post::{
    AddressId, CONTENT_TYPE, Forwarded, KEPT_FOR, PostId, PostKind, Told, callback_row, forward_row,
};
pub use room::{ALL_MAX, PER_ADDRESS_MAX, Size};

/// A cheap handle to the couriers of both kinds.
#[derive(Clone, Debug)]
pub struct Outbox {
    callbacks: Desk,
    forwards: Desk,
    telemetry: Arc<Telemetry>,
}

/// A cheap handle to one courier.
#[derive(Clone, Debug)]
pub struct Desk {
    questions: mpsc::Sender<Question>,
    room: Arc<Room>,
    lease: Lease,
}

/// What is asked of a courier.
#[derive(Debug)]
enum Question {
    /// What is going on with these posts.
    Live(Vec<Sequence>, oneshot::Sender<Vec<Option<Live>>>),
    /// To let go of the posts that it has in memory, because some were removed; the others are read again.
    Reread(oneshot::Sender<()>),
}

impl Outbox {
    /// Takes the leases of both queues, and their news out of the feed, and loads every open post. The couriers are still to
    /// be run.
    ///
    /// # Errors
    /// When the journal does not allow it.
    pub async fn start(feed: &mut Feed, parts: Parts) -> Result<(Self, [Courier; 2]), Error> {
        let telemetry = Arc::clone(&parts.telemetry);
        let [callback, forward] = PostKind::ALL.map(|kind| (kind, feed.split(kind.queue())));
        let (callback, callbacks) = Courier::start(callback.0, callback.1, parts.clone()).await?;
        let (forward, forwards) = Courier::start(forward.0, forward.1, parts).await?;
        Ok((Self { callbacks, forwards, telemetry }, [callback, forward]))
    }

    /// The courier of that kind.
    pub const fn desk(&self, kind: PostKind) -> &Desk {
        match kind {
            PostKind::Callback => &self.callbacks,
            PostKind::Forward => &self.forwards,
        }
    }

    /// Those of these rows that there is room for, as an append or a settlement takes them. The others are counted, and the
    /// first of an address is logged; nothing waits for room, because neither an event nor a notification may.
    pub fn admit(&self, kind: PostKind, rows: Vec<NewRow>) -> Vec<(Queue, NewRow)> {
        let room = &self.desk(kind).room;
        let has_room = |row: &NewRow| match room.ask(row.reference.as_ref().map_or(0, reference_hash)) {
            Verdict::Room => true,
            verdict @ (Verdict::JustFull | Verdict::Full) => {
                self.telemetry.posts.left_out(kind);
                if verdict == Verdict::JustFull {
                    tracing::error!(
                        kind = kind.as_str(),
                        account.name = row.account.as_str(),
                        address = row.reference.as_ref().map(laneway_model::Reference::as_str),
                        "so much waits for an address, or for all of them, that no more posts to it are stored until some have gone"
                    );
                }
                false
            }
        };
        rows.into_iter().filter(has_room).map(|row| (kind.queue(), row)).collect()
    }
}

impl Desk {
    /// What is going on with these open posts; `None` for those that are not open.
    pub async fn live(&self, sequences: Vec<Sequence>) -> Vec<Option<Live>> {
        let count = sequences.len();
        let (answer, answered) = oneshot::channel();
        if self.questions.send(Question::Live(sequences, answer)).await.is_err() {
            return vec![None; count];
        }
        answered.await.unwrap_or_else(|_| vec![None; count])
    }

    /// Tells the courier that posts were removed, so that it sends none of them from memory. What is under way ends.
    pub async fn posts_removed(&self) {
        let (answer, answered) = oneshot::channel();
        if self.questions.send(Question::Reread(answer)).await.is_ok() {
            // A courier that ends meanwhile sends nothing more.
            answered.await.unwrap_or_default();
        }
    }

    /// The courier's right to work on its queue: whoever opens posts again does so under the same.
    pub const fn lease(&self) -> Lease {
        self.lease
    }
}
