//! Rows whose bodies lack something, and their completion.

use std::time::Duration;

use laneway_journal::{Change, Completion, NewRow, Queue};
use laneway_model::{
    Action, ClickId, Conversion, ConversionName, CtwaClid, Event, EventId, Status, Timestamp,
};

use super::fixtures::{Fixture, Harness, account, business, change, person, row, time};

const WAIT: Duration = Duration::from_millis(500);

fn purchase(accepted_at: u64, click: Option<&str>) -> Event {
    let click = click.map(|click| ClickId { value: CtwaClid::parse(click).unwrap(), captured: true });
    Event {
        account: account("shop"),
        business: business(),
        person: Some(person("+316012345678")),
        action: Action::Conversion(Box::new(Conversion {
            name: ConversionName::LeadSubmitted,
            click,
            event_time: time(accepted_at),
            event_id: None,
            currency: None,
            value: None,
        })),
        reference: None,
        accepted_at: time(accepted_at),
        custom: Some("{}".into()),
    }
}

fn of(event: &Event, due: Timestamp) -> NewRow {
    NewRow::of_event(event, due, time(1_000_000), Vec::new())
}

fn waiting(accepted_at: u64) -> NewRow {
    of(&purchase(accepted_at, None), time(accepted_at).saturating_add(WAIT))
}

fn completion(sequence: u64, accepted_at: u64) -> Completion {
    let event = purchase(accepted_at, Some("click"));
    Completion { sequence, body: of(&event, time(accepted_at)).body }
}

async fn lacking<H: Harness>(fixture: &Fixture<H>) -> Vec<(u64, bool, Timestamp)> {
    let open = fixture.open_rows(Queue::Events).await;
    open.iter().map(|row| (row.sequence, row.lacks, row.due)).collect()
}

pub(crate) async fn what_lacks_something_is_completed<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![waiting(1), waiting(2), row(3)]).await;
    let before = [(1, true, time(501)), (2, true, time(502)), (3, false, time(3))];
    for _ in 0..2 {
        assert_eq!(lacking(&fixture).await, before);
        fixture.crash().await;
    }
    let lease = fixture.lease(Queue::Events).await;
    let done = fixture.journal.complete(lease, vec![completion(1, 1)], time(40)).await.unwrap();
    assert_eq!(done, [1]);
    for _ in 0..2 {
        assert_eq!(lacking(&fixture).await, [(1, false, time(40)), before[1], before[2]]);
        let record = fixture.record(ids[0]).await;
        assert_eq!(
            (record.status, record.row.event().unwrap()),
            (Status::Accepted, purchase(1, Some("click")))
        );
        assert_eq!(fixture.record(ids[1]).await.row.event().unwrap(), purchase(2, None));
        fixture.crash().await;
    }
    // It ends like any other, by the checksums that it has now.
    fixture.decide(50, vec![change(1, Status::Confirmed)]).await;
    assert_eq!(fixture.record(ids[0]).await.status, Status::Confirmed);
}

pub(crate) async fn what_is_final_or_gone_is_not_completed<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids: Vec<EventId> = fixture.events(vec![waiting(1), waiting(2)]).await;
    let failed = Change { reason: Some("unknown".to_owned()), ..change(1, Status::Failed) };
    fixture.decide(5, vec![failed]).await;
    let lease = fixture.lease(Queue::Events).await;
    let all = vec![completion(1, 1), completion(2, 2), completion(9, 9)];
    assert_eq!(fixture.journal.complete(lease, all, time(40)).await.unwrap(), [2]);
    assert_eq!(fixture.record(ids[0]).await.row.event().unwrap(), purchase(1, None));
    // One that is opened again lacks it still, and is due at once.
    fixture.journal.requeue(lease, &[1], time(50), Some(time(1_000_000))).await.unwrap();
    assert_eq!(lacking(&fixture).await, [(1, true, time(50)), (2, false, time(40))]);
}
