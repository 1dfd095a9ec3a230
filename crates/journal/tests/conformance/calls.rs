//! Begin, settle, attempts, requeue.

use laneway_journal::{
    Append, Change, ContactTouch, Error, Limits, MemberOutcome, NewCall, Queue, Settlement, Wake,
};
use laneway_model::{Attempt, AttemptOutcome, EventId, Route, Status, Touch};

use super::fixtures::{
    Fixture, Harness, business, change, ended, key, next_rows, outcome, person, row, row_with, sequences,
    time,
};

fn call(at: u64, members: &[u64]) -> NewCall {
    NewCall { started_at: time(at), route: Route::Meta, members: members.to_vec() }
}

/// What matters of an attempt: its number, end, group size, outcome and code.
type Brief = (u32, Option<u64>, u32, Option<AttemptOutcome>, Option<u32>);

fn brief(attempts: &[Attempt]) -> Vec<Brief> {
    attempts
        .iter()
        .map(|a| (a.n, a.finished_at.map(|at| at.as_millis()), a.group_size, a.outcome, a.code))
        .collect()
}

pub(crate) async fn attempts_come_back<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1)]).await;
    for n in 1..=3 {
        let throttled = MemberOutcome {
            code: Some(130_429),
            subcode: Some(n),
            detail: Some(format!("slow down {n}")),
            ..outcome(1, AttemptOutcome::Throttled)
        };
        let at = 10 * u64::from(n);
        let retrying = Change { due: time(at + 5), ..change(1, Status::Retrying) };
        fixture.answer(at, vec![throttled], vec![retrying]).await;
    }
    assert_eq!(fixture.open_rows(Queue::Events).await[0].attempts, 3);
    fixture.answer(40, vec![outcome(1, AttemptOutcome::Confirmed)], vec![change(1, Status::Confirmed)]).await;
    for _ in 0..2 {
        let record = fixture.record(ids[0]).await;
        assert_eq!(
            (record.status, record.updated_at, record.possibly_duplicate),
            (Status::Confirmed, time(40), false)
        );
        assert_eq!(record.attempts.len(), 4);
        let second = Attempt {
            n: 2,
            started_at: time(19),
            finished_at: Some(time(20)),
            route: Route::Meta,
            group_size: 1,
            outcome: Some(AttemptOutcome::Throttled),
            http_status: Some(200),
            code: Some(130_429),
            subcode: Some(2),
            trace_id: Some("trace-20".to_owned()),
            detail: Some("slow down 2".to_owned()),
        };
        assert_eq!(record.attempts[1], second);
        assert_eq!(brief(&record.attempts)[3], (4, Some(40), 1, Some(AttemptOutcome::Confirmed), None));
        fixture.crash().await;
    }
}

pub(crate) async fn a_call_that_was_begun_is_ended<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1), row(2)]).await;
    let lease = fixture.lease(Queue::Events).await;
    let begun = fixture.journal.begin(lease, call(3, &[1, 2])).await.unwrap();
    assert_eq!(brief(&fixture.record(ids[0]).await.attempts), [(1, None, 2, None, None)]);
    let outcomes = vec![outcome(2, AttemptOutcome::Rejected), outcome(1, AttemptOutcome::Confirmed)];
    let settlement = Settlement {
        at: time(5),
        call: Some(ended(Some(begun), 5, outcomes)),
        changes: vec![change(1, Status::Confirmed), change(2, Status::Failed)],
        ..Settlement::default()
    };
    fixture.journal.settle(lease, settlement).await.unwrap();
    for (id, outcome) in ids.iter().zip([AttemptOutcome::Confirmed, AttemptOutcome::Rejected]) {
        let attempts = fixture.record(*id).await.attempts;
        assert_eq!(brief(&attempts), [(1, Some(5), 2, Some(outcome), None)]);
        assert_eq!(attempts[0].started_at, time(3));
    }
}

pub(crate) async fn a_call_without_an_end_is_unfinished<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1), row(2), row(3)]).await;
    let throttled = outcome(1, AttemptOutcome::Throttled);
    fixture.answer(2, vec![throttled], vec![change(1, Status::Retrying)]).await;
    let lease = fixture.lease(Queue::Events).await;
    let begun = fixture.journal.begin(lease, call(3, &[1, 2])).await.unwrap();
    fixture.crash().await;
    let open = fixture.open_rows(Queue::Events).await;
    let unfinished: Vec<_> = open.iter().map(|row| (row.sequence, row.attempts, row.unfinished)).collect();
    assert_eq!(unfinished, [(1, 2, Some(begun)), (2, 1, Some(begun)), (3, 0, None)]);
    let lease = fixture.lease(Queue::Events).await;
    let resent = fixture.journal.begin(lease, call(9, &[1])).await.unwrap();
    assert!(resent > begun, "call numbers are never given twice");
    let settlement = Settlement {
        at: time(10),
        call: Some(ended(Some(resent), 10, vec![outcome(1, AttemptOutcome::Confirmed)])),
        changes: vec![Change { possibly_duplicate: true, ..change(1, Status::Confirmed) }],
        ..Settlement::default()
    };
    fixture.journal.settle(lease, settlement).await.unwrap();
    let record = fixture.record(ids[0]).await;
    assert!(record.possibly_duplicate);
    let expected = [
        (1, Some(2), 1, Some(AttemptOutcome::Throttled), None),
        (2, None, 2, None, None),
        (3, Some(10), 1, Some(AttemptOutcome::Confirmed), None),
    ];
    assert_eq!(brief(&record.attempts), expected);
    let unknown = vec![outcome(2, AttemptOutcome::Unknown)];
    let settlement = Settlement {
        at: time(11),
        call: Some(ended(Some(begun), 11, unknown)),
        changes: vec![change(2, Status::InDoubt)],
        ..Settlement::default()
    };
    fixture.journal.settle(lease, settlement).await.unwrap();
    let attempts = fixture.record(ids[1]).await.attempts;
    assert_eq!(brief(&attempts), [(1, Some(11), 2, Some(AttemptOutcome::Unknown), None)]);
}

