//! What is called from asynchronous code: it hands work to the threads and waits for their answers.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fs, io};

use laneway_model::{AccountName, Person, PhoneNumber, Timestamp};
use tokio::sync::oneshot;

use super::checkpoint::{Checkpoints, Log, Mode};
use super::indexing::{self, IndexJob};
use super::open::{INDEX_FILE, JOURNAL_FILE};
use super::read::Reader;
use super::schema::day_of;
use super::step::{Only, Op, Reply};
use super::store::Store;
use super::writer::{Gauges, Job, Writer};
use crate::feed::{Feed, feed};
use crate::{
    Erased, Error, Lease, Limits, OpenError, OpenPage, Options, PurgedContacts, Queue, Sequence, Stats,
    Tenant,
};

/// Notifications that are looked through at once for a person's name.
const NOTIFICATIONS_PER_READ: usize = 500;
/// Open rows that one reader reads alone; a larger page is shared by two, for reading it is most of a start.
const ROWS_READ_ALONE: usize = 1_000;
/// Jobs that wait for the index.
const INDEX_JOBS_QUEUED: usize = 64;

/// The journal's threads, and the queues in front of them.
pub(crate) struct Sqlite {
    directory: PathBuf,
    limits: Limits,
    epoch: u64,
    jobs: SyncSender<Job>,
    reads: SyncSender<ReadJob>,
    indexing: SyncSender<IndexJob>,
    gauges: Arc<Gauges>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    writer: JoinHandle<Store>,
    others: Vec<JoinHandle<()>>,
}

enum ReadJob {
    Ask(Box<dyn FnOnce(&mut Reader) + Send>),
    Close,
}

/// How these persons are named in bodies: a number also with the zeros that CM.com begins it with.
fn words(persons: &[Person]) -> Vec<String> {
    let words = persons.iter().flat_map(|person| match person {
        Person::Phone(number) => vec![number.digits(), format!("00{}", number.digits())],
        Person::Bsuid(id) => vec![id.as_str().to_owned()],
    });
    words.collect()
}

impl Sqlite {
    /// Opens the files and starts the threads.
    pub(crate) fn open(options: Options) -> Result<(Self, Feed), OpenError> {
        let Options { directory, limits, on_fatal } = options;
        let limits = limits.at_least_one();
        let (store, indexer) = Store::open(&directory, limits, on_fatal)?;
        let epoch = store.lease(Queue::Events).epoch;
        let progress = indexer.progress();
        let failed = |source| OpenError::Directory { path: directory.clone(), source };
        let gauges = Arc::new(Gauges::default());
        let (jobs, job_queue) = sync_channel(limits.ops_queued);
        let (reads, read_queue) = sync_channel(limits.reads_queued);
        let (indexing, index_queue) = sync_channel(INDEX_JOBS_QUEUED);
        let (publisher, feed) = feed(limits.feed_rows);
        let (checkpoints, log_thread) = Checkpoints::start(&directory).map_err(failed)?;
        let mut others = vec![log_thread];
        let read_queue = Arc::new(Mutex::new(read_queue));
        for _ in 0..limits.readers {
            let reader = Reader::open(&directory, Arc::clone(&progress), limits.rows_examined)
                .map_err(|source| OpenError::Sqlite { path: directory.join(JOURNAL_FILE), source })?;
            let queue = Arc::clone(&read_queue);
            others.push(spawn("journal-read", move || read_until_closed(reader, &queue)).map_err(failed)?);
        }
        let index_gauges = Arc::clone(&gauges);
        others.push(
            spawn("journal-index", move || indexing::run(indexer, index_queue, index_gauges))
                .map_err(failed)?,
        );
        let mut writer = Writer {
            store,
            jobs: job_queue,
            feed: publisher,
            indexing: indexing.clone(),
            checkpoints,
            gauges: Arc::clone(&gauges),
            log: Log::default(),
            commits: 0,
        };
        writer.tell(Log::default());
        let writer = spawn("journal-write", move || writer.run()).map_err(failed)?;
        let threads = Mutex::new(Some(Threads { writer, others }));
        Ok((Self { directory, limits, epoch, jobs, reads, indexing, gauges, threads }, feed))
    }

