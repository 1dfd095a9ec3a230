//! What is known of a user from WhatsApp's notifications.

use std::time::Duration;

use crate::{Bsuid, CtwaClid, Person, PhoneNumber, Timestamp, Wamid};

/// One thing that a notification, or a confirmed event, tells about a person in the eyes of one business number.
/// Touches may come twice and out of order; folding them into a [`Contact`] gives the same result all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The person wrote.
    MessageIn {
        /// When.
        at: Timestamp,
        /// The message, if it is known by its id.
        id: Option<Wamid>,
    },
    /// The person wrote after clicking an ad.
    Clicked(Click),
    /// The business blocked or unblocked the person, and Meta confirmed it.
    Blocked {
        /// Whether the person is blocked now.
        blocked: bool,
        /// When Meta confirmed it.
        at: Timestamp,
    },
    /// The person's number and business-scoped id are known to be one person's.
    Identified {
        /// The number.
        phone: PhoneNumber,
        /// The id.
        bsuid: Bsuid,
        /// When that was told.
        at: Timestamp,
    },
    /// The person went by another number or id before.
    Formerly {
        /// Who they were.
        person: Person,
        /// When that changed.
        at: Timestamp,
    },
    /// The person goes by another number or id now.
    Became {
        /// Who they are.
        person: Person,
        /// When that changed.
        at: Timestamp,
    },
}

/// One click on a click-to-WhatsApp ad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    /// The click's id.
    pub id: CtwaClid,
    /// When the message that carried it was written; the latest, if several did.
    pub at: Timestamp,
    /// The ad (`referral.source_id`).
    pub ad_id: Option<String>,
    /// The ad's headline.
    pub headline: Option<String>,
}

/// A message that the person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSeen {
    /// Its id.
    pub id: Wamid,
    /// When it was written.
    pub at: Timestamp,
}

/// A person in the eyes of one business number. What is told with an instant was told last at that instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The business's number.
    pub business: PhoneNumber,
    /// The person.
    pub person: Person,
    /// The person's number, if known beside a business-scoped id.
    pub phone: Option<(PhoneNumber, Timestamp)>,
    /// The person's business-scoped id, if known beside a number.
    pub bsuid: Option<(Bsuid, Timestamp)>,
    /// Who they were before they changed their number or id.
    pub formerly: Option<(Person, Timestamp)>,
    /// Who they are since they changed their number or id.
    pub became: Option<(Person, Timestamp)>,
    /// When they last wrote; Meta's 24-hour window runs from it.
    pub last_message_in: Option<Timestamp>,
    /// Whether the business has blocked them, as Meta last confirmed, and when that was.
    pub blocked: Option<(bool, Timestamp)>,
    /// Their ad clicks, newest first, each id once.
    pub clicks: Vec<Click>,
    /// Their last messages, newest first: which of two messages is the newer one.
    pub messages: Vec<MessageSeen>,
}

impl Contact {
    /// The most clicks kept per person; the oldest make room.
    pub const CLICKS_MAX: usize = 32;
    /// The most messages kept per person; the oldest make room.
    pub const MESSAGES_MAX: usize = 8;
    /// How long after their last message a person can be written to freely, and blocked. Documented by Meta ("Send
    /// messages", customer service windows; "Block users", error 131047).
    pub const WINDOW: Duration = Duration::from_hours(24);

