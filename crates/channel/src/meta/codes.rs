//! What Meta's error codes mean for an event: one row per code.
//!
//! Meta asks that errors be told apart by code, not by text or HTTP status; conversions need the subcode, too. Three
//! rules decide where the pages leave room. A refusal of an event needs proof that the call must fail. What a person
//! can mend (a token, a permission, a data set's link) pauses what it covers and keeps the events. And a scope is as
//! narrow as the code allows, so that one mistake stops nothing else.
//!
//! The table is printed as `docs/meta-codes.md`.

use std::time::Duration;

use laneway_model::Scope::{self, App, Credential, Event, Number, NumberFamily, Waba};

use Class::{Rejected, Throttled, Transient, Unauthorized};
use Codes::{One, Range, Subcode};
use Confidence::{Documented, Field, Inferred};

/// Which errors a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codes {
    /// One code, whatever the subcode, unless that has a row of its own.
    One(u32),
    /// All codes from the first to the last.
    Range(u32, u32),
    /// One code with one subcode.
    Subcode(u32, u32),
}

/// How to go on after such an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Too many calls; no more within this time at least, if Meta names one.
    Throttled(Option<Duration>),
    /// Meta's own trouble, or the moment's.
    Transient,
    /// Refused for good.
    Rejected,
    /// A person must mend something first.
    Unauthorized,
}

/// How well the meaning of a code is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Meta's pages say so.
    Documented,
    /// Code, captured traffic or third parties say so.
    Field,
    /// It follows from something else.
    Inferred,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The errors it is about.
    pub codes: Codes,
    /// How to go on.
    pub class: Class,
    /// How far it reaches. With [`Class::Rejected`], a scope wider than the event means that the call's members are
    /// refused together, and that sending them apart would change nothing.
    pub scope: Scope,
    /// How well it is known.
    pub confidence: Confidence,
    /// What it means and what to do, in one sentence for a person.
    pub meaning: &'static str,
}

/// Some or all users of a block call failed; the users' own errors say why.
pub const BLOCKS_FAILED: u32 = 139_100;

impl Codes {
    fn covers(self, code: u32, subcode: Option<u32>) -> bool {
        match self {
            Self::One(one) => one == code,
            Self::Range(first, last) => (first..=last).contains(&code),
            Self::Subcode(one, sub) => one == code && subcode == Some(sub),
        }
    }
}

/// The row of an error, that of its subcode before that of its code.
pub fn find(code: u32, subcode: Option<u32>) -> Option<&'static Row> {
    let mut rows = TABLE.iter().filter(|row| row.codes.covers(code, subcode));
    let first = rows.next()?;
    Some(rows.find(|row| matches!(row.codes, Codes::Subcode(..))).unwrap_or(first))
}

/// What an answer without a known code means, by its HTTP status: class, scope, and one sentence. Meta's codes decide
/// wherever there is one; this is for unknown ones, and for answers of something that stands between.
///
/// An unknown code with a 4xx is Meta's refusal of this very call, so the event becomes a dead letter that a person
/// sees; trying it again for days would hide it.
pub fn by_status(status: u16) -> (Class, Scope, &'static str) {
    match status {
        300..=399 => (
            Class::Unauthorized,
            Scope::Waba,
            "The address answered with a redirect, which is not followed; check graph_url.",
        ),
        401 => (Class::Unauthorized, Scope::Credential, "The access token was not accepted; replace it."),
        403 | 407 => (
            Class::Unauthorized,
            Scope::NumberFamily,
            "The call was forbidden; check the token's permissions and what stands between here and Meta.",
        ),
        404 | 405 => (
            Class::Unauthorized,
            Scope::NumberFamily,
            "The address knows no such call; check graph_url, phone_number_id and dataset_id.",
        ),
        408 | 425 => (Class::Transient, Scope::Event, "The call came to nothing in time."),
        429 => (Class::Throttled(None), Scope::NumberFamily, "Too many calls."),
        400..=499 => (
            Class::Rejected,
            Scope::Event,
            "The call was refused for a reason that is not in the table of codes; Meta's words follow.",
        ),
        500..=599 => (Class::Transient, Scope::Event, "Meta, or something on the way to it, has trouble."),
        _ => (
            Class::Rejected,
            Scope::Event,
            "The answer was an error whose code is not in the table of codes; Meta's words follow.",
        ),
    }
}

const fn row(codes: Codes, class: Class, scope: Scope, confidence: Confidence, meaning: &'static str) -> Row {
    Row { codes, class, scope, confidence, meaning }
}

