//! How many events per second the journal takes, beside what the disk itself can do, in one run.
//!
//! `cargo bench -p laneway-journal --bench journal`, with words after `--` to run only what has one of them in its name;
//! `LANEWAY_BENCH_DIR` says on which disk. The figures of one machine mean little; the ratios mean more.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laneway_journal::{
    Append, Appended, Change, EndedCall, Journal, Key, Lease, MemberOutcome, NewCall, NewRow, Options, Queue,
    Sequence, Settlement, Wake,
};
use laneway_model::{AccountName, AttemptOutcome, Person, PhoneNumber, Route, Status, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const EVENTS: u64 = 300_000;
const RECIPIENTS: u64 = 10_000;
const IN_FLIGHT: u64 = 512;
const EVENT_BYTES: usize = 300;
const FSYNCS: u32 = 2_000;
/// Open rows from which a start is measured: the most that a node holds.
const START_ROWS: u64 = 4_000_000;
/// Members of a call in the grouped run.
const GROUP: usize = 100;

#[tokio::main]
async fn main() {
    let parent = std::env::var_os("LANEWAY_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!("{EVENTS} events of {EVENT_BYTES} bytes, {RECIPIENTS} recipients, {IN_FLIGHT} in flight");
    let bare = bare_fdatasync(&parent);
    println!("{:<46} {bare:>9.0} /s", "bare write of one event and fdatasync");
    for (name, keys, settling) in [
        ("accept", 0, Settling::None),
        ("accept, one key each", 1, Settling::None),
        ("accept and settle, a call for each", 0, Settling::Each),
        ("accept and settle, a call for a hundred", 0, Settling::Grouped),
        ("accept with a key, begin, settle by hundreds", 1, Settling::Begun),
    ] {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let directory = tempfile::tempdir_in(&parent).expect("a directory to write in");
        let options = Options::new(directory.path());
        let (journal, feed) = Journal::open(options).expect("an empty directory can be opened");
        let took = run(&journal, feed, keys, settling).await;
        let stats = journal.stats().await.expect("the journal is open");
        let per_second = EVENTS as f64 / took.as_secs_f64();
        println!(
            "{name:<46} {per_second:>9.0} /s  {:>6.1} x bare  {:>5.0} events per fsync  log {:>3} MB, files {:>4} MB",
            per_second / bare,
            EVENTS as f64 / stats.commits as f64,
            stats.log_bytes >> 20,
            stats.file_bytes >> 20,
        );
        journal.close().await;
    }
    if words.is_empty() || words.iter().any(|word| "start".contains(word.as_str())) {
        start(&parent).await;
    }
}

/// How long a node with very many open rows takes until its engine has them all.
async fn start(parent: &std::path::Path) {
    let directory = tempfile::tempdir_in(parent).expect("a directory to write in");
    let (journal, feed) =
        Journal::open(Options::new(directory.path())).expect("an empty directory can be opened");
    drop(feed);
    for first in (0..START_ROWS).step_by(1_000) {
        let events = (first..first + 1_000).map(|n| row(n, &vec![7; EVENT_BYTES].into(), 0)).collect();
        journal.append(Append { events, ..Append::default() }).await.expect("the journal has room");
    }
    journal.close().await;
    let started = now();
    let (journal, _feed) = Journal::open(Options::new(directory.path())).expect("it was open before");
    let opened = started.elapsed();
    let lease = journal.lease(Queue::Events).await.expect("the journal is open")[0];
    let (mut loaded, mut after, mut more) = (0, 0, true);
    while more {
        let page = journal.load_open(lease, after, 20_000).await.expect("the journal is open");
        loaded += page.rows.len();
        (after, more) = (page.complete_to, page.more);
    }
    let (opened, ready) = (opened.as_secs_f64(), started.elapsed().as_secs_f64());
    println!("start with {loaded} open rows: open after {opened:.2} s, all loaded after {ready:.2} s");
    journal.close().await;
}

/// What becomes of accepted events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settling {
    None,
    Each,
    Grouped,
    Begun,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn bare_fdatasync(parent: &std::path::Path) -> f64 {
    let directory = tempfile::tempdir_in(parent).expect("a directory to write in");
    let mut file = File::create(directory.path().join("bare")).expect("a file to write in");
    let started = now();
    for _ in 0..FSYNCS {
        file.write_all(&[7; EVENT_BYTES]).expect("the disk takes it");
        file.sync_data().expect("the disk keeps it");
    }
    f64::from(FSYNCS) / started.elapsed().as_secs_f64()
}

async fn run(
    journal: &Journal,
    mut feed: laneway_journal::Feed,
    keys: usize,
    settling: Settling,
) -> Duration {
    let lease = journal.lease(Queue::Events).await.expect("the journal is open")[0];
    let started = now();
    let mut tasks = JoinSet::new();
    for worker in 0..IN_FLIGHT {
        let journal = journal.clone();
        tasks.spawn(async move { accept(&journal, worker, keys).await });
    }
    let (send, fresh) = mpsc::channel(1_024);
    if settling == Settling::None {
        drop(feed);
        drop(send);
    } else {
        tasks.spawn(async move {
            let mut told = 0;
            while told < EVENTS {
                match feed.next().await {
                    Some(Wake::Rows(_, rows)) => {
                        told += rows.len() as u64;
                        let sequences = rows.iter().map(|row| row.open.sequence).collect::<Vec<_>>();
                        send.send(sequences).await.expect("the settlers wait");
                    }
                    other => panic!("the feed is large enough, but said {other:?}"),
                }
            }
        });
        let journal = journal.clone();
        tasks.spawn(async move { settle(&journal, lease, fresh, settling).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("nobody panics");
    }
    started.elapsed()
}

async fn accept(journal: &Journal, worker: u64, keys: usize) {
    let body: Arc<[u8]> = vec![7; EVENT_BYTES].into();
    for n in (worker..EVENTS).step_by(IN_FLIGHT as usize) {
        let row = row(n, &body, keys);
        loop {
            match journal.append(Append { events: vec![row.clone()], ..Append::default() }).await {
                Ok(answers) => {
                    assert!(matches!(answers[0], Appended::Accepted(_)));
                    break;
                }
                Err(laneway_journal::Error::Busy) => tokio::task::yield_now().await,
                Err(problem) => panic!("{problem}"),
            }
        }
    }
}

fn row(n: u64, body: &Arc<[u8]>, keys: usize) -> NewRow {
    let person = 31_600_000_000 + n.wrapping_mul(7_919) % RECIPIENTS;
    let at = Timestamp::from_millis(1_795_000_000_000 + n);
    NewRow {
        account: AccountName::parse("shop").expect("a name"),
        business: PhoneNumber::from_u64(316_098_765_432).expect("a number"),
        person: Some(Person::Phone(PhoneNumber::from_u64(person).expect("a number"))),
        kind: 3,
        reference: None,
        accepted_at: at,
        due: at,
        expires: Timestamp::MAX,
        body: Arc::clone(body),
        keys: (0..keys).map(|_| key(n)).collect(),
    }
}

fn key(n: u64) -> Key {
    let random = fastrand::Rng::with_seed(n).u128(..);
    Key { hash: random.to_le_bytes(), fingerprint: None, until: Timestamp::from_millis(1_797_000_000_000) }
}

/// Settles what was accepted, with as many calls in flight as an engine would have.
async fn settle(
    journal: &Journal,
    lease: Lease,
    mut fresh: mpsc::Receiver<Vec<Sequence>>,
    settling: Settling,
) {
    let group = if settling == Settling::Each { 1 } else { GROUP };
    let mut calls = JoinSet::new();
    let mut waiting: Vec<Sequence> = Vec::new();
    while let Some(sequences) = fresh.recv().await {
        waiting.extend(sequences);
        let whole = waiting.len() - waiting.len() % group;
        for members in waiting.drain(..whole).collect::<Vec<_>>().chunks(group) {
            if calls.len() >= IN_FLIGHT as usize {
                calls.join_next().await;
            }
            let (journal, members) = (journal.clone(), members.to_vec());
            calls.spawn(async move { call(&journal, lease, members, settling == Settling::Begun).await });
        }
    }
    for members in waiting.chunks(group) {
        let (journal, members) = (journal.clone(), members.to_vec());
        calls.spawn(async move { call(&journal, lease, members, settling == Settling::Begun).await });
    }
    while let Some(ended) = calls.join_next().await {
        ended.expect("nobody panics");
    }
}

async fn call(journal: &Journal, lease: Lease, members: Vec<Sequence>, begins: bool) {
    let at = Timestamp::from_millis(1_795_000_500_000);
    let begun = if begins {
        let call = NewCall { started_at: at, route: Route::Meta, members: members.clone() };
        Some(journal.begin(lease, call).await.expect("the members are open"))
    } else {
        None
    };
    let outcome = |sequence: &Sequence| MemberOutcome {
        sequence: *sequence,
        outcome: AttemptOutcome::Confirmed,
        code: None,
        subcode: None,
        detail: None,
    };
    let change = |sequence: &Sequence| Change {
        sequence: *sequence,
        status: Status::Confirmed,
        due: at,
        reason: None,
        superseded_by: None,
        possibly_duplicate: false,
        holds_lane: false,
    };
    let ended = EndedCall {
        begun,
        started_at: at,
        finished_at: at,
        route: Route::Meta,
        http_status: Some(200),
        trace_id: Some("AbCdEfGhIjKlMnOpQrStUvW".to_owned()),
        members: members.iter().map(outcome).collect(),
    };
    let changes = members.iter().map(change).collect();
    let settlement = Settlement { at, call: Some(ended), changes, ..Settlement::default() };
    journal.settle(lease, settlement).await.expect("the journal has room");
}
