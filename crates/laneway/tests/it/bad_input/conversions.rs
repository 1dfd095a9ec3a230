//! Conversions that cannot work are refused at once, with the reason, and with the word that was probably meant.

use std::fs;

use serde_json::{Value, json};

use super::Desk;
use crate::harness::Shop;

/// A conversion with these fields, and no others but those it cannot do without.
fn conversion(desk: &Desk, kind: &str, custom: &Value) -> String {
    let mut all = json!({"ctwa_clid": "click"});
    for (name, value) in custom.as_object().unwrap() {
        all[name] = value.clone();
    }
    let event = json!({
        "channel": "WhatsApp",
        "event": {"type": kind, "custom": all},
        "from": {"number": desk.shop.world.number()},
        "to": {"number": "+316012345678"},
    });
    event.to_string()
}

#[track_caller]
fn check(desk: &mut Desk, (kind, custom): (&str, Value), (code, field): (&str, &str), said: &str) {
    let body = conversion(desk, kind, &custom);
    let answer = desk.refused(body.as_bytes(), code, Some(field));
    assert!(answer.to_string().contains(said), "no {said:?} in {answer}");
}

#[test]
fn what_cannot_work_is_refused_with_the_reason() {
    const TYPE: &str = "event.type";
    const CURRENCY: &str = "event.custom.currency";
    const VALUE: &str = "event.custom.value";
    const TIME: &str = "event.custom.event_time";
    const DAY: u64 = 24 * 60 * 60;
    let mut open = Desk::open();
    let desk = &mut open;
    for (given, meant) in [
        ("Lead", "LeadSubmitted"),
        ("purchased", "Purchase"),
        ("OrderCancelled", "OrderCanceled"),
        ("add_to_cart", "AddToCart"),
        ("ViewedContent", "ViewContent"),
    ] {
        let said = format!("did you mean \\\"{meant}\\\"?");
        check(desk, (given, json!({})), ("unknown_event_type", TYPE), &said);
    }
    check(desk, ("Subscribe", json!({})), ("unknown_event_type", TYPE), "known types: MarkAsRead");
    check(
        desk,
        ("EventTypeHere", json!({})),
        ("unknown_event_type", TYPE),
        "the placeholder of CM.com's page",
    );

    for (given, said) in [
        ("eur0", "did you mean \\\"EUR\\\"?"),
        ("Euro", "did you mean \\\"EUR\\\"?"),
        ("€", "did you mean \\\"EUR\\\"?"),
        ("US$", "did you mean \\\"USD\\\"?"),
        ("", "ISO 4217"),
        ("DEM", "ISO 4217"),
    ] {
        check(
            desk,
            ("Purchase", json!({"currency": given, "value": 1})),
            ("unknown_currency", CURRENCY),
            said,
        );
    }
    for (given, said) in [
        (json!("12,60"), "write 12.60"),
        (json!(-1), "-1"),
        (json!("-0.01"), "negative"),
        (json!("NaN"), "NaN"),
        (json!("Infinity"), "Infinity"),
        (json!("1e3"), "1e3"),
        (json!("1.000,00"), "1.000,00"),
        (json!("€ 5"), "€ 5"),
        (json!(""), "event.custom.value"),
        (json!("1234567890123456"), "digits"),
    ] {
        check(desk, ("Purchase", json!({"currency": "EUR", "value": given})), ("value_invalid", VALUE), said);
    }
    for kind in ["Purchase", "OrderCreated", "OrderShipped"] {
        let said = format!("{kind} needs currency and value");
        check(desk, (kind, json!({"value": "1"})), ("currency_missing", CURRENCY), &said);
        check(desk, (kind, json!({"currency": null, "value": "1"})), ("currency_missing", CURRENCY), &said);
        check(desk, (kind, json!({"currency": "EUR"})), ("value_missing", VALUE), &said);
    }
    // Where neither is needed, what is given is checked all the same.
    check(desk, ("AddToCart", json!({"currency": "eur0"})), ("unknown_currency", CURRENCY), "EUR");
    check(desk, ("AddToCart", json!({"value": "12,60"})), ("value_invalid", VALUE), "write 12.60");

    let now = desk.now();
    let lead = |time: Value| ("LeadSubmitted", json!({"event_time": time}));
    check(desk, lead(json!(now + DAY)), ("event_time_in_future", TIME), "is in the future");
    check(desk, lead(json!(now - 7 * DAY)), ("event_time_too_old", TIME), "7 days");
    check(desk, lead(json!("2020-02-30T00:00:00Z")), ("event_time_invalid", TIME), "2026-11-18T11:06:40Z");
    check(desk, lead(json!("yesterday")), ("event_time_invalid", TIME), "is not a point in time");
    check(desk, lead(json!(now * 1000)), ("event_time_invalid", TIME), &format!("write {now}"));
    check(desk, lead(json!(now * 1_000_000)), ("event_time_invalid", TIME), &format!("write {now}"));
    check(desk, lead(json!(1.5)), ("event_time_invalid", TIME), "whole seconds");

    let click = |custom| ("LeadSubmitted", custom);
    check(
        desk,
        click(json!({"ctwa_clid": null})),
        ("click_id_unknown", "event.custom.ctwa_id"),
        "referral.ctwa_clid",
    );
    check(
        desk,
        click(json!({"ctwa_clid": ""})),
        ("click_id_unknown", "event.custom.ctwa_id"),
        "referral.ctwa_clid",
    );
    check(
        desk,
        click(json!({"ctwa_id": "b"})),
        ("click_id_conflict", "event.custom.ctwa_id"),
        "give one of them",
    );

    // Just inside of each limit.
    for (kind, custom) in [
        ("purchase", json!({"currency": "eur", "value": "0"})),
        ("LeadSubmitted", json!({"event_time": now + 30})),
        ("LeadSubmitted", json!({"event_time": now - 7 * DAY + 60})),
        ("OrderShipped", json!({"currency": "JPY", "value": "123456789012345.12345678"})),
    ] {
        let answer = desk.post(conversion(desk, kind, &custom).as_bytes());
        assert_eq!(answer.status, 200, "{kind} {custom}: {}", answer.body);
    }
    open.close();
}

#[test]
fn a_restricted_country_sends_no_conversions() {
    for (country, allowed, is_taken) in [
        ("GB", false, false),
        ("JP", false, false),
        ("NL", false, false),
        ("NL", true, true),
        ("US", false, true),
    ] {
        let shop = Shop::open();
        let account = format!("country = \"{country}\"\nallow_restricted_country = {allowed}\n");
        let config = fs::read_to_string(shop.config()).unwrap();
        fs::write(shop.config(), config.replace("name = \"shop\"\n", &format!("name = \"shop\"\n{account}")))
            .unwrap();
        let mut desk = Desk::of(shop);
        let body = conversion(&desk, "LeadSubmitted", &json!({}));
        if is_taken {
            assert_eq!(desk.post(body.as_bytes()).status, 200, "{country}");
        } else {
            let answer = desk.refused(body.as_bytes(), "country_restricted", Some("event.type"));
            assert!(
                answer["details"].as_str().unwrap().ends_with(&format!("country is {country}")),
                "{answer}"
            );
        }
        desk.close();
    }
}
