//! Many clients that say nothing hold nobody up.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Desk;
use crate::harness::{Connection, Shop};

/// Half of what a gateway takes at a time.
const IDLE: u64 = 5_000;
/// What a test process needs beside.
const SPARE: u64 = 1_000;

#[test]
fn thousands_of_idle_connections_hold_nobody_up() {
    let limit = getrlimit(Resource::Nofile);
    let needed = IDLE + SPARE;
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        eprintln!("skipped: {needed} descriptors are needed, and this machine allows {:?}", limit.maximum);
        return;
    }
    if limit.current.is_some_and(|current| current < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum }).unwrap();
    }
    // The gateway starts with as few as most systems give, and has to ask for more.
    let shop = Shop::open();
    let serve = shop.serve_after("ulimit -S -n 1024");
    let mut desk = Desk::of(shop, serve);
    let event = desk.event().to_string();
    let mut idle = Vec::new();
    for n in 0..IDLE {
        let mut connection = Connection::open(&desk.serve.gateway.0);
        match n % 3 {
            // Some have said nothing yet, some have begun, some have been served.
            0 => {}
            1 => connection.write(b"POST /v1.0/event HTTP/1.1\r\nhost:").unwrap(),
            _ => {
                assert_eq!(connection.post("/v1.0/event?dry_run=true", event.as_bytes()).unwrap().status, 200)
            }
        }
        idle.push(connection);
        if n % 500 == 0 {
            assert_eq!(desk.post(event.as_bytes()).status, 200);
            let mut newcomer = Connection::open(&desk.serve.gateway.0);
            desk.note(&newcomer.post("/v1.0/event", event.as_bytes()).unwrap());
        }
    }
    // Every third of them is of use still.
    for connection in idle.iter_mut().skip(2).step_by(3) {
        assert_eq!(connection.post("/v1.0/event?dry_run=true", event.as_bytes()).unwrap().status, 200);
    }
    drop(idle);
    desk.close();
}
