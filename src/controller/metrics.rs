//! What is measured, in Prometheus's terms.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The controller's own figures. What others count (requests to Git and APIs, what stands on the board) is read when
/// somebody asks.
pub struct Metrics {
    reconciles: Family<Vec<(&'static str, String)>, Histogram>,
    waiting: Gauge,
    oldest: Gauge<f64, std::sync::atomic::AtomicU64>,
    busy: Gauge,
    live_after: Histogram,
    drift: Family<Vec<(&'static str, String)>, Counter>,
    webhooks: Family<Vec<(&'static str, String)>, Counter>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let durations = || Histogram::new(exponential_buckets(0.005, 2.0, 18));
        let drift: Family<Vec<(&'static str, String)>, Counter> = Family::default();
        // A counter that comes into being with its first event shows no increase by it.
        for what in ["found", "repaired"] {
            drop(drift.get_or_create(&vec![("result", what.to_owned())]));
        }
        Metrics {
            reconciles: Family::new_with_constructor(durations as fn() -> Histogram),
            waiting: Gauge::default(),
            oldest: Gauge::default(),
            busy: Gauge::default(),
            live_after: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
            drift,
            webhooks: Family::default(),
        }
    }
}

impl Metrics {
    /// Names the figures in a registry whose prefix is `cutover`.
    pub fn register(&self, registry: &mut Registry) {
        let help = "How long a reconcile took, by what came of it";
        registry.register_with_unit("reconcile_duration", help, Unit::Seconds, self.reconciles.clone());
        registry.register(
            "queue_depth",
            "Applications that are due and wait for their turn",
            self.waiting.clone(),
        );
        let help = "How long the first of those has waited";
        registry.register_with_unit("queue_oldest", help, Unit::Seconds, self.oldest.clone());
        registry.register("syncs_running", "Syncs that are under way", self.busy.clone());
        let help = "From the commit (by its own time) to everything being live";
        registry.register_with_unit("commit_to_live", help, Unit::Seconds, self.live_after.clone());
        let help = "Differences that nobody committed, by what became of them";
        registry.register("drift", help, self.drift.clone());
        let help = "Deliveries of webhooks, by provider and what became of them";
        registry.register("webhooks", help, self.webhooks.clone());
    }

    /// A reconcile ended; `result` is a condition's reason.
    pub fn reconciled(&self, result: &str, took: Duration) {
        self.reconciles.get_or_create(&vec![("result", result.to_owned())]).observe(took.as_secs_f64());
    }

    /// How the queue stands.
    pub fn queue(&self, waiting: usize, oldest: Duration, busy: usize) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.oldest.set(oldest.as_secs_f64());
        self.busy.set(i64::try_from(busy).unwrap_or(i64::MAX));
    }

    /// A commit is live.
    pub fn live(&self, after: Duration) {
        self.live_after.observe(after.as_secs_f64());
    }

    /// Drift was found, or repaired.
    pub fn drift(&self, what: &'static str) {
        self.drift.get_or_create(&vec![("result", what.to_owned())]).inc();
    }

    /// A webhook was delivered, or something that pretended to be one.
    pub fn webhook(&self, provider: &'static str, result: &'static str) {
        let labels = vec![("provider", provider.to_owned()), ("result", result.to_owned())];
        self.webhooks.get_or_create(&labels).inc();
    }
}
