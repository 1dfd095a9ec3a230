//! A fault as it is asked for, in JSON, and what is made of it.

use std::borrow::Cow;
use std::time::Duration;

use fastrand::Rng;
use laneway_wire::graph::server::{Operation, RequestedError};
use serde::{Deserialize, Serialize};

use crate::duration;
use crate::limits::LATENCY_MAX;
use crate::phone::Phone;
use crate::world::World;

/// A fault as it is asked for: which calls, what happens to them, and when. At least one thing must happen: a
/// [`preset`](FaultRule::preset), a [`code`](FaultRule::code), a [`cut`](FaultRule::cut), a [`lie`](FaultRule::lie), or a
/// [`latency`](FaultRule::latency), which goes together with each of the others.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultRule {
    /// Which kind of call.
    pub call: FaultCall,
    /// Only calls about this business number, about its account and about its data set; written `00…`, `+…` or bare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The same, by the number's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number_id: Option<String>,
    /// Only calls with this access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// What happens, by a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// The call is refused with this code of Meta's and has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// The subcode that goes with the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subcode: Option<u32>,
    /// The HTTP status that goes with the code, 200 to 599; what Meta documents for the code if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The message that goes with the code; its title if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the error calls itself transient; what Meta documents for the code if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_transient: Option<bool>,
    /// How many minutes the answer says that it takes to regain access, in `x-business-use-case-usage`; without it, the
    /// refusal has no such header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regain_minutes: Option<u32>,
    /// The connection is closed without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// The call is answered like a success and has no effect; for conversions, `events_received` is 0.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lie: bool,
    /// How much later the answer comes than it would, such as `600ms`. The effect does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// Which of the calls it strikes.
    pub when: When,
}

/// A kind of Graph call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultCall {
    /// Every call there is.
    #[default]
    Any,
    /// Read marks, typing indicators and texts.
    Messages,
    /// Read marks with a typing indicator.
    Typing,
    /// `POST …/block_users`.
    Block,
    /// `DELETE …/block_users`.
    Unblock,
    /// `GET …/block_users`.
    Blocklist,
    /// Conversion events.
    Events,
    /// `GET` and `POST …/dataset`.
    Dataset,
    /// `GET …/phone_numbers`.
    PhoneNumbers,
    /// `GET`, `POST` and `DELETE …/subscribed_apps`.
    SubscribedApps,
    /// `GET /debug_token`.
    DebugToken,
    /// `GET /app`.
    App,
}

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Before the call has an effect.
    Before,
    /// After it had its effect: what the client cannot know.
    After,
}

/// Which of the calls that a rule is about it strikes. They are counted in the order of their arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "serde_json::Value")]
pub enum When {
    /// All of them, until the rule is removed.
    #[default]
    Always,
    /// The next so many.
    Next(u64),
    /// Every so-manieth: with 3, the third, the sixth and so on.
    Every(u64),
    /// Each with a probability from 0 to 1, drawn from a stream of its own.
    Probability {
        /// The probability.
        probability: f64,
        /// The seed of the stream: the same seed strikes the same calls.
        seed: u64,
    },
}

/// What happens, by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The token has expired.
    DeadToken,
    /// Too many calls.
    Throttled,
    /// The effect stands, the answer is lost.
    AnswerLost,
    /// Slow answers.
    #[serde(rename = "slow_600ms")]
    Slow600Ms,
    /// Success without an effect.
    #[serde(rename = "lying_200")]
    Lying200,
    /// Nothing works.
    MetaDown,
}

