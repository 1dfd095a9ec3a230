//! Beside CM.com, through the real binary: what is passed on.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::harness::{Connection, Shop};

#[test]
fn messages_and_events_share_one_host() {
    let cm = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", cm.local_addr().unwrap());
    let shop = Shop::open();
    shop.configure(&shop.world.host.url(), &format!("[upstream]\ncm_url = \"{url}\""));
    let serve = shop.serve();
    let service = thread::spawn(move || {
        let mut stream = cm.accept().unwrap().0;
        let (mut head, mut byte) = (String::new(), [0]);
        while !head.ends_with("\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(char::from(byte[0]));
        }
        let mut first = [0; 5];
        stream.read_exact(&mut first).unwrap();
        // It answers before the rest of the request is there.
        let body = r#"{"details":"Created 1 message(s)"}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut rest = [0; 6];
        stream.read_exact(&mut rest).unwrap();
        (head, [first.as_slice(), &rest].concat())
    });
    let mut client = Connection::open(&serve.gateway.0);
    client.write(b"POST /v1.0/message HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\nfirst").unwrap();
    let answer = client.answer().unwrap();
    client.write(b"second").unwrap();
    let (head, body) = service.join().unwrap();
    assert_eq!(body, b"firstsecond");
    assert!(head.starts_with("POST /v1.0/message HTTP/1.1\r\n"), "{head}");
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"details":"Created 1 message(s)"}"#));

    // CM.com is gone now, and the answer says what that means.
    let lost = serve.gateway.0.post("/v1.0/message", "{}");
    assert_eq!(lost.status, 502, "{}", lost.body);
    assert_eq!(lost.any_json()["error"]["code"], "upstream_unreachable");
}
