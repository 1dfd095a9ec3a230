//! Chats: who wrote what, what was read, whether the 24-hour window is open, who is typing.

mod overview;

use std::time::Duration;

use laneway_wire::graph::server::{
    ContactRef, DeliveryStatus, Happening, Recipient, Referral, Refusal, WamidDirection,
};
use serde::{Deserialize, Serialize};

use super::accounts::fresh;
use super::webhooks::referral;
use super::{Click, Number, Place, Waba, World};
use crate::clock::Moment;
use crate::limits::{MESSAGES_MAX, TEXT_CHARACTERS_MAX};
use crate::mint::Mint;
use crate::phone::{Phone, PhoneError};
use crate::switches::BlockedText;

/// How long a business may write freely after a user's message, and may block the user (Meta, *Block users* and *Send
/// messages* (D)).
pub(super) const WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// How long a typing indicator is shown (Meta, *Typing indicators* (D)).
const TYPING: Duration = Duration::from_secs(25);

/// Until when Meta advises to mark a message read (Meta, *Mark messages as read* (D)).
const READ_ADVICE: Duration = Duration::from_secs(30 * 86_400);

/// The code of a message that failed because the business has blocked the user.
const BLOCKED_CODE: u32 = 130_403;

/// One user's chat with one business number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Chat {
    messages: Vec<Message>,
    typing_until_us: Option<Moment>,
    /// When the user last wrote something that reached the business.
    #[serde(skip)]
    last_in_us: Option<Moment>,
    /// Messages before this index need no read mark any more.
    #[serde(skip)]
    read_to: usize,
    /// Messages before this index need not be read by the user any more.
    #[serde(skip)]
    seen_to: usize,
}

/// A message of a chat.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Message {
    wamid: Box<str>,
    direction: Direction,
    #[serde(default)]
    kind: Kind,
    text: Box<str>,
    sent_us: Moment,
    read_us: Option<Moment>,
    reached_business: bool,
    /// Whether an ad led to it; states of before this was known tell it by the click alone.
    #[serde(default)]
    ad: bool,
    ctwa_clid: Option<String>,
    /// Why a message of the business failed after it was taken.
    failed_code: Option<u32>,
}

/// Which way a message goes, seen from the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    /// From the user (MO).
    In,
    /// From the business (MT).
    Out,
}

/// What a message holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A text.
    #[default]
    Text,
    /// Something that the Cloud API does not carry; its text is empty.
    Unsupported,
}

/// What came of a user's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The message's id.
    pub wamid: String,
    /// The id of the click on the ad, if the message came from one.
    pub ctwa_clid: Option<String>,
}

/// Why a user cannot write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The sender is no phone number.
    #[error("from: a phone number has 7 to 15 digits, country code first, written 00…, +… or bare")]
    From,
    /// The recipient is no phone number.
    #[error("to: a phone number has 7 to 15 digits, country code first, written 00…, +… or bare")]
    To,
    /// The sender is a business number, which only the Graph API writes for.
    #[error("from: {0} is a business number; businesses write through the Graph API")]
    FromBusiness(String),
    /// The recipient is nobody's business number.
    #[error("to: no business has the number {number}; there is {}", known.join(", "))]
    UnknownBusiness {
        /// The number asked for.
        number: String,
        /// The numbers there are.
        known: Vec<String>,
    },
    /// The text is empty or too long.
    #[error("text: a message has 1 to {TEXT_CHARACTERS_MAX} characters, one of type unsupported has none")]
    Text,
    /// The sandbox holds no more messages.
    #[error("the sandbox is full; POST /sandbox/reset empties it")]
    Full,
}

/// A message as the control surface shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MessageRow {
    wamid: String,
    direction: Direction,
    #[serde(rename = "type")]
    kind: Kind,
    text: String,
    sent_at: String,
    read_at: Option<String>,
    reached_business: bool,
    business: String,
    user: String,
    user_id: Option<String>,
    ad: bool,
    ctwa_clid: Option<String>,
    failed_code: Option<u32>,
}

/// A typing indicator that a user sees now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TypingRow {
    business: String,
    user: String,
    until: String,
}

