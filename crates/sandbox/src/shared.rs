//! What every handler shares: the world behind its lock, the request log behind another, the clock, and the bells that
//! ring on changes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{Moment, VirtualClock};
use crate::faults::{FaultError, FaultRow, FaultRule, Faults};
use crate::limits::LISTENERS_MAX;
use crate::mint::Mint;
use crate::phone::Phone;
use crate::requests::{LoggedCall, RequestLog};
use crate::state::State;
use crate::webhook::{Client, Queue, WebhookError};
use crate::world::{Webhook, World};

/// The running sandbox's insides.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    log: Mutex<RequestLog>,
    webhooks: Mutex<Queue>,
    /// Rings when there is a notification to send.
    pub(crate) webhook_bell: Notify,
    /// What sends them.
    pub(crate) webhook_client: Client,
    /// The rules that make calls fail.
    pub(crate) faults: Faults,
    /// The clock.
    pub(crate) clock: VirtualClock,
    /// Rings whenever a listing may have changed: waiting control calls look again.
    pub(crate) changes: watch::Sender<u64>,
    /// Rings whenever the state changed: the state file is due.
    pub(crate) dirty: watch::Sender<u64>,
    /// Ends everything that waits.
    pub(crate) stopping: CancellationToken,
    /// What control calls must present, if anything.
    pub(crate) control_token: Option<String>,
    /// A seat for every page that may listen to changes.
    pub(crate) listeners: Arc<Semaphore>,
    /// Where the program under test takes events, if it has said so.
    pub(crate) gateway: OnceLock<String>,
    /// How often this world was started.
    pub(crate) starts: u64,
}

/// The world and the source of its ids.
pub(crate) struct Inner {
    /// The world.
    pub(crate) world: World,
    /// Where new ids come from.
    pub(crate) mint: Mint,
}

impl Shared {
    /// Takes up a state.
    pub(crate) fn new(state: State, mint: Mint, control_token: Option<String>) -> Shared {
        Shared {
            inner: Mutex::new(Inner { world: state.world, mint }),
            log: Mutex::new(RequestLog::after(state.requests)),
            webhooks: Mutex::default(),
            webhook_bell: Notify::new(),
            webhook_client: Client::default(),
            faults: Faults::default(),
            clock: VirtualClock::new(state.clock_offset_ms),
            changes: watch::Sender::new(0),
            dirty: watch::Sender::new(0),
            stopping: CancellationToken::new(),
            control_token,
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
            gateway: OnceLock::new(),
            starts: state.starts,
        }
    }

    /// The world, for looking at it.
    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        // Methods of the world check before they change, so a panic in one leaves a world that can be used.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world, passes on what businesses are to be told, then rings.
    pub(crate) fn change<R>(&self, action: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.inner();
        let result = action(&mut inner);
        let notices = inner.world.take_notices();
        if !notices.is_empty() {
            // Under the world's lock still, so that notifications queue up in the order of what they tell of.
            let (switches, now) = (inner.world.switches, self.clock.monotonic());
            let mut queue = self.webhooks();
            notices.into_iter().for_each(|notice| queue.push(notice, switches, now));
            self.webhook_bell.notify_one();
        }
        drop(inner);
        self.changed();
        result
    }

    /// Sets or removes the webhook of a number.
    ///
    /// # Errors
    /// [`WebhookError::UnknownNumber`] if no business has the number.
    pub(crate) fn set_webhook(&self, business: &Phone, webhook: Option<Webhook>) -> Result<(), WebhookError> {
        self.change(|inner| {
            if inner.world.set_webhook(business, webhook) {
                return Ok(());
            }
            let known = inner.world.business_phones();
            Err(WebhookError::UnknownNumber { number: business.to_string(), known })
        })
    }

    /// The notifications. Whoever holds this lock does not ask for the world's.
    pub(crate) fn webhooks(&self) -> MutexGuard<'_, Queue> {
        // A row is looked for before it is changed, so a panic leaves a queue that can be used.
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wall clock at a monotonic instant, as far as can be known.
    pub(crate) fn wall(&self, at: Duration) -> Moment {
        self.clock.now().plus(at.saturating_sub(self.clock.monotonic()))
    }

    /// Adds a fault rule, then rings.
    ///
    /// # Errors
    /// [`FaultError`] if the rule cannot be added.
    pub(crate) fn add_fault(&self, rule: FaultRule) -> Result<FaultRow, FaultError> {
        let row = self.faults.add(&self.inner().world, rule)?;
        self.changes.send_modify(|times| *times += 1);
        Ok(row)
    }

    /// Removes one fault rule or all, then rings, and tells how many there were.
    pub(crate) fn remove_faults(&self, id: Option<u64>) -> usize {
        let removed = self.faults.remove(id);
        self.changes.send_modify(|times| *times += 1);
        removed
    }

    /// Rings: the world changed.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|times| *times += 1);
        self.dirty.send_modify(|times| *times += 1);
    }

    /// The request log.
    pub(crate) fn log(&self) -> MutexGuard<'_, RequestLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call to the request log, then rings.
    pub(crate) fn logged(&self, call: LoggedCall) {
        self.log().add(call);
        self.changes.send_modify(|times| *times += 1);
    }

    /// Notes a caller's id on the call with this trace id, then rings.
    pub(crate) fn note_event(&self, trace: &str, event: &str) {
        if self.log().note(trace, event) {
            self.changes.send_modify(|times| *times += 1);
        }
    }

    /// A copy of everything that a state holds. The lock is held for the copying only; writing it out is slower by far.
    pub(crate) fn state(&self) -> State {
        let world = self.inner().world.clone();
        State {
            starts: self.starts,
            clock_offset_ms: self.clock.offset_ms(),
            requests: self.log().seen(),
            world,
        }
    }

    /// Replaces everything by an imported state. Faults name what the old world had, so they go.
    pub(crate) fn import(&self, state: State) {
        self.inner().world = state.world;
        self.faults.remove(None);
        self.webhooks().clear();
        self.log().continue_after(state.requests);
        self.clock.set_offset_ms(state.clock_offset_ms);
        self.changed();
    }
}
