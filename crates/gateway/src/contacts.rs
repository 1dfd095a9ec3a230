//! What is known of a person under all of their names.

use std::collections::BTreeSet;

use laneway_journal::{ContactTouch, Error, Journal};
use laneway_model::{Contact, LaneKey, Person, PhoneNumber, Touch};
use laneway_wire::cm::EventRequest;

use crate::accept::{self, Told};
use crate::config::Rules;
use crate::node::Node;

/// The most names of one person that are looked at: number and id, and those before each change.
const NAMES_MAX: usize = 8;

/// What is known of a person, joined with what is known of them under the names they have beside this one, and under
/// those that they had before. `None` if that is nothing.
///
/// # Errors
/// What the journal says.
pub async fn known(
    journal: &Journal,
    business: PhoneNumber,
    person: &Person,
) -> Result<Option<Contact>, Error> {
    Ok(joined(journal, business, person).await?.map(|(contact, _)| contact))
}

/// What is known of a person, and the names under which it was looked for.
async fn joined(
    journal: &Journal,
    business: PhoneNumber,
    person: &Person,
) -> Result<Option<(Contact, BTreeSet<Person>)>, Error> {
    let own = journal.contact(business, person).await?;
    let Some(mut contact) = own else { return Ok(None) };
    let mut seen = BTreeSet::from([person.clone()]);
    let mut ahead = other_names(&contact);
    while let Some(name) = ahead.pop() {
        if seen.len() == NAMES_MAX || !seen.insert(name.clone()) {
            continue;
        }
        if let Some(other) = journal.contact(business, &name).await? {
            ahead.extend(other_names(&other));
            contact.join(&other);
        }
    }
    Ok(Some((contact, seen)))
}

/// Tells the driver of whom a click may have become known, under all of their names, so that conversions that wait for
/// one go on. Nothing is looked up while none waits.
pub async fn tell_clicked(node: &Node, touches: &[ContactTouch]) {
    if !node.driver.waits_for_clicks() {
        return;
    }
    let mut lanes = Vec::new();
    for ContactTouch { business, person, touch } in touches {
        match touch {
            Touch::Clicked(_) | Touch::Identified { .. } | Touch::Formerly { .. } => {}
            Touch::MessageIn { .. } | Touch::Blocked { .. } | Touch::Became { .. } => continue,
        }
        let names = match joined(&node.journal, *business, person).await {
            Ok(joined) => joined.map_or_else(|| BTreeSet::from([person.clone()]), |(_, names)| names),
            Err(error) => {
                tracing::warn!(%error, "the names of a person could not be read; one is enough if events gave it");
                BTreeSet::from([person.clone()])
            }
        };
        lanes.extend(names.into_iter().map(|person| LaneKey { business: *business, person }.hash64()));
    }
    if !lanes.is_empty() {
        node.driver.clicked(lanes).await;
    }
}

/// The names beside a contact's own. Who they became is not among them: the number may be somebody else's by now.
fn other_names(contact: &Contact) -> Vec<Person> {
    let phone = contact.phone.map(|(phone, _)| Person::Phone(phone));
    let bsuid = contact.bsuid.clone().map(|(bsuid, _)| Person::Bsuid(bsuid));
    let formerly = contact.formerly.clone().map(|(person, _)| person);
    [phone, bsuid, formerly].into_iter().flatten().collect()
}

/// What has to be known to judge a request. Only blocks, and conversions without a click id, ask for anything.
///
/// # Errors
/// What the journal says.
pub async fn told(node: &Node, rules: &Rules, request: &EventRequest<'_>) -> Result<Told, Error> {
    let Some((business, person)) = accept::asks_about(rules, request) else {
        return Ok(Told::NOTHING.clone());
    };
    let contact = known(&node.journal, business, &person).await?;
    Ok(Told { contact, heard: node.heard.of(business) })
}
