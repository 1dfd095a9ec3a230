//! What the sandbox does where Meta's behaviour is unknown or the sources disagree.

use std::str::FromStr;

use laneway_wire::graph::server::{MissingTokenCode, NotificationText};
use serde::{Deserialize, Serialize};

/// Choices for everything that nobody outside Meta documents. Each has a default; `POST /sandbox/switches` with a JSON
/// object changes the ones it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// HTTP status of a block or unblock that failed for some or all of its users: 400 (default, Meta's page up to
    /// February 2026) or 200 (a third party's model of the current one).
    pub partial_block_status: PartialBlockStatus,
    /// Blocking a user who is blocked already: `success` (default) or `failure`.
    pub block_already_blocked: Repeat,
    /// Unblocking a user who is not blocked: `success` (default) or `failure`.
    pub unblock_not_blocked: Repeat,
    /// Whether unblocking, too, needs a message within 24 hours: `false` by default. Meta's page shows 131047 in its
    /// example of a failed unblock, probably by copy and paste.
    pub unblock_needs_window: bool,
    /// How many entries a page of a block list has when the client does not say: 25 by default, the Graph API's habit.
    pub blocklist_page_size: PageSize,
    /// Whether a row of a block list says by what the user was blocked: `false` by default, as captured.
    pub blocklist_shows_input: bool,
    /// How a block list shows a user who was blocked by business-scoped id: `user_id` (default), `wa_id`, or `left_out`.
    pub blocklist_of_user_ids: UserIdRows,
    /// How a text to a blocked user fails: `sync` (default: 130403 at once) or `status` (taken, then failed).
    pub blocked_text: BlockedText,
    /// Marking a message read that arrived more than 30 days ago: `true` (allowed) by default. Meta advises to do it
    /// within 30 days and is silent about later.
    pub read_after_30_days: bool,
    /// Marking a message read when the user has not written for more than 24 hours: `true` (allowed) by default. A third
    /// party says that it fails, Meta's advice of 30 days says otherwise.
    pub read_after_24_hours: bool,
    /// Marking a message of a blocked user read: `true` (allowed) by default.
    pub read_while_blocked: bool,
    /// HTTP status of 131009 for a read mark: 400 (default) or 500 (seen in a recording).
    pub read_refusal_status: ReadRefusalStatus,
    /// Whether a typing indicator that is shown lasts longer when it is sent again: `true` by default.
    pub typing_again_extends: bool,
    /// Whether what a blocked user wrote reaches the business after the user is unblocked: `false` by default.
    pub blocked_messages_arrive_later: bool,
    /// The code for a call without a token: 190 (default), 200 or 104.
    pub missing_token: MissingToken,
    /// How many of the 14 conversion names pass: 14 (default, Meta's list), 5 or 2 (field reports).
    pub conversions: ConversionNames,
    /// Which values of a conversion pass: `any` number (default), also in quotes and negative, or `strict`: neither.
    pub conversion_value: ConversionValue,
    /// Whether the refusal of a conversion without a click id has the subcode of a wrong one: `true` by default.
    pub missing_click_subcode: bool,
    /// Whether an event with the name and `event_id` of an earlier one is dropped: `false` by default, as Meta says.
    pub events_deduplicated: bool,
    /// Whether a click on an ad has an id: `true` by default. Ads in WhatsApp Status have none.
    pub ad_click_ids: bool,
    /// How letters beyond ASCII are written in notifications: `escaped` (default: what Meta sends and signs) or `utf8`.
    pub webhook_text: WebhookText,
    /// Whether notifications leave out users' numbers, as they may for users with a username: `false` by default.
    pub webhook_bsuid: bool,
    /// Whether every notification is sent twice: `false` by default. Meta's retries go to everybody, so doubles occur.
    pub webhook_duplicate: bool,
    /// Whether notifications overtake each other: `false` by default. Meta guarantees no order.
    pub webhook_disorder: bool,
    /// How many changes one notification carries: 1 by default. Meta batches up to 1,000, without a guarantee.
    pub webhook_batch: BatchSize,
}

