//! What must hold on the way of an event from the client's bytes through the journal's row to the body that Meta gets.
//! Fuzzing looks for bytes that break it; an ordinary test replays the corpus.

use std::sync::Arc;
use std::time::Duration;

use laneway_channel::Secret;
use laneway_channel::meta::{Call, Member, Verb, encode};
use laneway_gateway::accept::{self, Context, Refusal, Told};
use laneway_gateway::config::{Account, Country, Number, NumbersFrom, Rules, Waba};
use laneway_journal::{NewRow, Row};
use laneway_model::{
    AccountName, Click, Contact, CtwaClid, DatasetId, Event, EventId, Person, PhoneNumber, PhoneNumberId,
    Timestamp, Touch, WabaId,
};
use laneway_wire::cm;
use serde_json::value::RawValue;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);
const WABA: &str = "102290129340398";
/// A shorter token can be a part of something else by chance.
const TOKEN_BYTES_MIN: usize = 20;
/// More than the longest refusal, which repeats 64 characters, each escaped, and a list of names.
const REFUSAL_CHARS_MAX: usize = 1500;

/// One byte of switches, the idempotency key of the header up to the end of its line, the body.
struct Input<'a> {
    switches: u8,
    key: &'a [u8],
    body: &'a [u8],
}

impl<'a> Input<'a> {
    fn split(data: &'a [u8]) -> Option<Self> {
        let (&switches, rest) = data.split_first()?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        Some(Self { switches, key: &rest[..end], body: &rest[end + 1..] })
    }

    fn is_on(&self, switch: u32) -> bool {
        self.switches & (1 << switch) != 0
    }

    /// The header's key, if there is the header.
    fn key(&self) -> Option<&'a str> {
        self.is_on(0).then(|| std::str::from_utf8(self.key).ok()).flatten()
    }

    fn rules(&self) -> Rules {
        Rules {
            self_block: !self.is_on(1),
            event_time_in_future: !self.is_on(2),
            event_time_too_old: !self.is_on(3),
            unlisted_currency: !self.is_on(4),
            ..Rules::default()
        }
    }

    /// What is known of whatever user the event is about.
    fn told(&self) -> Told {
        if !self.is_on(7) {
            return Told::NOTHING.clone();
        }
        let business = PhoneNumber::parse("+316098765432").expect("this is a number");
        let person = Person::parse("+316012345678").expect("this is a person");
        let mut contact = Contact::new(business, person);
        let at = NOW.saturating_sub(Duration::from_hours(30));
        contact.fold(&Touch::MessageIn { at, id: None });
        let id = CtwaClid::parse("clid").expect("a text is a click id");
        contact.fold(&Touch::Clicked(Click { id, at, ad_id: None, headline: None }));
        Told { contact: Some(contact), heard: Some(NOW) }
    }

    fn account(&self) -> Account {
        Account {
            name: AccountName::parse("shop").expect("a word is a name"),
            tokens: Vec::new(),
            country: self.is_on(5).then(|| Country::parse("NL").expect("this is a country")),
            allow_restricted_country: self.is_on(6),
            wabas: vec![
                waba(WABA, Some("1234567890"), "+316098765432"),
                waba("102290129340399", None, "+14155550100"),
            ],
            cm_webhook_secrets: Vec::new(),
            forwards: Vec::new(),
            callbacks: Vec::new(),
            max_events_per_second: None,
            on_dead_letter: Default::default(),
            on_lost_answer: Default::default(),
            cm_token: None,
            route: Default::default(),
            shadow: Default::default(),
            open_access: false,
        }
    }
}

