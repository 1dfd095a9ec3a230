//! The state of an event, as `/api/v1/events` shows it.

use laneway_journal::{FormatError, Record};
use laneway_model::{Action, Attempt, AttemptOutcome, Event, EventId, EventKind, Route, Status, WaitingFor};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::instant::Instant;
use crate::driver::Live;

/// An event, where it stands, and every attempt to deliver it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventState {
    /// `ev_` and 26 characters; ids sort by the time of acceptance.
    #[schema(value_type = String)]
    id: Shown<EventId>,
    /// The event's type, in CM.com's spelling.
    #[serde(rename = "type")]
    #[schema(schema_with = event_type)]
    kind: &'static str,
    /// Always `WhatsApp`.
    channel: &'static str,
    /// The business number, as + and digits.
    from: String,
    /// The person: + and digits, or a business-scoped user id. Null where the event named nobody.
    #[schema(required)]
    to: Option<String>,
    /// The client's own word for the event.
    #[schema(required)]
    reference: Option<String>,
    /// Where it stands.
    #[schema(schema_with = status)]
    status: &'static str,
    /// What it waits for, when it is not simply its turn.
    #[schema(required, schema_with = waiting_for)]
    waiting_for: Option<&'static str>,
    /// Why it ended as it did.
    #[schema(required)]
    reason: Option<String>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    accepted_at: Instant,
    /// When its status last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Instant,
    /// When it is tried next; null while a call is under way, and at the end.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Instant>,
    /// From this instant on it is pointless, and is given up.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Instant,
    /// The later event that made it pointless.
    #[schema(required, value_type = Option<String>)]
    superseded_by: Option<Shown<EventId>>,
    /// Whether it was sent again after its answer was lost, so that Meta may have it twice.
    possibly_duplicate: bool,
    /// The ad click that a conversion is attributed to; null for everything else.
    #[schema(required)]
    click_id: Option<ClickState>,
    /// The client's `custom` object, as it was given.
    #[schema(required, value_type = Option<Object>)]
    custom: Option<Box<RawValue>>,
    /// Every call that carried the event, oldest first.
    attempts: Vec<AttemptState>,
}

/// A click id, and where it came from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClickId)]
struct ClickState {
    /// The `ctwa_clid`.
    value: String,
    /// Whether it was taken from the person's messages, because the event brought none.
    captured: bool,
}

/// One call that carried the event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Attempt)]
struct AttemptState {
    /// Counted from 1.
    n: u32,
    /// When the call began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Instant,
    /// When it ended; null if it never did.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    finished_at: Option<Instant>,
    /// Where it went.
    #[schema(schema_with = route)]
    route: &'static str,
    /// How many events shared the call.
    group_size: u32,
    /// What came of it for this event; null if its answer was never seen.
    #[schema(required, schema_with = outcome)]
    outcome: Option<&'static str>,
    /// The HTTP status, if there was an answer.
    #[schema(required)]
    http_status: Option<u16>,
    /// The service's error code.
    #[schema(required)]
    code: Option<u32>,
    /// The service's subcode.
    #[schema(required)]
    subcode: Option<u32>,
    /// The service's id for the call, for its support.
    #[schema(required)]
    trace_id: Option<String>,
    /// One sentence for a person.
    #[schema(required)]
    detail: Option<String>,
}

