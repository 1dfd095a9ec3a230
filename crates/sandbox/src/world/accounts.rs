//! Accounts and numbers: who exists, and which token may touch what.

use std::collections::BTreeMap;
use std::fmt;

use laneway_wire::graph::server::{IdQuery, PhoneNumberRow, Refusal};
use serde::{Deserialize, Serialize};

use super::{Blocklist, Number, Waba, World};
use crate::limits::NUMBERS_MAX;
use crate::mint::Mint;
use crate::phone::Phone;

/// Numbers per page when the client does not say, and at most: github.com/facebook/openapi @ecba623
/// `business-messaging-api_v23.0.yaml`, line 25613 (D). More than the most is cut to it (U).
const NUMBERS_PAGE: (u64, u64) = (25, 100);

/// A page of an account's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumbersPage {
    /// Its rows, in the order of their ids.
    pub(crate) rows: Vec<PhoneNumberRow>,
    /// Rows per page.
    pub(crate) limit: u64,
    /// Whether something follows.
    pub(crate) has_next: bool,
    /// Whether something stands before it.
    pub(crate) has_previous: bool,
}

/// All a client needs to work with one business number.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NumberInfo {
    /// The business number, `+` in front.
    pub number: String,
    /// Its id in the Graph API.
    pub phone_number_id: String,
    /// Its WhatsApp Business account.
    pub waba_id: String,
    /// The account's data set for conversions.
    pub dataset_id: String,
    /// The token for calls about the account.
    pub access_token: String,
    /// The secret that signs the account's notifications.
    pub app_secret: String,
    /// Where the number's notifications go, if anywhere.
    pub webhook: Option<String>,
}

/// What a new business number should be like. All fields are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NewNumber {
    /// The number; one that nobody has if absent.
    pub(crate) number: Option<String>,
    /// An existing account to join; a fresh one, with its own token and data set, if absent.
    pub(crate) waba_id: Option<String>,
    /// Whether a fresh account has its data set already, or gets it with the first `POST /{waba_id}/dataset`.
    pub(crate) dataset: Option<bool>,
}

/// Whose token is meant.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum TokenName {
    /// The one that reads so.
    AccessToken(String),
    /// That of the account which a business number belongs to.
    Number(String),
}

/// Why a token could not be revoked or restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// The number cannot be read.
    #[error("number: {0}")]
    Unreadable(#[from] crate::phone::PhoneError),
    /// No business has the number.
    #[error("number: no business has it; there is {}", known.join(", "))]
    UnknownNumber {
        /// The numbers there are.
        known: Vec<String>,
    },
    /// No account has the token.
    #[error("access_token: no account has it; GET /sandbox/numbers lists those there are")]
    UnknownToken,
}

/// Why a number could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    /// The number cannot be read.
    #[error("number: {0}")]
    Unreadable(#[from] crate::phone::PhoneError),
    /// Another business has it.
    #[error("{0} is a business number already")]
    Taken(Phone),
    /// No such account.
    #[error("waba_id: there is no account {0}")]
    UnknownWaba(String),
    /// The sandbox holds no more numbers.
    #[error("the sandbox holds at most {NUMBERS_MAX} numbers")]
    Full,
}

