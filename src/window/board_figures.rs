//! What stands on the board, as gauges. They are made when somebody asks, so that nothing has to be kept in step.

use crate::controller::{Board, Entry};
use crate::model::{ConditionStatus, Slot};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(super) struct BoardFigures(pub(super) Arc<Board>);

impl fmt::Debug for BoardFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoardFigures")
    }
}

impl Collector for BoardFigures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let entries = self.0.snapshot();
        let help = "Applications, by how they stand.";
        let mut family = encoder.encode_descriptor("applications", help, None, MetricType::Gauge)?;
        for ((sync, health), count) in by_state(&entries) {
            gauge(&mut family, &[("sync", sync), ("health", health)], count)?;
        }
        let help = "1 if the Application's condition Ready is true, else 0.";
        let mut family = encoder.encode_descriptor("application_ready", help, None, MetricType::Gauge)?;
        for entry in &entries {
            let ready = entry.status.condition("Ready");
            let is_ready = ready.is_some_and(|condition| condition.status == ConditionStatus::True);
            gauge(&mut family, &names(entry), i64::from(is_ready))?;
        }
        let help = "Blue/green workloads, by the phase of their rollout.";
        let mut family = encoder.encode_descriptor("rollouts", help, None, MetricType::Gauge)?;
        for (phase, count) in by_phase(&entries) {
            gauge(&mut family, &[("phase", phase)], count)?;
        }
        let help = "Percent of the requests that a slot gets by the first production rule.";
        let mut family = encoder.encode_descriptor("slot_weight", help, None, MetricType::Gauge)?;
        for entry in &entries {
            for workload in &entry.status.workloads {
                for slot in Slot::BOTH {
                    let Some(slots) = &workload.slots else { continue };
                    let [namespace, application] = names(entry);
                    let rest = [("workload", workload.name.as_str()), ("slot", slot.name())];
                    let labels = [namespace, application, rest[0], rest[1]];
                    gauge(&mut family, &labels, i64::from(slots.get(slot).weight))?;
                }
            }
        }
        Ok(())
    }
}

fn names(entry: &Entry) -> [(&'static str, &str); 2] {
    [("namespace", &entry.key.namespace), ("application", &entry.key.name)]
}

fn gauge<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &[(&'static str, &str); N],
    value: i64,
) -> Result<(), fmt::Error> {
    ConstGauge::new(value).encode(family.encode_family(labels)?)
}

fn by_state(entries: &[Arc<Entry>]) -> BTreeMap<(&'static str, &'static str), i64> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        let state = (entry.status.sync.name(), entry.status.health.name());
        *counts.entry(state).or_default() += 1;
    }
    counts
}

fn by_phase(entries: &[Arc<Entry>]) -> BTreeMap<&str, i64> {
    let mut counts = BTreeMap::new();
    for workload in entries.iter().flat_map(|entry| &entry.status.workloads) {
        *counts.entry(workload.phase.as_str()).or_default() += 1;
    }
    counts
}
