//! What is SQLite's own: formats, locks, group commits, the log and the index. What every store must do is checked in
//! `tests/conformance`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use laneway_model::{AccountName, EventId, Person, PhoneNumber, Route, Status, Timestamp};
use rusqlite::{Connection, ffi};
use tempfile::TempDir;

use super::open::{INDEX_FILE, INDEX_SUSPECT_FILE, JOURNAL_FILE};
use super::schema::sql;
use super::step::{Only, Op, Reply, apply};
use super::{Indexer, Store};
use crate::{
    Append, Appended, Change, Error, Filter, Journal, Key, Lease, Limits, NewCall, NewRow, OpenError,
    Options, Queue, Settlement,
};

fn never(problem: &str) {
    panic!("{problem}");
}

fn open(directory: &Path) -> (Store, Indexer) {
    Store::open(directory, Limits::default(), never).unwrap()
}

fn opened() -> (TempDir, Store, Indexer) {
    let directory = tempfile::tempdir().unwrap();
    let (store, indexer) = open(directory.path());
    (directory, store, indexer)
}

fn row(n: u64) -> NewRow {
    let at = Timestamp::from_millis(n);
    NewRow {
        account: AccountName::parse("shop").unwrap(),
        business: PhoneNumber::parse("+316098765432").unwrap(),
        person: Some(Person::Phone(PhoneNumber::from_u64(31_600_000_000 + n % 10).unwrap())),
        kind: 1,
        reference: None,
        accepted_at: at,
        due: at,
        expires: Timestamp::MAX,
        body: Arc::from([7_u8; 200].as_slice()),
        keys: vec![key(n)],
    }
}

