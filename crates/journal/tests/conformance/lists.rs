//! Filters and cursors.

use laneway_journal::{Filter, Limits, NewRow, Queue};
use laneway_model::{PhoneNumber, Reference, Status};

use super::fixtures::{Fixture, Harness, account, change, person, row, row_named, row_of, time};

/// Every page of a list; the sequences on each.
async fn pages<H: Harness>(fixture: &Fixture<H>, filter: &Filter, limit: usize) -> Vec<Vec<u64>> {
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let page = fixture.journal.list(Queue::Events, filter.clone(), before, limit).await.unwrap();
        pages.push(page.records.iter().map(|record| record.row.id.sequence()).collect());
        before = page.next;
        if before.is_none() {
            return pages;
        }
    }
}

/// The same, oldest first.
async fn pages_up<H: Harness>(fixture: &Fixture<H>, filter: &Filter, limit: usize) -> Vec<Vec<u64>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = fixture.journal.list_up(Queue::Events, filter.clone(), after, limit).await.unwrap();
        pages.push(page.records.iter().map(|record| record.row.id.sequence()).collect());
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

pub(crate) async fn each_filter_narrows<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let other = PhoneNumber::parse("+316000000000").unwrap();
    let rows = vec![
        row(10),
        NewRow { account: account("other"), ..row(20) },
        NewRow { kind: 101, ..row(30) },
        NewRow { business: other, ..row(40) },
        row_of(50, "US.1"),
        row_named(60, "a"),
        NewRow { person: None, ..row_named(70, "b") },
    ];
    fixture.events(rows).await;
    let changes = vec![
        change(1, Status::Confirmed),
        change(2, Status::Failed),
        change(3, Status::InDoubt),
        change(4, Status::Retrying),
    ];
    fixture.decide(80, changes).await;
    let none = Filter::default;
    let statuses = |statuses: &[Status]| Filter { statuses: statuses.to_vec(), ..none() };
    for (filter, expected) in [
        (none(), &[7, 6, 5, 4, 3, 2, 1][..]),
        (Filter { account: Some(account("other")), ..none() }, &[2]),
        (Filter { account: Some(account("nobody")), ..none() }, &[]),
        (statuses(&[Status::Confirmed]), &[1]),
        (statuses(&[Status::Accepted]), &[7, 6, 5]),
        (statuses(&[Status::Retrying]), &[4]),
        (statuses(&[Status::Sending]), &[7, 6, 5, 4]),
        (statuses(&[Status::Failed, Status::InDoubt]), &[3, 2]),
        (statuses(&[Status::InDoubt]), &[3]),
        (statuses(&[Status::Failed, Status::Sending]), &[7, 6, 5, 4, 2]),
        (Filter { kinds: vec![101, 7], ..none() }, &[3]),
        (Filter { business: Some(other), ..none() }, &[4]),
        (Filter { person: Some(person("US.1")), ..none() }, &[5]),
        (Filter { person: Some(person("+316012345678")), ..none() }, &[6, 4, 3, 2, 1]),
        (Filter { person: Some(person("US.2")), ..none() }, &[]),
        (Filter { reference: Some(Reference::parse("b").unwrap()), ..none() }, &[7]),
        (Filter { since: Some(time(50)), ..none() }, &[7, 6, 5]),
        (Filter { until: Some(time(30)), ..none() }, &[2, 1]),
        (Filter { since: Some(time(20)), until: Some(time(21)), ..none() }, &[2]),
        (
            Filter {
                person: Some(person("+316012345678")),
                account: Some(account("shop")),
                ..statuses(&[Status::InDoubt])
            },
            &[3],
        ),
    ] {
        assert_eq!(pages(&fixture, &filter, 100).await.concat(), expected, "{filter:?}");
        assert_eq!(pages(&fixture, &filter, 1).await.concat(), expected, "one by one: {filter:?}");
        for limit in [100, 1] {
            let mut found = pages_up(&fixture, &filter, limit).await.concat();
            found.reverse();
            assert_eq!(found, expected, "{limit} oldest first: {filter:?}");
        }
    }
    let page = fixture.journal.list(Queue::Callbacks, none(), None, 10).await.unwrap();
    assert_eq!((page.records.len(), page.next), (0, None));
}

pub(crate) async fn pages_follow_each_other<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    fixture.events((1..=5).map(row).collect()).await;
    let all = Filter::default();
    assert_eq!(pages(&fixture, &all, 2).await, [vec![5, 4], vec![3, 2], vec![1]]);
    assert_eq!(pages_up(&fixture, &all, 2).await, [vec![1, 2], vec![3, 4], vec![5]]);
    assert_eq!(pages_up(&fixture, &all, 5).await, [vec![1, 2, 3, 4, 5]]);
    let first = fixture.journal.list(Queue::Events, all.clone(), None, 2).await.unwrap();
    fixture.events(vec![row(6)]).await;
    let second = fixture.journal.list(Queue::Events, all.clone(), first.next, 2).await.unwrap();
    assert_eq!(second.records.iter().map(|r| r.row.id.sequence()).collect::<Vec<_>>(), [3, 2]);
    let record = fixture.record(second.records[0].row.id).await;
    assert_eq!(second.records[0], record, "a list shows what get shows");
    assert_eq!(pages(&fixture, &all, 0).await.concat().len(), 6, "a page has at least one record");
}

pub(crate) async fn the_work_of_a_page_is_limited<H: Harness>() {
    let limits = Limits { rows_examined: 10, ..Limits::default() };
    let fixture = Fixture::<H>::limited(limits).await;
    let mut rows: Vec<NewRow> = (1..=35).map(row).collect();
    rows[2] = row_of(3, "US.1");
    rows[2].reference = Some(Reference::parse("needle").unwrap());
    fixture.events(rows).await;
    let by_reference = Filter { reference: Some(Reference::parse("needle").unwrap()), ..Filter::default() };
    assert_eq!(pages(&fixture, &by_reference, 5).await, [vec![], vec![], vec![], vec![3]]);
    assert_eq!(pages_up(&fixture, &by_reference, 5).await, [vec![3], vec![], vec![], vec![]]);
    let by_person = Filter { person: Some(person("US.1")), ..Filter::default() };
    let found = pages(&fixture, &by_person, 5).await;
    assert_eq!(found.concat(), [3]);
    assert!(found.len() >= 4, "{found:?}");
}

pub(crate) async fn a_persons_rows_are_found_in_and_above_the_index<H: Harness>() {
    let limits = Limits { index_batch: 10, ..Limits::default() };
    let mut fixture = Fixture::<H>::limited(limits).await;
    let who = |n: u64| format!("+31600000000{}", n % 3);
    for n in 1..=25 {
        fixture.events(vec![row_of(n, &who(n))]).await;
    }
    while fixture.journal.stats().await.unwrap().rows_unindexed >= 10 {
        fixture.journal.append(laneway_journal::Append::default()).await.unwrap();
    }
    for _ in 0..2 {
        for rest in 0..3 {
            let filter = Filter { person: Some(person(&who(rest))), ..Filter::default() };
            let expected: Vec<u64> = (1..=25).rev().filter(|n| n % 3 == rest).collect();
            for limit in [1, 3, 100] {
                assert_eq!(pages(&fixture, &filter, limit).await.concat(), expected, "{limit}");
            }
        }
        fixture.crash().await;
    }
}
