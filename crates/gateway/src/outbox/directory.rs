//! The addresses of one kind of post, by the configuration in force, and what the engine calls them.

use std::collections::BTreeMap;
use std::sync::Arc;

use laneway_channel::post::SigningKey;
use laneway_engine::{KindSet, NumberSetup, ScopeId};
use laneway_journal::reference_hash;
use laneway_model::{AccountName, PhoneNumber};

use super::{AddressId, PostKind};
use crate::config::Config;

/// The most posts a second to one address.
const POSTS_PER_SECOND_MAX: u32 = 1_000;

/// Every address that is configured, or that rows wait for.
#[derive(Default)]
pub(super) struct Directory {
    /// By the hash of the id, as open rows have it.
    slots: BTreeMap<u64, Slot>,
    /// The ids' hashes in the order in which they were first heard of.
    heard: Vec<u64>,
}

struct Slot {
    /// The engine knows receivers by business number, so every address gets a number that no business has.
    name: PhoneNumber,
    destination: Option<Arc<Destination>>,
}

/// Where a post goes, and how it is signed.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) url: String,
    /// What callbacks are signed with; forwards bring their signatures.
    pub(super) key: Option<SigningKey>,
}

impl Directory {
    /// The first of the numbers that stand for addresses. It has the form of a number, and is in no plan.
    const FIRST: u64 = 900_000_000_000_000;

    /// Takes over a configuration, and says what the engine must know of it.
    pub(super) fn configure(&mut self, kind: PostKind, config: &Config) -> Vec<NumberSetup> {
        self.slots.values_mut().for_each(|slot| slot.destination = None);
        let mut setups = Vec::new();
        for account in config.accounts.iter() {
            match kind {
                PostKind::Callback => {
                    for callback in &account.callbacks {
                        let key = Some(callback.secret.clone());
                        setups.push(self.put(&account.name, Destination { url: callback.url.clone(), key }));
                    }
                }
                PostKind::Forward => {
                    for forward in &account.forwards {
                        let destination = Destination { url: forward.url.clone(), key: None };
                        setups.push(self.put(&account.name, destination));
                    }
                }
            }
        }
        setups
    }

    fn put(&mut self, account: &AccountName, destination: Destination) -> NumberSetup {
        let hash = reference_hash(&AddressId::of(account, &destination.url).reference());
        let name = self.name(hash);
        if let Some(slot) = self.slots.get_mut(&hash) {
            slot.destination = Some(Arc::new(destination));
        }
        let place = u32::try_from(name.as_u64() - Self::FIRST).unwrap_or(u32::MAX);
        // Nothing is shared between addresses, so that trouble at one is no other's.
        let own = ScopeId(place);
        NumberSetup {
            business: name,
            waba: own,
            app: own,
            messages_credential: own,
            conversions_credential: own,
            relay_credential: own,
            calls_per_second_max: POSTS_PER_SECOND_MAX,
            conversions_per_call_max: 1,
            relayed: KindSet::NONE,
            hold_lost: KindSet::NONE,
            holds_lanes: false,
        }
    }

    /// What the engine calls this address; one that was never heard of gets a name.
    pub(super) fn name(&mut self, hash: u64) -> PhoneNumber {
        if let Some(slot) = self.slots.get(&hash) {
            return slot.name;
        }
        let number = Self::FIRST + self.heard.len() as u64;
        let name = PhoneNumber::from_u64(number).expect("fifteen digits have the form of a number");
        self.heard.push(hash);
        self.slots.insert(hash, Slot { name, destination: None });
        name
    }

    /// Whose name this is.
    pub(super) fn hash_of(&self, name: PhoneNumber) -> Option<u64> {
        let place = usize::try_from(name.as_u64().checked_sub(Self::FIRST)?).ok()?;
        self.heard.get(place).copied()
    }

    /// Where posts to this address go; `None` while it is not in the configuration.
    pub(super) fn destination(&self, hash: u64) -> Option<Arc<Destination>> {
        self.slots.get(&hash)?.destination.clone()
    }
}
