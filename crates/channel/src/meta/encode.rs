//! Members to a body.

use laneway_model::{Action, EventKind, WabaId};
use laneway_wire::graph::client;

use super::{Call, Member, Verb};

/// The most bytes of a body with more than one conversion. Meta names no limit (unknown); the only figure there is, of a
/// third party that passes conversions on, is 1,024,000 bytes for the events of a call (AWS End User Messaging Social,
/// `SendWhatsAppConversionEvent`; field).
pub const BODY_BYTES_MAX: usize = 1_000_000;

/// A body, and how much of it is whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The JSON to send.
    pub body: String,
    /// How many bytes of the body each member takes, in their order, without the commas between them. A read mark takes
    /// the whole body.
    pub member_bytes: Vec<usize>,
}

/// Why members cannot be one call. The driver groups events so that none of it happens; it is checked here once more,
/// because a body that mixes them up would do something that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are no members.
    #[error("the call has no members")]
    Empty,
    /// There are more than the verb allows.
    #[error("the call has {count} members, and {max} at most fit")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A member is of another verb.
    #[error("an event of type {kind} does not belong in this call")]
    Mixed {
        /// The member's type.
        kind: EventKind,
    },
    /// A block or an unblock names nobody.
    #[error("the event names no user")]
    Nobody,
    /// A conversion still waits for its click id.
    #[error("the event has no click id")]
    NoClickId,
}

/// Writes the body of a call for a number of this WABA.
///
/// # Errors
/// [`Error`] when the members cannot be one call of the verb.
pub fn encode(waba: &WabaId, call: Call<'_>) -> Result<Encoded, Error> {
    let max = call.verb.members_max();
    if call.members.len() > max {
        return Err(Error::TooMany { count: call.members.len(), max });
    }
    if let Some(member) = call.members.iter().find(|member| Verb::of(member.event.kind()) != call.verb) {
        return Err(Error::Mixed { kind: member.event.kind() });
    }
    let first = call.members.first().ok_or(Error::Empty)?;
    match &first.event.action {
        Action::MarkAsRead { message_id } => Ok(alone(client::mark_as_read(message_id))),
        Action::Typing { message_id } => Ok(alone(client::typing(message_id))),
        Action::Block | Action::UnBlock => {
            let entry = |member: &Member| member.event.person.as_ref().map(client::block_user);
            let users: Option<Vec<_>> = call.members.iter().map(entry).collect();
            let users = users.ok_or(Error::Nobody)?;
            let member_bytes = users.iter().map(|user| user.get().len()).collect();
            Ok(Encoded { body: client::block_users(&users), member_bytes })
        }
        Action::Conversion(_) => {
            let lacks_click = |member: &Member| match &member.event.action {
                Action::Conversion(conversion) => conversion.click.is_none(),
                Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => false,
            };
            if call.members.iter().any(lacks_click) {
                return Err(Error::NoClickId);
            }
            let data: Vec<_> = call.members.iter().filter_map(|member| conversion(waba, member)).collect();
            let member_bytes = data.iter().map(|event| event.get().len()).collect();
            Ok(Encoded { body: client::events(&data), member_bytes })
        }
    }
}

/// How many of the members, from the first on, one call has room for: at least one, and as many as keep its body within
/// [`BODY_BYTES_MAX`].
pub fn fitting(waba: &WabaId, members: &[Member]) -> usize {
    let mut bytes = 0;
    let fits = |member: &&Member| {
        // Read marks are alone in their calls, and an entry of a block list takes a hundred bytes at most.
        bytes += conversion(waba, member).map_or(0, |event| event.get().len() + 1);
        bytes <= BODY_BYTES_MAX
    };
    members.iter().take_while(fits).count().max(1).min(members.len())
}

fn alone(body: String) -> Encoded {
    Encoded { member_bytes: vec![body.len()], body }
}

fn conversion(waba: &WabaId, member: &Member) -> Option<Box<serde_json::value::RawValue>> {
    let Action::Conversion(conversion) = &member.event.action else { return None };
    let own_id = member.id.to_string();
    let event_id = conversion.event_id.as_ref().map_or(own_id.as_str(), |id| id.as_str());
    Some(client::conversion(waba, event_id, conversion, member.event.custom.as_deref()))
}

#[cfg(test)]
mod tests;