impl World {
    /// A user writes to a business, with `ad` after a click on one of its ads. A blocked user's message is kept but
    /// does not reach the business, unless a switch says so after the user is unblocked (U).
    ///
    /// # Errors
    /// [`WriteError`] if sender, recipient or text are impossible.
    pub(crate) fn user_writes(
        &mut self,
        mint: &mut Mint,
        message: &UserMessage<'_>,
        now: Moment,
    ) -> Result<Written, WriteError> {
        let user = Phone::lenient(message.from).map_err(|PhoneError| WriteError::From)?;
        let business = Phone::lenient(message.to).map_err(|PhoneError| WriteError::To)?;
        if self.number_id(&user).is_some() {
            return Err(WriteError::FromBusiness(user.to_string()));
        }
        let Some(id) = self.number_id(&business).map(str::to_owned) else {
            return Err(WriteError::UnknownBusiness {
                number: business.to_string(),
                known: self.business_phones(),
            });
        };
        let is_text = match message.kind {
            Kind::Text => !message.text.is_empty() && message.text.chars().count() <= TEXT_CHARACTERS_MAX,
            Kind::Unsupported => message.text.is_empty(),
        };
        if !is_text {
            return Err(WriteError::Text);
        }
        if self.index.message_count >= MESSAGES_MAX {
            return Err(WriteError::Full);
        }
        let number = self.numbers.get_mut(&id).expect("the index names numbers that exist");
        let waba = self.wabas.get_mut(&number.waba_id).expect("every number belongs to an account");
        waba.meet(mint, &user);
        let ctwa_clid = (message.ad && self.switches.ad_click_ids).then(|| {
            let clid = fresh(|| mint.ctwa_clid(), |clid| !waba.clicks.contains_key(clid));
            waba.clicks.insert(clid.clone(), Click { user: user.clone(), at_us: now });
            clid
        });
        let reached_business = !number.blocklist.contains(&user);
        let wamid = number.add(mint, &user, WamidDirection::Inbound, |wamid| Message {
            wamid,
            direction: Direction::In,
            kind: message.kind,
            text: message.text.into(),
            sent_us: now,
            read_us: None,
            reached_business,
            ad: message.ad,
            ctwa_clid: ctwa_clid.clone(),
            failed_code: None,
        });
        self.index.message_count += 1;
        if reached_business {
            let referral = message.ad.then(|| referral(ctwa_clid.as_deref()));
            self.notify(&id, &user, &wamid, now, message.kind.told(message.text, referral));
        }
        Ok(Written { wamid, ctwa_clid })
    }

    /// What a user wrote while blocked reaches the business after all, with the time that it was written at.
    pub(super) fn deliver_withheld(&mut self, number_id: &str, user: &Phone) {
        let chat = self.numbers.get_mut(number_id).and_then(|number| number.chats.get_mut(user));
        let Some(chat) = chat else { return };
        let mut arrived = Vec::new();
        for message in &mut chat.messages {
            if message.direction == Direction::In && !message.reached_business {
                message.reached_business = true;
                let referral = message.is_from_ad().then(|| referral(message.ctwa_clid.as_deref()));
                let told = message.kind.told(&message.text, referral);
                arrived.push((message.wamid.clone(), message.sent_us, told));
            }
        }
        chat.rebuild();
        for (wamid, sent_us, told) in arrived {
            self.notify(number_id, user, &wamid, sent_us, told);
        }
    }

    /// The business has read a message, and with it every earlier one of that chat; with `typing`, the user sees the
    /// typing indicator as well.
    ///
    /// # Errors
    /// [`Refusal::NotAReceivedMessage`] for anything that is not a message this number received.
    pub(crate) fn read(
        &mut self,
        number_id: &str,
        wamid: &str,
        typing: bool,
        now: Moment,
    ) -> Result<(), Refusal> {
        let refusal = || Refusal::NotAReceivedMessage { status: self.switches.read_refusal_status.number() };
        let number = self.numbers.get_mut(number_id).ok_or_else(refusal)?;
        let place = number.messages.get(wamid).ok_or_else(refusal)?;
        let has_window = number.window_is_open(&place.user, now);
        let chat = number.chats.get_mut(&place.user).ok_or_else(refusal)?;
        let message = &chat.messages[place.index];
        let is_late = message.sent_us.plus(READ_ADVICE) < now && !self.switches.read_after_30_days
            || !has_window && !self.switches.read_after_24_hours;
        let is_blocked = !self.switches.read_while_blocked && number.blocklist.contains(&place.user);
        if message.direction == Direction::Out || !message.reached_business || is_late || is_blocked {
            return Err(refusal());
        }
        chat.mark_read(place.index, now);
        let is_shown = chat.typing_until_us.is_some_and(|until| now < until);
        if typing && (self.switches.typing_again_extends || !is_shown) {
            chat.typing_until_us = Some(now.plus(TYPING));
        }
        Ok(())
    }