/// Why a fault cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// Nothing would happen.
    #[error("a fault needs a preset, a code, a cut, a lie or a latency")]
    Nothing,
    /// Two things cannot both happen.
    #[error("of preset, code, cut and lie, a fault has one")]
    TwoThings,
    /// A member only makes sense beside a code.
    #[error("{0} goes with a code only")]
    WithoutCode(&'static str),
    /// The HTTP status is none that ends a call.
    #[error("http_status: 200 to 599, without 204, 205 and 304, which have no body")]
    Status,
    /// The latency cannot be read, or is too long.
    #[error("latency: a duration of at most {} s, written 600ms or 5s", LATENCY_MAX.as_secs())]
    Latency,
    /// Such calls have no effect to leave out.
    #[error("lie: only messages, typing, block, unblock and events calls can be lied about")]
    LieWithoutEffect,
    /// The number cannot be read.
    #[error("number: a phone number has 7 to 15 digits, country code first, written 00…, +… or bare")]
    Number,
    /// No business has that number.
    #[error("{member}: no business has it; there is {}", known.join(", "))]
    UnknownNumber {
        /// The member of the rule that says so.
        member: &'static str,
        /// What there is.
        known: Vec<String>,
    },
    /// The number and its id do not fit together.
    #[error("number and phone_number_id are of different numbers")]
    TwoNumbers,
    /// No account has that token.
    #[error("access_token: no account has it; GET /sandbox/numbers lists those there are")]
    UnknownToken,
    /// The sandbox holds no more rules.
    #[error("the sandbox holds no more faults; DELETE /sandbox/faults removes them")]
    Full,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused.
    Error(RequestedError),
    /// Its connection is cut.
    Cut(Cut),
    /// It succeeds without an effect.
    Lie,
}

/// The objects that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Objects {
    /// A business number, its account and its data set.
    pub(super) ids: [String; 3],
}

/// A rule taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(super) objects: Option<Objects>,
    pub(crate) fault: Option<Fault>,
    pub(crate) latency: Duration,
    pub(super) turn: Turn,
}

/// Whose turn it is.
#[derive(Clone, Debug)]
pub(super) enum Turn {
    Always,
    Next { left: u64 },
    Every { of: u64, seen: u64 },
    Probability { probability: f64, stream: Rng },
}

/// A call, as far as rules look at it.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    /// What it does.
    pub(crate) operation: Operation,
    /// Whether it shows a typing indicator.
    pub(crate) is_typing: bool,
    /// The id in its path.
    pub(crate) object: &'a str,
    /// Its token, if it has one.
    pub(crate) token: Option<Cow<'a, str>>,
}

impl FaultRule {
    /// Takes the rule apart.
    ///
    /// # Errors
    /// [`FaultError`] for the first thing that is wrong with it.
    pub(crate) fn parse(&self, world: &World) -> Result<Parsed, FaultError> {
        let latency = self.delay()?;
        let (fault, latency) = match self.preset {
            None => (self.fault()?, latency.unwrap_or_default()),
            Some(_) if self.code.is_some() || self.cut.is_some() || self.lie => {
                return Err(FaultError::TwoThings);
            }
            Some(preset) => {
                self.refuse_details()?;
                let (fault, own) = preset.meaning();
                (fault, latency.unwrap_or(own))
            }
        };
        if fault.is_none() && latency.is_zero() {
            return Err(FaultError::Nothing);
        }
        if self.regain_minutes.is_some() && !matches!(fault, Some(Fault::Error(_))) {
            return Err(FaultError::WithoutCode("regain_minutes"));
        }
        if fault == Some(Fault::Lie) && !self.call.has_effect() {
            return Err(FaultError::LieWithoutEffect);
        }
        if self.access_token.as_deref().is_some_and(|token| !world.knows_token(token)) {
            return Err(FaultError::UnknownToken);
        }
        Ok(Parsed { objects: self.objects(world)?, fault, latency, turn: Turn::of(self.when) })
    }

