//! What is made of Meta's answers.

use laneway_channel::meta::look_up::{Error, ListedNumber, ListedNumbers, TokenState};
use laneway_model::{PhoneNumber, PhoneNumberId, Timestamp, WabaId};

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
