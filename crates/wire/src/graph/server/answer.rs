//! Answers that say yes, wholly or in part, and the headers around them.

use std::borrow::Cow;

use serde::Serialize;

use super::refusal::{ErrorData, ErrorObject};
use super::{Cursor, UserRefusal};

/// Headers that stand on every answer, as captured in Meta's Postman collection (C).
pub const FIXED_HEADERS: [(&str, &str); 5] = [
    ("content-type", "application/json; charset=UTF-8"),
    ("access-control-allow-origin", "*"),
    ("cache-control", "private, no-cache, no-store, must-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "Sat, 01 Jan 2000 00:00:00 GMT"),
];

/// What a call counts as in `x-business-use-case-usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageKind {
    /// `whatsapp`.
    Messaging,
    /// `whatsapp_business_management`.
    Management,
}

/// Which of the two a `block_users` call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockVerb {
    /// POST.
    Block,
    /// DELETE.
    UnBlock,
}

/// A user as answers name one: what the client wrote, and what WhatsApp made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContactRef {
    /// The number or id as the client wrote it.
    pub input: String,
    /// The user's number; absent for a number that is none, and where a business-scoped id was used (D).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wa_id: Option<String>,
    /// The business-scoped id; present only where one was used (D).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}

/// What became of each user of a `block_users` call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAnswer {
    /// Those it worked for, in the request's order.
    pub done: Vec<ContactRef>,
    /// Those it did not, and why.
    pub failed: Vec<(ContactRef, UserRefusal)>,
}

/// A row of a listed block list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedRow {
    /// Shown as `wa_id` (D for who was blocked by number).
    WaId(String),
    /// Shown as `user_id`: a guess for who was blocked by business-scoped id (U).
    UserId(String),
}

/// A row of `/{waba_id}/phone_numbers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PhoneNumberRow {
    /// The name customers see.
    pub verified_name: String,
    /// The number as people write it, such as `+1 631-555-5555`.
    pub display_phone_number: String,
    /// The phone number id.
    pub id: String,
    /// How customers rate it.
    pub quality_rating: &'static str,
}

/// A Meta app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppRef<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl AppRef<'_> {
    fn link(self) -> String {
        format!("https://www.facebook.com/games/?app_id={}", self.id)
    }
}

/// Where a page stands in its list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paging {
    /// The page's two ends.
    pub cursors: PagingCursors,
    /// The address of the page that follows; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The address of the page before; absent on the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

/// The cursors of a page's first and last row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PagingCursors {
    /// For the page before.
    pub before: String,
    /// For the page that follows.
    pub after: String,
}

/// `{"success":true}`: a read mark or typing indicator was taken (16 bytes, as captured).
pub fn success_answer() -> &'static [u8] {
    br#"{"success":true}"#
}

/// A text was taken: whom it goes to and its new wamid.
pub fn message_answer(contact: &ContactRef, wamid: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        messaging_product: &'static str,
        contacts: [&'a ContactRef; 1],
        messages: [Message<'a>; 1],
    }
    #[derive(Serialize)]
    struct Message<'a> {
        id: &'a str,
    }
    encode(&Body { messaging_product: "whatsapp", contacts: [contact], messages: [Message { id: wamid }] })
}

/// The answer to a block or unblock. With a failure it carries error 139100 around the two lists, whatever the HTTP
/// status; a list without members is left out (I).
pub fn block_answer(verb: BlockVerb, answer: &BlockAnswer, trace: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        messaging_product: &'static str,
        block_users: Lists<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<ErrorObject<'a>>,
    }
    #[derive(Serialize)]
    struct Lists<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        added_users: Option<&'a [ContactRef]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        removed_users: Option<&'a [ContactRef]>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        failed_users: Vec<Failed<'a>>,
    }
    #[derive(Serialize)]
    struct Failed<'a> {
        #[serde(flatten)]
        contact: &'a ContactRef,
        errors: [UserError; 1],
    }
    #[derive(Serialize)]
    struct UserError {
        message: &'static str,
        code: u32,
        error_data: ErrorData<'static>,
    }
    let failed_users = answer.failed.iter().map(|(contact, why)| {
        let (message, code, details) = why.parts();
        let error_data = ErrorData { messaging_product: None, details };
        Failed { contact, errors: [UserError { message, code, error_data }] }
    });
    let done = (!answer.done.is_empty()).then_some(answer.done.as_slice());
    let (added_users, removed_users, details) = match verb {
        BlockVerb::Block => {
            (done, None, "Failed to block some users, see the block_users response list for details")
        }
        BlockVerb::UnBlock => {
            (None, done, "Failed to unblock some users, see the block_users response list for details")
        }
    };
    let error = (!answer.failed.is_empty()).then_some(ErrorObject {
        message: "(#139100) Failed to block/unblock users",
        kind: "OAuthException",
        code: 139_100,
        error_data: Some(ErrorData { messaging_product: None, details }),
        error_subcode: None,
        is_transient: None,
        error_user_title: None,
        error_user_msg: None,
        fbtrace_id: trace,
    });
    encode(&Body {
        messaging_product: "whatsapp",
        block_users: Lists { added_users, removed_users, failed_users: failed_users.collect() },
        error,
    })
}

