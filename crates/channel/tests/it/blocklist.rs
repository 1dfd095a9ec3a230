//! Reading a block list page by page.

use laneway_channel::meta::blocklist::Error;

use super::server::{Server, Step};
use super::*;

const TWO: &str =
    r#"{"data":[{"wa_id":"16505551234"},{"wa_id":"14155559876"}],"paging":{"cursors":{"after":"c1"}}}"#;
const ONE: &str =
    r#"{"data":[{"wa_id":"16505551234"},{"wa_id":"31612345678"}],"paging":{"cursors":{"after":"c2"}}}"#;
const BY_ID: &str = r#"{"data":[{"user_id":"US.13491208655302741918"}],"paging":{"cursors":{"after":"c3"}}}"#;
const NOBODY: &str = r#"{"data":[{"messaging_product":"whatsapp"}],"paging":{"cursors":{"after":"c4"}}}"#;
const NONE: &str = r#"{"data":[]}"#;
const LAST: &str = r#"{"data":[{"wa_id":"31612345678"}]}"#;
const CHANGED: &str = r#"{"messaging_product":"whatsapp","error":{"message":"(#139102) Blocklist concurrent update","type":"OAuthException","code":139102,"error_data":{"details":"Blocklist was updated during retrieval - retry with offset 0"},"fbtrace_id":"x"}}"#;
const DENIED: &str = r#"{"error":{"message":"(#10) No permission","type":"OAuthException","code":10}}"#;

async fn read(scripts: &'static [&'static [Step]]) -> (Result<Vec<String>, Error>, Vec<String>) {
    let server = Server::start(scripts).await;
    let list = client().block_list(&target(&server.url())).await;
    let list = list.map(|numbers| numbers.iter().map(ToString::to_string).collect());
    let requests = server.requests().await;
    (list, requests.iter().map(|request| request.lines().next().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn pages_are_followed_to_the_empty_one() {
    let (list, asked) = read(&[&[
        Step::Read,
        Step::Answer(TWO),
        Step::Read,
        Step::Answer(ONE),
        Step::Read,
        Step::Answer(NONE),
    ]])
    .await;
    assert_eq!(list.unwrap(), ["+14155559876", "+16505551234", "+31612345678"]);
    let path = "GET /v26.0/106540352242922/block_users?limit=500";
    assert_eq!(asked, ["", "&after=c1", "&after=c2"].map(|after| format!("{path}{after} HTTP/1.1")));
}

#[tokio::test]
async fn a_page_without_numbers_does_not_end_the_list() {
    let (list, _) = read(&[&[
        Step::Read,
        Step::Answer(BY_ID),
        Step::Read,
        Step::Answer(NOBODY),
        Step::Read,
        Step::Answer(LAST),
    ]])
    .await;
    assert_eq!(list.unwrap(), ["+31612345678", "US.13491208655302741918"]);
}

#[tokio::test]
async fn a_page_without_a_way_on_is_the_last() {
    assert_eq!(read(&[&[Step::Read, Step::Answer(LAST)]]).await.0.unwrap(), ["+31612345678"]);
    let same =
        &[&[Step::Read, Step::Answer(TWO), Step::Read, Step::Answer(TWO)] as &[Step]] as &[&[Step]];
    assert_eq!(read(same).await.0.unwrap().len(), 2, "the cursor does not move");
}

#[tokio::test]
async fn a_list_that_changed_is_read_anew() {
    let (list, asked) = read(&[&[
        Step::Read,
        Step::Answer(TWO),
        Step::Read,
        Step::Answer(CHANGED),
        Step::Read,
        Step::Answer(LAST),
    ]])
    .await;
    assert_eq!(list.unwrap(), ["+31612345678"], "nothing of the first reading is kept");
    assert!(!asked[2].contains("after"), "{asked:?}");

    let (list, asked) = read(&[&[
        Step::Read,
        Step::Answer(CHANGED),
        Step::Read,
        Step::Answer(CHANGED),
        Step::Read,
        Step::Answer(CHANGED),
        Step::Read,
        Step::Answer(CHANGED),
        Step::Read,
        Step::Answer(CHANGED),
        Step::Read,
        Step::Answer(CHANGED),
    ]])
    .await;
    assert!(matches!(list, Err(Error::Changing)), "{list:?}");
    assert_eq!(asked.len(), 6);
}

#[tokio::test]
async fn a_refusal_is_told_in_metas_words() {
    let (list, _) = read(&[&[Step::Read, Step::Answer(DENIED)]]).await;
    assert_eq!(list.unwrap_err().to_string(), "Meta answered 200, error 10: (#10) No permission");
    let (list, _) = read(&[&[Step::Read, Step::Answer("<html>")]]).await;
    assert_eq!(list.unwrap_err().to_string(), "Meta answered 200");
    let list = client().block_list(&target("http://127.0.0.1:1")).await;
    assert!(matches!(list, Err(Error::NoAnswer)), "{list:?}");
}
