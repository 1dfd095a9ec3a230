//! `/api/v1/contacts`: what is known of a person, and how all of it is erased.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use laneway_journal::{Filter, Queue, Sequence, Tenant};
use laneway_model::{Click, Contact, EventKind, Person, PhoneNumber, Status};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{admitted, reader};
use super::instant::Instant;
use super::problem::{EraserRefused, Problem, ProblemBody, ProblemCode, ReaderRefused, unavailable};
use super::query::{Query, quoted};
use super::{Api, RETRY_AFTER};
use crate::config::{Account, NumbersFrom, Scopes};
use crate::contacts;
use crate::outbox::PostKind;
use crate::telemetry::Route;

/// The most pages of events that are looked through for the last block or unblock.
const PAGES_MAX: usize = 16;

/// The most open events of one person that an erasure gives up in one go.
const OPEN_EVENTS_MAX: usize = 10_000;
/// How long an erasure waits for calls under way that carry events of the person.
const CALLS_PATIENCE: Duration = Duration::from_secs(10);

/// What an erasure removed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Erasure {
    /// Everyone who was erased: the person, and who is known to be the same.
    users: Vec<String>,
    /// Events, open or not. Those that were open have been given up before.
    events: u64,
    /// Callbacks about these events, and forwards that named the person, sent or not.
    posts: u64,
    /// Forwards that were still to be sent and are not about the person alone. What they told of others is not sent either.
    unsent: u64,
    /// Notifications that named the person, as they came. One that names others, too, is among them.
    notifications: u64,
    /// Contacts, counted once per business number and name.
    contacts: u64,
}

/// What is known of a person in the eyes of a business number.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactState {
    /// The business number.
    business: String,
    /// The person, as asked for.
    user: String,
    /// Their number, if it is known beside a business-scoped id.
    #[schema(required)]
    phone: Option<String>,
    /// Their business-scoped id, if it is known beside a number.
    #[schema(required)]
    user_id: Option<String>,
    /// Who they were before they changed their number or id.
    #[schema(required)]
    formerly: Option<String>,
    /// Who they are since they changed their number or id.
    #[schema(required)]
    became: Option<String>,
    /// When they last wrote.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    last_message_in: Option<Instant>,
    /// Until when Meta's 24-hour window is open; it may have closed meanwhile.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    window_open_until: Option<Instant>,
    blocked: BlockedState,
    /// The ids of their ad clicks, newest first.
    click_ids: Vec<ClickState>,
}

/// Whether a person is blocked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BlockedState {
    /// As the last Block or UnBlock asks for that has not failed; null where there is none.
    #[schema(required)]
    wanted: Option<bool>,
    /// As Meta last confirmed; null where it never has.
    #[schema(required)]
    confirmed: Option<bool>,
    /// When Meta confirmed it.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    confirmed_at: Option<Instant>,
}

/// One click on an ad.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClickState {
    /// The click id (`ctwa_clid`).
    value: String,
    /// When the message that carried it was written.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// The ad.
    #[schema(required)]
    ad_id: Option<String>,
    /// The ad's headline.
    #[schema(required)]
    headline: Option<String>,
}

/// What is known of a person
///
/// It comes from notifications and from confirmed events, joined over the names that the person has and had.
#[utoipa::path(
    get, path = "/api/v1/contacts/{business}/{user}", tag = "contacts", operation_id = "get_contact",
    params(
        ("business" = String, Path, description = "One of the account's numbers, in any form"),
        ("user" = String, Path, description = "The person: a number in any form, or a business-scoped user id"),
    ),
    responses(
        (status = 200, description = "What is known", body = ContactState),
        ReaderRefused,
        (status = 404, description = "Nothing is known, or the number is not the account's", body = ProblemBody),
        (status = 503, description = "The store cannot answer now", body = ProblemBody),
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    api.answer(Route::Contact, one(&api, path, &headers, &uri).await)
}

