//! How Meta says no.
//!
//! Every refusal is one row: HTTP status, type, code, subcode, texts. Statuses follow the older table of Meta's *Error
//! codes* page (D, old); texts that the sources leave open (U) are ours, so a client must decide by the code alone.

use serde::Serialize;

use super::{KnownError, RequestedError};

/// Why a whole call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token at all. Which code appears depends on the endpoint, in a way Meta does not document (D/U).
    MissingToken(MissingTokenCode),
    /// A token nobody was given: 190.
    InvalidToken,
    /// The object does not exist, or the token has nothing to do with it: 100 with subcode 33 (C).
    UnknownObject {
        /// The verb as the message spells it: `get`, `post`, `delete`.
        verb: &'static str,
        /// The id in the path.
        id: String,
    },
    /// No such path, or no such method on it. Meta's own code for unknown paths is 2500 (I); the status 404 and the
    /// nearest known path are the sandbox's.
    UnknownPath {
        /// The path that was asked for.
        path: String,
        /// The nearest that exists.
        nearest: &'static str,
    },
    /// The token that is asked about is another app's: 100 (C).
    OtherAppsToken,
    /// The body is not what its `Content-Type` says: 100 (I).
    UnreadableBody,
    /// The body is larger than the sandbox reads.
    BodyTooLarge,
    /// A parameter that every call needs is missing: 100 (D).
    ParameterRequired(&'static str),
    /// A parameter of this kind of call is missing: 131008 (D).
    MissingParameter(&'static str),
    /// A parameter has an impossible value: 100 (D).
    InvalidParameter(&'static str),
    /// A read mark for something that is no message this number received: 131009 (I).
    NotAReceivedMessage {
        /// The HTTP status, since the sources disagree: 400 (D for the code), 500 (C).
        status: u16,
    },
    /// A message type the sandbox does not carry: 131051 (D).
    UnsupportedMessageType,
    /// The user has not written within 24 hours: 131047 (D).
    ReEngagement,
    /// The recipient is the business number itself: 131021 (D).
    RecipientIsSender,
    /// The business has blocked the recipient: 130403 (D).
    RecipientBlocked,
    /// More users than one call may name: 130429 (D).
    TooManyUsers,
    /// The block list changed while it was being paged: 139102 (D).
    BlocklistChanged,
    /// One event spoils the batch.
    Conversion {
        /// The event's place in `data`.
        index: usize,
        /// What is wrong with it.
        why: ConversionRefusal,
    },
    /// The sandbox holds as much as it ever will: code 2, transient.
    Full,
    /// Somebody asked for this error.
    Requested(RequestedError),
}

/// The code for a call without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingTokenCode {
    /// 190, HTTP 401.
    Code190,
    /// 200 "Provide valid app ID", HTTP 403.
    Code200,
    /// 104, HTTP 400.
    Code104,
}

/// Why a conversion event was refused. Meanings of the 28040xx and 28041xx subcodes are known from field reports only
/// (C); no page of Meta lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversionRefusal {
    /// A field is missing or impossible, the named one: 100 without a subcode.
    Invalid(&'static str),
    /// More than 1,000 events: 100 without a subcode.
    TooMany,
    /// Older than seven days: 2804003.
    TooOld,
    /// `messaging_channel` missing or not `whatsapp`: 2804063.
    MissingChannel,
    /// A web field in a messaging event: 2804064.
    ForbiddenField,
    /// A name that is not a messaging event's: 2804066.
    UnknownName,
    /// A click id that no real click has, or none at all (missing: (U), this subcode is likely): 2804087.
    InvalidClick,
    /// No click id, refused without a subcode (U).
    MissingClick,
    /// `page_id` sent to a WhatsApp data set: 2804131.
    PageGiven,
    /// The data set belongs to another WhatsApp Business account: 2804132.
    OtherAccount,
}

/// Why one user of a `block_users` call was refused, inside the 139100 body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRefusal {
    /// No message within 24 hours, or no WhatsApp user at all: 131047 (D).
    ReEngagement,
    /// The business number itself: 131021 (D).
    SelfBlock,
    /// The list holds 64,000 users: 139101 (D).
    ListFull,
    /// Already blocked, where a switch makes that a failure (U).
    AlreadyBlocked,
    /// Not blocked, where a switch makes that a failure (U).
    NotBlocked,
}

