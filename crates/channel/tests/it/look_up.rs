//! Questions about a WABA: reading a list page by page, and what is no answer.

use laneway_channel::meta::look_up::{Account, App, Error, TokenState};
use laneway_model::WabaId;

use super::server::{Server, Step};
use super::*;

const FIRST: &str = r#"{"data":[{"id":"11","display_phone_number":"+1 631-555-5555"},{"verified_name":"no id"}],"paging":{"cursors":{"before":"a","after":"MTE="},"next":"http://elsewhere.example/"}}"#;
const LAST: &str = r#"{"data":[{"id":"12","display_phone_number":"pending"},{"id":"13"}],"paging":{"cursors":{"before":"b","after":"MTM="}}}"#;
const DENIED: &str = r#"{"error":{"message":"(#10) No permission","type":"OAuthException","code":10}}"#;
const BUSY: &str = r#"{"error":{"message":"Later","type":"OAuthException","code":2,"is_transient":true}}"#;

fn account(graph_url: &str) -> Account {
    let waba_id = WabaId::parse("102290129340398").unwrap();
    Account { graph_url: graph_url.to_owned(), version: "v26.0".to_owned(), waba_id }
}

/// The numbers with their ids and whether they are all; and the first line of each request.
type Read = (Result<(Vec<(String, Option<String>)>, bool), Error>, Vec<String>);

