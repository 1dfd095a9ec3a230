//! Bodies that are too large, too short, in pieces or encoded, from clients as they are: most write their whole request
//! before they read a word of the answer.

use super::Desk;
use super::desk::EVENT;
use crate::harness::{Connection, TOKENS};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn head(more: &str) -> String {
    format!("POST {EVENT} HTTP/1.1\r\nhost: x\r\nx-cm-producttoken: {}\r\n{more}\r\n", TOKENS.all.text)
}

fn chunked(body: &[u8], chunk: usize) -> Vec<u8> {
    let mut bytes = head("transfer-encoding: chunked\r\n").into_bytes();
    for piece in body.chunks(chunk) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend_from_slice(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[test]
fn whoever_writes_too_much_first_still_reads_why() {
    let mut desk = Desk::open();
    let event = desk.event().to_string();
    let padded = |bytes: usize| format!("{event}{}", " ".repeat(bytes - event.len())).into_bytes();
    assert_eq!(desk.post(&padded(64 * KIB)).status, 200, "the largest event");
    for bytes in [64 * KIB + 1, MIB, 8 * MIB] {
        // The connection is of use afterwards.
        let answer = desk.post(&padded(bytes));
        assert_eq!((answer.status, answer.header("connection")), (413, None), "{bytes}");
        let mut connection = Connection::open(&desk.serve.gateway.0);
        connection.write(&chunked(&padded(bytes), 10_000)).unwrap();
        let answer = connection.answer().unwrap();
        assert_eq!(answer.status, 413, "{bytes} in chunks");
        desk.note(&answer);
    }
    // Nobody reads for ever: beyond 8 MiB the answer comes with the end of the connection.
    let mut connection = Connection::open(&desk.serve.gateway.0);
    connection.write(head(&format!("content-length: {}\r\n", 8 * MIB + 1)).as_bytes()).unwrap();
    let answer = connection.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    desk.note(&answer);
    connection.closed();
    desk.close();
}

#[test]
fn a_body_that_ends_early_is_no_event() {
    let mut desk = Desk::open();
    let event = desk.event().to_string();
    let announced = head(&format!("content-length: {}\r\n", event.len() + 1));
    let chunks = chunked(event.as_bytes(), 100);
    for request in [
        format!("{announced}{event}").as_bytes(),
        announced.as_bytes(),
        &chunks[..chunks.len() - 5],
        &chunks[..chunks.len() - 200],
        &chunks[..head("transfer-encoding: chunked\r\n").len()],
    ] {
        // The client has no more to say, but listens.
        let mut connection = Connection::open(&desk.serve.gateway.0);
        connection.write(request).unwrap();
        connection.finish();
        let answer = connection.answer().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{}", answer.body);
        assert!(answer.body.contains("not_json") && answer.body.contains("ended early"), "{}", answer.body);
        desk.note(&answer);
        connection.closed();
        // Or it is gone.
        let mut connection = Connection::open(&desk.serve.gateway.0);
        connection.write(request).unwrap();
    }
    desk.close();
}

#[test]
fn chunks_that_are_none_end_the_connection() {
    let mut desk = Desk::open();
    let start = head("transfer-encoding: chunked\r\n");
    for chunk in ["zz\r\n{}\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "2\r\n{}xx\r\n0\r\n\r\n", "\r\n\r\n"] {
        let mut connection = Connection::open(&desk.serve.gateway.0);
        connection.write(format!("{start}{chunk}").as_bytes()).unwrap();
        let answer = connection.answer().unwrap();
        assert_eq!(
            (answer.status, answer.header("connection")),
            (400, Some("close")),
            "{chunk:?} {}",
            answer.body
        );
        desk.note(&answer);
        connection.closed();
    }
    desk.close();
}

#[test]
fn encodings_that_nobody_reads() {
    let mut desk = Desk::open();
    let event = desk.event().to_string();
    for (encoding, status) in [
        ("gzip", 415),
        ("br", 415),
        ("GZIP", 415),
        ("identity, gzip", 415),
        ("identity\r\ncontent-encoding: deflate", 415),
        ("é", 415),
        ("identity", 200),
        ("Identity", 200),
        ("", 200),
    ] {
        let mut connection = Connection::open(&desk.serve.gateway.0);
        let more = format!("content-encoding: {encoding}\r\ncontent-length: {}\r\n", event.len());
        connection.write(format!("{}{event}", head(&more)).as_bytes()).unwrap();
        let answer = connection.answer().unwrap();
        assert_eq!(answer.status, status, "{encoding:?} {}", answer.body);
        desk.note(&answer);
        // The body was read, so that the connection goes on.
        connection
            .write(format!("{}{event}", head(&format!("content-length: {}\r\n", event.len()))).as_bytes())
            .unwrap();
        desk.note(&connection.answer().unwrap());
    }
    desk.close();
}

#[test]
fn requests_in_one_write_are_answered_in_order() {
    let mut desk = Desk::open();
    let event = desk.event().to_string();
    let request = |body: &str| format!("{}{body}", head(&format!("content-length: {}\r\n", body.len())));
    let large = " ".repeat(64 * KIB + 1);
    let bodies = [event.as_str(), "{", "", &event, &large, "[]", &event];
    let mut connection = Connection::open(&desk.serve.gateway.0);
    let mut bytes: Vec<u8> = bodies.iter().flat_map(|body| request(body).into_bytes()).collect();
    bytes.extend(chunked(event.as_bytes(), 7));
    connection.write(&bytes.repeat(20)).unwrap();
    let mut ids = Vec::new();
    for n in 0..20 * (bodies.len() + 1) {
        let answer = connection.answer().unwrap();
        desk.note(&answer);
        let json = answer.any_json();
        let expected = [
            None,
            Some("not_json"),
            Some("empty_body"),
            None,
            Some("body_too_large"),
            Some("wrong_type"),
            None,
            None,
        ];
        assert_eq!(json["error"]["code"].as_str(), expected[n % expected.len()], "{n}: {json}");
        ids.extend(json["event"]["id"].as_str().map(ToOwned::to_owned));
    }
    assert_eq!(ids.len(), 20 * 4);
    assert!(ids.is_sorted(), "accepted in the order of the requests");
    desk.close();
}
