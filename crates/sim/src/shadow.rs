//! What must be true of every event: the auditor's own books, kept from what the journal committed and what the service
//! did, and compared with every effect, every commit and every reopened journal.

use std::collections::BTreeMap;
use std::time::Duration;

use laneway_engine::{Cause, Change, KindPolicy, Now, NumberSetup, Policy, Reason, Sequence, Supersedes};
use laneway_journal::{Fresh, NewRow, OpenRow, Record};
use laneway_model::{
    CtwaClid, EventId, FailureClass, Outcome, Person, PhoneNumber, Route, Status, Timestamp,
};

use crate::clicks::{click_of, event_of};

pub(crate) use lacking::{CLICK_AGE_MAX, Clock};
pub(crate) use pauses::Way;

use lacking::Clicked;
use pauses::Pauses;

/// An event, as the auditor knows it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: EventId,
    pub(crate) business: PhoneNumber,
    pub(crate) person: Option<Person>,
    pub(crate) kind: u8,
    pub(crate) order: u64,
    pub(crate) expires: Timestamp,
    /// What the journal last committed.
    pub(crate) status: Status,
    pub(crate) holds_lane: bool,
    possibly_duplicate: bool,
    /// A client was told that it is accepted.
    is_acknowledged: bool,
    pub(crate) is_erased: bool,
    /// An operator asked for its end.
    is_given_up: bool,
    /// Times it had its effect since it was accepted, or since an operator wanted it tried again.
    effects: u32,
    /// The same, whoever wanted it.
    effects_ever: u32,
    attempts: u32,
    /// When the journal committed it, in true time.
    committed_ms: u64,
    /// In true time, until when it may wait for its click id, if it lacks one.
    pub(crate) lacks_until_ms: Option<u64>,
    /// The click that it was completed with.
    pub(crate) completed_with: Option<CtwaClid>,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Shadow {
    policy: Policy,
    pub(crate) events: BTreeMap<Sequence, Known>,
    /// The last event that had its effect on a person, by its order.
    lanes: BTreeMap<(PhoneNumber, Person), (u64, Sequence)>,
    /// When each number's calls were sent, in this life of the process.
    sent: BTreeMap<PhoneNumber, Vec<u64>>,
    /// Clicks that the journal has committed.
    clicks: BTreeMap<(PhoneNumber, Person), Vec<Clicked>>,
    pauses: Pauses,
    pub(crate) clock: Clock,
    /// What is wrong.
    pub(crate) problems: Vec<String>,
}

/// The final statuses that an operator may have tried again.
pub(crate) const REDRIVABLE: [Status; 3] = [Status::Failed, Status::InDoubt, Status::Expired];

impl Shadow {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            events: BTreeMap::new(),
            lanes: BTreeMap::new(),
            sent: BTreeMap::new(),
            clicks: BTreeMap::new(),
            pauses: Pauses::default(),
            clock: Clock::default(),
            problems: Vec::new(),
        }
    }

    fn require(&mut self, is_so: bool, what: impl FnOnce() -> String) {
        if !is_so {
            self.problems.push(what());
        }
    }

    fn kind(&self, known: &Known) -> Option<&KindPolicy> {
        self.policy.kinds.get(&known.kind)
    }

    /// Events of which the auditor expects that they are still to be delivered.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&Sequence, &Known)> {
        self.events.iter().filter(|(_, known)| known.status.is_open() && !known.is_erased)
    }

    /// Dead letters that hold their lanes.
    pub(crate) fn holding(&self) -> Vec<Sequence> {
        let holding = self.events.iter().filter(|(_, known)| known.holds_lane && !known.is_erased);
        holding.map(|(sequence, _)| *sequence).collect()
    }
}

// What the journal committed.
impl Shadow {
    pub(crate) fn appended(&mut self, at_ms: u64, id: EventId, row: &NewRow) {
        let known = Known {
            id,
            business: row.business,
            person: row.person.clone(),
            kind: row.kind,
            order: id.sequence(),
            expires: row.expires,
            status: Status::Accepted,
            holds_lane: false,
            possibly_duplicate: false,
            is_acknowledged: false,
            is_erased: false,
            is_given_up: false,
            effects: 0,
            effects_ever: 0,
            attempts: 0,
            committed_ms: at_ms,
            lacks_until_ms: None,
            completed_with: None,
        };
        let is_new = self.events.insert(id.sequence(), known).is_none();
        self.require(is_new, || format!("{id}: the journal gave a sequence twice"));
    }

