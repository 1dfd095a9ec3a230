//! What an operator can measure: counters and histograms, and the log lines that go with them.
//!
//! One method per notable happening both counts it and logs it, so that the two cannot tell different stories. Every
//! metric is described in `docs/metrics.md`; a test compares. Labels come from closed sets only: nothing that a client
//! writes becomes a label. Log lines never contain a token or a body, and show numbers masked.

use std::time::Duration;

use laneway_model::EventKind;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::accept::{Refusal, RefusalCode};
use crate::driver::Delivery;
use crate::inbound::Heard;
use crate::outbox::Posts;

/// The registry and everything in it. One per node; passed in, never global.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    http: Http,
    accept: Accept,
    inbound: Inbound,
    journal: Journal,
    /// What the driver counts.
    pub delivery: Delivery,
    /// What the outbox counts.
    pub posts: Posts,
}

/// The place that a request asked for, as the label `route` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// `POST /v1.0/event`.
    CmEvent,
    /// Everything else under `/v1.0`.
    CmOther,
    /// `GET /api/v1/events/{id}`.
    Event,
    /// `GET /api/v1/events`.
    Events,
    /// `GET /api/v1/blocklist/{business}`.
    BlockList,
    /// Everything under `/api/v1/outbox`.
    Outbox,
    /// `GET /api/v1/pauses`.
    Pauses,
    /// `POST /api/v1/events/retry`, `/api/v1/events/{id}/retry` and `/discard`.
    Redrive,
    /// `GET /api/v1/events/stream`.
    Stream,
    /// Everything under `/api/v1/contacts`.
    Contact,
    /// `/webhooks/meta/{app}`.
    MetaWebhook,
    /// `/webhooks/cm/{secret}`.
    CmWebhook,
    /// `GET /openapi.json`.
    OpenApi,
    /// `GET /healthz`.
    Health,
    /// `GET /readyz`.
    Ready,
    /// `GET /metrics`.
    Metrics,
    /// `GET /console`.
    Console,
    /// A path that is nobody's.
    Other,
}

/// What became of an event that was good enough for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is durable.
    Accepted,
    /// It had been accepted before; the first answer was given again.
    Replayed,
    /// It was only checked (`dry_run=true`).
    Checked,
}

/// Who notifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Meta.
    Meta,
    /// CM.com.
    Cm,
}

/// What becomes of an update, as the label `outcome` names it.
const UPDATE_OUTCOMES: [&str; 3] = ["believed", "strange", "unreadable"];

/// Which way the journal failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JournalFailure {
    /// The disk or the log is full.
    Full,
    /// Its queue is full.
    Busy,
    /// The node is going down.
    Closed,
    /// Anything else: a person must look.
    Broken,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    r#type: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JournalLabels {
    failure: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpdateLabels {
    source: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: &'static str,
}

/// The HTTP layer.
#[derive(Debug)]
struct Http {
    requests: Family<RequestLabels, Counter>,
}

/// The way from a client's event to a durable one.
#[derive(Debug)]
struct Accept {
    events: Family<EventLabels, Counter>,
    refused: Family<RefusalLabels, Counter>,
    seconds: Histogram,
}

/// What WhatsApp tells.
#[derive(Debug)]
struct Inbound {
    updates: Family<UpdateLabels, Counter>,
    unsigned: Family<SourceLabels, Counter>,
}

/// Durable memory, as the API sees it.
#[derive(Debug)]
struct Journal {
    errors: Family<JournalLabels, Counter>,
}

impl Telemetry {
    /// Every metric, registered and at zero.
    #[expect(clippy::new_without_default, reason = "a registry is made once per node, not by default")]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("laneway");
        let http = Http::register(&mut registry);
        let accept = Accept::register(&mut registry);
        let inbound = Inbound::register(&mut registry);
        let journal = Journal::register(&mut registry);
        let delivery = Delivery::register(&mut registry);
        let posts = Posts::register(&mut registry);
        Self { registry, http, accept, inbound, journal, delivery, posts }
    }

    /// All metrics in the OpenMetrics text format, and its content type.
    pub fn encode(&self) -> (&'static str, String) {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a string does not fail");
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    }

    /// A request was answered.
    pub fn answered(&self, route: Route, status: u16) {
        self.http.requests.get_or_create(&RequestLabels { route: route.as_str(), status }).inc();
    }

    /// An event was admitted, after `took` from the end of its head to its answer.
    pub fn admitted(&self, kind: EventKind, admission: Admission, took: Duration) {
        let labels = EventLabels { r#type: kind.as_str(), outcome: admission.as_str() };
        self.accept.events.get_or_create(&labels).inc();
        self.accept.seconds.observe(took.as_secs_f64());
    }

    /// An event was refused. The log line names the rule and the field; what the client wrote stays out of it.
    pub fn refused(&self, account: Option<&str>, refusal: &Refusal) {
        // The path of a doubled key is in the client's own spelling.
        let field = refusal.field.as_deref().filter(|_| refusal.code != RefusalCode::DoubledKey);
        self.accept.refused.get_or_create(&RefusalLabels { code: refusal.code.as_str() }).inc();
        tracing::debug!(
            account.name = account,
            refusal.code = refusal.code.as_str(),
            refusal.field = field,
            http.status = refusal.code.http_status(),
            "refused an event"
        );
    }

    /// A notification has become durable. Whose it is stays out of the log line.
    pub fn heard(&self, source: Source, heard: &Heard) {
        let counts = [heard.believed, heard.strange, usize::from(heard.is_unreadable)];
        for (outcome, count) in UPDATE_OUTCOMES.into_iter().zip(counts) {
            let labels = UpdateLabels { source: source.as_str(), outcome };
            self.inbound.updates.get_or_create(&labels).inc_by(count as u64);
        }
        if heard.strange > 0 || heard.is_unreadable {
            tracing::warn!(
                source = source.as_str(),
                strange = heard.strange,
                unreadable = heard.is_unreadable,
                "a notification is kept, and not believed: it cannot be read, or it is about a number that is not configured here"
            );
        }
    }

    /// A notification was turned away, because nobody who may send it has signed it.
    pub fn unsigned(&self, source: Source) {
        self.inbound.unsigned.get_or_create(&SourceLabels { source: source.as_str() }).inc();
        tracing::warn!(
            source = source.as_str(),
            "turned away a notification that was not signed as it must be"
        );
    }

    /// The journal could not do what a request needed.
    pub fn journal_failed(&self, error: &laneway_journal::Error) {
        let failure = JournalFailure::of(error);
        self.journal.errors.get_or_create(&JournalLabels { failure: failure.as_str() }).inc();
        match failure {
            JournalFailure::Busy | JournalFailure::Closed => {
                tracing::info!(
                    journal.failure = failure.as_str(),
                    "turned a request away: the journal cannot take it"
                );
            }
            JournalFailure::Full | JournalFailure::Broken => {
                tracing::error!(journal.failure = failure.as_str(), error = %Chain(error), "the journal failed");
            }
        }
    }
}

