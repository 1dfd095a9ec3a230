//! Where bad input is handed in: a gateway that counts what it took, and looks at every answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Answer, Connection, Serve, Shop};

/// The path of events.
pub(super) const EVENT: &str = "/v1.0/event";

/// A running gateway, and what it said to have taken.
pub(super) struct Desk {
    pub(super) shop: Shop,
    pub(super) serve: Serve,
    connection: Connection,
    /// The codes that the gateway's own document lists.
    codes: BTreeSet<String>,
    taken: BTreeSet<String>,
}

impl Desk {
    #[track_caller]
    pub(super) fn open() -> Self {
        let shop = Shop::open();
        let serve = shop.serve();
        Self::of(shop, serve)
    }

    #[track_caller]
    pub(super) fn of(shop: Shop, serve: Serve) -> Self {
        let document = serve.gateway.0.get("/openapi.json").json();
        let codes = &document["components"]["schemas"]["CmErrorDetail"]["properties"]["code"]["enum"];
        let codes = codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        let connection = Connection::open(&serve.gateway.0);
        Self { shop, serve, connection, codes, taken: BTreeSet::new() }
    }

    /// A conversion in which every field is there and good.
    pub(super) fn event(&self) -> Value {
        json!({
            "channel": "WhatsApp",
            "event": {
                "type": "LeadSubmitted",
                "custom": {
                    "message_id": "wamid.A",
                    "ctwa_id": "click",
                    "ctwa_clid": "click",
                    "currency": "EUR",
                    "value": "12.60",
                    "event_time": self.now(),
                    "contents": [{"id": "SKU", "quantity": 2}],
                },
            },
            "from": {"number": self.shop.world.number()},
            "to": {"number": "+316012345678"},
            "reference": "r",
            "authentication": {"productToken": "t"},
            "messages": {"authentication": {"productToken": "t"}},
        })
    }

    /// Now, in Unix seconds; the sandbox has the machine's time.
    pub(super) fn now(&self) -> u64 {
        self.shop.world.host.get("/sandbox/clock").json()["now_ms"].as_u64().unwrap() / 1000
    }

    /// Hands in a body, on a connection that has to last.
    #[track_caller]
    pub(super) fn post(&mut self, body: &[u8]) -> Answer {
        let answer = self.connection.post(EVENT, body);
        let answer = answer.unwrap_or_else(|error| panic!("{error} after {}", shown(body)));
        self.note(&answer);
        answer
    }

    /// Takes note of an answer of the events endpoint: an id, or a refusal as documented.
    #[track_caller]
    pub(super) fn note(&mut self, answer: &Answer) {
        let json = answer.any_json();
        assert_eq!(json["messages"], json!([]), "{json}");
        assert!(json["details"].as_str().is_some_and(|details| !details.is_empty()), "{json}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{json}");
        if answer.status == 200 {
            assert_eq!(json["errorCode"], 0, "{json}");
            if let Some(id) = json["event"]["id"].as_str() {
                self.taken.insert(id.to_owned());
            }
        } else {
            assert!((400..500).contains(&answer.status), "{} {json}", answer.status);
            assert_ne!(json["errorCode"], 0, "{json}");
            assert!(self.codes.contains(json["error"]["code"].as_str().unwrap()), "{json}");
        }
    }

    /// Hands in a body that has to be refused with this code, and with this field or none.
    #[track_caller]
    pub(super) fn refused(&mut self, body: &[u8], code: &str, field: Option<&str>) -> Value {
        let answer = self.post(body);
        let json = answer.any_json();
        let found = (json["error"]["code"].as_str(), json["error"]["field"].as_str());
        assert_eq!(found, (Some(code), field), "{} got {json}", shown(body));
        json
    }

    /// Compares the journal with what was said to be taken, and looks for traces of trouble.
    #[track_caller]
    pub(super) fn close(self) {
        let stored = self.serve.gateway.every_event("");
        let stored: BTreeSet<String> =
            stored.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(stored, self.taken);
        drop(self.connection);
        let (code, said) = self.serve.process.stop();
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("panicked") && !said.contains(r#""level":"ERROR""#), "{said}");
        self.shop.check_log(&said, &[]);
    }
}

/// The beginning of a body, for a test that fails.
fn shown(body: &[u8]) -> String {
    const BYTES_MAX: usize = 300;
    let start = &body[..body.len().min(BYTES_MAX)];
    format!("{} bytes, {:?}", body.len(), String::from_utf8_lossy(start))
}