fn key(n: u64) -> Key {
    let mut hash = [0; 16];
    hash[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    hash[8..].copy_from_slice(&n.to_le_bytes());
    Key { hash, fingerprint: None, until: Timestamp::from_millis(1_000_000 + 86_400_000 * (n % 4)) }
}

fn append(rows: impl IntoIterator<Item = NewRow>) -> Op {
    Op::Append(Append { events: rows.into_iter().collect(), ..Append::default() })
}

fn change(sequence: u64, status: Status) -> Change {
    Change {
        sequence,
        status,
        due: Timestamp::MAX,
        reason: None,
        superseded_by: None,
        possibly_duplicate: false,
        holds_lane: false,
    }
}

fn settle(lease: Lease, sequence: u64, status: Status) -> Op {
    Op::Settle(lease, Settlement { changes: vec![change(sequence, status)], ..Settlement::default() })
}

/// The sequences of what is open.
fn open_rows(store: &Store) -> Vec<u64> {
    let page = store.reader().unwrap().load_open(Queue::Events, 0, 1_000_000).unwrap();
    page.rows.iter().map(|row| row.sequence).collect()
}

/// The answer to the only event of an append.
fn append_one(store: &mut Store, row: NewRow) -> Result<Appended, Error> {
    apply(store, vec![append([row])]).replies.remove(0).map(|reply| reply.appended()[0])
}

#[test]
fn an_operation_that_is_refused_leaves_its_neighbours_alone() {
    let (_directory, mut store, _indexer) = opened();
    store.limits.keys_in_memory = 3;
    let lease = store.lease(Queue::Events);
    let old = Lease { epoch: lease.epoch - 1, ..lease };
    let call = NewCall { started_at: Timestamp::from_millis(1), route: Route::Meta, members: vec![1, 9] };
    let ops = vec![
        append([row(1)]),
        Op::Begin(lease, call),
        settle(old, 1, Status::Confirmed),
        append([row(2), row(3), row(4)]),
        append([row(5)]),
        settle(lease, 1, Status::Confirmed),
    ];
    let applied = apply(&mut store, ops);
    let [first, begun, fenced, busy, second, settled] = &applied.replies[..] else { panic!("{applied:?}") };
    assert!(matches!(begun, Err(Error::NotOpen { sequence: 9 })), "{begun:?}");
    assert!(matches!(fenced, Err(Error::Fenced)), "{fenced:?}");
    assert!(matches!(busy, Err(Error::Busy)), "{busy:?}");
    let id = |n, sequence| Appended::Accepted(EventId::new(Timestamp::from_millis(n), 0, sequence));
    assert_eq!(first.as_ref().unwrap(), &Reply::Appended(vec![id(1, 1)]));
    assert_eq!(second.as_ref().unwrap(), &Reply::Appended(vec![id(5, 2)]));
    assert_eq!(settled.as_ref().unwrap(), &Reply::Settled);
    let told: Vec<u64> =
        applied.news.iter().flat_map(|news| &news.rows).map(|row| row.open.sequence).collect();
    assert_eq!((open_rows(&store), told), (vec![2], vec![1, 2]));
    assert_eq!(store.memory.keys.len(), 2);
}

#[test]
fn an_operation_sees_what_came_before_it_in_the_step() {
    let (_directory, mut store, _indexer) = opened();
    let lease = store.lease(Queue::Events);
    let at = Timestamp::MAX;
    let requeue = || Op::Requeue { lease, sequences: vec![1], at, due: at, expires: None };
    let ops = vec![
        append([row(1)]),
        requeue(),
        settle(lease, 1, Status::Failed),
        requeue(),
        append([row(1), row(2)]),
        Op::Remove {
            queue: Queue::Events,
            sequences: vec![1, 3],
            only: Only::About { person: row(1).person, until: Timestamp::MAX, account: None },
        },
        append([row(1)]),
    ];
    let mut replies = apply(&mut store, ops).replies.into_iter().map(Result::unwrap);
    let id = |n, sequence| EventId::new(Timestamp::from_millis(n), 0, sequence);
    assert_eq!(replies.next().unwrap().appended(), [Appended::Accepted(id(1, 1))]);
    assert_eq!(replies.next().unwrap().requeued(), []);
    replies.next().unwrap().settled();
    let requeued = replies.next().unwrap().requeued();
    assert_eq!((requeued.len(), requeued[0].open.order, requeued[0].row.account.as_str()), (1, 2, "shop"));
    let answers = [Appended::Replay(id(1, 1)), Appended::Accepted(id(2, 3))];
    assert_eq!(replies.next().unwrap().appended(), answers);
    assert_eq!(replies.next().unwrap().removed(), 1);
    assert_eq!(replies.next().unwrap().appended(), [Appended::Replay(id(1, 1))]);
    assert_eq!(open_rows(&store), [3]);
}

#[test]
fn when_the_disk_is_full_nothing_of_the_step_is_stored() {
    let (directory, mut store, _indexer) = opened();
    append_one(&mut store, row(1)).unwrap();
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    let allow = |store: &Store, pages: i64| {
        store.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    allow(&store, pages + 2);
    let other = NewRow { account: AccountName::parse("other").unwrap(), ..row(3) };
    let applied = apply(&mut store, vec![append([row(2), other.clone()]), append((10..200).map(row))]);
    assert!(applied.replies.iter().all(|reply| matches!(reply, Err(Error::Full))), "{:?}", applied.replies);
    assert!(applied.news.is_empty());
    assert_eq!(open_rows(&store), [1]);
    allow(&store, i64::from(i32::MAX));
    let id = |n, sequence| Appended::Accepted(EventId::new(Timestamp::from_millis(n), 0, sequence));
    assert_eq!(append_one(&mut store, row(2)).unwrap(), id(2, 2));
    assert_eq!(append_one(&mut store, other).unwrap(), id(3, 3));
    drop(store);
    let (store, _indexer) = open(directory.path());
    assert_eq!(open_rows(&store), [1, 2, 3]);
    let rows = store.reader().unwrap().rows(Queue::Events, &[3]).unwrap();
    assert_eq!(rows[0].account.as_str(), "other");
}

static FATAL: AtomicUsize = AtomicUsize::new(0);

#[test]
fn after_a_lost_sync_nothing_is_done_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let count: fn(&str) = |_| {
        FATAL.fetch_add(1, Ordering::Relaxed);
    };
    let (mut store, _indexer) = Store::open(directory.path(), Limits::default(), count).unwrap();
    let failure =
        |code| Error::sqlite("committing", rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    store.note_lost_sync(&failure(ffi::SQLITE_IOERR_WRITE));
    assert!(append_one(&mut store, row(1)).is_ok());
    for _ in 0..2 {
        store.note_lost_sync(&failure(ffi::SQLITE_IOERR_FSYNC));
        assert!(matches!(append_one(&mut store, row(2)), Err(Error::Closed)));
    }
    assert_eq!(FATAL.load(Ordering::Relaxed), 1);
}

#[test]
fn an_index_that_the_disk_did_not_take_is_made_anew() {
    let (directory, mut store, mut indexer) = opened();
    append_one(&mut store, row(1)).unwrap();
    indexer.catch_up().unwrap();
    for (code, is_suspect) in [(ffi::SQLITE_IOERR_WRITE, false), (ffi::SQLITE_IOERR_FSYNC, true)] {
        let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert!(indexer.noted::<()>(Err(Error::sqlite("testing", failure))).is_err());
        assert_eq!(directory.path().join(INDEX_SUSPECT_FILE).exists(), is_suspect, "{code}");
    }
    drop((store, indexer));
    let (store, _indexer) = open(directory.path());
    assert_eq!(store.index.progress().rows_to(Queue::Events), 0);
}

#[test]
fn what_was_committed_is_there_without_closing() {
    let (directory, mut store, mut indexer) = opened();
    for n in 1..=5 {
        append_one(&mut store, row(n)).unwrap();
        if n == 3 {
            indexer.catch_up().unwrap();
        }
    }
    drop((store, indexer));
    let (mut store, _indexer) = open(directory.path());
    assert_eq!((open_rows(&store), store.memory.keys.len()), (vec![1, 2, 3, 4, 5], 2));
    for n in 1..=5 {
        assert!(matches!(append_one(&mut store, row(n)).unwrap(), Appended::Replay(_)), "{n}");
    }
}

/// Opens a directory in which a file was tampered with; the refusal in one sentence.
#[track_caller]
fn refusal(tamper: impl FnOnce(&Path)) -> String {
    let (directory, store, indexer) = opened();
    drop((store, indexer));
    tamper(directory.path());
    let refused = Store::open(directory.path(), Limits::default(), never).err().expect("it is refused");
    let path = directory.path().display().to_string();
    refused.to_string().replace(&path, "DIR")
}

fn damaged(problem: &str) -> String {
    format!("DIR/journal.db is damaged: {problem}; restore the data directory from a backup")
}

#[test]
fn files_that_are_not_ours_are_refused_in_one_sentence() {
    let pragma = |path: &Path, statement: &str| {
        Connection::open(path.join(JOURNAL_FILE)).unwrap().execute_batch(statement).unwrap();
    };
    assert_eq!(
        refusal(|path| pragma(path, "PRAGMA user_version = 4")),
        "DIR/journal.db was written by a newer version of Laneway (format 4, this version knows up to 3)"
    );
    assert_eq!(
        refusal(|path| pragma(path, "PRAGMA user_version = 2")),
        "DIR/journal.db was written before the first release (format 2, this version reads format 3 only)"
    );
    assert_eq!(
        refusal(|path| pragma(path, "PRAGMA application_id = 7")),
        "DIR/journal.db is not a Laneway journal"
    );
    assert_eq!(
        refusal(|path| {
            fs::write(path.join(JOURNAL_FILE), [7; 8192]).unwrap();
            fs::remove_file(path.join("journal.db-wal")).unwrap();
        }),
        damaged("SQLite cannot read it")
    );
    for (statement, problem) in [
        ("DROP TABLE counters", "its tables are not as they were made"),
        ("DROP INDEX events_open", "its tables are not as they were made"),
        ("DELETE FROM counters", "there are no counters"),
        ("UPDATE counters SET events = 7", "a row does not agree with its checksum"),
    ] {
        assert_eq!(refusal(|path| pragma(path, statement)), damaged(problem), "{statement}");
    }
}

#[test]
fn a_row_that_is_missing_is_noticed_at_the_start() {
    for missing in [1, 2] {
        let (directory, mut store, indexer) = opened();
        let lease = store.lease(Queue::Events);
        let held = Change { holds_lane: true, ..change(1, Status::Failed) };
        let held = Op::Settle(lease, Settlement { changes: vec![held], ..Settlement::default() });
        let ops = vec![append([row(1), row(2), row(3)]), held, settle(lease, 3, Status::Confirmed)];
        assert!(apply(&mut store, ops).replies.iter().all(Result::is_ok));
        drop((store, indexer));
        // The second start finds everything as it was left.
        drop(open(directory.path()));
        let remove = format!("DELETE FROM events WHERE sequence = {missing}");
        Connection::open(directory.path().join(JOURNAL_FILE)).unwrap().execute_batch(&remove).unwrap();
        let refused = Store::open(directory.path(), Limits::default(), never).err().expect("it is refused");
        let refused = refused.to_string();
        assert!(refused.contains("it does not have as many open rows as it had"), "{missing}: {refused}");
    }
}

#[tokio::test]
async fn a_directory_is_free_after_closing_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _feed) = Journal::open(Options::new(directory.path())).unwrap();
    let second = Journal::open(Options::new(directory.path())).err().expect("it is refused");
    assert!(matches!(second, OpenError::Locked { .. }), "{second:?}");
    assert!(second.to_string().ends_with("a data directory belongs to one process at a time"));
    journal.close().await;
    let left = fs::metadata(directory.path().join("journal.db-wal")).map_or(0, |log| log.len());
    assert_eq!(left, 0, "closing moves the log into the main file");
    Journal::open(Options::new(directory.path())).unwrap().0.close().await;
}

