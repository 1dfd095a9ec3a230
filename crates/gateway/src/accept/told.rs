//! What notifications have told, as far as an event is judged by it.

use laneway_model::{Click, Contact, EventKind, Person, PhoneNumber, Timestamp};
use laneway_wire::cm::EventRequest;

use super::event_type;
use super::refusal::{Refusal, RefusalCode};
use crate::config::{CapturedClick, Rules};

/// What is known of the event's user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The user in the eyes of the business number; `None` if nothing is known, or nothing needs to be.
    pub contact: Option<Contact>,
    /// When the last thing happened that a notification of this number told of.
    pub heard: Option<Timestamp>,
}

impl Told {
    /// Nothing.
    pub const NOTHING: &'static Self = &Self { contact: None, heard: None };

    /// The click that a conversion without a click id is about.
    pub(crate) fn click(&self, rules: &Rules, now: Timestamp) -> Option<&Click> {
        let clicks = self.contact.as_ref()?.clicks.as_slice();
        let mut recent = clicks.iter().filter(|click| now.since(click.at) < Rules::EVENT_AGE_MAX);
        match rules.captured_click {
            CapturedClick::Newest => recent.next(),
            CapturedClick::Oldest => recent.next_back(),
            CapturedClick::Off => None,
        }
    }

    /// Whether the user's window is proven closed: their last message is known and older than the window, and something
    /// later is known to have happened at this number, so that a later message would be known, too.
    pub(crate) fn has_closed_window(&self, rules: &Rules, now: Timestamp) -> bool {
        let closed = self.contact.as_ref().and_then(Contact::window_until);
        let known = closed.zip(self.heard).filter(|_| rules.block_window);
        known.is_some_and(|(closed, heard)| now >= closed && heard > closed)
    }

    /// Refuses a block whose window is proven closed.
    pub(super) fn check_window(&self, rules: &Rules, now: Timestamp) -> Result<(), Refusal> {
        if !self.has_closed_window(rules, now) {
            return Ok(());
        }
        let problem = format!(
            "the user's last message is more than {} hours old, and Meta blocks nobody who has not written since",
            Contact::WINDOW.as_secs() / 3600
        );
        Err(Refusal::of_field(RefusalCode::WindowClosed, "to.number", problem)
            .hint("block the user when they have written again"))
    }
}

/// The business number and the user that must be known of to judge this request; `None` for all events but blocks and
/// conversions without a click id. What is wrong with the request is told later, by whoever judges it.
pub fn asks_about(rules: &Rules, request: &EventRequest<'_>) -> Option<(PhoneNumber, Person)> {
    let is_given = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
    let custom = &request.custom;
    let asks = match event_type::read(request.event_type.as_deref()).ok()? {
        EventKind::Block => rules.block_window,
        EventKind::Conversion(_) => {
            rules.captured_click != CapturedClick::Off
                && !is_given(custom.ctwa_id.as_deref())
                && !is_given(custom.ctwa_clid.as_deref())
        }
        EventKind::MarkAsRead | EventKind::Typing | EventKind::UnBlock => false,
    };
    if !asks {
        return None;
    }
    let business = PhoneNumber::parse(request.from.as_deref()?).ok()?;
    Some((business, Person::parse(request.to.as_deref()?).ok()?))
}
