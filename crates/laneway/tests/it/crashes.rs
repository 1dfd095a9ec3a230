//! The gateway is killed (SIGKILL) again and again while clients of all kinds send, and is started each time on the same
//! directory and address. At the end everything that was acknowledged has been done, in the order of its lane.
//!
//! `LANEWAY_CRASHES=n` sets how often it is killed. What was counted is printed: `--nocapture` shows it.

mod lane;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Connection, Gateway, Serve, Shop, World, envelope, id_of};

/// How often the gateway is killed if nothing else is said.
const CRASHES: usize = 50;
/// People who are blocked and unblocked in turns.
const LANES: usize = 4;
/// People whose messages are read.
const READERS: usize = 2;
/// People who buy.
const BUYERS: usize = 2;
/// The most acknowledgements in one life of the gateway.
const ACKNOWLEDGED_MAX: usize = 80;
/// After so many events a client waits until the latest has ended.
const UNSETTLED_MAX: usize = 4;

/// What a client does with its person, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    BlockAndUnblock,
    ReadMessages,
    ReportPurchases,
}

/// A client that acts on one person, and what it knows.
#[derive(Debug)]
struct Client {
    user: String,
    habit: Habit,
    click: String,
    /// How many events it has written.
    written: usize,
    /// The ids, in the order of their acknowledgements.
    acknowledged: Vec<String>,
    /// How many of its events were never answered.
    unanswered: usize,
}

impl Client {
    fn new(world: &World, n: usize) -> Self {
        let user = format!("+3160123{n:05}");
        let habit = match n {
            n if n < LANES => Habit::BlockAndUnblock,
            n if n < LANES + READERS => Habit::ReadMessages,
            _ => Habit::ReportPurchases,
        };
        let click = world.user_writes(&user, "Hi").click;
        Self { user, habit, click, written: 0, acknowledged: Vec::new(), unanswered: 0 }
    }

    /// Sends one event after the other, each when the one before is answered, until the gateway is gone.
    fn send_until_it_is_gone(
        &mut self,
        gateway: &Gateway,
        world: &World,
        acknowledged: &mpsc::SyncSender<()>,
    ) {
        let Ok(mut connection) = Connection::try_open(&gateway.0) else { return };
        loop {
            let event = self.next_event(world);
            self.written += 1;
            let body = envelope(world.number(), &self.user, &event);
            let Ok(answer) = connection.post("/v1.0/event", body.as_bytes()) else {
                self.unanswered += 1;
                return;
            };
            self.acknowledged.push(id_of(&answer));
            // There is room for as many as are counted.
            acknowledged.try_send(()).unwrap_or_default();
            if self.acknowledged.len().is_multiple_of(UNSETTLED_MAX) && !self.has_ended(gateway) {
                return;
            }
        }
    }

    /// Waits until the latest acknowledged event has ended; an answer that never comes is a no.
    fn has_ended(&self, gateway: &Gateway) -> bool {
        let latest = self.acknowledged.last().expect("one is acknowledged");
        gateway.0.send("GET", &format!("/api/v1/events/{latest}?wait=final&timeout=20s"), "").is_ok()
    }

    fn next_event(&self, world: &World) -> Value {
        match self.habit {
            Habit::BlockAndUnblock if self.written.is_multiple_of(2) => json!({"type": "Block"}),
            Habit::BlockAndUnblock => json!({"type": "UnBlock"}),
            Habit::ReadMessages => {
                let message = world.user_writes(&self.user, "Hi").wamid;
                json!({"type": "MarkAsRead", "custom": {"message_id": message}})
            }
            Habit::ReportPurchases => {
                let custom = json!({"ctwa_clid": self.click, "currency": "EUR", "value": self.written});
                json!({"type": "Purchase", "custom": custom})
            }
        }
    }
}

/// An address that nobody takes while the gateway is away: its port is none of those that systems give away.
fn fixed_address() -> String {
    let first = 20_000 + std::process::id() % 5_000;
    let mut addresses = (first..30_000).map(|port| format!("127.0.0.1:{port}"));
    addresses.find(|address| TcpListener::bind(address).is_ok()).expect("some port is free")
}