    /// What happens according to the members themselves.
    fn fault(&self) -> Result<Option<Fault>, FaultError> {
        match (self.code, self.cut, self.lie) {
            (Some(code), None, false) => {
                let has_body = |status| (200..600).contains(&status) && ![204, 205, 304].contains(&status);
                if self.http_status.is_some_and(|status| !has_body(status)) {
                    return Err(FaultError::Status);
                }
                Ok(Some(Fault::Error(RequestedError {
                    code,
                    subcode: self.subcode,
                    status: self.http_status,
                    message: self.message.clone(),
                    is_transient: self.is_transient,
                })))
            }
            (None, Some(cut), false) => self.refuse_details().map(|()| Some(Fault::Cut(cut))),
            (None, None, true) => self.refuse_details().map(|()| Some(Fault::Lie)),
            (None, None, false) => self.refuse_details().map(|()| None),
            (_, _, _) => Err(FaultError::TwoThings),
        }
    }

    /// Refuses members that say more about a code when there is none.
    fn refuse_details(&self) -> Result<(), FaultError> {
        let details = [
            ("subcode", self.subcode.is_some()),
            ("http_status", self.http_status.is_some()),
            ("message", self.message.is_some()),
            ("is_transient", self.is_transient.is_some()),
        ];
        match details.into_iter().find(|(_, given)| *given) {
            Some((member, _)) => Err(FaultError::WithoutCode(member)),
            None => Ok(()),
        }
    }

    fn delay(&self) -> Result<Option<Duration>, FaultError> {
        let Some(text) = &self.latency else { return Ok(None) };
        match duration::parse(text) {
            Ok(latency) if latency <= LATENCY_MAX => Ok(Some(latency)),
            Ok(_) | Err(_) => Err(FaultError::Latency),
        }
    }

    fn objects(&self, world: &World) -> Result<Option<Objects>, FaultError> {
        let by_number = match &self.number {
            None => None,
            Some(text) => {
                let phone = Phone::lenient(text).map_err(|_| FaultError::Number)?;
                let unknown =
                    || FaultError::UnknownNumber { member: "number", known: world.business_phones() };
                Some(world.number_id(&phone).ok_or_else(unknown)?)
            }
        };
        if by_number.zip(self.phone_number_id.as_deref()).is_some_and(|(left, right)| left != right) {
            return Err(FaultError::TwoNumbers);
        }
        let Some(id) = by_number.or(self.phone_number_id.as_deref()) else { return Ok(None) };
        let unknown = || FaultError::UnknownNumber { member: "phone_number_id", known: world.number_ids() };
        world.objects_of(id).map(|ids| Some(Objects { ids })).ok_or_else(unknown)
    }
}

impl FaultCall {
    /// Whether the call is of this kind.
    pub(super) fn covers(self, target: &Target<'_>) -> bool {
        match self {
            FaultCall::Any => true,
            FaultCall::Messages => target.operation == Operation::Messages,
            FaultCall::Typing => target.is_typing,
            FaultCall::Block => target.operation == Operation::Block,
            FaultCall::Unblock => target.operation == Operation::UnBlock,
            FaultCall::Blocklist => target.operation == Operation::Blocklist,
            FaultCall::Events => target.operation == Operation::Events,
            FaultCall::Dataset => matches!(target.operation, Operation::Dataset | Operation::MakeDataset),
            FaultCall::PhoneNumbers => target.operation == Operation::PhoneNumbers,
            FaultCall::SubscribedApps => matches!(
                target.operation,
                Operation::SubscribedApps | Operation::Subscribe | Operation::Unsubscribe
            ),
            FaultCall::DebugToken => target.operation == Operation::DebugToken,
            FaultCall::App => target.operation == Operation::App,
        }
    }

    /// Whether calls of this kind do something that a lie can leave out.
    fn has_effect(self) -> bool {
        match self {
            FaultCall::Any
            | FaultCall::Messages
            | FaultCall::Typing
            | FaultCall::Block
            | FaultCall::Unblock
            | FaultCall::Events => true,
            FaultCall::Blocklist
            | FaultCall::Dataset
            | FaultCall::PhoneNumbers
            | FaultCall::SubscribedApps
            | FaultCall::DebugToken
            | FaultCall::App => false,
        }
    }
}

