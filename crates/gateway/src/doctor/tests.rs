//! What is made of Meta's answers.

use laneway_channel::Secret;
use laneway_channel::meta::look_up::{App, Error, ListedNumber, ListedNumbers, TokenState};
use laneway_model::{AppName, PhoneNumber, PhoneNumberId, Timestamp, WabaId};

use super::token::judge;
use super::*;

const DAY: u64 = 24 * 60 * 60;
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const SEND: &str = "whatsapp_business_messaging";
const EVENTS: &str = "whatsapp_business_manage_events";

fn state(scopes: &[&str], ends_at: Option<Timestamp>) -> TokenState {
    TokenState {
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ends_at,
        ..TokenState::default()
    }
}

#[test]
fn tokens() {
    let granted = |target: &str| TokenState {
        granted: vec![(SEND.to_owned(), vec![target.to_owned()])],
        ..state(&[SEND, EVENTS], None)
    };
    let dead = TokenState { dead: Some("It has expired.".to_owned()), ..TokenState::default() };
    let in_days = |days: u64| Some(Timestamp::from_secs(NOW.as_secs() + days * DAY));
    let refused = Error::Refused("(#100) not yours".to_owned());
    for (told, verdict, says) in [
        (Ok(state(&[SEND, EVENTS], None)), Verdict::Good, "never expires"),
        (Ok(state(&[SEND, EVENTS], in_days(8))), Verdict::Good, "ends at 2023-11-22T22:13:20Z; it has"),
        (Ok(state(&[SEND, EVENTS], in_days(7))), Verdict::Bad, "less than 7 days"),
        (Ok(state(&[SEND, EVENTS], Some(Timestamp::from_secs(1)))), Verdict::Bad, "is over"),
        (Ok(state(&[SEND], None)), Verdict::Bad, "It lacks whatsapp_business_manage_events"),
        (Ok(state(&[EVENTS], None)), Verdict::Bad, "It lacks whatsapp_business_messaging"),
        (Ok(state(&[], None)), Verdict::Unknown, "does not say what it may do"),
        (Ok(granted("102")), Verdict::Good, "never expires"),
        (Ok(granted("103")), Verdict::Bad, "not for this WABA"),
        (Ok(dead), Verdict::Bad, "does not work: It has expired."),
        (Err(refused), Verdict::Unknown, "not yours"),
    ] {
        let (found, said, fix) = judge(&told, &[SEND, EVENTS], &WabaId::parse("102").unwrap(), NOW);
        assert_eq!(found, verdict, "{said}");
        assert!(said.contains(says), "{said}");
        assert_eq!(fix.is_some(), verdict == Verdict::Bad, "{said}");
    }
}

