//! A courier: it performs the effects of one queue's engine, as the driver does for events, and decides nothing.
//!
//! Every call carries one post and is never begun in the journal: whoever receives a post twice knows it by its id, or by
//! its bytes. So of what the driver has to know, little is left.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use laneway_channel::post;
use laneway_engine::{
    CallId, Cause, Change, Control, Effect, Engine, Entry, Input, Now, Policy, SettlementId,
};
use laneway_journal::{
    EndedCall, Feed, Journal, Lease, OpenRow, Row, Sequence, Settlement, Wake, reference_hash,
};
use laneway_model::{Answer, Failure, FailureClass, Outcome, Route, Scope, Status, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::directory::{Destination, Directory};
use super::request::{self, Nothing};
use super::room::{Bytes, Room, Size};
use super::{Desk, PostKind, Question};
use crate::clock::Clock;
use crate::config::Config;
use crate::driver::bodies::Bodies;
use crate::driver::calls::{decided, journal_change, member_outcome};
use crate::driver::{self, Error, SHUTDOWN_GRACE, SLEEP_MAX, durably};
use crate::telemetry::Telemetry;

/// Rows that are read at a time when the open posts are loaded. Their bodies are read along, and may be large.
const LOAD_PAGE: usize = 500;
/// Reports that may wait for the courier; a task that reports more waits.
const REPORTS_MAX: usize = 1024;
/// Questions that may wait for the courier.
const QUESTIONS_MAX: usize = 64;

/// What couriers work with.
#[derive(Clone)]
pub struct Parts {
    /// Durable memory.
    pub journal: Journal,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
    /// The seed of their engines' randomness.
    pub seed: u64,
}

/// Carries the posts of one kind.
pub struct Courier {
    kind: PostKind,
    journal: Journal,
    feed: Feed,
    lease: Lease,
    config: watch::Receiver<Arc<Config>>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    engine: Engine,
    client: post::Client,
    directory: Directory,
    calls: BTreeMap<CallId, Call>,
    bodies: Bodies,
    bytes: Bytes,
    room: Arc<Room>,
    questions: mpsc::Receiver<Question>,
    done: mpsc::Sender<Done>,
    reports: mpsc::Receiver<Done>,
    tasks: TaskTracker,
    /// The highest sequence that the engine has been told of.
    seen: Sequence,
}

/// A call that the engine has opened.
struct Call {
    row: Arc<Row>,
    started_at: Timestamp,
    finished_at: Timestamp,
    answer: Option<Answer>,
}

/// What a task beside the courier has done.
enum Done {
    Loaded {
        call: CallId,
        members: Vec<Sequence>,
        row: Option<Arc<Row>>,
    },
    Answered {
        call: CallId,
        answer: Answer,
    },
    Settled {
        settlement: SettlementId,
    },
    /// The journal will do nothing any more.
    Lost(laneway_journal::Error),
}

impl Courier {
    /// Takes the lease of its queue and loads every open post.
    ///
    /// # Errors
    /// [`Error`] when the journal does not allow it.
    pub(super) async fn start(kind: PostKind, feed: Feed, parts: Parts) -> Result<(Self, Desk), Error> {
        let Parts { journal, config, clock, telemetry, seed } = parts;
        let leases = journal.lease(kind.queue()).await.map_err(Error::Journal)?;
        let lease = leases.first().copied().ok_or(Error::NoLease)?;
        let (done, reports) = mpsc::channel(REPORTS_MAX);
        let (ask, questions) = mpsc::channel(QUESTIONS_MAX);
        let room = Arc::new(Room::default());
        let desk = Desk { questions: ask, room: Arc::clone(&room), lease };
        let mut courier = Self {
            kind,
            journal,
            feed,
            lease,
            config,
            clock,
            telemetry,
            engine: Engine::new(Policy::posts(), seed),
            client: post::Client::new(post::LIMITS),
            directory: Directory::default(),
            calls: BTreeMap::new(),
            bodies: Bodies::default(),
            bytes: Bytes::default(),
            room,
            questions,
            done,
            reports,
            tasks: TaskTracker::new(),
            seen: 0,
        };
        courier.configure();
        courier.load().await?;
        courier.publish_open();
        Ok((courier, desk))
    }

    /// Works until it is told to stop; then lets calls under way end, for a while, and settles them.
    ///
    /// # Errors
    /// [`Error`] when the journal fails for good.
    pub async fn run(mut self, events: driver::Handle, stop: CancellationToken) -> Result<(), Error> {
        let mut moved = self.clock.moved();
        let mut may_change = true;
        self.tell(&events, Input::Control(Control::Start));
        while !stop.is_cancelled() {
            self.publish_open();
            let sleep = self.sleep_time();
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(done) = self.reports.recv() => self.take_report(&events, done)?,
                wake = self.feed.next() => match wake {
                    Some(wake) => self.take_news(&events, wake).await?,
                    None => return Err(Error::Journal(laneway_journal::Error::Closed)),
                },
                Some(question) = self.questions.recv() => self.answer(question),
                changed = self.config.changed(), if may_change => match changed {
                    Ok(()) => {
                        let input = self.configured();
                        self.tell(&events, input);
                    }
                    // Nobody is left who could change it.
                    Err(_) => may_change = false,
                },
                () = driver::clock_moved(&mut moved) => self.tell(&events, Input::Tick),
                () = tokio::time::sleep(sleep) => self.tell(&events, Input::Tick),
            }
        }
        self.wind_down(&events).await
    }

    async fn wind_down(mut self, events: &driver::Handle) -> Result<(), Error> {
        self.tell(events, Input::Control(Control::Stop));
        let deadline = tokio::time::sleep(SHUTDOWN_GRACE);
        tokio::pin!(deadline);
        while self.engine.counts().calls + self.engine.counts().settlements > 0 {
            tokio::select! {
                () = &mut deadline => break,
                Some(done) = self.reports.recv() => self.take_report(events, done)?,
            }
        }
        Ok(())
    }

    fn answer(&mut self, question: Question) {
        // Whoever asked may have gone away.
        match question {
            Question::Live(sequences, answer) => {
                let now = self.now();
                let live = sequences.into_iter().map(|sequence| self.engine.live(now, sequence)).collect();
                answer.send(live).unwrap_or_default();
            }
            Question::Reread(answer) => {
                self.bodies = Bodies::default();
                answer.send(()).unwrap_or_default();
            }
        }
    }

    fn now(&self) -> Now {
        let elapsed_ms = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        Now { elapsed_ms, wall: self.clock.wall() }
    }

    fn sleep_time(&self) -> Duration {
        let now = self.now();
        let wake = self.engine.next_wake(now);
        let wait = wake.map(|wake_ms| Duration::from_millis(wake_ms.saturating_sub(now.elapsed_ms)));
        wait.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)
    }

    /// An engine that has not begun asks for nothing.
    fn configure(&mut self) {
        let input = self.configured();
        self.engine.handle(self.now(), input, &mut Vec::new());
    }

    fn configured(&mut self) -> Input {
        let config = Arc::clone(&self.config.borrow_and_update());
        Input::Control(Control::Configure(self.directory.configure(self.kind, &config)))
    }

    /// Publishes the counts that the limits are compared with.
    fn publish_open(&mut self) {
        let recounted = self.engine.recounted();
        if !recounted.is_empty() {
            let all = Size { posts: self.engine.counts().open, bytes: self.bytes.all() };
            let (directory, bytes) = (&self.directory, &self.bytes);
            let of = recounted.into_iter().filter_map(|(name, posts)| {
                let address = directory.hash_of(name)?;
                Some((address, Size { posts, bytes: bytes.of(address) }))
            });
            self.room.count(all, of);
            self.telemetry.posts.open(self.kind, all);
        }
    }
}