/// The token and the secret do not appear.
impl fmt::Debug for NumberInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NumberInfo")
            .field("number", &self.number)
            .field("phone_number_id", &self.phone_number_id)
            .field("waba_id", &self.waba_id)
            .field("dataset_id", &self.dataset_id)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Adds a business number.
    ///
    /// # Errors
    /// [`NumberError`] if the number is taken or unreadable, or the account unknown.
    pub(crate) fn add_number(&mut self, mint: &mut Mint, new: &NewNumber) -> Result<NumberInfo, NumberError> {
        if self.numbers.len() >= NUMBERS_MAX {
            return Err(NumberError::Full);
        }
        let phone = match &new.number {
            Some(text) => Phone::lenient(text)?,
            None => fresh(|| mint.business_phone(), |phone| !self.index.number_by_phone.contains_key(phone)),
        };
        if self.index.number_by_phone.contains_key(&phone) {
            return Err(NumberError::Taken(phone));
        }
        let waba_id = match &new.waba_id {
            Some(id) if self.wabas.contains_key(id) => id.clone(),
            Some(id) => return Err(NumberError::UnknownWaba(id.clone())),
            None => self.add_waba(mint, new.dataset.unwrap_or(true)),
        };
        let id = fresh(|| mint.phone_number_id(), |id| !self.numbers.contains_key(id));
        let number = Number {
            phone: phone.clone(),
            waba_id,
            chats: BTreeMap::new(),
            blocklist: Blocklist::default(),
            webhook: None,
            messages: BTreeMap::new(),
        };
        let info = self.info(&id, &number);
        self.index.number_by_phone.insert(phone, id.clone());
        self.numbers.insert(id, number);
        Ok(info)
    }

    fn add_waba(&mut self, mint: &mut Mint, dataset_made: bool) -> String {
        let id = fresh(|| mint.waba_id(), |id| !self.wabas.contains_key(id));
        let waba = Waba {
            access_token: fresh(
                || mint.access_token(),
                |token| !self.index.waba_by_token.contains_key(token),
            ),
            app_secret: mint.app_secret(),
            dataset_id: fresh(|| mint.dataset_id(), |id| !self.index.waba_by_dataset.contains_key(id)),
            dataset_made,
            revoked: false,
            unsubscribed: false,
            people: BTreeMap::new(),
            clicks: BTreeMap::new(),
            by_user_id: BTreeMap::new(),
        };
        self.index.waba_by_token.insert(waba.access_token.clone(), id.clone());
        self.index.waba_by_dataset.insert(waba.dataset_id.clone(), id.clone());
        self.wabas.insert(id.clone(), waba);
        id
    }

    fn info(&self, id: &str, number: &Number) -> NumberInfo {
        let waba = &self.wabas[&number.waba_id];
        NumberInfo {
            number: number.phone.to_string(),
            phone_number_id: id.to_owned(),
            waba_id: number.waba_id.clone(),
            dataset_id: waba.dataset_id.clone(),
            access_token: waba.access_token.clone(),
            app_secret: waba.app_secret.clone(),
            webhook: number.webhook.as_ref().map(|webhook| webhook.url.clone()),
        }
    }

    /// Every business number, in the order of their phone number ids.
    pub(crate) fn numbers(&self) -> Vec<NumberInfo> {
        self.numbers.iter().map(|(id, number)| self.info(id, number)).collect()
    }

    /// How many business numbers there are.
    pub(crate) fn number_count(&self) -> usize {
        self.numbers.len()
    }

    /// The account that a token belongs to, unless the token was revoked.
    pub(crate) fn waba_of_token(&self, token: &str) -> Option<&str> {
        let id = self.index.waba_by_token.get(token)?;
        self.wabas.get(id).filter(|waba| !waba.revoked).map(|_| id.as_str())
    }

    /// Whether some account has this token, revoked or not.
    pub(crate) fn knows_token(&self, token: &str) -> bool {
        self.index.waba_by_token.contains_key(token)
    }

    /// Revokes the token of an account, or restores it, and tells the account's id.
    ///
    /// # Errors
    /// [`TokenError`] if no account is meant.
    pub(crate) fn revoke(&mut self, token: &TokenName, revoked: bool) -> Result<String, TokenError> {
        let id = match token {
            TokenName::AccessToken(token) => {
                self.index.waba_by_token.get(token).ok_or(TokenError::UnknownToken)?
            }
            TokenName::Number(text) => {
                let phone = Phone::lenient(text)?;
                let unknown = || TokenError::UnknownNumber { known: self.business_phones() };
                let id = self.number_id(&phone).ok_or_else(unknown)?;
                &self.numbers[id].waba_id
            }
        };
        let waba = self.wabas.get_mut(id).expect("the index names accounts that exist");
        waba.revoked = revoked;
        Ok(id.clone())
    }

    /// The id of the account's app: the account's own, read from behind.
    pub(crate) fn app_of(&self, waba_id: &str) -> String {
        format!("6{}", waba_id.chars().rev().collect::<String>())
    }

    /// The app that is subscribed to the account's webhooks, if it is.
    pub(crate) fn subscribed_app(&self, waba_id: &str) -> Option<String> {
        self.wabas.get(waba_id).filter(|waba| !waba.unsubscribed).map(|_| self.app_of(waba_id))
    }

    /// Subscribes the account's app to its webhooks, or unsubscribes it.
    pub(crate) fn subscribe(&mut self, waba_id: &str, subscribed: bool) {
        if let Some(waba) = self.wabas.get_mut(waba_id) {
            waba.unsubscribed = !subscribed;
        }
    }

    /// The ids of a business number, of its account and of its data set.
    pub(crate) fn objects_of(&self, number_id: &str) -> Option<[String; 3]> {
        let number = self.numbers.get(number_id)?;
        let dataset_id = self.wabas.get(&number.waba_id)?.dataset_id.clone();
        Some([number_id.to_owned(), number.waba_id.clone(), dataset_id])
    }

    /// The phone number ids.
    pub(crate) fn number_ids(&self) -> Vec<String> {
        self.numbers.keys().cloned().collect()
    }

    /// Whether `id` is a phone number id of the account.
    pub(crate) fn owns_number(&self, waba_id: &str, id: &str) -> bool {
        self.numbers.get(id).is_some_and(|number| number.waba_id == waba_id)
    }

    /// Whether `id` is the account's data set and has been made.
    pub(crate) fn owns_dataset(&self, waba_id: &str, id: &str) -> bool {
        self.wabas.get(waba_id).is_some_and(|waba| waba.dataset_made && waba.dataset_id == id)
    }

    /// Whether some account has this data set.
    pub(crate) fn has_dataset(&self, id: &str) -> bool {
        self.index.waba_by_dataset.contains_key(id)
    }

    /// The ids of all data sets.
    pub(crate) fn datasets(&self) -> Vec<String> {
        self.index.waba_by_dataset.keys().cloned().collect()
    }

    /// The account's data set, if it has been made.
    pub(crate) fn dataset(&self, waba_id: &str) -> Option<&str> {
        self.wabas.get(waba_id).filter(|waba| waba.dataset_made).map(|waba| waba.dataset_id.as_str())
    }

    /// Makes the account's data set, or finds it.
    ///
    /// # Errors
    /// [`Refusal::UnknownObject`] for an account that is none.
    pub(crate) fn make_dataset(&mut self, waba_id: &str) -> Result<&str, Refusal> {
        let unknown = || Refusal::UnknownObject { verb: "post", id: waba_id.to_owned() };
        let waba = self.wabas.get_mut(waba_id).ok_or_else(unknown)?;
        waba.dataset_made = true;
        Ok(&waba.dataset_id)
    }

    /// A page of the account's numbers as the Graph API lists them.
    pub(crate) fn numbers_page(&self, waba_id: &str, query: &IdQuery) -> NumbersPage {
        let limit = query.limit.unwrap_or(NUMBERS_PAGE.0).min(NUMBERS_PAGE.1);
        let is_after = |id: &String| query.after.as_ref().is_none_or(|after| id > after);
        let is_before = |id: &String| query.before.as_ref().is_none_or(|before| id < before);
        let own: Vec<_> = self.numbers.iter().filter(|(_, number)| number.waba_id == waba_id).collect();
        let from = own.iter().position(|(id, _)| is_after(id)).unwrap_or(own.len());
        let to = own.iter().rposition(|(id, _)| is_before(id)).map_or(0, |last| last + 1).max(from);
        let count = usize::try_from(limit).unwrap_or(usize::MAX).min(to - from);
        let (from, to) = match query.before {
            Some(_) if query.after.is_none() => (to - count, to),
            Some(_) | None => (from, from + count),
        };
        let row = |(id, number): &(&String, &Number)| PhoneNumberRow {
            verified_name: "Laneway sandbox".to_owned(),
            display_phone_number: number.phone.display(),
            id: (*id).clone(),
            quality_rating: "GREEN",
        };
        NumbersPage {
            rows: own[from..to].iter().map(row).collect(),
            limit,
            has_next: to < own.len(),
            has_previous: from > 0,
        }
    }

    /// The phone number id of a business number.
    pub(crate) fn number_id(&self, phone: &Phone) -> Option<&str> {
        self.index.number_by_phone.get(phone).map(String::as_str)
    }

    /// The business numbers, `+` in front.
    pub(crate) fn business_phones(&self) -> Vec<String> {
        self.index.number_by_phone.keys().map(Phone::to_string).collect()
    }
}

/// Draws until something new comes out. A repetition is next to impossible but an imported world may hold ids of the
/// same seed.
pub(super) fn fresh<T>(mut draw: impl FnMut() -> T, is_new: impl Fn(&T) -> bool) -> T {
    loop {
        let drawn = draw();
        if is_new(&drawn) {
            return drawn;
        }
    }
}
