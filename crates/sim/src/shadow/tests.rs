//! That the auditor objects.

use laneway_engine::{Covers, KindSet, Paused, ScopeId, Why};
use laneway_model::{AccountName, EventKind, Family, Scope};

use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn business(at: u64) -> PhoneNumber {
    PhoneNumber::from_u64(31_600_000_000 + at).unwrap()
}

fn setup() -> NumberSetup {
    NumberSetup {
        business: business(0),
        waba: ScopeId(0),
        app: ScopeId(0),
        messages_credential: ScopeId(0),
        conversions_credential: ScopeId(0),
        relay_credential: ScopeId(0),
        calls_per_second_max: 2,
        conversions_per_call_max: 1,
        relayed: KindSet::NONE,
        hold_lost: KindSet::NONE,
        holds_lanes: false,
    }
}

/// Books with one block of a person, then an unblock, then two conversions: sequences 1 to 4.
fn books() -> Shadow {
    let mut shadow = Shadow::new(Policy::events());
    let click = EventKind::parse("AddToCart").unwrap();
    for (kind, sequence) in [EventKind::Block, EventKind::UnBlock, click, click].into_iter().zip(1..) {
        let row = NewRow {
            account: AccountName::parse("shop").unwrap(),
            business: business(0),
            person: Some(Person::Phone(business(9))),
            kind: kind.code(),
            reference: None,
            accepted_at: START,
            due: START,
            expires: START.saturating_add(Duration::from_secs(60)),
            body: [].into(),
            keys: Vec::new(),
        };
        shadow.appended(0, EventId::new(START, 0, sequence), &row);
    }
    shadow
}

fn now(secs: u64) -> Now {
    Now { elapsed_ms: secs * 1_000, wall: START.saturating_add(Duration::from_secs(secs)) }
}

fn change(sequence: Sequence, status: Status, reason: Reason) -> Change {
    let (possibly_duplicate, holds_lane) = (false, false);
    Change { sequence, status, due: START, reason, possibly_duplicate, holds_lane }
}

fn decide(shadow: &mut Shadow, sequence: Sequence, status: Status, reason: Reason) {
    let changes = [change(sequence, status, reason)];
    shadow.decides(now(1), Cause::Decision, |_| None, &BTreeMap::new(), (0, &changes));
}

/// The auditor says nothing before the last step, and this about that.
fn check(words: &str, before: impl FnOnce(&mut Shadow), wrong: impl FnOnce(&mut Shadow)) {
    let mut shadow = books();
    before(&mut shadow);
    assert_eq!(shadow.problems, Vec::<String>::new(), "{words}");
    wrong(&mut shadow);
    assert!(shadow.problems.iter().any(|problem| problem.contains(words)), "{words}: {:?}", shadow.problems);
}

#[test]
fn what_must_not_be_is_found() {
    let confirm = |shadow: &mut Shadow| shadow.committed(&[change(1, Status::Confirmed, Reason::Answer)]);
    check("of its lane", |books| books.applied(2), |books| books.applied(1));
    check("counted 2 times", |books| books.applied(3), |books| books.applied(3));
    check("although it has ended", confirm, |books| books.loads(now(1), Some(&setup()), &[1]));
    check("although its end is committed", confirm, |books| books.sends(now(1), &setup(), 9, &[1]));
    check("after its time", |_| {}, |books| books.loads(now(60), Some(&setup()), &[1]));
    check("more than 1 in one call", |_| {}, |books| books.loads(now(1), Some(&setup()), &[3, 4]));
    check("several classes", |_| {}, |books| books.loads(now(1), Some(&setup()), &[1, 3]));
    check("not configured", |_| {}, |books| books.loads(now(1), None, &[1]));
    check("never accepted", |_| {}, |books| books.loads(now(1), Some(&setup()), &[5]));
    let sends = |books: &mut Shadow| books.sends(now(1), &setup(), 2, &[3]);
    check("3 calls in one second", |books| (0..2).for_each(|_| sends(books)), sends);
    check("reopened as None", |_| {}, |books| books.reopened(&[]));
    check("the journal says None", |_| {}, |books| books.compare(1, None));
    check(
        "waits",
        |books| books.flows(|_| true, 0, 30_000, 30_000),
        |books| {
            books.flows(|_| true, 0, 31_001, 30_000);
        },
    );
    check("is not in the journal", |_| {}, |books| books.acknowledged(EventId::new(START, 0, 7)));
}