/// Tampers with an index of thirty keys and rows; then everything must be found all the same.
#[track_caller]
fn check_index(is_made_anew: bool, tamper: impl FnOnce(&Path)) {
    let (directory, mut store, mut indexer) = opened();
    for n in 1..=30 {
        append_one(&mut store, row(n)).unwrap();
    }
    indexer.catch_up().unwrap();
    drop((store, indexer));
    tamper(directory.path());
    let (mut store, mut indexer) = open(directory.path());
    let is_empty = store.index.progress().rows_to(Queue::Events) == 0;
    assert_eq!(is_empty, is_made_anew);
    assert!(!directory.path().join(INDEX_SUSPECT_FILE).exists());
    for _ in 0..2 {
        for n in 1..=30 {
            let answer = append_one(&mut store, row(n)).unwrap();
            assert_eq!(answer, Appended::Replay(EventId::new(Timestamp::from_millis(n), 0, n)));
        }
        let filter = Filter { person: row(7).person, ..Filter::default() };
        let page = store.reader().unwrap().list(Queue::Events, &filter, None, 10).unwrap();
        let found: Vec<u64> = page.records.iter().map(|record| record.row.id.sequence()).collect();
        assert_eq!(found, [27, 17, 7]);
        indexer.catch_up().unwrap();
        while indexer.load_filter().unwrap() {}
        store.tidy().unwrap();
        assert_eq!(store.memory.keys.len(), 0);
    }
}