/// Judges the input, and follows what is accepted to the body that Meta gets.
pub(crate) fn check(data: &[u8]) {
    let Some(input) = Input::split(data) else { return };
    let Ok(request) = cm::parse(input.body) else { return };
    let (account, rules, told) = (input.account(), input.rules(), input.told());
    let keys_kept = Duration::from_hours(48);
    let ctx = Context { account: &account, now: NOW, rules: &rules, keys_kept, told: &told };
    let result = accept::check(&ctx, &request, input.key());
    assert_eq!(accept::check(&ctx, &request, input.key()), result, "the same input is judged the same");
    match &result {
        Ok(row) => {
            assert!(row.expires > NOW && row.due <= NOW, "what is accepted can be tried");
            let event = check_row(row);
            let body = check_call(event);
            check_token(&input, &request, &[&row.body, body.as_bytes()]);
        }
        Err(refusal) => check_refusal(refusal),
    }
}

/// The event comes back from its row as it went in.
fn check_row(row: &NewRow) -> Event {
    let stored = Row {
        id: EventId::new(row.accepted_at, 0, 1),
        account: row.account.clone(),
        business: row.business,
        person: row.person.clone(),
        kind: row.kind,
        reference: row.reference.clone(),
        expires: row.expires,
        body: Arc::clone(&row.body),
    };
    let event = stored.event().expect("a row that was just made can be read");
    let again = NewRow::of_event(&event, row.due, row.expires, row.keys.clone());
    assert_eq!(&again, row);
    if let Some(custom) = event.custom.as_deref() {
        assert!(serde_json::from_str::<&RawValue>(custom).is_ok(), "what is kept of custom can be shown");
    }
    event
}

/// A call can be made of the event, and its body is JSON.
fn check_call(event: Event) -> String {
    let waba = WabaId::parse(WABA).expect("digits are an id");
    let verb = Verb::of(event.kind());
    let members = [Member { id: EventId::new(NOW, 0, 1), event: Arc::new(event) }];
    let encoded = encode::encode(&waba, Call { verb, members: &members, now: NOW });
    let body = encoded.expect("an accepted event can be sent").body;
    assert!(serde_json::from_str::<&RawValue>(&body).is_ok(), "the body of a call is JSON");
    body
}

/// A client's token is neither stored nor sent on.
fn check_token(input: &Input<'_>, request: &cm::EventRequest<'_>, kept: &[&[u8]]) {
    let Some(token) = request.product_token.as_ref().map(|token| token.expose()) else { return };
    let body = String::from_utf8_lossy(input.body);
    // With an escape in the body its text is not what is read, and elsewhere the client may have written anything.
    let is_only_token =
        token.len() >= TOKEN_BYTES_MIN && !body.contains('\\') && body.matches(token).count() == 1;
    if is_only_token {
        let finds = |bytes: &&[u8]| bytes.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!kept.iter().any(finds), "the token is kept");
    }
}

/// A refusal is a line of text for people, and short.
fn check_refusal(refusal: &Refusal) {
    let texts = [Some(&refusal.details), refusal.field.as_ref(), refusal.hint.as_ref()];
    for text in texts.into_iter().flatten() {
        assert!(!text.is_empty() && text.chars().count() <= REFUSAL_CHARS_MAX, "{text:?}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    assert!((400..500).contains(&refusal.code.http_status()), "the input is at fault, and nothing else");
    serde_json::to_string(&refusal.body()).expect("a refusal has a JSON form");
}

fn waba(id: &str, dataset: Option<&str>, number: &str) -> Waba {
    Waba {
        id: WabaId::parse(id).expect("digits are an id"),
        app: None,
        access_token: Secret::new("EAAGm0PX4ZCpsBAKZCtoken"),
        conversions_token: None,
        dataset_id: dataset.map(|id| DatasetId::parse(id).expect("digits are an id")),
        looks_up_dataset: false,
        numbers_from: NumbersFrom::File,
        graph_url: Waba::GRAPH_URL.to_owned(),
        graph_version: Waba::GRAPH_VERSION.to_owned(),
        max_calls_per_second: Waba::MAX_CALLS_PER_SECOND,
        numbers: vec![Number {
            number: PhoneNumber::parse(number).expect("this is a number"),
            phone_number_id: PhoneNumberId::parse("106540352242922").expect("digits are an id"),
        }],
    }
}
