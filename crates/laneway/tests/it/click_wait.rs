//! Conversions that wait for their click ids, through the real binary.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Serve, Shop, envelope};

/// Somebody whose click nobody will tell of.
const STRANGER: &str = "+316012399901";
const SECRET: &str = "4cHpTqYxkq2u";

/// A shop that lets conversions wait so long, and hears of messages by CM.com.
fn shop(wait: &str) -> Shop {
    let shop = Shop::open();
    shop.configure(&shop.world.host.url(), &format!("[rules]\nclick_id_wait = \"{wait}\""));
    let text = fs::read_to_string(shop.config()).unwrap();
    let hears = "name = \"shop\"\ncm_webhook_secrets = [\"file:cm_secret\"]";
    fs::write(shop.config(), text.replacen("name = \"shop\"", hears, 1)).unwrap();
    fs::write(shop.path("cm_secret"), SECRET).unwrap();
    shop
}

fn lead() -> Value {
    json!({"type": "LeadSubmitted"})
}

/// The event without waiting for anything.
fn now(serve: &Serve, id: &str) -> Value {
    serve.gateway.0.get(&format!("/api/v1/events/{id}")).json()
}

#[test]
fn a_conversion_waits_over_a_restart_until_a_click_is_told() {
    let shop = shop("2h");
    let serve = shop.serve();
    let number = shop.world.number();
    let dry = serve.gateway.0.post("/v1.0/event?dry_run=true", &envelope(number, CUSTOMER, &lead()));
    assert_eq!(dry.status, 200, "{:?}", dry.any_json());
    let waiting = serve.gateway.submit(number, CUSTOMER, &lead());
    let others = serve.gateway.submit(number, STRANGER, &lead());
    serve.process.kill();

    let serve = shop.serve();
    for id in [&waiting, &others] {
        let event = now(&serve, id);
        assert_eq!(
            (&event["status"], &event["waiting_for"], &event["click_id"]),
            (&json!("accepted"), &json!("click_id"), &Value::Null),
            "{event}"
        );
    }
    let written = shop.world.user_writes(CUSTOMER, "From an ad");
    // CM.com writes the time in UTC, without saying so.
    let accepted = now(&serve, &waiting)["accepted_at"].as_str().unwrap().to_owned();
    let at = accepted.split('.').next().unwrap();
    let told = json!({
        "reference": "1", "messageContext": written.wamid, "channel": "WhatsApp",
        "from": {"number": CUSTOMER}, "to": {"number": number}, "timeUtc": at,
        "message": {"text": "From an ad", "custom": {"referral": {"source_id": "12", "source_type": "ad", "ctwa_clid": written.click}}},
    });
    assert_eq!(serve.gateway.0.post(&format!("/webhooks/cm/{SECRET}"), &told.to_string()).status, 200);
    let event = serve.gateway.ended(&waiting);
    let click = json!({"value": written.click, "captured": true});
    assert_eq!((&event["status"], &event["click_id"]), (&json!("confirmed"), &click), "{event}");
    assert_eq!(shop.world.rows("/sandbox/conversions")[0]["user_data"]["ctwa_clid"], written.click.as_str());

    // The other one goes on waiting, and can be given up.
    assert_eq!(now(&serve, &others)["waiting_for"], "click_id");
    assert_eq!(serve.gateway.0.post(&format!("/api/v1/events/{others}/discard"), "").status, 200);
    assert_eq!(serve.gateway.ended(&others)["status"], "discarded");
}

#[test]
fn at_the_deadline_it_fails_and_says_why() {
    let shop = shop("1s");
    let serve = shop.serve();
    let event = serve.gateway.deliver(shop.world.number(), STRANGER, &lead());
    assert_eq!(
        (&event["status"], &event["reason"]),
        (&json!("failed"), &json!("No click id of its user became known in time.")),
        "{event}"
    );
    assert_eq!(event["attempts"], json!([]), "nothing was sent");
}
