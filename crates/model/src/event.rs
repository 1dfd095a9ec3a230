//! Events: what a business wants to be done or known.

use std::fmt;

use crate::{AccountName, CtwaClid, IdError, LaneKey, Person, PhoneNumber, Timestamp, Wamid};

/// An accepted event, complete: nothing about it is looked up or decided again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The tenant whose event it is.
    pub account: AccountName,
    /// The business number it is sent for.
    pub business: PhoneNumber,
    /// The user it is about. Always there for blocks and conversions; a read mark or a typing indicator may come
    /// without, because its message id says it all.
    pub person: Option<Person>,
    /// What to do.
    pub action: Action,
    /// The client's own word for it.
    pub reference: Option<Reference>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The client's `custom` object as JSON text, comments removed, otherwise as received. Kept to be shown; a
    /// conversion also takes its order details from it.
    pub custom: Option<Box<str>>,
}

/// What an event asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Mark a message of the user, and all before it, as read.
    MarkAsRead {
        /// The message.
        message_id: Wamid,
    },
    /// Show the user that an answer is being written; marks the message as read, too.
    Typing {
        /// The message that is being answered.
        message_id: Wamid,
    },
    /// Block the user.
    Block,
    /// Unblock the user.
    UnBlock,
    /// Tell Meta that an ad led to something.
    Conversion(Box<Conversion>),
}

/// What a conversion carries. Click id, time and event id are fixed when it is accepted, but for a click id that is waited
/// for: that is fixed when it becomes known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Which of the fourteen.
    pub name: ConversionName,
    /// The ad click it is attributed to; `None` while it waits for one to become known.
    pub click: Option<ClickId>,
    /// When it happened; whole seconds matter to Meta.
    pub event_time: Timestamp,
    /// The client's id for it; without one, the event's own id is sent.
    pub event_id: Option<Reference>,
    /// The currency of `value`.
    pub currency: Option<Currency>,
    /// The worth of the order.
    pub value: Option<Amount>,
}

/// A click id and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickId {
    /// The id itself.
    pub value: CtwaClid,
    /// Whether it was taken from the person's notifications because the client gave none.
    pub captured: bool,
}

/// The type of an event, without its content. The numbers are stored; they are never renumbered or reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// See [`Action::MarkAsRead`].
    MarkAsRead,
    /// See [`Action::Typing`].
    Typing,
    /// See [`Action::Block`].
    Block,
    /// See [`Action::UnBlock`].
    UnBlock,
    /// See [`Action::Conversion`].
    Conversion(ConversionName),
}

/// The fourteen conversions of CM.com's page, which are Meta's list for business messaging.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say all that CM.com's page says")]
pub enum ConversionName {
    Purchase = 1,
    LeadSubmitted = 2,
    InitiateCheckout = 3,
    AddToCart = 4,
    ViewContent = 5,
    OrderCreated = 6,
    OrderShipped = 7,
    OrderDelivered = 8,
    OrderCanceled = 9,
    OrderReturned = 10,
    CartAbandoned = 11,
    QualifiedLead = 12,
    RatingProvided = 13,
    ReviewProvided = 14,
}

/// The call that an event leads to: events of one family share an endpoint, a permission and a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Read marks and typing indicators: `POST /{phone_number_id}/messages`.
    Messages,
    /// Blocks and unblocks: `/{phone_number_id}/block_users`.
    Blocks,
    /// Conversions: `POST /{dataset_id}/events`.
    Conversions,
}

impl Family {
    /// The word users see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Blocks => "blocks",
            Self::Conversions => "conversions",
        }
    }
}

impl Event {
    /// The event's type.
    pub fn kind(&self) -> EventKind {
        match &self.action {
            Action::MarkAsRead { .. } => EventKind::MarkAsRead,
            Action::Typing { .. } => EventKind::Typing,
            Action::Block => EventKind::Block,
            Action::UnBlock => EventKind::UnBlock,
            Action::Conversion(conversion) => EventKind::Conversion(conversion.name),
        }
    }

