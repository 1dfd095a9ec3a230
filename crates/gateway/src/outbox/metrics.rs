//! What an operator can measure of the outbox. Described in `docs/metrics.md`, like every metric.

use std::sync::atomic::AtomicU64;

use laneway_model::{AttemptOutcome, Outcome, Status};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{PostKind, Size};

/// Counters of the outbox.
#[derive(Debug)]
pub struct Posts {
    open: Family<KindLabels, Gauge<u64, AtomicU64>>,
    open_bytes: Family<KindLabels, Gauge<u64, AtomicU64>>,
    attempts: Family<AttemptLabels, Counter>,
    ended: Family<EndedLabels, Counter>,
    left_out: Family<KindLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedLabels {
    kind: &'static str,
    status: &'static str,
}

impl Posts {
    /// Every metric of the outbox, registered and at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let this = Self {
            open: Family::default(),
            open_bytes: Family::default(),
            attempts: Family::default(),
            ended: Family::default(),
            left_out: Family::default(),
        };
        for kind in PostKind::ALL {
            let labels = KindLabels { kind: kind.as_str() };
            drop(this.open.get_or_create(&labels));
            drop(this.open_bytes.get_or_create(&labels));
            drop(this.left_out.get_or_create(&labels));
            for status in [Status::Confirmed, Status::Failed, Status::Expired] {
                drop(this.ended.get_or_create(&EndedLabels { kind: kind.as_str(), status: status.as_str() }));
            }
            let confirmed = AttemptOutcome::Confirmed.as_str();
            drop(this.attempts.get_or_create(&AttemptLabels { kind: kind.as_str(), outcome: confirmed }));
        }
        registry.register("outbox_open", "Posts that are not final, by kind", this.open.clone());
        let help = "Bytes that posts which are not final hold in the journal, by kind";
        registry.register("outbox_open_bytes", help, this.open_bytes.clone());
        registry.register(
            "outbox_attempts",
            "Posts made, by kind and what came of it",
            this.attempts.clone(),
        );
        registry.register("outbox_ended", "Posts that reached a final status", this.ended.clone());
        registry.register(
            "outbox_left_out",
            "Posts that were not even stored, because too many wait",
            this.left_out.clone(),
        );
        this
    }

    /// So many posts are not final, and hold so much.
    pub(super) fn open(&self, kind: PostKind, open: Size) {
        let labels = KindLabels { kind: kind.as_str() };
        for (gauge, value) in [(&self.open, open.posts), (&self.open_bytes, open.bytes)] {
            gauge.get_or_create(&labels).set(u64::try_from(value).unwrap_or(u64::MAX));
        }
    }

    /// A post was made.
    pub(super) fn attempted(&self, kind: PostKind, outcome: &Outcome) {
        let outcome = AttemptOutcome::from(outcome).as_str();
        self.attempts.get_or_create(&AttemptLabels { kind: kind.as_str(), outcome }).inc();
    }

    /// A post reached a final status.
    pub(super) fn ended(&self, kind: PostKind, status: Status) {
        self.ended.get_or_create(&EndedLabels { kind: kind.as_str(), status: status.as_str() }).inc();
    }

    /// A post was not stored.
    pub(super) fn left_out(&self, kind: PostKind) {
        self.left_out.get_or_create(&KindLabels { kind: kind.as_str() }).inc();
    }
}