impl Fault {
    /// Whether it can happen to the call: nobody can lie about a call that only looks.
    pub(super) fn suits(&self, target: &Target<'_>) -> bool {
        match (self, target.operation) {
            (
                Fault::Lie,
                Operation::Blocklist
                | Operation::Dataset
                | Operation::MakeDataset
                | Operation::PhoneNumbers
                | Operation::SubscribedApps
                | Operation::Subscribe
                | Operation::Unsubscribe
                | Operation::DebugToken
                | Operation::App,
            ) => false,
            (Fault::Lie, Operation::Messages | Operation::Block | Operation::UnBlock | Operation::Events)
            | (Fault::Error(_) | Fault::Cut(_), _) => true,
        }
    }
}

impl Preset {
    fn meaning(self) -> (Option<Fault>, Duration) {
        let error = |code| {
            let plain =
                RequestedError { code, subcode: None, status: None, message: None, is_transient: None };
            Some(Fault::Error(plain))
        };
        match self {
            Preset::DeadToken => (error(190), Duration::ZERO),
            Preset::Throttled => (error(130_429), Duration::ZERO),
            Preset::AnswerLost => (Some(Fault::Cut(Cut::After)), Duration::ZERO),
            Preset::Slow600Ms => (None, Duration::from_millis(600)),
            Preset::Lying200 => (Some(Fault::Lie), Duration::ZERO),
            Preset::MetaDown => (error(2), Duration::ZERO),
        }
    }
}

impl Turn {
    fn of(when: When) -> Turn {
        match when {
            When::Always => Turn::Always,
            When::Next(left) => Turn::Next { left },
            When::Every(of) => Turn::Every { of, seen: 0 },
            When::Probability { probability, seed } => {
                Turn::Probability { probability, stream: Rng::with_seed(seed) }
            }
        }
    }

    /// Counts a call and tells whether it is struck.
    pub(super) fn take(&mut self) -> bool {
        match self {
            Turn::Always => true,
            Turn::Next { left: 0 } => false,
            Turn::Next { left } => {
                *left -= 1;
                true
            }
            Turn::Every { of, seen } => {
                *seen += 1;
                seen.is_multiple_of(*of)
            }
            Turn::Probability { probability, stream } => stream.f64() < *probability,
        }
    }

    /// Whether it never comes again.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Turn::Next { left: 0 })
    }
}

/// `"always"`, `{"next":3}`, `{"every":3}`, or `{"probability":0.1,"seed":7}` (without a seed: 0).
impl TryFrom<serde_json::Value> for When {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<When, String> {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct Members {
            next: Option<u64>,
            every: Option<u64>,
            probability: Option<f64>,
            seed: Option<u64>,
        }
        const FORMS: &str =
            r#"when: "always", {"next":3}, {"every":3} or {"probability":0.1,"seed":7}, with counts from 1"#;
        if value == "always" {
            return Ok(When::Always);
        }
        let wrong = |_| FORMS.to_owned();
        let Members { next, every, probability, seed } = serde_json::from_value(value).map_err(wrong)?;
        match (next, every, probability, seed) {
            (Some(count @ 1..), None, None, None) => Ok(When::Next(count)),
            (None, Some(of @ 1..), None, None) => Ok(When::Every(of)),
            (None, None, Some(probability), seed) if (0.0..=1.0).contains(&probability) => {
                Ok(When::Probability { probability, seed: seed.unwrap_or(0) })
            }
            (_, _, _, _) => Err(FORMS.to_owned()),
        }
    }
}

impl From<When> for serde_json::Value {
    fn from(when: When) -> serde_json::Value {
        match when {
            When::Always => "always".into(),
            When::Next(count) => serde_json::json!({"next": count}),
            When::Every(of) => serde_json::json!({"every": of}),
            When::Probability { probability, seed } => {
                serde_json::json!({"probability": probability, "seed": seed})
            }
        }
    }
}
