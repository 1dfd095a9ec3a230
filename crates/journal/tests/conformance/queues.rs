//! Order, pages, the feed, leases.

use laneway_journal::{Append, Appended, Error, Limits, Queue, Row, Wake};
use laneway_model::{EventId, LaneKey, Reference, Status, Timestamp};

use super::fixtures::{
    Fixture, Harness, account, business, change, key, next_rows, person, row, row_of, row_with, sequences,
    time,
};

pub(crate) async fn appends_are_numbered_in_order<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(5), row(3), row(4)]).await;
    assert_eq!(ids, [(5, 1), (3, 2), (4, 3)].map(|(at, sequence)| EventId::new(time(at), 0, sequence)));
    assert_eq!(fixture.events(vec![row(9)]).await, [EventId::new(time(9), 0, 4)]);
    assert_eq!(fixture.journal.append(Append::default()).await.unwrap(), []);
}

pub(crate) async fn rows_come_back_as_they_were<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    let mut full = row(7);
    full.account = account("other");
    full.person = Some(person("US.13491208655302741918"));
    full.reference = Some(Reference::parse("order 7 é").unwrap());
    full.expires = Timestamp::MAX;
    full.body = vec![0x5a; 10_000].into();
    let mut bare = row(8);
    bare.person = None;
    bare.body = [].as_slice().into();
    let ids = fixture.events(vec![full.clone(), bare.clone()]).await;
    let expected = [full, bare].into_iter().zip(&ids).map(|(row, id)| Row {
        id: *id,
        account: row.account,
        business: row.business,
        person: row.person,
        kind: row.kind,
        reference: row.reference,
        expires: row.expires,
        body: row.body,
    });
    let expected: Vec<Row> = expected.collect();
    for _ in 0..2 {
        let found = fixture.journal.rows(Queue::Events, &[2, 99, 1]).await.unwrap();
        assert_eq!(found, [expected[1].clone(), expected[0].clone()]);
        let record = fixture.record(ids[0]).await;
        assert_eq!(record.row, expected[0]);
        assert_eq!((record.status, record.updated_at, record.due), (Status::Accepted, time(7), time(7)));
        assert_eq!((record.reason, record.superseded_by, record.attempts), (None, None, vec![]));
        fixture.reopen().await;
    }
}

pub(crate) async fn queues_are_independent<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let posts = vec![(Queue::Forwards, row(3)), (Queue::Callbacks, row(4)), (Queue::Forwards, row(5))];
    fixture
        .journal
        .append(Append { events: vec![row(1), row(2)], posts, ..Append::default() })
        .await
        .unwrap();
    for (queue, expected) in
        [(Queue::Events, &[1, 2][..]), (Queue::Callbacks, &[4]), (Queue::Forwards, &[3, 5])]
    {
        let open = fixture.open_rows(queue).await;
        assert_eq!(open.iter().map(|row| row.due.as_millis()).collect::<Vec<_>>(), expected, "{queue:?}");
        let counted: Vec<u64> = open.iter().map(|row| row.sequence).collect();
        assert!(open.iter().all(|known| known.body_bytes == row(1).body.len()), "{queue:?}");
        assert_eq!(counted, (1..=expected.len() as u64).collect::<Vec<_>>(), "{queue:?}");
    }
    fixture.decide(9, vec![change(1, Status::Confirmed)]).await;
    assert_eq!(fixture.journal.stats().await.unwrap().open, [1, 1, 2]);
    let forward = fixture.journal.get(Queue::Forwards, EventId::new(time(3), 0, 1)).await.unwrap().unwrap();
    assert_eq!(forward.status, Status::Accepted);
}

pub(crate) async fn sequences_never_go_back<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    fixture.events(vec![row_of(1, "+316000000001"), row_of(2, "+316000000002")]).await;
    fixture.journal.erase(&person("+316000000002"), time(9)).await.unwrap();
    fixture.reopen().await;
    assert_eq!(sequences(&fixture.events(vec![row(3)]).await), [3]);
    fixture.decide(4, vec![change(1, Status::Confirmed), change(3, Status::Confirmed)]).await;
    assert_eq!(fixture.journal.purge(Queue::Events, time(99), 10).await.unwrap(), 2);
    fixture.crash().await;
    assert_eq!(sequences(&fixture.events(vec![row(5)]).await), [4]);
}