/// One refusal, spelled out.
#[derive(Default)]
struct Row {
    status: u16,
    kind: Kind,
    code: u32,
    message: String,
    subcode: Option<u32>,
    details: Option<String>,
    /// Whether `messaging_product` stands beside the details.
    product_in_details: bool,
    transient: Option<bool>,
    title: Option<&'static str>,
    user_message: Option<String>,
}

#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    OAuth,
    GraphMethod,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_product: Option<&'static str>,
    error: ErrorObject<'a>,
}

/// The error object in the order of Meta's examples.
#[derive(Serialize)]
pub(super) struct ErrorObject<'a> {
    pub(super) message: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) code: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_data: Option<ErrorData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_subcode: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is_transient: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_user_title: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_user_msg: Option<&'a str>,
    pub(super) fbtrace_id: &'a str,
}

/// The details of a Cloud API error.
#[derive(Serialize)]
pub(super) struct ErrorData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) messaging_product: Option<&'static str>,
    pub(super) details: &'a str,
}

impl Refusal {
    /// The refusal of a batch because of its event at `index`.
    pub fn conversion(index: usize, why: ConversionRefusal) -> Refusal {
        Refusal::Conversion { index, why }
    }

    /// The answer's HTTP status.
    pub fn status(&self) -> u16 {
        self.row().status
    }

    /// The answer's body. `trace` is its `fbtrace_id`.
    pub fn body(&self, trace: &str) -> Vec<u8> {
        let row = self.row();
        let error = ErrorObject {
            message: &row.message,
            kind: match row.kind {
                Kind::OAuth => "OAuthException",
                Kind::GraphMethod => "GraphMethodException",
            },
            code: row.code,
            error_data: row.details.as_deref().map(|details| ErrorData {
                messaging_product: row.product_in_details.then_some("whatsapp"),
                details,
            }),
            error_subcode: row.subcode,
            is_transient: row.transient,
            error_user_title: row.title,
            error_user_msg: row.user_message.as_deref(),
            fbtrace_id: trace,
        };
        // An older copy of the block page shows the product beside the error of a list that changed.
        let messaging_product = matches!(self, Refusal::BlocklistChanged).then_some("whatsapp");
        serde_json::to_vec(&Envelope { messaging_product, error }).expect("an error object is always JSON")
    }

    fn row(&self) -> Row {
        match self {
            Refusal::MissingToken(code) => code.row(),
            Refusal::InvalidToken => {
                plain(401, 190, "Invalid OAuth access token - Cannot parse access token")
            }
            Refusal::UnknownObject { verb, id } => unknown_object(verb, id),
            Refusal::UnknownPath { path, nearest } => plain(
                404,
                2500,
                &format!("Unknown path components: {path}. The nearest known call is {nearest}"),
            ),
            Refusal::OtherAppsToken => plain(
                400,
                100,
                "(#100) The token that asks must belong to the app of the token it asks about",
            ),
            Refusal::UnreadableBody => UNREADABLE_BODY.row(),
            Refusal::BodyTooLarge => plain(413, 1, "The request is larger than this server reads"),
            Refusal::ParameterRequired(name) => {
                plain(400, 100, &format!("(#100) The parameter {name} is required."))
            }
            Refusal::MissingParameter(name) => {
                Row { details: Some(format!("The parameter {name} is required.")), ..MISSING_PARAMETER.row() }
            }
            Refusal::InvalidParameter(name) => Row {
                details: Some(format!("The parameter {name} has a value that is not allowed.")),
                ..INVALID_PARAMETER.row()
            },
            Refusal::NotAReceivedMessage { status } => {
                Row { status: *status, ..NOT_A_RECEIVED_MESSAGE.row() }
            }
            Refusal::UnsupportedMessageType => UNSUPPORTED_MESSAGE_TYPE.row(),
            Refusal::ReEngagement => RE_ENGAGEMENT.row(),
            Refusal::RecipientIsSender => RECIPIENT_IS_SENDER.row(),
            Refusal::RecipientBlocked => RECIPIENT_BLOCKED.row(),
            Refusal::TooManyUsers => TOO_MANY_USERS.row(),
            Refusal::BlocklistChanged => Row { product_in_details: false, ..BLOCKLIST_CHANGED.row() },
            Refusal::Conversion { index, why } => why.row(*index),
            Refusal::Full => Row {
                transient: Some(true),
                ..plain(503, 2, "The sandbox is full. POST /sandbox/reset empties it.")
            },
            Refusal::Requested(error) => error.row(),
        }
    }
}

