//! The OpenAPI document: made from the handlers, committed as `openapi.json`, and what every API test holds real
//! answers against.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{LicenseBuilder, OpenApi as Document, SecurityRequirement};
use utoipa::{Modify, OpenApi, ToSchema};

use super::{
    Api, answer, blocklist, contacts, events, events_batch, events_cm, events_redrive, events_stream, health,
    outbox, pauses, webhooks,
};
use crate::accept::RefusalCode;
use crate::telemetry::Route;

/// The OpenAPI 3.1 document, with line breaks, as it is committed and served.
pub fn openapi_json() -> String {
    let mut text = Laneway::openapi().to_pretty_json().expect("the document can be written as JSON");
    text.push('\n');
    text
}

/// The OpenAPI document
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation", operation_id = "openapi", security(()),
    responses((status = 200, description = "This document", body = Object))
)]
pub(super) async fn get(State(api): State<Arc<Api>>) -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| openapi_json().into());
    api.answered(Route::OpenApi, answer::raw(StatusCode::OK, "application/json", TEXT.clone()))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Laneway",
        description = "Events for WhatsApp, kept until they are delivered. Not affiliated with Meta, WhatsApp or CM.com.",
    ),
    paths(
        events_cm::post, events_batch::post, events::list, events_redrive::retry_many, events_stream::get, events::get, events_redrive::retry,
        events_redrive::discard, contacts::get, contacts::erase, blocklist::get, outbox::list, outbox::get, outbox::retry, outbox::retry_many, pauses::list, webhooks::challenge, webhooks::meta, webhooks::cm, health::live, health::ready, health::metrics, get
    ),
    tags(
        (name = "cm", description = "The endpoint that CM.com's clients know"),
        (name = "events", description = "What became of events"),
        (name = "outbox", description = "What goes to the account's own addresses"),
        (name = "contacts", description = "What is known of persons"),
        (name = "webhooks", description = "What WhatsApp tells"),
        (name = "operation", description = "For whoever runs it"),
    ),
    modifiers(&Frame)
)]
struct Laneway;

/// What the derive cannot say: licence and security.
struct Frame;

impl Modify for Frame {
    fn modify(&self, document: &mut Document) {
        document.info.contact = None;
        document.info.license = Some(
            LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build(),
        );
        let header = ApiKey::Header(ApiKeyValue::new("X-CM-PRODUCTTOKEN"));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("product_token", SecurityScheme::ApiKey(header));
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        document.security = Some(vec![
            SecurityRequirement::new("product_token", Vec::<String>::new()),
            SecurityRequirement::new("bearer", Vec::<String>::new()),
        ]);
    }
}

/// CM.com's event, as far as Laneway knows it. Keys are taken in any letter case; unknown ones are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what laneway_wire::cm reads")]
pub(super) struct CmEvent {
    authentication: Option<CmAuthentication>,
    /// `WhatsApp`.
    channel: String,
    event: CmEventBody,
    /// The business number.
    from: CmNumber,
    /// The person: a number, or a business-scoped user id. MarkAsRead and Typing do without.
    to: Option<CmNumber>,
    /// The client's own word for the event.
    #[schema(max_length = 64)]
    reference: Option<String>,
}

/// Type and content of an event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what laneway_wire::cm reads")]
struct CmEventBody {
    /// One of the types, in any letter case.
    r#type: String,
    /// `message_id`, `ctwa_id` or `ctwa_clid`, `currency`, `value`, `event_time`, `event_id`, and what else is to be kept.
    #[schema(value_type = Option<Object>)]
    custom: Option<String>,
}

/// The product token in the body; the header `X-CM-PRODUCTTOKEN` wins over it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what laneway_wire::cm reads")]
struct CmAuthentication {
    #[schema(rename = "productToken")]
    product_token: String,
}

/// A number, as `00…`, `+…` or digits.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what laneway_wire::cm reads")]
struct CmNumber {
    number: String,
}

/// The event is taken.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CmReceipt {
    /// For people.
    details: String,
    /// 0: no error.
    error_code: u16,
    /// Always empty; CM.com's clients expect it.
    #[schema(max_items = 0)]
    messages: Vec<String>,
    event: CmReceivedEvent,
}

/// The event behind a receipt.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CmReceivedEvent {
    /// Null in a dry run.
    #[schema(required)]
    id: Option<String>,
    status: CmReceivedStatus,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words that laneway_wire::cm writes")]
enum CmReceivedStatus {
    /// It is durable.
    Accepted,
    /// It would be taken; nothing was stored.
    Valid,
}

/// The event is refused.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CmError {
    /// For people.
    details: String,
    /// CM.com's number.
    error_code: u16,
    /// Always empty; CM.com's clients expect it.
    #[schema(max_items = 0)]
    messages: Vec<String>,
    error: CmErrorDetail,
}

/// For programs.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CmErrorDetail {
    /// One of a closed list.
    #[schema(schema_with = refusal_code)]
    code: String,
    /// The path of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hint: Option<String>,
}

pub(super) fn refusal_code() -> utoipa::openapi::schema::Object {
    super::state::words("One of a closed list.", RefusalCode::ALL.iter().map(|code| code.as_str()))
}
