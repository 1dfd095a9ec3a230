//! What a conversion needs.

use super::*;

fn conversion(body: &str) -> laneway_model::Conversion {
    match judge(body).unwrap().event.action {
        Action::Conversion(conversion) => *conversion,
        other @ (Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock) => {
            panic!("not a conversion: {other:?}")
        }
    }
}

fn at(event_time: &str) -> String {
    body("ViewContent", &format!(r#""ctwa_id":"c","event_time":{event_time}"#))
}

#[test]
fn click_ids() {
    const FIELD: &str = "event.custom.ctwa_id";
    for custom in [
        r#""ctwa_id":"c""#,
        r#""ctwa_clid":"c""#,
        r#""CTWA_ID":"c","ctwa_clid":"c""#,
        r#""ctwa_id":"","ctwa_clid":"c""#,
    ] {
        let click = conversion(&body("AddToCart", custom)).click.unwrap();
        assert_eq!((click.value.as_str(), click.captured), ("c", false), "{custom}");
    }
    for custom in ["", r#""ctwa_id":"""#, r#""ctwa_id":null,"ctwa_clid":"""#] {
        refuses_with(
            judge(&body("AddToCart", custom)),
            RefusalCode::ClickIdUnknown,
            "event.custom.ctwa_id: missing, and no click id is known for this user; Meta takes no conversion without one",
            FIELD,
            Some("it is referral.ctwa_clid of the first message after the user clicked the ad"),
        );
    }
    refuses_with(
        judge(&body("AddToCart", r#""ctwa_id":"c","ctwa_clid":"d""#)),
        RefusalCode::ClickIdConflict,
        "event.custom.ctwa_id: differs from event.custom.ctwa_clid",
        FIELD,
        Some("both name the click id; give one of them"),
    );
    refuses(
        &body("AddToCart", &format!(r#""ctwa_clid":"{}""#, "c".repeat(1025))),
        RefusalCode::ClickIdInvalid,
        "event.custom.ctwa_clid: is longer than 1024 bytes",
        "event.custom.ctwa_clid",
    );
}

#[test]
fn currencies_and_values_are_mandatory_for_three() {
    for kind in EventKind::all().filter(|kind| matches!(kind, EventKind::Conversion(_))) {
        let is_needed = ["Purchase", "OrderCreated", "OrderShipped"].contains(&kind.as_str());
        let custom = [r#""ctwa_id":"c","value":1"#, r#""ctwa_id":"c","currency":"EUR""#];
        let [no_currency, no_value] = custom.map(|custom| body(kind.as_str(), custom));
        if is_needed {
            refuses(
                &no_currency,
                RefusalCode::CurrencyMissing,
                &format!("event.custom.currency: missing; {kind} needs currency and value"),
                "event.custom.currency",
            );
            refuses(
                &no_value,
                RefusalCode::ValueMissing,
                &format!("event.custom.value: missing; {kind} needs currency and value"),
                "event.custom.value",
            );
        } else {
            assert!(judge(&no_currency).is_ok() && judge(&no_value).is_ok(), "{kind}");
        }
    }
}

#[test]
fn currencies() {
    let currency = |text: &str| body("ViewContent", &format!(r#""ctwa_id":"c","currency":"{text}""#));
    let found = conversion(&currency("usd")).currency;
    assert_eq!(found.map(|currency| currency.to_string()).as_deref(), Some("USD"));
    let hint = Some("write the three letters of ISO 4217, such as EUR or USD");
    for (text, details) in [
        ("eur0", "event.custom.currency: \"eur0\" is not a currency code; did you mean \"EUR\"?"),
        ("€", "event.custom.currency: \"€\" is not a currency code; did you mean \"EUR\"?"),
        ("", "event.custom.currency: \"\" is not a currency code"),
        ("QQQ", "event.custom.currency: \"QQQ\" is not a currency code"),
        ("US dollars", "event.custom.currency: \"US dollars\" is not a currency code"),
    ] {
        refuses_with(
            judge(&currency(text)),
            RefusalCode::UnknownCurrency,
            details,
            "event.custom.currency",
            hint,
        );
    }
    let rules = Rules { unlisted_currency: false, ..Rules::default() };
    assert!(judge_as(&account(), &rules, &currency("QQQ"), None).is_ok());
    assert!(judge_as(&account(), &rules, &currency("eur0"), None).is_err());
}

#[test]
fn values() {
    let value = |text: &str| body("ViewContent", &format!(r#""ctwa_id":"c","value":{text}"#));
    for (text, expected) in [("12.60", "12.60"), (r#""12.60""#, "12.60"), ("0", "0"), (r#""007""#, "7")] {
        assert_eq!(conversion(&value(text)).value.unwrap().as_str(), expected, "{text}");
    }
    for (text, details, hint) in [
        (
            r#""12,60""#,
            "event.custom.value: \"12,60\" is not a decimal number with a dot, such as 12.60",
            Some("write 12.60"),
        ),
        (
            r#"" 12.60""#,
            "event.custom.value: \" 12.60\" is not a decimal number with a dot, such as 12.60",
            Some("write 12.60"),
        ),
        (
            r#""1.234,56""#,
            "event.custom.value: \"1.234,56\" is not a decimal number with a dot, such as 12.60",
            None,
        ),
        (
            r#""1,234.56""#,
            "event.custom.value: \"1,234.56\" is not a decimal number with a dot, such as 12.60",
            None,
        ),
        (r#""""#, "event.custom.value: \"\" is not a decimal number with a dot, such as 12.60", None),
        (r#""NaN""#, "event.custom.value: \"NaN\" is not a decimal number with a dot, such as 12.60", None),
        ("1e3", "event.custom.value: \"1e3\" is not a decimal number with a dot, such as 12.60", None),
        ("-1", "event.custom.value: \"-1\" is negative", None),
        (r#""-0.01""#, "event.custom.value: \"-0.01\" is negative", None),
        (
            "0.30000000000000004",
            "event.custom.value: \"0.30000000000000004\" has more than 15 digits before or 8 after the dot",
            None,
        ),
    ] {
        refuses_with(judge(&value(text)), RefusalCode::ValueInvalid, details, "event.custom.value", hint);
    }
}

#[test]
fn event_times() {
    let time = |text: &str| conversion(&at(text)).event_time;
    assert_eq!(conversion(&body("ViewContent", r#""ctwa_id":"c""#)).event_time, NOW);
    assert_eq!(time("1794999999"), Timestamp::from_secs(1_794_999_999));
    assert_eq!(time(r#""1794999999""#), Timestamp::from_secs(1_794_999_999));
    assert_eq!(time(r#""2026-11-18T11:06:40Z""#), NOW);
    assert_eq!(time(r#""2026-11-18T12:06:39.5+01:00""#), Timestamp::from_millis(1_794_999_999_500));

    const POINT: &str = "write whole seconds since 1970, such as 1795000000, or 2026-11-18T11:06:40Z";
    for (text, problem, hint) in [
        (
            "1795000000000",
            "\"1795000000000\" is milliseconds; it must be whole seconds since 1970",
            Some("write 1795000000"),
        ),
        (
            r#""1795000000000000""#,
            "\"1795000000000000\" is microseconds; it must be whole seconds since 1970",
            Some("write 1795000000"),
        ),
        (
            "1795000000000000000",
            "\"1795000000000000000\" is nanoseconds; it must be whole seconds since 1970",
            Some("write 1795000000"),
        ),
        ("1794999999.5", "\"1794999999.5\" is not a point in time", Some(POINT)),
        ("-1", "\"-1\" is not a point in time", Some(POINT)),
        (r#""""#, "\"\" is not a point in time", Some(POINT)),
        (r#""yesterday""#, "\"yesterday\" is not a point in time", Some(POINT)),
        (r#""2026-11-18""#, "\"2026-11-18\" is not a point in time", Some(POINT)),
        (r#""2026-11-18T11:06:40""#, "\"2026-11-18T11:06:40\" is not a point in time", Some(POINT)),
        (r#""1969-12-31T23:59:59Z""#, "\"1969-12-31T23:59:59Z\" is not a point in time", Some(POINT)),
        (r#""99999999999999999999""#, "\"99999999999999999999\" is not a point in time", Some(POINT)),
    ] {
        let details = format!("event.custom.event_time: {problem}");
        refuses_with(
            judge(&at(text)),
            RefusalCode::EventTimeInvalid,
            &details,
            "event.custom.event_time",
            hint,
        );
    }
}

#[test]
fn event_times_out_of_range() {
    const FIELD: &str = "event.custom.event_time";
    let ago = |seconds: u64| at(&(NOW.as_secs() - seconds).to_string());
    let ahead = |seconds: u64| at(&(NOW.as_secs() + seconds).to_string());
    assert!(judge(&ahead(60)).is_ok() && judge(&ago(7 * DAY - 1)).is_ok());
    refuses_with(
        judge(&ahead(61)),
        RefusalCode::EventTimeInFuture,
        "event.custom.event_time: 2026-11-18T11:07:41Z is in the future",
        FIELD,
        Some(
            "conversions are reported when they have happened; without event_time, the time of arrival is taken",
        ),
    );
    refuses_with(
        judge(&ago(7 * DAY)),
        RefusalCode::EventTimeTooOld,
        "event.custom.event_time: 2026-11-11T11:06:40Z is too long ago: no conversion is sent 7 days after it",
        FIELD,
        Some("Meta refuses every event of a call that has one older than 7 days"),
    );
    refuses(
        &at("99999999999"),
        RefusalCode::EventTimeInFuture,
        "event.custom.event_time: 5138-11-16T09:46:39Z is in the future",
        FIELD,
    );

    let give_up = GiveUp { conversions: std::time::Duration::from_secs(3600), ..GiveUp::default() };
    let impatient = Rules::new(give_up);
    assert!(judge_as(&account(), &impatient, &ago(3599), None).is_ok());
    let refusal = judge_as(&account(), &impatient, &ago(3600), None).unwrap_err();
    assert_eq!(
        refusal.details,
        "event.custom.event_time: 2026-11-18T10:06:40Z is too long ago: no conversion is sent 3600 seconds after it"
    );

    let lenient = Rules { event_time_in_future: false, event_time_too_old: false, ..Rules::default() };
    assert!(judge_as(&account(), &lenient, &ahead(DAY), None).is_ok());
    let old = judge_as(&account(), &lenient, &ago(30 * DAY), None).unwrap();
    assert_eq!(old.expires, Timestamp::from_secs(NOW.as_secs() + 7 * DAY));
}

#[test]
fn event_ids() {
    let id = |id: &str| body("ViewContent", &format!(r#""ctwa_id":"c","event_id":"{id}""#));
    assert_eq!(conversion(&body("ViewContent", r#""ctwa_id":"c""#)).event_id, None);
    assert_eq!(conversion(&id(&"é".repeat(64))).event_id.unwrap().as_str(), "é".repeat(64));
    for (text, problem) in
        [("", "is empty"), (&*"é".repeat(65), "is longer than 64 characters"), ("a\\nb", "contains '\\n'")]
    {
        let details = format!("event.custom.event_id: {problem}");
        refuses(&id(text), RefusalCode::EventIdInvalid, &details, "event.custom.event_id");
    }
}

#[test]
fn countries() {
    let from = |country: &str, allow_restricted_country| Account {
        country: Country::parse(country),
        allow_restricted_country,
        ..account()
    };
    let body_of = |kind| body(kind, r#""ctwa_id":"c""#);
    let judged = |account: &Account, kind| judge_as(account, &Rules::default(), &body_of(kind), None);
    for country in ["NL", "GB", "JP"] {
        refuses_with(
            judged(&from(country, false), "ViewContent"),
            RefusalCode::CountryRestricted,
            &format!(
                "event.type: ViewContent cannot be sent: conversions are closed to businesses in the UK, Japan and the \
                 European Union, and this account's country is {country}"
            ),
            "event.type",
            Some(&format!(
                "if Meta does take conversions from {country}, set allow_restricted_country = true for this account"
            )),
        );
        assert!(judged(&from(country, true), "ViewContent").is_ok());
        assert!(judged(&from(country, false), "Block").is_ok());
    }
    assert!(judged(&from("US", false), "ViewContent").is_ok());
}

#[test]
fn a_number_without_a_data_set_sends_no_conversions() {
    let other = |kind| body(kind, r#""ctwa_id":"c""#).replace("00316098765432", "+14155550100");
    refuses_with(
        judge(&other("ViewContent")),
        RefusalCode::NoDataset,
        "from.number: +14155550100 has no data set that conversions could go to",
        "from.number",
        Some("give the number's WABA a dataset_id in the configuration"),
    );
    assert!(judge(&other("Block")).is_ok());
}
