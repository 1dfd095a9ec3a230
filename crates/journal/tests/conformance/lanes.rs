//! Dead letters: those that hold their lane, and those that are given up.

use laneway_journal::{Change, Error, Filter, Limits, NewCall, Queue};
use laneway_model::{AttemptOutcome, Route, Status};

use super::fixtures::{Fixture, Harness, change, next_rows, outcome, person, row, row_of, time};

/// A change to a dead letter that holds its lane.
fn held(sequence: u64) -> Change {
    Change { reason: Some("refused".to_owned()), holds_lane: true, ..change(sequence, Status::Failed) }
}

/// Sequence, order and status of everything that the holder of the lease is told.
async fn told<H: Harness>(fixture: &Fixture<H>) -> Vec<(u64, u64, Status)> {
    let rows = fixture.open_rows(Queue::Events).await;
    rows.iter().map(|row| (row.sequence, row.order, row.status)).collect()
}

/// The sequences of the records with one of these statuses.
async fn listed<H: Harness>(fixture: &Fixture<H>, statuses: &[Status]) -> Vec<u64> {
    let filter = Filter { statuses: statuses.to_vec(), ..Filter::default() };
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = fixture.journal.list(Queue::Events, filter.clone(), before, 99).await.unwrap();
        found.extend(page.records.iter().map(|record| record.row.id.sequence()));
        before = page.next;
        if before.is_none() {
            return found;
        }
    }
}

pub(crate) async fn a_dead_letter_holds_its_lane_over_restarts<H: Harness>() {
    for rows_examined in [2, 10_000] {
        let mut fixture = Fixture::<H>::limited(Limits { rows_examined, ..Limits::default() }).await;
        let ids = fixture.events((1..=5).map(row).collect()).await;
        fixture.answer(6, vec![outcome(1, AttemptOutcome::Rejected)], vec![held(1)]).await;
        fixture.decide(6, vec![held(4), change(2, Status::Failed), change(5, Status::Confirmed)]).await;
        let expected = [(1, 1, Status::Failed), (3, 3, Status::Accepted), (4, 4, Status::Failed)];
        for _ in 0..2 {
            assert_eq!(told(&fixture).await, expected);
            assert_eq!(fixture.journal.stats().await.unwrap().open[0], 1, "it does not count as open");
            let record = fixture.record(ids[0]).await;
            assert_eq!((record.status, record.reason.as_deref()), (Status::Failed, Some("refused")));
            assert_eq!(listed(&fixture, &[Status::Failed]).await, [4, 2, 1]);
            assert_eq!(listed(&fixture, &[Status::Accepted, Status::Retrying]).await, [3]);
            fixture.crash().await;
        }
        assert_eq!(fixture.open_rows(Queue::Events).await[0].attempts, 1);
        assert_eq!(fixture.journal.purge(Queue::Events, time(99), 99).await.unwrap(), 2);
        assert_eq!(fixture.journal.purge(Queue::Events, time(99), 99).await.unwrap(), 0);
        assert_eq!(told(&fixture).await, expected);
    }
}

pub(crate) async fn a_holder_is_final<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1), row(2)]).await;
    fixture.decide(3, vec![held(1), Change { holds_lane: true, ..change(2, Status::InDoubt) }]).await;
    assert_eq!(told(&fixture).await, [(1, 1, Status::Failed)], "only what failed can hold a lane");
    let before = fixture.record(ids[0]).await;
    fixture.decide(4, vec![change(1, Status::Confirmed)]).await;
    assert_eq!(fixture.record(ids[0]).await, before);
    let lease = fixture.lease(Queue::Events).await;
    let call = NewCall { started_at: time(5), route: Route::Meta, members: vec![1] };
    let begun = fixture.journal.begin(lease, call).await;
    assert!(matches!(begun, Err(Error::NotOpen { sequence: 1 })), "{begun:?}");
}

pub(crate) async fn holders_and_open_rows_share_pages<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    fixture.events((1..=6).map(row).collect()).await;
    fixture.decide(9, vec![held(1), held(2), change(3, Status::Confirmed), held(5)]).await;
    let lease = fixture.lease(Queue::Events).await;
    for (after, limit, expected, complete_to, more) in [
        (0, 1, &[1][..], 1, true),
        (0, 2, &[1, 2], 2, true),
        (2, 2, &[4, 5], 5, true),
        (5, 2, &[6], 6, false),
        (0, 5, &[1, 2, 4, 5, 6], 6, false),
    ] {
        let page = fixture.journal.load_open(lease, after, limit).await.unwrap();
        let rows: Vec<u64> = page.rows.iter().map(|row| row.sequence).collect();
        assert_eq!(
            (&rows[..], page.complete_to, page.more),
            (expected, complete_to, more),
            "{after} {limit}"
        );
    }
}

