//! `/api/v1/blocklist`: whom a business number has blocked, as its events ask for and as Meta has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Uri};
use laneway_channel::meta::Target;
use laneway_journal::{Filter, Queue};
use laneway_model::{Contact, EventKind, Person, PhoneNumber, Status};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::auth::reader;
use super::contacts::number_of;
use super::problem::{Problem, ProblemBody, ProblemCode, ReaderRefused, unavailable};
use super::query::Query;
use crate::config::Account;
use crate::telemetry::Route;

/// Contacts that are looked at in one step.
const CONTACTS_PER_STEP: usize = 2_000;
/// Open events that are looked at in one step.
const EVENTS_PER_STEP: usize = 200;
/// The most open blocks and unblocks that are looked at.
const OPEN_EVENTS_MAX: usize = 100_000;

/// Whom a business number has blocked.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BlockList {
    /// The business number.
    business: String,
    /// Whom it wants to be blocked: those whose block Meta confirmed or CM.com took, and what open blocks and unblocks ask
    /// for.
    wanted: Vec<String>,
    /// Whom Meta's list has.
    actual: Vec<String>,
    drift: Drift,
}

/// How the two differ.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Drift {
    /// Wanted, and not on Meta's list.
    missing: Vec<String>,
    /// On Meta's list, although the last event about them was an unblock.
    unwanted: Vec<String>,
    /// On Meta's list, and no event that is known here is about them.
    unknown: Vec<String>,
    /// Wanted by their business-scoped id, which Meta's list does not tell; nor has it a number that is known to be theirs.
    hidden: Vec<String>,
}

/// A business number's block list
///
/// What its events ask for is held against Meta's own list, which is read at this moment, page by page. The drift is told
/// and nothing is changed.
#[utoipa::path(
    get, path = "/api/v1/blocklist/{business}", tag = "contacts", operation_id = "get_blocklist",
    params(("business" = String, Path, description = "One of the account's numbers, in any form")),
    responses(
        (status = 200, description = "Both lists, and how they differ", body = BlockList),
        ReaderRefused,
        (status = 404, description = "The number is not the account's", body = ProblemBody),
        (status = 502, description = "Meta's list cannot be read", body = ProblemBody),
        (status = 503, description = "The store cannot answer now", body = ProblemBody),
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    business: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    api.answer(Route::BlockList, list(&api, business, &headers, &uri).await)
}

