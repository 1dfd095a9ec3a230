//! The writer's step: operations in, one transaction, replies out.
//!
//! [`apply`] is a plain function of the store and the operations. The writer thread only feeds it, and a simulator can
//! call it, and stop calling it, wherever it likes.

use laneway_model::{AccountName, Person, PhoneNumber, Timestamp};

use super::failure::Context;
use super::store::Store;
use super::{append, remove, settle};
use crate::feed::Weight;
use crate::{
    Append, Appended, CallId, Completion, Error, Fresh, Lease, NewCall, NewRow, Queue, Sequence, Settlement,
};

/// What the writer can be asked to do.
#[derive(Clone, Debug)]
pub enum Op {
    /// See [`Journal::append`](crate::Journal::append).
    Append(Append),
    /// See [`Journal::recall`](crate::Journal::recall).
    Recall(NewRow),
    /// See [`Journal::begin`](crate::Journal::begin).
    Begin(Lease, NewCall),
    /// See [`Journal::settle`](crate::Journal::settle).
    Settle(Lease, Settlement),
    /// See [`Journal::complete`](crate::Journal::complete).
    Complete {
        /// The right to do it.
        lease: Lease,
        /// The rows.
        completions: Vec<Completion>,
        /// When.
        at: Timestamp,
    },
    /// See [`Journal::requeue`](crate::Journal::requeue).
    Requeue {
        /// The right to do it.
        lease: Lease,
        /// The rows.
        sequences: Vec<Sequence>,
        /// When their last change is dated.
        at: Timestamp,
        /// When they are tried.
        due: Timestamp,
        /// When they become pointless, if that changes.
        expires: Option<Timestamp>,
    },
    /// See [`Journal::discard`](crate::Journal::discard).
    Discard {
        /// The right to do it.
        lease: Lease,
        /// The rows.
        sequences: Vec<Sequence>,
        /// When.
        at: Timestamp,
        /// Why, for a person.
        reason: String,
        /// Posts that tell of it, each with its queue. They are stored if a row is given up.
        posts: Vec<(Queue, NewRow)>,
    },
    /// Removes rows; those to which `only` does not apply stay.
    Remove {
        /// The queue.
        queue: Queue,
        /// The rows.
        sequences: Vec<Sequence>,
        /// Which of them.
        only: Only,
    },
    /// Removes what is known of a person.
    RemoveContacts {
        /// The person.
        person: Person,
        /// Only what these business numbers know.
        of: Option<Vec<PhoneNumber>>,
    },
    /// Removes those contacts of which nothing was told since; others stay.
    RemoveContactsBefore {
        /// The contacts.
        contacts: Vec<(Person, PhoneNumber)>,
        /// Since when.
        before: Timestamp,
    },
    /// Removes notifications, by their place in the file.
    RemoveNotifications(Vec<i64>),
    /// Removes keys that are free since the day of this instant began, at most so many.
    RemoveKeys {
        /// The instant.
        free_at: Timestamp,
        /// How many at most.
        limit: usize,
    },
}

/// Which rows may be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Only {
    /// Final ones that have been so since before this instant.
    SettledBefore(Timestamp),
    /// Those about this person, accepted at this instant or before, in whatever state; a callback is as old as the event
    /// that it tells of.
    About {
        /// The person; `None` for all rows, because their bodies were looked through for the person.
        person: Option<Person>,
        /// The instant.
        until: Timestamp,
        /// Only this tenant's.
        account: Option<AccountName>,
    },
}

/// The answer to an operation that succeeded, in kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Op::Append`].
    Appended(Vec<Appended>),
    /// To [`Op::Recall`].
    Recalled(Option<Appended>),
    /// To [`Op::Begin`].
    Begun(CallId),
    /// To [`Op::Settle`].
    Settled,
    /// To [`Op::Complete`].
    Completed(Vec<Sequence>),
    /// To [`Op::Requeue`].
    Requeued(Vec<Fresh>),
    /// To [`Op::Discard`].
    Discarded(Vec<Sequence>),
    /// To the operations that remove: how many.
    Removed(u64),
}

