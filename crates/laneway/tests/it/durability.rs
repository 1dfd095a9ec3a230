//! What has been acknowledged survives the end of the process, however it ends.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Gateway, Shop, Written, envelope, id_of};

/// Users that write to the business, each with one client that acts on them.
const USERS: usize = 6;
/// Acknowledgements before the process is killed.
const ACKNOWLEDGED_MIN: usize = 90;

/// What a client knows of its events when the gateway is gone.
#[derive(Debug, Default)]
struct Client {
    user: String,
    /// Ids and types in the order of their acknowledgements.
    acknowledged: Vec<(String, &'static str)>,
    /// The type whose acknowledgement never came.
    unanswered: Option<&'static str>,
}

impl Client {
    /// Submits one event after the other, each only when the one before is acknowledged, until the gateway is gone.
    fn submit_all(
        gateway: &Gateway,
        business: &str,
        user: String,
        known: &Written,
        acknowledged: &mpsc::SyncSender<()>,
    ) -> Self {
        let mut client = Self { user, ..Self::default() };
        let events = [
            ("Block", json!({"type": "Block"})),
            (
                "Purchase",
                json!({"type": "Purchase", "custom": {"ctwa_clid": known.click, "currency": "EUR", "value": 1}}),
            ),
            ("UnBlock", json!({"type": "UnBlock"})),
            ("MarkAsRead", json!({"type": "MarkAsRead", "custom": {"message_id": known.wamid}})),
        ];
        for (kind, event) in events.iter().cycle() {
            match gateway.0.send("POST", "/v1.0/event", &envelope(business, &client.user, event)) {
                Ok(answer) => client.acknowledged.push((id_of(&answer), kind)),
                Err(_) => {
                    client.unanswered = Some(kind);
                    return client;
                }
            }
            // Whoever counts has seen enough when it listens no more.
            acknowledged.send(()).unwrap_or_default();
        }
        unreachable!("the cycle has no end")
    }

