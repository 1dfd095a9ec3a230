//! The driver's part, without its tasks: effects are performed and their results reported in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use laneway_engine::{CallId, Cause, Change, Control, Effect, Engine, Entry, Input, SettlementId};
use laneway_journal::sqlite::step::{Op, Reply};
use laneway_journal::{Appended, Error, Fresh, NewCall, OpenRow, Queue, Row, Sequence, Settlement};
use laneway_model::{EventKind, PhoneNumber, Route, Status};

use crate::calls::{self, Call};
use crate::clicks::{click_of, event_of};
use crate::clients::Posted;
use crate::dice::chance;
use crate::meta::{Member, Request};
use crate::node::{self, Done, Feed, Node, Then, Wake, Write};
use crate::setting::is_steady;
use crate::shadow::Way;
use crate::world::{Happening, World};

/// Rows that are read at a time when the open set is loaded: few, so that there are pages.
const LOAD_PAGE: usize = 7;
/// How long the journal's parts take at most.
pub(crate) const JOURNAL_MS: u64 = 20;
/// How long to wait before a journal that cannot store anything is asked again.
const JOURNAL_RETRY_MS: u64 = 250;

// A life begins.
impl World {
    pub(crate) fn boot(&mut self) {
        if self.node.is_some() {
            return;
        }
        self.lives += 1;
        let (store, indexer) = node::open(self.directory.path());
        let reader = store.reader().unwrap_or_else(|problem| panic!("no reader: {problem}"));
        let lease = store.lease(Queue::Events);
        let engine = Engine::new(self.policy(), self.dice.crashes.u64(..));
        self.node = Some(Node {
            life: self.lives,
            booted_ms: self.at_ms,
            engine,
            store,
            indexer,
            reader,
            lease,
            calls: BTreeMap::new(),
            bodies: BTreeMap::new(),
            lacking: BTreeMap::new(),
            seen: 0,
            setups: self.setups.clone(),
            last_setups: self.setups.clone(),
            writes: Vec::new(),
            is_commit_planned: false,
            feed: Feed::new(self.setting.feed_rows),
            is_news_planned: false,
            wake_ms: None,
        });
        let setups = self.setups.values().copied().collect();
        self.tell(Input::Control(Control::Configure(setups)));
        let rows = self.load();
        if self.node.is_none() {
            return;
        }
        self.shadow.reopened(&rows);
        self.tell(Input::Control(Control::Start));
    }

    /// Tells the engine of every open row after the last one it knows.
    fn load(&mut self) -> Vec<OpenRow> {
        let mut rows = Vec::new();
        loop {
            let Some(node) = &mut self.node else { return rows };
            let page = node.reader.load_open(Queue::Events, node.seen, LOAD_PAGE);
            let page = page.unwrap_or_else(|problem| panic!("open rows cannot be read: {problem}"));
            node.seen = node.seen.max(page.complete_to);
            rows.extend(&page.rows);
            let entries = page.rows.iter().map(|row| self.entry(row)).collect();
            self.accept(entries);
            if !page.more {
                return rows;
            }
        }
    }

    fn entry(&self, row: &OpenRow) -> Entry {
        Entry {
            sequence: row.sequence,
            order: row.order,
            business: row.business,
            person_hash: self.lane(row.business, row.person_hash),
            kind: row.kind,
            due: row.due,
            expires: row.expires,
            attempts: row.attempts,
            interrupted: row.unfinished,
            // The simulated world tells of no messages, so nobody knows which is newer.
            rank: 0,
            holds_lane: row.status == Status::Failed,
            lacks: row.lacks,
        }
    }

    /// What stands for a business number and a person; 0 for nobody.
    pub(crate) fn lane(&self, business: PhoneNumber, person_hash: u64) -> u64 {
        let is_untouched =
            self.setting.numbers.iter().any(|setup| setup.business == business && is_steady(setup));
        let shared = self.setting.hashes.filter(|_| !is_untouched && person_hash != 0);
        shared.map_or(person_hash, |hashes| 1 + person_hash % hashes)
    }

