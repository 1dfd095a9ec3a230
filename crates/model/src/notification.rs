//! What WhatsApp tells of its own accord.

use crate::{Bsuid, Click, Person, PhoneNumber, PhoneNumberId, Timestamp, WabaId, Wamid};

/// A notification: what happened, update by update, in the order in which it was written. The order in which
/// notifications come says nothing, and each may come again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The updates; a notification can bring those of several WABAs.
    pub updates: Vec<Update>,
}

/// One update, and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The WhatsApp Business Account; `None` where the notification names none.
    pub waba: Option<WabaId>,
    /// Meta's id of the business number; `None` for what concerns a whole WABA.
    pub number: Option<PhoneNumberId>,
    /// That number itself; `None` where the notification does not show it readably.
    pub displayed: Option<PhoneNumber>,
    /// What happened.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A person wrote, in whatever form.
    MessageIn {
        /// The message.
        id: Option<Wamid>,
        /// Who wrote.
        from: Identity,
        /// When.
        at: Timestamp,
        /// The ad that they came from; only with the first message after the click.
        click: Option<Click>,
        /// What they wrote.
        content: Box<Content>,
    },
    /// A message of the business's was sent, delivered, read or refused.
    Status {
        /// The message.
        id: Option<Wamid>,
        /// To whom it went.
        to: Identity,
        /// When.
        at: Timestamp,
        /// What became of it.
        progress: Progress,
        /// Why it was refused: Meta's code and words.
        error: Option<(Option<u32>, String)>,
    },
    /// A person has another number or another business-scoped id.
    Moved {
        /// Who they were.
        from: Identity,
        /// Who they are; a part that is not told did not change, or is not shared.
        to: Identity,
        /// When.
        at: Timestamp,
        /// The notification's word for it.
        kind: String,
        /// What it says, as JSON text.
        details: Box<str>,
    },
    /// The business number could not do something.
    Problem {
        /// Meta's error code.
        code: Option<u32>,
        /// What Meta says, as JSON text.
        details: Box<str>,
    },
    /// Something else, which is only kept.
    Other {
        /// The field that it came under.
        field: String,
        /// What it says, as JSON text.
        details: Box<str>,
    },
}

/// What a message says, as far as somebody must be told who does not read notifications themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The notification's word for its form, such as `text` or `image`.
    pub form: Option<String>,
    /// The name that the person has given themselves.
    pub name: Option<String>,
    /// Its words: the text, or the title of the button that was pressed.
    pub text: Option<String>,
    /// What else than words it is.
    pub media: Option<Media>,
    /// A place.
    pub location: Option<Location>,
    /// The business's message that it answers.
    pub answers: Option<Wamid>,
    /// What else it carries, by the notification's own names, as JSON texts.
    pub details: Vec<(String, Box<str>)>,
}

/// A picture, a film, a recording or a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Where it can be fetched, with the WABA's token.
    pub url: Option<String>,
    /// Its MIME type.
    pub mime_type: Option<String>,
    /// Its caption, or its file's name.
    pub title: Option<String>,
}

/// A place. The degrees are numbers as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Degrees north.
    pub latitude: Option<String>,
    /// Degrees east.
    pub longitude: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// Where that is.
    pub address: Option<String>,
}

/// What became of a message of the business's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// WhatsApp has it.
    Sent,
    /// The person's device has it.
    Delivered,
    /// The person has seen it.
    Read,
    /// The person has listened to it.
    Played,
    /// It did not arrive.
    Failed,
    /// Something else, in Meta's word.
    Other(String),
}

/// A person as a notification names them: by number, by business-scoped id, or by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The number; absent where a username hides it.
    pub phone: Option<PhoneNumber>,
    /// The business-scoped id; absent in older notifications.
    pub bsuid: Option<Bsuid>,
}

impl News {
    /// When it happened, where the notification says so.
    pub const fn at(&self) -> Option<Timestamp> {
        match self {
            Self::MessageIn { at, .. } | Self::Status { at, .. } | Self::Moved { at, .. } => Some(*at),
            Self::Problem { .. } | Self::Other { .. } => None,
        }
    }
}

impl Identity {
    /// The person, by number where it is known.
    pub fn person(&self) -> Option<Person> {
        self.phone.map(Person::Phone).or_else(|| self.bsuid.clone().map(Person::Bsuid))
    }

    /// Number and id, if both are known.
    pub fn both(&self) -> Option<(PhoneNumber, &Bsuid)> {
        self.phone.zip(self.bsuid.as_ref())
    }

    /// The same with what another naming of the same person adds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { phone: self.phone.or(other.phone), bsuid: self.bsuid.or(other.bsuid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_goes_by_their_number_where_it_is_known() {
        let phone = PhoneNumber::parse("+316012345678").unwrap();
        let bsuid = Bsuid::parse("US.1").unwrap();
        let by_phone = Identity { phone: Some(phone), bsuid: None };
        let by_id = Identity { phone: None, bsuid: Some(bsuid.clone()) };
        assert_eq!(by_phone.person(), Some(Person::Phone(phone)));
        assert_eq!(by_id.person(), Some(Person::Bsuid(bsuid.clone())));
        assert_eq!(Identity::default().person(), None);
        assert_eq!((by_phone.both(), by_id.both()), (None, None));
        let both = by_id.or(by_phone);
        assert_eq!((both.person(), both.both()), (Some(Person::Phone(phone)), Some((phone, &bsuid))));
    }
}