pub(crate) async fn large_pages_tell_what_small_ones_tell<H: Harness>() {
    const ROWS: u64 = 5_000;
    let fixture = Fixture::<H>::new().await;
    fixture.events((1..=ROWS).map(row).collect()).await;
    let ended = |n: u64| match n % 5 {
        0 => Some(held(n)),
        1 => Some(change(n, Status::Confirmed)),
        _ => None,
    };
    fixture.decide(9, (1..=ROWS).filter_map(ended).collect()).await;
    let lease = fixture.lease(Queue::Events).await;
    let mut told = Vec::new();
    for limit in [100, 2_500, 4_000, 10_000] {
        let (mut rows, mut after, mut more) = (Vec::new(), 0, true);
        while more {
            let page = fixture.journal.load_open(lease, after, limit).await.unwrap();
            assert!(page.rows.len() <= limit && page.complete_to > after);
            rows.extend(page.rows.iter().map(|row| (row.sequence, row.status)));
            (after, more) = (page.complete_to, page.more);
        }
        assert_eq!(after, ROWS);
        told.push(rows);
    }
    let expected = (1..=ROWS).filter(|n| n % 5 != 1);
    assert!(told[0].iter().map(|(n, _)| *n).eq(expected), "{:?}", told[0]);
    assert!(told.iter().all(|rows| *rows == told[0]));
}

pub(crate) async fn a_requeued_holder_keeps_its_place<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    fixture.events(vec![row(1), row(2), row(3)]).await;
    next_rows(&mut fixture.feed, Queue::Events).await;
    fixture.decide(4, vec![held(1), change(2, Status::Failed)]).await;
    let lease = fixture.lease(Queue::Events).await;
    let requeued = fixture.journal.requeue(lease, &[1, 2], time(5), None).await.unwrap();
    assert_eq!(next_rows(&mut fixture.feed, Queue::Events).await, requeued);
    let orders: Vec<_> = requeued.iter().map(|fresh| (fresh.open.sequence, fresh.open.order)).collect();
    assert_eq!(orders, [(1, 1), (2, 4)]);
    fixture.crash().await;
    let open = [(1, 1, Status::Retrying), (2, 4, Status::Retrying), (3, 3, Status::Accepted)];
    assert_eq!(told(&fixture).await, open);
    assert_eq!(fixture.journal.stats().await.unwrap().open[0], 3);
    fixture.decide(6, vec![change(1, Status::Failed)]).await;
    assert_eq!(told(&fixture).await, open[1..], "it holds its lane no longer");
    let lease = fixture.lease(Queue::Events).await;
    let again = fixture.journal.requeue(lease, &[1], time(7), None).await.unwrap();
    assert_eq!(again[0].open.order, 5);
    fixture.decide(8, vec![change(1, Status::Failed)]).await;
    let later = fixture.journal.requeue_later(lease, &[1], time(9), time(60)).await.unwrap();
    assert_eq!((later[0].open.order, later[0].open.due), (6, time(60)));
    let record = fixture.record(later[0].row.id).await;
    assert_eq!((record.updated_at, record.due), (time(9), time(60)), "it is due later, and changed now");
}

pub(crate) async fn dead_letters_are_given_up<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    let ids = fixture.events((1..=6).map(row).collect()).await;
    next_rows(&mut fixture.feed, Queue::Events).await;
    fixture.answer(7, vec![outcome(1, AttemptOutcome::Rejected)], vec![held(1)]).await;
    let changes = [(2, Status::Failed), (3, Status::InDoubt), (4, Status::Expired), (5, Status::Retrying)];
    fixture.decide(7, changes.iter().map(|(n, status)| change(*n, *status)).collect()).await;
    let lease = fixture.lease(Queue::Events).await;
    let asked = [3, 99, 6, 5, 4, 1, 3, 2];
    let posts = || vec![(Queue::Callbacks, row(8))];
    let given_up = fixture.journal.discard(lease, &asked, time(8), "not wanted", posts()).await.unwrap();
    assert_eq!(given_up, [3, 1, 2]);
    let post = next_rows(&mut fixture.feed, Queue::Callbacks).await;
    assert_eq!(post.iter().map(|fresh| fresh.open.sequence).collect::<Vec<_>>(), [1]);
    assert_eq!(fixture.journal.discard(lease, &asked, time(9), "again", posts()).await.unwrap(), []);
    fixture.crash().await;
    assert_eq!(fixture.open_rows(Queue::Callbacks).await.len(), 1, "what was not given up is not told");
    for id in &ids[..3] {
        let record = fixture.record(*id).await;
        assert_eq!((record.status, record.updated_at), (Status::Discarded, time(8)), "{id}");
        assert_eq!(record.reason.as_deref(), Some("not wanted"), "{id}");
    }
    assert_eq!(fixture.record(ids[0]).await.attempts.len(), 1, "what was tried is still told");
    assert_eq!(told(&fixture).await, [(5, 5, Status::Retrying), (6, 6, Status::Accepted)]);
    assert_eq!(fixture.record(ids[3]).await.status, Status::Expired);
    let fenced = fixture.journal.discard(lease, &[1], time(9), "late", posts()).await;
    assert!(matches!(fenced, Err(Error::Fenced)), "{fenced:?}");
    assert_eq!(fixture.journal.purge(Queue::Events, time(99), 99).await.unwrap(), 4);
}

pub(crate) async fn erasure_reaches_holders<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    fixture.events(vec![row_of(1, "+316000000001"), row_of(2, "+316000000002")]).await;
    fixture.decide(3, vec![held(1), held(2)]).await;
    fixture.journal.erase(&person("+316000000001"), time(9)).await.unwrap();
    assert_eq!(told(&fixture).await, [(2, 2, Status::Failed)]);
    assert_eq!(fixture.journal.stats().await.unwrap().open[0], 0);
}
