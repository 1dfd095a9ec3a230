//! What is known of a user from WhatsApp's notifications.

use crate::{Bsuid, CtwaClid, Person, PhoneNumber, Timestamp};

/// One thing that a notification, or a confirmed event, tells about a person in the eyes of one business number.
/// Touches may come twice and out of order; folding them into a [`Contact`] gives the same result all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The person wrote.
    MessageIn {
        /// When.
        at: Timestamp,
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

/// A person in the eyes of one business number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The business's number.
    pub business: PhoneNumber,
    /// The person.
    pub person: Person,
    /// The person's number, if known beside a business-scoped id.
    pub phone: Option<PhoneNumber>,
    /// The person's business-scoped id, if known beside a number.
    pub bsuid: Option<Bsuid>,
    /// When they last wrote; Meta's 24-hour window runs from it.
    pub last_message_in: Option<Timestamp>,
    /// Whether the business has blocked them, as Meta last confirmed, and when that was.
    pub blocked: Option<(bool, Timestamp)>,
    /// Their ad clicks, newest first, each id once.
    pub clicks: Vec<Click>,
}

impl Contact {
    /// The most clicks kept per person; the oldest make room.
    pub const CLICKS_MAX: usize = 32;

    /// A person of whom nothing is known yet.
    pub const fn new(business: PhoneNumber, person: Person) -> Self {
        Self {
            business,
            person,
            phone: None,
            bsuid: None,
            last_message_in: None,
            blocked: None,
            clicks: Vec::new(),
        }
    }

    /// Adds what a touch tells. Any order of the same touches, any of them repeated, gives the same contact.
    pub fn fold(&mut self, touch: &Touch) {
        match touch {
            Touch::MessageIn { at } => self.last_message_in = self.last_message_in.max(Some(*at)),
            Touch::Clicked(click) => self.fold_click(click),
            Touch::Blocked { blocked, at } => {
                let news = (*at, *blocked);
                if self.blocked.is_none_or(|(known, since)| (since, known) < news) {
                    self.blocked = Some((*blocked, *at));
                }
            }
            Touch::Identified { phone, bsuid, at: _ } => {
                self.phone = self.phone.max(Some(*phone));
                self.bsuid = self.bsuid.take().max(Some(bsuid.clone()));
            }
        }
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

    /// What decides between two touches about one click; the texts only so that there is never a tie.
    fn latest(click: &Click) -> (Timestamp, Option<&str>, Option<&str>) {
        (click.at, click.ad_id.as_deref(), click.headline.as_deref())
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
            1 => at().prop_map(|at| Touch::MessageIn { at }),
            1 => (any::<bool>(), at()).prop_map(|(blocked, at)| Touch::Blocked { blocked, at }),
            1 => (0..3_u64, "US[.][1-3]", at()).prop_map(|(n, bsuid, at)| Touch::Identified {
                phone: PhoneNumber::from_u64(31_600_000_000 + n).unwrap(),
                bsuid: Bsuid::parse(&bsuid).unwrap(),
                at,
            }),
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