    /// The business writes a text. It ends the typing indicator.
    ///
    /// # Errors
    /// The documented refusals: own number, blocked user, closed window, unknown recipient.
    pub(crate) fn business_writes(
        &mut self,
        mint: &mut Mint,
        number_id: &str,
        (recipient, body): (&Recipient, &str),
        now: Moment,
    ) -> Result<(ContactRef, String), Refusal> {
        if body.chars().count() > TEXT_CHARACTERS_MAX {
            return Err(Refusal::InvalidParameter("text.body"));
        }
        if self.index.message_count >= MESSAGES_MAX {
            return Err(Refusal::Full);
        }
        let unknown = || Refusal::UnknownObject { verb: "post", id: number_id.to_owned() };
        let number = self.numbers.get_mut(number_id).ok_or_else(unknown)?;
        let waba = self.wabas.get(&number.waba_id).ok_or_else(unknown)?;
        let (user, contact) = waba.resolve(recipient)?;
        if user == number.phone {
            return Err(Refusal::RecipientIsSender);
        }
        let is_blocked = number.blocklist.contains(&user);
        if is_blocked && self.switches.blocked_text == BlockedText::Sync {
            return Err(Refusal::RecipientBlocked);
        }
        if !number.window_is_open(&user, now) {
            return Err(Refusal::ReEngagement);
        }
        let wamid = number.add(mint, &user, WamidDirection::Outbound, |wamid| Message {
            wamid,
            direction: Direction::Out,
            kind: Kind::Text,
            text: body.into(),
            sent_us: now,
            read_us: None,
            reached_business: true,
            ad: false,
            ctwa_clid: None,
            failed_code: is_blocked.then_some(BLOCKED_CODE),
        });
        self.index.message_count += 1;
        let by_number = contact.user_id.is_none();
        let statuses: &[DeliveryStatus] = if is_blocked {
            &[DeliveryStatus::FailedBlocked { by_number }]
        } else {
            &[DeliveryStatus::Sent, DeliveryStatus::Delivered]
        };
        for status in statuses {
            self.notify(number_id, &user, &wamid, now, Happening::Status(*status));
        }
        Ok((contact, wamid))
    }

    /// The user opens the chat with a business and so reads everything in it. Tells the wamids of what was read just now.
    ///
    /// # Errors
    /// [`WriteError`] if one of the two is nobody.
    pub(crate) fn user_reads(
        &mut self,
        user: &str,
        business: &str,
        now: Moment,
    ) -> Result<Vec<String>, WriteError> {
        let user = Phone::lenient(user).map_err(|PhoneError| WriteError::From)?;
        let business = Phone::lenient(business).map_err(|PhoneError| WriteError::To)?;
        let Some(id) = self.number_id(&business).map(str::to_owned) else {
            return Err(WriteError::UnknownBusiness {
                number: business.to_string(),
                known: self.business_phones(),
            });
        };
        let chat = self.numbers.get_mut(&id).and_then(|number| number.chats.get_mut(&user));
        let seen = chat.map(|chat| chat.see_all(now)).unwrap_or_default();
        for wamid in &seen {
            self.notify(&id, &user, wamid, now, Happening::Status(DeliveryStatus::Read));
        }
        Ok(seen)
    }