/// Erase a person
///
/// Everything of this account about a person, at all of its numbers: events, open or not, what its own addresses are told
/// of them, contacts, and the notifications that name them. Whoever is known to be the same person is erased along.
#[utoipa::path(
    delete, path = "/api/v1/contacts/{user}", tag = "contacts", operation_id = "erase_contact",
    params(("user" = String, Path, description = "The person: a number in any form, or a business-scoped user id")),
    responses(
        (status = 200, description = "What was erased", body = Erasure),
        EraserRefused,
        (status = 503, description = "The store cannot do it now; asking again goes on", body = ProblemBody),
    )
)]
pub(super) async fn erase(
    State(api): State<Arc<Api>>,
    user: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    api.answer(Route::Contact, erased(&api, user, &headers, &uri).await)
}

async fn erased(
    api: &Api,
    user: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Erasure, Problem> {
    let config = api.config();
    let account = admitted(&config, headers, Scopes::ERASE, "erase")?;
    Query::read(uri, &[])?;
    let person = person_of(&user.map(|Path(user)| user).unwrap_or_default())?;
    let at = api.node.clock.wall();
    let businesses = account.wabas.iter().flat_map(|waba| &waba.numbers).map(|number| number.number);
    let tenant = Tenant { account: account.name.clone(), businesses: businesses.collect() };
    let journal = &api.node.journal;
    let users = journal.same_person(&person, &tenant).await.map_err(|error| unavailable(api, &error))?;
    let mut given_up = Vec::new();
    for user in &users {
        given_up.extend(give_up(api, account, user).await?);
    }
    let erased = journal.erase_of(&tenant, &person, at).await.map_err(|error| unavailable(api, &error))?;
    for kind in PostKind::ALL {
        api.node.outbox.desk(kind).posts_removed().await;
    }
    // A dead letter that held its lane is gone, and must not hold it any more.
    api.node.driver.discard(given_up).await;
    tracing::info!(
        account.name = account.name.as_str(),
        person = person.masked(),
        events = erased.events,
        posts = erased.posts,
        unsent = erased.unsent,
        notifications = erased.notifications,
        contacts = erased.contacts,
        "erased a person"
    );
    Ok(Erasure {
        users: users.iter().map(ToString::to_string).collect(),
        events: erased.events,
        posts: erased.posts,
        unsent: erased.unsent,
        notifications: erased.notifications,
        contacts: erased.contacts,
    })
}

/// Gives up every open event of a person, so that nothing of them is delivered after it was erased. A call that is under
/// way ends first, unless it takes too long; its outcome then finds nothing to be written to. Answers which events those
/// are, and which have failed before and may hold their lanes.
async fn give_up(api: &Api, account: &Account, person: &Person) -> Result<Vec<Sequence>, Problem> {
    let filter = Filter {
        account: Some(account.name.clone()),
        statuses: Status::ALL
            .into_iter()
            .filter(|status| status.is_open() || *status == Status::Failed)
            .collect(),
        person: Some(person.clone()),
        ..Filter::default()
    };
    let (mut open, mut failed, mut before) = (Vec::new(), Vec::new(), None);
    while open.len() + failed.len() < OPEN_EVENTS_MAX {
        let page = api.node.journal.list(Queue::Events, filter.clone(), before, OPEN_EVENTS_MAX).await;
        let page = page.map_err(|error| unavailable(api, &error))?;
        for record in &page.records {
            let is_open = record.status.is_open();
            (if is_open { &mut open } else { &mut failed }).push(record.row.id.sequence());
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let given_up = [&open[..], &failed].concat();
    if open.is_empty() {
        return Ok(given_up);
    }
    let waits: Vec<_> = open.iter().map(|sequence| api.node.driver.final_wait(*sequence)).collect();
    api.node.driver.discard(open).await;
    let ended = async {
        for wait in waits {
            wait.done().await;
        }
    };
    // Whether all of them ended or the time is over: what is erased is not delivered again.
    tokio::time::timeout(CALLS_PATIENCE, ended).await.unwrap_or_default();
    Ok(given_up)
}

async fn one(
    api: &Api,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<ContactState, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?;
    Query::read(uri, &[])?;
    let (business, user) = path.map(|Path(names)| names).unwrap_or_default();
    let business = number_of(account, &business)?;
    let person = person_of(&user)?;
    let contact = contacts::known(&api.node.journal, business, &person).await;
    let contact = contact.map_err(|error| unavailable(api, &error))?;
    let wanted = wanted(api, account, business, &person).await?;
    match contact {
        None if wanted.is_none() => {
            Err(Problem::new(ProblemCode::NotFound, format!("nothing is known of {person}"))
                .hint("persons become known by notifications, and by blocks that Meta confirmed"))
        }
        contact => Ok(ContactState::of(contact.unwrap_or_else(|| Contact::new(business, person)), wanted)),
    }
}

/// One of the account's own numbers.
pub(super) fn number_of(account: &Account, text: &str) -> Result<PhoneNumber, Problem> {
    let number = PhoneNumber::parse(text).map_err(|error| {
        Problem::new(
            ProblemCode::InvalidParameter,
            format!("business: {} is no number: {error}", quoted(text)),
        )
        .of("business")
    })?;
    let mut numbers = account.wabas.iter().flat_map(|waba| &waba.numbers);
    if numbers.any(|own| own.number == number) {
        Ok(number)
    } else if account.wabas.iter().any(|waba| waba.numbers_from == NumbersFrom::NotYet) {
        let problem =
            Problem::new(ProblemCode::Unavailable, format!("{number} is not known yet; Meta is being asked"));
        Err(problem.retry_after(RETRY_AFTER))
    } else {
        Err(Problem::new(ProblemCode::NotFound, format!("{number} is no number of this account")))
    }
}

/// A person, by number or by business-scoped id.
pub(super) fn person_of(text: &str) -> Result<Person, Problem> {
    Person::parse(text).map_err(|error| {
        let message =
            format!("user: {} is neither a number nor a business-scoped user id: {error}", quoted(text));
        Problem::new(ProblemCode::InvalidParameter, message).of("user")
    })
}

/// What the last block or unblock of the person asks for, unless it has failed.
async fn wanted(
    api: &Api,
    account: &Account,
    business: PhoneNumber,
    person: &Person,
) -> Result<Option<bool>, Problem> {
    let filter = Filter {
        account: Some(account.name.clone()),
        statuses: Status::ALL
            .into_iter()
            .filter(|status| status.is_open() || matches!(status, Status::Confirmed | Status::Relayed))
            .collect(),
        kinds: vec![EventKind::Block.code(), EventKind::UnBlock.code()],
        business: Some(business),
        person: Some(person.clone()),
        ..Filter::default()
    };
    let mut before = None;
    for _ in 0..PAGES_MAX {
        let page = api.node.journal.list(Queue::Events, filter.clone(), before, 1).await;
        let page = page.map_err(|error| unavailable(api, &error))?;
        if let Some(record) = page.records.first() {
            return Ok(Some(record.row.kind == EventKind::Block.code()));
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(None)
}

impl ContactState {
    fn of(contact: Contact, wanted: Option<bool>) -> Self {
        let window_open_until = contact.window_until().map(Instant);
        let name = |person: Option<(Person, _)>| person.map(|(person, _)| person.to_string());
        Self {
            business: contact.business.to_string(),
            user: contact.person.to_string(),
            phone: contact.phone.map(|(phone, _)| phone.to_string()),
            user_id: contact.bsuid.map(|(bsuid, _)| bsuid.to_string()),
            formerly: name(contact.formerly),
            became: name(contact.became),
            last_message_in: contact.last_message_in.map(Instant),
            window_open_until,
            blocked: BlockedState {
                wanted,
                confirmed: contact.blocked.map(|(blocked, _)| blocked),
                confirmed_at: contact.blocked.map(|(_, at)| Instant(at)),
            },
            click_ids: contact.clicks.into_iter().map(ClickState::of).collect(),
        }
    }
}

impl ClickState {
    fn of(click: Click) -> Self {
        let Click { id, at, ad_id, headline } = click;
        Self { value: id.as_str().to_owned(), at: Instant(at), ad_id, headline }
    }
}
