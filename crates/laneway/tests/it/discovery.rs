//! What the configuration leaves out: data sets, looked up, made if there is none, and remembered; numbers, listed,
//! remembered, and in nobody else's hands.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Serve, Shop, envelope};

#[test]
fn a_data_set_that_is_left_out_is_made_and_remembered() {
    let mut shop = Shop::open();
    let mut business = shop.world.host.post("/sandbox/numbers", r#"{"dataset":false}"#).json();
    business["dataset_id"] = json!("0");
    shop.world.business = business;
    fs::write(shop.path("access_token"), shop.world.own("access_token")).unwrap();
    shop.configure(&shop.world.host.url(), "");
    let config = fs::read_to_string(shop.config()).unwrap().replace("dataset_id = \"0\"\n", "");
    fs::write(shop.config(), config).unwrap();

    let asked = || {
        let rows = shop.world.rows("/sandbox/requests");
        let paths = rows.iter().filter(|row| row["path"].as_str().unwrap().ends_with("/dataset"));
        paths.map(|row| row["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for _ in ["first", "restarted"] {
        let serve = shop.serve();
        let click = shop.world.user_writes(CUSTOMER, "Hi").click;
        let purchase =
            json!({"type": "Purchase", "custom": {"ctwa_id": click, "currency": "EUR", "value": "12.60"}});
        let event = serve.gateway.deliver(shop.world.number(), CUSTOMER, &purchase);
        assert_eq!(event["status"], "confirmed", "{event}");
        assert_eq!(asked(), ["GET", "POST"], "asked once, for good");
        serve.process.stop();
    }
}

impl Shop {
    /// Writes the configuration anew, without the numbers.
    pub(crate) fn leave_out_numbers(&self, graph_url: &str) {
        self.configure(graph_url, "");
        let config = fs::read_to_string(self.config()).unwrap();
        let lines = config.lines().filter(|line| !line.starts_with("numbers = "));
        fs::write(self.config(), lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }

    /// Adds an account that has a number of its own, in an account of WhatsApp's of its own.
    pub(crate) fn add_account(&self, name: &str, waba: &str, numbers: &str) {
        let text = format!(
            r#"
[[account]]
name = "{name}"
tokens = [{{ hash = "sha256:{}", scopes = ["send"] }}]
[[account.waba]]
id = "{waba}"
access_token = "file:access_token"
dataset_id = "none"
graph_url = "{}"
{numbers}
"#,
            "0".repeat(64),
            self.world.host.url(),
        );
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), config + &text).unwrap();
    }

    /// Adds a number to the shop's WABA.
    fn add_number(&self) -> String {
        let new = json!({"waba_id": self.world.own("waba_id")}).to_string();
        let number = self.world.host.post("/sandbox/numbers", &new).json();
        number["number"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn blocks(serve: &Serve, shop: &Shop, business: &str) -> Value {
    let message = json!({"from": CUSTOMER, "to": business, "text": "Hi"}).to_string();
    shop.world.host.post("/sandbox/messages", &message).json();
    serve.gateway.deliver(business, CUSTOMER, &json!({"type": "Block"}))
}

const LOOKED_UP: &str = "the numbers were looked up";

#[test]
fn numbers_that_are_left_out_are_asked_for_and_remembered() {
    let shop = Shop::open();
    shop.leave_out_numbers(&shop.world.host.url());
    let numbers: Vec<_> =
        [shop.world.number().to_owned()].into_iter().chain((1..60).map(|_| shop.add_number())).collect();
    // Meta answers with no page longer than 100; the last of many is not on the first one.
    let more: Vec<_> = (0..60).map(|_| shop.add_number()).collect();
    let serve = shop.serve();
    serve.process.line(LOOKED_UP);
    for business in [&numbers[0], &numbers[59], &more[59]] {
        let event = blocks(&serve, &shop, business);
        assert_eq!(event["status"], "confirmed", "{event}");
    }
    let rows = shop.world.rows("/sandbox/requests");
    let asked = rows.iter().filter(|row| row["path"].as_str().unwrap().contains("/phone_numbers"));
    let asked: Vec<_> = asked.map(|row| row["path"].as_str().unwrap().split_once('?').unwrap().1).collect();
    assert_eq!((asked.len(), asked[0]), (2, "limit=100"), "{asked:?}");
    let unknown =
        serve.gateway.0.post("/v1.0/event", &envelope("+316000000000", CUSTOMER, &json!({"type": "Block"})));
    assert_eq!((unknown.status, &unknown.any_json()["error"]["code"]), (400, &json!("from_unknown")));
    let (_, log) = serve.process.stop();
    let shown: Vec<&str> = numbers.iter().chain(&more).map(|number| number.trim_start_matches('+')).collect();
    shop.check_log(&log, &shown);

    // The next start needs no answer.
    shop.leave_out_numbers("http://127.0.0.1:1");
    let serve = shop.serve();
    let id = serve.gateway.submit(&more[59], CUSTOMER, &json!({"type": "UnBlock"}));
    serve.process.line("the numbers cannot be looked up; those that are remembered stay");
    // Once Meta answers again, it is delivered, and numbers that were new meanwhile are known.
    let new = shop.add_number();
    shop.leave_out_numbers(&shop.world.host.url());
    serve.process.line(LOOKED_UP);
    assert_eq!(serve.gateway.ended(&id)["status"], "confirmed");
    assert_eq!(blocks(&serve, &shop, &new)["status"], "confirmed");
    serve.process.stop();
}

#[test]
fn events_for_numbers_that_are_not_known_yet_are_turned_away_for_the_moment() {
    let shop = Shop::open();
    shop.leave_out_numbers("http://127.0.0.1:1");
    let serve = shop.serve();
    serve.process.line("the numbers cannot be looked up; events for them are turned away");
    let block = envelope(shop.world.number(), CUSTOMER, &json!({"type": "Block"}));
    let answer = serve.gateway.0.post("/v1.0/event", &block);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    assert_eq!(answer.any_json()["error"]["code"], "numbers_not_known");
    assert_eq!(answer.any_json()["errorCode"], 500);
    let awaited = || serve.admin.get("/readyz").json()["awaited"].clone();
    let waba = json!({"account": "shop", "waba_id": shop.world.own("waba_id"), "keys": ["numbers"]});
    assert_eq!(awaited(), json!([waba]));
    shop.leave_out_numbers(&shop.world.host.url());
    serve.process.line(LOOKED_UP);
    assert_eq!(blocks(&serve, &shop, shop.world.number())["status"], "confirmed");
    assert_eq!(awaited(), json!([]));
    serve.process.stop();
}

#[test]
fn a_number_that_two_wabas_claim_stays_with_the_first() {
    let shop = Shop::open();
    shop.leave_out_numbers(&shop.world.host.url());
    // Another account's file has the shop's number, which Meta lists to the shop.
    let numbers =
        format!(r#"numbers = [{{ number = "{}", phone_number_id = "88888" }}]"#, shop.world.number());
    shop.add_account("salon", "99999", &numbers);
    let other = shop.add_number();
    let serve = shop.serve();
    let told = serve.process.line("is left out of");
    let left_out = format!("the WABA {} of the account \\\"shop\\\"", shop.world.own("waba_id"));
    let stays = r#"that of the WABA 99999 of the account \"salon\" already"#;
    assert!(told.contains(&left_out) && told.contains(stays), "{told}");
    let refused = serve
        .gateway
        .0
        .post("/v1.0/event", &envelope(shop.world.number(), CUSTOMER, &json!({"type": "Block"})));
    assert_eq!(refused.any_json()["error"]["code"], "from_unknown", "{refused:?}");
    assert_eq!(blocks(&serve, &shop, &other)["status"], "confirmed");
    serve.process.stop();
}
