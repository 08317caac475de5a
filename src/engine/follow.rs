//! Follows an application until it has come to rest, without writing anything.

use super::deployment::Deployment;
use super::events::{Event, Watcher};
use super::ports::{Platform, Trouble, TroubleKind};
use super::run::{Adapter, StopSignal, backoff};
use super::status::{Status, status};
use super::sync::Verdict;
use crate::rollout::Outcome;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_secs(5);

/// Looks until everything is as the documents say, something failed or needs a person, `timeout` is over, or `stop`
/// says so. Somebody else (a controller, a CI job) does the work.
///
/// # Errors
/// Reads that won't succeed by trying again, or that failed when it was told to stop.
pub async fn follow<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    timeout: Duration,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<(Status, Verdict), Trouble> {
    let end = Instant::now() + timeout;
    let mut failures = 0;
    loop {
        let pause = match status(adapter, deployment).await {
            Ok(status) => {
                failures = 0;
                if let Some(verdict) = verdict(&status) {
                    return Ok((status, verdict));
                }
                for workload in &status.workloads {
                    if let Some(text) = &workload.waiting_on {
                        let document = workload.document.clone();
                        watcher.event(Event::Settling { document, text: text.clone() });
                    }
                }
                for object in status.objects.iter().filter(|object| !object.is_well()) {
                    let text = object.health.message.clone();
                    watcher.event(Event::Settling { document: object.document.clone(), text });
                }
                if stop.is_set() || Instant::now() + POLL >= end {
                    let verdict = if stop.is_set() { Verdict::Stopped } else { Verdict::TimedOut };
                    return Ok((status, verdict));
                }
                POLL
            }
            Err(trouble)
                if trouble.kind == TroubleKind::Transient && !stop.is_set() && Instant::now() < end =>
            {
                failures += 1;
                watcher.event(Event::Trouble {
                    workload: deployment.application.name.clone(),
                    text: trouble.to_string(),
                });
                backoff(failures)
            }
            Err(trouble) => return Err(trouble),
        };
        tokio::select! {
            () = adapter.pause(pause) => {}
            () = stop.wait() => {}
        }
    }
}

/// How it ended, if it did.
fn verdict(status: &Status) -> Option<Verdict> {
    let outcomes = status.workloads.iter().filter_map(|workload| workload.outcome.as_ref());
    let ended = outcomes.filter_map(|outcome| match outcome {
        Outcome::Failed { .. } => Some(Verdict::Failed),
        Outcome::Blocked { .. } => Some(Verdict::Error),
        Outcome::AwaitingApproval => Some(Verdict::AwaitingApproval),
        Outcome::Done => None,
    });
    let worst = ended.max();
    let broken = status.objects.iter().any(|object| object.health.is_final && !object.is_well());
    let worst = worst.max(broken.then_some(Verdict::Failed));
    worst.or(status.is_at_rest().then_some(Verdict::Done))
}
