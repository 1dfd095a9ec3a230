//! Webhooks: where a number's notifications go, and which there are to send.
//!
//! Whoever changes the world notes here what the business is to be told; sending it is `crate::webhook`'s.

use std::fmt;

use laneway_wire::graph::server::{Happening, Notification, NotifiedUser, Referral, WelcomeMessage};
use serde::{Deserialize, Serialize};

use super::World;
use crate::clock::Moment;
use crate::phone::Phone;

/// Where a number's notifications go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Webhook {
    /// The address.
    pub(crate) url: String,
    /// What the address was verified with.
    pub(crate) verify_token: String,
}

/// A notification to be sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The business number's id.
    pub(crate) number_id: String,
    /// The business number.
    pub(crate) number: Phone,
    /// Where it goes.
    pub(crate) url: String,
    /// What signs it.
    pub(crate) app_secret: String,
    /// What it says.
    pub(crate) notification: Notification,
}

/// Neither the secret nor what a customer wrote appears.
impl fmt::Debug for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Notice").field("number_id", &self.number_id).finish_non_exhaustive()
    }
}

impl World {
    /// Sets or removes the webhook of a number; false if no business has the number.
    pub(crate) fn set_webhook(&mut self, business: &Phone, webhook: Option<Webhook>) -> bool {
        let id = self.index.number_by_phone.get(business);
        let Some(number) = id.and_then(|id| self.numbers.get_mut(id)) else { return false };
        number.webhook = webhook;
        true
    }

    /// The address that a number's notifications go to.
    pub(crate) fn webhook_url(&self, number_id: &str) -> Option<&str> {
        self.numbers.get(number_id)?.webhook.as_ref().map(|webhook| webhook.url.as_str())
    }

    /// What there is to send, oldest first; nothing of it stays here.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Notes what a number's business is to be told about a user; a number without a webhook, and one whose app is not
    /// subscribed, is told nothing.
    pub(super) fn notify(
        &mut self,
        number_id: &str,
        user: &Phone,
        wamid: &str,
        now: Moment,
        happening: Happening,
    ) {
        let Some(number) = self.numbers.get(number_id) else { return };
        let (Some(webhook), Some(waba)) = (&number.webhook, self.wabas.get(&number.waba_id)) else { return };
        if waba.unsubscribed {
            return;
        }
        let hides_numbers = self.switches.webhook_bsuid;
        let digits = user.digits();
        let short = &digits[digits.len() - 4..];
        self.notices.push(Notice {
            number_id: number_id.to_owned(),
            number: number.phone.clone(),
            url: webhook.url.clone(),
            app_secret: waba.app_secret.clone(),
            notification: Notification {
                waba_id: number.waba_id.clone(),
                display_phone_number: number.phone.digits().to_owned(),
                phone_number_id: number_id.to_owned(),
                user: NotifiedUser {
                    name: format!("Customer {short}"),
                    username: hides_numbers.then(|| format!("customer.{short}")),
                    wa_id: (!hides_numbers).then(|| digits.to_owned()),
                    user_id: waba.people.get(user).cloned(),
                },
                wamid: wamid.to_owned(),
                at_seconds: now.seconds(),
                happening,
            },
        });
    }
}

/// What the ad says that every click comes from.
pub(crate) struct Ad {
    /// Its headline.
    pub(crate) headline: &'static str,
    /// Its text.
    pub(crate) body: &'static str,
    /// Where it leads.
    pub(crate) source_url: &'static str,
}

/// The only ad there is, in notifications as on the page.
pub(crate) const AD: Ad = Ad {
    headline: "Summer at the harbour",
    body: "Chat with us and save 10 % on your first trip.",
    source_url: "https://fb.me/laneway-sandbox",
};

/// The ad, with the id of this click, if it has one.
pub(super) fn referral(ctwa_clid: Option<&str>) -> Referral {
    Referral {
        source_url: AD.source_url.to_owned(),
        source_id: "120200000000000001".to_owned(),
        source_type: "ad",
        body: AD.body.to_owned(),
        headline: AD.headline.to_owned(),
        media_type: "image",
        image_url: "https://scontent.xx.fbcdn.net/v/laneway-sandbox.jpg".to_owned(),
        ctwa_clid: ctwa_clid.map(str::to_owned),
        welcome_message: WelcomeMessage { text: "Hello! What can we do for you?".to_owned() },
    }
}