    pub(crate) fn acknowledged(&mut self, id: EventId) {
        let known = self.events.get_mut(&id.sequence()).filter(|known| known.id == id);
        match known {
            Some(known) => known.is_acknowledged = true,
            None => self.problems.push(format!("{id} was acknowledged and is not in the journal")),
        }
    }

    pub(crate) fn begun(&mut self, members: &[Sequence]) {
        for sequence in members {
            if let Some(known) = self.events.get_mut(sequence) {
                known.attempts += 1;
            }
        }
    }

    pub(crate) fn committed(&mut self, changes: &[Change]) {
        for change in changes {
            let Some(known) = self.events.get_mut(&change.sequence) else { continue };
            if known.is_erased || !known.status.is_open() {
                continue;
            }
            known.status = change.status;
            known.possibly_duplicate |= change.possibly_duplicate;
            known.holds_lane = change.holds_lane;
        }
    }

    pub(crate) fn requeued(&mut self, at_ms: u64, fresh: &Fresh) {
        let Some(known) = self.events.get_mut(&fresh.open.sequence) else { return };
        known.possibly_duplicate |= known.status == Status::InDoubt;
        let was_final = !known.status.is_open();
        (known.status, known.holds_lane, known.is_given_up) = (Status::Retrying, false, false);
        (known.order, known.expires, known.effects) = (fresh.open.order, fresh.open.expires, 0);
        // What it lacks still is looked for once more.
        known.lacks_until_ms = known.lacks_until_ms.map(|_| at_ms);
        known.committed_ms = at_ms;
        // What an operator wants done again comes after what was done before, whatever its place in the lane is.
        let lane = known.person.clone().map(|person| (known.business, person));
        lane.and_then(|lane| self.lanes.remove(&lane));
        self.require(was_final, || format!("{}: an open event was redriven", fresh.open.sequence));
    }

    pub(crate) fn given_up(&mut self, sequences: &[Sequence]) {
        for sequence in sequences {
            if let Some(known) = self.events.get_mut(sequence) {
                known.is_given_up = true;
            }
        }
    }

    pub(crate) fn discarded(&mut self, sequences: &[Sequence]) {
        for sequence in sequences {
            if let Some(known) = self.events.get_mut(sequence) {
                (known.status, known.holds_lane) = (Status::Discarded, false);
            }
        }
    }

    pub(crate) fn erased(&mut self, sequences: &[Sequence]) {
        for sequence in sequences {
            if let Some(known) = self.events.get_mut(sequence) {
                known.is_erased = true;
            }
        }
    }
}

// What the engine asks for.
impl Shadow {
    /// A call opens.
    pub(crate) fn loads(&mut self, now: Now, setup: Option<&NumberSetup>, members: &[Sequence]) {
        let Some(setup) = setup else {
            self.problems.push(format!("{members:?}: a call of a number that is not configured"));
            return;
        };
        let mut most = usize::MAX;
        let (mut classes, mut relayed) = (Vec::new(), Vec::new());
        for sequence in members {
            let Some(known) = self.events.get(sequence).cloned() else {
                self.problems.push(format!("{sequence}: a call carries what was never accepted"));
                continue;
            };
            let Some(kind) = self.kind(&known).copied() else { continue };
            self.require(known.business == setup.business, || {
                format!("{sequence}: in another number's call")
            });
            self.require(now.wall < known.expires, || {
                format!("{sequence} is sent after its time: {known:?}")
            });
            self.require(known.status.is_open() || known.is_erased, || {
                format!("{sequence} is sent although it has ended: {known:?}")
            });
            most = most.min(if kind.begin {
                kind.group_max.min(setup.conversions_per_call_max)
            } else {
                kind.group_max
            });
            self.require(known.lacks_until_ms.is_none(), || {
                format!("{sequence} is sent without what it lacks: {known:?}")
            });
            classes.push(kind.class);
            relayed.push(setup.relayed.contains(known.kind));
        }
        if relayed.contains(&true) {
            most = 1;
        }
        if let Some(way) = members.first().and_then(|first| self.way(*first, setup)) {
            self.opens(way, setup);
        }
        self.require(members.len() <= most.max(1), || format!("{members:?}: more than {most} in one call"));
        classes.dedup();
        self.require(classes.len() == 1, || format!("{members:?}: a call of several classes"));
    }