/// A page of a block list. With `shows_input` a row also says by what the user was blocked, as the answers to block and
/// unblock do: a library expects it (C), Meta's captured list has none. `next` and `previous` are the addresses of the neighbouring pages: an absent `next` marks the
/// last page. An empty page has no cursors (I).
pub fn blocklist_answer(
    rows: &[BlockedRow],
    cursors: Option<(Cursor, Cursor)>,
    next: Option<String>,
    previous: Option<String>,
    shows_input: bool,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        data: Vec<Row<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        paging: Option<Paging>,
    }
    #[derive(Serialize)]
    struct Row<'a> {
        messaging_product: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        input: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        wa_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a str>,
    }
    let data = rows.iter().map(|row| {
        let (input, wa_id, user_id) = match row {
            BlockedRow::WaId(wa_id) => (Cow::Owned(format!("+{wa_id}")), Some(wa_id.as_str()), None),
            BlockedRow::UserId(id) => (Cow::Borrowed(id.as_str()), None, Some(id.as_str())),
        };
        Row { messaging_product: "whatsapp", input: shows_input.then_some(input), wa_id, user_id }
    });
    let paging = cursors.map(|(before, after)| Paging {
        cursors: PagingCursors { before: before.encode(), after: after.encode() },
        next,
        previous,
    });
    encode(&Body { data: data.collect(), paging })
}

/// All `received` events were taken.
pub fn events_answer(received: usize, trace: &str) -> Vec<u8> {
    format!(r#"{{"events_received":{received},"messages":[],"fbtrace_id":"{trace}"}}"#).into_bytes()
}

/// The data set a POST made or found.
pub fn dataset_answer(id: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        id: &'a str,
    }
    encode(&Body { id })
}

/// The data set of an account, or an empty list (C).
pub fn datasets_answer(id: Option<&str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        data: Vec<Row<'a>>,
    }
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a str,
    }
    encode(&Body { data: id.into_iter().map(|id| Row { id }).collect() })
}

/// A page of the numbers of an account; an empty one has no `paging` (I).
pub fn phone_numbers_answer(rows: &[PhoneNumberRow], paging: Option<Paging>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        data: &'a [PhoneNumberRow],
        #[serde(skip_serializing_if = "Option::is_none")]
        paging: Option<Paging>,
    }
    encode(&Body { data: rows, paging })
}

/// The apps that are subscribed to an account's webhooks; here it is one or none. github.com/facebook/openapi @ecba623
/// `business-messaging-api_v23.0.yaml`, line 27351 (D).
pub fn subscribed_apps_answer(app: Option<AppRef<'_>>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        data: Vec<Row<'a>>,
    }
    #[derive(Serialize)]
    struct Row<'a> {
        whatsapp_business_api_data: App<'a>,
    }
    #[derive(Serialize)]
    struct App<'a> {
        id: &'a str,
        name: &'a str,
        link: String,
    }
    let row = app
        .map(|app| Row { whatsapp_business_api_data: App { id: app.id, name: app.name, link: app.link() } });
    encode(&Body { data: row.into_iter().collect() })
}

/// The app that a token is of, asked by the alias `app` (C).
pub fn app_answer(app: AppRef<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        link: String,
        name: &'a str,
        id: &'a str,
    }
    encode(&Body { link: app.link(), name: app.name, id: app.id })
}

/// What there is to know of a token that works: of a system user, without an end, for everything about one account. Keys
/// as in the example of <https://developers.facebook.com/documentation/business-messaging/whatsapp/solution-providers/manage-accounts>
/// (D); `type` is a guess (U).
pub fn debug_token_answer(app: AppRef<'_>, scopes: &[&str], waba_id: &str, user_id: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        data: Data<'a>,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        app_id: &'a str,
        application: &'a str,
        data_access_expires_at: u64,
        expires_at: u64,
        granular_scopes: Vec<Granted<'a>>,
        is_valid: bool,
        scopes: &'a [&'a str],
        #[serde(rename = "type")]
        kind: &'static str,
        user_id: &'a str,
    }
    #[derive(Serialize)]
    struct Granted<'a> {
        scope: &'a str,
        target_ids: [&'a str; 1],
    }
    let granted = scopes.iter().map(|scope| Granted { scope, target_ids: [waba_id] });
    encode(&Body {
        data: Data {
            app_id: app.id,
            application: app.name,
            data_access_expires_at: 0,
            expires_at: 0,
            granular_scopes: granted.collect(),
            is_valid: true,
            scopes,
            kind: "SYSTEM_USER",
            user_id,
        },
    })
}

/// What there is to know of a token that does not work. Graph API reference, "Debug-Token": `error` and `is_valid` (D).
pub fn dead_token_answer() -> Vec<u8> {
    const BODY: &str = r#"{"data":{"error":{"code":190,"message":"Invalid OAuth access token."},"is_valid":false,"scopes":[]}}"#;
    BODY.as_bytes().to_vec()
}

/// The value of `x-business-use-case-usage`: percentages of the account's limits, and minutes until access returns.
/// Reading counts nothing, blocking counts one, as captured (C).
pub fn usage_header(waba_id: &str, kinds: &[UsageKind], call_count: u32, regain_minutes: u32) -> String {
    let entries: Vec<Cow<'static, str>> = kinds
        .iter()
        .map(|kind| {
            let name = match kind {
                UsageKind::Messaging => "whatsapp",
                UsageKind::Management => "whatsapp_business_management",
            };
            Cow::Owned(format!(
                r#"{{"type":"{name}","call_count":{call_count},"total_cputime":1,"total_time":1,"estimated_time_to_regain_access":{regain_minutes}}}"#
            ))
        })
        .collect();
    format!(r#"{{"{waba_id}":[{}]}}"#, entries.join(","))
}

fn encode(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("an answer is always JSON")
}
