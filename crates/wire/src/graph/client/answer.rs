//! Answers that come back.
//!
//! Each `read` takes the body whatever the HTTP status was, because a 4xx can carry successes (a block call that failed
//! for some users) and a 200 can carry a failure. It gives nothing only if the body is not a JSON object.

use laneway_model::WabaId;
use serde_json::{Map, Value};

/// An error as the Graph API tells it, as a whole call's or as one user's of a block call. Meta, "Error codes"
/// (documented); `error_data` comes as an object or, from the Marketing API, as an object's text (seen in the field).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GraphError {
    /// `code`, by which errors are told apart.
    pub code: Option<u32>,
    /// `error_subcode`, by which the errors of conversions are told apart.
    pub subcode: Option<u32>,
    /// `type`. 503 answers with `OAuthException` occur, so it says nothing about the token (seen in the field).
    pub kind: Option<String>,
    /// `message`.
    pub message: Option<String>,
    /// `error_data.details`.
    pub details: Option<String>,
    /// `error_user_title`.
    pub user_title: Option<String>,
    /// `error_user_msg`.
    pub user_message: Option<String>,
    /// `is_transient`: the same call may work later.
    pub is_transient: bool,
    /// `fbtrace_id`.
    pub trace_id: Option<String>,
}

/// The answer to a read mark or a typing indicator: `{"success":true}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagesAnswer {
    /// `success`.
    pub success: Option<bool>,
    /// The error, if there is one.
    pub error: Option<GraphError>,
}

/// The answer to a block or unblock call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockUsersAnswer {
    /// Who is blocked now (`added_users`).
    pub added: Vec<BlockedUser>,
    /// Who is no longer blocked (`removed_users`).
    pub removed: Vec<BlockedUser>,
    /// For whom it did not work (`failed_users`).
    pub failed: Vec<BlockedUser>,
    /// The call's error; with code 139100 the users' own errors say more.
    pub error: Option<GraphError>,
}

/// One user in a [`BlockUsersAnswer`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedUser {
    /// `input`: the user as the request named them.
    pub input: Option<String>,
    /// `wa_id`: their WhatsApp id, which may differ from the number (Brazil, Mexico); absent for an invalid number and
    /// where a business-scoped id was used.
    pub wa_id: Option<String>,
    /// `user_id`: only where a business-scoped id was used.
    pub user_id: Option<String>,
    /// `errors`, of a failed user.
    pub errors: Vec<GraphError>,
}

/// The answer to conversions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsAnswer {
    /// `events_received`. A 200 with fewer than were sent means that the rest was dropped (seen in the field).
    pub events_received: Option<u64>,
    /// `messages`: Meta's remarks; empty when all is well.
    pub messages: Vec<String>,
    /// `fbtrace_id`, which is here even in success.
    pub trace_id: Option<String>,
    /// The error, if there is one.
    pub error: Option<GraphError>,
}

/// A page of the block list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockListAnswer {
    /// How many rows it has, those included that name nobody.
    pub rows: usize,
    /// The users: their `wa_id` (captured), else their `user_id`, which a row may have for who was blocked by it (unknown).
    pub users: Vec<String>,
    /// The cursor `after`, for the next page. Meta shows one on the last page, too: the list ends with an empty page or
    /// one shorter than its limit.
    pub after: Option<String>,
    /// The error, if there is one; 139102 means that the list changed meanwhile, so start over.
    pub error: Option<GraphError>,
}

/// The answer about a WABA's data set: `{"id":"…"}` (inferred from the documented "will be an ID") or
/// `{"data":[{"id":"…"}]}` (seen in the field).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetAnswer {
    /// The data sets' ids; none if the WABA has none yet.
    pub ids: Vec<String>,
    /// The error, if there is one.
    pub error: Option<GraphError>,
}

/// The answer about a WABA's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumbersAnswer {
    /// The numbers of this page.
    pub numbers: Vec<PhoneNumberEntry>,
    /// The cursor `after`, if `paging` says that there is a next page.
    pub after: Option<String>,
    /// The error, if there is one.
    pub error: Option<GraphError>,
}

/// One number in a [`PhoneNumbersAnswer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumberEntry {
    /// Meta's id of the number.
    pub id: String,
    /// The number as people write it, such as `+1 631-555-5555`.
    pub display_phone_number: Option<String>,
    /// The business's name.
    pub verified_name: Option<String>,
}

/// The answer about the apps that are subscribed to a WABA's webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribedAppsAnswer {
    /// The apps.
    pub apps: Vec<AppEntry>,
    /// The error, if there is one.
    pub error: Option<GraphError>,
}

