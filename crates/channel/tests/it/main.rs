//! Calls to Meta over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that finds something unexpected stops")]

mod blocklist;
mod failures;
mod look_up;
mod pass;
mod requests;
mod server;

use std::sync::Arc;
use std::time::Duration;

use laneway_channel::http::Limits;
use laneway_channel::meta::{Member, Target};
use laneway_channel::{Secret, meta};
use laneway_model::{
    AccountName, Action, DatasetId, Event, EventId, Person, PhoneNumber, PhoneNumberId, Timestamp, WabaId,
    Wamid,
};

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn target(graph_url: &str) -> Target {
    Target {
        graph_url: graph_url.to_owned(),
        version: "v26.0".to_owned(),
        phone_number_id: PhoneNumberId::parse("106540352242922").unwrap(),
        waba_id: WabaId::parse("102290129340398").unwrap(),
        dataset_id: Some(DatasetId::parse("1234567890").unwrap()),
        access_token: Secret::new("token-for-messages"),
        conversions_token: Some(Secret::new("token-for-conversions")),
    }
}

fn member(action: Action, person: &str) -> Member {
    let event = Event {
        account: AccountName::parse("shop").unwrap(),
        business: PhoneNumber::parse("+316098765432").unwrap(),
        person: Some(Person::parse(person).unwrap()),
        action,
        reference: None,
        accepted_at: NOW,
        custom: None,
    };
    Member { id: EventId::new(NOW, 0, 1), event: Arc::new(event) }
}

fn wamid() -> Wamid {
    Wamid::parse("wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUYzMjEzNDM2RTZGQ0MzMDJBRgA=").unwrap()
}

fn read_mark() -> Member {
    member(Action::MarkAsRead { message_id: wamid() }, "+16503879439")
}

/// Limits under which no test that passes waits long, and no test that fails waits for ever.
fn limits() -> Limits {
    Limits { call_timeout: Duration::from_secs(10), ..Limits::default() }
}

fn client() -> meta::Client {
    meta::Client::new(limits())
}