/// A closed set of numbers that a switch can take.
macro_rules! number_switch {
    ($(#[$doc:meta])* $name:ident { $($(#[$row:meta])* $variant:ident = $number:literal),+ $(,)? } default $default:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub enum $name { $($(#[$row])* $variant),+ }

        impl $name {
            /// The number.
            pub fn number(self) -> u16 {
                match self { $($name::$variant => $number),+ }
            }
        }

        impl Default for $name {
            fn default() -> Self { $name::$default }
        }

        impl From<$name> for u16 {
            fn from(value: $name) -> u16 { value.number() }
        }

        impl TryFrom<u16> for $name {
            type Error = SwitchError;
            fn try_from(number: u16) -> Result<Self, SwitchError> {
                match number {
                    $($number => Ok($name::$variant),)+
                    _ => Err(SwitchError { allowed: concat!($(stringify!($number), " "),+) }),
                }
            }
        }
    };
}

/// A number that a switch does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this switch takes one of: {}", allowed.trim_end())]
pub struct SwitchError {
    allowed: &'static str,
}

number_switch! {
    /// HTTP status of a block that failed for some of its users.
    PartialBlockStatus {
        /// 400.
        BadRequest = 400,
        /// 200.
        Ok = 200,
    } default BadRequest
}

number_switch! {
    /// HTTP status of a refused read mark.
    ReadRefusalStatus {
        /// 400.
        BadRequest = 400,
        /// 500.
        ServerError = 500,
    } default BadRequest
}

number_switch! {
    /// The code for a call without a token.
    MissingToken {
        /// 190.
        Code190 = 190,
        /// 200.
        Code200 = 200,
        /// 104.
        Code104 = 104,
    } default Code190
}

number_switch! {
    /// How many of the conversion names pass.
    ConversionNames {
        /// All of Meta's list (D).
        Fourteen = 14,
        /// Those one field report saw pass (C).
        Five = 5,
        /// Those another one saw pass (C).
        Two = 2,
    } default Fourteen
}

/// What repeating a block or unblock comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// It succeeds and changes nothing.
    #[default]
    Success,
    /// It fails for that user.
    Failure,
}

/// How a text to a blocked user fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockedText {
    /// The call is refused with 130403.
    #[default]
    Sync,
    /// The call succeeds, and the message fails with 130403 afterwards.
    Status,
}

/// How a block list shows a user who was blocked by business-scoped id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserIdRows {
    /// By that id.
    #[default]
    UserId,
    /// By the number.
    WaId,
    /// Not at all.
    LeftOut,
}

/// Which values of a conversion pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversionValue {
    /// Every number, also in quotes.
    #[default]
    Any,
    /// Numbers that are not negative, and not in quotes.
    Strict,
}

/// How letters beyond ASCII are written in notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookText {
    /// As `\u00e4`.
    #[default]
    Escaped,
    /// As they are.
    Utf8,
}

/// A number of changes from 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct BatchSize(u16);

impl Default for BatchSize {
    fn default() -> BatchSize {
        BatchSize(1)
    }
}

impl BatchSize {
    /// Changes per notification.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for BatchSize {
    type Error = SwitchError;

    fn try_from(size: u16) -> Result<BatchSize, SwitchError> {
        PageSize::try_from(size).map(|PageSize(size)| BatchSize(size))
    }
}

impl From<BatchSize> for u16 {
    fn from(size: BatchSize) -> u16 {
        size.0
    }
}

/// A page size from 1 to 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct PageSize(u16);

impl Default for PageSize {
    fn default() -> PageSize {
        PageSize(25)
    }
}

impl PageSize {
    /// Entries per page.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for PageSize {
    type Error = SwitchError;

    fn try_from(size: u16) -> Result<PageSize, SwitchError> {
        if (1..=1_000).contains(&size) {
            Ok(PageSize(size))
        } else {
            Err(SwitchError { allowed: "1 to 1000" })
        }
    }
}

impl From<PageSize> for u16 {
    fn from(size: PageSize) -> u16 {
        size.0
    }
}

impl Default for Switches {
    fn default() -> Switches {
        Switches {
            partial_block_status: PartialBlockStatus::default(),
            block_already_blocked: Repeat::default(),
            unblock_not_blocked: Repeat::default(),
            unblock_needs_window: false,
            blocklist_page_size: PageSize::default(),
            blocklist_shows_input: false,
            blocklist_of_user_ids: UserIdRows::default(),
            blocked_text: BlockedText::default(),
            read_after_30_days: true,
            read_after_24_hours: true,
            read_while_blocked: true,
            read_refusal_status: ReadRefusalStatus::default(),
            typing_again_extends: true,
            blocked_messages_arrive_later: false,
            missing_token: MissingToken::default(),
            conversions: ConversionNames::default(),
            conversion_value: ConversionValue::default(),
            missing_click_subcode: true,
            events_deduplicated: false,
            ad_click_ids: true,
            webhook_text: WebhookText::default(),
            webhook_bsuid: false,
            webhook_duplicate: false,
            webhook_disorder: false,
            webhook_batch: BatchSize::default(),
        }
    }
}

impl From<WebhookText> for NotificationText {
    fn from(switch: WebhookText) -> NotificationText {
        match switch {
            WebhookText::Escaped => NotificationText::Escaped,
            WebhookText::Utf8 => NotificationText::Utf8,
        }
    }
}

