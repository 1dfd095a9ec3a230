//! What is recognised as a repetition.

use laneway_journal::{Append, Appended, Error, Key, Limits, NewRow, Queue};
use laneway_model::{EventId, Status};

use super::fixtures::{Fixture, Harness, change, key, person, row, row_with, time};

/// Appends rows in one append; their answers.
async fn append<H: Harness>(fixture: &Fixture<H>, rows: Vec<NewRow>) -> Vec<Appended> {
    fixture.journal.append(Append { events: rows, ..Append::default() }).await.unwrap()
}

fn id(at: u64, sequence: u64) -> EventId {
    EventId::new(time(at), 0, sequence)
}

pub(crate) async fn a_repetition_is_recognised<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    append(&fixture, vec![row_with(1, vec![key(1, 1, 99)])]).await;
    for reopens in 0..3 {
        let any = Key { fingerprint: None, ..key(1, 1, 99) };
        for (keys, expected) in [
            (vec![key(1, 1, 99)], Appended::Replay(id(1, 1))),
            (vec![any], Appended::Replay(id(1, 1))),
            (vec![key(1, 2, 99)], Appended::Conflict(id(1, 1))),
            (vec![key(7, 1, 99), key(1, 1, 99)], Appended::Replay(id(1, 1))),
        ] {
            let answers = append(&fixture, vec![row_with(2, keys.clone())]).await;
            assert_eq!(answers, [expected], "{keys:?} after {reopens}");
        }
        assert_eq!(fixture.open_rows(Queue::Events).await.len(), 1);
        if reopens == 0 { fixture.reopen().await } else { fixture.crash().await }
    }
    let unknown = append(&fixture, vec![row_with(3, vec![key(7, 1, 99)])]).await;
    assert_eq!(unknown, [Appended::Accepted(id(3, 2))], "a replay takes none of its other keys");
}

pub(crate) async fn what_is_known_is_recalled<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    append(&fixture, vec![row_with(1, vec![key(1, 1, 99)])]).await;
    for _ in 0..2 {
        for (keys, expected) in [
            (vec![key(1, 1, 99)], Some(Appended::Replay(id(1, 1)))),
            (vec![key(1, 2, 99)], Some(Appended::Conflict(id(1, 1)))),
            (vec![key(2, 1, 99)], None),
            (vec![], None),
        ] {
            let answer = fixture.journal.recall(row_with(2, keys.clone())).await.unwrap();
            assert_eq!(answer, expected, "{keys:?}");
        }
        assert_eq!(fixture.last_sequence(Queue::Events).await, 1, "nothing is stored");
        fixture.reopen().await;
    }
    let free = fixture.journal.recall(row_with(99, vec![key(1, 1, 999)])).await.unwrap();
    assert_eq!(free, None, "the key is free again");
}

pub(crate) async fn a_conflict_outweighs_a_replay<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    append(&fixture, vec![row_with(1, vec![key(1, 1, 99)]), row_with(2, vec![key(2, 2, 99)])]).await;
    for keys in [vec![key(1, 1, 99), key(2, 9, 99)], vec![key(2, 9, 99), key(1, 1, 99)]] {
        assert_eq!(append(&fixture, vec![row_with(3, keys)]).await, [Appended::Conflict(id(2, 2))]);
    }
    let both = vec![key(2, 2, 99), key(1, 1, 99)];
    assert_eq!(append(&fixture, vec![row_with(3, both)]).await, [Appended::Replay(id(2, 2))]);
}

pub(crate) async fn repetitions_within_one_append<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let rows = vec![
        row_with(1, vec![key(1, 1, 99)]),
        row_with(2, vec![key(1, 1, 99)]),
        row_with(3, vec![key(1, 2, 99)]),
        row(4),
    ];
    let expected = [
        Appended::Accepted(id(1, 1)),
        Appended::Replay(id(1, 1)),
        Appended::Conflict(id(1, 1)),
        Appended::Accepted(id(4, 2)),
    ];
    assert_eq!(append(&fixture, rows).await, expected);
}

pub(crate) async fn repetitions_at_once<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let journal = fixture.journal.clone();
        let events = vec![row_with(n, vec![key(1, 1, 999)])];
        tasks.spawn(async move { journal.append(Append { events, ..Append::default() }).await.unwrap()[0] });
    }
    let (mut accepted, mut replayed) = (Vec::new(), Vec::new());
    while let Some(answer) = tasks.join_next().await {
        match answer.unwrap() {
            Appended::Accepted(id) => accepted.push(id),
            Appended::Replay(id) => replayed.push(id),
            Appended::Conflict(id) => panic!("{id}"),
        }
    }
    assert_eq!((accepted.len(), replayed.len()), (1, 49));
    assert!(replayed.iter().all(|id| *id == accepted[0]));
}

pub(crate) async fn a_key_is_free_from_its_instant_on<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    append(&fixture, vec![row_with(1, vec![key(1, 1, 50)])]).await;
    assert_eq!(append(&fixture, vec![row_with(49, vec![key(1, 1, 90)])]).await, [Appended::Replay(id(1, 1))]);
    assert_eq!(
        append(&fixture, vec![row_with(50, vec![key(1, 2, 90)])]).await,
        [Appended::Accepted(id(50, 2))]
    );
    fixture.reopen().await;
    assert_eq!(
        append(&fixture, vec![row_with(60, vec![key(1, 2, 99)])]).await,
        [Appended::Replay(id(50, 2))]
    );
}

