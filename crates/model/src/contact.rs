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
    /// When the message that carried it was written.
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

    fn fold_click(&mut self, click: &Click) {
        match self.clicks.iter_mut().find(|known| known.id == click.id) {
            Some(known) if known.at <= click.at => return,
            Some(known) => *known = click.clone(),
            None => self.clicks.push(click.clone()),
        }
        self.clicks.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id.cmp(&b.id)));
        self.clicks.truncate(Self::CLICKS_MAX);
    }
}
