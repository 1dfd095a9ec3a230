//! Questions about a WABA: reading a list page by page, and what is no answer.

use laneway_channel::meta::look_up::{Account, Error};
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