#[test]
fn numbers() {
    let listed = |rows: &[(&str, Option<&str>)], is_whole| {
        let row = |&(id, number): &(&str, Option<&str>)| ListedNumber {
            id: PhoneNumberId::parse(id).unwrap(),
            number: number.map(|number| PhoneNumber::parse(number).unwrap()),
        };
        Ok(ListedNumbers { numbers: rows.iter().map(row).collect(), is_whole })
    };
    let number = Number {
        number: PhoneNumber::parse("+316098765432").unwrap(),
        phone_number_id: PhoneNumberId::parse("106").unwrap(),
    };
    let own = ("106", Some("+316098765432"));
    for (listed, verdict) in [
        (listed(&[own], true), Verdict::Good),
        (listed(&[("106", Some("+316098765433"))], true), Verdict::Bad),
        (listed(&[("106", None)], true), Verdict::Unknown),
        (listed(&[("107", own.1)], true), Verdict::Bad),
        (listed(&[("107", own.1)], false), Verdict::Unknown),
        (Err(Error::NoAnswer("Nothing.".to_owned())), Verdict::Unknown),
    ] {
        let fixes = [NumbersFrom::File, NumbersFrom::Meta].map(|from| {
            let found = compare(&number, from, &listed);
            assert_eq!((found.verdict, found.fix.is_some()), (verdict, verdict == Verdict::Bad), "{found:?}");
            found.fix
        });
        // What the file does not say is not to be corrected in it.
        assert!(verdict != Verdict::Bad || fixes[0] != fixes[1], "{fixes:?}");
    }
    let many: Vec<_> = (0..12).map(|_| own).collect();
    for (listed, verdict, says) in [
        (listed(&[own, ("107", None)], true), Verdict::Good, "lists +31…5432 (106), not readable (107)."),
        (listed(&many, true), Verdict::Good, " and 2 more."),
        (listed(&[], true), Verdict::Bad, "Meta lists none."),
        (Err(Error::Refused("No.".to_owned())), Verdict::Unknown, "did not list them"),
    ] {
        let (found, said, fix) = none_written(&listed);
        assert_eq!((found, fix.is_some()), (verdict, verdict == Verdict::Bad), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// What is made of the answer of `GET /{waba_id}/subscribed_apps` about a WABA with the app `main`, or none, whose token is of the app 12.
async fn apps(
    subscribed: Result<Vec<App>, Error>,
    receives: bool,
    callback_url: Option<&str>,
) -> [Answer; 2] {
    let name = AppName::parse("main").unwrap();
    let app =
        config::App { name: name.clone(), app_secrets: Vec::new(), verify_token: Secret::new("open-sesame") };
    let waba = Waba {
        id: WabaId::parse("102").unwrap(),
        app: receives.then_some(name),
        access_token: Secret::new("token"),
        conversions_token: None,
        dataset_id: None,
        looks_up_dataset: false,
        graph_url: Waba::GRAPH_URL.to_owned(),
        graph_version: Waba::GRAPH_VERSION.to_owned(),
        max_calls_per_second: Waba::MAX_CALLS_PER_SECOND,
        numbers: Vec::new(),
        numbers_from: NumbersFrom::NotYet,
    };
    let options = Options { ask_token: false, callback_url: callback_url.map(str::to_owned) };
    let client = meta::Client::new(Limits::default());
    let examination = Examination {
        waba: &waba,
        app: receives.then_some(&app),
        account: waba.at_meta(),
        client: &client,
        options: &options,
    };
    let own = Some(listed("12", None));
    [examination.subscribed(&subscribed, own.as_ref()), examination.callback(&subscribed, own.as_ref()).await]
}

fn listed(id: &str, callback: Option<&str>) -> App {
    App { id: id.to_owned(), name: Some("Shop".to_owned()), callback: callback.map(str::to_owned) }
}

#[tokio::test]
async fn subscriptions() {
    let refused = Error::Refused("(#10) No permission".to_owned());
    for (subscribed, receives, verdict, says) in [
        (Ok(vec![listed("12", None)]), true, Verdict::Good, "Shop (12)."),
        (Ok(vec![listed("13", None)]), true, Verdict::Unknown, "own app, Shop (12), is not among them"),
        (Ok(vec![listed("13", None)]), false, Verdict::Good, "Shop (13)."),
        (Ok(Vec::new()), true, Verdict::Bad, "No app is subscribed"),
        (Ok(Vec::new()), false, Verdict::Good, "No app is subscribed"),
        (Err(refused), true, Verdict::Unknown, "No permission"),
    ] {
        let [(found, said, fix), _] = apps(subscribed, receives, None).await;
        assert_eq!((found, fix.is_some()), (verdict, verdict == Verdict::Bad), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn callbacks() {
    // Nothing listens on port 1, so what is asked there has no answer, which proves nothing.
    let (own, others) = ("http://127.0.0.1:1/own", "http://127.0.0.1:1/others");
    let subscribed = [listed("13", Some(others)), listed("12", Some(own))];
    for (subscribed, receives, url, verdict, says) in [
        (&subscribed[..], true, Some("http://127.0.0.1:1"), Verdict::Unknown, "127.0.0.1:1/own, asked"),
        (
            &subscribed[..1],
            true,
            Some("http://127.0.0.1:1/"),
            Verdict::Unknown,
            ":1/webhooks/meta/main, asked",
        ),
        (&subscribed[..1], true, None, Verdict::Unknown, "/webhooks/meta/main"),
        (&[], true, Some("not an address"), Verdict::Bad, "no http or https address"),
        (&[], false, None, Verdict::Good, "receives no notifications"),
    ] {
        let [_, (found, said, fix)] = apps(Ok(subscribed.to_vec()), receives, url).await;
        assert_eq!((found, fix.is_some()), (verdict, verdict == Verdict::Bad), "{said}");
        assert!(said.contains(says) && !said.contains("sesame"), "{said}");
    }
}
