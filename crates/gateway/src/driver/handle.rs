//! What the rest of the node may ask of the driver.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laneway_journal::{Lease, Sequence};
use laneway_model::{AccountName, EventId, EventKind, Person, PhoneNumber, Status, Timestamp};
use tokio::sync::{broadcast, mpsc, oneshot};

pub use laneway_engine::{GivingUp, Live};

use super::give_up::Wish;
use super::pauses::Pause;
use super::room::{Full, Room, Rooms};

/// An event that has just ended, as it is shown to whoever watches.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The event.
    pub id: EventId,
    /// Its type.
    pub kind: EventKind,
    /// The person, masked; `None` where none was named.
    pub person: Option<String>,
    /// How it ended.
    pub status: Status,
    /// When.
    pub at: Timestamp,
    /// The call that ended it, such as `POST /106…/messages 200`; `None` if no call did.
    pub call: Option<String>,
    /// The service's id for that call.
    pub trace_id: Option<String>,
    /// Why, if it is not confirmed.
    pub reason: Option<String>,
}

/// A change of an event, as it is told to whoever follows live.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The event.
    pub id: EventId,
    /// Its account.
    pub account: AccountName,
    /// Its type.
    pub kind: EventKind,
    /// The business number.
    pub business: PhoneNumber,
    /// The person.
    pub person: Option<Person>,
    /// Where it stands now.
    pub status: Status,
    /// Why, if it ended otherwise than well.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A cheap handle to the driver.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) shared: Arc<Shared>,
    pub(super) lease: Lease,
}

/// What is asked of the driver's task.
#[derive(Debug)]
pub(super) enum Command {
    Live(Vec<Sequence>, oneshot::Sender<Vec<Option<Live>>>),
    Pauses(oneshot::Sender<Vec<Pause>>),
    Discard(Vec<Sequence>),
    GiveUp(Wish),
    Clicked(Vec<u64>),
}

/// What the driver and its handles both see.
#[derive(Debug)]
pub(super) struct Shared {
    waits: Mutex<BTreeMap<Sequence, Vec<oneshot::Sender<()>>>>,
    pub(super) rooms: Arc<Rooms>,
    ended: broadcast::Sender<Ended>,
    changed: broadcast::Sender<Arc<Changed>>,
    /// How many events wait for a click id.
    pub(super) lacking: AtomicUsize,
}

/// Resolves when an event has reached a final status; register it before looking at the event's status.
#[derive(Debug)]
pub struct FinalWait {
    sequence: Sequence,
    settled: oneshot::Receiver<()>,
    shared: Arc<Shared>,
}

/// Watchers that fall further behind than this miss events.
const ENDED_BUFFERED_MAX: usize = 4096;
/// The same for those who follow every change.
const CHANGES_BUFFERED_MAX: usize = 4096;

impl Handle {
    /// What is going on with these open events; `None` for those that are not open.
    pub async fn live(&self, sequences: Vec<Sequence>) -> Vec<Option<Live>> {
        let count = sequences.len();
        let (answer, answered) = oneshot::channel();
        if self.commands.send(Command::Live(sequences, answer)).await.is_err() {
            return vec![None; count];
        }
        answered.await.unwrap_or_else(|_| vec![None; count])
    }

    /// Waits until the driver counts everything that was committed before this was asked: news of rows go before commands.
    pub async fn caught_up(&self) {
        self.live(Vec::new()).await;
    }

