//! Follows an application until it has come to rest, without writing anything.

use super::deployment::Deployment;
use super::events::{Event, Watcher};
use super::ports::{Platform, Trouble};
use super::run::{Adapter, StopSignal, backoff};
use super::status::{Status, status};
use super::sync::Verdict;
use crate::rollout::Outcome;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_secs(5);

/// Looks until everything is as the documents say, something failed or needs a person, `timeout` is over, or `stop`
/// says so. Somebody else (a controller, a CI job) does the work. When it is told to stop it gives the status that it
/// read last, or none if nothing could be read so far.
///
/// # Errors
/// Reads that won't succeed by trying again, or that still failed when the time was over.
pub async fn follow<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    timeout: Duration,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<(Option<Status>, Verdict), Trouble> {
    let end = Instant::now() + timeout;
    let mut failures = 0;
    let mut last = None;
    loop {
        let read = tokio::select! {
            read = status(adapter, deployment) => read,
            // Nothing is written, so every point is a safe one.
            () = stop.wait() => return Ok((last, Verdict::Stopped)),
        };
        let pause = match read {
            Ok(status) => {
                failures = 0;
                if let Some(verdict) = verdict(&status) {
                    return Ok((Some(status), verdict));
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
                last = Some(status);
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok((last, Verdict::TimedOut));
                }
                POLL.min(left)
            }
            Err(trouble) if trouble.kind.is_passing() && Instant::now() < end => {
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
    let broken =
        status.waits && status.objects.iter().any(|object| object.health.is_final && !object.is_well());
    let worst = worst.max(broken.then_some(Verdict::Failed));
    worst.or(status.is_at_rest().then_some(Verdict::Done))
}
