//! The handle through which everyone uses the journal.

use std::sync::Arc;

use laneway_model::{Contact, EventId, Person, PhoneNumber, Timestamp};

use crate::sqlite::Sqlite;
use crate::sqlite::step::{Op, Reply};
use crate::{
    Append, Appended, BlockedPage, CallId, Completion, Erased, Error, Feed, Filter, Fresh, Lease, NewCall,
    NewRow, OpenError, OpenPage, Options, Page, PurgedContacts, Queue, Record, Row, Sequence, Settlement,
    Stats, Tenant,
};

/// A handle to the journal; cheap to clone. Every operation that writes is durable when it returns `Ok`, and has left
/// nothing behind when it returns an error.
///
/// Dropping the last handle stops the threads but does not wait for them: call [`Journal::close`].
#[derive(Clone)]
pub struct Journal {
    store: Store,
}

#[derive(Clone)]
enum Store {
    Sqlite(Arc<Sqlite>),
}

impl Journal {
    /// Opens the journal, and the feed of what is committed from now on. What is open already is found by
    /// [`Journal::load_open`]. It reads files, so asynchronous code calls it before it serves anybody.
    ///
    /// # Errors
    /// [`OpenError`] says in one sentence what is wrong.
    pub fn open(options: Options) -> Result<(Self, Feed), OpenError> {
        let (sqlite, feed) = Sqlite::open(options)?;
        Ok((Self { store: Store::Sqlite(Arc::new(sqlite)) }, feed))
    }

    /// Stores new facts in one transaction; one answer for each of `append.events`, in order. A row that repeats an
    /// earlier one under any of its keys is not stored; nor is such a row among the posts, which have no answer.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Busy`], or the store's own trouble.
    pub async fn append(&self, append: Append) -> Result<Vec<Appended>, Error> {
        self.write(Op::Append(append)).await.map(Reply::appended)
    }

    /// What an append of this event would answer because the journal knows one of its keys; `None` for a new event.
    /// Nothing is stored.
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn recall(&self, event: NewRow) -> Result<Option<Appended>, Error> {
        if event.keys.is_empty() {
            return Ok(None);
        }
        self.write(Op::Recall(event)).await.map(Reply::recalled)
    }

