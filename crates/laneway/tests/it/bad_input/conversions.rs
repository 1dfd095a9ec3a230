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

/// What is just inside of a limit is taken.
#[track_caller]
fn taken(desk: &mut Desk, (kind, custom): (&str, Value)) {
    let answer = desk.post(conversion(desk, kind, &custom).as_bytes());
    assert_eq!(answer.status, 200, "{kind} {custom}: {}", answer.body);
}

#[test]
fn types_that_are_none() {
    const TYPE: &str = "event.type";
    let mut desk = Desk::open();
    for (given, meant) in [
        ("Lead", "LeadSubmitted"),
        ("purchased", "Purchase"),
        ("OrderCancelled", "OrderCanceled"),
        ("add_to_cart", "AddToCart"),
        ("ViewedContent", "ViewContent"),
    ] {
        let said = format!("did you mean \\\"{meant}\\\"?");
        check(&mut desk, (given, json!({})), ("unknown_event_type", TYPE), &said);
    }
    for (given, said) in
        [("Subscribe", "known types: MarkAsRead"), ("EventTypeHere", "the placeholder of CM.com's page")]
    {
        check(&mut desk, (given, json!({})), ("unknown_event_type", TYPE), said);
    }
    desk.close();
}

#[test]
fn money_that_is_none() {
    const CURRENCY: &str = "event.custom.currency";
    const VALUE: &str = "event.custom.value";
    let mut desk = Desk::open();
    for (given, said) in [
        ("eur0", "did you mean \\\"EUR\\\"?"),
        ("Euro", "did you mean \\\"EUR\\\"?"),
        ("€", "did you mean \\\"EUR\\\"?"),
        ("US$", "did you mean \\\"USD\\\"?"),
        ("", "ISO 4217"),
        ("DEM", "ISO 4217"),
    ] {
        let purchase = ("Purchase", json!({"currency": given, "value": 1}));
        check(&mut desk, purchase, ("unknown_currency", CURRENCY), said);
    }
    for (given, said) in [
        (json!("12,60"), "write 12.60"),
        (json!(-1), "\\\"-1\\\" is negative"),
        (json!("-0.01"), "is negative"),
        (json!("NaN"), "\\\"NaN\\\" is not"),
        (json!("Infinity"), "\\\"Infinity\\\" is not"),
        (json!("1e3"), "\\\"1e3\\\" is not"),
        (json!("1.000,00"), "\\\"1.000,00\\\" is not"),
        (json!("€ 5"), "\\\"€ 5\\\" is not"),
        (json!(""), "\\\"\\\" is not"),
        (json!("1234567890123456"), "digits"),
    ] {
        let purchase = ("Purchase", json!({"currency": "EUR", "value": given}));
        check(&mut desk, purchase, ("value_invalid", VALUE), said);
    }
    for kind in ["Purchase", "OrderCreated", "OrderShipped"] {
        let said = format!("{kind} needs currency and value");
        check(&mut desk, (kind, json!({"value": "1"})), ("currency_missing", CURRENCY), &said);
        let no_currency = json!({"currency": null, "value": "1"});
        check(&mut desk, (kind, no_currency), ("currency_missing", CURRENCY), &said);
        check(&mut desk, (kind, json!({"currency": "EUR"})), ("value_missing", VALUE), &said);
    }
    // Where neither is needed, what is given is checked all the same.
    check(&mut desk, ("AddToCart", json!({"currency": "eur0"})), ("unknown_currency", CURRENCY), "EUR");
    check(&mut desk, ("AddToCart", json!({"value": "12,60"})), ("value_invalid", VALUE), "write 12.60");
    taken(&mut desk, ("purchase", json!({"currency": "eur", "value": "0"})));
    taken(&mut desk, ("OrderShipped", json!({"currency": "JPY", "value": "123456789012345.12345678"})));
    desk.close();
}

#[test]
fn times_at_which_nothing_can_have_happened() {
    const TIME: &str = "event.custom.event_time";
    const DAY: u64 = 24 * 60 * 60;
    let mut desk = Desk::open();
    let now = desk.now();
    for (time, code, said) in [
        (json!(now + DAY), "event_time_in_future", "is in the future"),
        (json!(now - 7 * DAY), "event_time_too_old", "7 days"),
        (json!("2020-02-30T00:00:00Z"), "event_time_invalid", "2026-11-18T11:06:40Z"),
        (json!("yesterday"), "event_time_invalid", "is not a point in time"),
        (json!(now * 1000), "event_time_invalid", &format!("write {now}")),
        (json!(now * 1_000_000), "event_time_invalid", &format!("write {now}")),
        (json!(1.5), "event_time_invalid", "whole seconds"),
    ] {
        check(&mut desk, ("LeadSubmitted", json!({"event_time": time})), (code, TIME), said);
    }
    for time in [now + 30, now - 7 * DAY + 60] {
        taken(&mut desk, ("LeadSubmitted", json!({"event_time": time})));
    }
    desk.close();
}

#[test]
fn clicks_that_nobody_knows() {
    let mut desk = Desk::open();
    for (custom, code, said) in [
        (json!({"ctwa_clid": null}), "click_id_unknown", "referral.ctwa_clid"),
        (json!({"ctwa_clid": ""}), "click_id_unknown", "referral.ctwa_clid"),
        (json!({"ctwa_id": "another"}), "click_id_conflict", "give one of them"),
    ] {
        check(&mut desk, ("LeadSubmitted", custom), (code, "event.custom.ctwa_id"), said);
    }
    desk.close();
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
        let serve = shop.serve();
        let mut desk = Desk::of(shop, serve);
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
