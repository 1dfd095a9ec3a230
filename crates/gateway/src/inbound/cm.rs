//! CM.com's incoming messages.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use laneway_journal::ContactTouch;
use laneway_model::{Click, CtwaClid, Person, PhoneNumber, Timestamp, Touch, Wamid};
use laneway_wire::cm::IncomingMessage;

use super::{Heard, UPDATES_MAX, is_known};
use crate::config::{Account, Config, NumbersFrom};

/// The only channel whose messages concern anybody here.
const CHANNEL: &str = "WhatsApp";

/// What incoming messages tell, as far as they are to numbers of this account.
pub fn hear_cm(account: &Account, messages: &[IncomingMessage], received_at: Timestamp) -> Heard {
    let mut heard = Heard::default();
    for message in messages.iter().take(UPDATES_MAX) {
        match of_account(account, message) {
            Some((business, person)) => {
                let at = message.time_utc.as_deref().and_then(instant);
                let at = at.map_or(received_at, |at| at.min(received_at));
                heard.believe(business, Some(at));
                let mut touch = |touch: Touch| {
                    heard.touches.push(ContactTouch { business, person: person.clone(), touch });
                };
                let id = message.wamid.as_deref().and_then(|id| Wamid::parse(id).ok());
                touch(Touch::MessageIn { at, id });
                if let Some(id) = message.ctwa_clid.as_deref().and_then(|id| CtwaClid::parse(id).ok()) {
                    let (ad_id, headline) = (message.ad_id.clone(), message.headline.clone());
                    touch(Touch::Clicked(Click { id, at, ad_id, headline }));
                }
            }
            None => heard.strange += 1,
        }
    }
    heard.strange += messages.len().saturating_sub(UPDATES_MAX);
    heard
}

/// Whether a message is to a number that nobody has, and that may be one of those which Meta has not told yet of this
/// account. Nothing but Meta's word tells that it is, since CM.com signs nothing: it has to come again.
pub fn is_early(config: &Config, account: &Account, messages: &[IncomingMessage]) -> bool {
    let awaits = account.wabas.iter().any(|waba| waba.numbers_from == NumbersFrom::NotYet);
    let mut businesses = messages.iter().take(UPDATES_MAX).filter_map(business);
    awaits && businesses.any(|business| !is_known(config, business))
}

/// The business number that a message is to.
fn business(message: &IncomingMessage) -> Option<PhoneNumber> {
    let is_ours = message.channel.as_deref().is_some_and(|channel| channel.eq_ignore_ascii_case(CHANNEL));
    PhoneNumber::parse(message.to.as_deref()?).ok().filter(|_| is_ours)
}

fn of_account(account: &Account, message: &IncomingMessage) -> Option<(PhoneNumber, Person)> {
    let business = business(message)?;
    let mut numbers = account.wabas.iter().flat_map(|waba| &waba.numbers);
    let person = Person::parse(message.from.as_deref()?).ok()?;
    numbers.any(|number| number.number == business).then_some((business, person))
}

/// `2019-01-01T12:00:00`, in UTC; CM.com's documents show no zone, and one that is written all the same is heeded.
fn instant(text: &str) -> Option<Timestamp> {
    let zoned = || text.parse::<jiff::Timestamp>().ok();
    let naive = || text.parse::<DateTime>().ok().and_then(|time| TimeZone::UTC.to_timestamp(time).ok());
    let millis = zoned().or_else(naive)?.as_millisecond();
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, expected) in [
            ("2019-01-01T12:00:00", Some(1_546_344_000)),
            ("2019-01-01T12:00:00Z", Some(1_546_344_000)),
            ("2019-01-01T13:00:00+01:00", Some(1_546_344_000)),
            ("2019-01-01 12:00:00", Some(1_546_344_000)),
            ("1960-01-01T12:00:00", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(instant(text).map(Timestamp::as_secs), expected, "{text}");
        }
    }
}