    /// The partitions of a queue that this process may work on. On SQLite that is the only one, for as long as the
    /// journal is open.
    ///
    /// # Errors
    /// The store's own trouble.
    pub async fn lease(&self, queue: Queue) -> Result<Vec<Lease>, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => Ok(vec![sqlite.lease(queue)]),
        }
    }

    /// A page of rows after that sequence that are open or hold their lane. A call that this process has begun and not
    /// settled yet is told as unfinished, too; the caller knows its own.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::Busy`], or the store's own trouble.
    pub async fn load_open(&self, lease: Lease, after: Sequence, limit: usize) -> Result<OpenPage, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => {
                sqlite.check_lease(lease)?;
                sqlite.load_open(lease.queue, after, limit).await
            }
        }
    }

    /// The rows with these sequences, in the order asked for; those that are gone are left out.
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn rows(&self, queue: Queue, sequences: &[Sequence]) -> Result<Vec<Row>, Error> {
        let sequences = sequences.to_vec();
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.read(move |reader| reader.rows(queue, &sequences)).await,
        }
    }

    /// Begins a call, before its bytes leave. It counts as an attempt of every member from now on.
    ///
    /// # Errors
    /// [`Error::NotOpen`] if a member is final or gone, [`Error::Fenced`], [`Error::Busy`], [`Error::Full`], or the
    /// store's own trouble.
    pub async fn begin(&self, lease: Lease, call: NewCall) -> Result<CallId, Error> {
        self.write(Op::Begin(lease, call)).await.map(Reply::begun)
    }

    /// Stores what became of rows, all or nothing.
    ///
    /// A row that is final or gone does not change any more: its change, and what a call that is written now says of
    /// it, are ignored, and [`Stats::changes_ignored`] counts them. If that is true of every row in the settlement,
    /// its touches and posts are not stored either, so that the same settlement can come twice.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn settle(&self, lease: Lease, settlement: Settlement) -> Result<(), Error> {
        self.write(Op::Settle(lease, settlement)).await.map(Reply::settled)
    }

    /// Gives open rows their complete bodies, all or nothing, and makes them due; answers which. Rows that are final or
    /// gone are left out. The feed tells nothing of it.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn complete(
        &self,
        lease: Lease,
        completions: Vec<Completion>,
        at: Timestamp,
    ) -> Result<Vec<Sequence>, Error> {
        self.write(Op::Complete { lease, completions, at }).await.map(Reply::completed)
    }

    /// The record with exactly this id: one that was made up finds nothing.
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn get(&self, queue: Queue, id: EventId) -> Result<Option<Record>, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.read(move |reader| reader.get(queue, id)).await,
        }
    }

    /// A page of records below that sequence, newest first. The work of a page is limited, so it may be short, or
    /// empty, and still name a next one.
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn list(
        &self,
        queue: Queue,
        filter: Filter,
        before: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => {
                sqlite.read(move |reader| reader.list(queue, &filter, before, limit)).await
            }
        }
    }

    /// A page of records above that sequence, oldest first; otherwise as [`Journal::list`].
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn list_up(
        &self,
        queue: Queue,
        filter: Filter,
        after: Option<Sequence>,
        limit: usize,
    ) -> Result<Page, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => {
                sqlite.read(move |reader| reader.list_up(queue, &filter, after, limit)).await
            }
        }
    }

    /// Opens final rows again: each keeps id, attempts and body. A row that held its lane keeps its place there, and
    /// holds it no longer; any other gets a new order, at the lane's tail. Its last change is dated `due`. Rows that
    /// are open or gone are left out. The journal opens whatever is final; which statuses may be tried again is for the
    /// caller to know. The feed tells the same.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::Full`], the store's own trouble, or [`Error::Busy`], also while the feed has no
    /// room for so many rows.
    pub async fn requeue(
        &self,
        lease: Lease,
        sequences: &[Sequence],
        due: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<Vec<Fresh>, Error> {
        let op = Op::Requeue { lease, sequences: sequences.to_vec(), at: due, due, expires };
        self.write(op).await.map(Reply::requeued)
    }

    /// The same for rows that are due later than now, which is `at`: their last change is dated `at`.
    ///
    /// # Errors
    /// As [`Journal::requeue`].
    pub async fn requeue_later(
        &self,
        lease: Lease,
        sequences: &[Sequence],
        at: Timestamp,
        due: Timestamp,
    ) -> Result<Vec<Fresh>, Error> {
        let op = Op::Requeue { lease, sequences: sequences.to_vec(), at, due, expires: None };
        self.write(op).await.map(Reply::requeued)
    }

    /// Gives dead letters up: rows that are `Failed` or `InDoubt` become `Discarded`, for this reason, and hold their
    /// lanes no longer. Answers which; all others are left alone. (What is open is discarded by a settlement.) The posts,
    /// each with its queue, are stored in the same transaction if any row is given up. The feed tells of nothing but them.
    ///
    /// # Errors
    /// [`Error::Fenced`], [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn discard(
        &self,
        lease: Lease,
        sequences: &[Sequence],
        at: Timestamp,
        reason: &str,
        posts: Vec<(Queue, NewRow)>,
    ) -> Result<Vec<Sequence>, Error> {
        let (sequences, reason) = (sequences.to_vec(), reason.to_owned());
        let op = Op::Discard { lease, sequences, at, reason, posts };
        self.write(op).await.map(Reply::discarded)
    }

    /// What is known of a person in the eyes of a business number.
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn contact(&self, business: PhoneNumber, person: &Person) -> Result<Option<Contact>, Error> {
        let person = person.clone();
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.read(move |reader| reader.contact(business, &person)).await,
        }
    }

    /// Removes everything about a person that was accepted or received at that instant or before: rows of every
    /// queue, open or not, with what calls say of them, and callbacks about such events, whenever they were made;
    /// forwards and notifications that name them; contacts. Whoever the contacts tell to be the same person, under a
    /// number or a business-scoped id, is erased along. A forward or a notification that also tells of others goes as
    /// a whole. Keys stay: they are hashes, and keep what was erased from being done again.
    ///
    /// It works in small steps; when it fails, calling it again goes on. The caller has told the engine first.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn erase(&self, person: &Person, at: Timestamp) -> Result<Erased, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.erase(person, at, None).await,
        }
    }

    /// The same for one tenant: only rows and contacts of theirs are removed, and who is the same person is only what their
    /// contacts tell. Notifications have no owner, and go all the same.
    ///
    /// # Errors
    /// As [`Journal::erase`].
    pub async fn erase_of(&self, tenant: &Tenant, person: &Person, at: Timestamp) -> Result<Erased, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.erase(person, at, Some(tenant)).await,
        }
    }

    /// Everyone who is known to be the same as this person, in the eyes of these business numbers; the person is among
    /// them.
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn same_person(&self, person: &Person, of: &Tenant) -> Result<Vec<Person>, Error> {
        let (person, businesses) = (person.clone(), of.businesses.clone());
        match &self.store {
            Store::Sqlite(sqlite) => {
                sqlite.read(move |reader| reader.same_person(&person, Some(&businesses))).await
            }
        }
    }

    /// A page of the persons whom a business number has blocked, as Meta last confirmed, in no order that means anything;
    /// `limit` contacts are looked at. A person can be on two pages.
    ///
    /// # Errors
    /// [`Error::Busy`], or the store's own trouble.
    pub async fn blocked(
        &self,
        business: PhoneNumber,
        after: Option<(Person, PhoneNumber)>,
        limit: usize,
    ) -> Result<BlockedPage, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => {
                sqlite.read(move |reader| reader.blocked(business, after.as_ref(), limit)).await
            }
        }
    }

    /// Removes final rows whose last change was before that instant, oldest first and at most `limit`, and calls to
    /// which no row refers any more. Rows that hold their lanes stay. Keys outlive their rows. Returns how many rows went.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn purge(&self, queue: Queue, settled_before: Timestamp, limit: usize) -> Result<u64, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.purge(queue, settled_before, limit).await,
        }
    }

    /// Removes notifications received before that instant, oldest first and at most `limit`. Returns how many went.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn purge_notifications(&self, received_before: Timestamp, limit: usize) -> Result<u64, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.purge_notifications(received_before, limit).await,
        }
    }

    /// Removes those contacts of a page of at most `limit` of which nothing was told at that instant or since. Whoever is
    /// blocked stays: the block holds for as long as it is not lifted.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn purge_contacts(
        &self,
        told_before: Timestamp,
        after: Option<(Person, PhoneNumber)>,
        limit: usize,
    ) -> Result<PurgedContacts, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.purge_contacts(told_before, after, limit).await,
        }
    }

    /// Removes keys that became free before the day (in UTC) of that instant, at most `limit`. Returns how many went.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Full`], or the store's own trouble.
    pub async fn purge_keys(&self, free_at: Timestamp, limit: usize) -> Result<u64, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.purge_keys(free_at, limit).await,
        }
    }

    /// What the journal holds and how busy it is.
    ///
    /// # Errors
    /// [`Error::Busy`], or [`Error::Closed`].
    pub async fn stats(&self) -> Result<Stats, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.stats().await,
        }
    }

    /// Does what was handed in before, then closes the files; the directory is free when this returns. Every other
    /// handle answers [`Error::Closed`] from then on, and the feed ends.
    pub async fn close(self) {
        match self.store {
            Store::Sqlite(sqlite) => {
                if tokio::task::spawn_blocking(move || sqlite.close()).await.is_err() {
                    tracing::error!("closing the journal was cut short");
                }
            }
        }
    }

    async fn write(&self, op: Op) -> Result<Reply, Error> {
        match &self.store {
            Store::Sqlite(sqlite) => sqlite.write(op).await,
        }
    }
}
