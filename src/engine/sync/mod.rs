//! Brings one application to its documents: the plan, then rolling services and rollouts side by side, then pruning.

mod lock;
mod place;
mod prune;
mod report;
mod todo;
mod work;

pub use report::{ItemResult, SyncReport, Synced, Verdict};

use super::deployment::Deployment;
use super::events::{Event, Watcher};
use super::plan::read_live;
use super::ports::{Platform, Trouble, TroubleKind};
use super::request::telling_lock;
use super::run::{Adapter, StopSignal, backoff};
use super::spans::{traced, work_span};
use super::status::{Status, status, summarise};
use crate::model::{HookPhase, SyncMode};
use crate::plan::{Change, Live, Plan, PlanItem, assemble};
use futures_util::FutureExt;
use place::{Place, document, take_place, tell_lock, tell_turn};
use report::are_done;
use std::time::Duration;
use todo::Todo;
use tokio::time::Instant;
use tracing::Instrument;
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
        Before { status, .. } => {
            let span = work_span!("look after", "syncing");
            look(adapter, deployment, status).instrument(span).await
        }
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
    let document = document(&deployment.application);
    let waits = |text| watcher.event(Event::Settling { document: document.clone(), text });
    telling_lock(adapter, waits, carry_out(adapter, deployment, watcher, stop).boxed_local()).await
}

async fn carry_out<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<(SyncReport, Before), Trouble> {
    let (live, plan) = read(adapter, deployment).await?;
    watcher.planned(&plan);
    let application = &deployment.application;
    let ended = |plan: Plan, live: &Live, results, verdict| {
        let status = summarise(deployment, live, &plan);
        Ok((SyncReport { plan, results, verdict }, Before { status, is_current: true }))
    };
    if application.suspend || application.sync.mode == SyncMode::Observe {
        return ended(plan, &live, vec![], Verdict::Done);
    }
    if let Some(results) = already_done(deployment, &plan, &live, watcher) {
        return ended(plan, &live, results, Verdict::Done);
    }
    let (live, plan) = match take_place(adapter, application, watcher, stop).await {
        Place::Free => (live, plan),
        Place::WaitedFor => {
            // Others worked meanwhile, and people.
            let (live, now) = read(adapter, deployment).await?;
            tell_turn(watcher, application, &plan, &now);
            if let Some(results) = already_done(deployment, &now, &live, watcher) {
                return ended(now, &live, results, Verdict::Done);
            }
            (live, now)
        }
        Place::NotTaken(result) => return ended(plan, &live, vec![result], Verdict::Stopped),
    };
    // The time given to it begins with its turn.
    let end = Instant::now() + Duration::from_secs(application.sync.timeout);
    let work = Work { adapter, deployment, watcher, stop, end };
    let (live, plan) = match work.read_as_only_writer(&plan, &live).await {
        Ok(None) => (live, plan),
        Ok(Some((live, now))) => {
            tell_lock(watcher, application, &plan, &now);
            if let Some(results) = already_done(deployment, &now, &live, watcher) {
                return ended(now, &live, results, Verdict::Done);
            }
            (live, now)
        }
        Err(result) => {
            let verdict = result.verdict;
            return ended(plan, &live, vec![result], verdict);
        }
    };
    let todo = Todo::new(deployment, &plan, &live);
    let prunes: Vec<&PlanItem> = plan.items.iter().filter(|item| item.change == Change::Prune).collect();
    let mut results = work.apply(&todo, |turn| turn.phase <= HookPhase::Sync).await;
    // What is no longer wanted goes last, and only after everything that is wanted stands.
    if !prunes.is_empty() && are_done(&results) {
        let span = work_span!("prune", "pruning", items = prunes.len());
        results.extend(work.prune(&prunes).boxed_local().instrument(span).await);
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
    let status = summarise(deployment, &live, &plan);
    Ok((SyncReport { plan, results, verdict }, Before { status, is_current: false }))
}

/// The results, if there is nothing to do.
fn already_done(
    deployment: &Deployment,
    plan: &Plan,
    live: &Live,
    watcher: &dyn Watcher,
) -> Option<Vec<ItemResult>> {
    if plan.items.iter().any(|item| item.change == Change::Prune) {
        return None;
    }
    Todo::new(deployment, plan, live).already_done(live, watcher)
}

/// Everything that is live, and what of it differs.
async fn read<A: Adapter + Platform>(adapter: &A, deployment: &Deployment) -> Result<(Live, Plan), Trouble> {
    let work = async {
        let live = traced(work_span!("read live", "planning"), read_live(adapter, deployment)).await?;
        let Deployment { application, commit, manifests } = deployment;
        let compare = work_span!("compare", "planning");
        let plan = compare.in_scope(|| assemble(application, commit, manifests, &live));
        Ok((live, plan))
    };
    traced(work_span!("plan", "planning"), work).await
}