/// An app, in [`SubscribedAppsAnswer`] and [`AppAnswer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppEntry {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// `override_callback_uri`: where this WABA's notifications go instead of the app's own callback.
    pub callback: Option<String>,
}

/// The answer about the app that a token is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAnswer {
    /// The app.
    pub app: Option<AppEntry>,
    /// The error, if there is one.
    pub error: Option<GraphError>,
}

/// The answer about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAnswer {
    /// `is_valid`.
    pub is_valid: Option<bool>,
    /// `app_id`.
    pub app_id: Option<String>,
    /// `application`, the app's name.
    pub application: Option<String>,
    /// `expires_at`, in Unix seconds; 0 for never.
    pub expires_at: Option<u64>,
    /// `data_access_expires_at`, the same for the data that it gives access to.
    pub data_access_expires_at: Option<u64>,
    /// `scopes`: what it may do.
    pub scopes: Vec<String>,
    /// `granular_scopes`: for whom it may do it.
    pub granted: Vec<GrantedScope>,
    /// `data.error`: why it does not work.
    pub token_error: Option<GraphError>,
    /// The error of the question itself, if there is one.
    pub error: Option<GraphError>,
}

/// One of a token's scopes, with what it is granted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedScope {
    /// The scope.
    pub scope: String,
    /// The ids of what it is granted for; none where it is granted for all (inferred).
    pub targets: Vec<String>,
}

impl GraphError {
    /// Meta's own words, most general first, none of them twice; empty if there are none.
    pub fn words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Vec::new();
        for text in [&self.message, &self.details, &self.user_title, &self.user_message].into_iter().flatten()
        {
            if !text.is_empty() && !words.contains(&text.as_str()) {
                words.push(text);
            }
        }
        words
    }

    /// The error in an answer, if it has the key `error` at all.
    fn of(answer: &Map<String, Value>) -> Option<Self> {
        match answer.get("error")? {
            Value::Object(error) => Some(Self::read(error)),
            Value::Null => None,
            Value::String(text) => Some(Self { message: Some(text.clone()), ..Self::default() }),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => Some(Self::default()),
        }
    }

    pub(super) fn read(error: &Map<String, Value>) -> Self {
        let error_data = match error.get("error_data") {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
            Some(other) => other.clone(),
            None => Value::Null,
        };
        Self {
            code: number(error, "code").and_then(|code| u32::try_from(code).ok()),
            subcode: number(error, "error_subcode").and_then(|code| u32::try_from(code).ok()),
            kind: string(error, "type"),
            message: string(error, "message"),
            details: error_data.get("details").and_then(Value::as_str).map(ToOwned::to_owned),
            user_title: string(error, "error_user_title"),
            user_message: string(error, "error_user_msg"),
            is_transient: error.get("is_transient") == Some(&Value::Bool(true)),
            trace_id: string(error, "fbtrace_id"),
        }
    }
}

impl MessagesAnswer {
    /// Reads the answer to a read mark or a typing indicator.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        Some(Self { success: answer.get("success").and_then(Value::as_bool), error: GraphError::of(&answer) })
    }
}

impl BlockUsersAnswer {
    /// Reads the answer to a block or unblock call.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        let users = |name| {
            let list = answer.get("block_users").and_then(|users| users.get(name)).and_then(Value::as_array);
            objects(list).map(BlockedUser::read).collect()
        };
        Some(Self {
            added: users("added_users"),
            removed: users("removed_users"),
            failed: users("failed_users"),
            error: GraphError::of(&answer),
        })
    }
}

impl BlockedUser {
    fn read(user: &Map<String, Value>) -> Self {
        Self {
            input: string(user, "input"),
            wa_id: string(user, "wa_id"),
            user_id: string(user, "user_id"),
            errors: objects(user.get("errors").and_then(Value::as_array)).map(GraphError::read).collect(),
        }
    }
}

impl EventsAnswer {
    /// Reads the answer to conversions. A remark that is not a text is kept as its JSON.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        let messages = answer.get("messages").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            events_received: number(&answer, "events_received"),
            messages: messages.map(|m| m.as_str().map_or_else(|| m.to_string(), ToOwned::to_owned)).collect(),
            trace_id: string(&answer, "fbtrace_id"),
            error: GraphError::of(&answer),
        })
    }
}

impl BlockListAnswer {
    /// Reads a page of the block list.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        Some(Self {
            rows: rows(&answer).count(),
            users: rows(&answer)
                .filter_map(|row| string(row, "wa_id").or_else(|| string(row, "user_id")))
                .collect(),
            after: cursor_after(&answer),
            error: GraphError::of(&answer),
        })
    }
}