async fn read(scripts: &'static [&'static [Step]]) -> Read {
    let server = Server::start(scripts).await;
    let listed = client().numbers(&account(&server.url()), &Secret::new("token-for-messages")).await;
    let listed = listed.map(|listed| {
        let row = |row: &laneway_channel::meta::look_up::ListedNumber| {
            (row.id.to_string(), row.number.map(|number| number.to_string()))
        };
        (listed.numbers.iter().map(row).collect(), listed.is_whole)
    });
    let requests = server.requests().await;
    (listed, requests.iter().map(|request| request.lines().next().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn pages_of_numbers_are_followed_by_their_cursor() {
    let (listed, asked) = read(&[&[Step::Read, Step::Answer(FIRST), Step::Read, Step::Answer(LAST)]]).await;
    let numbers = [("11", Some("+16315555555")), ("12", None), ("13", None)];
    let numbers = numbers.map(|(id, number)| (id.to_owned(), number.map(str::to_owned))).to_vec();
    assert_eq!(listed, Ok((numbers, true)));
    let path = "GET /v26.0/102290129340398/phone_numbers?limit=100";
    // The address of the next page is the answer's; it is not followed, so that the token goes nowhere else.
    assert_eq!(asked, ["", "&after=MTE%3D"].map(|after| format!("{path}{after} HTTP/1.1")));
}

#[tokio::test]
async fn a_cursor_that_does_not_move_ends_the_list() {
    let (listed, asked) = read(&[&[Step::Read, Step::Answer(FIRST), Step::Read, Step::Answer(FIRST)]]).await;
    assert!(listed.unwrap().1);
    assert_eq!(asked.len(), 2);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_no_answer() {
    const SCRIPTS: [(&[&[Step]], bool); 3] = [
        (&[&[Step::Read, Step::Answer(FIRST), Step::Read, Step::Answer(DENIED)]], true),
        (&[&[Step::Read, Step::Answer(FIRST), Step::Read, Step::Answer(BUSY)]], false),
        (&[&[Step::Read, Step::Answer(FIRST), Step::Read, Step::Answer("<html>")]], false),
    ];
    for (script, is_refusal) in SCRIPTS {
        let (listed, _) = read(script).await;
        assert_eq!(matches!(listed, Err(Error::Refused(_))), is_refusal, "{listed:?}");
        assert!(listed.is_err());
    }
}

const APPS: &str = r#"{"data":[{"whatsapp_business_api_data":{"id":"12","name":"Shop"}},{"override_callback_uri":"https://else.example/","whatsapp_business_api_data":{"id":"13"}}]}"#;
const APP: &str = r#"{"name":"Shop","id":"12"}"#;
const TOKEN: &str = r#"{"data":{"app_id":"12","application":"Shop","data_access_expires_at":1672092840,"expires_at":1665090000,"granular_scopes":[{"scope":"whatsapp_business_messaging","target_ids":["102"]}],"is_valid":true,"scopes":["whatsapp_business_messaging"]}}"#;
const FOR_EVER: &str = r#"{"data":{"data_access_expires_at":0,"expires_at":0,"is_valid":true,"scopes":[]}}"#;
const DEAD: &str = r#"{"data":{"error":{"code":190,"message":"token-for-messages has expired"},"is_valid":false,"scopes":[]}}"#;
const NOTHING: &str = "{}";

fn secret() -> Secret {
    Secret::new("token-for-messages")
}

/// One question to a server that answers this, and the path that was asked.
async fn ask<T>(
    script: &'static [&'static [Step]],
    question: impl AsyncFnOnce(meta::Client, Account) -> T,
) -> (T, String) {
    let server = Server::start(script).await;
    let answer = question(client(), account(&server.url())).await;
    let asked = server.requests().await.remove(0).lines().next().unwrap().to_owned();
    (answer, asked)
}

#[tokio::test]
async fn apps_and_their_subscriptions() {
    let app = |id: &str, name: Option<&str>, callback: Option<&str>| App {
        id: id.to_owned(),
        name: name.map(str::to_owned),
        callback: callback.map(str::to_owned),
    };
    let (apps, asked) = ask(&[&[Step::Read, Step::Answer(APPS)]], async |client, account| {
        client.subscribed_apps(&account, &secret()).await
    })
    .await;
    assert_eq!(
        apps.unwrap(),
        [app("12", Some("Shop"), None), app("13", None, Some("https://else.example/"))]
    );
    assert_eq!(asked, "GET /v26.0/102290129340398/subscribed_apps HTTP/1.1");
    for (script, expected) in [
        (&[&[Step::Read, Step::Answer(APP)] as &[Step]] as &'static [&'static [Step]], Some("12")),
        (&[&[Step::Read, Step::Answer(DENIED)]], None),
        (&[&[Step::Read, Step::Answer(NOTHING)]], None),
    ] {
        let (app, asked) = ask(script, async |client, account| client.app(&account, &secret()).await).await;
        assert_eq!(app.ok().map(|app| app.id).as_deref(), expected);
        assert_eq!(asked, "GET /v26.0/app HTTP/1.1");
    }
}

#[tokio::test]
async fn what_is_told_of_a_token() {
    let state = async |script: &'static [&'static [Step]]| {
        ask(script, async |client, account| client.token_state(&account, &secret()).await).await
    };
    let (told, asked) = state(&[&[Step::Read, Step::Answer(TOKEN)]]).await;
    assert_eq!(asked, "GET /v26.0/debug_token?input_token=token-for-messages HTTP/1.1");
    let told = told.unwrap();
    assert_eq!((told.dead, told.ends_at), (None, Some(Timestamp::from_secs(1_665_090_000))));
    assert_eq!(told.app.unwrap().id, "12");
    assert_eq!(told.granted, [("whatsapp_business_messaging".to_owned(), vec!["102".to_owned()])]);
    assert_eq!(told.scopes, ["whatsapp_business_messaging"]);
    let (told, _) = state(&[&[Step::Read, Step::Answer(FOR_EVER)]]).await;
    assert_eq!(told.unwrap(), TokenState::default());
    let (told, _) = state(&[&[Step::Read, Step::Answer(DEAD)]]).await;
    let dead = told.unwrap().dead.unwrap();
    assert!(dead.ends_with("has expired") && !dead.contains("token-for-messages"), "{dead}");
    let (told, _) = state(&[&[Step::Read, Step::Answer(DENIED)]]).await;
    assert!(matches!(told, Err(Error::Refused(_))), "{told:?}");
    let (told, _) = state(&[&[Step::Read, Step::Answer(NOTHING)]]).await;
    assert!(matches!(told, Err(Error::NoAnswer(_))), "{told:?}");
}

#[tokio::test]
async fn a_callback_has_to_give_the_challenge_back() {
    const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    let challenge = async |script: &'static [&'static [Step]]| {
        ask(script, async |client, account| {
            let callback = format!("{}/webhooks/meta/main", account.graph_url);
            client.challenge(&callback, &Secret::new("open sesame"), "1158201444").await
        })
        .await
    };
    let (told, asked) = challenge(&[&[Step::Read, Step::Answer("1158201444")]]).await;
    assert_eq!(told, Ok(()));
    let query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=open+sesame";
    assert_eq!(asked, format!("GET /webhooks/meta/main?{query} HTTP/1.1"));
    let (told, _) = challenge(&[&[Step::Read, Step::Answer("<html>")]]).await;
    assert_eq!(told, Err(Error::Refused("It answers, but not with the challenge.".to_owned())));
    let (told, _) = challenge(&[&[Step::Read, Step::Write(NOT_FOUND)]]).await;
    assert_eq!(told, Err(Error::Refused("It answers 404.".to_owned())));
    for (callback, is_refused) in [("http://127.0.0.1:1/", false), ("not an address", true)] {
        let told = client().challenge(callback, &Secret::new("open sesame"), "1").await.unwrap_err();
        assert_eq!(matches!(told, Error::Refused(_)), is_refused, "{told}");
        assert!(!told.to_string().contains("sesame"), "{told}");
    }
}
