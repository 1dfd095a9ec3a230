//! Once only, through the real binary: parallel repetitions, a crash in between, and another event under the same key.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Gateway, Shop, envelope, id_of};

/// How many clients send the same at the same moment.
const CLIENTS: usize = 24;

fn block(to: &str) -> String {
    envelope("00316098765432", to, &json!({"type": "Block"}))
}

fn purchase(value: &str) -> String {
    let custom = json!({"ctwa_clid": "AffY", "currency": "EUR", "value": value, "event_id": "order-1"});
    envelope("00316098765432", "00316012300001", &json!({"type": "Purchase", "custom": custom}))
}

/// The ids that many clients are given for the same request.
#[track_caller]
fn at_once(gateway: &Gateway, body: &str, key: Option<&str>) -> BTreeSet<String> {
    let start = Barrier::new(CLIENTS);
    let host = key.map_or_else(|| gateway.0.clone(), |key| gateway.0.with("idempotency-key", key));
    thread::scope(|scope| {
        let client = || {
            start.wait();
            id_of(&host.post("/v1.0/event", body))
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn parallel_repetitions_are_one_event_also_after_a_crash() {
    let shop = Shop::open();
    let serve = shop.serve();
    let (first, second) = (block("00316012300001"), block("00316012300002"));
    let keyed = at_once(&serve.gateway, &first, Some("order-7"));
    let unkeyed = at_once(&serve.gateway, &purchase("12.60"), None);
    assert_eq!((keyed.len(), unkeyed.len()), (1, 1), "{keyed:?} {unkeyed:?}");
    assert_eq!(serve.gateway.list("").len(), 2);
    serve.process.kill();

    let serve = shop.serve();
    assert_eq!(at_once(&serve.gateway, &first, Some("order-7")), keyed);
    // A conversion with the same id is the same one, whatever else it says.
    assert_eq!(at_once(&serve.gateway, &purchase("99"), None), unkeyed);
    assert_eq!(serve.gateway.list("").len(), 2);
    let other = serve.gateway.0.with("idempotency-key", "order-7").post("/v1.0/event", &second);
    let found: Value = other.any_json();
    assert_eq!((other.status, &found["errorCode"]), (409, &json!(305)), "{found}");
    assert_eq!(found["error"]["code"], "idempotency_conflict");
    let longest = "k".repeat(255);
    assert_eq!(serve.gateway.0.with("idempotency-key", &longest).post("/v1.0/event", &second).status, 200);
    let too_long = serve.gateway.0.with("idempotency-key", &format!("{longest}k"));
    assert_eq!(too_long.post("/v1.0/event", &second).status, 400);
}
