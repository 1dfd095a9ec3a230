//! Contacts and erasure.

use laneway_journal::{
    Append, CallbackBody, ContactTouch, Erased, Filter, ForwardBody, Limits, MemberOutcome, NewRow, Queue,
    RawNotification, Settlement, Tenant,
};
use laneway_model::{
    AccountName, AppName, AttemptOutcome, Bsuid, Click, Contact, CtwaClid, Person, PhoneNumber, Status,
    Touch, Wamid,
};

use super::fixtures::{Fixture, Harness, business, change, outcome, person, row, row_of, time};

fn click(id: &str, at: u64) -> Touch {
    let id = CtwaClid::parse(id).unwrap();
    Touch::Clicked(Click { id, at: time(at), ad_id: Some("ad".to_owned()), headline: None })
}

fn identified(phone: &str, bsuid: &str) -> Touch {
    Touch::Identified {
        phone: PhoneNumber::parse(phone).unwrap(),
        bsuid: Bsuid::parse(bsuid).unwrap(),
        at: time(1),
    }
}

fn touches_of(who: &Person, touches: &[Touch]) -> Vec<ContactTouch> {
    let of = |touch: &Touch| ContactTouch { business: business(), person: who.clone(), touch: touch.clone() };
    touches.iter().map(of).collect()
}

async fn touch<H: Harness>(fixture: &Fixture<H>, who: &Person, touches: &[Touch]) {
    let touches = touches_of(who, touches);
    fixture.journal.append(Append { touches, ..Append::default() }).await.unwrap();
}

fn notification(received_at: u64, body: &str) -> RawNotification {
    RawNotification {
        app: AppName::parse("main").unwrap(),
        received_at: time(received_at),
        signature: "sha256=00".to_owned(),
        body: body.as_bytes().into(),
    }
}

fn sample() -> Vec<Touch> {
    vec![
        Touch::MessageIn { at: time(5), id: None },
        click("first", 5),
        Touch::Blocked { blocked: true, at: time(7) },
        Touch::Blocked { blocked: false, at: time(6) },
        click("second", 9),
        Touch::MessageIn { at: time(3), id: Some(Wamid::parse("wamid.3").unwrap()) },
        Touch::Became { person: person("US.9"), at: time(8) },
    ]
}

fn folded(who: &Person, touches: &[Touch]) -> Contact {
    let mut contact = Contact::new(business(), who.clone());
    for touch in touches {
        contact.fold(touch);
    }
    contact
}

pub(crate) async fn touches_fold_in_any_order<H: Harness>() {
    let (forth, back) = (person("+316000000001"), person("US.2"));
    let mut reversed = sample();
    reversed.reverse();
    reversed.extend(sample());
    for touches_unfolded in [1, 4, 1_000] {
        let limits = Limits { touches_unfolded, ..Limits::default() };
        let mut fixture = Fixture::<H>::limited(limits).await;
        touch(&fixture, &forth, &sample()).await;
        for one in &reversed {
            touch(&fixture, &back, std::slice::from_ref(one)).await;
        }
        for _ in 0..2 {
            for who in [&forth, &back] {
                let contact = fixture.journal.contact(business(), who).await.unwrap();
                assert_eq!(contact, Some(folded(who, &sample())), "folded by {touches_unfolded}");
            }
            fixture.crash().await;
        }
    }
}

pub(crate) async fn touches_do_not_pile_up<H: Harness>() {
    const LIMIT: usize = 3;
    let fixture = Fixture::<H>::limited(Limits { touches_unfolded: LIMIT, ..Limits::default() }).await;
    let who = person("+316000000001");
    let unfolded = async || fixture.journal.stats().await.unwrap().touches_unfolded as usize;
    // All of one operation, however many they are.
    touch(&fixture, &who, &vec![sample(); 6].concat()).await;
    touch(&fixture, &who, &sample()[..1]).await;
    assert!(unfolded().await <= LIMIT);
    // And again and again: those that are left, those that waited for the transaction, and those that filled it.
    let each = sample();
    for _ in 0..40 {
        let touches = touches_of(&who, &each);
        let append = || fixture.journal.append(Append { touches: touches.clone(), ..Append::default() });
        let [one, two, three, four] = [append(), append(), append(), append()];
        let (one, two, three, four) = tokio::join!(one, two, three, four);
        for done in [one, two, three, four] {
            done.unwrap();
        }
        assert!(unfolded().await <= 2 * (LIMIT - 1) + each.len());
    }
}

