//! Every rule about conversion events, and the ledger they end up in.

use super::*;

const EVENTS: &str = "POST /v26.0/<dataset>/events";
const PURCHASE: &str = r#"{"event_name":"Purchase","event_time":<now>,"action_source":"business_messaging","messaging_channel":"whatsapp","user_data":{"whatsapp_business_account_id":"<waba>","ctwa_clid":"<clid>"},"custom_data":{"currency":"USD","value":12.60}}"#;

#[test]
fn conversions() {
    let bench = Bench::new(Switches::default());
    let check = |from: &str, to: &str, expected: Verdict| {
        assert!(PURCHASE.contains(from), "{from}");
        let body = format!(r#"{{"data":[{}]}}"#, PURCHASE.replace(from, to));
        bench.check(EVENTS, &body, expected);
    };
    let invalid = (400, 100, 0);
    let refused = |subcode| (400, 100, subcode);
    check("", "", SUCCESS);
    check(r#""value":12.60"#, r#""value":"12.60""#, SUCCESS);
    check(r#""event_time":<now>"#, r#""event_time":"<now>""#, SUCCESS);
    check("<now>", "<six days ago>", SUCCESS);
    check(r#""event_name""#, r#""event_id":"ev_1","opt_out":false,"event_name""#, SUCCESS);
    check(r#""event_name":"Purchase","#, "", invalid);
    check(r#""Purchase""#, "7", invalid);
    check(r#""event_time":<now>,"#, "", invalid);
    check("<now>", "1.5", invalid);
    check("<now>", r#""soon""#, invalid);
    check("<now>", "<now ms>", invalid);
    check("<now>", "<eight days ago>", refused(2_804_003));
    check("<now>", "0", refused(2_804_003));
    check("<now>", "-1", refused(2_804_003));
    check("business_messaging", "website", invalid);
    check(r#""action_source":"business_messaging","#, "", invalid);
    check(r#""messaging_channel":"whatsapp","#, "", refused(2_804_063));
    check(r#""messaging_channel":"whatsapp""#, r#""messaging_channel":"messenger""#, refused(2_804_063));
    check(r#""user_data":{"#, r#""event_source_url":"https://x","user_data":{"#, refused(2_804_064));
    check(r#""user_data":{"#, r#""user_data":{"client_ip_address":"::1","#, refused(2_804_064));
    check(r#""user_data":{"#, r#""user_data":{"client_user_agent":"x","#, refused(2_804_064));
    check(r#""user_data":{"#, r#""client_user_agent":"x","user_data":{"#, refused(2_804_064));
    for name in ["Lead", "Schedule", "Contact", "CompleteRegistration", "Subscribe", "purchase", ""] {
        check("Purchase", name, refused(2_804_066));
    }
    check("<clid>", "ARAkLkA8rmlFeiCktEJQ", refused(2_804_087));
    check("<clid>", "<their clid>", refused(2_804_087));
    check(r#","ctwa_clid":"<clid>""#, "", refused(2_804_087));
    check(r#""user_data":{"#, r#""user_data":{"page_id":"1","#, refused(2_804_131));
    check("<waba>", "<their waba>", refused(2_804_132));
    check(r#""whatsapp_business_account_id":"<waba>","#, "", invalid);
    check(r#""currency":"USD","#, "", invalid);
    check("USD", "DOLLAR", invalid);
    check(r#","value":12.60"#, "", invalid);
    check("12.60", r#""much""#, invalid);
}

#[test]
fn the_shapes_of_a_batch() {
    let bench = Bench::new(Switches::default());
    let quoted = |text: &str| serde_json::to_string(&bench.filled(text)).unwrap();
    let one = PURCHASE;
    let bad = PURCHASE.replace("Purchase", "Lead");
    bench.check(EVENTS, &format!(r#"{{"data":[{one},{one}]}}"#), SUCCESS);
    bench.check(EVENTS, &format!(r#"{{"data":{}}}"#, quoted(&format!("[{one}]"))), SUCCESS);
    bench.check(EVENTS, &format!(r#"{{"data":[{}]}}"#, quoted(one)), SUCCESS);
    assert_eq!(bench.shared.inner().world.conversion_count(None), 4);
    for body in [
        format!(r#"{{"data":[{one},{bad},{one}]}}"#),
        format!(r#"{{"data":[{}]}}"#, vec![one; 1_001].join(",")),
        r#"{"data":[]}"#.to_owned(),
        r#"{"data":[1]}"#.to_owned(),
        r#"{"data":["x"]}"#.to_owned(),
        r#"{"data":"x"}"#.to_owned(),
        r#"{"data":{}}"#.to_owned(),
        // The stray doubled list of Meta's own sample.
        format!(r#"{{"data":[{{"data":[{one}]}}]}}"#),
        "{}".to_owned(),
        String::new(),
    ] {
        let answer = bench.json(EVENTS, &body);
        assert_eq!((answer.status, verdict(&answer).1), (400, 100), "{}", &body[..body.len().min(200)]);
    }
    assert_eq!(bench.shared.inner().world.conversion_count(None), 4, "a refused batch leaves nothing");
    let full = bench.json(EVENTS, &format!(r#"{{"data":[{}]}}"#, vec![one; 1_000].join(",")));
    assert!(
        text(&full).starts_with(r#"{"events_received":1000,"messages":[],"fbtrace_id":"A"#),
        "{}",
        text(&full)
    );
}

#[test]
fn the_ledger_keeps_what_came_as_it_came() {
    let bench = Bench::new(Switches::default());
    let body = format!(r#"{{"data":[{PURCHASE},{PURCHASE}],"test_event_code":"TEST1"}}"#);
    bench.check(EVENTS, &body, SUCCESS);
    let rows = bench.shared.inner().world.conversion_rows(Some(&bench.ours.dataset_id), 0);
    let rows: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    assert_eq!(rows.len(), 2, "nothing is deduplicated");
    for (row, n) in rows.iter().zip(1..) {
        let sent = bench.filled(PURCHASE);
        let event = sent.strip_suffix('}').unwrap();
        // The clock may have passed a second since, so the event's own time is not compared.
        let (head, tail) = event.split_once("event_time").unwrap();
        let tail = tail.split_once(',').unwrap().1;
        let place =
            format!(r#","sandbox":{{"n":{n},"dataset_id":"{}","received_at":""#, bench.ours.dataset_id);
        assert!(row.starts_with(head) && row.contains(tail) && row.contains(&place), "{row}");
        assert!(row.ends_with(r#""test_event_code":"TEST1"}}"#), "{row}");
    }
    assert!(bench.shared.inner().world.conversion_rows(Some(&bench.theirs.dataset_id), 0).is_empty());
}

#[test]
fn stricter_sets_of_names() {
    for (count, passing) in [(5, "ViewContent"), (2, "LeadSubmitted")] {
        let changes = format!(r#"{{"conversions":{count}}}"#);
        let bench = Bench::new(Switches::default().with(changes.as_bytes()).unwrap());
        let body = |name| format!(r#"{{"data":[{}]}}"#, PURCHASE.replace("Purchase", name));
        bench.check(EVENTS, &body(passing), SUCCESS);
        bench.check(EVENTS, &body("OrderCreated"), (400, 100, 2_804_066));
    }
}