impl DatasetAnswer {
    /// Reads the answer about a WABA's data set, in either of its forms.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        let ids = string(&answer, "id").into_iter().chain(rows(&answer).filter_map(|row| string(row, "id")));
        Some(Self { ids: ids.collect(), error: GraphError::of(&answer) })
    }
}

impl PhoneNumbersAnswer {
    /// Reads the answer about a WABA's numbers; a row without an id is skipped.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        let entry = |row: &Map<String, Value>| {
            Some(PhoneNumberEntry {
                id: string(row, "id")?,
                display_phone_number: string(row, "display_phone_number"),
                verified_name: string(row, "verified_name"),
            })
        };
        let has_next = answer.get("paging").and_then(|paging| paging.get("next")).is_some();
        Some(Self {
            numbers: rows(&answer).filter_map(entry).collect(),
            after: cursor_after(&answer).filter(|_| has_next),
            error: GraphError::of(&answer),
        })
    }
}

impl AppEntry {
    fn read(app: &Map<String, Value>) -> Option<Self> {
        Some(Self { id: string(app, "id")?, name: string(app, "name"), callback: None })
    }
}

impl SubscribedAppsAnswer {
    /// Reads the answer about the subscribed apps. An app stands in `whatsapp_business_api_data`, as in Meta's examples, or
    /// is the row itself, as in Meta's schema; one without an id is skipped.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        let entry = |row: &Map<String, Value>| {
            let app = row.get("whatsapp_business_api_data").and_then(Value::as_object).unwrap_or(row);
            Some(AppEntry { callback: string(row, "override_callback_uri"), ..AppEntry::read(app)? })
        };
        Some(Self { apps: rows(&answer).filter_map(entry).collect(), error: GraphError::of(&answer) })
    }
}

impl AppAnswer {
    /// Reads the answer about the app that a token is of.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        Some(Self { app: AppEntry::read(&answer), error: GraphError::of(&answer) })
    }
}

impl TokenAnswer {
    /// Reads the answer about a token.
    pub fn read(body: &[u8]) -> Option<Self> {
        let answer = object(body)?;
        let none = Map::new();
        let data = answer.get("data").and_then(Value::as_object).unwrap_or(&none);
        let texts = |list: Option<&Value>| {
            let texts = list.and_then(Value::as_array).into_iter().flatten();
            texts.filter_map(text).collect::<Vec<_>>()
        };
        let granted = |row: &Map<String, Value>| {
            Some(GrantedScope { scope: string(row, "scope")?, targets: texts(row.get("target_ids")) })
        };
        Some(Self {
            is_valid: data.get("is_valid").and_then(Value::as_bool),
            app_id: string(data, "app_id"),
            application: string(data, "application"),
            expires_at: number(data, "expires_at"),
            data_access_expires_at: number(data, "data_access_expires_at"),
            scopes: texts(data.get("scopes")),
            granted: objects(data.get("granular_scopes").and_then(Value::as_array))
                .filter_map(granted)
                .collect(),
            token_error: GraphError::of(data),
            error: GraphError::of(&answer),
        })
    }
}

/// How many minutes the header `x-business-use-case-usage` says that a WABA must wait; none if it has not to wait, or
/// says nothing about it. The header is as captured in Meta's Postman collection: for each business object a list of
/// uses, each with `estimated_time_to_regain_access`.
pub fn minutes_to_regain_access(header: &str, waba: &WabaId) -> Option<u64> {
    let usage = object(header.as_bytes())?;
    let uses = objects(usage.get(waba.as_str()).and_then(Value::as_array));
    uses.filter_map(|one| number(one, "estimated_time_to_regain_access")).max().filter(|minutes| *minutes > 0)
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

fn rows(answer: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    objects(answer.get("data").and_then(Value::as_array))
}

pub(super) fn objects(list: Option<&Vec<Value>>) -> impl Iterator<Item = &Map<String, Value>> {
    list.into_iter().flatten().filter_map(Value::as_object)
}

fn cursor_after(answer: &Map<String, Value>) -> Option<String> {
    let after = answer.get("paging")?.get("cursors")?.get("after")?.as_str()?;
    (!after.is_empty()).then(|| after.to_owned())
}

pub(super) fn string(object: &Map<String, Value>, name: &str) -> Option<String> {
    text(object.get(name)?)
}

/// A text, also where it is written as a number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number, also where it is written as a text.
pub(super) fn number(object: &Map<String, Value>, name: &str) -> Option<u64> {
    match object.get(name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
