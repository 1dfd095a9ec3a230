//! What must hold of the outcomes that an answer of Meta's is turned into, whatever it contains. Fuzzing looks for
//! answers that break it; an ordinary test replays the corpus.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use laneway_channel::Secret;
use laneway_channel::meta::{Call, Member, Target, Verb, classify};
use laneway_model::{
    AccountName, Action, Answer, ClickId, Conversion, ConversionName, CtwaClid, Event, EventId, FailureClass,
    Outcome, Person, PhoneNumber, PhoneNumberId, Timestamp, WabaId, Wamid,
};

use crate::answer_parts::WABA;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
const TOKEN: &str = "EAAGm0PX4ZCpsBAKZCtoken";
const CONVERSIONS_TOKEN: &str = "EAALconversionsZDtoken";
const VERBS: [Verb; 5] = [Verb::MarkAsRead, Verb::Typing, Verb::Block, Verb::UnBlock, Verb::Conversions];
const PERSONS: [&str; 4] = ["+16505551234", "+14155559876", "US.13491208655302741918", "+5511987654321"];
const STATUSES: [u16; 16] = [200, 201, 204, 302, 400, 401, 403, 404, 405, 408, 413, 429, 500, 503, 504, 999];

/// Far more than the longest sentence of the table and the words of Meta's that are kept.
const DETAIL_CHARS_MAX: usize = 800;
/// Far more than a trace id ever had.
const TRACE_ID_CHARS_MAX: usize = 128;

/// Classifies the answer and holds the outcomes against all that must be true of them.
pub(crate) fn check([verb, members, status]: [u8; 3], usage: &[u8], body: &[u8]) {
    let verb = VERBS[usize::from(verb) % VERBS.len()];
    let count = 1 + usize::from(members) % PERSONS.len();
    let persons = &PERSONS[..count.min(verb.members_max())];
    let members: Vec<Member> = persons.iter().map(|person| member(verb, person)).collect();
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let status = StatusCode::from_u16(status).expect("the statuses have three digits");
    let mut headers = HeaderMap::new();
    if let Ok(usage) = HeaderValue::from_bytes(usage) {
        headers.insert("x-business-use-case-usage", usage);
    }
    let call = Call { verb, members: &members, now: NOW };
    let answer = classify::complete(&target(), call, status, &headers, body);

    assert_eq!(answer.outcomes.len(), members.len(), "every member has one outcome");
    assert_eq!(answer.http_status, Some(status.as_u16()));
    check_texts(&answer, token(verb));
    for outcome in &answer.outcomes {
        check_outcome(verb, status, outcome);
    }
}

fn check_outcome(verb: Verb, status: StatusCode, outcome: &Outcome) {
    match outcome {
        // A block call that failed as a whole can have worked for some users.
        Outcome::Confirmed => {
            assert!(status.is_success() || matches!(verb, Verb::Block | Verb::UnBlock), "{status} is no yes");
        }
        Outcome::Relayed => panic!("only CM.com relays"),
        Outcome::Failed(failure) => {
            if let FailureClass::Throttled { until: Some(until) } = failure.class {
                assert!(until > NOW, "a throttle ends after it began");
            }
            assert_ne!(failure.class, FailureClass::NotSent, "there was an answer");
        }
    }
}

/// What is kept of Meta's words is short, and the token that Meta got is not among them.
fn check_texts(answer: &Answer, token: &str) {
    let check = |text: &str, chars_max: usize| {
        assert!(!text.is_empty() && text.chars().count() <= chars_max, "{text:?}");
        assert!(!text.contains(token), "the token is repeated");
    };
    for outcome in &answer.outcomes {
        if let Outcome::Failed(failure) = outcome {
            check(&failure.detail, DETAIL_CHARS_MAX);
        }
    }
    if let Some(trace_id) = &answer.trace_id {
        check(trace_id, TRACE_ID_CHARS_MAX);
    }
}

const fn token(verb: Verb) -> &'static str {
    match verb {
        Verb::MarkAsRead | Verb::Typing | Verb::Block | Verb::UnBlock => TOKEN,
        Verb::Conversions => CONVERSIONS_TOKEN,
    }
}

fn target() -> Target {
    Target {
        graph_url: "https://graph.facebook.com".to_owned(),
        version: "v26.0".to_owned(),
        phone_number_id: PhoneNumberId::parse("106540352242922").expect("digits are an id"),
        waba_id: WabaId::parse(WABA).expect("digits are an id"),
        dataset_id: None,
        access_token: Secret::new(TOKEN),
        conversions_token: Some(Secret::new(CONVERSIONS_TOKEN)),
    }
}

fn member(verb: Verb, person: &str) -> Member {
    let message_id = || Wamid::parse("wamid.A").expect("a text is a message id");
    let action = match verb {
        Verb::MarkAsRead => Action::MarkAsRead { message_id: message_id() },
        Verb::Typing => Action::Typing { message_id: message_id() },
        Verb::Block => Action::Block,
        Verb::UnBlock => Action::UnBlock,
        Verb::Conversions => {
            let value = CtwaClid::parse("clid").expect("a text is a click id");
            Action::Conversion(Box::new(Conversion {
                name: ConversionName::LeadSubmitted,
                click: Some(ClickId { value, captured: true }),
                event_time: NOW,
                event_id: None,
                currency: None,
                value: None,
            }))
        }
    };
    let event = Event {
        account: AccountName::parse("shop").expect("a word is a name"),
        business: PhoneNumber::parse("+316098765432").expect("this is a number"),
        person: Some(Person::parse(person).expect("this is a person")),
        action,
        reference: None,
        accepted_at: NOW,
        custom: None,
    };
    Member { id: EventId::new(NOW, 0, 1), event: Arc::new(event) }
}
