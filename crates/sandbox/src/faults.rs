//! Faults: rules that make Graph calls fail, on request and never by chance.
//!
//! A rule says which calls it is about, what happens to them and whose turn it is. Rules are asked in the order they were
//! added. The first whose turn it is decides what happens to a call; of those after it, only rules that do nothing but
//! delay are asked, and all latencies add up. A rule that is not asked does not count the call.
//!
//! What is deliberately not here: the state file. A fault belongs to the test that added it, so a restart, an import and a
//! reset all begin without any. A revoked token is part of the world and stays revoked.

mod rule;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use rule::Parsed;
pub use rule::{Cut, FaultCall, FaultError, FaultRule, Preset, When};
pub(crate) use rule::{Fault, Target};

use crate::limits::FAULTS_MAX;
use crate::world::World;

/// Every rule, behind a lock of its own.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Mutex<Rules>,
    /// How many rules may still strike. Without any, a call asks no further.
    pending: AtomicUsize,
}

#[derive(Default)]
struct Rules {
    /// The number of the latest rule; numbers are not used twice.
    last: u64,
    rules: Vec<Rule>,
}

struct Rule {
    id: u64,
    asked: FaultRule,
    parsed: Parsed,
    struck: u64,
}

/// A rule with its number and how often it struck, as the control surface shows it.
#[derive(Clone, Serialize)]
pub(crate) struct FaultRow {
    id: u64,
    struck: u64,
    #[serde(flatten)]
    rule: FaultRule,
}

/// What is to happen to one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strike {
    /// The rules that struck.
    pub(crate) rules: Vec<u64>,
    /// What happens besides a delay.
    pub(crate) fault: Option<Fault>,
    /// How many minutes the refusal says that it takes to regain access.
    pub(crate) regain_minutes: Option<u32>,
    /// How much later the answer comes.
    pub(crate) latency: Duration,
}

impl Faults {
    /// Adds a rule and shows it.
    ///
    /// # Errors
    /// [`FaultError`] if the rule makes no sense, names what the world does not have, or is one too many.
    pub(crate) fn add(&self, world: &World, rule: FaultRule) -> Result<FaultRow, FaultError> {
        let parsed = rule.parse(world)?;
        let mut all = self.rules();
        if all.rules.len() >= FAULTS_MAX {
            // Rules that are over stay for being looked at, but not at the price of new ones.
            all.rules.retain(|rule| !rule.parsed.turn.is_over());
        }
        if all.rules.len() >= FAULTS_MAX {
            return Err(FaultError::Full);
        }
        all.last += 1;
        let rule = Rule { id: all.last, asked: rule, parsed, struck: 0 };
        let row = rule.row();
        all.rules.push(rule);
        self.count(&all);
        Ok(row)
    }

    /// Every rule, oldest first.
    pub(crate) fn rows(&self) -> Vec<FaultRow> {
        self.rules().rules.iter().map(Rule::row).collect()
    }

    /// Removes the rule of that number, or all, and tells how many that were.
    pub(crate) fn remove(&self, id: Option<u64>) -> usize {
        let mut all = self.rules();
        let before = all.rules.len();
        all.rules.retain(|rule| id.is_some_and(|id| id != rule.id));
        self.count(&all);
        before - all.rules.len()
    }

    /// Asks the rules what is to happen to a call.
    pub(crate) fn strike<'a>(&self, target: impl FnOnce() -> Option<Target<'a>>) -> Strike {
        let mut strike = Strike::default();
        if self.pending.load(Ordering::Relaxed) == 0 {
            return strike;
        }
        let Some(target) = target() else { return strike };
        let mut all = self.rules();
        for rule in all.rules.iter_mut().filter(|rule| rule.covers(&target)) {
            let is_decided = strike.fault.is_some() && rule.parsed.fault.is_some();
            if is_decided || !rule.parsed.turn.take() {
                continue;
            }
            rule.struck += 1;
            strike.rules.push(rule.id);
            strike.latency += rule.parsed.latency;
            if strike.fault.is_none() && rule.parsed.fault.is_some() {
                strike.fault.clone_from(&rule.parsed.fault);
                strike.regain_minutes = rule.asked.regain_minutes;
            }
        }
        self.count(&all);
        strike
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        // A rule is counted or not; there is no half of it that a panic could leave.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, all: &Rules) {
        let pending = all.rules.iter().filter(|rule| !rule.parsed.turn.is_over()).count();
        self.pending.store(pending, Ordering::Relaxed);
    }
}

impl FaultRow {
    /// The rule's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Rule {
    fn row(&self) -> FaultRow {
        FaultRow { id: self.id, struck: self.struck, rule: self.asked.clone() }
    }

    /// Whether the rule is about the call.
    fn covers(&self, target: &Target<'_>) -> bool {
        let is_about = |objects: &rule::Objects| objects.ids.iter().any(|id| id == target.object);
        self.asked.call.covers(target)
            && self.parsed.objects.as_ref().is_none_or(is_about)
            && (self.asked.access_token.is_none()
                || self.asked.access_token.as_deref() == target.token.as_deref())
            && self.parsed.fault.as_ref().is_none_or(|fault| fault.suits(target))
    }
}

#[cfg(test)]
mod tests;