    /// A call's bytes leave.
    pub(crate) fn sends(
        &mut self,
        now: Now,
        setup: &NumberSetup,
        calls_per_second_max: u32,
        members: &[Sequence],
    ) {
        for sequence in members {
            if let Some(known) = self.events.get(sequence).cloned() {
                self.require(known.status.is_open() || known.is_erased, || {
                    format!("{sequence} leaves although its end is committed: {known:?}")
                });
            }
        }
        let sent = self.sent.entry(setup.business).or_default();
        sent.retain(|at| at + 1_000 > now.elapsed_ms);
        sent.push(now.elapsed_ms);
        let count = sent.len();
        self.require(count <= calls_per_second_max as usize, || {
            format!(
                "{}: {count} calls in one second, {calls_per_second_max} allowed",
                setup.business.digits()
            )
        });
    }

    /// Decisions on their way to the journal: each must be what its cause says.
    pub(crate) fn decides(
        &mut self,
        now: Now,
        cause: Cause,
        setup: impl Fn(PhoneNumber) -> Option<NumberSetup>,
        told: &BTreeMap<Sequence, Outcome>,
        (size, changes): (usize, &[Change]),
    ) {
        for change in changes {
            let Some(known) = self.events.get(&change.sequence).cloned() else {
                self.problems.push(format!("{}: decided about what was never accepted", change.sequence));
                continue;
            };
            let holds_lost = setup(known.business).is_some_and(|setup| setup.hold_lost.contains(known.kind));
            let is_right = match cause {
                Cause::Decision => self.is_right_decision(now, &known, change),
                Cause::Interrupted(_) => follows(now, &known, change, &crate::meta::lost(), size, holds_lost),
                Cause::Call(_) => told
                    .get(&change.sequence)
                    .is_some_and(|outcome| follows(now, &known, change, outcome, size, holds_lost)),
            };
            self.require(is_right, || {
                format!(
                    "{change:?} does not follow from {cause:?} and {:?}; {known:?}",
                    told.get(&change.sequence)
                )
            });
        }
    }

    fn is_right_decision(&self, now: Now, known: &Known, change: &Change) -> bool {
        match (change.status, change.reason) {
            (Status::Expired, Reason::Expired) => known.expires <= now.wall,
            (Status::Failed, Reason::Lacking) => self.is_in_vain(known),
            (Status::Discarded, Reason::Discarded) => known.is_given_up || known.is_erased,
            (Status::Superseded, Reason::Superseded { by }) => {
                let supersedes = self.kind(known).map(|kind| kind.supersedes);
                self.events.get(&by).is_some_and(|later| {
                    let is_alike = match supersedes {
                        Some(Supersedes::Lane) => self.kind(later).is_some_and(|kind| kind.ordered),
                        Some(Supersedes::Kind) => later.kind == known.kind,
                        Some(Supersedes::Nothing | Supersedes::Older) | None => false,
                    };
                    let is_same = (later.business, &later.person) == (known.business, &known.person);
                    is_alike && (is_same || known.is_erased || later.is_erased) && later.order > known.order
                })
            }
            _ => false,
        }
    }
}

/// Whether a change is what an outcome means.
fn follows(
    now: Now,
    known: &Known,
    change: &Change,
    outcome: &Outcome,
    size: usize,
    holds_lost: bool,
) -> bool {
    /// The longest wait before a retry: a service may name its own, of at most a quarter of an hour here.
    const WAIT_MAX: Duration = Duration::from_mins(20);
    let failure = match outcome {
        Outcome::Confirmed => return change.status == Status::Confirmed,
        Outcome::Relayed => return change.status == Status::Relayed,
        Outcome::Failed(failure) => failure,
    };
    let is_late = change.status == Status::Expired && known.expires <= now.wall.saturating_add(WAIT_MAX);
    let is_retry = is_late || change.status == Status::Retrying && change.due < known.expires;
    match failure.class {
        FailureClass::Rejected => change.status == Status::Failed,
        FailureClass::RefusedTogether if size == 1 => change.status == Status::Failed,
        FailureClass::Doubtful => change.status == Status::InDoubt,
        FailureClass::Unknown if holds_lost => change.status == Status::InDoubt,
        FailureClass::Unknown
        | FailureClass::NotSent
        | FailureClass::Throttled { .. }
        | FailureClass::Transient
        | FailureClass::Unauthorized
        | FailureClass::RefusedTogether => is_retry,
    }
}