    pub(crate) fn take_news(&mut self) {
        let Some(node) = &mut self.node else { return };
        node.is_news_planned = false;
        match node.feed.next() {
            Some(Wake::Rows(fresh)) => {
                let seen = node.seen;
                let is_news = |row: &OpenRow| row.status == Status::Retrying || row.sequence > seen;
                let unseen: Vec<Fresh> = fresh.into_iter().filter(|fresh| is_news(&fresh.open)).collect();
                node.seen = unseen.iter().map(|fresh| fresh.open.sequence).fold(seen, u64::max);
                // A body that lacks something is not the one that is sent.
                for fresh in unseen.iter().filter(|fresh| !fresh.open.lacks) {
                    node.bodies.insert(fresh.open.sequence, Arc::clone(&fresh.row));
                }
                let entries = unseen.iter().map(|fresh| self.entry(&fresh.open)).collect();
                self.accept(entries);
            }
            Some(Wake::Behind) => drop(self.load()),
            None => {}
        }
        self.plan_news();
    }

    fn plan_news(&mut self) {
        if let Some(node) = self.node.as_mut().filter(|node| !node.feed.is_empty() && !node.is_news_planned) {
            node.is_news_planned = true;
            self.soon(JOURNAL_MS, Happening::News);
        }
    }
}

// The engine's effects.
impl World {
    pub(crate) fn perform(&mut self, effect: Effect) -> Option<Input> {
        self.note(|| format!("{effect:?}"));
        match effect {
            Effect::Load { call, members } => self.load_bodies(call, members),
            Effect::Begin { call, members } => {
                let node = self.node.as_ref()?;
                let route = node.calls.get(&call).map_or(Route::Meta, |call| call.route);
                let new = NewCall { started_at: self.wall(), route, members: members.clone() };
                self.write(Write { op: Op::Begin(node.lease, new), then: Then::Begin(call, members) });
                None
            }
            Effect::Send { call, members } => self.send(call, &members),
            Effect::Settle { settlement, cause, changes } => {
                self.settle(settlement, cause, changes);
                None
            }
            Effect::Seek { events } => {
                self.seek(events);
                None
            }
            Effect::Alarm(_) => {
                self.report.alarms += 1;
                None
            }
        }
    }

    fn load_bodies(&mut self, call: CallId, members: Vec<Sequence>) -> Option<Input> {
        let now = self.now();
        let node = self.node.as_mut()?;
        let business =
            members.first().and_then(|first| self.shadow.events.get(first)).map(|known| known.business);
        let setup = business.and_then(|business| node.setups.get(&business)).copied();
        self.shadow.loads(now, setup.as_ref(), &members);
        let rows: Vec<_> = members.iter().filter_map(|sequence| node.bodies.remove(sequence)).collect();
        if rows.len() == members.len() {
            return Some(self.loaded(call, &members, &rows));
        }
        self.soon(JOURNAL_MS, |life| Happening::Done(life, Done::Read(call, members)));
        None
    }

    fn read(&mut self, call: CallId, members: &[Sequence]) -> Option<Input> {
        let rows = self.node.as_mut()?.reader.rows(Queue::Events, members);
        let rows = rows.unwrap_or_else(|problem| panic!("rows cannot be read: {problem}"));
        let rows: Vec<_> = rows.into_iter().map(Arc::new).collect();
        Some(self.loaded(call, members, &rows))
    }

    fn loaded(&mut self, call: CallId, members: &[Sequence], rows: &[Arc<Row>]) -> Input {
        let there: BTreeSet<_> = rows.iter().map(|row| row.id.sequence()).collect();
        let missing = members.iter().copied().filter(|sequence| !there.contains(sequence)).collect();
        let (mut fits, mut bytes) = (0, 0);
        for row in rows {
            bytes += row.body.len();
            if fits > 0 && bytes > self.setting.body_bytes_max {
                break;
            }
            fits += 1;
        }
        let (now, (rows, over)) = (self.wall(), rows.split_at(fits));
        let Some(node) = &mut self.node else { return Input::Tick };
        for row in over {
            node.bodies.insert(row.id.sequence(), Arc::clone(row));
        }
        if let Some(first) = rows.first() {
            let relayed =
                node.setups.get(&first.business).is_some_and(|setup| setup.relayed.contains(first.kind));
            let members =
                rows.iter().map(|row| Member { sequence: row.id.sequence(), event: Arc::new(event_of(row)) });
            let opened = Call {
                members: members.collect(),
                route: if relayed { Route::Cm } else { Route::Meta },
                begun: None,
                started_at: now,
                finished_at: now,
                told: BTreeMap::new(),
            };
            node.calls.insert(call, opened);
        }
        Input::Loaded {
            call,
            missing,
            left_over: over.iter().map(|row| row.id.sequence()).collect(),
            closed: Vec::new(),
        }
    }

