//! The demo's last page.

use super::stage::Step;
use crate::plan::Palette;
use crate::simulator::shell::{TrafficReport, render_chart};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// How wide the chart is.
const WIDTH: usize = 100;

/// API calls by name over all steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub reads: BTreeMap<String, usize>,
    pub writes: BTreeMap<String, usize>,
}

/// Adds up the calls of `steps`.
pub fn totals(steps: &[Step]) -> Totals {
    let mut totals = Totals::default();
    for step in steps {
        for (into, from) in [(&mut totals.reads, &step.reads), (&mut totals.writes, &step.writes)] {
            for (operation, count) in from {
                *into.entry(operation.clone()).or_default() += count;
            }
        }
    }
    totals
}

/// Requests, shares over time, and calls by name.
pub fn text(steps: &[Step], report: &TrafficReport, took: Duration, palette: &Palette) -> String {
    let totals = totals(steps);
    let bold = palette.heading;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n{bold}Summary{bold:#}");
    let style = if report.failed == 0 { palette.create } else { palette.delete };
    let _ = writeln!(text, "requests: {} sent, {style}{} failed{style:#}\n", report.sent, report.failed);
    text.push_str(&render_chart(report, WIDTH));
    let _ = writeln!(text, "\n{bold}What each sync took{bold:#}");
    let width = steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0);
    for step in steps {
        let _ = writeln!(
            text,
            "{:width$}  {:2} writes, {:2} rule changes, {} task definitions registered, {} tasks started",
            step.name,
            step.writes.values().sum::<usize>(),
            step.writes_of("ModifyRule"),
            step.writes_of("RegisterTaskDefinition"),
            step.tasks_started,
        );
    }
    let _ = writeln!(text, "\n{bold}API calls{bold:#}");
    for (name, counts) in [("writes", &totals.writes), ("reads", &totals.reads)] {
        let listed: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let _ = writeln!(text, "{name}: {} ({})", counts.values().sum::<usize>(), listed.join(", "));
    }
    let _ = writeln!(text, "\nIt took {} s.", took.as_secs());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Verdict;

    #[test]
    fn calls_are_added_up_by_name() {
        let step = |count| Step {
            name: "x".into(),
            verdict: Verdict::Done,
            reads: BTreeMap::new(),
            writes: [("ModifyRule".to_owned(), count)].into(),
            tasks_started: 0,
        };
        let totals = totals(&[step(2), step(3)]);
        assert_eq!(totals.writes["ModifyRule"], 5);
        assert!(totals.reads.is_empty());
    }
}