/// A value that is written as it prints.
#[derive(Debug)]
struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl EventState {
    /// A record, overlaid with what only the driver knows of it.
    ///
    /// # Errors
    /// When the record's body cannot be read.
    pub(super) fn of(record: Record, live: Option<Live>) -> Result<Self, FormatError> {
        let event = record.row.event()?;
        let id = record.row.id;
        let status = match live {
            Some(Live { sending: true, .. }) if record.status.is_open() => Status::Sending,
            _ => record.status,
        };
        let planned = live.map_or(Some(record.due), |live| live.next_attempt_at);
        let next_attempt_at = planned.filter(|_| matches!(status, Status::Accepted | Status::Retrying));
        Ok(Self {
            id: Shown(id),
            kind: event.kind().as_str(),
            channel: "WhatsApp",
            from: event.business.to_string(),
            to: event.person.as_ref().map(ToString::to_string),
            reference: event.reference.as_ref().map(ToString::to_string),
            status: status.as_str(),
            waiting_for: live
                .and_then(|live| live.waiting_for)
                .filter(|_| status.is_open())
                .map(WaitingFor::as_str),
            reason: record.reason,
            accepted_at: Instant(event.accepted_at),
            updated_at: Instant(record.updated_at),
            next_attempt_at: next_attempt_at.map(Instant),
            expires_at: Instant(record.row.expires),
            superseded_by: record.superseded_by.map(Shown),
            possibly_duplicate: record.possibly_duplicate,
            click_id: click_of(&event),
            custom: event.custom.as_deref().map(kept),
            attempts: record.attempts.into_iter().map(AttemptState::of).collect(),
        })
    }
}

/// A record, overlaid with what only the driver knows of it, as `/api/v1/events/{id}` answers.
///
/// # Errors
/// When the record's body cannot be read.
pub(crate) fn event_json(record: Record, live: Option<Live>) -> Result<Box<RawValue>, FormatError> {
    let state = EventState::of(record, live)?;
    Ok(to_raw_value(&state).expect("an event's state can be written as JSON"))
}

impl AttemptState {
    fn of(attempt: Attempt) -> Self {
        Self {
            n: attempt.n,
            started_at: Instant(attempt.started_at),
            finished_at: attempt.finished_at.map(Instant),
            route: attempt.route.as_str(),
            group_size: attempt.group_size,
            outcome: attempt.outcome.map(AttemptOutcome::as_str),
            http_status: attempt.http_status,
            code: attempt.code,
            subcode: attempt.subcode,
            trace_id: attempt.trace_id,
            detail: attempt.detail,
        }
    }
}

fn click_of(event: &Event) -> Option<ClickState> {
    match &event.action {
        Action::Conversion(conversion) => {
            let click = conversion.click.as_ref()?;
            Some(ClickState { value: click.value.to_string(), captured: click.captured })
        }
        Action::MarkAsRead { .. } | Action::Typing { .. } | Action::Block | Action::UnBlock => None,
    }
}

/// The kept JSON text as it is. It was JSON when it was accepted; should it not be, it is shown as text all the same.
fn kept(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned())
        .or_else(|_| to_raw_value(text))
        .expect("text can be written as JSON")
}

/// A schema of exactly these words.
pub(super) fn words(description: &str, words: impl Iterator<Item = &'static str>) -> Object {
    let schema = ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    schema.enum_values(Some(words)).build()
}

/// A schema of exactly these words, or null.
pub(super) fn words_or_null(description: &str, words: impl Iterator<Item = &'static str>) -> Object {
    let either = SchemaType::from_iter([Type::String, Type::Null]);
    let words = words.map(Some).chain([None]).map(serde_json::Value::from);
    let schema = ObjectBuilder::new().schema_type(either).description(Some(description));
    schema.enum_values(Some(words)).build()
}

pub(super) fn event_type() -> Object {
    words("The event's type, in CM.com's spelling.", EventKind::all().map(EventKind::as_str))
}

pub(super) fn status() -> Object {
    words(
        "Where it stands; the first three are open, the others final.",
        Status::ALL.into_iter().map(Status::as_str),
    )
}

pub(super) fn waiting_for() -> Object {
    use WaitingFor::{ClickId, Credential, Lane, Operator, Throttle};
    let all = [Credential, Throttle, Lane, ClickId, Operator];
    words_or_null(
        "What it waits for, when it is not simply its turn.",
        all.into_iter().map(WaitingFor::as_str),
    )
}

fn route() -> Object {
    words("Where it went.", [Route::Meta, Route::Cm].into_iter().map(Route::as_str))
}

pub(super) fn outcome() -> Object {
    let outcomes = (0..=u8::MAX).filter_map(AttemptOutcome::from_code);
    words_or_null("What came of it for this event.", outcomes.map(AttemptOutcome::as_str))
}