pub(crate) async fn folded_and_unfolded_touches_are_one<H: Harness>() {
    let fixture = Fixture::<H>::limited(Limits { touches_unfolded: 3, ..Limits::default() }).await;
    let (who, other) = (person("+316000000001"), person("+316000000002"));
    assert_eq!(fixture.journal.contact(business(), &who).await.unwrap(), None);
    for (n, one) in sample().iter().enumerate() {
        touch(&fixture, &who, std::slice::from_ref(one)).await;
        let contact = fixture.journal.contact(business(), &who).await.unwrap();
        assert_eq!(contact, Some(folded(&who, &sample()[..=n])));
        assert!(fixture.journal.stats().await.unwrap().touches_unfolded <= 3);
    }
    assert_eq!(fixture.journal.contact(business(), &other).await.unwrap(), None);
    let elsewhere = PhoneNumber::parse("+316000000009").unwrap();
    assert_eq!(fixture.journal.contact(elsewhere, &who).await.unwrap(), None);
}

pub(crate) async fn erasure_leaves_nothing<H: Harness>() {
    for index_batch in [5, 1_000] {
        let limits =
            Limits { index_batch, rows_removed_per_step: 2, touches_unfolded: 3, ..Limits::default() };
        let mut fixture = Fixture::<H>::limited(limits).await;
        let (gone, stays) = (person("+316000000001"), person("+316000000002"));
        for n in 1..=12 {
            let who = if n % 2 == 0 { "+316000000001" } else { "+316000000002" };
            fixture.events(vec![row_of(n, who)]).await;
        }
        fixture.append(Queue::Callbacks, vec![row_of(13, "+316000000001")]).await;
        fixture.decide(14, vec![change(2, Status::Confirmed)]).await;
        touch(&fixture, &gone, &sample()[..2]).await;
        touch(&fixture, &stays, &sample()).await;
        touch(&fixture, &gone, &sample()[2..3]).await;
        let notifications = vec![
            notification(1, r#"{"from":"316000000001"}"#),
            notification(2, r#"{"from":"316000000002"}"#),
            notification(3, r#"{"wa_id":"13160000000010"}"#),
        ];
        fixture.journal.append(Append { notifications, ..Append::default() }).await.unwrap();
        let erased = fixture.journal.erase(&gone, time(99)).await.unwrap();
        assert_eq!(
            erased,
            Erased { events: 6, posts: 1, notifications: 1, contacts: 1, ..Erased::default() }
        );
        for _ in 0..2 {
            assert_eq!(fixture.journal.erase(&gone, time(99)).await.unwrap(), Erased::default());
            let all = fixture.journal.list(Queue::Events, Filter::default(), None, 99).await.unwrap().records;
            let left: Vec<u64> = all.iter().map(|record| record.row.id.sequence()).collect();
            assert_eq!(left, [11, 9, 7, 5, 3, 1]);
            assert_eq!(fixture.journal.stats().await.unwrap().open, [6, 0, 0]);
            assert_eq!(fixture.journal.contact(business(), &gone).await.unwrap(), None);
            let contact = fixture.journal.contact(business(), &stays).await.unwrap();
            assert_eq!(contact, Some(folded(&stays, &sample())));
            fixture.reopen().await;
        }
        assert_eq!(fixture.journal.purge_notifications(time(99), 9).await.unwrap(), 2);
    }
}

pub(crate) async fn erasure_finds_forwards_by_what_they_say<H: Harness>() {
    let (gone, other) = (person("+316000000001"), AccountName::parse("other").unwrap());
    let forward = |n: u64, person: Option<&Person>, text: &str| {
        let body = ForwardBody { url: String::new(), headers: Vec::new(), body: text.as_bytes().into() };
        NewRow { person: person.cloned(), body: body.encode(), ..row(n) }
    };
    let stays = person("+316000000002");
    for rows_examined in [2, 10_000] {
        let limits = Limits { rows_examined, rows_removed_per_step: 1, ..Limits::default() };
        let fixture = Fixture::<H>::limited(limits).await;
        let several = |n| forward(n, None, r#"{"from":"316000000002"},{"from":"316000000001"}"#);
        let rows = vec![
            several(1),
            several(2),
            forward(3, Some(&gone), "it names nobody"),
            forward(4, Some(&stays), r#"{"wa_id":"316000000001"}"#),
            forward(5, None, r#"{"to":"00316000000001"}"#),
            forward(6, None, r#"{"from":"316000000002"},{"from":"1316000000001"}"#),
            NewRow { account: other.clone(), ..several(7) },
            several(99),
        ];
        fixture.append(Queue::Forwards, rows).await;
        let lease = fixture.lease(Queue::Forwards).await;
        let changes = vec![change(2, Status::Confirmed)];
        let settlement = Settlement { at: time(8), changes, ..Settlement::default() };
        fixture.journal.settle(lease, settlement).await.unwrap();
        let tenant = Tenant { account: row(1).account, businesses: vec![business()] };
        let erased = fixture.journal.erase_of(&tenant, &gone, time(9)).await.unwrap();
        assert_eq!(erased, Erased { posts: 5, unsent: 3, ..Erased::default() });
        let left = async || fixture.open_rows(Queue::Forwards).await.iter().map(|row| row.sequence).collect();
        let found: Vec<_> = left().await;
        assert_eq!(found, [6, 7, 8]);
        let erased = fixture.journal.erase(&gone, time(100)).await.unwrap();
        assert_eq!(erased, Erased { posts: 2, unsent: 2, ..Erased::default() });
        let found: Vec<_> = left().await;
        assert_eq!(found, [6]);
    }
}

pub(crate) async fn what_is_told_of_an_event_is_erased_with_it<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row(5), row(15)]).await;
    let told = ids.iter().map(|event| {
        let body = CallbackBody { url: String::new(), event: *event, status: Status::Discarded };
        NewRow { body: body.encode(), ..row(20) }
    });
    fixture.append(Queue::Callbacks, told.collect()).await;
    let erased = fixture.journal.erase(&person("+316012345678"), time(10)).await.unwrap();
    assert_eq!(erased, Erased { events: 1, posts: 1, ..Erased::default() });
    assert_eq!(fixture.open_rows(Queue::Callbacks).await[0].sequence, 2);
}

pub(crate) async fn erasure_stops_at_its_instant<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let who = person("+316012345678");
    fixture.events(vec![row(10), row(11)]).await;
    let notifications = vec![notification(10, "+316012345678"), notification(11, "+316012345678")];
    fixture.journal.append(Append { notifications, ..Append::default() }).await.unwrap();
    let erased = fixture.journal.erase(&who, time(10)).await.unwrap();
    assert_eq!(erased, Erased { events: 1, notifications: 1, contacts: 0, ..Erased::default() });
    assert_eq!(fixture.open_rows(Queue::Events).await[0].sequence, 2);
}

pub(crate) async fn erasure_reaches_who_is_the_same<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let (phone, bsuid) = (person("+316000000001"), person("US.1"));
    fixture.events(vec![row_of(1, "+316000000001"), row_of(2, "US.1"), row_of(3, "US.2")]).await;
    for who in [&phone, &bsuid] {
        touch(&fixture, who, &[identified("+316000000001", "US.1")]).await;
    }
    let notifications = vec![notification(1, r#""user_id":"US.1""#), notification(1, r#""US.12""#)];
    fixture.journal.append(Append { notifications, ..Append::default() }).await.unwrap();
    let erased = fixture.journal.erase(&phone, time(9)).await.unwrap();
    assert_eq!(erased, Erased { events: 2, notifications: 1, contacts: 2, ..Erased::default() });
    assert_eq!(fixture.open_rows(Queue::Events).await[0].sequence, 3);
    assert_eq!(fixture.journal.contact(business(), &bsuid).await.unwrap(), None);
}

pub(crate) async fn erasure_follows_who_changed_their_number<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let numbers = ["+316000000001", "+316000000002", "+316000000003"];
    fixture.events(numbers.iter().zip(1..).map(|(number, n)| row_of(n, number)).collect()).await;
    for pair in numbers.windows(2) {
        let (before, now) = (person(pair[0]), person(pair[1]));
        touch(&fixture, &now, &[Touch::Formerly { person: before.clone(), at: time(1) }]).await;
        touch(&fixture, &before, &[Touch::Became { person: now, at: time(1) }]).await;
    }
    let erased = fixture.journal.erase(&person(numbers[2]), time(9)).await.unwrap();
    assert_eq!(erased, Erased { events: 3, notifications: 0, contacts: 3, ..Erased::default() });
}

pub(crate) async fn a_tenant_erases_only_its_own<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let (who, elsewhere) = (person("+316000000001"), PhoneNumber::parse("+316000000009").unwrap());
    let other = |mut row: laneway_journal::NewRow| {
        row.account = AccountName::parse("other").unwrap();
        row.business = elsewhere;
        row
    };
    let rows = vec![row_of(1, "+316000000001"), other(row_of(2, "+316000000001")), row_of(3, "US.1")];
    fixture.events(rows).await;
    touch(&fixture, &who, &[Touch::MessageIn { at: time(1), id: None }]).await;
    let told = [identified("+316000000001", "US.1"), Touch::MessageIn { at: time(1), id: None }];
    let touches =
        touches_of(&who, &told).into_iter().map(|touch| ContactTouch { business: elsewhere, ..touch });
    fixture.journal.append(Append { touches: touches.collect(), ..Append::default() }).await.unwrap();
    let account = row_of(9, "US.9").account;
    let tenant = Tenant { account, businesses: vec![business()] };
    assert_eq!(fixture.journal.same_person(&who, &tenant).await.unwrap(), std::slice::from_ref(&who));
    let erased = fixture.journal.erase_of(&tenant, &who, time(9)).await.unwrap();
    assert_eq!(erased, Erased { events: 1, notifications: 0, contacts: 1, ..Erased::default() });
    assert_eq!(fixture.journal.contact(business(), &who).await.unwrap(), None);
    assert!(fixture.journal.contact(elsewhere, &who).await.unwrap().is_some());
    let filter = Filter { person: Some(who.clone()), ..Filter::default() };
    let left = fixture.journal.list(Queue::Events, filter, None, 9).await.unwrap().records;
    assert_eq!(left.iter().map(|record| record.row.id.sequence()).collect::<Vec<_>>(), [2]);
}

pub(crate) async fn the_blocked_are_listed_page_by_page<H: Harness>() {
    for touches_unfolded in [1, 1_000] {
        let limits = Limits { touches_unfolded, ..Limits::default() };
        let fixture = Fixture::<H>::limited(limits).await;
        let mut expected = Vec::new();
        for n in 1..=9 {
            let who = person(&if n % 2 == 0 { format!("US.{n}") } else { format!("+31600000000{n}") });
            touch(&fixture, &who, &[Touch::Blocked { blocked: n % 3 != 0, at: time(n) }]).await;
            if n % 3 != 0 {
                expected.push(who);
            }
        }
        let elsewhere = PhoneNumber::parse("+316000000009").unwrap();
        for limit in [1, 2, 100] {
            for (number, expected) in [(business(), expected.clone()), (elsewhere, Vec::new())] {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let page = fixture.journal.blocked(number, after, limit).await.unwrap();
                    found.extend(page.persons);
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                found.sort();
                found.dedup();
                let mut expected = expected;
                expected.sort();
                assert_eq!(found, expected, "{limit} at a time, {touches_unfolded}");
            }
        }
    }
}

pub(crate) async fn erasure_keeps_the_others_of_a_call<H: Harness>() {
    let fixture = Fixture::<H>::new().await;
    let ids = fixture.events(vec![row_of(1, "US.1"), row_of(2, "US.2")]).await;
    for at in [5, 6] {
        let members = [1, 2].map(|n| MemberOutcome {
            detail: Some(format!("about {n}")),
            ..outcome(n, AttemptOutcome::Transient)
        });
        let changes = vec![change(1, Status::Retrying), change(2, Status::Retrying)];
        fixture.answer(at, members.to_vec(), changes).await;
    }
    fixture.journal.erase(&person("US.1"), time(9)).await.unwrap();
    let attempts = fixture.record(ids[1]).await.attempts;
    let told: Vec<_> = attempts.iter().map(|a| (a.n, a.group_size, a.detail.as_deref())).collect();
    assert_eq!(told, [(1, 2, Some("about 2")), (2, 2, Some("about 2"))]);
    fixture
        .answer(
            10,
            vec![outcome(1, AttemptOutcome::Confirmed), outcome(2, AttemptOutcome::Confirmed)],
            vec![change(1, Status::Confirmed), change(2, Status::Confirmed)],
        )
        .await;
    assert_eq!(fixture.record(ids[1]).await.attempts.len(), 3);
    assert_eq!(fixture.journal.get(Queue::Events, ids[0]).await.unwrap(), None);
}
