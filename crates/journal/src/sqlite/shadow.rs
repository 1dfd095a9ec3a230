//! The store against a shadow of it: random operations, in random groups, with restarts and steps of the index in
//! between, must give what a few maps in memory give.

use std::collections::BTreeMap;
use std::sync::Arc;

use laneway_model::{AccountName, AttemptOutcome, EventId, PhoneNumber, Route, Status, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

use super::step::{Op, Reply, apply};
use super::{Indexer, Store};
use crate::{
    Append, Appended, Change, EndedCall, Error, Key, Lease, Limits, MemberOutcome, NewCall, NewRow, Queue,
    Sequence, Settlement,
};

/// What is done to the store; rows and keys are few, so that operations meet.
#[derive(Clone, Debug)]
enum Act {
    /// One transaction.
    Step(Vec<Ask>),
    Index,
    Tidy,
    Restart,
}

#[derive(Clone, Debug)]
enum Ask {
    Append { key: u8, fingerprint: u8 },
    Begin(Vec<u8>),
    Settle { members: Vec<u8>, status: Status, holds: bool },
    Requeue(u8),
    Discard(u8),
}

fn acts() -> impl Strategy<Value = Act> {
    let status = prop::sample::select(vec![
        Status::Accepted,
        Status::Retrying,
        Status::Confirmed,
        Status::Failed,
        Status::Superseded,
    ]);
    let members = || vec(1..20_u8, 1..4);
    let ask = prop_oneof![
        4 => (0..12_u8, 0..3_u8).prop_map(|(key, fingerprint)| Ask::Append { key, fingerprint }),
        2 => members().prop_map(Ask::Begin),
        3 => (members(), status, any::<bool>())
            .prop_map(|(members, status, holds)| Ask::Settle { members, status, holds }),
        2 => (1..20_u8).prop_map(Ask::Requeue),
        1 => (1..20_u8).prop_map(Ask::Discard),
    ];
    prop_oneof![
        6 => vec(ask, 1..6).prop_map(Act::Step),
        1 => Just(Act::Index),
        1 => Just(Act::Tidy),
        1 => Just(Act::Restart),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ShadowRow {
    status: Status,
    order: u64,
    attempts: u32,
    holds: bool,
}

#[derive(Default)]
struct Shadow {
    /// The instant of the next operation, which is also the instant of acceptance of the row that it appends.
    clock: u64,
    last: Sequence,
    rows: BTreeMap<Sequence, ShadowRow>,
    keys: BTreeMap<u8, (EventId, u8, u64)>,
}

/// For how long a key is taken, in operations.
const KEY_LIFE: u64 = 30;

impl Shadow {
    fn is_open(&self, sequence: Sequence) -> bool {
        self.rows.get(&sequence).is_some_and(|row| row.status.is_open())
    }

    /// The operation, and what it must answer; no answer for a call's number.
    fn ask(&mut self, lease: Lease, ask: &Ask) -> (Op, Result<Option<Reply>, Sequence>) {
        self.clock += 1;
        match ask {
            Ask::Append { key, fingerprint } => {
                let (row, answer) = self.append(*key, *fingerprint);
                let op = Op::Append(Append { events: vec![row], ..Append::default() });
                (op, Ok(Some(Reply::Appended(vec![answer]))))
            }
            Ask::Begin(members) => {
                let members = distinct(members);
                let closed = members.iter().find(|member| !self.is_open(**member)).copied();
                if closed.is_none() {
                    self.attempted(&members);
                }
                let call = NewCall { started_at: self.now(), route: Route::Meta, members };
                (Op::Begin(lease, call), closed.map_or(Ok(None), Err))
            }
            Ask::Settle { members, status, holds } => {
                let members = distinct(members);
                let open: Vec<Sequence> =
                    members.iter().copied().filter(|member| self.is_open(*member)).collect();
                self.attempted(&open);
                for sequence in open {
                    self.rows.entry(sequence).and_modify(|row| {
                        row.status = *status;
                        row.holds = *holds && *status == Status::Failed;
                    });
                }
                let settlement = settlement(self.now(), &members, *status, *holds);
                (Op::Settle(lease, settlement), Ok(Some(Reply::Settled)))
            }
            Ask::Requeue(sequence) => {
                let sequence = Sequence::from(*sequence);
                if let Some(row) = self.rows.get_mut(&sequence).filter(|row| !row.status.is_open()) {
                    if !row.holds {
                        self.last += 1;
                        row.order = self.last;
                    }
                    row.status = Status::Retrying;
                    row.holds = false;
                }
                let due = self.now();
                (Op::Requeue { lease, sequences: vec![sequence], at: due, due, expires: None }, Ok(None))
            }
            Ask::Discard(sequence) => {
                let sequences = vec![Sequence::from(*sequence)];
                let dead = self.rows.get_mut(&sequences[0]).filter(|row| row.status == Status::Failed);
                let reply = dead.iter().flat_map(|_| sequences.clone()).collect();
                if let Some(row) = dead {
                    row.status = Status::Discarded;
                    row.holds = false;
                }
                let (at, reason) = (self.now(), "unwanted".to_owned());
                let op = Op::Discard { lease, sequences, at, reason, posts: Vec::new() };
                (op, Ok(Some(Reply::Discarded(reply))))
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock)
    }

    fn append(&mut self, key: u8, fingerprint: u8) -> (NewRow, Appended) {
        let until = self.clock + KEY_LIFE;
        let answer = match self.keys.get(&key) {
            Some((id, known, until)) if *until > self.clock => {
                if *known == fingerprint {
                    Appended::Replay(*id)
                } else {
                    Appended::Conflict(*id)
                }
            }
            Some(_) | None => {
                self.last += 1;
                let id = EventId::new(self.now(), 0, self.last);
                self.keys.insert(key, (id, fingerprint, until));
                let status = Status::Accepted;
                self.rows
                    .insert(self.last, ShadowRow { status, order: self.last, attempts: 0, holds: false });
                Appended::Accepted(id)
            }
        };
        let row = NewRow {
            account: AccountName::parse(&format!("account-{}", key % 3)).unwrap(),
            business: PhoneNumber::parse("+316098765432").unwrap(),
            person: None,
            kind: 1,
            reference: None,
            accepted_at: self.now(),
            due: self.now(),
            expires: Timestamp::MAX,
            body: Arc::from([key].as_slice()),
            keys: vec![Key {
                hash: [key; 16],
                fingerprint: Some([fingerprint; 16]),
                until: Timestamp::from_millis(until),
            }],
        };
        (row, answer)
    }

    fn attempted(&mut self, members: &[Sequence]) {
        for sequence in members {
            self.rows.entry(*sequence).and_modify(|row| row.attempts += 1);
        }
    }
}

fn distinct(members: &[u8]) -> Vec<Sequence> {
    let mut members: Vec<Sequence> = members.iter().copied().map(Sequence::from).collect();
    members.sort_unstable();
    members.dedup();
    members
}

fn settlement(at: Timestamp, members: &[Sequence], status: Status, holds_lane: bool) -> Settlement {
    let outcome = |sequence: &Sequence| MemberOutcome {
        sequence: *sequence,
        outcome: AttemptOutcome::Transient,
        code: None,
        subcode: None,
        detail: None,
    };
    let change = |sequence: &Sequence| Change {
        sequence: *sequence,
        status,
        due: at,
        reason: None,
        superseded_by: None,
        possibly_duplicate: false,
        holds_lane,
    };
    let call = EndedCall {
        begun: None,
        started_at: at,
        finished_at: at,
        route: Route::Cm,
        http_status: None,
        trace_id: None,
        members: members.iter().map(outcome).collect(),
    };
    let changes = members.iter().map(change).collect();
    Settlement { at, call: Some(call), changes, ..Settlement::default() }
}

fn step(store: &mut Store, shadow: &mut Shadow, asks: &[Ask]) {
    let lease = store.lease(Queue::Events);
    let (ops, expected): (Vec<Op>, Vec<_>) = asks.iter().map(|ask| shadow.ask(lease, ask)).unzip();
    let replies = apply(store, ops).replies;
    for (reply, expected) in replies.into_iter().zip(expected) {
        match (reply, expected) {
            (Ok(reply), Ok(expected)) => assert_eq!(expected.unwrap_or_else(|| reply.clone()), reply),
            (Err(Error::NotOpen { sequence }), Err(expected)) => assert_eq!(sequence, expected),
            (reply, expected) => panic!("{reply:?} instead of {expected:?}"),
        }
    }
}

fn compare(store: &Store, shadow: &Shadow) {
    let mut reader = store.reader().unwrap();
    let open = reader.load_open(Queue::Events, 0, 1_000).unwrap();
    let found: Vec<_> =
        open.rows.iter().map(|row| (row.sequence, row.status, row.order, row.attempts)).collect();
    let expected: Vec<_> = shadow
        .rows
        .iter()
        .filter(|(_, row)| row.status.is_open() || row.holds)
        .map(|(sequence, row)| (*sequence, row.status, row.order, row.attempts))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(open.complete_to, shadow.last);
    let is_open = |(_, status, ..): &&(_, Status, _, _)| status.is_open();
    assert_eq!(store.memory.counters.open[0], expected.iter().filter(is_open).count() as u64);
    let all = reader.list(Queue::Events, &crate::Filter::default(), None, 1_000).unwrap().records;
    let found: Vec<_> =
        all.iter().rev().map(|record| (record.status, record.attempts.len() as u32)).collect();
    let expected: Vec<_> = shadow.rows.values().map(|row| (row.status, row.attempts)).collect();
    assert_eq!(found, expected);
}

fn open(directory: &tempfile::TempDir) -> (Store, Indexer) {
    let limits = Limits { index_batch: 3, keys_forgotten_per_step: 2, ..Limits::default() };
    Store::open(directory.path(), limits, |problem| panic!("{problem}")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_its_shadow_does(acts in vec(acts(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let (mut store, mut indexer) = open(&directory);
        let mut shadow = Shadow::default();
        for act in acts {
            match act {
                Act::Step(asks) => step(&mut store, &mut shadow, &asks),
                Act::Index => indexer.catch_up().unwrap(),
                Act::Tidy => store.tidy().unwrap(),
                Act::Restart => {
                    drop((store, indexer));
                    (store, indexer) = open(&directory);
                }
            }
        }
        compare(&store, &shadow);
    }
}
