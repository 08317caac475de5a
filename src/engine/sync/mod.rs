//! Brings one application to its documents: the plan, then rolling services and rollouts side by side, then pruning.

mod prune;
mod report;
mod todo;
mod work;

pub use report::{ItemResult, SyncReport, Synced, Verdict};

use super::deployment::Deployment;
use super::events::{Event, Watcher};
use super::plan::read_live;
use super::ports::{Platform, Trouble, TroubleKind};
use super::run::{Adapter, StopSignal, backoff};
use super::status::{Status, status, summarise};
use crate::model::{HookPhase, SyncMode};
use crate::plan::{Change, PlanItem, assemble};
use report::are_done;
use std::time::Duration;
use todo::Todo;
use tokio::time::Instant;
use work::Work;

/// How often a reading after the last write is tried again.
const LOOKS: u32 = 2;

/// Brings `deployment` about. Does nothing but plan if the application is suspended or only observed.
///
/// # Errors
/// Only if there is no plan; everything later is in the report.
pub async fn sync<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<SyncReport, Trouble> {
    Ok(bring_about(adapter, deployment, watcher, stop).await?.0)
}

/// [`sync`], and how everything stands in the end.
///
/// # Errors
/// Those of [`sync`].
pub async fn sync_and_look<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<Synced, Trouble> {
    let (report, before) = bring_about(adapter, deployment, watcher, stop).await?;
    let status = match before {
        Before { status, is_current: true } => status,
        Before { status, .. } => look(adapter, deployment, status).await,
    };
    Ok(Synced { report, status })
}

/// What was read before the first write.
struct Before {
    status: Status,
    /// True if nothing was written since.
    is_current: bool,
}

async fn look<A: Adapter + Platform>(adapter: &A, deployment: &Deployment, before: Status) -> Status {
    let mut failures = 0;
    loop {
        match status(adapter, deployment).await {
            Ok(status) => return status,
            Err(trouble) if trouble.kind == TroubleKind::Transient && failures < LOOKS => {
                failures += 1;
                adapter.pause(backoff(failures)).await;
            }
            Err(trouble) => {
                let mut notices = before.notices;
                notices
                    .push(format!("this is how it was before the sync; it can't be read since: {trouble}"));
                return Status { notices, in_sync: false, ..before };
            }
        }
    }
}

async fn bring_about<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<(SyncReport, Before), Trouble> {
    let live = read_live(adapter, deployment).await?;
    let plan = assemble(&deployment.application, &deployment.commit, &deployment.manifests, &live);
    watcher.planned(&plan);
    let before = |is_current| Before { status: summarise(deployment, &live, &plan), is_current };
    let application = &deployment.application;
    if application.suspend || application.sync.mode == SyncMode::Observe {
        let before = before(true);
        return Ok((SyncReport { plan, results: vec![], verdict: Verdict::Done }, before));
    }
    let end = Instant::now() + Duration::from_secs(application.sync.timeout);
    let work = Work { adapter, deployment, watcher, stop, end };
    let todo = Todo::new(deployment, &plan, &live);
    let prunes: Vec<&PlanItem> = plan.items.iter().filter(|item| item.change == Change::Prune).collect();
    if prunes.is_empty()
        && let Some(results) = todo.already_done(&live, watcher)
    {
        let before = before(true);
        return Ok((SyncReport { plan, results, verdict: Verdict::Done }, before));
    }
    let mut results = work.apply(&todo, |turn| turn.phase <= HookPhase::Sync).await;
    // What is no longer wanted goes last, and only after everything that is wanted stands.
    if !prunes.is_empty() && are_done(&results) {
        results.extend(work.prune(&prunes).await);
    } else if !prunes.is_empty() {
        let text = format!("{} to be pruned left for the next sync", prunes.len());
        watcher.event(Event::Notice { workload: application.name.clone(), text });
    }
    if are_done(&results) {
        results.extend(work.apply(&todo, |turn| turn.phase == HookPhase::PostSync).await);
    }
    if results.iter().any(|result| matches!(result.verdict, Verdict::Failed | Verdict::Error)) {
        results.extend(work.apply(&todo, |turn| turn.phase == HookPhase::SyncFail).await);
    }
    let verdict = results.iter().map(|result| result.verdict).max().unwrap_or(Verdict::Done);
    let before = before(false);
    Ok((SyncReport { plan, results, verdict }, before))
}
