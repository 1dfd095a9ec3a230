//! The committed document is the served one.

use std::path::Path;

use http::Method;
use laneway_gateway::api::openapi_json;

use crate::node::TestNode;

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let current = openapi_json();
    if std::env::var_os("LANEWAY_UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "{} is stale: run this test with LANEWAY_UPDATE_OPENAPI=1", path.display());
}

#[test]
fn every_error_code_of_the_api_is_in_its_reference() {
    let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
    let codes = document["components"]["schemas"]["ProblemCode"]["enum"].as_array().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let is_status = |row: &&str| row.split(' ').nth(1).is_some_and(|cell| cell.parse::<u16>().is_ok());
    let rows = reference.lines().filter(|line| line.starts_with("| ")).filter(is_status);
    let documented: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(codes.iter().map(|code| code.as_str().unwrap()).collect::<Vec<_>>(), documented);
}

#[test]
fn every_outcome_of_an_attempt_is_in_the_reference() {
    let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
    let words = &document["components"]["schemas"]["Attempt"]["properties"]["outcome"]["enum"];
    let words: Vec<&str> = words.as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let (_, table) = reference.split_once("| `outcome` |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let documented: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(documented, words);
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let node = TestNode::start().await;
    let answer = node.client().await.send(Method::GET, "/openapi.json", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, openapi_json().as_str()));
    assert_eq!(answer.json()["openapi"], "3.1.0");
}