#[test]
fn an_index_that_cannot_be_trusted_is_made_anew() {
    check_index(false, |_| {});
    check_index(true, |path| fs::remove_file(path.join(INDEX_FILE)).unwrap());
    check_index(true, |path| fs::write(path.join(INDEX_FILE), "not a database").unwrap());
    check_index(true, |path| fs::write(path.join(INDEX_SUSPECT_FILE), "").unwrap());
    check_index(true, |path| {
        let bytes = fs::read(path.join(INDEX_FILE)).unwrap();
        let damaged: Vec<u8> =
            bytes.iter().enumerate().map(|(at, byte)| if at < 4096 { *byte } else { 0xff }).collect();
        fs::write(path.join(INDEX_FILE), damaged).unwrap();
    });
    let change = |statement: &'static str| {
        move |path: &Path| Connection::open(path.join(INDEX_FILE)).unwrap().execute_batch(statement).unwrap()
    };
    check_index(true, change("PRAGMA user_version = 99"));
    check_index(true, change("UPDATE watermark SET store = x'00'"));
    check_index(true, change("UPDATE watermark SET keys = 1000"));
    check_index(true, change("DROP TABLE keys"));
}

#[test]
fn keys_are_removed_from_the_index_day_by_day() {
    let (_directory, mut store, mut indexer) = opened();
    for n in 0..40 {
        append_one(&mut store, row(n)).unwrap();
    }
    indexer.catch_up().unwrap();
    store.tidy().unwrap();
    indexer.drop_days(2).unwrap();
    let answers: Vec<bool> =
        (0..8).map(|n| matches!(append_one(&mut store, row(n)).unwrap(), Appended::Replay(_))).collect();
    assert_eq!(answers, [false, false, true, true, false, false, true, true]);
}

#[test]
fn a_key_that_was_given_again_is_found_under_its_later_day() {
    let (_directory, mut store, mut indexer) = opened();
    let given = |at: u64, until: u64| NewRow {
        keys: vec![Key { until: Timestamp::from_millis(until), ..key(1) }],
        ..row(at)
    };
    let day = 86_400_000;
    append_one(&mut store, given(10, 100)).unwrap();
    append_one(&mut store, given(100, 3 * day)).unwrap();
    indexer.catch_up().unwrap();
    store.tidy().unwrap();
    assert_eq!(store.memory.keys.len(), 0);
    let again = EventId::new(Timestamp::from_millis(100), 0, 2);
    for at in [200, 2 * day] {
        assert_eq!(append_one(&mut store, given(at, 5 * day)).unwrap(), Appended::Replay(again), "{at}");
    }
    assert!(matches!(append_one(&mut store, given(3 * day, 5 * day)).unwrap(), Appended::Accepted(_)));
}