/// Takes a reply apart. A store answers each operation in kind, so whoever knows what they asked for knows which of
/// these to call; any other panics.
macro_rules! in_kind {
    ($($(#[$doc:meta])* $name:ident, $kind:ident, $content:ty;)+) => {
        impl Reply {
            $($(#[$doc])*
            ///
            /// # Panics
            /// When it is the answer to something else.
            pub fn $name(self) -> $content {
                let Self::$kind(content) = self else { panic!("the answer is not one of this kind: {self:?}") };
                content
            })+
        }
    };
}

in_kind! {
    /// What became of each row.
    appended, Appended, Vec<Appended>;
    /// What the event repeats, if it does.
    recalled, Recalled, Option<Appended>;
    /// The call's number.
    begun, Begun, CallId;
    /// The rows that are complete.
    completed, Completed, Vec<Sequence>;
    /// The rows that are open again.
    requeued, Requeued, Vec<Fresh>;
    /// The rows that were given up.
    discarded, Discarded, Vec<Sequence>;
    /// How many went.
    removed, Removed, u64;
}

impl Reply {
    /// There is nothing to say.
    ///
    /// # Panics
    /// When it is the answer to something else.
    pub fn settled(self) {
        assert_eq!(self, Self::Settled, "the answer is not one of this kind");
    }
}

/// What a step did.
#[derive(Debug)]
pub struct Applied {
    /// One for each operation, in order.
    pub replies: Vec<Result<Reply, Error>>,
    /// Rows that became durable or open again, in commit order.
    pub news: Vec<News>,
}

/// Rows for the feed.
#[derive(Debug)]
pub struct News {
    /// Their queue.
    pub queue: Queue,
    /// The rows.
    pub rows: Vec<Fresh>,
    pub(crate) weight: Weight,
}

impl Op {
    /// About how many rows it writes: what the size of a transaction is measured by.
    pub(crate) fn weight(&self) -> usize {
        1 + match self {
            Self::Append(append) => append.events.len() + append.posts.len() + append.notifications.len(),
            Self::Begin(_, call) => call.members.len(),
            Self::Complete { completions, .. } => completions.len(),
            Self::Settle(_, settlement) => settlement.changes.len() + settlement.posts.len(),
            Self::Discard { sequences, posts, .. } => sequences.len() + posts.len(),
            Self::Requeue { sequences, .. } | Self::Remove { sequences, .. } => sequences.len(),
            Self::Recall(_) | Self::RemoveContacts { .. } => 1,
            Self::RemoveContactsBefore { contacts, .. } => contacts.len(),
            Self::RemoveNotifications(ids) => ids.len(),
            Self::RemoveKeys { limit, .. } => *limit,
        }
    }

    /// How many touches it writes.
    pub(crate) fn touches(&self) -> usize {
        match self {
            Self::Append(append) => append.touches.len(),
            Self::Settle(_, settlement) => settlement.touches.len(),
            Self::Recall(_)
            | Self::Begin(..)
            | Self::Complete { .. }
            | Self::Requeue { .. }
            | Self::Discard { .. }
            | Self::Remove { .. }
            | Self::RemoveContacts { .. }
            | Self::RemoveNotifications(_)
            | Self::RemoveContactsBefore { .. }
            | Self::RemoveKeys { .. } => 0,
        }
    }
}

/// Does these operations in one transaction, in order.
///
/// An operation that cannot be done is answered with its error, and the others are not affected: everything that can
/// be wrong with one is found before it writes. When SQLite itself fails, nothing of the whole step is stored, and all
/// are answered with that.
pub fn apply(store: &mut Store, ops: Vec<Op>) -> Applied {
    let count = ops.len();
    if store.dead {
        return Applied { replies: vec![Err(Error::Closed); count], news: Vec::new() };
    }
    let before = store.memory.mark();
    transact(store, ops).unwrap_or_else(|problem| {
        store.memory.roll_back(before);
        store.roll_back();
        store.note_lost_sync(&problem);
        Applied { replies: vec![Err(problem); count], news: Vec::new() }
    })
}

fn transact(store: &mut Store, ops: Vec<Op>) -> Result<Applied, Error> {
    let before = store.memory.mark();
    let mut applied = Applied { replies: Vec::with_capacity(ops.len()), news: Vec::new() };
    let run = |store: &Store, statement| {
        store.connection.prepare_cached(statement).and_then(|mut s| s.execute([])).doing("committing")
    };
    run(store, "BEGIN IMMEDIATE")?;
    for op in ops {
        let mark = store.memory.mark();
        let reply = match dispatch(store, op, &mut applied.news) {
            Ok(reply) => Ok(reply),
            Err(Failed::Refused(problem)) => {
                store.memory.roll_back(mark);
                Err(problem)
            }
            Err(Failed::Storage(problem)) => return Err(problem),
        };
        applied.replies.push(reply);
    }
    store.write_counters(before)?;
    run(store, "COMMIT")?;
    store.memory.commit();
    Ok(applied)
}

/// Why an operation did not happen: found before it wrote anything, or while it wrote.
pub(super) enum Failed {
    Refused(Error),
    Storage(Error),
}

/// Marks the phase in which an error occurred.
pub(super) trait Phase<T> {
    /// Nothing has been written yet: only this operation fails.
    fn reading(self) -> Result<T, Failed>;
    /// Something may have been written: the whole step fails.
    fn writing(self) -> Result<T, Failed>;
}

impl<T> Phase<T> for Result<T, Error> {
    fn reading(self) -> Result<T, Failed> {
        self.map_err(Failed::Refused)
    }

    fn writing(self) -> Result<T, Failed> {
        self.map_err(Failed::Storage)
    }
}

fn dispatch(store: &mut Store, op: Op, news: &mut Vec<News>) -> Result<Reply, Failed> {
    match op {
        Op::Append(append) => append::append(store, append, news).map(Reply::Appended),
        Op::Recall(event) => append::repeated(store, Queue::Events, &event).reading().map(Reply::Recalled),
        Op::Begin(lease, call) => settle::begin(store, lease, &call).map(Reply::Begun),
        Op::Settle(lease, settlement) => {
            settle::settle(store, lease, settlement, news)?;
            Ok(Reply::Settled)
        }
        Op::Complete { lease, completions, at } => {
            settle::complete(store, lease, &completions, at).map(Reply::Completed)
        }
        Op::Requeue { lease, sequences, at, due, expires } => {
            settle::requeue(store, lease, &sequences, (at, due, expires), news).map(Reply::Requeued)
        }
        Op::Discard { lease, sequences, at, reason, posts } => {
            let decision = (at, reason.as_str());
            settle::discard(store, lease, &sequences, decision, posts, news).map(Reply::Discarded)
        }
        Op::Remove { queue, sequences, only } => {
            remove::rows(store, queue, &sequences, &only).map(Reply::Removed)
        }
        Op::RemoveContacts { person, of } => {
            remove::contacts(store, &person, of.as_deref()).map(Reply::Removed)
        }
        Op::RemoveContactsBefore { contacts, before } => {
            remove::contacts_before(store, &contacts, before).map(Reply::Removed)
        }
        Op::RemoveNotifications(ids) => remove::notifications(store, &ids).map(Reply::Removed),
        Op::RemoveKeys { free_at, limit } => remove::keys(store, free_at, limit).map(Reply::Removed),
    }
}