pub(crate) async fn keys_outlive_their_rows<H: Harness>() {
    let mut fixture = Fixture::<H>::new().await;
    append(&fixture, vec![row_with(1, vec![key(1, 1, 99)]), row_with(2, vec![key(2, 1, 99)])]).await;
    fixture.decide(3, vec![change(1, Status::Confirmed)]).await;
    assert_eq!(fixture.journal.purge(Queue::Events, time(9), 10).await.unwrap(), 1);
    assert_eq!(fixture.journal.erase(&person("+316012345678"), time(9)).await.unwrap().events, 1);
    fixture.reopen().await;
    for (hash, expected) in [(1, id(1, 1)), (2, id(2, 2))] {
        assert_eq!(
            append(&fixture, vec![row_with(5, vec![key(hash, 1, 99)])]).await,
            [Appended::Replay(expected)]
        );
        assert_eq!(fixture.journal.get(Queue::Events, expected).await.unwrap(), None);
    }
}

pub(crate) async fn keys_belong_to_their_queue<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let row = || row_with(1, vec![key(1, 1, 99)]);
    let posts = vec![(Queue::Callbacks, row()), (Queue::Callbacks, row()), (Queue::Forwards, row())];
    let answers =
        fixture.journal.append(Append { events: vec![row()], posts, ..Append::default() }).await.unwrap();
    assert_eq!(answers, [Appended::Accepted(id(1, 1))]);
    assert_eq!(fixture.journal.stats().await.unwrap().last_sequence, [1, 1, 1]);
}

/// Waits until nothing is left to be indexed. The index follows the appends by itself; every question asked here lets
/// its thread go on.
async fn indexed<H: Harness>(fixture: &Fixture<H>) {
    while fixture.journal.stats().await.unwrap().keys_in_memory > 0 {
        fixture.journal.append(Append::default()).await.unwrap();
    }
}

pub(crate) async fn keys_are_found_in_the_index<H: Harness>() {
    let limits = Limits { index_batch: 10, keys_in_memory: 40, ..Limits::default() };
    let mut fixture = Fixture::<H>::limited(limits).await;
    let until = |n: u64| 1_000 + 86_400_000 * (n % 3);
    for n in (0..200).step_by(10) {
        let rows = (n..n + 10).map(|n| row_with(n, vec![key(n as u8, 1, until(n))])).collect();
        append(&fixture, rows).await;
        indexed(&fixture).await;
    }
    for _ in 0..3 {
        for n in [0, 5, 77, 199] {
            let asked = |fingerprint| row_with(500, vec![key(n as u8, fingerprint, until(n))]);
            let answers = append(&fixture, vec![asked(1), asked(2)]).await;
            assert_eq!(answers, [Appended::Replay(id(n, n + 1)), Appended::Conflict(id(n, n + 1))]);
        }
        fixture.crash().await;
    }
    let free = append(&fixture, vec![row_with(1_000, vec![key(0, 2, 9_999)])]).await;
    assert_eq!(free, [Appended::Accepted(id(1_000, 201))]);
}

pub(crate) async fn more_keys_than_the_index_can_take_are_refused<H: Harness>() {
    let limits = Limits { keys_in_memory: 3, ..Limits::default() };
    let fixture = Fixture::<H>::limited(limits).await;
    let rows = |from: u8, to: u8| (from..to).map(|n| row_with(1, vec![key(n, 1, 99)])).collect();
    append(&fixture, rows(0, 2)).await;
    let refused = fixture.journal.append(Append { events: rows(2, 4), ..Append::default() }).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    assert_eq!(fixture.last_sequence(Queue::Events).await, 2);
    assert_eq!(append(&fixture, rows(3, 4)).await, [Appended::Accepted(id(1, 3))], "nothing of it was kept");
    assert_eq!(
        append(&fixture, vec![row(2)]).await,
        [Appended::Accepted(id(2, 4))],
        "rows without keys go on"
    );
}

pub(crate) async fn free_keys_are_removed<H: Harness>() {
    const DAY: u64 = 86_400_000;
    let mut fixture = Fixture::<H>::new().await;
    let rows = (0..10).map(|n| row_with(1, vec![key(n, 1, if n < 6 { DAY / 2 } else { 3 * DAY })])).collect();
    append(&fixture, rows).await;
    assert_eq!(fixture.journal.purge_keys(time(DAY - 1), 10).await.unwrap(), 0);
    assert_eq!(fixture.journal.purge_keys(time(DAY), 4).await.unwrap(), 4);
    assert_eq!(fixture.journal.purge_keys(time(DAY), 4).await.unwrap(), 2);
    fixture.reopen().await;
    assert_eq!(
        append(&fixture, vec![row_with(DAY, vec![key(9, 1, 3 * DAY)])]).await,
        [Appended::Replay(id(1, 10))]
    );
    assert_eq!(
        append(&fixture, vec![row_with(DAY, vec![key(0, 2, DAY + 9)])]).await,
        [Appended::Accepted(id(DAY, 11))]
    );
}