pub(crate) async fn a_call_of_rows_that_are_not_open_is_refused<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    fixture.events(vec![row(1), row(2)]).await;
    fixture.decide(3, vec![change(2, Status::Discarded)]).await;
    let lease = fixture.lease(Queue::Events).await;
    for (members, refused) in [(&[1, 2][..], 2), (&[99], 99)] {
        match fixture.journal.begin(lease, call(4, members)).await {
            Err(Error::NotOpen { sequence }) => assert_eq!(sequence, refused),
            other => panic!("{other:?}"),
        }
    }
    let open = fixture.open_rows(Queue::Events).await;
    assert_eq!((open.len(), open[0].attempts, open[0].unfinished), (1, 0, None));
    assert_eq!(fixture.journal.begin(lease, call(4, &[1])).await.unwrap(), 1);
}

pub(crate) async fn members_have_their_own_outcomes<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events((1..=4).map(row).collect()).await;
    let all: Vec<_> = (1..=4).map(|n| outcome(n, AttemptOutcome::Transient)).collect();
    fixture.answer(5, all, (1..=4).map(|n| change(n, Status::Retrying)).collect()).await;
    let rejected =
        MemberOutcome { code: Some(100), detail: Some("no".into()), ..outcome(2, AttemptOutcome::Rejected) };
    let half = vec![outcome(1, AttemptOutcome::Confirmed), rejected];
    let reason = Some("refused".to_owned());
    let changes = vec![Change { reason, ..change(2, Status::Failed) }, change(1, Status::Confirmed)];
    fixture.answer(6, half, changes).await;
    fixture.answer(7, vec![outcome(4, AttemptOutcome::Relayed)], vec![change(4, Status::Relayed)]).await;
    let first = (1, Some(5), 4, Some(AttemptOutcome::Transient), None);
    for (id, status, rest) in [
        (ids[0], Status::Confirmed, Some((2, Some(6), 2, Some(AttemptOutcome::Confirmed), None))),
        (ids[1], Status::Failed, Some((2, Some(6), 2, Some(AttemptOutcome::Rejected), Some(100)))),
        (ids[2], Status::Retrying, None),
        (ids[3], Status::Relayed, Some((2, Some(7), 1, Some(AttemptOutcome::Relayed), None))),
    ] {
        let record = fixture.record(id).await;
        let expected: Vec<_> = [first].into_iter().chain(rest).collect();
        assert_eq!((record.status, brief(&record.attempts)), (status, expected), "{id}");
        assert_eq!(record.reason.is_some(), status == Status::Failed);
    }
}

pub(crate) async fn a_final_row_does_not_change<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1), row(2)]).await;
    fixture.decide(3, vec![change(1, Status::Discarded)]).await;
    let before = fixture.record(ids[0]).await;
    let outcomes = vec![outcome(1, AttemptOutcome::Confirmed), outcome(2, AttemptOutcome::Confirmed)];
    let changes =
        vec![change(1, Status::Confirmed), change(2, Status::Confirmed), change(99, Status::Failed)];
    fixture.answer(4, outcomes, changes).await;
    assert_eq!(fixture.record(ids[0]).await, before);
    assert_eq!(fixture.record(ids[1]).await.status, Status::Confirmed);
    let stats = fixture.journal.stats().await.unwrap();
    assert_eq!((stats.changes_ignored, stats.open[0]), (2, 0));
}

pub(crate) async fn a_settlement_can_come_twice<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1)]).await;
    let lease = fixture.lease(Queue::Events).await;
    let settlement = Settlement {
        at: time(3),
        call: Some(ended(None, 3, vec![outcome(1, AttemptOutcome::Confirmed)])),
        changes: vec![change(1, Status::Confirmed)],
        posts: vec![(Queue::Callbacks, row(3))],
        touches: vec![],
    };
    fixture.journal.settle(lease, settlement.clone()).await.unwrap();
    let once = fixture.record(ids[0]).await;
    fixture.journal.settle(lease, settlement).await.unwrap();
    assert_eq!(fixture.record(ids[0]).await, once);
    assert_eq!(fixture.open_rows(Queue::Callbacks).await.len(), 1);
}

