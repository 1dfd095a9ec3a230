//! Tests of [`super`]: encode.

use std::sync::Arc;

use laneway_model::{
    AccountName, ClickId, Conversion, ConversionName, CtwaClid, Event, EventId, Person, PhoneNumber,
    Reference, Timestamp, Wamid,
};

use super::*;

fn member(sequence: u64, action: Action, person: Option<&str>) -> Member {
    let accepted_at = Timestamp::from_secs(1_795_000_000);
    let event = Event {
        account: AccountName::parse("shop").unwrap(),
        business: PhoneNumber::parse("+316098765432").unwrap(),
        person: person.map(|text| Person::parse(text).unwrap()),
        action,
        reference: None,
        accepted_at,
        custom: None,
    };
    Member { id: EventId::new(accepted_at, 0, sequence), event: Arc::new(event) }
}

fn read() -> Action {
    Action::MarkAsRead { message_id: Wamid::parse("wamid.A").unwrap() }
}

fn lead(event_id: Option<&str>) -> Action {
    Action::Conversion(Box::new(Conversion {
        name: ConversionName::LeadSubmitted,
        click: Some(ClickId { value: CtwaClid::parse("clid").unwrap(), captured: true }),
        event_time: Timestamp::from_secs(1_794_000_000),
        event_id: event_id.map(|text| Reference::parse(text).unwrap()),
        currency: None,
        value: None,
    }))
}

fn encoded(verb: Verb, members: &[Member]) -> Result<Encoded, Error> {
    encode(&WabaId::parse("1").unwrap(), Call { verb, members, now: Timestamp::default() })
}

#[test]
fn a_call_has_room_for_as_many_conversions_as_its_body_may_have_bytes() {
    let waba = WabaId::parse("1").unwrap();
    let with_note = |sequence: u64, bytes: usize| {
        let small = member(sequence, lead(None), None);
        let custom = format!(r#"{{"search_string":"{}"}}"#, "x".repeat(bytes));
        let event = Event { custom: Some(custom.into()), ..Event::clone(&small.event) };
        Member { event: Arc::new(event), ..small }
    };
    let fitting = |sizes: &[usize]| {
        let members: Vec<_> = (1..).zip(sizes).map(|(sequence, bytes)| with_note(sequence, *bytes)).collect();
        fitting(&waba, &members)
    };
    let half = BODY_BYTES_MAX / 2;
    assert_eq!(fitting(&[0; 1000]), 1000);
    assert_eq!(fitting(&[half, half - 2_000, 10]), 3);
    assert_eq!(fitting(&[half, half, 0]), 1);
    assert_eq!(fitting(&[2 * BODY_BYTES_MAX, 0]), 1, "one always goes");
    let users = vec![member(1, Action::Block, Some("+316012345678")); 1000];
    assert_eq!(super::fitting(&waba, &users), 1000);
}

#[test]
fn every_member_knows_its_size() {
    let users = [
        member(1, Action::Block, Some("+316012345678")),
        member(2, Action::Block, Some("US.13491208655302741918")),
    ];
    let blocks = encoded(Verb::Block, &users).unwrap();
    assert_eq!(
        blocks.body,
        r#"{"messaging_product":"whatsapp","block_users":[{"user":"+316012345678"},{"user_id":"US.13491208655302741918"}]}"#
    );
    assert_eq!(blocks.member_bytes, [r#"{"user":"+316012345678"}"#.len(), 37]);

    let one = encoded(Verb::MarkAsRead, &[member(1, read(), None)]).unwrap();
    assert_eq!(one.member_bytes, [one.body.len()]);

    let leads = [member(1, lead(Some("lead-1")), None), member(2, lead(None), None)];
    let leads = encoded(Verb::Conversions, &leads).unwrap();
    let empty = r#"{"data":[],"partner_agent":"laneway"}"#.len();
    assert_eq!(leads.body.len(), empty + leads.member_bytes.iter().sum::<usize>() + ",".len());
}

#[test]
fn a_conversion_without_an_event_id_is_sent_with_the_events_own() {
    for (given, sent) in
        [(Some("lead-1"), "lead-1".to_owned()), (None, member(2, read(), None).id.to_string())]
    {
        let body = encoded(Verb::Conversions, &[member(2, lead(given), None)]).unwrap().body;
        assert!(body.contains(&format!(r#""event_id":"{sent}""#)), "{body}");
    }
}

#[track_caller]
fn check_refused(verb: Verb, members: &[Member], expected: Error) {
    assert_eq!(encoded(verb, members), Err(expected));
}

#[test]
fn what_is_no_call_is_refused() {
    let block = || member(1, Action::Block, Some("+316012345678"));
    check_refused(Verb::Block, &[], Error::Empty);
    check_refused(Verb::MarkAsRead, &[], Error::Empty);
    check_refused(Verb::Block, &[member(1, Action::Block, None)], Error::Nobody);
    check_refused(Verb::Block, &[block(), member(2, Action::UnBlock, Some("+316012345678"))], {
        Error::Mixed { kind: EventKind::UnBlock }
    });
    check_refused(Verb::Typing, &[member(1, read(), None)], Error::Mixed { kind: EventKind::MarkAsRead });
    check_refused(Verb::MarkAsRead, &[member(1, read(), None), member(2, read(), None)], {
        Error::TooMany { count: 2, max: 1 }
    });
    check_refused(Verb::Block, &vec![block(); 1001], Error::TooMany { count: 1001, max: 1000 });
    assert_eq!(encoded(Verb::Block, &vec![block(); 1000]).unwrap().member_bytes.len(), 1000);
}