impl From<MissingToken> for MissingTokenCode {
    fn from(switch: MissingToken) -> MissingTokenCode {
        match switch {
            MissingToken::Code190 => MissingTokenCode::Code190,
            MissingToken::Code200 => MissingTokenCode::Code200,
            MissingToken::Code104 => MissingTokenCode::Code104,
        }
    }
}

impl ConversionNames {
    /// The names that pass. The first two and the first five are those of the stricter sets.
    pub fn names(self) -> &'static [&'static str] {
        const NAMES: [&str; 14] = [
            "Purchase",
            "LeadSubmitted",
            "InitiateCheckout",
            "AddToCart",
            "ViewContent",
            "OrderCreated",
            "OrderShipped",
            "OrderDelivered",
            "OrderCanceled",
            "OrderReturned",
            "CartAbandoned",
            "QualifiedLead",
            "RatingProvided",
            "ReviewProvided",
        ];
        &NAMES[..usize::from(self.number())]
    }
}

/// `14`, `5` or `2`, as on the command line.
impl FromStr for ConversionNames {
    type Err = SwitchError;

    fn from_str(text: &str) -> Result<ConversionNames, SwitchError> {
        ConversionNames::try_from(text.parse::<u16>().unwrap_or(0))
    }
}

impl Switches {
    /// These switches with those changed that `changes`, a JSON object, names.
    ///
    /// # Errors
    /// The JSON error that names the unknown switch or the value that is not allowed.
    pub(crate) fn with(self, changes: &[u8]) -> Result<Switches, serde_json::Error> {
        let changes: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(changes)?;
        let mut all = serde_json::to_value(self)?;
        if let Some(all) = all.as_object_mut() {
            all.extend(changes);
        }
        serde_json::from_value(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_as_documented() {
        let json = serde_json::to_string(&Switches::default()).unwrap();
        let expected = concat!(
            r#"{"partial_block_status":400,"block_already_blocked":"success","unblock_not_blocked":"success","#,
            r#""unblock_needs_window":false,"blocklist_page_size":25,"blocklist_shows_input":false,"#,
            r#""blocklist_of_user_ids":"user_id","blocked_text":"sync","read_after_30_days":true,"#,
            r#""read_after_24_hours":true,"read_while_blocked":true,"read_refusal_status":400,"#,
            r#""typing_again_extends":true,"blocked_messages_arrive_later":false,"missing_token":190,"#,
            r#""conversions":14,"conversion_value":"any","missing_click_subcode":true,"#,
            r#""events_deduplicated":false,"ad_click_ids":true,"#,
            r#""webhook_text":"escaped","webhook_bsuid":false,"webhook_duplicate":false,"webhook_disorder":false,"#,
            r#""webhook_batch":1}"#,
        );
        assert_eq!(json, expected);
    }

    #[track_caller]
    fn check_refused(changes: &str, says: &str) {
        let error = Switches::default().with(changes.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn changes_name_what_they_change() {
        let changed = Switches::default().with(br#"{"conversions":5,"partial_block_status":200}"#).unwrap();
        let expected = Switches {
            conversions: ConversionNames::Five,
            partial_block_status: PartialBlockStatus::Ok,
            ..Switches::default()
        };
        assert_eq!(changed, expected);
        assert_eq!(changed.with(b"{}").unwrap(), changed);
        check_refused(r#"{"conversion":5}"#, "unknown field `conversion`");
        check_refused(r#"{"conversions":6}"#, "one of: 14 5 2");
        check_refused(r#"{"blocklist_page_size":0}"#, "1 to 1000");
        check_refused(r#"{"blocked_text":"later"}"#, "unknown variant `later`");
        check_refused(r#"{"webhook_batch":1001}"#, "1 to 1000");
        check_refused("[]", "expected a map");
    }

    #[test]
    fn switches_of_an_older_state_file_are_taken_up() {
        let older = r#"{"unblock_needs_window":true,"conversions":5}"#;
        let expected = Switches {
            unblock_needs_window: true,
            conversions: ConversionNames::Five,
            ..Switches::default()
        };
        assert_eq!(serde_json::from_str::<Switches>(older).unwrap(), expected);
    }

    #[test]
    fn the_names_of_each_set() {
        assert_eq!(ConversionNames::Fourteen.names().len(), 14);
        assert_eq!(ConversionNames::Two.names(), ["Purchase", "LeadSubmitted"]);
        assert_eq!("5".parse(), Ok(ConversionNames::Five));
        assert!("3".parse::<ConversionNames>().is_err());
        assert!("".parse::<ConversionNames>().is_err());
    }
}