    /// The lane that keeps it in order; none for events that commute.
    pub fn lane(&self) -> Option<LaneKey> {
        match (&self.action, &self.person) {
            (Action::Block | Action::UnBlock, Some(person)) => {
                Some(LaneKey { business: self.business, person: person.clone() })
            }
            _ => None,
        }
    }
}

impl EventKind {
    /// Every type, the extension last.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::MarkAsRead, Self::Block, Self::UnBlock]
            .into_iter()
            .chain(ConversionName::ALL.into_iter().map(Self::Conversion))
            .chain([Self::Typing])
    }

    /// The name in CM.com's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MarkAsRead => "MarkAsRead",
            Self::Typing => "Typing",
            Self::Block => "Block",
            Self::UnBlock => "UnBlock",
            Self::Conversion(name) => name.as_str(),
        }
    }

    /// The type of that name, in any letter case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// The call it leads to.
    pub const fn family(self) -> Family {
        match self {
            Self::MarkAsRead | Self::Typing => Family::Messages,
            Self::Block | Self::UnBlock => Family::Blocks,
            Self::Conversion(_) => Family::Conversions,
        }
    }

    /// The number that is stored: 1 to 4, and 100 plus the conversion's own.
    pub const fn code(self) -> u8 {
        match self {
            Self::MarkAsRead => 1,
            Self::Typing => 2,
            Self::Block => 3,
            Self::UnBlock => 4,
            Self::Conversion(name) => 100 + name as u8,
        }
    }

    /// The type behind a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::all().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ConversionName {
    /// All fourteen, in the order of CM.com's page.
    pub const ALL: [Self; 14] = [
        Self::Purchase,
        Self::LeadSubmitted,
        Self::InitiateCheckout,
        Self::AddToCart,
        Self::ViewContent,
        Self::OrderCreated,
        Self::OrderShipped,
        Self::OrderDelivered,
        Self::OrderCanceled,
        Self::OrderReturned,
        Self::CartAbandoned,
        Self::QualifiedLead,
        Self::RatingProvided,
        Self::ReviewProvided,
    ];

    /// The name in CM.com's and Meta's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "Purchase",
            Self::LeadSubmitted => "LeadSubmitted",
            Self::InitiateCheckout => "InitiateCheckout",
            Self::AddToCart => "AddToCart",
            Self::ViewContent => "ViewContent",
            Self::OrderCreated => "OrderCreated",
            Self::OrderShipped => "OrderShipped",
            Self::OrderDelivered => "OrderDelivered",
            Self::OrderCanceled => "OrderCanceled",
            Self::OrderReturned => "OrderReturned",
            Self::CartAbandoned => "CartAbandoned",
            Self::QualifiedLead => "QualifiedLead",
            Self::RatingProvided => "RatingProvided",
            Self::ReviewProvided => "ReviewProvided",
        }
    }

    /// Whether CM.com's page makes `currency` and `value` mandatory for it.
    pub const fn needs_value(self) -> bool {
        matches!(self, Self::Purchase | Self::OrderCreated | Self::OrderShipped)
    }
}

/// A client's own word for an event: 1 to 64 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(Box<str>);

impl Reference {
    /// The most characters it can have.
    pub const CHARS_MAX: usize = 64;

    /// Reads a reference; nothing is trimmed.
    ///
    /// # Errors
    /// When it is empty, too long, or contains a control character.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.chars().count() > Self::CHARS_MAX {
            return Err(IdError::TooLong { max: Self::CHARS_MAX });
        }
        match text.chars().find(|c| c.is_control()) {
            Some(c) => Err(IdError::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The text, as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A currency code in the form of ISO 4217: three capital letters. Whether the code is in use is checked where events
/// are accepted; the stored value is never checked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Reads a code in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphabetic).then(|| Self(bytes.map(|b| b.to_ascii_uppercase())))
    }

    /// The three capital letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency is three ASCII letters")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of money, exactly as it was written: up to 15 digits, a dot, up to 8 more; never negative. The text is
/// also a JSON number, so nothing is lost to binary fractions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Box<str>);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountError {
    /// It is below zero.
    Negative,
    /// It is not a decimal number with a dot.
    Form,
    /// It has more digits than an amount can have.
    TooLong,
}