/// Every code that is known, in the order of the numbers.
///
/// The general codes are from Meta's "Error codes" page, those from 139100 on from "Block users". The subcodes of the
/// Conversions API come from third parties alone: their meanings are reliable, their texts are not known.
pub static TABLE: &[Row] = &[
    row(
        One(0),
        Unauthorized,
        Credential,
        Documented,
        "Meta could not authenticate the app's user; replace the access token.",
    ),
    // The pages say "invalid request or possible server error", so one refusal is no proof.
    row(
        One(1),
        Transient,
        Event,
        Documented,
        "Meta does not know whether the request or its own server is at fault.",
    ),
    row(One(2), Transient, Event, Documented, "The service is down or overloaded for the moment."),
    row(
        One(3),
        Unauthorized,
        NumberFamily,
        Documented,
        "The app lacks the capability or permission for this call; grant it in the app's settings.",
    ),
    row(One(4), Throttled(None), App, Documented, "The app has reached its limit of calls."),
    row(
        One(10),
        Unauthorized,
        NumberFamily,
        Documented,
        "The token lacks the permission for this call, or it was withdrawn; grant it again.",
    ),
    // Nothing about the event: the number's id is wrong or its number is gone, and events wait until that is mended.
    row(
        One(33),
        Unauthorized,
        Number,
        Documented,
        "Meta does not know the business number; check phone_number_id, or whether the number was deleted.",
    ),
    row(
        One(100),
        Rejected,
        Event,
        Documented,
        "Meta calls a parameter invalid, unknown or missing; its own words say which.",
    ),
    // The object is in the path (the data set or the number), never in the event, so the same answer would come for each
    // event of the family. A person mends it in the configuration or in Meta's settings; until then the events wait.
    row(
        Subcode(100, 33),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set or the number does not exist, or the token's system user was not given access to it; check dataset_id, phone_number_id and the assigned assets.",
    ),
    row(
        Subcode(100, 2_804_003),
        Rejected,
        Event,
        Field,
        "The conversion happened more than 7 days ago, and Meta takes no older ones.",
    ),
    row(
        Subcode(100, 2_804_063),
        Rejected,
        Event,
        Field,
        "The conversion has no messaging_channel, which Laneway always sends; report this as a mistake of Laneway.",
    ),
    row(
        Subcode(100, 2_804_064),
        Rejected,
        Event,
        Field,
        "The conversion carries a field that messaging events must not have.",
    ),
    // This and the next subcodes about pages and Instagram accounts mean that the data set belongs to another product,
    // because no WhatsApp conversion names either.
    row(
        Subcode(100, 2_804_065),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set belongs to another page; use the data set of this WhatsApp Business Account.",
    ),
    row(
        Subcode(100, 2_804_066),
        Rejected,
        Event,
        Field,
        "Meta does not take this type of conversion for messaging; not all of the fourteen pass everywhere.",
    ),
    row(
        Subcode(100, 2_804_073),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set is one for Messenger; use the data set of this WhatsApp Business Account.",
    ),
    row(
        Subcode(100, 2_804_075),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set is one for Instagram; use the data set of this WhatsApp Business Account.",
    ),
    row(
        Subcode(100, 2_804_079),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set is one for Instagram; use the data set of this WhatsApp Business Account.",
    ),
    row(
        Subcode(100, 2_804_087),
        Rejected,
        Event,
        Field,
        "Meta does not know the click id as a click on an ad of this business; invented and shortened ids fail, too.",
    ),
    row(
        Subcode(100, 2_804_131),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set has no page; use the data set of this WhatsApp Business Account.",
    ),
    // The link between data set and WABA is a setting at Meta: every conversion of the data set fails until a person
    // makes it, and works from then on.
    row(
        Subcode(100, 2_804_132),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set is not linked to this WhatsApp Business Account; correct dataset_id or link it in Events Manager.",
    ),
    row(
        Subcode(100, 2_804_133),
        Unauthorized,
        NumberFamily,
        Field,
        "The data set has no Instagram account; use the data set of this WhatsApp Business Account.",
    ),
    row(
        One(104),
        Unauthorized,
        Credential,
        Documented,
        "The call carried no access token that Meta accepts; replace it.",
    ),
    row(
        One(190),
        Unauthorized,
        Credential,
        Documented,
        "The access token has expired, was withdrawn or is malformed; replace it.",
    ),
    row(
        Range(200, 299),
        Unauthorized,
        NumberFamily,
        Documented,
        "The token lacks a permission for this call; grant it to the token's system user.",
    ),
    row(
        One(368),
        Unauthorized,
        Waba,
        Documented,
        "Meta has blocked the account for a while because of a policy violation; see WhatsApp Manager.",
    ),
    row(
        One(803),
        Unauthorized,
        NumberFamily,
        Field,
        "The object in the path does not exist; check phone_number_id and dataset_id.",
    ),
    row(
        One(80007),
        Throttled(None),
        Waba,
        Documented,
        "The WhatsApp Business Account has reached its limit of calls.",
    ),
    row(One(130_403), Rejected, Event, Documented, "The business has blocked this user; unblock them first."),
    row(
        One(130_429),
        Throttled(None),
        Number,
        Documented,
        "The business number made too many calls, or a block call named too many users.",
    ),
    // The restriction is about the user's country, so it stops this event and not the next.
    row(
        One(130_497),
        Rejected,
        Event,
        Documented,
        "The business may not message users in this country; Meta's commerce policy says why.",
    ),
    row(One(131_000), Transient, Event, Documented, "Something went wrong at Meta for an unknown reason."),
    row(
        One(131_005),
        Unauthorized,
        NumberFamily,
        Documented,
        "Access was denied: the permission was not granted or has been removed.",
    ),
    row(One(131_008), Rejected, Event, Documented, "A required parameter is missing from the call."),
    // The code is documented; that it is what a read mark of an unknown message gets is inferred.
    row(
        One(131_009),
        Rejected,
        Event,
        Inferred,
        "Meta does not accept a value; for a read mark: it does not know the id as a message that this number received.",
    ),
    row(One(131_016), Transient, Event, Documented, "A service at Meta is temporarily unavailable."),
    row(
        One(131_021),
        Rejected,
        Event,
        Documented,
        "The user is the business's own number, which cannot be blocked.",
    ),
    row(One(131_026), Rejected, Event, Documented, "The user cannot be reached on WhatsApp."),
    row(
        One(131_031),
        Unauthorized,
        Waba,
        Documented,
        "The WhatsApp Business Account is locked or restricted; see WhatsApp Manager.",
    ),
    row(
        One(131_042),
        Unauthorized,
        Waba,
        Documented,
        "There is a problem with the account's payment method; mend it in WhatsApp Manager.",
    ),
    row(
        One(131_047),
        Rejected,
        Event,
        Documented,
        "The user has not written to the business in the last 24 hours, or the number is not on WhatsApp.",
    ),
    // Meta names no end, and whether read marks and blocks are concerned is not documented: not a proof for any event.
    row(
        One(131_048),
        Throttled(None),
        NumberFamily,
        Documented,
        "The number is restricted because too many users blocked it or reported spam; see its quality in WhatsApp Manager.",
    ),
    row(
        One(131_049),
        Rejected,
        Event,
        Documented,
        "Meta chose not to deliver to this user, and asks not to try again for at least 24 hours.",
    ),
    row(
        One(131_050),
        Rejected,
        Event,
        Documented,
        "The user has opted out of the business's marketing messages.",
    ),
    row(One(131_051), Rejected, Event, Documented, "Meta does not support this type of message."),
    // Meta: one message per 6 seconds to the same user, and 4^n seconds after the n-th failure.
    row(
        One(131_056),
        Throttled(Some(Duration::from_secs(6))),
        Event,
        Documented,
        "Too many calls between this business number and this user.",
    ),
    // Meta: an upgrade takes up to a minute.
    row(
        One(131_057),
        Throttled(Some(Duration::from_secs(60))),
        Number,
        Documented,
        "The business number is in maintenance, for instance while its throughput is being raised.",
    ),
    row(
        One(131_062),
        Rejected,
        Event,
        Documented,
        "A business-scoped user id cannot be used here; name the user by phone number.",
    ),
    row(
        One(131_064),
        Unauthorized,
        NumberFamily,
        Documented,
        "A person must mend something at Meta before this call works; its own words say what.",
    ),
    row(One(133_004), Transient, Event, Documented, "The server is temporarily unavailable."),
    row(
        One(133_016),
        Throttled(None),
        Number,
        Field,
        "The number made too many attempts of one kind; Meta lets it wait.",
    ),
    // Without the users' own errors nobody knows whom it concerns; doing it again changes nothing for those done.
    row(
        One(BLOCKS_FAILED),
        Transient,
        Event,
        Documented,
        "Meta could not block or unblock some or all users, and did not say which.",
    ),
    // It is full for every user, so splitting the call would help nobody.
    row(
        One(139_101),
        Rejected,
        NumberFamily,
        Documented,
        "The block list is full with 64,000 users; unblock someone first.",
    ),
    row(
        One(139_102),
        Transient,
        Event,
        Documented,
        "The block list changed while it was being read; read it again.",
    ),
    row(
        One(139_103),
        Transient,
        Event,
        Documented,
        "Meta had an internal error while blocking or unblocking.",
    ),
];

#[cfg(test)]
mod tests;