// News of rows.
impl Courier {
    /// Tells the engine of every open row after the last one it knows, before it has begun to work.
    async fn load(&mut self) -> Result<(), Error> {
        while let Some(entries) = self.page().await? {
            self.engine.handle(self.now(), Input::Accepted(entries), &mut Vec::new());
        }
        Ok(())
    }

    /// The next page of open rows; none after the last.
    async fn page(&mut self) -> Result<Option<Vec<Entry>>, Error> {
        let page = self.journal.load_open(self.lease, self.seen, LOAD_PAGE).await.map_err(Error::Journal)?;
        self.seen = self.seen.max(page.complete_to);
        let entries: Vec<_> = page.rows.iter().map(|row| self.entry(row)).collect();
        Ok((!entries.is_empty()).then_some(entries))
    }

    async fn take_news(&mut self, events: &driver::Handle, wake: Wake) -> Result<(), Error> {
        match wake {
            Wake::Rows(_, fresh) => {
                let mut entries = Vec::with_capacity(fresh.len());
                for fresh in fresh {
                    // One that was loaded before its news came is no news; one that is tried again always is.
                    let open = &fresh.open;
                    if open.status == Status::Retrying || open.sequence > self.seen {
                        self.seen = self.seen.max(open.sequence);
                        entries.push(self.entry(open));
                        self.bodies.keep(fresh.row);
                    }
                }
                self.tell(events, Input::Accepted(entries));
            }
            Wake::Behind(_) => {
                while let Some(entries) = self.page().await? {
                    self.tell(events, Input::Accepted(entries));
                }
            }
        }
        Ok(())
    }

