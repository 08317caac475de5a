//! What was asked of systems outside, as those who count it tell.

use crate::controller::Tally;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(super) struct Tallies(pub(super) Vec<Arc<dyn Tally>>);

impl fmt::Debug for Tallies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tallies")
    }
}

impl Collector for Tallies {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut counts: BTreeMap<(&'static str, String), u64> = BTreeMap::new();
        for (system, verb, count) in self.0.iter().flat_map(|tally| tally.tally()) {
            // Two connections to one system each have their own count.
            *counts.entry((system, verb)).or_default() += count;
        }
        let help = "Requests to systems outside, by what was asked; every attempt counts.";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for ((system, verb), count) in &counts {
            let labels = [("system", *system), ("verb", verb.as_str())];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
