//! The driver: it performs the engine's effects and feeds the results back, and decides nothing.
//!
//! One task owns the engine. Everything that takes time (the journal, calls) runs in tasks beside it, which report by
//! one channel; news of fresh rows comes from the journal's feed. A journal that cannot store an outcome now is asked
//! again until it can, so a full disk delays the events of that call and loses nothing.

mod alike;
pub(crate) mod bodies;
pub(crate) mod calls;
mod directory;
pub(crate) mod durably;
mod give_up;
mod handle;
mod lacking;
mod metrics;
mod pauses;
mod reports;
mod room;
mod shadow;
mod told;
mod windows;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use laneway_channel::{cm, http, meta};
use laneway_engine::{
    CallId, Cause, Change, Control, Effect, Engine, Entry, Input, Now, Policy, Reason, SettlementId,
};
use laneway_journal::{Feed, Fresh, Journal, Lease, NewCall, OpenRow, Queue, Row, Sequence, Wake};
use laneway_model::{Action, Answer, EventKind, Route, Status, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::inbound::{LastHeard, LastMessages};
use crate::outbox::{Callbacks, Outbox};
use crate::telemetry::Telemetry;

use bodies::Bodies;
use calls::Call;
use directory::{Directory, Target};
use give_up::Wish;
use handle::{Command, Shared};
use lacking::Lacking;
use shadow::Shadows;
use told::Outcome;
use windows::Windows;

pub use handle::{Changed, Ended, FinalWait, GivingUp, Handle, Live};
pub use metrics::Delivery;
pub use pauses::{Covered, Pause};
pub use room::{Full, Room};

/// What the driver works with.
pub struct Parts {
    /// Durable memory.
    pub journal: Journal,
    /// Its news.
    pub feed: Feed,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters and histograms.
    pub telemetry: Arc<Telemetry>,
    /// Which messages came lately.
    pub messages: LastMessages,
    /// When something last happened at each number.
    pub heard: Arc<LastHeard>,
    /// Where accounts are told what became of their events.
    pub outbox: Outbox,
    /// The seed of the engine's randomness.
    pub seed: u64,
}

/// The driver of the events queue.
pub struct Driver {
    journal: Journal,
    feed: Feed,
    lease: Lease,
    config: watch::Receiver<Arc<Config>>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    messages: LastMessages,
    heard: Arc<LastHeard>,
    outbox: Outbox,
    callbacks: Arc<Callbacks>,
    engine: Engine,
    channel: meta::Client,
    relay: cm::Client,
    shadows: Shadows,
    directory: Directory,
    calls: BTreeMap<CallId, Call>,
    bodies: Bodies,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    done: mpsc::Sender<Done>,
    reports: mpsc::Receiver<Done>,
    tasks: TaskTracker,
    /// The clocks as they stood at the last look.
    looked: Now,
    /// The highest sequence that the engine has been told of.
    seen: Sequence,
    /// Settlements on their way: what is announced when they are committed.
    settling: BTreeMap<SettlementId, Vec<Outcome>>,
    /// Wishes that wait for something to be committed.
    wishes: Vec<Wish>,
    /// Events that wait for their click ids.
    lacking: Lacking,
}

/// What a task beside the driver has done.
enum Done {
    Loaded {
        call: CallId,
        members: Vec<Sequence>,
        rows: Vec<Arc<Row>>,
        /// Blocks whose window has closed.
        closed: Vec<Sequence>,
    },
    Begun {
        call: CallId,
        begun: laneway_journal::CallId,
    },
    /// The row is final or gone.
    NotOpen {
        call: CallId,
        sequence: Sequence,
    },
    Left {
        call: CallId,
    },
    Answered {
        call: CallId,
        members: Vec<Sequence>,
        answer: Answer,
    },
    /// The rows are there if someone watches and no call has brought them.
    Settled {
        settlement: SettlementId,
        rows: Vec<Row>,
        /// Events that were to be superseded by an event about somebody else, and are not.
        unlike: Vec<Sequence>,
    },
    /// Click ids were looked for.
    Sought {
        found: Vec<Sequence>,
        unknown: Vec<Sequence>,
        gone: Vec<Sequence>,
    },
    /// The journal will do nothing any more.
    Lost(laneway_journal::Error),
}

/// Why the driver cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal failed for good.
    #[error("the journal failed")]
    Journal(#[source] laneway_journal::Error),
    /// The journal gave no lease: another node works on its queue.
    #[error("the journal gave no lease for a queue")]
    NoLease,
}

/// Rows that are read at a time when the open set is loaded.
const LOAD_PAGE: usize = 20_000;
/// Reports and commands that are taken together before effects are performed.
const REPORTS_AT_ONCE: usize = 256;
/// Reports that may wait for the driver; a task that reports more waits.
const REPORTS_MAX: usize = 8192;
/// Commands that may wait for the driver.
const COMMANDS_MAX: usize = 1024;
/// How long calls under way have at shutdown.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// The longest sleep between two looks at the clocks.
pub(crate) const SLEEP_MAX: Duration = Duration::from_secs(60);
/// A difference between the clocks beyond this is a step of the wall clock, and said so.
const CLOCK_STEP: Duration = Duration::from_secs(60);

impl Driver {
    /// Takes the lease and loads every open event.
    ///
    /// # Errors
    /// [`Error`] when the journal does not allow it.
    pub async fn start(parts: Parts) -> Result<(Self, Handle), Error> {
        let Parts { journal, feed, config, clock, telemetry, messages, heard, outbox, seed } = parts;
        let lease = journal
            .lease(Queue::Events)
            .await
            .map_err(Error::Journal)?
            .first()
            .copied()
            .ok_or(Error::NoLease)?;
        let (done, reports) = mpsc::channel(REPORTS_MAX);
        let (command, commands) = mpsc::channel(COMMANDS_MAX);
        let shared = Arc::new(Shared::new());
        let handle = Handle { commands: command, shared: Arc::clone(&shared), lease };
        let shadows = Shadows::new(Arc::clone(&clock), Arc::clone(&telemetry));
        let mut driver = Self {
            journal,
            feed,
            lease,
            config,
            clock,
            telemetry,
            messages,
            heard,
            outbox,
            callbacks: Arc::default(),
            engine: Engine::new(Policy::events(), seed),
            channel: meta::Client::new(http::Limits::default()),
            relay: cm::Client::new(http::Limits::default()),
            shadows,
            directory: Directory::default(),
            calls: BTreeMap::new(),
            bodies: Bodies::default(),
            shared,
            commands,
            done,
            reports,
            tasks: TaskTracker::new(),
            looked: Now::default(),
            seen: 0,
            settling: BTreeMap::new(),
            wishes: Vec::new(),
            lacking: Lacking::default(),
        };
        driver.looked = driver.now();
        driver.configure();
        driver.load().await?;
        driver.publish_open();
        Ok((driver, handle))
    }

    /// Works until it is told to stop; then lets calls under way end, for a while, and settles them.
    ///
    /// # Errors
    /// [`Error`] when the journal fails for good.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut moved = self.clock.moved();
        let mut may_change = true;
        self.tell(Input::Control(Control::Start));
        while !stop.is_cancelled() {
            self.watch_clock();
            self.publish_open();
            let sleep = self.sleep_time();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(done) = self.reports.recv() => self.take_reports(done)?,
                wake = self.feed.next() => match wake {
                    Some(wake) => self.take_news(wake).await?,
                    None => return Err(Error::Journal(laneway_journal::Error::Closed)),
                },
                Some(command) = self.commands.recv() => self.obey(command),
                changed = self.config.changed(), if may_change => match changed {
                    Ok(()) => self.configure(),
                    // Nobody is left who could change it.
                    Err(_) => may_change = false,
                },
                () = clock_moved(&mut moved) => self.tell(Input::Tick),
                () = tokio::time::sleep(sleep) => self.tell(Input::Tick),
            }
        }
        self.wind_down().await
    }

    async fn wind_down(mut self) -> Result<(), Error> {
        self.tell(Input::Control(Control::Stop));
        let deadline = tokio::time::sleep(SHUTDOWN_GRACE);
        tokio::pin!(deadline);
        while self.engine.counts().calls + self.engine.counts().settlements > 0 {
            tokio::select! {
                () = &mut deadline => {
                    let calls = self.engine.counts().calls;
                    tracing::warn!(calls, "calls were still under way at the end; their events are kept");
                    break;
                }
                Some(done) = self.reports.recv() => self.take_reports(done)?,
            }
        }
        self.shared.stop();
        Ok(())
    }

    fn now(&self) -> Now {
        let elapsed_ms = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        Now { elapsed_ms, wall: self.clock.wall() }
    }

    /// How long nothing happens by itself. Never longer than a minute, so that a wall clock that was set ahead is noticed.
    fn sleep_time(&self) -> Duration {
        let now = self.now();
        let wake = self.engine.next_wake(now);
        let wait = wake.map(|wake_ms| Duration::from_millis(wake_ms.saturating_sub(now.elapsed_ms)));
        wait.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)
    }

    /// Compares the two clocks with how they stood before. A wall clock that was set shows itself as a difference.
    fn watch_clock(&mut self) {
        let now = self.now();
        let elapsed_ms = now.elapsed_ms.saturating_sub(self.looked.elapsed_ms);
        let expected = self.looked.wall.saturating_add(Duration::from_millis(elapsed_ms));
        let step = expected.since(now.wall).max(now.wall.since(expected));
        if step > CLOCK_STEP {
            let is_ahead = now.wall > expected;
            tracing::warn!(step_s = step.as_secs(), is_ahead, "the wall clock was set; expiry follows it");
            self.telemetry.delivery.clock_stepped();
        }
        self.looked = now;
    }

    fn configure(&mut self) {
        let config = Arc::clone(&self.config.borrow_and_update());
        let limit = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        self.shared
            .rooms
            .limit(limit(config.limits.open_events), limit(config.limits.open_events_per_number));
        self.callbacks = Arc::new(Callbacks::of(&config));
        let setups = self.directory.configure(&config);
        self.tell(Input::Control(Control::Configure(setups)));
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Live(sequences, answer) => {
                let now = self.now();
                let live = sequences.into_iter().map(|sequence| self.engine.live(now, sequence)).collect();
                // Whoever asked may have gone away.
                answer.send(live).unwrap_or_default();
            }
            Command::Pauses(answer) => answer.send(self.pauses()).unwrap_or_default(),
            Command::Discard(sequences) => self.tell(Input::Control(Control::Discard(sequences))),
            Command::GiveUp(wish) => self.give_up(wish),
            Command::Clicked(lanes) => self.seek_again(&lanes),
        }
    }
}