// What the service did.
impl Shadow {
    /// An event had its effect.
    pub(crate) fn applied(&mut self, sequence: Sequence) {
        let Some(known) = self.events.get_mut(&sequence) else { return };
        known.effects += 1;
        known.effects_ever += 1;
        let known = known.clone();
        let Some(kind) = self.kind(&known).copied() else { return };
        if kind.begin {
            self.require(known.effects == 1 || known.possibly_duplicate, || {
                format!("{sequence} counted {} times and nothing says so: {known:?}", known.effects)
            });
        }
        if let Some(person) = known.person.clone().filter(|_| kind.ordered) {
            let last = self.lanes.insert((known.business, person), (known.order, sequence));
            self.require(last.is_none_or(|(order, _)| order <= known.order), || {
                format!("{sequence} came after {last:?} of its lane: {known:?}")
            });
        }
    }

    /// Everyone on whom an event had its effect.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = &(PhoneNumber, Person)> {
        self.lanes.keys()
    }

    /// Whether any event of the lane was left in doubt or given up on the way: then nobody knows who is blocked.
    pub(crate) fn is_lane_clear(&self, (business, person): &(PhoneNumber, Person)) -> bool {
        self.events.values().all(|known| {
            let is_mate = known.business == *business && known.person.as_ref() == Some(person);
            let is_ordered = self.kind(known).is_some_and(|kind| kind.ordered);
            let is_clear = known.effects_ever == 0 || known.status == Status::Confirmed;
            !is_mate || !is_ordered || (is_clear && !known.is_erased && known.effects_ever <= 1)
        })
    }
}

// Lives of the process.
impl Shadow {
    /// A reopened journal's open rows must be what was committed, no more and no less.
    pub(crate) fn reopened(&mut self, rows: &[OpenRow]) {
        self.sent.clear();
        self.forget_pauses();
        let there: BTreeMap<Sequence, &OpenRow> = rows.iter().map(|row| (row.sequence, row)).collect();
        for (sequence, known) in self.events.clone() {
            let expected = !known.is_erased && (known.status.is_open() || known.holds_lane);
            let row = there.get(&sequence);
            let is_right = match row {
                Some(row) => {
                    expected
                        && (row.status, row.order) == (known.status, known.order)
                        && row.lacks == known.lacks_until_ms.is_some()
                }
                None => !expected,
            };
            self.require(is_right, || format!("{sequence} was reopened as {row:?}; {known:?}"));
        }
        let strangers: Vec<_> = there.keys().filter(|one| !self.events.contains_key(one)).collect();
        let is_right = strangers.is_empty();
        let strangers = format!("{strangers:?} are in the journal and were never committed");
        self.require(is_right, || strangers);
    }

    /// What the journal says of an event must be what was committed.
    pub(crate) fn compare(&mut self, sequence: Sequence, record: Option<&Record>) {
        let Some(known) = self.events.get(&sequence).cloned() else { return };
        if let Some(record) = record {
            self.carries(sequence, click_of(&event_of(&record.row)));
        }
        let said = record.map(|record| (record.row.id, record.status, record.possibly_duplicate));
        let expected = (!known.is_erased).then_some((known.id, known.status, known.possibly_duplicate));
        self.require(said == expected, || {
            format!("{sequence}: the journal says {said:?}, committed was {expected:?}; {known:?}")
        });
    }

    /// Which way an event goes.
    pub(crate) fn way(&self, sequence: Sequence, setup: &NumberSetup) -> Option<Way> {
        let known = self.events.get(&sequence)?;
        let family = self.kind(known)?.family;
        let route = if setup.relayed.contains(known.kind) { Route::Cm } else { Route::Meta };
        Some(Way { business: known.business, family, route })
    }

    /// An event that nothing goes wrong with must be dealt with soon, whatever happens to the others.
    pub(crate) fn flows(
        &mut self,
        is_untouched: impl Fn(&Known) -> bool,
        up_since_ms: u64,
        at_ms: u64,
        slack_ms: u64,
    ) {
        let late = self.open().find(|(_, known)| {
            let backoff_ms = 1_000 << known.attempts.min(10);
            let since_ms = known.committed_ms.max(up_since_ms);
            is_untouched(known) && known.lacks_until_ms.is_none() && since_ms + slack_ms + backoff_ms < at_ms
        });
        let late = late
            .map(|(sequence, known)| format!("{sequence}, which nothing stands against, waits: {known:?}"));
        self.problems.extend(late);
    }
}

mod lacking;
mod pauses;
#[cfg(test)]
mod tests;
