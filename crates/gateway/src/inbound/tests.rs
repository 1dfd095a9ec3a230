//! How much is read of one notification, and CM.com's instants.

use laneway_model::{AppName, News, Notification, Timestamp, Update};

use super::{Heard, LastHeard, UPDATES_MAX, hear_meta};
use crate::config::Config;

#[test]
fn what_is_beyond_the_limit_is_counted_and_not_read() {
    let news = News::Problem { code: None, details: "{}".into() };
    let update = Update { waba: None, number: None, displayed: None, news };
    let notification = Notification { updates: vec![update; UPDATES_MAX + 3] };
    let heard = hear_meta(&Config::new("data".into()), &AppName::parse("main").unwrap(), &notification);
    assert_eq!(heard, Heard { strange: UPDATES_MAX + 3, ..Heard::default() });
}

#[test]
fn the_latest_counts() {
    let number = laneway_model::PhoneNumber::parse("+316098765432").unwrap();
    let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
    let mut heard = Heard::default();
    for at in [None, Some(early), Some(late), Some(early)] {
        heard.believe(number, at);
    }
    assert_eq!((heard.believed, heard.latest.as_slice()), (4, [(number, late)].as_slice()));
    let last = LastHeard::default();
    assert_eq!(last.of(number), None);
    last.note(&heard.latest);
    last.note(&[(number, early)]);
    assert_eq!(last.of(number), Some(late));
}