// News of rows.
impl Driver {
    /// Tells the engine of every open row after the last one it knows.
    async fn load(&mut self) -> Result<(), Error> {
        loop {
            let page =
                self.journal.load_open(self.lease, self.seen, LOAD_PAGE).await.map_err(Error::Journal)?;
            self.seen = self.seen.max(page.complete_to);
            self.accept(page.rows.iter().map(entry).collect());
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn take_news(&mut self, wake: Wake) -> Result<(), Error> {
        match wake {
            Wake::Rows(Queue::Events, fresh) => {
                let unseen = fresh.into_iter().filter(|fresh| self.is_news(&fresh.open));
                let unseen: Vec<Fresh> = unseen.collect();
                self.seen = unseen.iter().map(|fresh| fresh.open.sequence).fold(self.seen, u64::max);
                if self.shared.is_followed() {
                    let changed = unseen
                        .iter()
                        .filter_map(|fresh| self.changed_without_call(&fresh.row, fresh.open.status, None));
                    changed.for_each(|changed| self.shared.tell_changed(changed));
                }
                let entries = unseen.iter().map(|fresh| self.fresh_entry(fresh)).collect();
                // A body that lacks something is not the one that is sent.
                let complete = unseen.into_iter().filter(|fresh| !fresh.open.lacks);
                complete.for_each(|fresh| self.bodies.keep(fresh.row));
                self.accept(entries);
            }
            Wake::Behind(Queue::Events) => self.load().await?,
            Wake::Rows(Queue::Callbacks | Queue::Forwards, _)
            | Wake::Behind(Queue::Callbacks | Queue::Forwards) => {}
        }
        Ok(())
    }

    /// A row that was loaded before its news came must not be told again: it may have ended meanwhile. A requeued row
    /// comes as `Retrying`, and is news whenever it comes.
    fn is_news(&self, row: &OpenRow) -> bool {
        row.status == Status::Retrying || row.sequence > self.seen
    }

    /// A read mark is ranked by when its message was written, if that is known.
    fn fresh_entry(&self, fresh: &Fresh) -> Entry {
        let rank = || {
            if fresh.row.kind != EventKind::MarkAsRead.code() || self.messages.is_empty() {
                return None;
            }
            let (event, person) = (fresh.row.event().ok()?, fresh.row.person.as_ref()?);
            let Action::MarkAsRead { message_id } = &event.action else { return None };
            self.messages.written_at(fresh.row.business, person, message_id)
        };
        Entry { rank: rank().map_or(0, Timestamp::as_millis), ..entry(&fresh.open) }
    }

    fn accept(&mut self, entries: Vec<Entry>) {
        self.note_lacking(&entries);
        self.tell(Input::Accepted(entries));
    }

    /// Publishes the counts that the limits are compared with.
    fn publish_open(&mut self) {
        let recounted = self.engine.recounted();
        if !recounted.is_empty() {
            let open = self.engine.counts().open;
            self.shared.rooms.count(self.seen, open, recounted.into_iter());
            self.telemetry.delivery.open(open);
        }
    }
}

// The engine's effects.
impl Driver {
    /// Tells the engine, and performs what follows, and what follows from that, until nothing is left to do at once.
    fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut effects = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let loaded = if let Input::Loaded { call, .. } = &input { Some(*call) } else { None };
            self.engine.handle(self.now(), input, &mut effects);
            for effect in effects.drain(..) {
                inputs.extend(self.perform(effect));
            }
            // All its members may have had to wait for another, or their time was over.
            if let Some(call) = loaded.filter(|call| !self.engine.is_under_way(*call)) {
                self.calls.remove(&call);
            }
        }
    }