pub(crate) async fn what_supersedes_is_named<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events((1..=3).map(row).collect()).await;
    let by = |sequence, later| Change { superseded_by: Some(later), ..change(sequence, Status::Superseded) };
    fixture.decide(5, vec![by(1, 3), by(2, 99)]).await;
    assert_eq!(fixture.record(ids[0]).await.superseded_by, Some(ids[2]));
    assert_eq!(fixture.record(ids[1]).await.superseded_by, None);
    fixture.decide(6, vec![change(3, Status::Confirmed)]).await;
    fixture.journal.purge(Queue::Events, time(6), 9).await.unwrap();
    assert_eq!(fixture.journal.stats().await.unwrap().open[0], 0);
    assert_eq!(fixture.record(ids[2]).await.status, Status::Confirmed);
}

pub(crate) async fn settlements_post_and_touch<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    fixture.events(vec![row(1)]).await;
    next_rows(&mut fixture.feed, Queue::Events).await;
    let lease = fixture.lease(Queue::Events).await;
    let who = person("+316012345678");
    let told = || row_with(3, vec![key(1, 1, 99)]);
    let touch = Touch::Blocked { blocked: true, at: time(3) };
    let settlement = Settlement {
        at: time(3),
        call: None,
        changes: vec![change(1, Status::Confirmed)],
        touches: vec![ContactTouch { business: business(), person: who.clone(), touch }],
        posts: vec![(Queue::Callbacks, told()), (Queue::Callbacks, told())],
    };
    fixture.journal.settle(lease, settlement).await.unwrap();
    assert_eq!(next_rows(&mut fixture.feed, Queue::Callbacks).await.len(), 1, "the second repeats the first");
    let contact = fixture.journal.contact(business(), &who).await.unwrap().unwrap();
    assert_eq!(contact.blocked, Some((true, time(3))));
}

pub(crate) async fn a_requeued_row_is_open_again<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1), row(2), row(3)]).await;
    let reason = Some("refused".to_owned());
    let failed = vec![Change { reason, ..change(1, Status::Failed) }];
    fixture.answer(4, vec![outcome(1, AttemptOutcome::Rejected)], failed).await;
    fixture.decide(4, vec![Change { superseded_by: Some(3), ..change(2, Status::Superseded) }]).await;
    let lease = fixture.lease(Queue::Events).await;
    let requeued =
        fixture.journal.requeue(lease, &[2, 3, 99, 1, 2], time(10), Some(time(500))).await.unwrap();
    let told: Vec<_> = requeued.iter().map(|fresh| (fresh.row.id, fresh.open.order)).collect();
    assert_eq!(told, [(ids[1], 4), (ids[0], 5)], "open, gone and doubled ones are left out");
    fixture.crash().await;
    let open = fixture.open_rows(Queue::Events).await;
    let expected: Vec<_> = requeued.iter().rev().map(|fresh| fresh.open).collect();
    assert_eq!(open[..2], expected);
    let first = open[0];
    assert_eq!((first.order, first.status, first.attempts), (5, Status::Retrying, 1));
    assert_eq!((first.due, first.expires), (time(10), time(500)));
    let record = fixture.record(ids[0]).await;
    assert_eq!((record.reason, record.attempts.len(), record.updated_at), (None, 1, time(10)));
    assert_eq!(fixture.record(ids[1]).await.superseded_by, None);
    assert_eq!(sequences(&fixture.events(vec![row(11)]).await), [6], "its order is nobody's sequence");
    fixture.answer(12, vec![outcome(1, AttemptOutcome::Confirmed)], vec![change(1, Status::Confirmed)]).await;
    let record = fixture.record(ids[0]).await;
    assert_eq!((record.status, record.attempts.len()), (Status::Confirmed, 2));
    let lease = fixture.lease(Queue::Events).await;
    let kept = fixture.journal.requeue(lease, &[1], time(20), None).await.unwrap();
    assert_eq!((kept[0].open.expires, kept[0].row.expires), (time(500), time(500)));
}

pub(crate) async fn requeueing_is_told<H: Harness>() {
    let mut fixture = Fixture::<H>::limited(Limits { feed_rows: 2, ..Limits::default() }).await;
    let ids: Vec<EventId> = fixture.events(vec![row(1), row(2)]).await;
    fixture.decide(3, vec![change(1, Status::Failed), change(2, Status::Failed)]).await;
    let lease = fixture.lease(Queue::Events).await;
    let refused = fixture.journal.requeue(lease, &[1], time(4), None).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    assert_eq!(fixture.record(ids[0]).await.status, Status::Failed);
    fixture.events(vec![row(5)]).await;
    next_rows(&mut fixture.feed, Queue::Events).await;
    let requeued = fixture.journal.requeue(lease, &[1, 2], time(6), None).await.unwrap();
    assert_eq!(next_rows(&mut fixture.feed, Queue::Events).await, requeued);
    assert_eq!(fixture.feed.next().await, Some(Wake::Behind(Queue::Events)));
    fixture.journal.append(Append::default()).await.unwrap();
}
