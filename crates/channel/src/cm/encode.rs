//! An event to a body.

use laneway_model::{Action, Event};
use laneway_wire::cm::ForwardedEvent;

/// Writes the event as its client wrote it, in CM.com's own envelope. A click id that was captured is added, because the
/// client's `custom` does not have it; `event_time` and `event_id` are sent where the client gave them, for CM.com's page
/// knows neither.
pub fn encode(event: &Event) -> String {
    let click = match &event.action {
        Action::Conversion(conversion) => {
            conversion.click.as_ref().filter(|click| click.captured).map(|click| &click.value)
        }
        Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => None,
    };
    let forwarded = ForwardedEvent {
        kind: event.kind(),
        custom: event.custom.as_deref(),
        click,
        from: event.business,
        to: event.person.as_ref(),
    };
    forwarded.body()
}
