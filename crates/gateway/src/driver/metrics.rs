//! What an operator can measure of delivery. Described in `docs/metrics.md`, like every metric.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use laneway_channel::meta::Verb;
use laneway_engine::{Alarm, Why};
use laneway_model::{AttemptOutcome, EventKind, Outcome, Route, Scope, Status};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::pauses::Pause;
use super::shadow::Shown;

/// Counters and histograms of delivery.
#[derive(Debug)]
pub struct Delivery {
    calls: Family<CallLabels, Counter>,
    call_seconds: Histogram,
    attempts: Family<AttemptLabels, Counter>,
    ended: Family<EndedLabels, Counter>,
    ended_seconds: Histogram,
    open: Gauge<u64, AtomicU64>,
    alarms: Counter,
    pauses: Family<PauseLabels, Gauge<u64, AtomicU64>>,
    clock_steps: Counter,
    shadows: Family<ShadowLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    verb: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    verb: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedLabels {
    r#type: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PauseLabels {
    route: &'static str,
    scope: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShadowLabels {
    route: &'static str,
    r#type: &'static str,
    result: &'static str,
}

impl ShadowLabels {
    const fn new(route: Route, kind: EventKind, shown: Shown) -> Self {
        Self { route: route.as_str(), r#type: kind.as_str(), result: shown.as_str() }
    }
}

impl Delivery {
    /// Every metric of delivery, registered and at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let this = Self {
            calls: Family::default(),
            // From 1 ms, a sandbox on the same machine, to 32 s, beyond every time limit.
            call_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            attempts: Family::default(),
            ended: Family::default(),
            // From 1 ms to 12 days, further than any event lives.
            ended_seconds: Histogram::new(exponential_buckets(0.001, 4.0, 16)),
            open: Gauge::default(),
            alarms: Counter::default(),
            pauses: Family::default(),
            clock_steps: Counter::default(),
            shadows: Family::default(),
        };
        registry.register("calls", "Calls made, by verb", this.calls.clone());
        registry.register(
            "call_seconds",
            "Time from a call's first byte to its answer",
            this.call_seconds.clone(),
        );
        registry.register("attempts", "Events carried by calls, by verb and outcome", this.attempts.clone());
        registry.register("events_ended", "Events that reached a final status by a call", this.ended.clone());
        registry.register(
            "event_seconds",
            "Time from an event's acceptance to its final status",
            this.ended_seconds.clone(),
        );
        registry.register("open_events", "Events that are not final", this.open.clone());
        registry.register("alarms", "Pauses begun for a refused token or permission", this.alarms.clone());
        registry.register(
            "pauses",
            "Pauses in force, by the route of the calls, scope and class",
            this.pauses.clone(),
        );
        registry.register(
            "clock_steps",
            "Steps of the wall clock by more than a minute",
            this.clock_steps.clone(),
        );
        registry.register(
            "shadow",
            "Events held against a second route, by that route, type and result",
            this.shadows.clone(),
        );
        // What is dropped is there from the start, so that a rate over it has a beginning.
        for (route, kind) in EventKind::all().flat_map(|kind| [(Route::Meta, kind), (Route::Cm, kind)]) {
            drop(this.shadows.get_or_create(&ShadowLabels::new(route, kind, Shown::Dropped)));
        }
        this.paused(&[]);
        this
    }

    /// A call ended after `took`, with these outcomes.
    pub(super) fn answered(&self, verb: Verb, outcomes: &[Outcome], took: Duration) {
        let verb = verb_word(verb);
        self.calls.get_or_create(&CallLabels { verb }).inc();
        self.call_seconds.observe(took.as_secs_f64());
        for outcome in outcomes {
            let outcome = AttemptOutcome::from(outcome).as_str();
            self.attempts.get_or_create(&AttemptLabels { verb, outcome }).inc();
        }
    }

    /// An event reached a final status, `took` after it was accepted.
    pub(super) fn ended(&self, kind: EventKind, status: Status, took: Duration) {
        let labels = EndedLabels { r#type: kind.as_str(), status: status.as_str() };
        self.ended.get_or_create(&labels).inc();
        self.ended_seconds.observe(took.as_secs_f64());
    }

    /// So many events are not final.
    pub(super) fn open(&self, events: usize) {
        self.open.set(u64::try_from(events).unwrap_or(u64::MAX));
    }

    /// The wall clock was set.
    pub(super) fn clock_stepped(&self) {
        self.clock_steps.inc();
    }

    /// A shadow on this route has shown this.
    pub(super) fn shadowed(&self, route: Route, kind: EventKind, shown: Shown) {
        self.shadows.get_or_create(&ShadowLabels::new(route, kind, shown)).inc();
    }

    /// These pauses are in force, and no others.
    pub fn paused(&self, pauses: &[Pause]) {
        for (route, scope, why) in PAUSABLE.iter().flat_map(|(route, scopes)| {
            let of_route = scopes.iter().flat_map(|scope| Why::ALL.map(|why| (*route, *scope, why)));
            of_route.filter(|(_, scope, why)| *why != Why::Outage || *scope == Scope::Number)
        }) {
            let is_alike = |pause: &&Pause| (pause.route, pause.scope, pause.why) == (route, scope, why);
            let count = pauses.iter().filter(is_alike).count();
            let labels = PauseLabels { route: route.as_str(), scope: scope.as_str(), class: why.as_str() };
            self.pauses.get_or_create(&labels).set(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// A person must act, or need no longer.
    pub(super) fn alarm(&self, alarm: Alarm) {
        match alarm {
            Alarm::Unauthorized { .. } => drop(self.alarms.inc()),
            Alarm::Recovered { .. } => {}
        }
    }
}

/// What can be paused, by route. An outage pauses numbers only.
const PAUSABLE: [(Route, &[Scope]); 2] = [
    (Route::Meta, &[Scope::NumberFamily, Scope::Number, Scope::Waba, Scope::Credential, Scope::App]),
    (Route::Cm, &[Scope::NumberFamily, Scope::Number, Scope::Credential]),
];

const fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::MarkAsRead => "mark_as_read",
        Verb::Typing => "typing",
        Verb::Block => "block",
        Verb::UnBlock => "unblock",
        Verb::Conversions => "conversions",
    }
}
