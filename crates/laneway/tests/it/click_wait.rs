//! Conversions that wait for their click ids, through the real binary.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{CUSTOMER, Serve, Shop, TOKENS, envelope, run};

/// Somebody whose click nobody will tell of.
const STRANGER: &str = "+316012399901";
const SECRET: &str = "4cHpTqYxkq2u";

/// A shop that lets conversions wait so long, and hears of messages by CM.com and by Meta.
fn shop(wait: &str) -> Shop {
    let shop = Shop::open();
    let app = "[[app]]\nname = \"main\"\napp_secrets = [\"file:app_secret\"]\nverify_token = \"file:verify\"";
    shop.configure(&shop.world.host.url(), &format!("[rules]\nclick_id_wait = \"{wait}\"\n{app}"));
    let mut text = fs::read_to_string(shop.config()).unwrap();
    for (line, more) in [
        ("name = \"shop\"\n", "cm_webhook_secrets = [\"file:cm_secret\"]\n"),
        ("[[account.waba]]\n", "app = \"main\"\n"),
    ] {
        assert!(text.contains(line));
        text = text.replacen(line, &format!("{line}{more}"), 1);
    }
    fs::write(shop.config(), text).unwrap();
    for (file, secret) in
        [("cm_secret", SECRET), ("app_secret", shop.world.own("app_secret")), ("verify", "verify")]
    {
        fs::write(shop.path(file), secret).unwrap();
    }
    shop
}

/// Has WhatsApp, which is the sandbox, tell the gateway what is written to the shop.
#[track_caller]
fn tell(shop: &Shop, serve: &Serve) {
    let path = format!("/sandbox/numbers/{}/webhook", shop.world.number().trim_start_matches('+'));
    let hook =
        json!({"url": format!("{}/webhooks/meta/main", serve.gateway.0.url()), "verify_token": "verify"});
    assert_eq!(shop.world.host.send("PUT", &path, &hook.to_string()).unwrap().status, 200);
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

#[test]
fn the_click_may_come_by_a_signed_notification_of_meta() {
    let shop = shop("2h");
    let serve = shop.serve();
    tell(&shop, &serve);
    let number = shop.world.number();
    let ids = [CUSTOMER, CUSTOMER, STRANGER].map(|user| serve.gateway.submit(number, user, &lead()));
    for id in &ids {
        assert_eq!(now(&serve, id)["waiting_for"], "click_id");
    }
    let written = shop.world.user_writes(CUSTOMER, "From an ad");
    let click = json!({"value": written.click, "captured": true});
    for id in &ids[..2] {
        let event = serve.gateway.ended(id);
        assert_eq!((&event["status"], &event["click_id"]), (&json!("confirmed"), &click), "{event}");
    }
    assert_eq!(now(&serve, &ids[2])["waiting_for"], "click_id", "it is somebody else's click");
    let conversions = shop.world.rows("/sandbox/conversions");
    let sent: Vec<_> =
        conversions.iter().map(|row| row["user_data"]["ctwa_clid"].as_str().unwrap()).collect();
    assert_eq!(sent, [written.click.as_str(); 2]);
}

#[test]
fn whoever_is_erased_waits_no_longer() {
    let shop = shop("2h");
    let serve = shop.serve();
    tell(&shop, &serve);
    let number = shop.world.number();
    let [erased, kept] = [CUSTOMER, STRANGER].map(|user| serve.gateway.submit(number, user, &lead()));
    let (url, token) = (serve.gateway.0.url(), TOKENS.all.text.as_str());
    let report = run(&["erase", CUSTOMER, "--json", "--url", &url, "--token", token]);
    assert_eq!((report.code, &report.json()["events"]), (0, &json!(1)), "{report:?}");
    assert_eq!(serve.gateway.0.get(&format!("/api/v1/events/{erased}")).status, 404);

    // Their click comes too late for what was erased, and those of others are waited for as before.
    shop.world.user_writes(CUSTOMER, "From an ad");
    shop.world.user_writes(STRANGER, "From an ad");
    assert_eq!(serve.gateway.ended(&kept)["status"], "confirmed");
    assert_eq!(shop.world.rows("/sandbox/conversions").len(), 1);
    serve.process.kill();
    let serve = shop.serve();
    assert_eq!(serve.gateway.0.get(&format!("/api/v1/events/{erased}")).status, 404);
    assert_eq!(serve.gateway.every_event("").len(), 1);
}