/// Books in which the third event lacks its click id for ten seconds, at this true time.
fn lacking(books: &mut Shadow, at_secs: u64) {
    books.lacks(3, Some(Duration::from_secs(10)));
    books.clock = Clock { at_ms: at_secs * 1_000, set_ahead_ms: 0 };
}

fn click(books: &mut Shadow, person: u64, id: &str, is_usable: bool) {
    let who = (business(0), Person::Phone(business(person)));
    books.clicked(books.clock.at_ms, who, CtwaClid::parse(id).unwrap(), is_usable);
}

fn complete(books: &mut Shadow, id: &str) {
    books.completed(books.clock.at_ms, 3, &CtwaClid::parse(id).unwrap());
}

fn carry(books: &mut Shadow, id: &str) {
    books.carries(3, Some(&CtwaClid::parse(id).unwrap()));
}

#[test]
fn what_lacks_its_click_id_is_watched() {
    let fail = |books: &mut Shadow| decide(books, 3, Status::Failed, Reason::Lacking);
    let at = |secs: u64| move |books: &mut Shadow| lacking(books, secs);
    let clicked = |person: u64, id: &'static str, is_usable: bool| {
        move |books: &mut Shadow| {
            lacking(books, 5);
            click(books, person, id, is_usable);
        }
    };
    let completed = |books: &mut Shadow| {
        clicked(9, "theirs", true)(books);
        complete(books, "theirs");
        carry(books, "theirs");
    };
    check("without what it lacks", at(1), |books| books.loads(now(1), Some(&setup()), &[3]));
    check("does not follow", |_| {}, fail);
    check("does not follow", at(9), fail);
    let in_vain = |books: &mut Shadow| {
        lacking(books, 10);
        fail(books);
    };
    check("does not follow", in_vain, |books| {
        clicked(9, "theirs", true)(books);
        in_vain(books);
    });
    let just_committed = |books: &mut Shadow| {
        lacking(books, 10);
        click(books, 9, "theirs", true);
        fail(books);
    };
    check("does not follow", just_committed, |books| {
        books.click_told(&(business(0), Person::Phone(business(9))), &CtwaClid::parse("theirs").unwrap());
        fail(books);
    });
    check("was completed with", clicked(9, "old", false), |books| complete(books, "old"));
    check("was completed with", clicked(8, "other", true), |books| complete(books, "other"));
    check("lacks nothing", completed, |books| complete(books, "theirs"));
    check("carries", completed, |books| carry(books, "other"));
    check("carries", at(1), |books| carry(books, "theirs"));
    let waits = |books: &mut Shadow, at_secs: u64| {
        books.clock.at_ms = at_secs * 1_000;
        books.waits(0, 30_000);
    };
    let until_its_end = |books: &mut Shadow| {
        lacking(books, 0);
        waits(books, 40);
    };
    check("still waits", until_its_end, |books| waits(books, 41));
    let until_its_click = |books: &mut Shadow| {
        clicked(8, "other", true)(books);
        clicked(9, "old", false)(books);
        clicked(9, "theirs", true)(books);
        waits(books, 35);
    };
    check("still waits", until_its_click, |books| waits(books, 36));
}

fn way(family: Family, route: Route) -> Way {
    Way { business: business(0), family, route }
}

/// A call of this way is answered with this, two seconds after the start.
fn answered(books: &mut Shadow, way: Way, class: FailureClass, scope: Scope) {
    books.clock.at_ms = 2_000;
    books.told(now(2), way, Some(&setup()), &[crate::meta::failed(class, scope)]);
}