pub(crate) async fn open_rows_come_in_pages<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    fixture.events((1..=5).map(row).collect()).await;
    fixture.decide(9, vec![change(2, Status::Failed), change(5, Status::Confirmed)]).await;
    for _ in 0..2 {
        let lease = fixture.lease(Queue::Events).await;
        let mut pages = Vec::new();
        for (after, limit) in [(0, 2), (3, 2), (0, 3), (5, 1), (99, 1)] {
            let page = fixture.journal.load_open(lease, after, limit).await.unwrap();
            let rows: Vec<u64> = page.rows.iter().map(|row| row.sequence).collect();
            pages.push((rows, page.complete_to, page.more));
        }
        let expected = [
            (vec![1, 3], 3, true),
            (vec![4], 5, false),
            (vec![1, 3, 4], 5, false),
            (vec![], 5, false),
            (vec![], 99, false),
        ];
        assert_eq!(pages, expected);
        fixture.crash().await;
    }
    let open = fixture.open_rows(Queue::Events).await[0];
    let lane = LaneKey { business: business(), person: person("+316012345678") };
    assert_eq!((open.order, open.kind, open.status, open.attempts), (1, 3, Status::Accepted, 0));
    assert_eq!((open.person_hash, open.due, open.expires), (lane.hash64(), time(1), time(1_000_001)));
}

pub(crate) async fn the_feed_tells_what_is_committed<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    fixture.events(vec![row(1), row(2)]).await;
    fixture.append(Queue::Forwards, vec![row(3)]).await;
    let events = next_rows(&mut fixture.feed, Queue::Events).await;
    let forwards = next_rows(&mut fixture.feed, Queue::Forwards).await;
    for (queue, told) in [(Queue::Events, events), (Queue::Forwards, forwards)] {
        let opened: Vec<_> = told.iter().map(|fresh| fresh.open).collect();
        assert_eq!(opened, fixture.open_rows(queue).await);
        let asked: Vec<u64> = opened.iter().map(|open| open.sequence).collect();
        let rows: Vec<Row> = told.iter().map(|fresh| (*fresh.row).clone()).collect();
        assert_eq!(rows, fixture.journal.rows(queue, &asked).await.unwrap());
    }
    fixture.journal.close().await;
    assert_eq!(fixture.feed.next().await, None);
}

pub(crate) async fn a_queue_is_given_to_a_reader_of_its_own<H: Harness>() {
    let mut fixture = Fixture::<H>::limited(Limits { feed_rows: 1, ..Limits::default() }).await;
    let mut callbacks = fixture.feed.split(Queue::Callbacks);
    fixture.append(Queue::Callbacks, vec![row(1)]).await;
    // What one reader leaves unread takes no room from another.
    fixture.events(vec![row(2)]).await;
    fixture.append(Queue::Forwards, vec![row(3)]).await;
    assert_eq!(next_rows(&mut fixture.feed, Queue::Events).await.len(), 1);
    assert_eq!(next_rows(&mut fixture.feed, Queue::Forwards).await.len(), 1);
    fixture.append(Queue::Callbacks, vec![row(4)]).await;
    assert_eq!(next_rows(&mut callbacks, Queue::Callbacks).await.len(), 1);
    assert_eq!(callbacks.next().await, Some(Wake::Behind(Queue::Callbacks)));
    fixture.journal.close().await;
    assert_eq!((callbacks.next().await, fixture.feed.next().await), (None, None));
}

pub(crate) async fn a_full_feed_says_behind<H: Harness>() {
    let mut fixture = Fixture::<H>::limited(Limits { feed_rows: 2, ..Limits::default() }).await;
    fixture.events(vec![row(1)]).await;
    fixture.events(vec![row(2), row(3)]).await;
    fixture.append(Queue::Callbacks, vec![row(4)]).await;
    fixture.events(vec![row(5)]).await;
    assert_eq!(next_rows(&mut fixture.feed, Queue::Events).await.len(), 1);
    assert_eq!(next_rows(&mut fixture.feed, Queue::Callbacks).await.len(), 1);
    assert_eq!(fixture.feed.next().await, Some(Wake::Behind(Queue::Events)));
    let lease = fixture.lease(Queue::Events).await;
    assert_eq!(fixture.journal.load_open(lease, 1, 10).await.unwrap().rows.len(), 3);
    fixture.events(vec![row(6)]).await;
    assert_eq!(next_rows(&mut fixture.feed, Queue::Events).await[0].open.sequence, 5);
}

