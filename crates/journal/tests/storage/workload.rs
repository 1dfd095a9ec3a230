//! What is done to a store: everything it can be asked, drawn at random, with few rows, keys and persons, so that
//! operations meet.

use std::sync::Arc;

use fastrand::Rng;
use laneway_journal::sqlite::step::{Only, Op};
use laneway_journal::sqlite::{Mode, Store};
use laneway_journal::{
    Append, Change, Completion, ContactTouch, EndedCall, Filter, Key, Lease, Limits, MemberOutcome, NewCall,
    NewRow, Queue, RawNotification, Sequence, Settlement,
};
use laneway_model::{
    AccountName, Action, AppName, AttemptOutcome, Bsuid, Click, ClickId, Conversion, ConversionName,
    CtwaClid, Event, EventKind, Person, PhoneNumber, Reference, Route, Status, Timestamp, Touch,
};

const DAY_MILLIS: u64 = 86_400_000;
/// How much later each operation is than the one before, so that keys become free in the course of a run.
pub(crate) const STEP_MILLIS: u64 = DAY_MILLIS / 8;
const KEYS: u8 = 30;
const PERSONS: u64 = 6;
/// The highest row, call or notification that is asked for.
const NUMBERS: u64 = 24;
/// Rows that are tried again, or given up, at once.
const BULK: usize = 5;

/// The ends that a person may change.
pub(crate) const DEAD: [Status; 2] = [Status::Failed, Status::InDoubt];

/// Something that is done to a store.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Operations in one transaction, drawn from this generator at this instant.
    Step(Rng, u64),
    /// An append at this instant that repeats every key there is: what each is known for shows in the answers.
    Repeat(u64),
    Tidy,
    Index,
    Checkpoint(Mode),
}

/// Limits so small that everything happens often.
pub(crate) fn limits() -> Limits {
    Limits { index_batch: 4, keys_forgotten_per_step: 3, touches_unfolded: 4, ..Limits::default() }
}

/// The next act, and the instant after it.
pub(crate) fn act(random: &mut Rng, clock: &mut u64) -> Act {
    match random.u8(..16) {
        0 => Act::Tidy,
        1 => Act::Index,
        2 => Act::Checkpoint(Mode::Passive),
        3 => Act::Checkpoint(Mode::Restart),
        4 => Act::Checkpoint(Mode::Truncate),
        _ => {
            *clock += STEP_MILLIS;
            Act::Step(random.fork(), *clock)
        }
    }
}

/// So many acts from a seed, among them each kind that is not a step.
pub(crate) fn script(seed: u64, count: usize) -> Vec<Act> {
    let (mut random, mut clock) = (Rng::with_seed(seed), 0);
    let mut acts: Vec<Act> = (0..count).map(|_| act(&mut random, &mut clock)).collect();
    let modes = [Mode::Passive, Mode::Restart, Mode::Truncate].map(Act::Checkpoint);
    for extra in modes.into_iter().chain([Act::Index, Act::Tidy]) {
        acts.insert(random.usize(..acts.len()), extra);
    }
    acts.push(Act::Repeat(clock));
    acts
}

/// The operations of a step for a store; the same generator gives the same, apart from the lease.
pub(crate) fn ops(mut random: Rng, now: u64, store: &Store) -> Vec<Op> {
    let now = Timestamp::from_millis(now);
    let count = random.usize(1..4);
    (0..count).map(|_| op(&mut random, now, store)).collect()
}

fn op(random: &mut Rng, now: Timestamp, store: &Store) -> Op {
    let queue = queue(random);
    let lease = |queue: Queue| -> Lease { store.lease(queue) };
    match random.u8(..18) {
        0..=5 => Op::Append(append(random, now)),
        6 | 7 => {
            Op::Begin(lease(queue), NewCall { started_at: now, route: Route::Meta, members: numbers(random) })
        }
        8..=11 => Op::Settle(lease(queue), settlement(random, now)),
        12 if random.bool() => {
            let sequences = some_or_dead(random, store, queue);
            Op::Requeue { lease: lease(queue), sequences, at: now, due: now, expires: None }
        }
        12 => {
            let reason = "nobody wants it".to_owned();
            let posts = some(random, 2, |random| (Queue::Callbacks, row(random, now)));
            let sequences = some_or_dead(random, store, queue);
            Op::Discard { lease: lease(queue), sequences, at: now, reason, posts }
        }
        13 => {
            let only = if random.bool() {
                Only::SettledBefore(now)
            } else {
                Only::About { person: Some(person(random)), until: now, account: None }
            };
            Op::Remove { queue, sequences: numbers(random), only }
        }
        16 | 17 => {
            let completions =
                numbers(random).into_iter().map(|sequence| Completion { sequence, body: body(random, now) });
            Op::Complete { lease: lease(queue), completions: completions.collect(), at: now }
        }
        14 => Op::RemoveContacts { person: person(random), of: None },
        _ if random.bool() => {
            Op::RemoveNotifications(numbers(random).into_iter().map(|n| n as i64).collect())
        }
        _ => Op::RemoveKeys { free_at: now, limit: random.usize(1..5) },
    }
}