    /// A post as the engine knows it: the address stands where a business number does among events. Callbacks about one
    /// person, and forwards about one business number, share a lane; a callback about nobody has one of its own.
    fn entry(&mut self, row: &OpenRow) -> Entry {
        self.bytes.add(row.sequence, row.reference_hash, row.body_bytes);
        let business = self.directory.name(row.reference_hash);
        let mut lane = DefaultHasher::new();
        match self.kind {
            PostKind::Callback if row.person_hash == 0 => (business, 0, row.sequence).hash(&mut lane),
            PostKind::Callback => (business, 1, row.person_hash).hash(&mut lane),
            PostKind::Forward => (business, 2, row.business.as_u64()).hash(&mut lane),
        }
        Entry { business, person_hash: lane.finish(), ..driver::entry(row) }
    }
}

// The engine's effects.
impl Courier {
    /// Tells the engine, and performs what follows, and what follows from that, until nothing is left to do at once.
    fn tell(&mut self, events: &driver::Handle, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut effects = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let loaded = if let Input::Loaded { call, .. } = &input { Some(*call) } else { None };
            self.engine.handle(self.now(), input, &mut effects);
            for effect in effects.drain(..) {
                inputs.extend(self.perform(events, effect));
            }
            // The post's time may have been over.
            if let Some(call) = loaded.filter(|call| !self.engine.is_under_way(*call)) {
                self.calls.remove(&call);
            }
        }
    }

    fn perform(&mut self, events: &driver::Handle, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Load { call, members } => self.load_body(call, members),
            // The policy begins no calls and knows no credentials.
            Effect::Begin { call, .. } => Some(Input::Begun { call }),
            Effect::Alarm(_) => None,
            Effect::Send { call, .. } => self.send(events, call),
            // No post lacks anything; one that did would be sent as it is.
            Effect::Seek { events } => {
                Some(Input::Sought { found: events, unknown: Vec::new(), gone: Vec::new() })
            }
            Effect::Settle { settlement, cause, changes } => {
                self.settle(settlement, cause, &changes);
                None
            }
        }
    }

    fn load_body(&mut self, call: CallId, members: Vec<Sequence>) -> Option<Input> {
        if let [sequence] = members[..]
            && let Some(row) = self.bodies.take(sequence)
        {
            return Some(self.loaded(call, members, Some(row)));
        }
        let (journal, queue, done) = (self.journal.clone(), self.kind.queue(), self.done.clone());
        self.tasks.spawn(async move {
            let report = match durably::rows(&journal, queue, &members).await {
                Ok(rows) => Done::Loaded { call, members, row: rows.into_iter().next().map(Arc::new) },
                Err(error) => Done::Lost(error),
            };
            report_to(&done, report).await;
        });
        None
    }

    fn loaded(&mut self, call: CallId, members: Vec<Sequence>, row: Option<Arc<Row>>) -> Input {
        let Some(row) = row else {
            members.iter().for_each(|sequence| self.bytes.remove(*sequence));
            return Input::Loaded { call, missing: members, left_over: Vec::new(), closed: Vec::new() };
        };
        let now = self.clock.wall();
        self.calls.insert(call, Call { row, started_at: now, finished_at: now, answer: None });
        Input::Loaded { call, missing: Vec::new(), left_over: Vec::new(), closed: Vec::new() }
    }

    fn send(&mut self, events: &driver::Handle, id: CallId) -> Option<Input> {
        let now = self.clock.wall();
        let Some(call) = self.calls.get_mut(&id) else {
            return Some(Input::Answered { call: id, outcomes: Vec::new() });
        };
        call.started_at = now;
        let row = Arc::clone(&call.row);
        let address = row.reference.as_ref().map_or(0, reference_hash);
        let Some(destination) = self.directory.destination(address) else {
            let detail = "Nothing was sent: the address is no longer in the configuration.";
            return Some(self.answered(id, refused(FailureClass::NotSent, detail.to_owned())));
        };
        let (client, journal) = (self.client.clone(), self.journal.clone());
        let (events, done) = (events.clone(), self.done.clone());
        self.tasks.spawn(async move {
            let report = match posted(&client, &journal, &events, &destination, &row, now).await {
                Ok(answer) => Done::Answered { call: id, answer },
                Err(error) => Done::Lost(error),
            };
            report_to(&done, report).await;
        });
        None
    }

    fn answered(&mut self, id: CallId, answer: Answer) -> Input {
        let now = self.clock.wall();
        let outcomes = answer.outcomes.clone();
        outcomes.iter().for_each(|outcome| self.telemetry.posts.attempted(self.kind, outcome));
        if let Some(call) = self.calls.get_mut(&id) {
            (call.finished_at, call.answer) = (now, Some(answer));
        }
        Input::Answered { call: id, outcomes }
    }

    fn settle(&mut self, settlement: SettlementId, cause: Cause, changes: &[Change]) {
        let now = self.clock.wall();
        let call = match cause {
            Cause::Call(call) => self.calls.remove(&call),
            Cause::Interrupted(_) | Cause::Decision => None,
        };
        let ended = changes.iter().filter(|change| !change.status.is_open());
        for change in ended {
            self.telemetry.posts.ended(self.kind, change.status);
            drop(self.bodies.take(change.sequence));
            self.bytes.remove(change.sequence);
        }
        let durable = call.map_or_else(|| decided(now, changes), |call| call.settlement(now, changes));
        let (journal, lease, done) = (self.journal.clone(), self.lease, self.done.clone());
        self.tasks.spawn(async move {
            let report = match durably::settle(&journal, lease, durable).await {
                Ok(()) => Done::Settled { settlement },
                Err(error) => Done::Lost(error),
            };
            report_to(&done, report).await;
        });
    }

    fn take_report(&mut self, events: &driver::Handle, done: Done) -> Result<(), Error> {
        let input = match done {
            Done::Loaded { call, members, row } => self.loaded(call, members, row),
            Done::Answered { call, answer } => self.answered(call, answer),
            Done::Settled { settlement } => Input::Settled { settlement, unlike: Vec::new() },
            Done::Lost(error) => return Err(Error::Journal(error)),
        };
        self.tell(events, input);
        Ok(())
    }
}