/// An error and what caused it, on one line.
struct Chain<'e>(&'e dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl Http {
    fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        registry.register("http_requests", "Requests answered, by route and status", requests.clone());
        Self { requests }
    }
}

impl Accept {
    fn register(registry: &mut Registry) -> Self {
        let events = Family::default();
        let refused = Family::default();
        // From 0.1 ms, which only memory answers, to 3.3 s, which no disk should need.
        let seconds = Histogram::new(exponential_buckets(0.0001, 2.0, 16));
        registry.register("accept_events", "Events admitted, by type and outcome", events.clone());
        registry.register("accept_refused", "Events refused, by error code", refused.clone());
        registry.register(
            "accept_seconds",
            "Time from a request's head to the answer that its event is durable",
            seconds.clone(),
        );
        // Every code is there from the start, so that a rate over it has a beginning.
        for code in RefusalCode::ALL {
            drop(refused.get_or_create(&RefusalLabels { code: code.as_str() }));
        }
        Self { events, refused, seconds }
    }
}

impl Inbound {
    fn register(registry: &mut Registry) -> Self {
        let (updates, unsigned) = (Family::default(), Family::default());
        registry.register(
            "notification_updates",
            "Updates that notifications brought, by source and by whether they are believed",
            updates.clone(),
        );
        registry.register(
            "notifications_unsigned",
            "Notifications turned away for their signature or secret, by source",
            unsigned.clone(),
        );
        for source in [Source::Meta, Source::Cm] {
            for outcome in UPDATE_OUTCOMES {
                drop(updates.get_or_create(&UpdateLabels { source: source.as_str(), outcome }));
            }
            drop(unsigned.get_or_create(&SourceLabels { source: source.as_str() }));
        }
        Self { updates, unsigned }
    }
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Cm => "cm",
        }
    }
}

impl Journal {
    fn register(registry: &mut Registry) -> Self {
        let errors = Family::default();
        registry.register("journal_errors", "Requests that the journal failed", errors.clone());
        for failure in JournalFailure::ALL {
            drop(errors.get_or_create(&JournalLabels { failure: failure.as_str() }));
        }
        Self { errors }
    }
}

impl Route {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CmEvent => "/v1.0/event",
            Self::CmOther => "/v1.0/*",
            Self::Event => "/api/v1/events/{id}",
            Self::Events => "/api/v1/events",
            Self::Outbox => "/api/v1/outbox",
            Self::Pauses => "/api/v1/pauses",
            Self::BlockList => "/api/v1/blocklist/{business}",
            Self::Redrive => "/api/v1/events/*",
            Self::Stream => "/api/v1/events/stream",
            Self::Contact => "/api/v1/contacts/*",
            Self::MetaWebhook => "/webhooks/meta/{app}",
            Self::CmWebhook => "/webhooks/cm/{secret}",
            Self::OpenApi => "/openapi.json",
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Console => "/console",
            Self::Other => "other",
        }
    }
}

impl Admission {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Replayed => "replayed",
            Self::Checked => "checked",
        }
    }
}

impl JournalFailure {
    const ALL: [Self; 4] = [Self::Full, Self::Busy, Self::Closed, Self::Broken];

    fn of(error: &laneway_journal::Error) -> Self {
        use laneway_journal::Error;
        match error {
            Error::Full => Self::Full,
            Error::Busy => Self::Busy,
            Error::Closed => Self::Closed,
            Error::Fenced | Error::NotOpen { .. } | Error::Damaged { .. } | Error::Sqlite { .. } => {
                Self::Broken
            }
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Broken => "broken",
        }
    }
}