/// A few numbers, or the oldest rows whose ends a person may change, as whoever wants them all asks for them.
fn some_or_dead(random: &mut Rng, store: &Store, queue: Queue) -> Vec<Sequence> {
    if random.bool() {
        return numbers(random);
    }
    let filter = Filter { statuses: DEAD.to_vec(), ..Filter::default() };
    // When the power is cut meanwhile, all is asked once more.
    let page = store.reader().and_then(|mut reader| reader.list_up(queue, &filter, None, BULK));
    let records = page.map_or_else(|_| Vec::new(), |page| page.records);
    records.iter().map(|record| record.row.id.sequence()).collect()
}

/// See [`Act::Repeat`].
pub(crate) fn repetitions(now: u64) -> Op {
    let mut random = Rng::with_seed(0);
    let now = Timestamp::from_millis(now);
    let events = (0..KEYS).map(|key| NewRow { keys: vec![key_of(key, 0, now)], ..row(&mut random, now) });
    Op::Append(Append { events: events.collect(), ..Append::default() })
}

/// Every person there is.
pub(crate) fn persons() -> impl Iterator<Item = Person> {
    (0..PERSONS).map(person_of)
}

pub(crate) fn business() -> PhoneNumber {
    PhoneNumber::parse("+316098765432").unwrap()
}

fn append(random: &mut Rng, now: Timestamp) -> Append {
    Append {
        events: some(random, 4, |random| row(random, now)),
        notifications: some(random, 2, |random| notification(random, now)),
        touches: some(random, 3, |random| touch(random, now)),
        posts: some(random, 3, |random| (queue(random), row(random, now))),
    }
}

fn settlement(random: &mut Rng, now: Timestamp) -> Settlement {
    let sequences = numbers(random);
    let changes = sequences.iter().map(|sequence| change(random, *sequence, now)).collect();
    let members = sequences.iter().map(|sequence| outcome(random, *sequence)).collect();
    let ended = EndedCall {
        begun: random.bool().then(|| random.u64(1..NUMBERS)),
        started_at: now,
        finished_at: now,
        route: Route::Cm,
        http_status: random.bool().then_some(200),
        trace_id: random.bool().then(|| "trace".to_owned()),
        members,
    };
    Settlement {
        at: now,
        call: (random.u8(..4) > 0).then_some(ended),
        changes,
        touches: some(random, 2, |random| touch(random, now)),
        posts: some(random, 2, |random| (Queue::Callbacks, row(random, now))),
    }
}

fn change(random: &mut Rng, sequence: Sequence, now: Timestamp) -> Change {
    let statuses = [Status::Accepted, Status::Retrying, Status::Confirmed, Status::Failed, Status::InDoubt];
    Change {
        sequence,
        status: statuses[random.usize(..statuses.len())],
        due: now,
        reason: random.bool().then(|| "as it is".to_owned()),
        superseded_by: (random.u8(..4) == 0).then(|| random.u64(1..NUMBERS)),
        possibly_duplicate: random.bool(),
        holds_lane: random.bool(),
    }
}

fn outcome(random: &mut Rng, sequence: Sequence) -> MemberOutcome {
    MemberOutcome {
        sequence,
        outcome: if random.bool() { AttemptOutcome::Transient } else { AttemptOutcome::Rejected },
        code: random.bool().then(|| random.u32(..200_000)),
        subcode: None,
        detail: random.bool().then(|| "in one sentence".to_owned()),
    }
}