    /// Performs one effect. What is done at once is answered at once.
    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Load { call, members } => self.load_bodies(call, members),
            Effect::Begin { call, members } => {
                self.begin(call, members);
                None
            }
            Effect::Send { call, members } => self.send(call, members),
            Effect::Settle { settlement, cause, changes } => {
                self.settle(settlement, cause, changes);
                None
            }
            Effect::Seek { events } => {
                self.seek(events);
                None
            }
            Effect::Alarm(alarm) => {
                self.alarm(alarm);
                None
            }
        }
    }

    fn load_bodies(&mut self, call: CallId, members: Vec<Sequence>) -> Option<Input> {
        let rows: Vec<_> = members.iter().filter_map(|sequence| self.bodies.take(*sequence)).collect();
        let now = self.clock.wall();
        let is_whole = rows.len() == members.len();
        if is_whole && !rows.iter().any(|row| windows::may_have_closed(row, now)) {
            return Some(self.loaded(call, &members, &rows, Vec::new()));
        }
        let (journal, done) = (self.journal.clone(), self.done.clone());
        let (heard, rules) = (Arc::clone(&self.heard), self.config.borrow().rules);
        let windows = Windows { journal: journal.clone(), heard, rules, now };
        self.tasks.spawn(async move {
            let rows = match is_whole {
                true => Ok(rows),
                false => durably::rows(&journal, Queue::Events, &members)
                    .await
                    .map(|rows| rows.into_iter().map(Arc::new).collect()),
            };
            let report = match rows {
                Ok(rows) => Done::Loaded { call, members, closed: windows.closed(&rows).await, rows },
                Err(error) => Done::Lost(error),
            };
            report_to(&done, report).await;
        });
        None
    }

    fn loaded(
        &mut self,
        call: CallId,
        members: &[Sequence],
        rows: &[Arc<Row>],
        closed: Vec<Sequence>,
    ) -> Input {
        let there: BTreeSet<_> = rows.iter().map(|row| row.id.sequence()).collect();
        let missing = members.iter().copied().filter(|sequence| !there.contains(sequence)).collect();
        let directory = &self.directory;
        let mut left_over = Vec::new();
        if let Some(mut opened) =
            Call::new(rows, self.clock.wall(), |row, kind| directory.target(row.business, kind))
        {
            left_over = opened.leave_over();
            self.calls.insert(call, opened);
        }
        if !left_over.is_empty() {
            let over: BTreeSet<_> = left_over.iter().collect();
            let rows = rows.iter().filter(|row| over.contains(&row.id.sequence()));
            rows.for_each(|row| self.bodies.keep(Arc::clone(row)));
        }
        Input::Loaded { call, missing, left_over, closed }
    }

    fn begin(&mut self, call: CallId, members: Vec<Sequence>) {
        let started_at = self.clock.wall();
        let route = self.calls.get(&call).map_or(Route::Meta, Call::route);
        let (journal, lease, done) = (self.journal.clone(), self.lease, self.done.clone());
        self.tasks.spawn(async move {
            let new = NewCall { started_at, route, members };
            let report =
                match durably::until_done("beginning a call", || journal.begin(lease, new.clone())).await {
                    Ok(begun) => Done::Begun { call, begun },
                    Err(laneway_journal::Error::NotOpen { sequence }) => Done::NotOpen { call, sequence },
                    Err(error) => Done::Lost(error),
                };
            report_to(&done, report).await;
        });
    }

    fn send(&mut self, id: CallId, members: Vec<Sequence>) -> Option<Input> {
        let now = self.clock.wall();
        let Some(call) = self.calls.get_mut(&id) else {
            return Some(Input::Answered { call: id, outcomes: Vec::new() });
        };
        call.started_at = now;
        call.keep_only(&members);
        let target = match call.sendable() {
            Ok(target) => target,
            Err(answer) => return Some(self.answered(id, &members, answer)),
        };
        let (verb, sent, done) = (call.verb, call.members.clone(), self.done.clone());
        let (channel, relay) = (self.channel.clone(), self.relay.clone());
        let reports = self.done.clone();
        // If there is no room for this report, the answer tells as much.
        let leaves = move || drop(reports.try_send(Done::Left { call: id }));
        self.tasks.spawn(async move {
            let answer = match (&target, sent.first()) {
                (Target::Cm(target), Some(member)) => relay.send(target, &member.event, now, leaves).await,
                (Target::Meta(target), _) => {
                    channel.send(target, meta::Call { verb, members: &sent, now }, leaves).await
                }
                (Target::Cm(_), None) => Answer { http_status: None, trace_id: None, outcomes: Vec::new() },
            };
            report_to(&done, Done::Answered { call: id, members, answer }).await;
        });
        None
    }

    fn answered(&mut self, id: CallId, members: &[Sequence], answer: Answer) -> Input {
        let now = self.clock.wall();
        let outcomes = self.calls.get_mut(&id).map_or_else(Vec::new, |call| {
            call.finished_at = now;
            call.answer = Some(answer);
            let outcomes = call.outcomes(members);
            self.telemetry.delivery.answered(call.verb, &outcomes, call.finished_at.since(call.started_at));
            outcomes
        });
        Input::Answered { call: id, outcomes }
    }

    fn settle(&mut self, settlement: SettlementId, cause: Cause, changes: Vec<Change>) {
        let now = self.clock.wall();
        let call = match cause {
            Cause::Call(call) => self.calls.remove(&call),
            Cause::Interrupted(_) | Cause::Decision => None,
        };
        let mut durable = match (cause, &call) {
            (Cause::Interrupted(journal_call), _) => calls::interrupted(now, journal_call, &changes),
            (_, Some(call)) => call.settlement(now, &changes),
            (_, None) => calls::decided(now, &changes),
        };
        let ended = changes.iter().filter(|change| !change.status.is_open());
        for change in ended {
            drop(self.bodies.take(change.sequence));
            self.lacking.remove(&self.shared, change.sequence);
        }
        let superseded = changes.iter().any(|change| matches!(change.reason, Reason::Superseded { .. }));
        let outcomes = changes.into_iter().map(|change| self.outcome(now, call.as_ref(), change));
        let outcomes = outcomes.collect();
        self.settling.insert(settlement, outcomes);
        let (journal, lease, done) = (self.journal.clone(), self.lease, self.done.clone());
        let (outbox, callbacks) = (self.outbox.clone(), Arc::clone(&self.callbacks));
        let unknown = call.is_none() && self.shared.is_watched();
        let members = call.map(|call| call.members).unwrap_or_default();
        self.tasks.spawn(async move {
            let unlike = match superseded {
                true => alike::leave_out_unlike(&journal, &mut durable).await,
                false => Ok(Vec::new()),
            };
            let told = callbacks.add_to(&mut durable, &members, &journal, &outbox).await;
            let unlike = told.and(unlike);
            let ended = durable.changes.iter().filter(|change| unknown && !change.status.is_open());
            let ended: Vec<_> = ended.map(|change| change.sequence).collect();
            let settled = match unlike {
                Ok(unlike) if durable.changes.is_empty() => Ok(unlike),
                Ok(unlike) => durably::settle(&journal, lease, durable).await.map(|()| unlike),
                Err(error) => Err(error),
            };
            let report = match settled {
                // Rows that cannot be read are only not shown.
                Ok(unlike) if !ended.is_empty() => {
                    let rows = journal.rows(Queue::Events, &ended).await.unwrap_or_default();
                    Done::Settled { settlement, rows, unlike }
                }
                Ok(unlike) => Done::Settled { settlement, rows: Vec::new(), unlike },
                Err(error) => Done::Lost(error),
            };
            report_to(&done, report).await;
        });
    }
}

/// What the engine is told of an open row.
pub(crate) fn entry(row: &OpenRow) -> Entry {
    Entry {
        sequence: row.sequence,
        order: row.order,
        business: row.business,
        person_hash: row.person_hash,
        kind: row.kind,
        due: row.due,
        expires: row.expires,
        attempts: row.attempts,
        interrupted: row.unfinished,
        rank: 0,
        holds_lane: row.status == Status::Failed,
        lacks: row.lacks,
    }
}

/// Reports to the driver; once that is gone, nobody needs to know.
async fn report_to(done: &mpsc::Sender<Done>, report: Done) {
    done.send(report).await.unwrap_or_default();
}

/// Resolves when the clock was set by hand; never for a clock that cannot be.
pub(crate) async fn clock_moved(moved: &mut Option<watch::Receiver<u64>>) {
    let gone = match moved {
        Some(moved) => moved.changed().await.is_err(),
        None => std::future::pending().await,
    };
    if gone {
        *moved = None;
    }
}