fn opens(books: &mut Shadow, at_ms: u64, way: Way) {
    books.clock.at_ms = at_ms;
    books.opens(way, &setup());
}

fn paused(books: &mut Shadow, covers: Covers, route: Route, why: Why) {
    let (code, subcode, detail) = (None, None, None);
    let one = Paused { covers, route, why, code, subcode, detail, since: START, until: None, waiting: 0 };
    books.paused(&[one]);
}

#[test]
fn pauses_must_have_a_reason_and_stop_what_they_cover() {
    let (marks, relays) = (way(Family::Messages, Route::Meta), way(Family::Messages, Route::Cm));
    let conversions = way(Family::Conversions, Route::Meta);
    let refused =
        |way| move |books: &mut Shadow| answered(books, way, FailureClass::Unauthorized, Scope::Credential);
    let throttled = |books: &mut Shadow| {
        let until = Some(now(4).wall);
        answered(books, marks, FailureClass::Throttled { until }, Scope::Number);
    };
    check(
        "paused until 4000",
        |books| {
            throttled(books);
            opens(books, 3_999, relays);
            opens(books, 4_000, conversions);
        },
        |books| opens(books, 3_999, conversions),
    );
    check(
        "paused until 302000",
        |books| {
            refused(relays)(books);
            opens(books, 2_000, marks);
        },
        |books| opens(books, 301_999, relays),
    );
    let worked = |books: &mut Shadow| {
        refused(marks)(books);
        books.told(now(3), marks, Some(&setup()), &[Outcome::Confirmed]);
        opens(books, 3_000, marks);
    };
    check("paused until", worked, |books| {
        refused(marks)(books);
        opens(books, 3_000, marks);
    });
    let (token, its) = (Covers::Credential(ScopeId(0)), Covers::Number(business(0)));
    let reasons = |books: &mut Shadow| {
        refused(relays)(books);
        throttled(books);
        answered(books, relays, FailureClass::Transient, Scope::Event);
        paused(books, token, Route::Cm, Why::Unauthorized);
        paused(books, its, Route::Meta, Why::Throttled);
        paused(books, its, Route::Cm, Why::Outage);
    };
    for (covers, route, why) in [
        (token, Route::Meta, Why::Unauthorized),
        (Covers::Waba(ScopeId(0)), Route::Cm, Why::Unauthorized),
        (its, Route::Cm, Why::Throttled),
        (Covers::Family(business(0), Family::Messages), Route::Meta, Why::Throttled),
        (its, Route::Meta, Why::Outage),
    ] {
        check("without a reason", reasons, |books| paused(books, covers, route, why));
    }
}

#[test]
fn decisions_must_follow_from_their_cause() {
    let superseded = |by| Reason::Superseded { by };
    check(
        "does not follow",
        |books| decide(books, 1, Status::Superseded, superseded(2)),
        |books| decide(books, 2, Status::Superseded, superseded(1)),
    );
    check("does not follow", |_| {}, |books| decide(books, 3, Status::Superseded, superseded(4)));
    check("does not follow", |_| {}, |books| decide(books, 1, Status::Expired, Reason::Expired));
    check(
        "does not follow",
        |books| {
            books.given_up(&[1]);
            decide(books, 1, Status::Discarded, Reason::Discarded);
        },
        |books| decide(books, 2, Status::Discarded, Reason::Discarded),
    );
    let confirmed = |told: Outcome| {
        move |books: &mut Shadow| {
            let (told, changes) =
                (BTreeMap::from([(1, told)]), [change(1, Status::Confirmed, Reason::Answer)]);
            books.decides(now(1), Cause::Call(1), |_| None, &told, (1, &changes));
        }
    };
    check("does not follow", confirmed(Outcome::Confirmed), confirmed(crate::meta::lost()));
}