impl Amount {
    /// Reads a decimal number such as `12.60`. Surplus leading zeros are dropped; `.5` and `5.` are not amounts.
    ///
    /// # Errors
    /// [`AmountError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole.strip_prefix('-').unwrap_or(whole)) || !fraction.is_none_or(is_digits) {
            return Err(AmountError::Form);
        }
        if whole.starts_with('-') {
            return Err(AmountError::Negative);
        }
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            rest => rest,
        };
        if whole.len() > 15 || fraction.is_some_and(|f| f.len() > 8) {
            return Err(AmountError::TooLong);
        }
        Ok(Self(fraction.map_or_else(|| whole.into(), |f| format!("{whole}.{f}").into())))
    }

    /// The decimal text, which is also a JSON number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negative => "is negative",
            Self::Form => "is not a decimal number with a dot, such as 12.60",
            Self::TooLong => "has more than 15 digits before or 8 after the dot",
        })
    }
}

impl std::error::Error for AmountError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds_lead_back_from_names_and_numbers() {
        assert_eq!(EventKind::all().count(), 18);
        for kind in EventKind::all() {
            assert_eq!(EventKind::parse(&kind.as_str().to_uppercase()), Some(kind));
            assert_eq!(EventKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!((EventKind::parse("Lead"), EventKind::from_code(0)), (None, None));
    }

    #[test]
    fn currencies() {
        assert_eq!(Currency::parse("eur").unwrap().as_str(), "EUR");
        for bad in ["", "EU", "EURO", "eur0", "E1R", "€"] {
            assert_eq!(Currency::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn amounts() {
        for (text, expected) in [
            ("12.60", Ok("12.60")),
            ("0", Ok("0")),
            ("007.5", Ok("7.5")),
            ("000", Ok("0")),
            ("999999999999999.99999999", Ok("999999999999999.99999999")),
            ("-1", Err(AmountError::Negative)),
            ("12,60", Err(AmountError::Form)),
            ("NaN", Err(AmountError::Form)),
            ("1e3", Err(AmountError::Form)),
            ("", Err(AmountError::Form)),
            ("-", Err(AmountError::Form)),
            (".5", Err(AmountError::Form)),
            ("5.", Err(AmountError::Form)),
            ("1.2.3", Err(AmountError::Form)),
            ("+1", Err(AmountError::Form)),
            ("1000000000000000", Err(AmountError::TooLong)),
            ("1.123456789", Err(AmountError::TooLong)),
        ] {
            assert_eq!(Amount::parse(text).map(|a| a.to_string()), expected.map(ToOwned::to_owned), "{text}");
        }
    }

    #[test]
    fn references() {
        assert_eq!(Reference::parse(&"é".repeat(64)).unwrap().as_str().chars().count(), 64);
        assert_eq!(Reference::parse(&"é".repeat(65)), Err(IdError::TooLong { max: 64 }));
        assert_eq!(Reference::parse(""), Err(IdError::Empty));
        assert_eq!(Reference::parse("a\u{0}"), Err(IdError::Character('\u{0}')));
    }

    proptest! {
        #[test]
        fn an_amount_is_a_number_no_less_than_zero(text in "-?[0-9]{0,17}[.]?[0-9]{0,9}") {
            if let Ok(amount) = Amount::parse(&text) {
                prop_assert_eq!(amount.as_str().parse::<f64>().unwrap(), text.parse::<f64>().unwrap());
                prop_assert_eq!(Amount::parse(amount.as_str()), Ok(amount));
            }
        }
    }
}