pub(crate) async fn an_old_lease_is_fenced<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    fixture.events(vec![row(1)]).await;
    let old = fixture.lease(Queue::Events).await;
    fixture.reopen().await;
    let lease = fixture.lease(Queue::Events).await;
    assert!(lease.epoch > old.epoch);
    let settlement =
        || laneway_journal::Settlement { changes: vec![change(1, Status::Confirmed)], ..Default::default() };
    let call =
        laneway_journal::NewCall { started_at: time(2), route: laneway_model::Route::Meta, members: vec![1] };
    assert!(matches!(fixture.journal.load_open(old, 0, 1).await, Err(Error::Fenced)));
    assert!(matches!(fixture.journal.begin(old, call).await, Err(Error::Fenced)));
    assert!(matches!(fixture.journal.settle(old, settlement()).await, Err(Error::Fenced)));
    assert!(matches!(fixture.journal.requeue(old, &[1], time(2), None).await, Err(Error::Fenced)));
    assert_eq!(fixture.open_rows(Queue::Events).await.len(), 1);
    fixture.journal.settle(lease, settlement()).await.unwrap();
    assert_eq!(fixture.open_rows(Queue::Events).await.len(), 0);
}

pub(crate) async fn a_closed_journal_says_so<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let other = fixture.journal.clone();
    fixture.journal.close().await;
    assert!(matches!(other.append(Append::default()).await, Err(Error::Closed)));
    assert!(matches!(other.rows(Queue::Events, &[1]).await, Err(Error::Closed)));
    other.close().await;
}

pub(crate) async fn an_id_is_compared_as_a_whole<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    fixture.events(vec![row(5)]).await;
    for (at, partition, sequence, found) in
        [(5, 0, 1, true), (6, 0, 1, false), (5, 1, 1, false), (5, 0, 2, false), (5, 0, u64::MAX, false)]
    {
        let id = EventId::new(time(at), partition, sequence);
        assert_eq!(fixture.journal.get(Queue::Events, id).await.unwrap().is_some(), found, "{id}");
        assert!(fixture.journal.get(Queue::Callbacks, id).await.unwrap().is_none(), "{id}");
    }
}

pub(crate) async fn appends_at_once_are_all_answered<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..200 {
        let journal = fixture.journal.clone();
        tasks.spawn(async move {
            let append =
                Append { events: vec![row_with(n, vec![key(n as u8, 1, 1_000)])], ..Append::default() };
            (n, journal.append(append).await.unwrap())
        });
    }
    let mut seen = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        let (n, answers) = answer.unwrap();
        let [Appended::Accepted(id)] = answers[..] else { panic!("{answers:?}") };
        assert_eq!(id.accepted_at(), time(n));
        seen.push(id.sequence());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

pub(crate) async fn stats_count_what_there_is<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    fixture.events(vec![row(1), row_with(2, vec![key(1, 1, 99)]), row(3)]).await;
    fixture.append(Queue::Callbacks, vec![row(4)]).await;
    fixture.decide(5, vec![change(1, Status::Failed)]).await;
    fixture.decide(6, vec![change(1, Status::Confirmed), change(99, Status::Confirmed)]).await;
    let stats = fixture.journal.stats().await.unwrap();
    assert_eq!((stats.open, stats.last_sequence), ([2, 1, 0], [3, 1, 0]));
    assert_eq!((stats.keys_in_memory, stats.rows_unindexed, stats.changes_ignored), (1, 4, 2));
    assert_eq!((stats.ops_queued, stats.touches_unfolded), (0, 0));
    assert!(stats.log_bytes > 0 && stats.file_bytes > stats.log_bytes, "{stats:?}");
    fixture.reopen().await;
    let again = fixture.journal.stats().await.unwrap();
    assert_eq!((again.open, again.last_sequence), (stats.open, stats.last_sequence));
    assert_eq!((again.keys_in_memory, again.changes_ignored), (1, 0));
}
