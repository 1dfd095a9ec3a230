//! Meta's notifications.

use laneway_journal::ContactTouch;
use laneway_model::{
    AppName, Identity, News, Notification, Person, PhoneNumber, Timestamp, Touch, Update, WabaId,
};

use super::{Heard, UPDATES_MAX, is_known};
use crate::config::{Config, NumbersFrom};

/// What a notification of this app's tells, as far as it is believed.
pub fn hear_meta(config: &Config, app: &AppName, notification: &Notification) -> Heard {
    let mut heard = Heard::default();
    for update in notification.updates.iter().take(UPDATES_MAX) {
        match place(config, app, update) {
            Place::Number(business) => {
                heard.believe(business, update.news.at());
                hear(&mut heard.touches, business, &update.news);
            }
            Place::Waba => heard.believed += 1,
            Place::Elsewhere => heard.strange += 1,
        }
    }
    heard.strange += notification.updates.len().saturating_sub(UPDATES_MAX);
    heard
}

/// Where an update happened, in the eyes of the configuration.
enum Place {
    /// At this number.
    Number(PhoneNumber),
    /// At a WABA as a whole.
    Waba,
    /// At a WABA that is not this app's, or at a number that is not the WABA's.
    Elsewhere,
}

fn place(config: &Config, app: &AppName, update: &Update) -> Place {
    let own = |id: &WabaId| config.accounts.find_waba(id).filter(|waba| waba.app.as_ref() == Some(app));
    let Some(waba) = update.waba.as_ref().and_then(own) else { return Place::Elsewhere };
    let Some(id) = &update.number else { return Place::Waba };
    if let Some(number) = waba.numbers.iter().find(|number| number.phone_number_id == *id) {
        return Place::Number(number.number);
    }
    match (waba.numbers_from, update.displayed) {
        // Which numbers the WABA has is Meta's word either way, and this word is signed.
        (NumbersFrom::Meta | NumbersFrom::NotYet, Some(number)) if !is_known(config, number) => {
            Place::Number(number)
        }
        (NumbersFrom::Meta | NumbersFrom::NotYet, _) | (NumbersFrom::File, _) => Place::Elsewhere,
    }
}

fn hear(touches: &mut Vec<ContactTouch>, business: PhoneNumber, news: &News) {
    let mut touch = |person: Person, touch: Touch| touches.push(ContactTouch { business, person, touch });
    match news {
        News::MessageIn { id, from, at, click, content: _ } => {
            let Some(person) = from.person() else { return };
            touch(person.clone(), Touch::MessageIn { at: *at, id: id.clone() });
            if let Some(click) = click {
                touch(person, Touch::Clicked(click.clone()));
            }
            identify(&mut touch, from, *at);
        }
        News::Moved { from, to, at, kind: _, details: _ } => {
            let (Some(before), Some(now)) = (from.person(), to.person()) else { return };
            touch(now.clone(), Touch::Formerly { person: before, at: *at });
            for old in persons(from).filter(|old| *old != now) {
                touch(old, Touch::Became { person: now.clone(), at: *at });
            }
            identify(&mut touch, from, *at);
            identify(&mut touch, to, *at);
        }
        // Nearly all notifications are statuses, and they tell nothing of a person that their messages do not tell.
        News::Status { .. } | News::Problem { .. } | News::Other { .. } => {}
    }
}

/// Joins number and id, from either side.
fn identify(touch: &mut impl FnMut(Person, Touch), who: &Identity, at: Timestamp) {
    let Some((phone, bsuid)) = who.both() else { return };
    for person in persons(who) {
        touch(person, Touch::Identified { phone, bsuid: bsuid.clone(), at });
    }
}

fn persons(who: &Identity) -> impl Iterator<Item = Person> {
    who.phone.map(Person::Phone).into_iter().chain(who.bsuid.clone().map(Person::Bsuid))
}
