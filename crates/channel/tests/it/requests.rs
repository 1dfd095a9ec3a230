//! What leaves, byte for byte.

use std::fs;
use std::path::Path;

use laneway_channel::meta::{Call, Verb};
use laneway_model::{Amount, ClickId, Conversion, ConversionName, CtwaClid, Currency, Outcome, Reference};

use super::server::{SUCCESS, Server, Step};
use super::*;

const ADDED: Step = Step::Answer(
    r#"{"messaging_product":"whatsapp","block_users":{"added_users":[{"input":"+16505551234","wa_id":"16505551234"},{"input":"+14155559876","wa_id":"14155559876"}]}}"#,
);
const REMOVED: Step = Step::Answer(
    r#"{"messaging_product":"whatsapp","block_users":{"removed_users":[{"input":"+16505551234","wa_id":"16505551234"},{"input":"+14155559876","wa_id":"14155559876"}]}}"#,
);
const RECEIVED: Step = Step::Answer(r#"{"events_received":1,"messages":[],"fbtrace_id":"ABC"}"#);

async fn check(verb: Verb, members: &[Member], script: &'static [&'static [Step]], name: &str) {
    let server = Server::start(script).await;
    let host = server.address().to_owned();
    let answer = client().send(&target(&server.url()), Call { verb, members, now: NOW }, || {}).await;
    assert_eq!(answer.outcomes, vec![Outcome::Confirmed; members.len()], "{name}");
    assert_eq!(answer.http_status, Some(200), "{name}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/requests").join(name);
    let text = fs::read_to_string(path).unwrap();
    let expected = text.trim_end().replace('\n', "\r\n").replace("{host}", &host);
    assert_eq!(server.requests().await, [expected], "{name}");
}

#[tokio::test]
async fn read_marks() {
    check(Verb::MarkAsRead, &[read_mark()], &[&[Step::Read, SUCCESS]], "mark-as-read.http").await;
}

#[tokio::test]
async fn typing_indicators() {
    let typing = member(Action::Typing { message_id: wamid() }, "+16503879439");
    check(Verb::Typing, &[typing], &[&[Step::Read, SUCCESS]], "typing.http").await;
}

#[tokio::test]
async fn blocks() {
    let users = ["+16505551234", "+14155559876"].map(|person| member(Action::Block, person));
    check(Verb::Block, &users, &[&[Step::Read, ADDED]], "block-users.http").await;
}

/// The unblock call is a `DELETE` with a body; without the body Meta could not know whom it is about.
#[tokio::test]
async fn unblocks_carry_their_body() {
    let users = ["+16505551234", "+14155559876"].map(|person| member(Action::UnBlock, person));
    check(Verb::UnBlock, &users, &[&[Step::Read, REMOVED]], "unblock-users.http").await;
}

#[tokio::test]
async fn conversions_use_their_own_token() {
    let click =
        "ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwFF4XvnO2E4Nx0-eM-GABDLOPaOdRMv-_zfUQ2a";
    let purchase = Conversion {
        name: ConversionName::Purchase,
        click: Some(ClickId { value: CtwaClid::parse(click).unwrap(), captured: false }),
        event_time: Timestamp::from_secs(1_675_999_999),
        event_id: Some(Reference::parse("order-1001").unwrap()),
        currency: Currency::parse("USD"),
        value: Some(Amount::parse("123").unwrap()),
    };
    let purchase = member(Action::Conversion(Box::new(purchase)), "+16505551234");
    check(Verb::Conversions, &[purchase], &[&[Step::Read, RECEIVED]], "conversion-purchase.http").await;
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call() {
    let server = Server::start(&[&[Step::Read, SUCCESS, Step::Read, SUCCESS]]).await;
    let (client, target, members) = (client(), target(&format!("{}/", server.url())), [read_mark()]);
    for _ in 0..2 {
        let answer =
            client.send(&target, Call { verb: Verb::MarkAsRead, members: &members, now: NOW }, || {}).await;
        assert_eq!(answer.outcomes, [Outcome::Confirmed]);
    }
    assert_eq!(server.requests().await.len(), 2);
}