fn row(random: &mut Rng, now: Timestamp) -> NewRow {
    let mut keys = some(random, 3, |random| {
        let (key, fingerprint) = (random.u8(..KEYS), random.u8(..2));
        let until = Timestamp::from_millis(now.as_millis() + random.u64(1..4 * DAY_MILLIS));
        key_of(key, fingerprint, until)
    });
    keys.dedup_by_key(|key| key.hash);
    let lacks = random.u8(..4) == 0;
    let (kind, body) = if lacks {
        (EventKind::Conversion(ConversionName::AddToCart).code(), conversion(now, None))
    } else {
        (random.u8(1..15), body(random, now))
    };
    NewRow {
        account: AccountName::parse(&format!("account-{}", random.u8(..3))).unwrap(),
        business: business(),
        person: (random.u8(..5) > 0).then(|| person(random)),
        kind,
        reference: random.bool().then(|| Reference::parse("order 66").unwrap()),
        accepted_at: now,
        due: now,
        expires: Timestamp::MAX,
        body,
        keys,
    }
}

/// What a row says when it is appended, and when it is completed.
fn body(random: &mut Rng, now: Timestamp) -> Arc<[u8]> {
    if random.u8(..4) == 0 {
        return conversion(now, Some(random.u16(..)));
    }
    // Now and then a body is so long that it overflows onto pages of its own.
    let length = if random.u8(..40) == 0 { random.usize(..9_000) } else { random.usize(..100) };
    let mut body = vec![0; length];
    random.fill(&mut body);
    body.into()
}

/// The body of a conversion, which lacks its click id or has this one.
fn conversion(now: Timestamp, click: Option<u16>) -> Arc<[u8]> {
    let click =
        click.map(|n| ClickId { value: CtwaClid::parse(&format!("click-{n}")).unwrap(), captured: true });
    let event = Event {
        account: AccountName::parse("account-0").unwrap(),
        business: business(),
        person: Some(person_of(1)),
        action: Action::Conversion(Box::new(Conversion {
            name: ConversionName::AddToCart,
            click,
            event_time: now,
            event_id: None,
            currency: None,
            value: None,
        })),
        reference: None,
        accepted_at: now,
        custom: None,
    };
    NewRow::of_event(&event, now, Timestamp::MAX, Vec::new()).body
}

/// The key's hash is a real one, because the index relies on that.
fn key_of(key: u8, fingerprint: u8, until: Timestamp) -> Key {
    let hash = Rng::with_seed(u64::from(key)).u128(..).to_le_bytes();
    Key { hash, fingerprint: (fingerprint > 0).then_some([fingerprint; 16]), until }
}

fn notification(random: &mut Rng, now: Timestamp) -> RawNotification {
    RawNotification {
        app: AppName::parse("app").unwrap(),
        received_at: now,
        signature: "sha256=00".to_owned(),
        body: Arc::from(vec![random.u8(..); random.usize(..200)]),
    }
}

fn touch(random: &mut Rng, at: Timestamp) -> ContactTouch {
    let touch = match random.u8(..4) {
        0 => Touch::MessageIn { at, id: None },
        1 => Touch::Clicked(Click {
            id: CtwaClid::parse(&format!("click-{}", random.u16(..))).unwrap(),
            at,
            ad_id: None,
            headline: Some("Shoes".to_owned()),
        }),
        2 => Touch::Blocked { blocked: random.bool(), at },
        _ => Touch::Identified {
            phone: PhoneNumber::from_u64(31_600_000_000).unwrap(),
            bsuid: Bsuid::parse("NL.1").unwrap(),
            at,
        },
    };
    ContactTouch { business: business(), person: person(random), touch }
}

fn queue(random: &mut Rng) -> Queue {
    if random.u8(..4) > 0 { Queue::Events } else { Queue::ALL[random.usize(..3)] }
}

fn person(random: &mut Rng) -> Person {
    person_of(random.u64(..PERSONS))
}

fn person_of(n: u64) -> Person {
    if n == 0 {
        Person::parse("NL.1").unwrap()
    } else {
        Person::Phone(PhoneNumber::from_u64(31_600_000_000 + n).unwrap())
    }
}

/// A few different numbers of rows.
fn numbers(random: &mut Rng) -> Vec<Sequence> {
    let mut numbers = some(random, 4, |random| random.u64(1..NUMBERS));
    numbers.push(random.u64(1..NUMBERS));
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn some<T>(random: &mut Rng, below: usize, draw: impl Fn(&mut Rng) -> T) -> Vec<T> {
    (0..random.usize(..below)).map(|_| draw(random)).collect()
}