    /// Hands an operation to the writer, if there is room, and waits for its answer.
    pub(crate) async fn write(&self, op: Op) -> Result<Reply, Error> {
        let (answer, reply) = oneshot::channel();
        self.gauges.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(refused) = self.jobs.try_send(Job::Do(op, answer)) {
            self.gauges.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(match refused {
                TrySendError::Full(_) => Error::Busy,
                TrySendError::Disconnected(_) => Error::Closed,
            });
        }
        reply.await.map_err(|_| Error::Closed)?
    }

    /// Hands a question to a reader, if there is room, and waits for its answer.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Reader) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, reply) = oneshot::channel();
        let job = ReadJob::Ask(Box::new(move |reader| {
            let _nobody_waits_any_more = answer.send(ask(reader));
        }));
        self.reads.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Busy,
            TrySendError::Disconnected(_) => Error::Closed,
        })?;
        reply.await.map_err(|_| Error::Closed)?
    }

    /// A page of open rows. Its halves are read side by side: they meet at a row that is there, and none can still appear
    /// below it.
    pub(crate) async fn load_open(
        &self,
        queue: Queue,
        after: Sequence,
        limit: usize,
    ) -> Result<OpenPage, Error> {
        let half = limit / 2;
        let middle = match half > ROWS_READ_ALONE {
            true => self.read(move |reader| reader.open_ahead(queue, after, half)).await?,
            false => None,
        };
        let Some(middle) = middle else {
            return self.read(move |reader| reader.load_open(queue, after, limit)).await;
        };
        let first = self.read(move |reader| reader.load_open_until(queue, after, Some(middle), half));
        let second = self.read(move |reader| reader.load_open(queue, middle, half));
        let (mut page, second) = tokio::try_join!(first, second)?;
        // Rows that hold their lanes are not counted by looking ahead.
        if !page.more {
            page.rows.extend(second.rows);
            (page.complete_to, page.more) = (second.complete_to, second.more);
        }
        Ok(page)
    }

    pub(crate) fn lease(&self, queue: Queue) -> Lease {
        Lease { queue, partition: 0, epoch: self.epoch }
    }

    pub(crate) fn check_lease(&self, lease: Lease) -> Result<(), Error> {
        if lease == self.lease(lease.queue) { Ok(()) } else { Err(Error::Fenced) }
    }

    /// Removes everything about a person. Contacts go last: they say who else the person is, so that an erasure which
    /// was cut short finds the same again.
    pub(crate) async fn erase(
        &self,
        person: &Person,
        at: Timestamp,
        tenant: Option<&Tenant>,
    ) -> Result<Erased, Error> {
        let businesses = tenant.map(|tenant| tenant.businesses.clone());
        let (asked, of) = (person.clone(), businesses.clone());
        let persons = self.read(move |reader| reader.same_person(&asked, of.as_deref())).await?;
        let account = tenant.map(|tenant| &tenant.account);
        let words = words(&persons);
        let mut erased = Erased::default();
        let mut forgotten = Vec::new();
        for person in &persons {
            let mut is_named_elsewhere = false;
            for queue in Queue::ALL {
                let (removed, left) = self.erase_rows(queue, person, at, account).await?;
                match queue {
                    Queue::Events => erased.events += removed,
                    Queue::Callbacks | Queue::Forwards => erased.posts += removed,
                }
                is_named_elsewhere |= left > 0;
            }
            // Another tenant finds its rows by the index, and they name the person all the same.
            if tenant.is_none() || !is_named_elsewhere {
                forgotten.push(person.clone());
            }
        }
        let (posts, unsent) = self.erase_forwards(&words, at, account).await?;
        erased.posts += posts;
        erased.unsent = unsent;
        erased.notifications = self.erase_notifications(words, at).await?;
        self.forget(&forgotten).await?;
        for person in persons {
            let of = businesses.clone();
            erased.contacts += self.write(Op::RemoveContacts { person, of }).await?.removed();
        }
        Ok(erased)
    }

    /// How many rows were removed, and how many about the person were left.
    async fn erase_rows(
        &self,
        queue: Queue,
        person: &Person,
        at: Timestamp,
        account: Option<&AccountName>,
    ) -> Result<(u64, u64), Error> {
        let (mut removed, mut found) = (0, 0);
        let mut before = Some(Sequence::MAX);
        while let Some(from) = before {
            let (asked, step) = (person.clone(), self.limits.rows_removed_per_step);
            let candidates = self.read(move |reader| reader.rows_of(queue, &asked, from, step)).await?;
            for step in candidates.found.chunks(self.limits.rows_removed_per_step) {
                let only = Only::About { person: Some(person.clone()), until: at, account: account.cloned() };
                found += step.len() as u64;
                removed += self.write(Op::Remove { queue, sequences: step.to_vec(), only }).await?.removed();
            }
            before = candidates.next;
        }
        Ok((removed, found.saturating_sub(removed)))
    }

    /// Removes what is left of forwards that name a person: those that are about several persons, or about another. How
    /// many, and how many of them were still to be sent.
    async fn erase_forwards(
        &self,
        words: &[String],
        at: Timestamp,
        account: Option<&AccountName>,
    ) -> Result<(u64, u64), Error> {
        let (mut removed, mut unsent) = (0, 0);
        let mut after = Some(0);
        while let Some(from) = after {
            let (words, of) = (words.to_vec(), account.cloned());
            let naming = self
                .read(move |reader| reader.rows_naming(Queue::Forwards, &words, (at, of.as_ref()), from))
                .await?;
            for step in naming.found.chunks(self.limits.rows_removed_per_step) {
                let only = Only::About { person: None, until: at, account: account.cloned() };
                let op = Op::Remove { queue: Queue::Forwards, sequences: step.to_vec(), only };
                removed += self.write(op).await?.removed();
            }
            unsent += naming.open;
            after = naming.next;
        }
        Ok((removed, unsent))
    }

    async fn erase_notifications(&self, words: Vec<String>, at: Timestamp) -> Result<u64, Error> {
        let mut removed = 0;
        let mut after = Some(0);
        while let Some(from) = after {
            let words = words.clone();
            let (found, next) = self
                .read(move |reader| reader.notifications_naming(&words, at, from, NOTIFICATIONS_PER_READ))
                .await?;
            if !found.is_empty() {
                removed += self.write(Op::RemoveNotifications(found)).await?.removed();
            }
            after = next;
        }
        Ok(removed)
    }

    async fn forget(&self, persons: &[Person]) -> Result<(), Error> {
        let (answer, reply) = oneshot::channel();
        self.indexing.try_send(IndexJob::Forget(persons.to_vec(), answer)).map_err(
            |refused| match refused {
                TrySendError::Full(_) => Error::Busy,
                TrySendError::Disconnected(_) => Error::Closed,
            },
        )?;
        reply.await.map_err(|_| Error::Closed)?
    }

    /// Removes final rows, at most `limit`.
    pub(crate) async fn purge(
        &self,
        queue: Queue,
        settled_before: Timestamp,
        limit: usize,
    ) -> Result<u64, Error> {
        let mut removed = 0;
        let mut after = Some(0);
        while let Some(from) = after
            && removed < limit as u64
        {
            let step = self.limits.rows_removed_per_step.min(limit - removed as usize);
            let candidates =
                self.read(move |reader| reader.settled_before(queue, settled_before, from, step)).await?;
            if !candidates.found.is_empty() {
                let only = Only::SettledBefore(settled_before);
                let sequences = candidates.found;
                removed += self.write(Op::Remove { queue, sequences, only }).await?.removed();
            }
            after = candidates.next;
        }
        if removed > 0 {
            let lowest = self.read(move |reader| reader.lowest(queue)).await?;
            let _next_time_is_soon_enough = self.indexing.try_send(IndexJob::Trim(queue, lowest));
        }
        Ok(removed)
    }

    /// Removes notifications, at most `limit`.
    pub(crate) async fn purge_notifications(
        &self,
        received_before: Timestamp,
        limit: usize,
    ) -> Result<u64, Error> {
        let mut removed = 0;
        while removed < limit as u64 {
            let step = self.limits.rows_removed_per_step.min(limit - removed as usize);
            let found = self.read(move |reader| reader.notifications_before(received_before, step)).await?;
            if found.is_empty() {
                break;
            }
            removed += self.write(Op::RemoveNotifications(found)).await?.removed();
        }
        Ok(removed)
    }

    /// Removes contacts, of those on a page.
    pub(crate) async fn purge_contacts(
        &self,
        told_before: Timestamp,
        after: Option<(Person, PhoneNumber)>,
        limit: usize,
    ) -> Result<PurgedContacts, Error> {
        let step = self.limits.rows_removed_per_step.min(limit);
        let (contacts, next) =
            self.read(move |reader| reader.contacts_before(told_before, after.as_ref(), step)).await?;
        let removed = match contacts.is_empty() {
            true => 0,
            false => {
                let op = Op::RemoveContactsBefore { contacts, before: told_before };
                self.write(op).await?.removed()
            }
        };
        Ok(PurgedContacts { removed, next })
    }

    /// Removes keys, at most `limit`.
    pub(crate) async fn purge_keys(&self, free_at: Timestamp, limit: usize) -> Result<u64, Error> {
        let mut removed = 0;
        while removed < limit as u64 {
            let step = self.limits.rows_removed_per_step.min(limit - removed as usize);
            let in_step = self.write(Op::RemoveKeys { free_at, limit: step }).await?.removed();
            removed += in_step;
            if in_step < step as u64 {
                let _next_time_is_soon_enough = self.indexing.try_send(IndexJob::DropDays(day_of(free_at)));
                break;
            }
        }
        Ok(removed)
    }

    /// What the writer showed last, and the files' sizes.
    pub(crate) async fn stats(&self) -> Result<Stats, Error> {
        let directory = self.directory.clone();
        let file_bytes = self.read(move |_| Ok(file_bytes(&directory))).await?;
        let stats = *self.gauges.stats.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Stats { file_bytes, ops_queued: self.gauges.queued.load(Ordering::Relaxed), ..stats })
    }

    /// Does what was handed in before, moves the log into the main file, and ends the threads. The second caller finds
    /// nothing left to do.
    pub(crate) fn close(&self) {
        let Some(threads) = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let _it_has_stopped_already = self.jobs.send(Job::Close);
        let store = threads.writer.join();
        for _ in 0..self.limits.readers {
            let _it_has_stopped_already = self.reads.send(ReadJob::Close);
        }
        let _it_has_stopped_already = self.indexing.send(IndexJob::Close);
        for thread in threads.others {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal panicked");
            }
        }
        match store {
            Ok(store) if store.dead => {}
            Ok(mut store) => {
                if let Err(problem) = store.checkpoint(Mode::Truncate) {
                    tracing::warn!(error = &problem as &dyn std::error::Error, "the log was not moved");
                }
            }
            Err(_) => tracing::error!("the journal's writer panicked"),
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    thread::Builder::new().name(name.into()).spawn(run)
}

fn read_until_closed(mut reader: Reader, queue: &Mutex<Receiver<ReadJob>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(ReadJob::Ask(ask)) => ask(&mut reader),
            Ok(ReadJob::Close) | Err(_) => return,
        }
    }
}

fn file_bytes(directory: &std::path::Path) -> u64 {
    [JOURNAL_FILE, INDEX_FILE]
        .iter()
        .flat_map(|file| ["", "-wal", "-shm"].map(|suffix| directory.join(format!("{file}{suffix}"))))
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum()
}