impl Call {
    /// What the journal is told: the call, and what came of it.
    fn settlement(self, now: Timestamp, changes: &[Change]) -> Settlement {
        let outcome = self.answer.as_ref().and_then(|answer| answer.outcomes.first());
        let lost = || failed(FailureClass::Unknown, "The call ended without an answer.".to_owned());
        let outcome = outcome.cloned().unwrap_or_else(lost);
        let members = changes.iter().map(|change| member_outcome(change.sequence, &outcome)).collect();
        Settlement {
            at: now,
            changes: changes.iter().map(|change| journal_change(change, Some(&outcome))).collect(),
            call: Some(EndedCall {
                begun: None,
                started_at: self.started_at,
                finished_at: self.finished_at,
                // It says nothing here.
                route: Route::Meta,
                http_status: self.answer.as_ref().and_then(|answer| answer.http_status),
                trace_id: None,
                members,
            }),
            ..Settlement::default()
        }
    }
}

/// Makes a post, and says what became of it.
async fn posted(
    client: &post::Client,
    journal: &Journal,
    events: &driver::Handle,
    destination: &Destination,
    row: &Row,
    now: Timestamp,
) -> Result<Answer, laneway_journal::Error> {
    let request = match &destination.key {
        None => request::forward(row),
        Some(key) => request::callback(row, key, journal, events, now).await,
    };
    match request {
        Ok(request) => Ok(client.send(&destination.url, &request.headers, request.body, now).await),
        Err(Nothing::Ever(detail)) => Ok(refused(FailureClass::Rejected, detail)),
        Err(Nothing::Lost(error)) => Err(error),
    }
}

fn failed(class: FailureClass, detail: String) -> Outcome {
    Outcome::Failed(Failure { class, scope: Scope::Event, code: None, subcode: None, detail })
}

fn refused(class: FailureClass, detail: String) -> Answer {
    Answer::uniform(None, None, &failed(class, detail), 1)
}

/// Reports to the courier; once that is gone, nobody needs to know.
async fn report_to(done: &mpsc::Sender<Done>, report: Done) {
    done.send(report).await.unwrap_or_default();
}