    fn send(&mut self, id: CallId, members: &[Sequence]) -> Option<Input> {
        let (now, lost) = (self.now(), Some(Input::Answered { call: id, outcomes: Vec::new() }));
        let node = self.node.as_mut()?;
        let life = node.life;
        let Some(call) = node.calls.get_mut(&id) else { return lost };
        call.started_at = now.wall;
        call.members.retain(|member| members.contains(&member.sequence));
        let Some(first) = call.members.first() else { return lost };
        let (business, kind) = (first.event.business, first.event.kind());
        let route = call.route;
        let Some(setup) = node.setups.get(&business).copied() else {
            // The number has just been taken out of the configuration: nothing leaves.
            let not_sent =
                crate::meta::failed(laneway_model::FailureClass::NotSent, laneway_model::Scope::Event);
            return Some(self.answered(id, vec![not_sent; members.len()]));
        };
        let members_sent = call.members.clone();
        for member in &members_sent {
            self.shadow.carries(member.sequence, click_of(&member.event));
        }
        let rate = self.rate_of(business);
        self.shadow.sends(now, &setup, rate, members);
        let family = EventKind::family(kind);
        self.leaves(Request { life, call: id, setup, family, route, members: members_sent });
        Some(Input::Left { call: id })
    }

    fn answered(&mut self, id: CallId, outcomes: Vec<laneway_model::Outcome>) -> Input {
        let now = self.wall();
        self.judge(id, &outcomes);
        if let Some(call) = self.node.as_mut().and_then(|node| node.calls.get_mut(&id)) {
            call.finished_at = now;
            call.told =
                call.members.iter().map(|member| member.sequence).zip(outcomes.iter().cloned()).collect();
        }
        Input::Answered { call: id, outcomes }
    }

    /// The auditor hears what the engine is about to hear.
    fn judge(&mut self, id: CallId, outcomes: &[laneway_model::Outcome]) {
        let now = self.now();
        let Some(node) = &self.node else { return };
        let Some((call, first)) = node.calls.get(&id).and_then(|call| Some((call, call.members.first()?)))
        else {
            return;
        };
        let (business, family) = (first.event.business, first.event.kind().family());
        let way = Way { business, family, route: call.route };
        self.shadow.told(now, way, node.setups.get(&business), outcomes);
    }

    fn settle(&mut self, settlement: SettlementId, cause: Cause, changes: Vec<Change>) {
        let now = self.now();
        let Some(node) = &mut self.node else { return };
        let call = match cause {
            Cause::Call(call) => node.calls.remove(&call),
            Cause::Interrupted(_) | Cause::Decision => None,
        };
        let told = call.as_ref().map_or_else(BTreeMap::new, |call| call.told.clone());
        let size = call.as_ref().map_or(0, |call| call.members.len());
        let mut durable = match (cause, &call) {
            (Cause::Interrupted(journal_call), _) => calls::interrupted(now.wall, journal_call, &changes),
            (_, Some(call)) => call.settlement(now.wall, &changes),
            (_, None) => calls::decided(now.wall, &changes),
        };
        for change in changes.iter().filter(|change| !change.status.is_open()) {
            node.bodies.remove(&change.sequence);
            node.lacking.remove(&change.sequence);
        }
        let unlike = leave_out_unlike(node, &mut durable);
        let changes: Vec<_> =
            changes.into_iter().filter(|change| !unlike.contains(&change.sequence)).collect();
        self.shadow.decides(
            now,
            cause,
            |business| node.last_setups.get(&business).copied(),
            &told,
            (size, &changes),
        );
        if durable.changes.is_empty() {
            self.soon(JOURNAL_MS, |life| Happening::Done(life, Done::Settled(settlement, unlike)));
            return;
        }
        let then = Then::Settle(settlement, changes, unlike);
        let op = Op::Settle(node.lease, durable);
        self.write(Write { op, then });
    }
}