#[test]
fn the_index_forgets_rows_that_are_gone() {
    let (_directory, mut store, mut indexer) = opened();
    for n in 0..40 {
        append_one(&mut store, row(n)).unwrap();
    }
    indexer.catch_up().unwrap();
    let person = row(7).person.unwrap();
    let found = |store: &Store| store.index.rows_of(Queue::Events, &person, u64::MAX, 99).unwrap().len();
    assert_eq!(found(&store), 4);
    indexer.trim(Queue::Events, 41).unwrap();
    assert_eq!(found(&store), 4, "only whole buckets go");
    indexer.trim(Queue::Callbacks, 1 << 30).unwrap();
    assert_eq!(found(&store), 4, "the queues are separate");
    indexer.forget(&person).unwrap();
    assert_eq!(found(&store), 0);
    indexer.trim(Queue::Events, 1 << 30).unwrap();
    let other = row(8).person.unwrap();
    assert_eq!(store.index.rows_of(Queue::Events, &other, u64::MAX, 99).unwrap(), []);
}

#[tokio::test]
async fn the_log_stays_small_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { log_bytes_checkpoint: 256 << 10, log_bytes_max: 1 << 20, ..Limits::default() };
    let (journal, _feed) = Journal::open(Options { limits, ..Options::new(directory.path()) }).unwrap();
    let mut highest = 0;
    for n in 0..200 {
        let append = || {
            let events = (0..100).map(|i| NewRow { keys: vec![], ..row(n * 100 + i) }).collect();
            journal.append(Append { events, ..Append::default() })
        };
        while append().await.is_err() {}
        highest = highest.max(journal.stats().await.unwrap().log_bytes);
    }
    let written = journal.stats().await.unwrap().file_bytes;
    assert!(written > 5 << 20, "{written} bytes are too few to tell");
    let one_transaction = 100 << 10;
    assert!((1..(1 << 20) + one_transaction).contains(&highest), "the log grew to {highest} bytes");
    journal.close().await;
}

#[tokio::test]
async fn appends_are_refused_while_the_log_cannot_shrink() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { log_bytes_checkpoint: 64 << 10, log_bytes_max: 256 << 10, ..Limits::default() };
    let (journal, _feed) = Journal::open(Options { limits, ..Options::new(directory.path()) }).unwrap();
    let lease = journal.lease(Queue::Events).await.unwrap()[0];
    let append = async || {
        let events = (0..100).map(|n| NewRow { keys: vec![], ..row(n) }).collect();
        journal.append(Append { events, ..Append::default() }).await
    };
    append().await.unwrap();
    let reader = Connection::open(directory.path().join(JOURNAL_FILE)).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM events").unwrap();
    let mut accepted = 0;
    while append().await.is_ok() {
        accepted += 1;
        assert!(accepted < 100, "the log has no limit");
    }
    assert!(matches!(append().await, Err(Error::Full)));
    let Op::Settle(lease, settlement) = settle(lease, 1, Status::Confirmed) else { unreachable!() };
    journal.settle(lease, settlement).await.expect("what was accepted can still be settled");
    reader.execute_batch("COMMIT").unwrap();
    while append().await.is_err() {}
    assert!(journal.stats().await.unwrap().log_bytes < 256 << 10);
    journal.close().await;
}

#[test]
fn every_search_uses_the_index_made_for_it() {
    let (_directory, store, _indexer) = opened();
    for queue in Queue::ALL {
        let sql = sql(queue);
        for (statement, index) in [
            (sql.open_page, "_open (sequence>? AND sequence<?)"),
            (sql.open_ahead, "_open (sequence>?)"),
            (sql.held_page, "_held (sequence>? AND sequence<?)"),
            (sql.scan_open, "_open (sequence<?)"),
            (sql.scan_dead, "_dead (sequence<?)"),
            (sql.scan_all, "PRIMARY KEY (rowid<?)"),
            (sql.people, "PRIMARY KEY (rowid>? AND rowid<?)"),
            (sql.settled, "PRIMARY KEY (rowid>?)"),
            (sql.unfinished, "_unfinished"),
            (sql.open_count, "_open"),
            (sql.held_count, "_held"),
        ] {
            let mut explain = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
            let plan: Vec<String> = explain
                .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            assert!(plan.len() == 1 && plan[0].ends_with(index), "{statement}: {plan:?}");
        }
    }
}