/// A Cloud API error: status, code, message, details.
struct CloudError(u16, u32, &'static str, &'static str);

const UNREADABLE_BODY: CloudError =
    CloudError(400, 100, "(#100) Invalid parameter", "The body is not what its Content-Type says.");
const MISSING_PARAMETER: CloudError =
    CloudError(400, 131_008, "(#131008) Required parameter is missing", "A parameter is required.");
const INVALID_PARAMETER: CloudError =
    CloudError(400, 100, "(#100) Invalid parameter", "A parameter has a value that is not allowed.");
const NOT_A_RECEIVED_MESSAGE: CloudError = CloudError(
    400,
    131_009,
    "(#131009) Parameter value is not valid",
    "The message id is not that of a message this number received.",
);
const UNSUPPORTED_MESSAGE_TYPE: CloudError = CloudError(
    400,
    131_051,
    "(#131051) Unsupported message type",
    "The sandbox carries read marks and texts.",
);
const RE_ENGAGEMENT: CloudError = CloudError(
    400,
    131_047,
    "(#131047) Re-engagement message",
    "More than 24 hours have passed since the customer last replied to this number.",
);
const RECIPIENT_IS_SENDER: CloudError = CloudError(
    400,
    131_021,
    "(#131021) Recipient cannot be sender",
    "Sender and recipient are the same number.",
);
const RECIPIENT_BLOCKED: CloudError = CloudError(
    400,
    130_403,
    "(#130403) Unable to deliver the message",
    "This business has blocked the end user on WhatsApp.",
);
const TOO_MANY_USERS: CloudError =
    CloudError(429, 130_429, "(#130429) Rate limit hit", "Too many numbers in the request: at most 1,000.");
const BLOCKLIST_CHANGED: CloudError = CloudError(
    400,
    139_102,
    "(#139102) Blocklist concurrent update",
    "Blocklist was updated during retrieval - retry with offset 0",
);

impl CloudError {
    fn row(&self) -> Row {
        let CloudError(status, code, message, details) = self;
        Row {
            details: Some((*details).to_owned()),
            product_in_details: true,
            ..plain(*status, *code, message)
        }
    }
}

impl MissingTokenCode {
    fn row(self) -> Row {
        match self {
            MissingTokenCode::Code190 => plain(401, 190, "Authentication Error"),
            MissingTokenCode::Code200 => plain(403, 200, "Provide valid app ID"),
            MissingTokenCode::Code104 => {
                plain(400, 104, "An access token is required to request this resource.")
            }
        }
    }
}

impl RequestedError {
    /// A code with one of the subcodes known for it looks like that refusal, everything else like a plain error.
    fn row(&self) -> Row {
        let known = KnownError::of(self.code);
        let base = match (self.code, self.subcode) {
            (100, Some(33)) => unknown_object("post", "0"),
            (100, Some(subcode)) => ConversionRefusal::WITH_SUBCODE
                .into_iter()
                .map(|why| why.row(0))
                .find(|row| row.subcode == Some(subcode))
                .unwrap_or_else(|| plain(400, 100, "Invalid parameter")),
            (_, _) => plain(known.status, self.code, &known.message()),
        };
        // The Cloud API's own codes come with details, those of the Graph API without.
        let is_cloud = self.code >= 130_000;
        Row {
            status: self.status.unwrap_or(base.status),
            message: self.message.clone().unwrap_or_else(|| base.message.clone()),
            subcode: self.subcode,
            transient: self.is_transient.or(base.transient).or(known.is_transient()),
            details: is_cloud.then(|| "A rule of the sandbox asked for this error.".to_owned()),
            product_in_details: is_cloud,
            ..base
        }
    }
}

