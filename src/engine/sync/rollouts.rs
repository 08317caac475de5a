//! The rollouts of a sync. Those that have requests on a candidate, or on their way back, go on at once and whatever becomes
//! of the rest: nothing that is read or done for other resources ends or delays them.

use super::report::{ItemResult, Verdict};
use super::work::{Work, note_failures};
use crate::engine::events::Watcher;
use crate::engine::plan::CONCURRENCY;
use crate::engine::ports::{Platform, Rollout};
use crate::engine::run::{Adapter, Ports, Run, RunEnd, is_begun};
use crate::engine::spans::work_span;
use crate::plan::Live;
use crate::rollout::{Outcome, decide};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt, stream};
use std::collections::BTreeMap;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::Instrument;

/// The runs of all rollouts of a sync, by name of the BlueGreen.
pub(super) struct Runs<'a, A>(BTreeMap<String, Mutex<Carried<'a, A>>>);

/// A run, and how it ended if that was before its turn.
struct Carried<'a, A> {
    run: Run<'a, A>,
    end: Option<ItemResult>,
}

impl<'a, A: Adapter> Runs<'a, A> {
    /// The runs of `rollouts`, none of which has seen anything yet.
    pub fn new(adapter: &'a A, watcher: &'a dyn Watcher, rollouts: &'a [Rollout]) -> Runs<'a, A> {
        let run = |rollout: &'a Rollout| {
            let run = Run::new(Ports { adapter, watcher }, rollout);
            (rollout.blue_green.name.clone(), Mutex::new(Carried { run, end: None }))
        };
        Runs(rollouts.iter().map(run).collect())
    }

    /// The rollouts that can't wait, as far as `live` tells: all of them if nothing could be read.
    pub fn begun(&self, live: Option<&Live>) -> Vec<String> {
        let is_begun = |name: &&String| {
            let Some(live) = live else { return true };
            let Some(Ok(reading)) = live.rollouts.get(*name) else { return false };
            let decision = decide(&reading.desired, &reading.observation, reading.now);
            is_begun(&decision, &reading.observation)
        };
        self.0.keys().filter(is_begun).cloned().collect()
    }
}

impl<A: Adapter + Platform> Work<'_, A> {
    /// Goes on with the rollouts `begun` until no requests are on a candidate or on their way back any more; `is_known` says
    /// that some are.
    pub async fn carry_on(&self, begun: Vec<String>, is_known: bool) {
        let carried_on = |name: String| async move {
            let Some(carried) = self.runs.0.get(&name) else { return };
            let mut carried = carried.lock().await;
            let span = work_span!("rollout", "planning", workload = name);
            let left = self.end.saturating_duration_since(Instant::now());
            let end = carried.run.carry_on(left, self.stop, is_known).boxed_local().instrument(span).await;
            carried.end = end.map(|end| judge(&name, end));
        };
        // All of them: one that waits for another to bake would be watched by nobody.
        join_all(begun.into_iter().map(carried_on)).await;
    }

    /// What came of rollouts that were carried on and whose turn is not among `results`.
    pub async fn carried_besides(&self, results: &[ItemResult]) -> Vec<ItemResult> {
        let mut besides = vec![];
        for carried in self.runs.0.values() {
            let end = carried.lock().await.end.clone();
            besides.extend(end.filter(|end| !results.iter().any(|result| result.document == end.document)));
        }
        besides
    }

    /// Carries the rollouts of these names out, whose turn has come.
    pub async fn rollouts(&self, names: Vec<&str>) -> Vec<ItemResult> {
        let results = stream::iter(names)
            .filter_map(async |name| self.runs.0.get(name).map(|carried| (name, carried)))
            .map(|(name, carried)| async move {
                let mut carried = carried.lock().await;
                // What stood in its way may be gone by now, and after a failure there is something to tidy up.
                let is_over = |end: &mut ItemResult| !matches!(end.verdict, Verdict::Error | Verdict::Failed);
                if let Some(end) = carried.end.take_if(is_over) {
                    return end;
                }
                let left = self.end.saturating_duration_since(Instant::now());
                let span = work_span!("rollout", "planning", workload = name);
                let end = carried.run.to_the_end(left, self.stop);
                let result = judge(name, end.boxed_local().instrument(span.clone()).await);
                note_failures(&span, std::slice::from_ref(&result));
                result
            })
            .buffered(CONCURRENCY);
        results.collect().await
    }
}

/// What came of the rollout `name`.
fn judge(name: &str, end: RunEnd) -> ItemResult {
    let (verdict, message) = match end {
        RunEnd::Outcome(Outcome::Done) => (Verdict::Done, String::new()),
        RunEnd::Outcome(Outcome::Failed { reason }) => (Verdict::Failed, reason),
        RunEnd::Outcome(Outcome::AwaitingApproval) => {
            (Verdict::AwaitingApproval, "all gates are open; `cutover promote` lets it go on".into())
        }
        RunEnd::Outcome(Outcome::Blocked { reason, .. }) => (Verdict::Error, reason),
        RunEnd::TimedOut { waiting_on } => (Verdict::TimedOut, waiting_on),
        RunEnd::Stopped { state } => (Verdict::Stopped, state),
        RunEnd::Trouble(trouble) => (Verdict::Error, trouble.to_string()),
    };
    ItemResult { document: format!("BlueGreen/{name}"), verdict, message }
}
