//! Alarms, and the pauses in force in the configuration's own words.

use std::collections::BTreeSet;

use laneway_engine::{Alarm, Covers, NumberSetup, Paused, ScopeId, Why};
use laneway_model::{AccountName, Family, PhoneNumber, Route, Scope, Timestamp, WabaId};

use super::Driver;
use super::directory::Directory;

/// A pause in force.
#[derive(Clone, Debug)]
pub struct Pause {
    /// How far it reaches.
    pub scope: Scope,
    /// Where the calls go that it stops.
    pub route: Route,
    /// Their family, if it is only one.
    pub family: Option<Family>,
    /// The numbers whose calls it stops.
    pub covered: Vec<Covered>,
    /// The configuration's keys for the credential that it is about, if it is about one.
    pub secrets: BTreeSet<&'static str>,
    /// Why.
    pub why: Why,
    /// The service's code in the answer that it began with.
    pub code: Option<u32>,
    /// And its subcode.
    pub subcode: Option<u32>,
    /// What that means, in one sentence for a person.
    pub detail: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// When calls are made again, or one that tries; `None` while that one is under way.
    pub until: Option<Timestamp>,
    /// Events that would have their turn now.
    pub waiting: usize,
}

/// A number whose calls a pause stops.
#[derive(Clone, Debug)]
pub struct Covered {
    /// Its account.
    pub account: AccountName,
    /// Its WABA.
    pub waba: WabaId,
    /// The number.
    pub business: PhoneNumber,
}

impl Driver {
    pub(super) fn alarm(&self, alarm: Alarm) {
        match alarm {
            Alarm::Unauthorized { business, family, route, scope, code, subcode } => {
                let covered = self.directory.covered(business);
                let setup = self.directory.setup(business);
                tracing::error!(
                    account = covered.as_ref().map(|covered| covered.account.as_str()),
                    waba = covered.as_ref().map(|covered| covered.waba.as_str()),
                    number = %business.masked(),
                    route = route.as_str(),
                    family = family.as_str(),
                    scope = scope.as_str(),
                    secret = setup.and_then(|setup| secret(setup, route, family, scope)),
                    code,
                    subcode,
                    "a token or a permission is refused; the calls it covers are paused and tried again in 5 minutes"
                );
            }
            Alarm::Recovered { business, family, route, scope } => {
                let covered = self.directory.covered(business);
                tracing::info!(
                    account = covered.as_ref().map(|covered| covered.account.as_str()),
                    waba = covered.as_ref().map(|covered| covered.waba.as_str()),
                    number = %business.masked(),
                    route = route.as_str(),
                    family = family.as_str(),
                    scope = scope.as_str(),
                    "calls work again"
                );
            }
        }
        self.telemetry.delivery.alarm(alarm);
    }

    /// The pauses in force.
    pub(super) fn pauses(&self) -> Vec<Pause> {
        self.engine.paused(self.now()).into_iter().map(|paused| self.directory.pause(paused)).collect()
    }
}

impl Directory {
    fn pause(&self, paused: Paused) -> Pause {
        let (scope, family, setups): (_, _, Vec<&NumberSetup>) = match paused.covers {
            Covers::Family(business, family) => {
                (Scope::NumberFamily, Some(family), self.setup(business).into_iter().collect())
            }
            Covers::Number(business) => (Scope::Number, None, self.setup(business).into_iter().collect()),
            Covers::Waba(id) => (Scope::Waba, None, self.setups(|setup| setup.waba == id)),
            Covers::App(id) => (Scope::App, None, self.setups(|setup| setup.app == id)),
            Covers::Credential(id) => {
                let uses = |setup: &NumberSetup| secrets(setup, paused.route, id).next().is_some();
                (Scope::Credential, None, self.setups(uses))
            }
        };
        let secrets = match paused.covers {
            Covers::Credential(id) => {
                setups.iter().flat_map(|setup| secrets(setup, paused.route, id)).collect()
            }
            // An app is known by its token.
            Covers::App(_) => BTreeSet::from([ACCESS_TOKEN]),
            Covers::Family(..) | Covers::Number(_) | Covers::Waba(_) => BTreeSet::new(),
        };
        Pause {
            scope,
            route: paused.route,
            family,
            covered: setups.into_iter().filter_map(|setup| self.covered(setup.business)).collect(),
            secrets,
            why: paused.why,
            code: paused.code,
            subcode: paused.subcode,
            detail: paused.detail,
            since: paused.since,
            until: paused.until,
            waiting: paused.waiting,
        }
    }
}

const ACCESS_TOKEN: &str = "account.waba.access_token";
const CONVERSIONS_TOKEN: &str = "account.waba.conversions_token";
const CM_TOKEN: &str = "account.cm_token";

/// The configuration's key for the credential that such a call was refused with, if it was refused for that.
fn secret(setup: &NumberSetup, route: Route, family: Family, scope: Scope) -> Option<&'static str> {
    match scope {
        Scope::Event | Scope::NumberFamily | Scope::Number | Scope::Waba => return None,
        Scope::Credential | Scope::App => {}
    }
    let credential = match (route, family) {
        (Route::Cm, _) => setup.relay_credential,
        (Route::Meta, Family::Conversions) => setup.conversions_credential,
        (Route::Meta, Family::Messages | Family::Blocks) => setup.messages_credential,
    };
    secrets(setup, route, credential).next()
}

/// The keys by which a number's calls on this route use that credential.
fn secrets(setup: &NumberSetup, route: Route, id: ScopeId) -> impl Iterator<Item = &'static str> {
    let has_one_token = setup.conversions_credential == setup.messages_credential;
    let keys = match route {
        Route::Meta => [
            (ACCESS_TOKEN, setup.messages_credential == id),
            (CONVERSIONS_TOKEN, setup.conversions_credential == id && !has_one_token),
        ],
        Route::Cm => [(CM_TOKEN, setup.relay_credential == id), (CM_TOKEN, false)],
    };
    keys.into_iter().filter(|(_, uses)| *uses).map(|(key, _)| key)
}
