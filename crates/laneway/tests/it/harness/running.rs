//! The two sides of a running Laneway: the gateway that clients talk to, and the world that Meta would be.

use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Host, Process};

/// The user of CM.com's events page, who writes at every start of `dev`.
pub(crate) const CUSTOMER: &str = "+316012345678";

/// How often to look, for a second each, whether an event was tried.
const TRIES: usize = 20;

/// A gateway, as a client with a token sees it.
#[derive(Clone, Debug)]
pub(crate) struct Gateway(pub(crate) Host);

impl Gateway {
    /// Submits an event from the page's business number and returns its id.
    #[track_caller]
    pub(crate) fn submit(&self, from: &str, to: &str, event: &Value) -> String {
        let answer = self.0.post("/v1.0/event", &envelope(from, to, event));
        id_of(&answer)
    }

    /// The event when it is final, or as far as it comes.
    #[track_caller]
    pub(crate) fn ended(&self, id: &str) -> Value {
        self.0.get(&format!("/api/v1/events/{id}?wait=final&timeout=20s")).json()
    }

    /// The event once a call that carried it has ended; for events that do not come to an end.
    #[track_caller]
    pub(crate) fn tried(&self, id: &str) -> Value {
        for _ in 0..TRIES {
            let event = self.0.get(&format!("/api/v1/events/{id}?wait=final&timeout=1s")).json();
            if event["attempts"][0]["finished_at"].is_string() {
                return event;
            }
        }
        panic!("no call has carried {id}");
    }

    /// Submits an event and returns what became of it.
    #[track_caller]
    pub(crate) fn deliver(&self, from: &str, to: &str, event: &Value) -> Value {
        self.ended(&self.submit(from, to, event))
    }

    /// Every event that a filter leaves, oldest first.
    #[track_caller]
    pub(crate) fn every_event(&self, filter: &str) -> Vec<Value> {
        let (mut events, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.0.get(&format!("/api/v1/events?limit=200&cursor={cursor}&{filter}")).json();
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            match page["cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        events.reverse();
        events
    }

    /// The newest events that a filter leaves.
    #[track_caller]
    pub(crate) fn list(&self, filter: &str) -> Vec<Value> {
        let list = self.0.get(&format!("/api/v1/events?limit=200&{filter}")).json();
        list["events"].as_array().unwrap().clone()
    }
}

/// A request in CM.com's form.
pub(crate) fn envelope(from: &str, to: &str, event: &Value) -> String {
    let event =
        json!({"channel": "WhatsApp", "event": event, "from": {"number": from}, "to": {"number": to}});
    event.to_string()
}

/// The id in a receipt, which has to be one.
#[track_caller]
pub(crate) fn id_of(answer: &Answer) -> String {
    let receipt = answer.json();
    let id = receipt["event"]["id"].as_str().unwrap_or_else(|| panic!("no id in {receipt}"));
    id.to_owned()
}

/// What WhatsApp made of a user's message.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) wamid: String,
    pub(crate) click: String,
}

/// A sandbox, as a test sees it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) host: Host,
    /// The first business number, with all a client needs.
    pub(crate) business: Value,
}

impl World {
    #[track_caller]
    pub(crate) fn of(host: Host) -> Self {
        let business = host.get("/sandbox/numbers").json()[0].clone();
        Self { host, business }
    }

    /// One of the business number's properties.
    #[track_caller]
    pub(crate) fn own(&self, name: &str) -> &str {
        self.business[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.business))
    }

    pub(crate) fn number(&self) -> &str {
        self.own("number")
    }

    /// A user writes to the business after a click on an ad.
    #[track_caller]
    pub(crate) fn user_writes(&self, user: &str, text: &str) -> Written {
        let message = json!({"from": user, "to": self.number(), "text": text, "ad": true});
        let written = self.host.post("/sandbox/messages", &message.to_string()).json();
        let own = |name: &str| written[name].as_str().unwrap().to_owned();
        Written { wamid: own("wamid"), click: own("ctwa_clid") }
    }

    /// The chat with a user, oldest message first.
    #[track_caller]
    pub(crate) fn chat(&self, user: &str) -> Vec<Value> {
        let user = user.trim_start_matches('+');
        self.rows(&format!("/sandbox/messages?user={user}"))
    }

    /// Who is blocked.
    #[track_caller]
    pub(crate) fn blocked(&self) -> Vec<String> {
        let rows = self.rows("/sandbox/blocklist");
        rows.iter().map(|row| row["user"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn rows(&self, path: &str) -> Vec<Value> {
        self.host.get(path).json().as_array().unwrap().clone()
    }

    /// The business writes to a user by the Graph API: Meta's error code, or none.
    #[track_caller]
    pub(crate) fn business_writes(&self, user: &str) -> Option<u64> {
        let text =
            json!({"messaging_product": "whatsapp", "to": user, "type": "text", "text": {"body": "Hello"}});
        let graph = self.host.with("authorization", &format!("Bearer {}", self.own("access_token")));
        let path = format!("/v26.0/{}/messages", self.own("phone_number_id"));
        let answer = graph.with("content-type", "application/json").post(&path, &text.to_string());
        answer.any_json()["error"]["code"].as_u64()
    }
}

/// `laneway dev`.
pub(crate) struct Dev {
    pub(crate) process: Process,
    pub(crate) gateway: Gateway,
    pub(crate) world: World,
}

impl Dev {
    /// Starts it on free ports and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(directory: &Path) -> Self {
        let process = Process::start(&[
            "dev",
            "--listen=127.0.0.1:0",
            "--sandbox-listen=127.0.0.1:0",
            "--data-dir",
            directory.to_str().unwrap(),
        ]);
        process.line("ready in ");
        let gateway = Gateway(Host::new(&process.value("gateway=")));
        let world = World::of(Host::new(&process.value("sandbox=")));
        Self { process, gateway, world }
    }

    /// Submits an event from the business and returns what became of it.
    #[track_caller]
    pub(crate) fn deliver(&self, to: &str, event: &Value) -> Value {
        self.gateway.deliver(self.world.number(), to, event)
    }
}