/// Takes the changes back by which one event was to supersede another about somebody else, and says which.
fn leave_out_unlike(node: &mut Node, settlement: &mut Settlement) -> Vec<Sequence> {
    let changes = settlement.changes.iter();
    let pairs: Vec<_> = changes.filter_map(|change| Some((change.sequence, change.superseded_by?))).collect();
    let asked: BTreeSet<_> = pairs.iter().flat_map(|(one, by)| [*one, *by]).collect();
    let asked: Vec<_> = asked.into_iter().collect();
    let rows = node.reader.rows(Queue::Events, &asked);
    let rows = rows.unwrap_or_else(|problem| panic!("rows cannot be read: {problem}"));
    let persons: BTreeMap<_, _> =
        rows.into_iter().map(|row| (row.id.sequence(), (row.business, row.person))).collect();
    let is_alike = |(one, by): &(Sequence, Sequence)| match (persons.get(one), persons.get(by)) {
        (Some(one), Some(by)) => one == by,
        (None, _) => true,
        (Some(_), None) => false,
    };
    let unlike: Vec<_> = pairs.into_iter().filter(|pair| !is_alike(pair)).map(|(one, _)| one).collect();
    settlement.changes.retain(|change| !unlike.contains(&change.sequence));
    unlike
}

// The journal's writer.
impl World {
    /// Hands an operation to the writer.
    pub(crate) fn write(&mut self, write: Write) {
        let Some(node) = &mut self.node else { return };
        node.writes.push(write);
        self.plan_commit(JOURNAL_MS);
    }

    fn plan_commit(&mut self, most_ms: u64) {
        if let Some(node) =
            self.node.as_mut().filter(|node| !node.writes.is_empty() && !node.is_commit_planned)
        {
            node.is_commit_planned = true;
            self.soon(most_ms, Happening::Commit);
        }
    }

    pub(crate) fn commit(&mut self) {
        let is_full = self.is_disk_full();
        let Some(node) = &mut self.node else { return };
        node.is_commit_planned = false;
        let mut some = std::mem::take(&mut node.writes);
        if is_full {
            // Whoever can come back is turned away; what calls and decisions led to is tried until it is stored.
            let (kept, turned_away) =
                some.into_iter().partition(|write| matches!(write.then, Then::Begin(..) | Then::Settle(..)));
            node.writes = kept;
            self.turn_away(turned_away);
            self.plan_commit(JOURNAL_RETRY_MS);
            return;
        }
        // Those who ask do not know of each other, so that any order is possible.
        if chance(&mut self.dice.journal, 250) {
            self.dice.journal.shuffle(&mut some);
        }
        if chance(&mut self.dice.journal, 250) {
            node.writes = some.split_off(self.dice.journal.usize(1..=some.len()));
        }
        let room = &node.feed;
        some.retain(|write| {
            let Op::Requeue { sequences, .. } = &write.op else { return true };
            room.has_room(sequences.len())
        });
        let (then, applied) = node.commit(some);
        for (then, reply) in then.into_iter().zip(applied.replies) {
            self.committed(then, reply);
        }
        self.tidy();
        self.plan_news();
        self.plan_commit(JOURNAL_MS);
    }

    fn tidy(&mut self) {
        let Some(node) = &mut self.node else { return };
        let tidied = node.store.tidy();
        tidied.unwrap_or_else(|problem| panic!("tidying up failed: {problem}"));
        if chance(&mut self.dice.journal, 20) {
            let indexed = node.indexer.catch_up();
            indexed.unwrap_or_else(|problem| panic!("indexing failed: {problem}"));
        }
    }

    /// The disk is full: what clients, operators and the service want is not done, and clicks are looked for again.
    fn turn_away(&mut self, turned_away: Vec<Write>) {
        for write in turned_away {
            if let Then::Complete(sought) = write.then {
                self.soon(JOURNAL_RETRY_MS, |life| Happening::Done(life, Done::Look(sought.events)));
            }
        }
        let life = self.lives;
        for post in self.posts.iter_mut().filter(|post| post.state == Posted::Waits(life)) {
            post.state = Posted::Unanswered;
        }
    }