/// Starts the gateway, lets every client send until so many events are acknowledged, and kills it.
fn live_and_die(shop: &Shop, address: &str, clients: &mut [Client], acknowledgements: usize) {
    let Serve { process, gateway, .. } = shop.serve_at(address);
    let (acknowledged, count) = mpsc::sync_channel(ACKNOWLEDGED_MAX);
    let said = thread::scope(|scope| {
        for client in clients {
            let (gateway, world, acknowledged) = (&gateway, &shop.world, acknowledged.clone());
            scope.spawn(move || client.send_until_it_is_gone(gateway, world, &acknowledged));
        }
        drop(acknowledged);
        assert_eq!(count.iter().take(acknowledgements).count(), acknowledgements, "it ended by itself");
        process.kill()
    });
    assert!(!said.contains("panicked") && !said.contains(r#""level":"ERROR""#), "{said}");
}

#[test]
fn whatever_was_acknowledged_is_done_in_order_however_often_it_is_killed() {
    let crashes = std::env::var("LANEWAY_CRASHES").map_or(CRASHES, |n| n.parse().unwrap());
    let shop = Shop::open();
    let started = now(&shop.world);
    // Slow answers, so that the end often comes between a call and its answer.
    shop.world.host.post("/sandbox/faults", r#"{"latency":"40ms","when":{"every":2}}"#).json();
    let mut clients: Vec<Client> =
        (0..LANES + READERS + BUYERS).map(|n| Client::new(&shop.world, n)).collect();
    let address = fixed_address();
    for n in 0..crashes {
        // Every fifth time it dies as soon as it lives, while it is still looking at what it left.
        let acknowledgements = if n % 5 == 4 { 0 } else { 1 + n * 17 % ACKNOWLEDGED_MAX };
        live_and_die(&shop, &address, &mut clients, acknowledgements);
    }

    let serve = shop.serve_at(&address);
    shop.world.host.send("DELETE", "/sandbox/faults", "").unwrap().json();
    wait_for_all(&serve.gateway);
    let events = serve.gateway.every_event("");
    let calls = shop.world.rows("/sandbox/requests");
    for client in &clients {
        check_events(client, &events);
    }
    check_lanes(&shop.world, &clients, &events, &calls);
    check_chats(&shop.world, &clients);
    let doubled = check_conversions(&events, &calls);
    let carried: usize = calls.iter().map(members).sum();
    let acknowledged: usize = clients.iter().map(|client| client.acknowledged.len()).sum();
    let superseded = events.iter().filter(|event| event["status"] == "superseded").count();
    let untried = events.iter().filter(|event| event["attempts"].as_array().unwrap().is_empty()).count();
    eprintln!(
        "killed {crashes} times in {} ms; events acknowledged {acknowledged}, stored {}, superseded {superseded}, never \
         called {untried}; calls {} for {carried} events, {} of them again ({doubled} conversions)",
        now(&shop.world) - started,
        events.len(),
        calls.len(),
        carried + untried - events.len(),
    );
    let (code, said) = serve.process.stop();
    assert_eq!(code, Some(0), "{said}");
    shop.close();
}

fn now(world: &World) -> u64 {
    world.host.get("/sandbox/clock").json()["now_ms"].as_u64().unwrap()
}

/// Waits until no event is open. The oldest come first: they wait for no other one, and have to end soon.
#[track_caller]
fn wait_for_all(gateway: &Gateway) {
    for event in gateway.every_event("status=open") {
        let ended = gateway.ended(text(&event, "id"));
        assert!(ended["status"] == "confirmed" || ended["status"] == "superseded", "{ended:#}");
    }
    assert_eq!(gateway.list("status=open"), [Value::Null; 0]);
}

fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}"))
}

/// The person's events, oldest first.
fn of_user<'e>(user: &str, events: &'e [Value]) -> impl Iterator<Item = &'e Value> {
    events.iter().filter(move |event| text(event, "to") == user)
}

/// Every acknowledged event is there, in the order of its acknowledgement, and what is there beside was sent, too.
#[track_caller]
fn check_events(client: &Client, events: &[Value]) {
    let stored: Vec<&str> = of_user(&client.user, events).map(|event| text(event, "id")).collect();
    let known: BTreeSet<&str> = client.acknowledged.iter().map(String::as_str).collect();
    let acknowledged: Vec<&str> = stored.iter().copied().filter(|id| known.contains(id)).collect();
    assert_eq!(acknowledged, client.acknowledged, "{}", client.user);
    assert!(stored.len() <= acknowledged.len() + client.unanswered, "{}", client.user);
    for event in of_user(&client.user, events) {
        let is_done = match client.habit {
            Habit::BlockAndUnblock => event["status"] == "confirmed" || event["status"] == "superseded",
            Habit::ReadMessages | Habit::ReportPurchases => event["status"] == "confirmed",
        };
        assert!(is_done, "{event}");
    }
}

/// Who is blocked is what the person's last event says, and the calls followed the order of the events.
#[track_caller]
fn check_lanes(world: &World, clients: &[Client], events: &[Value], calls: &[Value]) {
    let blocked = world.blocked();
    for client in clients.iter().filter(|client| client.habit == Habit::BlockAndUnblock) {
        let lane: Vec<lane::Event> = of_user(&client.user, events).map(lane::Event::of).collect();
        let last = lane.last().unwrap();
        assert_eq!(blocked.contains(&client.user), last.verb == lane::Verb::Block, "{}", client.user);
        let verbs: Vec<lane::Verb> =
            calls.iter().filter_map(|call| lane::Verb::of(call, &client.user)).collect();
        assert_eq!(lane::first_out_of_order(&lane, &verbs), None, "{}: {verbs:?} for {lane:?}", client.user);
    }
}

/// Every message that was to be read has been read.
#[track_caller]
fn check_chats(world: &World, clients: &[Client]) {
    for client in clients.iter().filter(|client| client.habit == Habit::ReadMessages) {
        let read = world.chat(&client.user).iter().filter(|message| message["read_at"].is_string()).count();
        assert!(read >= client.acknowledged.len(), "{}: {read}", client.user);
    }
}

/// Every conversion arrived, and those that arrived more than once say so: how often that was.
#[track_caller]
fn check_conversions(events: &[Value], calls: &[Value]) -> usize {
    let mut received: BTreeMap<&str, usize> = BTreeMap::new();
    for event in calls.iter().filter_map(|call| call["body"]["data"].as_array()).flatten() {
        *received.entry(text(event, "event_id")).or_default() += 1;
    }
    for event in events.iter().filter(|event| event["type"] == "Purchase") {
        let times = received[text(event, "id")];
        assert!(times == 1 || event["possibly_duplicate"] == true, "{times} times: {event}");
    }
    received.values().map(|times| times - 1).sum()
}

/// How many events a call carried.
fn members(call: &Value) -> usize {
    let body = &call["body"];
    let lists = [&body["block_users"], &body["data"]].into_iter().filter_map(Value::as_array).map(Vec::len);
    lists.max().unwrap_or(1)
}