    /// What an account would be told if its text could be sent.
    ///
    /// # Errors
    /// The refusal of a recipient who cannot be understood.
    pub(crate) fn pretend_to_write(
        &self,
        mint: &mut Mint,
        waba_id: &str,
        recipient: &Recipient,
    ) -> Result<(ContactRef, String), Refusal> {
        let unknown = || Refusal::UnknownObject { verb: "post", id: waba_id.to_owned() };
        let (user, contact) = self.wabas.get(waba_id).ok_or_else(unknown)?.resolve(recipient)?;
        Ok((contact, mint.wamid(&user, WamidDirection::Outbound)))
    }

    /// How many messages the filters leave, without looking at each.
    pub(crate) fn message_count(&self, business: Option<&Phone>, user: Option<&Phone>) -> usize {
        if business.is_none() && user.is_none() {
            return self.index.message_count;
        }
        self.chats(business, user).map(|(_, _, chat)| chat.messages.len()).sum()
    }

    /// The messages the filters leave, chat by chat, oldest first.
    pub(crate) fn message_rows(&self, business: Option<&Phone>, user: Option<&Phone>) -> Vec<MessageRow> {
        let mut rows = Vec::new();
        for (number, user, chat) in self.chats(business, user) {
            let user_id = self.wabas[&number.waba_id].people.get(user);
            rows.extend(chat.messages.iter().map(|message| MessageRow {
                wamid: message.wamid.to_string(),
                direction: message.direction,
                kind: message.kind,
                text: message.text.to_string(),
                sent_at: message.sent_us.to_string(),
                read_at: message.read_us.map(|moment| moment.to_string()),
                reached_business: message.reached_business,
                business: number.phone.to_string(),
                user: user.to_string(),
                user_id: user_id.cloned(),
                ad: message.is_from_ad(),
                ctwa_clid: message.ctwa_clid.clone(),
                failed_code: message.failed_code,
            }));
        }
        rows
    }

    /// The typing indicators that are shown now.
    pub(crate) fn typing_rows(
        &self,
        business: Option<&Phone>,
        user: Option<&Phone>,
        now: Moment,
    ) -> Vec<TypingRow> {
        let shown = |(number, user, chat): (&Number, &Phone, &Chat)| {
            let until = chat.typing_until_us.filter(|until| now < *until)?;
            Some(TypingRow {
                business: number.phone.to_string(),
                user: user.to_string(),
                until: until.to_string(),
            })
        };
        self.chats(business, user).filter_map(shown).collect()
    }

    fn chats<'a>(
        &'a self,
        business: Option<&'a Phone>,
        user: Option<&'a Phone>,
    ) -> impl Iterator<Item = (&'a Number, &'a Phone, &'a Chat)> {
        self.chosen_numbers(business).flat_map(move |(_, number)| {
            let one = user.map(|user| number.chats.get_key_value(user));
            let all = user.is_none().then(|| number.chats.iter());
            one.flatten()
                .into_iter()
                .chain(all.into_iter().flatten())
                .map(move |(user, chat)| (number, user, chat))
        })
    }

    /// The number of `business`, or all of them.
    pub(super) fn chosen_numbers<'a>(
        &'a self,
        business: Option<&'a Phone>,
    ) -> impl Iterator<Item = (&'a String, &'a Number)> {
        let one = business
            .map(|phone| self.index.number_by_phone.get(phone).and_then(|id| self.numbers.get_key_value(id)));
        let all = business.is_none().then(|| self.numbers.iter());
        one.flatten().into_iter().chain(all.into_iter().flatten())
    }
}

/// What a user sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserMessage<'a> {
    /// The user's number.
    pub(crate) from: &'a str,
    /// The business's number.
    pub(crate) to: &'a str,
    /// The text.
    pub(crate) text: &'a str,
    /// Whether the chat was opened from an ad just now.
    pub(crate) ad: bool,
    /// What it is.
    pub(crate) kind: Kind,
}

impl Waba {
    /// Gives a user the account has not met a business-scoped id.
    fn meet(&mut self, mint: &mut Mint, user: &Phone) {
        if !self.people.contains_key(user) {
            let id = fresh(|| mint.user_id(user), |id| !self.by_user_id.contains_key(id));
            self.by_user_id.insert(id.clone(), user.clone());
            self.people.insert(user.clone(), id);
        }
    }