    fn committed(&mut self, then: Then, reply: Result<Reply, Error>) {
        let at_ms = self.at_ms;
        let done = match (then, reply) {
            (Then::Accept(posts), Ok(reply)) => Done::Acknowledge(self.accepted(posts, reply.appended())),
            (Then::Click(at), Ok(_)) => self.heard(at),
            (Then::Complete(sought), Ok(reply)) => self.completed(sought, &reply.completed()),
            (Then::Begin(call, members), Ok(reply)) => {
                self.shadow.begun(&members);
                Done::Begun(call, reply.begun())
            }
            (Then::Begin(call, _), Err(Error::NotOpen { sequence })) => Done::NotOpen(call, sequence),
            (Then::Settle(settlement, changes, unlike), Ok(_)) => {
                self.shadow.committed(&changes);
                Done::Settled(settlement, unlike)
            }
            (Then::Redrive, Ok(reply)) => {
                reply.requeued().iter().for_each(|fresh| self.shadow.requeued(at_ms, fresh));
                return;
            }
            (Then::Discard, Ok(reply)) => {
                let discarded = reply.discarded();
                self.shadow.discarded(&discarded);
                Done::Discard(discarded)
            }
            (Then::Erase(sequences), Ok(_)) => {
                self.shadow.erased(&sequences);
                Done::Discard(sequences)
            }
            (then, Err(problem)) => {
                self.shadow.problems.push(format!("{then:?} was answered: {problem}"));
                return;
            }
        };
        self.soon(JOURNAL_MS, |life| Happening::Done(life, done));
    }

    /// Rows are durable. One that was posted before must be known by its key.
    fn accepted(
        &mut self,
        posts: Vec<usize>,
        appended: Vec<Appended>,
    ) -> Vec<(usize, laneway_model::EventId)> {
        let (at_ms, wall) = (self.at_ms, self.wall());
        let mut ids = Vec::new();
        for (at, appended) in posts.into_iter().zip(appended) {
            let post = &mut self.posts[at];
            let id = match (appended, post.stored) {
                (Appended::Accepted(id), None) => {
                    post.stored = Some(id);
                    self.shadow.appended(at_ms, id, &post.row);
                    let wait = post.wait.map(|_| post.row.due.since(wall));
                    self.report.lacking += u64::from(wait.is_some());
                    self.shadow.lacks(id.sequence(), wait);
                    id
                }
                (Appended::Replay(id), Some(stored)) if id == stored => id,
                (appended, stored) => {
                    let problem = format!("post {at}: {appended:?}, although it is stored as {stored:?}");
                    self.shadow.problems.push(problem);
                    continue;
                }
            };
            ids.push((at, id));
        }
        ids
    }
}

// Reports.
impl World {
    pub(crate) fn take_report(&mut self, done: Done) {
        let input = match done {
            Done::Read(call, members) => self.read(call, &members),
            Done::Begun(call, begun) => {
                if let Some(known) = self.node.as_mut().and_then(|node| node.calls.get_mut(&call)) {
                    known.begun = Some(begun);
                }
                Some(Input::Begun { call })
            }
            Done::NotOpen(call, sequence) => {
                if let Some(known) = self.node.as_mut().and_then(|node| node.calls.get_mut(&call)) {
                    known.members.retain(|member| member.sequence != sequence);
                }
                Some(Input::Loaded {
                    call,
                    missing: vec![sequence],
                    left_over: Vec::new(),
                    closed: Vec::new(),
                })
            }
            Done::Look(events) => {
                self.look(events);
                None
            }
            Done::Sought(sought) => self.sought(sought),
            Done::Clicked(at) => self.seek_again(at),
            Done::Answered(call, outcomes) => Some(self.answered(call, outcomes)),
            Done::Settled(settlement, unlike) => Some(Input::Settled { settlement, unlike }),
            Done::Discard(sequences) => Some(Input::Control(Control::Discard(sequences))),
            Done::Acknowledge(ids) => {
                for (at, id) in ids {
                    self.posts[at].state = Posted::Acknowledged;
                    self.shadow.acknowledged(id);
                }
                None
            }
        };
        let is_answer = matches!(input, Some(Input::Answered { .. }));
        if let Some(input) = input {
            self.tell(input);
        }
        if is_answer {
            self.look_at_pauses();
        }
    }
}
