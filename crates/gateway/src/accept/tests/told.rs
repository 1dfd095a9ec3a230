//! What notifications have told, and what follows for events.

use std::time::Duration;

use laneway_model::{Click, ClickId, Contact, CtwaClid, Touch};

use super::super::asks_about;
use super::*;
use crate::config::CapturedClick;

const USER: &str = "+316012345678";

/// What is known of a user who wrote, and clicked, so many hours ago.
fn told(wrote: Option<u64>, clicks: &[(&str, u64)], heard: Option<u64>) -> Told {
    let ago = |hours| NOW.saturating_sub(Duration::from_hours(hours));
    let mut contact =
        Contact::new(PhoneNumber::parse("+316098765432").unwrap(), Person::parse(USER).unwrap());
    if let Some(hours) = wrote {
        contact.fold(&Touch::MessageIn { at: ago(hours), id: None });
    }
    for (id, hours) in clicks {
        let id = CtwaClid::parse(id).unwrap();
        contact.fold(&Touch::Clicked(Click { id, at: ago(*hours), ad_id: None, headline: None }));
    }
    Told { contact: Some(contact), heard: heard.map(ago) }
}

fn click_of(rules: &Rules, told: &Told, custom: &str) -> Option<ClickId> {
    let body = body("LeadSubmitted", custom);
    let accepted = judge_told(&account(), rules, told, &body, None).ok()?;
    let Action::Conversion(conversion) = accepted.event.action else { panic!("it is a conversion") };
    conversion.click
}

#[test]
fn a_conversion_finds_its_click() {
    let (newest, off) = (Rules::default(), Rules { captured_click: CapturedClick::Off, ..Rules::default() });
    let oldest = Rules { captured_click: CapturedClick::Oldest, ..Rules::default() };
    let three = [("a", 1), ("b", 100), ("c", 167)].as_slice();
    for (rules, clicks, custom, expected) in [
        (&newest, three, "", Some(("a", true))),
        (&oldest, three, "", Some(("c", true))),
        (&off, three, "", None),
        (&newest, three, r#""ctwa_clid":"own""#, Some(("own", false))),
        (&newest, three, r#""ctwa_id":"""#, Some(("a", true))),
        (&newest, &[("c", 167)], "", Some(("c", true))),
        (&newest, &[("d", 168)], "", None),
        (&oldest, &[("a", 1), ("d", 168)], "", Some(("a", true))),
        (&newest, &[], "", None),
    ] {
        let found = click_of(rules, &told(None, clicks, None), custom);
        let found = found.as_ref().map(|click| (click.value.as_str(), click.captured));
        assert_eq!(found, expected, "{clicks:?} {custom}");
    }
    assert_eq!(click_of(&newest, Told::NOTHING, ""), None);
}

#[test]
fn a_conversion_may_wait_for_its_click() {
    let wait = Duration::from_hours(2);
    let rules = Rules { click_id_wait: Some(wait), ..Rules::default() };
    let lead = |custom| body("LeadSubmitted", custom);
    let account = account();
    let check = |told: &Told, body: &str| {
        let accepted = judge_told(&account, &rules, told, body, None).unwrap();
        let Action::Conversion(conversion) = &accepted.event.action else { panic!("it is a conversion") };
        let click = conversion.click.as_ref().map(|click| (click.value.to_string(), click.captured));
        (click, super::super::due(&rules, &accepted.event))
    };
    assert_eq!(check(Told::NOTHING, &lead("")), (None, NOW.saturating_add(wait)));
    let known = told(None, &[("a", 1)], None);
    assert_eq!(check(&known, &lead("")), (Some(("a".to_owned(), true)), NOW));
    assert_eq!(check(Told::NOTHING, &lead(r#""ctwa_id":"own""#)), (Some(("own".to_owned(), false)), NOW));
}

#[test]
fn a_block_is_refused_only_when_its_window_is_proven_closed() {
    let off = Rules { block_window: false, ..Rules::default() };
    for (rules, wrote, heard, refused) in [
        (&Rules::default(), Some(25), Some(0), true),
        (&Rules::default(), Some(24), Some(0), false),
        (&Rules::default(), Some(30), Some(5), true),
        // What was heard last happened within the window: a later message may be on its way.
        (&Rules::default(), Some(30), Some(6), false),
        (&Rules::default(), Some(30), None, false),
        (&Rules::default(), Some(23), Some(0), false),
        (&Rules::default(), None, Some(0), false),
        (&off, Some(25), Some(0), false),
    ] {
        let judged = judge_told(&account(), rules, &told(wrote, &[], heard), &body("Block", ""), None);
        let code = judged.err().map(|refusal| refusal.code);
        assert_eq!(code, refused.then_some(RefusalCode::WindowClosed), "{wrote:?} {heard:?}");
    }
    assert!(
        judge_told(&account(), &Rules::default(), &told(Some(25), &[], Some(0)), &body("UnBlock", ""), None)
            .is_ok()
    );
}

#[test]
fn nothing_is_looked_up_for_other_events() {
    let off = Rules { block_window: false, captured_click: CapturedClick::Off, ..Rules::default() };
    for (rules, kind, custom, asks) in [
        (&Rules::default(), "Block", "", true),
        (&Rules::default(), "Purchase", "", true),
        (&Rules::default(), "Purchase", r#""ctwa_clid":"""#, true),
        (&Rules::default(), "Purchase", r#""ctwa_clid":"x""#, false),
        (&Rules::default(), "Purchase", r#""ctwa_id":"x""#, false),
        (&Rules::default(), "UnBlock", "", false),
        (&Rules::default(), "MarkAsRead", r#""message_id":"wamid.x""#, false),
        (&Rules::default(), "Typing", r#""message_id":"wamid.x""#, false),
        (&Rules::default(), "Lead", "", false),
        (&off, "Block", "", false),
        (&off, "Purchase", "", false),
    ] {
        let body = body(kind, custom);
        let request = cm::parse(body.as_bytes()).unwrap();
        assert_eq!(asks_about(rules, &request).is_some(), asks, "{kind} {custom}");
    }
}