    /// A person of whom nothing is known yet.
    pub const fn new(business: PhoneNumber, person: Person) -> Self {
        Self {
            business,
            person,
            phone: None,
            bsuid: None,
            formerly: None,
            became: None,
            last_message_in: None,
            blocked: None,
            clicks: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Whether everything that is known was told before that instant, and nothing of it holds any longer than it is known:
    /// whoever is blocked stays blocked.
    pub fn is_over(&self, before: Timestamp) -> bool {
        let Self {
            business: _,
            person: _,
            phone,
            bsuid,
            formerly,
            became,
            last_message_in,
            blocked,
            clicks,
            messages,
        } = self;
        let told = [
            phone.as_ref().map(|(_, at)| *at),
            bsuid.as_ref().map(|(_, at)| *at),
            formerly.as_ref().map(|(_, at)| *at),
            became.as_ref().map(|(_, at)| *at),
            *last_message_in,
            blocked.map(|(_, at)| at),
        ];
        let listed = clicks.iter().map(|click| click.at).chain(messages.iter().map(|message| message.at));
        !blocked.is_some_and(|(is_blocked, _)| is_blocked)
            && told.into_iter().flatten().chain(listed).all(|at| at < before)
    }

    /// Until when the window is open, as far as it is known.
    pub fn window_until(&self) -> Option<Timestamp> {
        self.last_message_in.map(|at| at.saturating_add(Self::WINDOW))
    }

    /// Adds what a touch tells. Any order of the same touches, any of them repeated, gives the same contact; but blocks are
    /// told in the order in which Meta confirmed them, and the last one counts, even if the clock was set back meanwhile.
    pub fn fold(&mut self, touch: &Touch) {
        match touch {
            Touch::MessageIn { at, id } => {
                self.last_message_in = self.last_message_in.max(Some(*at));
                if let Some(id) = id {
                    self.fold_message(&MessageSeen { id: id.clone(), at: *at });
                }
            }
            Touch::Clicked(click) => self.fold_click(click),
            Touch::Blocked { blocked, at } => self.blocked = Some((*blocked, *at)),
            Touch::Identified { phone, bsuid, at } => {
                keep_latest(&mut self.phone, (phone, *at));
                keep_latest(&mut self.bsuid, (bsuid, *at));
            }
            Touch::Formerly { person, at } => keep_latest(&mut self.formerly, (person, *at)),
            Touch::Became { person, at } => keep_latest(&mut self.became, (person, *at)),
        }
    }

    /// Adds what is known of the same person under another name. Whether they are blocked stays as it is known under
    /// this one, because Meta blocks by name.
    pub fn join(&mut self, other: &Self) {
        self.last_message_in = self.last_message_in.max(other.last_message_in);
        for (mine, theirs) in [(&mut self.formerly, &other.formerly), (&mut self.became, &other.became)] {
            if let Some((person, at)) = theirs.as_ref().filter(|(person, _)| *person != self.person) {
                keep_latest(mine, (person, *at));
            }
        }
        other.clicks.iter().for_each(|click| self.fold_click(click));
        other.messages.iter().for_each(|message| self.fold_message(message));
    }

    /// Of several touches about one click the latest counts. It must not be the earliest: a click could then grow older
    /// after a truncation that it survived, and the one that was dropped instead would be missing.
    fn fold_click(&mut self, click: &Click) {
        match self.clicks.iter_mut().find(|known| known.id == click.id) {
            Some(known) if Self::latest(known) >= Self::latest(click) => return,
            Some(known) => *known = click.clone(),
            None => self.clicks.push(click.clone()),
        }
        self.clicks.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
        self.clicks.truncate(Self::CLICKS_MAX);
    }

    fn fold_message(&mut self, message: &MessageSeen) {
        match self.messages.iter_mut().find(|known| known.id == message.id) {
            Some(known) if known.at >= message.at => return,
            Some(known) => known.at = message.at,
            None => self.messages.push(message.clone()),
        }
        self.messages.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
        self.messages.truncate(Self::MESSAGES_MAX);
    }

    /// What decides between two touches about one click; the texts only so that there is never a tie.
    fn latest(click: &Click) -> (Timestamp, Option<&str>, Option<&str>) {
        (click.at, click.ad_id.as_deref(), click.headline.as_deref())
    }
}

/// What was told last counts; of two that were told at once, the greater one, so that no order of telling matters.
fn keep_latest<T: Ord + Clone>(known: &mut Option<(T, Timestamp)>, (value, at): (&T, Timestamp)) {
    if known.as_ref().is_none_or(|(known, since)| (*since, known) < (at, value)) {
        *known = Some((value.clone(), at));
    }
}

#[cfg(test)]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    /// Few ids, instants and texts, so that touches meet each other often, but more ids than are kept.
    fn touches() -> impl Strategy<Value = Touch> {
        let at = || (0..50_u64).prop_map(Timestamp::from_millis);
        let click = (0..Contact::CLICKS_MAX + 8, at(), of("[ab]"), of("[ab]"));
        prop_oneof![
            1 => (at(), of(0..Contact::MESSAGES_MAX + 3)).prop_map(|(at, id)| Touch::MessageIn {
                at,
                id: id.map(|id| Wamid::parse(&format!("wamid.{id}")).unwrap()),
            }),
            1 => (0..3_u64, "US[.][1-3]", at()).prop_map(|(n, bsuid, at)| Touch::Identified {
                phone: PhoneNumber::from_u64(31_600_000_000 + n).unwrap(),
                bsuid: Bsuid::parse(&bsuid).unwrap(),
                at,
            }),
            1 => ("US[.][1-3]", at()).prop_map(|(id, at)| Touch::Became { person: Person::parse(&id).unwrap(), at }),
            1 => ("US[.][1-3]", at()).prop_map(|(id, at)| Touch::Formerly { person: Person::parse(&id).unwrap(), at }),
            9 => click.prop_map(|(id, at, ad_id, headline)| {
                Touch::Clicked(Click { id: CtwaClid::parse(&id.to_string()).unwrap(), at, ad_id, headline })
            }),
        ]
    }

    fn folded(touches: &[Touch]) -> Contact {
        let mut contact =
            Contact::new(PhoneNumber::from_u64(31_609_876_543).unwrap(), Person::parse("US.1").unwrap());
        for touch in touches {
            contact.fold(touch);
        }
        contact
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_matters(
            (touches, shuffled) in proptest::collection::vec(touches(), 0..120)
                .prop_flat_map(|touches| (Just(touches.clone()), Just(touches).prop_shuffle())),
            repeated in 0..120_usize,
        ) {
            let contact = folded(&touches);
            prop_assert_eq!(&folded(&shuffled), &contact);
            let twice = [&shuffled[..], &touches[..repeated.min(touches.len())]].concat();
            prop_assert_eq!(folded(&twice), contact);
        }
    }

    #[test]
    fn the_last_block_told_counts_whatever_the_clock_says() {
        let told = |blocked, secs| Touch::Blocked { blocked, at: Timestamp::from_secs(secs) };
        for (touches, expected) in [
            ([told(true, 10), told(false, 11)], (false, 11)),
            ([told(true, 10), told(false, 10)], (false, 10)),
            ([told(true, 10), told(false, 9)], (false, 9)),
            ([told(false, 10), told(true, 9)], (true, 9)),
        ] {
            let expected = (expected.0, Timestamp::from_secs(expected.1));
            assert_eq!(folded(&touches).blocked, Some(expected), "{touches:?}");
        }
    }

    #[test]
    fn the_newest_clicks_stay_even_if_one_of_them_is_told_again_as_older() {
        let click = |id: usize, at: u64| {
            Touch::Clicked(Click {
                id: CtwaClid::parse(&id.to_string()).unwrap(),
                at: Timestamp::from_millis(at),
                ad_id: None,
                headline: None,
            })
        };
        let mut touches: Vec<Touch> = (0..=Contact::CLICKS_MAX).map(|n| click(n, 100 + n as u64)).collect();
        touches.push(click(Contact::CLICKS_MAX, 1));
        let clicks = folded(&touches).clicks;
        assert_eq!((clicks.len(), clicks[0].id.as_str()), (Contact::CLICKS_MAX, "32"));
        assert_eq!(clicks.last().map(|click| click.id.as_str()), Some("1"));
    }
}