    /// The pauses in force; `None` once the driver is gone.
    pub async fn pauses(&self) -> Option<Vec<Pause>> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Pauses(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Gives up those of these events that no call carries now; the others are left alone. What comes of it is told by
    /// [`Handle::final_wait`].
    pub async fn discard(&self, sequences: Vec<Sequence>) {
        // Once the driver is gone, nothing is delivered any more.
        self.commands.send(Command::Discard(sequences)).await.unwrap_or_default();
    }

    /// Gives an open event up, and answers where that stands: `None` if it is not open. An event whose call has just
    /// ended without ending it is given up once that is committed. That its end is committed is told by
    /// [`Handle::final_wait`].
    pub async fn give_up(&self, sequence: Sequence) -> Option<GivingUp> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::GiveUp(Wish { sequence, answer })).await.ok()?;
        answered.await.ok().flatten()
    }

    /// Whether any event waits for a click id.
    pub fn waits_for_clicks(&self) -> bool {
        self.shared.lacking.load(Ordering::SeqCst) > 0
    }

    /// A click may be known now of the users with these hashes of business number and user; it is committed already.
    pub async fn clicked(&self, lanes: Vec<u64>) {
        // Once the driver is gone, the next process looks anyway.
        self.commands.send(Command::Clicked(lanes)).await.unwrap_or_default();
    }

    /// The driver's right to work on events: whoever opens or ends events beside it does so under the same.
    pub const fn lease(&self) -> Lease {
        self.lease
    }

    /// A wait for the event's final status.
    pub fn final_wait(&self, sequence: Sequence) -> FinalWait {
        let (settle, settled) = oneshot::channel();
        lock(&self.shared.waits).entry(sequence).or_default().push(settle);
        FinalWait { sequence, settled, shared: Arc::clone(&self.shared) }
    }

    /// Holds room for `more` further events of this number, from before they are stored until they count as open.
    ///
    /// # Errors
    /// [`Full`] says which limit is reached.
    pub fn room(&self, business: PhoneNumber, more: usize) -> Result<Room, Full> {
        self.shared.rooms.hold(business, more)
    }

    /// Every event that ends from now on.
    pub fn ended(&self) -> broadcast::Receiver<Ended> {
        self.shared.ended.subscribe()
    }

    /// Every change of an event from now on.
    pub fn changed(&self) -> broadcast::Receiver<Arc<Changed>> {
        self.shared.changed.subscribe()
    }

    /// Tells a change that was made beside the driver.
    pub fn tell_changed(&self, changed: Changed) {
        self.shared.tell_changed(changed);
    }
}

impl FinalWait {
    /// Waits until the event is final, or the driver has stopped.
    pub async fn done(mut self) {
        // An error means that the driver is gone, and with it whatever could still happen.
        (&mut self.settled).await.unwrap_or_default();
    }
}

impl Drop for FinalWait {
    /// Leaves nothing behind, whether the event ended or the wait was given up.
    fn drop(&mut self) {
        self.settled.close();
        let mut waits = lock(&self.shared.waits);
        if let Some(registered) = waits.get_mut(&self.sequence) {
            registered.retain(|wait| !wait.is_closed());
            if registered.is_empty() {
                waits.remove(&self.sequence);
            }
        }
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            waits: Mutex::default(),
            rooms: Arc::default(),
            ended: broadcast::channel(ENDED_BUFFERED_MAX).0,
            changed: broadcast::channel(CHANGES_BUFFERED_MAX).0,
            lacking: AtomicUsize::new(0),
        }
    }

    /// Wakes whoever waits for these events.
    pub(super) fn settled(&self, sequences: impl Iterator<Item = Sequence>) {
        let mut waits = lock(&self.waits);
        if waits.is_empty() {
            return;
        }
        for sequence in sequences {
            for wait in waits.remove(&sequence).unwrap_or_default() {
                // A waiter that has gone away needs no answer.
                wait.send(()).unwrap_or_default();
            }
        }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.ended.receiver_count() > 0 || self.is_followed()
    }

    pub(super) fn is_followed(&self) -> bool {
        self.changed.receiver_count() > 0
    }

    pub(super) fn tell_changed(&self, changed: Changed) {
        // Nobody following is no failure.
        drop(self.changed.send(Arc::new(changed)));
    }

    pub(super) fn announce(&self, ended: Ended) {
        // Nobody watching is no failure.
        drop(self.ended.send(ended));
    }

    /// Ends every wait: nothing happens any more.
    pub(super) fn stop(&self) {
        lock(&self.waits).clear();
    }
}

/// The locked parts are changed in single steps, so that a panic elsewhere leaves them whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use laneway_journal::Queue;

    use super::*;

    fn handle() -> Handle {
        let lease = Lease { queue: Queue::Events, partition: 0, epoch: 0 };
        Handle { commands: mpsc::channel(1).0, shared: Arc::new(Shared::new()), lease }
    }

    #[tokio::test]
    async fn every_wait_for_an_event_ends_with_it_and_leaves_nothing() {
        let handle = handle();
        let (first, second) = (handle.final_wait(7), handle.final_wait(7));
        handle.shared.settled([6, 7].into_iter());
        first.done().await;
        second.done().await;
        assert!(lock(&handle.shared.waits).is_empty());
    }

    #[test]
    fn a_wait_that_is_given_up_leaves_nothing() {
        let handle = handle();
        let kept = handle.final_wait(7);
        drop(handle.final_wait(7));
        assert_eq!(lock(&handle.shared.waits)[&7].len(), 1);
        drop(kept);
        assert!(lock(&handle.shared.waits).is_empty());
    }
}
