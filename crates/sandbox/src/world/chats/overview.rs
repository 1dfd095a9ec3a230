//! The overview of chats: what a list of conversations shows of each, without its messages.

use std::cmp::Reverse;

use serde::Serialize;

use super::{Chat, Direction, Message, WINDOW};
use crate::clock::Moment;
use crate::limits::CHATS_SHOWN_MAX;
use crate::phone::Phone;
use crate::world::{Number, World};

/// A chat as the control surface shows it in the overview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ChatRow {
    business: String,
    user: String,
    user_id: Option<String>,
    messages: usize,
    /// Messages that reached the business and that it has not marked read.
    unread: usize,
    /// Messages of the business that the user has not seen.
    unread_by_user: usize,
    /// When the 24-hour window closes, or closed; `None` if the user's messages never reached the business.
    window_until: Option<String>,
    typing_until: Option<String>,
    blocked_at: Option<String>,
    /// The latest message that the business wrote or that reached it.
    last: Option<LastRow>,
}

/// A message in few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct LastRow {
    direction: Direction,
    text: String,
    sent_at: String,
}

impl World {
    /// How many chats the filters leave.
    pub(crate) fn chat_count(&self, business: Option<&Phone>, user: Option<&Phone>) -> usize {
        self.chats(business, user).count()
    }

    /// The latest chats that the filters leave, the one with the newest message first.
    pub(crate) fn chat_rows(
        &self,
        business: Option<&Phone>,
        user: Option<&Phone>,
        now: Moment,
    ) -> Vec<ChatRow> {
        let mut chats: Vec<_> = self.chats(business, user).collect();
        chats.sort_by_key(|(_, _, chat)| Reverse(chat.last().map(|message| message.sent_us)));
        chats.truncate(CHATS_SHOWN_MAX);
        chats.into_iter().map(|(number, user, chat)| self.chat_row(number, user, chat, now)).collect()
    }

    fn chat_row(&self, number: &Number, user: &Phone, chat: &Chat, now: Moment) -> ChatRow {
        let typing_until = chat.typing_until_us.filter(|until| now < *until);
        ChatRow {
            business: number.phone.to_string(),
            user: user.to_string(),
            user_id: self.wabas[&number.waba_id].people.get(user).cloned(),
            messages: chat.messages.len(),
            unread: chat.unread(),
            unread_by_user: chat.unseen(),
            window_until: chat.last_in_us.map(|moment| moment.plus(WINDOW).to_string()),
            typing_until: typing_until.map(|moment| moment.to_string()),
            blocked_at: number.blocklist.blocked_at(user).map(|moment| moment.to_string()),
            last: chat.last().map(Message::last_row),
        }
    }
}

impl Chat {
    /// The latest message that the business knows of.
    fn last(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|message| message.reached_business)
    }

    fn unread(&self) -> usize {
        let rest = self.messages.get(self.read_to..).unwrap_or_default();
        rest.iter().filter(|message| message.is_readable() && message.read_us.is_none()).count()
    }

    fn unseen(&self) -> usize {
        let rest = self.messages.get(self.seen_to..).unwrap_or_default();
        rest.iter().filter(|message| message.is_unseen()).count()
    }
}

impl Message {
    fn last_row(&self) -> LastRow {
        LastRow { direction: self.direction, text: self.text.to_string(), sent_at: self.sent_us.to_string() }
    }
}