    /// Whether the last that the gateway knows of the user, acknowledged or not, is a block.
    fn is_blocked(&self, stored: &[Value]) -> bool {
        let newest = stored.iter().filter_map(|event| event["type"].as_str());
        newest.into_iter().find(|kind| matches!(*kind, "Block" | "UnBlock")) == Some("Block")
    }
}

/// Lets every user's client work until enough is acknowledged, kills the gateway among it, and returns what each knows.
fn submit_until_killed(shop: &Shop, users: &[(String, Written)]) -> Vec<Client> {
    let serve = shop.serve();
    let (acknowledged, count) = mpsc::sync_channel(USERS);
    thread::scope(|scope| {
        let clients: Vec<_> = users
            .iter()
            .map(|(user, known)| {
                let (gateway, acknowledged) = (&serve.gateway, acknowledged.clone());
                let business = shop.world.number();
                scope.spawn(move || Client::submit_all(gateway, business, user.clone(), known, &acknowledged))
            })
            .collect();
        assert_eq!(count.iter().take(ACKNOWLEDGED_MIN).count(), ACKNOWLEDGED_MIN);
        shop.check_log(&serve.process.kill(), &[]);
        drop(count);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn acknowledged_events_survive_a_kill() {
    let shop = Shop::open();
    let users: Vec<_> = (0..USERS)
        .map(|n| {
            let user = format!("+31601230000{n}");
            let written = shop.world.user_writes(&user, "Hi");
            (user, written)
        })
        .collect();
    // The second round starts with what the first left open, and is killed as well.
    let rounds = [(); 2].map(|()| submit_until_killed(&shop, &users));

    let serve = shop.serve();
    let mut ended = 0;
    let mut conversions = BTreeSet::new();
    for (id, kind) in rounds.iter().flatten().flat_map(|client| &client.acknowledged) {
        let event = serve.gateway.ended(id);
        assert_eq!(event["type"].as_str(), Some(*kind), "{event}");
        // What was open at the kill may be pointless by now: the same person's later block or unblock is known as well.
        match event["status"].as_str() {
            Some("confirmed") => {}
            Some("superseded") => assert!(matches!(*kind, "Block" | "UnBlock"), "{event}"),
            _ => panic!("{event}"),
        }
        ended += 1;
        if *kind == "Purchase" {
            conversions.insert(id.clone());
        }
    }
    assert!(ended >= 2 * ACKNOWLEDGED_MIN);
    // One whose acknowledgement was lost may be stored, and under way still; it ends as well.
    for event in serve.gateway.list("status=open") {
        serve.gateway.ended(event["id"].as_str().unwrap());
    }
    assert_eq!(serve.gateway.list("status=open").len(), 0);
    check_blocklist(&shop, &serve.gateway, &rounds[1]);
    check_conversions(&shop, &serve.gateway, &conversions);
    let (code, log) = serve.process.stop();
    assert_eq!(code, Some(0), "{log}");
    shop.check_log(&log, &[]);
    shop.close();
}

/// Who is blocked is what the last event of each user says.
#[track_caller]
fn check_blocklist(shop: &Shop, gateway: &Gateway, last_round: &[Client]) {
    let blocked = shop.world.blocked();
    for client in last_round {
        let stored = gateway.list(&format!("to={}", &client.user[1..]));
        let last = client.acknowledged.last().unwrap();
        // An event whose acknowledgement was lost may have been stored; nothing else can be newer.
        match stored[0]["id"] == last.0.as_str() {
            true => {}
            false => {
                assert_eq!(stored[0]["type"].as_str(), client.unanswered, "{client:?}");
                assert_eq!(stored[1]["id"], last.0.as_str(), "{client:?}");
            }
        }
        assert_eq!(blocked.contains(&client.user), client.is_blocked(&stored), "{client:?}");
    }
}

/// Every conversion arrived, and arrived twice only if the event says so.
#[track_caller]
fn check_conversions(shop: &Shop, gateway: &Gateway, acknowledged: &BTreeSet<String>) {
    let mut received = BTreeSet::new();
    for row in shop.world.rows("/sandbox/conversions") {
        let id = row["event_id"].as_str().unwrap().to_owned();
        if !received.insert(id.clone()) {
            assert_eq!(gateway.ended(&id)["possibly_duplicate"], true, "{id} came twice");
        }
    }
    assert!(received.is_superset(acknowledged));
}

#[test]
fn what_could_not_be_sent_leaves_after_a_restart() {
    let shop = Shop::open();
    let user = "+316012300001";
    shop.world.user_writes(user, "Hi");
    // Nobody listens on port 1, which only the system could give away.
    shop.configure("http://127.0.0.1:1", "");
    let serve = shop.serve();
    let id = serve.gateway.submit(shop.world.number(), user, &json!({"type": "Block"}));
    let event = serve.gateway.tried(&id);
    assert_eq!(event["attempts"][0]["outcome"], "not_sent", "{event}");
    assert_eq!(serve.gateway.list("status=open").len(), 1);
    shop.check_log(&serve.process.kill(), &[]);
    assert_eq!(shop.world.blocked(), [""; 0]);

    shop.configure(&shop.world.host.url(), "");
    let serve = shop.serve();
    let event = serve.gateway.ended(&id);
    assert_eq!(event["status"], "confirmed", "{event}");
    assert_eq!(shop.world.blocked(), [user]);
    shop.check_log(&serve.process.kill(), &[]);
}

#[test]
fn what_cannot_be_sent_in_time_expires() {
    let shop = Shop::open();
    let written = shop.world.user_writes("+316012300001", "Hi");
    shop.configure("http://127.0.0.1:1", "[give_up]\nMarkAsRead = \"1s\"");
    let serve = shop.serve();
    let event = json!({"type": "MarkAsRead", "custom": {"message_id": written.wamid}});
    let event = serve.gateway.deliver(shop.world.number(), "", &event);
    assert_eq!(event["status"], "expired", "{event}");
    assert!(event["reason"].as_str().unwrap().starts_with("Its time "), "{event}");
    shop.check_log(&serve.process.kill(), &[]);
}
