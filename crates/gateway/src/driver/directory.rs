//! Where each business number's calls go, by the configuration in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use laneway_channel::{cm, meta};
use laneway_engine::{NumberSetup, ScopeId};
use laneway_model::{AccountName, EventKind, PhoneNumber, Route};

use super::pauses::Covered;
use crate::config::{Account, Config, OnDeadLetter, Routing, Shadowing, Waba};

/// How every configured number is reached, and what it shares with others.
#[derive(Default)]
pub(super) struct Directory {
    numbers: BTreeMap<PhoneNumber, Reached>,
    scopes: Scopes,
}

/// How one number is reached.
struct Reached {
    meta: Arc<meta::Target>,
    cm: Option<Arc<cm::Target>>,
    route: Routing,
    shadow: Shadowing,
    account: AccountName,
    setup: NumberSetup,
}

/// Where one call goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Meta(Arc<meta::Target>),
    Cm(Arc<cm::Target>),
}

/// Gives equal things equal ids, throughout the life of the driver: a pause outlives a change of the configuration that
/// does not touch what it is about. It holds tokens, so it cannot be printed.
#[derive(Default)]
struct Scopes {
    ids: BTreeMap<(Shared, String), u32>,
}

/// What numbers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Waba,
    App,
    Credential,
    /// A token at CM.com.
    RelayCredential,
}

impl Directory {
    /// Takes over a configuration, and says what the engine must know of it.
    pub(super) fn configure(&mut self, config: &Config) -> Vec<NumberSetup> {
        self.numbers.clear();
        let mut setups = Vec::new();
        let per_call = usize::try_from(config.limits.conversions_per_call).unwrap_or(usize::MAX);
        let wabas =
            config.accounts.iter().flat_map(|account| account.wabas.iter().map(move |w| (account, w)));
        for (account, waba) in wabas {
            let cm = config.cm_url.as_ref().zip(account.cm_token.as_ref());
            let cm =
                cm.map(|(url, token)| cm::Target { cm_url: url.clone(), token: token.clone() }).map(Arc::new);
            for number in &waba.numbers {
                let meta = meta::Target {
                    graph_url: waba.graph_url.clone(),
                    version: waba.graph_version.clone(),
                    phone_number_id: number.phone_number_id.clone(),
                    waba_id: waba.id.clone(),
                    dataset_id: waba.dataset_id.clone(),
                    access_token: waba.access_token.clone(),
                    conversions_token: waba.conversions_token.clone(),
                };
                let setup = self.scopes.setup(number.number, account, waba, per_call);
                setups.push(setup);
                let reached = Reached {
                    meta: Arc::new(meta),
                    cm: cm.clone(),
                    route: account.route.clone(),
                    shadow: account.shadow.clone(),
                    account: account.name.clone(),
                    setup,
                };
                self.numbers.insert(number.number, reached);
            }
        }
        setups
    }

    /// Where calls with events of this kind go; `None` if the number is not in the configuration.
    pub(super) fn target(&self, business: PhoneNumber, kind: EventKind) -> Option<Target> {
        let reached = self.numbers.get(&business)?;
        reached.by(reached.route.of(kind))
    }

    /// What the engine knows of a number.
    pub(super) fn setup(&self, business: PhoneNumber) -> Option<&NumberSetup> {
        self.numbers.get(&business).map(|reached| &reached.setup)
    }

    /// The same of all numbers that are meant.
    pub(super) fn setups(&self, is_meant: impl Fn(&NumberSetup) -> bool) -> Vec<&NumberSetup> {
        self.numbers.values().map(|reached| &reached.setup).filter(|setup| is_meant(setup)).collect()
    }

    /// Whose a number is.
    pub(super) fn covered(&self, business: PhoneNumber) -> Option<Covered> {
        let reached = self.numbers.get(&business)?;
        Some(Covered { account: reached.account.clone(), waba: reached.meta.waba_id.clone(), business })
    }

    /// Where shadows of events of this kind go; `None` if they have none.
    pub(super) fn shadow(&self, business: PhoneNumber, kind: EventKind) -> Option<Target> {
        let reached = self.numbers.get(&business)?;
        reached.shadow.second.get(&kind).and_then(|route| reached.by(*route))
    }
}

impl Reached {
    fn by(&self, route: Route) -> Option<Target> {
        match route {
            Route::Meta => Some(Target::Meta(Arc::clone(&self.meta))),
            Route::Cm => self.cm.clone().map(Target::Cm),
        }
    }
}

impl Target {
    pub(super) const fn route(&self) -> Route {
        match self {
            Self::Meta(_) => Route::Meta,
            Self::Cm(_) => Route::Cm,
        }
    }
}

impl Scopes {
    fn setup(
        &mut self,
        business: PhoneNumber,
        account: &Account,
        waba: &Waba,
        conversions_per_call_max: usize,
    ) -> NumberSetup {
        let conversions_token = waba.conversions_token.as_ref().unwrap_or(&waba.access_token);
        NumberSetup {
            business,
            waba: self.id(Shared::Waba, waba.id.as_str()),
            // Which Meta app a token belongs to is not in the configuration, and one app per token is the usual case.
            app: self.id(Shared::App, waba.access_token.expose()),
            messages_credential: self.id(Shared::Credential, waba.access_token.expose()),
            conversions_credential: self.id(Shared::Credential, conversions_token.expose()),
            // An account without one relays nothing.
            relay_credential: self
                .id(Shared::RelayCredential, account.cm_token.as_ref().map_or("", |token| token.expose())),
            calls_per_second_max: waba.max_calls_per_second,
            conversions_per_call_max,
            relayed: account.route.relayed.iter().map(|kind| kind.code()).collect(),
            hold_lost: account.on_lost_answer.held(&account.route).map(EventKind::code).collect(),
            holds_lanes: account.on_dead_letter == OnDeadLetter::Hold,
        }
    }

    fn id(&mut self, shared: Shared, what: &str) -> ScopeId {
        let next = u32::try_from(self.ids.len()).expect("a configuration has far fewer than 2^32 entries");
        ScopeId(*self.ids.entry((shared, what.to_owned())).or_insert(next))
    }
}
