//! Notifications against bytes from their sources; see `fixtures/graph/server/README.md`.

use laneway_wire::graph::server::{
    DeliveryStatus, Happening, Notification, NotificationText, NotifiedUser, Referral, WelcomeMessage,
    notification_body,
};

/// A fixture's bytes, without the line end an editor may have left.
macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/graph/server/", $name)).trim_end()
    };
}

const WAMID: &str = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUQ0N0VFMDA2MTQ0RkJFNkNDNAA=";

/// Something about the user of Meta's examples, from before business-scoped ids.
fn notification(wamid: &str, at_seconds: u64, happening: Happening) -> Notification {
    Notification {
        waba_id: "102290129340398".to_owned(),
        display_phone_number: "15550783881".to_owned(),
        phone_number_id: "106540352242922".to_owned(),
        user: NotifiedUser {
            name: "Sheena Nelson".to_owned(),
            username: None,
            wa_id: Some("16505551234".to_owned()),
            user_id: None,
        },
        wamid: wamid.to_owned(),
        at_seconds,
        happening,
    }
}

fn utf8(notifications: &[Notification]) -> String {
    String::from_utf8(notification_body(notifications, NotificationText::Utf8)).expect("UTF-8")
}

#[test]
fn documented_notifications_come_out_byte_for_byte() {
    let referral = Referral {
        source_url: "https://fb.me/3cr4Wqqkv".to_owned(),
        source_id: "120226305854810726".to_owned(),
        source_type: "ad",
        body: "Summer Succulents are here!".to_owned(),
        headline: "Chat with us".to_owned(),
        media_type: "image",
        image_url: "https://scontent.xx.fbcdn.net/v/t45.1...".to_owned(),
        ctwa_clid: Some("Aff-n8ZTODiE79d22KtAwQKj9e_mIEOOj27vDVwFjN80dp4_0NiNhEgpGo0AHemvuSoifXaytfTzcchptiErTKCqTrJ5nW1h7IHYeYymGb5K5J5iTROpBhWAGaIAeUzHL50".to_owned()),
        welcome_message: WelcomeMessage { text: "Hi there! Let us know how we can help!".to_owned() },
    };
    let body = "Hello! Can I get more info on this?".to_owned();
    let from_ad = Happening::Text { body, referral: Some(referral) };
    assert_eq!(
        utf8(&[notification(WAMID, 1_750_275_992, from_ad)]),
        fixture!("text-messages.ad.notification.json")
    );
    let wamid = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUFERjg0NDEzNDdFODU3MUMxMAA=";
    let changed = Happening::ChangedNumber { new_wa_id: "12195555358".to_owned() };
    assert_eq!(
        utf8(&[notification(wamid, 1_739_321_024, changed)]),
        fixture!("system-messages.notification.json")
    );
    assert_eq!(
        utf8(&[notification(WAMID, 1_750_090_702, Happening::Unsupported)]),
        fixture!("unsupported-messages.notification.json")
    );
}

/// Checks the one change of a status notification.
fn check_status(wa_id: Option<&str>, status: DeliveryStatus, contacts: &str, statuses: &str) {
    let mut happened = notification(WAMID, 1_750_263_773, Happening::Status(status));
    happened.user.wa_id = wa_id.map(str::to_owned);
    happened.user.user_id = Some("US.13491208655302741918".to_owned());
    let expected = format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"102290129340398","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"15550783881","phone_number_id":"106540352242922"}},{contacts}"statuses":[{{"id":"{WAMID}",{statuses}}}]}},"field":"messages"}}]}}]}}"#
    );
    assert_eq!(utf8(&[happened]), expected);
}

#[test]
fn statuses() {
    const NUMBER: Option<&str> = Some("16505551234");
    const CONTACT: &str = r#""contacts":[{"profile":{"name":"Sheena Nelson"},"wa_id":"16505551234","user_id":"US.13491208655302741918"}],"#;
    const FREE: &str = r#""pricing":{"billable":false,"pricing_model":"PMP","type":"free_customer_service","category":"service"}"#;
    const RECIPIENT: &str = r#""timestamp":"1750263773","recipient_id":"16505551234","recipient_user_id":"US.13491208655302741918""#;
    let sent = format!(r#""status":"sent",{RECIPIENT},{FREE}"#);
    check_status(NUMBER, DeliveryStatus::Sent, CONTACT, &sent);
    let delivered = format!(r#""status":"delivered",{RECIPIENT},{FREE}"#);
    check_status(NUMBER, DeliveryStatus::Delivered, CONTACT, &delivered);
    check_status(NUMBER, DeliveryStatus::Read, CONTACT, &format!(r#""status":"read",{RECIPIENT}"#));
    const ERROR: &str = r#""errors":[{"code":130403,"title":"Unable to deliver the message","message":"Unable to deliver the message","error_data":{"details":"This business has blocked the end user on WhatsApp."},"href":"/documentation/business-messaging/whatsapp/support/error-codes"}]"#;
    let failed =
        format!(r#""status":"failed","timestamp":"1750263773","recipient_id":"16505551234",{ERROR}"#);
    check_status(NUMBER, DeliveryStatus::FailedBlocked { by_number: true }, "", &failed);
    let failed = format!(
        r#""status":"failed","timestamp":"1750263773","recipient_user_id":"US.13491208655302741918",{ERROR}"#
    );
    check_status(None, DeliveryStatus::FailedBlocked { by_number: false }, "", &failed);
}

#[test]
fn a_user_without_a_number_has_an_id() {
    let mut written = notification(WAMID, 1, Happening::Text { body: "Hi".to_owned(), referral: None });
    written.user = NotifiedUser {
        name: "Sheena Nelson".to_owned(),
        username: Some("sheena".to_owned()),
        wa_id: None,
        user_id: Some("US.13491208655302741918".to_owned()),
    };
    let body = utf8(&[written]);
    let expected = format!(
        r#""contacts":[{{"profile":{{"name":"Sheena Nelson","username":"sheena"}},"user_id":"US.13491208655302741918"}}],"messages":[{{"from_user_id":"US.13491208655302741918","id":"{WAMID}","timestamp":"1","type":"text","text":{{"body":"Hi"}}}}]"#
    );
    assert!(body.contains(&expected), "{body}");
}

#[test]
fn letters_beyond_ascii_are_escaped_as_meta_does() {
    // Meta's page on webhooks gives äöå and its escaped form.
    let body = "äöå 😀 a/b \"c\" \\".to_owned();
    let written = [notification(WAMID, 1, Happening::Text { body, referral: None })];
    let escaped = String::from_utf8(notification_body(&written, NotificationText::Escaped)).expect("ASCII");
    assert!(escaped.is_ascii());
    assert!(escaped.contains(r#"{"body":"\u00e4\u00f6\u00e5 \ud83d\ude00 a\/b \"c\" \\"}"#), "{escaped}");
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(read(&escaped), read(&utf8(&written)));
}

#[test]
fn neighbours_of_one_account_share_an_entry() {
    let mut three = vec![notification(WAMID, 1, Happening::Unsupported); 3];
    three[2].waba_id = "102290129340399".to_owned();
    let body: serde_json::Value = serde_json::from_str(&utf8(&three)).expect("JSON");
    let entries = body["entry"].as_array().expect("a list");
    let shape: Vec<_> = entries
        .iter()
        .map(|entry| (entry["id"].as_str(), entry["changes"].as_array().map(Vec::len)))
        .collect();
    assert_eq!(shape, [(Some("102290129340398"), Some(2)), (Some("102290129340399"), Some(1))]);
}
