//! The tenants, and whose token is whose.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use laneway_model::{PhoneNumberId, WabaId};

use super::{Account, Scopes, TokenHash, Waba, token};

/// The tenants of a configuration, in the order of the files, with an index of their tokens. The list does not change
/// once it is here, so the index is always that of the list; another list makes another value.
#[derive(Clone, Default, PartialEq)]
pub struct Accounts {
    list: Vec<Account>,
    /// Every token, sorted by its hash.
    tokens: Vec<Owned>,
    /// Every WABA by its id: its account's place in the list, and its own in the account.
    wabas: BTreeMap<WabaId, (usize, usize)>,
    /// Whose business number it is, by Meta's id: its account's place in the list.
    numbers: BTreeMap<PhoneNumberId, usize>,
    /// The first account with open access.
    open: Option<usize>,
}

/// A token and its account's place in the list.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Owned {
    hash: TokenHash,
    account: usize,
    scopes: Scopes,
}

impl Accounts {
    /// Takes the tenants as they are. Were a token to stand in two of them, it would be the first one's.
    pub fn new(list: Vec<Account>) -> Self {
        let of_account = |(account, owner): (usize, &Account)| {
            let owned = |token: &super::Token| Owned { hash: token.hash, account, scopes: token.scopes };
            owner.tokens.iter().map(owned).collect::<Vec<_>>()
        };
        let mut tokens: Vec<_> = list.iter().enumerate().flat_map(of_account).collect();
        tokens.sort_by_key(|owned| owned.hash);
        let open = list.iter().position(|account| account.open_access);
        let wabas = list.iter().enumerate().flat_map(|(account, owner)| {
            owner.wabas.iter().enumerate().map(move |(waba, owned)| (owned.id.clone(), (account, waba)))
        });
        let wabas = wabas.collect();
        let numbers = list.iter().enumerate().flat_map(|(account, owner)| {
            let numbers = owner.wabas.iter().flat_map(|waba| &waba.numbers);
            numbers.map(move |number| (number.phone_number_id.clone(), account))
        });
        let numbers = numbers.collect();
        Self { list, tokens, wabas, numbers, open }
    }

    /// The WABA with this id.
    pub fn find_waba(&self, id: &WabaId) -> Option<&Waba> {
        self.find_waba_owner(id).map(|(_, waba)| waba)
    }

    /// The WABA with this id, and its account's place in the list.
    pub fn find_waba_owner(&self, id: &WabaId) -> Option<(usize, &Waba)> {
        let (account, waba) = self.wabas.get(id)?;
        Some((*account, &self.list[*account].wabas[*waba]))
    }

    /// The place in the list of the account whose business number this is.
    pub fn find_number_owner(&self, id: &PhoneNumberId) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    /// Whose token this is, and what it may do. Whoever has none presents the empty text, which an account with open
    /// access lets in, as it does a token that nobody else has.
    ///
    /// The search is steered by the start of the presented token's hash, which nobody can choose; what begins alike is
    /// compared in the same time whatever else the two have in common. So how long the answer takes tells nothing
    /// about the tokens of others.
    pub fn find_token(&self, presented: &str) -> Option<(&Account, Scopes)> {
        let presented = token::hash(presented);
        let start = presented.start();
        let first = self.tokens.partition_point(|owned| owned.hash.start() < start);
        let mut alike = self.tokens[first..].iter().take_while(|owned| owned.hash.start() == start);
        match alike.find(|owned| presented.matches(&owned.hash)) {
            Some(owned) => Some((&self.list[owned.account], owned.scopes)),
            None => self.open.map(|account| (&self.list[account], Scopes::ALL)),
        }
    }
}

impl Deref for Accounts {
    type Target = [Account];

    fn deref(&self) -> &[Account] {
        &self.list
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}
