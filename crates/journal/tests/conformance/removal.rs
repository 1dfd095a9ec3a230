//! Purging.

use laneway_journal::{Append, ContactTouch, Filter, Limits, Queue, RawNotification};
use laneway_model::{AppName, AttemptOutcome, Status, Touch};

use super::fixtures::{Fixture, Harness, business, change, outcome, person, row, time};

async fn left<H: Harness>(fixture: &Fixture<H>) -> Vec<u64> {
    let page = fixture.journal.list(Queue::Events, Filter::default(), None, 99).await.unwrap();
    page.records.iter().map(|record| record.row.id.sequence()).collect()
}

pub(crate) async fn only_old_final_rows_are_purged<H: Harness>() {
    for rows_examined in [2, 10_000] {
        let mut fixture = Fixture::<H>::limited(Limits { rows_examined, ..Limits::default() }).await;
        fixture.events((1..=6).map(row).collect()).await;
        fixture.append(Queue::Callbacks, vec![row(1)]).await;
        fixture.decide(10, vec![change(2, Status::Confirmed), change(3, Status::Retrying)]).await;
        fixture.decide(20, vec![change(4, Status::Failed)]).await;
        fixture.decide(19, vec![change(5, Status::Expired)]).await;
        assert_eq!(fixture.journal.purge(Queue::Events, time(20), 99).await.unwrap(), 2);
        fixture.crash().await;
        let page = fixture.journal.list(Queue::Events, Filter::default(), None, 99).await.unwrap();
        let rest = match page.next {
            None => vec![],
            Some(_) => {
                fixture.journal.list(Queue::Events, Filter::default(), page.next, 99).await.unwrap().records
            }
        };
        let left: Vec<u64> = page.records.iter().chain(&rest).map(|r| r.row.id.sequence()).collect();
        assert_eq!(left, [6, 4, 3, 1]);
        assert_eq!(fixture.journal.purge(Queue::Events, time(20), 99).await.unwrap(), 0);
        assert_eq!(fixture.journal.purge(Queue::Callbacks, time(99), 99).await.unwrap(), 0);
        assert_eq!(fixture.journal.stats().await.unwrap().open, [3, 1, 0]);
    }
}

pub(crate) async fn purging_is_limited<H: Harness>() {
    let limits = Limits { rows_removed_per_step: 3, ..Limits::default() };
    let fixture = Fixture::<H>::limited(limits).await;
    fixture.events((1..=10).map(row).collect()).await;
    fixture.decide(20, (1..=10).map(|n| change(n, Status::Confirmed)).collect()).await;
    for (limit, removed, rest) in [(4, 4, 6), (0, 0, 6), (5, 5, 1), (5, 1, 0), (5, 0, 0)] {
        assert_eq!(fixture.journal.purge(Queue::Events, time(99), limit).await.unwrap(), removed, "{limit}");
        assert_eq!(left(&fixture).await.len(), rest);
    }
}

pub(crate) async fn calls_go_with_their_last_row<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(1), row(2)]).await;
    let both = |o| vec![outcome(1, o), outcome(2, o)];
    let retrying = vec![change(1, Status::Retrying), change(2, Status::Retrying)];
    fixture.answer(5, both(AttemptOutcome::Transient), retrying).await;
    fixture.answer(6, vec![outcome(1, AttemptOutcome::Confirmed)], vec![change(1, Status::Confirmed)]).await;
    assert_eq!(fixture.journal.purge(Queue::Events, time(99), 9).await.unwrap(), 1);
    fixture.answer(7, vec![outcome(2, AttemptOutcome::Confirmed)], vec![change(2, Status::Confirmed)]).await;
    let attempts = fixture.record(ids[1]).await.attempts;
    let ends: Vec<_> = attempts.iter().map(|a| (a.finished_at, a.group_size)).collect();
    assert_eq!(ends, [(Some(time(5)), 2), (Some(time(7)), 1)]);
    assert_eq!(fixture.journal.purge(Queue::Events, time(99), 9).await.unwrap(), 1);
}

pub(crate) async fn notifications_are_purged<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let notification = |at| RawNotification {
        app: AppName::parse("main").unwrap(),
        received_at: time(at),
        signature: String::new(),
        body: [].as_slice().into(),
    };
    let notifications = (1..=5).map(notification).collect();
    fixture.journal.append(Append { notifications, ..Append::default() }).await.unwrap();
    for (before, limit, removed) in [(1, 9, 0), (4, 2, 2), (4, 9, 1), (4, 9, 0), (99, 9, 2)] {
        assert_eq!(
            fixture.journal.purge_notifications(time(before), limit).await.unwrap(),
            removed,
            "{before}"
        );
    }
}

pub(crate) async fn contacts_are_purged_when_nothing_was_told_for_long<H: Harness>() {
    for touches_unfolded in [1, 1_000] {
        let limits = Limits { touches_unfolded, ..Limits::default() };
        purge_contacts(&Fixture::<H>::limited(limits).await).await;
    }
}

async fn purge_contacts<H: Harness>(fixture: &Fixture<H>) {
    let wrote = |at| Touch::MessageIn { at: time(at), id: None };
    let blocked = |blocked, at| Touch::Blocked { blocked, at: time(at) };
    let touches = [
        ("US.1", wrote(1)),
        ("US.2", wrote(1)),
        ("US.2", wrote(8)),
        ("US.3", wrote(1)),
        ("US.3", blocked(true, 2)),
        ("US.4", wrote(1)),
        ("US.4", blocked(false, 2)),
        ("US.5", wrote(4)),
    ];
    let touches =
        touches.map(|(who, touch)| ContactTouch { business: business(), person: person(who), touch });
    fixture.journal.append(Append { touches: touches.to_vec(), ..Append::default() }).await.unwrap();
    let purge = async |before, limit| {
        let (mut removed, mut after) = (0, None);
        loop {
            let page = fixture.journal.purge_contacts(time(before), after, limit).await.unwrap();
            removed += page.removed;
            after = page.next;
            if after.is_none() {
                return removed;
            }
        }
    };
    let left = async || {
        let mut left = Vec::new();
        for who in ["US.1", "US.2", "US.3", "US.4", "US.5"] {
            left.extend(fixture.journal.contact(business(), &person(who)).await.unwrap().map(|_| who));
        }
        left
    };
    assert_eq!(purge(1, 9).await, 0);
    assert_eq!(purge(4, 2).await, 2, "over pages of two");
    assert_eq!(left().await, ["US.2", "US.3", "US.5"]);
    assert_eq!(purge(99, 9).await, 2);
    assert_eq!(left().await, ["US.3"], "whoever is blocked is");
}