    fn resolve(&self, recipient: &Recipient) -> Result<(Phone, ContactRef), Refusal> {
        match recipient {
            Recipient::Phone(input) => {
                let user = Phone::graph(input).map_err(|PhoneError| Refusal::InvalidParameter("to"))?;
                let wa_id = Some(user.digits().to_owned());
                Ok((user, ContactRef { input: input.clone(), wa_id, user_id: None }))
            }
            Recipient::UserId(input) => {
                let user = self.by_user_id.get(input).ok_or(Refusal::InvalidParameter("recipient"))?.clone();
                let contact = ContactRef { input: input.clone(), wa_id: None, user_id: Some(input.clone()) };
                Ok((user, contact))
            }
        }
    }
}

impl Number {
    /// Whether the user wrote to the business within the last 24 hours.
    pub(super) fn window_is_open(&self, user: &Phone, now: Moment) -> bool {
        let last_in = self.chats.get(user).and_then(|chat| chat.last_in_us);
        last_in.is_some_and(|last_in| now < last_in.plus(WINDOW))
    }

    /// Adds a message to the user's chat and tells its wamid.
    fn add(
        &mut self,
        mint: &mut Mint,
        user: &Phone,
        direction: WamidDirection,
        message: impl FnOnce(Box<str>) -> Message,
    ) -> String {
        let wamid =
            fresh(|| mint.wamid(user, direction), |wamid| !self.messages.contains_key(wamid.as_str()));
        let chat = self.chats.entry(user.clone()).or_default();
        let place = Place { user: user.clone(), index: chat.messages.len() };
        chat.add(message(wamid.as_str().into()));
        self.messages.insert(wamid.as_str().into(), place);
        wamid
    }
}

impl Chat {
    fn add(&mut self, message: Message) {
        match message.direction {
            Direction::In if message.reached_business => self.last_in_us = Some(message.sent_us),
            Direction::In => {}
            Direction::Out => self.typing_until_us = None,
        }
        self.messages.push(message);
    }

    /// Marks the message at `index` and everything before it read. What was read keeps its time.
    fn mark_read(&mut self, index: usize, now: Moment) {
        for message in &mut self.messages[self.read_to.min(index + 1)..=index] {
            if message.is_readable() {
                message.read_us.get_or_insert(now);
            }
        }
        self.read_to = self.read_to.max(index + 1);
    }

    /// The user has seen every message of the business; tells the wamids of those not seen before.
    fn see_all(&mut self, now: Moment) -> Vec<String> {
        let mut seen = Vec::new();
        for message in &mut self.messages[self.seen_to..] {
            if message.is_unseen() {
                message.read_us = Some(now);
                seen.push(message.wamid.to_string());
            }
        }
        self.seen_to = self.messages.len();
        seen
    }

    /// Rebuilds what is derived from the messages.
    pub(super) fn rebuild(&mut self) {
        let received = self.messages.iter().rev().find(|message| message.is_readable());
        self.last_in_us = received.map(|message| message.sent_us);
        let unread = |message: &Message| message.is_readable() && message.read_us.is_none();
        self.read_to = self.messages.iter().position(unread).unwrap_or(self.messages.len());
        self.seen_to = self.messages.iter().position(Message::is_unseen).unwrap_or(self.messages.len());
    }

    /// The wamids of the chat's messages, in order.
    pub(super) fn wamids(&self) -> impl Iterator<Item = &str> {
        self.messages.iter().map(|message| &*message.wamid)
    }
}

impl Kind {
    /// What the business is told of such a message.
    fn told(self, text: &str, referral: Option<Referral>) -> Happening {
        match self {
            Kind::Text => Happening::Text { body: text.to_owned(), referral },
            Kind::Unsupported => Happening::Unsupported,
        }
    }
}

impl Message {
    fn is_from_ad(&self) -> bool {
        self.ad || self.ctwa_clid.is_some()
    }

    /// Whether it is a message that the business received.
    fn is_readable(&self) -> bool {
        self.direction == Direction::In && self.reached_business
    }

    /// Whether it is a message of the business that arrived and that the user has not read.
    fn is_unseen(&self) -> bool {
        self.direction == Direction::Out && self.failed_code.is_none() && self.read_us.is_none()
    }
}