async fn list(
    api: &Api,
    business: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<BlockList, Problem> {
    let config = api.config();
    let account = reader(&config, headers)?;
    Query::read(uri, &[])?;
    let business = number_of(account, &business.map(|Path(business)| business).unwrap_or_default())?;
    let mut wishes = wishes(api, account, business).await?;
    let target = target_of(account, business).ok_or_else(|| {
        Problem::new(ProblemCode::NotFound, format!("{business} is no number of this account"))
    })?;
    let actual = api.node.meta.block_list(&target).await.map_err(|error| {
        tracing::warn!(business = business.masked(), %error, "Meta's block list cannot be read");
        Problem::new(ProblemCode::MetaFailed, format!("Meta's block list cannot be read: {error}"))
    })?;
    let mut asked = BTreeMap::new();
    for person in actual.iter().filter(|person| !wishes.contains_key(person)).collect::<Vec<_>>() {
        let Some(contact) = known(api, business, person).await? else { continue };
        // Meta's list may name by their number whom an event has named by their id, and the other way round.
        let other = match person {
            Person::Phone(_) => contact.bsuid.map(|(id, _)| Person::Bsuid(id)),
            Person::Bsuid(_) => contact.phone.map(|(number, _)| Person::Phone(number)),
        };
        if let Some(blocks) = other.and_then(|other| wishes.remove(&other)) {
            wishes.insert(person.clone(), blocks);
        } else if let Some((blocked, _)) = contact.blocked {
            asked.insert(person.clone(), blocked);
        }
    }
    Ok(compared(business, &wishes, &actual, &asked))
}

async fn known(api: &Api, business: PhoneNumber, person: &Person) -> Result<Option<Contact>, Problem> {
    let contact = api.node.journal.contact(business, person).await;
    contact.map_err(|error| unavailable(api, &error))
}

/// Who is wanted to be blocked, or not, as far as confirmed blocks, those that CM.com took, and open events tell.
async fn wishes(
    api: &Api,
    account: &Account,
    business: PhoneNumber,
) -> Result<BTreeMap<Person, bool>, Problem> {
    let mut wishes = BTreeMap::new();
    let mut after = None;
    loop {
        let page = api.node.journal.blocked(business, after, CONTACTS_PER_STEP).await;
        let page = page.map_err(|error| unavailable(api, &error))?;
        wishes.extend(page.persons.into_iter().map(|person| (person, true)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let filter = Filter {
        account: Some(account.name.clone()),
        statuses: Status::ALL.into_iter().filter(|s| s.is_open() || *s == Status::Relayed).collect(),
        kinds: vec![EventKind::Block.code(), EventKind::UnBlock.code()],
        business: Some(business),
        ..Filter::default()
    };
    let (mut newest, mut before, mut seen) = (BTreeMap::new(), None, 0);
    while seen < OPEN_EVENTS_MAX {
        let page = api.node.journal.list(Queue::Events, filter.clone(), before, EVENTS_PER_STEP).await;
        let page = page.map_err(|error| unavailable(api, &error))?;
        seen += page.records.len();
        for record in page.records {
            let blocks = record.row.kind == EventKind::Block.code();
            let relayed_at = (record.status == Status::Relayed).then_some(record.updated_at);
            if let Some(person) = record.row.person {
                newest.entry(person).or_insert((blocks, relayed_at));
            }
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    for (person, (blocks, relayed_at)) in newest {
        let confirmed = match relayed_at {
            Some(_) => known(api, business, &person).await?.and_then(|contact| contact.blocked),
            None => None,
        };
        // What Meta has confirmed since then counts.
        if relayed_at.is_none_or(|relayed_at| confirmed.is_none_or(|(_, at)| at < relayed_at)) {
            wishes.insert(person, blocks);
        }
    }
    Ok(wishes)
}

fn target_of(account: &Account, business: PhoneNumber) -> Option<Target> {
    let has_it = |waba: &&crate::config::Waba| waba.numbers.iter().any(|number| number.number == business);
    let waba = account.wabas.iter().find(has_it)?;
    let number = waba.numbers.iter().find(|number| number.number == business)?;
    Some(Target {
        graph_url: waba.graph_url.clone(),
        version: waba.graph_version.clone(),
        phone_number_id: number.phone_number_id.clone(),
        waba_id: waba.id.clone(),
        dataset_id: waba.dataset_id.clone(),
        access_token: waba.access_token.clone(),
        conversions_token: waba.conversions_token.clone(),
    })
}

/// Both lists, and how they differ. `asked` is what Meta last confirmed of those on its list that nobody wants blocked.
fn compared(
    business: PhoneNumber,
    wishes: &BTreeMap<Person, bool>,
    actual: &[Person],
    asked: &BTreeMap<Person, bool>,
) -> BlockList {
    let at_meta: BTreeSet<&Person> = actual.iter().collect();
    let wanted = || wishes.iter().filter(|(_, blocks)| **blocks).map(|(person, _)| person);
    let shown = |persons: Vec<&Person>| persons.iter().map(ToString::to_string).collect();
    let is_absent = |person: &&Person| !at_meta.contains(*person);
    let is_by_id = |person: &Person| matches!(person, Person::Bsuid(_));
    let (mut unwanted, mut unknown) = (Vec::new(), Vec::new());
    for person in actual {
        match wishes.get(person).or_else(|| asked.get(person)) {
            Some(true) => {}
            Some(false) => unwanted.push(person.to_string()),
            None => unknown.push(person.to_string()),
        }
    }
    BlockList {
        business: business.to_string(),
        wanted: shown(wanted().collect()),
        actual: actual.iter().map(ToString::to_string).collect(),
        drift: Drift {
            missing: shown(wanted().filter(is_absent).filter(|person| !is_by_id(person)).collect()),
            unwanted,
            unknown,
            hidden: shown(wanted().filter(is_absent).filter(|person| is_by_id(person)).collect()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift() {
        let number = |n: u64| PhoneNumber::from_u64(31_600_000_000 + n).unwrap();
        let id = |id| Person::parse(id).unwrap();
        let wishes = [
            (Person::Phone(number(1)), true),
            (Person::Phone(number(2)), true),
            (Person::Phone(number(3)), false),
            (id("US.1"), true),
            (id("US.2"), true),
        ];
        let actual: Vec<Person> =
            [1, 3, 4, 5].map(|n| Person::Phone(number(n))).into_iter().chain([id("US.2")]).collect();
        let list = compared(
            number(9),
            &wishes.into_iter().collect(),
            &actual,
            &[(Person::Phone(number(4)), false)].into_iter().collect(),
        );
        let Drift { missing, unwanted, unknown, hidden } = list.drift;
        assert_eq!(list.wanted, ["+31600000001", "+31600000002", "US.1", "US.2"]);
        assert_eq!((missing, hidden), (vec!["+31600000002".to_owned()], vec!["US.1".to_owned()]));
        assert_eq!(unwanted, ["+31600000003", "+31600000004"]);
        assert_eq!(unknown, ["+31600000005"]);
    }
}