impl ConversionRefusal {
    /// Those with a subcode.
    const WITH_SUBCODE: [ConversionRefusal; 7] = [
        ConversionRefusal::TooOld,
        ConversionRefusal::MissingChannel,
        ConversionRefusal::ForbiddenField,
        ConversionRefusal::UnknownName,
        ConversionRefusal::InvalidClick,
        ConversionRefusal::PageGiven,
        ConversionRefusal::OtherAccount,
    ];

    fn row(self, index: usize) -> Row {
        let (subcode, title, text) = match self {
            ConversionRefusal::Invalid(field) => {
                (None, None, format!("the field {field} is missing or has a value that is not allowed"))
            }
            ConversionRefusal::TooMany => (None, None, "at most 1,000 events go into one request".to_owned()),
            ConversionRefusal::TooOld => (
                Some(2_804_003),
                Some("Event Timestamp Too Old"),
                "the event happened more than seven days ago".to_owned(),
            ),
            ConversionRefusal::MissingChannel => (
                Some(2_804_063),
                Some("Messaging Event Missing Messaging Channel"),
                "messaging_channel must be whatsapp".to_owned(),
            ),
            ConversionRefusal::ForbiddenField => (
                Some(2_804_064),
                Some("Messaging Event Invalid Argument"),
                "a messaging event carries no event_source_url, client_ip_address or client_user_agent"
                    .to_owned(),
            ),
            ConversionRefusal::UnknownName => (
                Some(2_804_066),
                Some("Messaging Event Invalid Event Type"),
                "the event_name is not one of the messaging events".to_owned(),
            ),
            ConversionRefusal::InvalidClick => (
                Some(2_804_087),
                Some("Messaging Event Invalid Ctwa Clid"),
                "the ctwa_clid does not belong to a click on an ad of this account".to_owned(),
            ),
            ConversionRefusal::MissingClick => (None, None, "the ctwa_clid is missing".to_owned()),
            ConversionRefusal::PageGiven => (
                Some(2_804_131),
                Some("No Page Associated To Dataset"),
                "page_id does not go with a WhatsApp dataset".to_owned(),
            ),
            ConversionRefusal::OtherAccount => (
                Some(2_804_132),
                Some("No WhatsApp Business Account Linked to This Dataset"),
                "the dataset is not linked to that whatsapp_business_account_id".to_owned(),
            ),
        };
        Row {
            subcode,
            title,
            transient: Some(false),
            user_message: Some(format!("Event {index} of data: {text}.")),
            ..plain(400, 100, "Invalid parameter")
        }
    }
}

impl UserRefusal {
    /// Message, code and details. Those of 131047 are Meta's, the others' texts are ours (U).
    pub(super) fn parts(self) -> (&'static str, u32, &'static str) {
        match self {
            UserRefusal::ReEngagement => {
                ("Re-engagement required", 131_047, "User has not messaged in the last 24 hours")
            }
            UserRefusal::SelfBlock => ("Self block", 131_021, "The number is the business's own"),
            UserRefusal::ListFull => ("Blocklist limit reached", 139_101, "The blocklist holds 64,000 users"),
            UserRefusal::AlreadyBlocked => ("Failed to block user", 139_100, "User is already blocked"),
            UserRefusal::NotBlocked => ("Failed to unblock user", 139_100, "User is not blocked"),
        }
    }
}

fn plain(status: u16, code: u32, message: &str) -> Row {
    Row { status, code, message: message.to_owned(), ..Row::default() }
}

fn unknown_object(verb: &str, id: &str) -> Row {
    let message = format!(
        "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
         permissions, or does not support this operation"
    );
    Row { kind: Kind::GraphMethod, subcode: Some(33), ..plain(400, 100, &message) }
}
