//! Brings one application to its documents: the plan, then rolling services and rollouts side by side, then pruning.

mod apart;
mod deletion;
mod former;
mod lock;
mod place;
mod prune;
mod report;
mod rollouts;
mod standing;
mod todo;
mod work;

pub use deletion::{delete_all, plan_delete};
pub use report::{ItemResult, SyncReport, Synced, Verdict};

use super::deployment::Deployment;
use super::events::{Event, Watcher};
use super::plan::read_live;
use super::ports::{Platform, Trouble};
use super::request::telling_lock;
use super::run::{Adapter, StopSignal, backoff};
use super::spans::{traced, work_span};
use super::status::{Status, status, summarise};
use crate::model::{HookPhase, SyncMode};
use crate::plan::{Change, Live, Plan, PlanItem, assemble};
pub(super) use former::former_rollouts;
use former::{carry_former, has_former, slots_of};
use futures_util::FutureExt;
use place::{Place, document, take_place, tell_lock, tell_turn};
use report::are_done;
use rollouts::Runs;
use std::ops::ControlFlow;
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
            Err(trouble) if trouble.kind.is_passing() && failures < LOOKS => {
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

/// Goes on with the rollouts of `deployment` that have requests on a candidate or on their way back, until none has any
/// more, and does nothing else: for documents that are not to be brought about any more, while there are no better ones.
/// So it does with those that an earlier commit began and that these documents do not declare.
/// The answer is what came of those that did not end well.
pub async fn carry_on<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Vec<ItemResult> {
    let application = &deployment.application;
    let document = document(application);
    let waits = |text| watcher.event(Event::Settling { document: document.clone(), text });
    let carried = async {
        let rollouts = deployment.rollouts();
        let end = Instant::now() + Duration::from_secs(application.sync.timeout);
        adapter.wait_until(end);
        let runs = Runs::new(adapter, watcher, &rollouts);
        let begun = runs.begun(None);
        let work = Work { adapter, deployment, watcher, stop, end, runs };
        let former = carry_former(adapter, deployment, watcher, stop, end, None);
        let ((), former) = tokio::join!(work.carry_on(begun, true).boxed_local(), former.boxed_local());
        let mut results = work.carried_besides(&[]).await;
        former::tell(&mut results, former);
        results
    };
    telling_lock(adapter, waits, carried.boxed_local()).await
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
    let application = &deployment.application;
    let time = Duration::from_secs(application.sync.timeout);
    let end = Instant::now() + time;
    let first = read(adapter, deployment).await;
    if let Ok(reading) = &first {
        watcher.planned(&reading.plan);
    }
    if application.suspend || application.sync.mode == SyncMode::Observe {
        return Ok(ended(deployment, first?, vec![]));
    }
    let first = match first {
        Ok(reading) => match already_done(deployment, reading, watcher) {
            ControlFlow::Break(done) => return Ok(done),
            ControlFlow::Continue(reading) => Ok(reading),
        },
        Err(trouble) => Err(trouble),
    };
    let rollouts = deployment.rollouts();
    let runs = Runs::new(adapter, watcher, &rollouts);
    let begun = runs.begun(first.as_ref().ok().map(|reading| &reading.live));
    let slots = first.as_ref().ok().map(|reading| slots_of(&reading.live));
    let is_former = slots.as_ref().is_some_and(|slots| has_former(deployment, slots));
    let is_begun = !begun.is_empty() || is_former;
    let former = |end| carry_former(adapter, deployment, watcher, stop, end, slots).boxed_local();
    if !is_begun && let Err(trouble) = first {
        adapter.wait_until(end);
        return Err(told_besides(trouble, &former(end).await));
    }
    // A rollout under way waits for nobody's turn.
    let place = match is_begun {
        true => Place::Free,
        false => take_place(adapter, application, watcher, stop).await,
    };
    if let Place::NotTaken(result) = place {
        return Ok(ended(deployment, first?, vec![result]));
    }
    // The time given to it begins with its turn, where that was waited for.
    let end = if matches!(place, Place::WaitedFor) { Instant::now() + time } else { end };
    adapter.wait_until(end);
    let is_known = first.is_ok();
    let work = Work { adapter, deployment, watcher, stop, end, runs };
    let whole = async { work.bring_about(first?, matches!(place, Place::WaitedFor)).await };
    let carried = work.carry_on(begun, is_known);
    let former = async { if is_former || !is_known { former(end).await } else { vec![] } };
    let ended = tokio::join!(carried.boxed_local(), whole.boxed_local(), former);
    let (mut report, mut before, former) = match ended {
        ((), Ok((report, before)), former) => (report, before, former),
        ((), Err(trouble), former) => {
            let besides = work.carried_besides(&[]).await.into_iter().chain(former).collect::<Vec<_>>();
            return Err(told_besides(trouble, &besides));
        }
    };
    let besides = work.carried_besides(&report.results).await;
    report.results.extend(besides);
    former::tell(&mut report.results, former);
    report.verdict = worst(&report.results);
    before.is_current &= !is_begun;
    Ok((report, before))
}

impl<A: Adapter + Platform> Work<'_, A> {
    /// Carries out what is planned, once it is known that it is still so.
    async fn bring_about(&self, reading: Reading, has_waited: bool) -> Result<(SyncReport, Before), Trouble> {
        let Work { adapter, deployment, watcher, .. } = *self;
        let application = &deployment.application;
        let reading = if has_waited {
            // Others worked meanwhile, and people.
            let now = read(adapter, deployment).await?;
            tell_turn(watcher, application, &reading.plan, &now.plan);
            match already_done(deployment, now, watcher) {
                ControlFlow::Break(done) => return Ok(done),
                ControlFlow::Continue(now) => now,
            }
        } else {
            reading
        };
        let reading = match self.read_as_only_writer(&reading).await {
            Ok(None) => reading,
            Ok(Some(now)) => {
                tell_lock(watcher, application, &reading.plan, &now.plan);
                match already_done(deployment, now, watcher) {
                    ControlFlow::Break(done) => return Ok(done),
                    ControlFlow::Continue(now) => now,
                }
            }
            Err(result) => return Ok(ended(deployment, reading, vec![result])),
        };
        let Reading { live, plan, .. } = reading;
        let results = self.write(&live, &plan).await;
        let status = summarise(deployment, &live, &plan);
        let verdict = worst(&results);
        Ok((SyncReport { plan, results, verdict }, Before { status, is_current: false }))
    }

    /// Turn after turn, then the prunes, then the hooks.
    async fn write(&self, live: &Live, plan: &Plan) -> Vec<ItemResult> {
        let todo = Todo::new(self.deployment, plan, live);
        let mut prunes: Vec<&PlanItem> =
            plan.items.iter().filter(|item| item.change == Change::Prune).collect();
        let mut results = self.apply(&todo, |turn| turn.phase <= HookPhase::Sync).await;
        // What is no longer wanted goes last, and only after what may take its place stands.
        let is_tried = |item: &PlanItem| {
            let is_early = todo.unregistered.iter().any(|one| one.resource == item.resource);
            is_early && results.iter().any(|result| result.document == item.document())
        };
        prunes.retain(|item| !is_tried(item));
        if !prunes.is_empty() {
            let span = work_span!("prune", "pruning", items = prunes.len());
            let pruned = self.prune(&prunes, &results).boxed_local().instrument(span).await;
            results.extend(pruned);
        }
        if are_done(&results) {
            results.extend(self.apply(&todo, |turn| turn.phase == HookPhase::PostSync).await);
        }
        if results.iter().any(|result| matches!(result.verdict, Verdict::Failed | Verdict::Error)) {
            results.extend(self.apply(&todo, |turn| turn.phase == HookPhase::SyncFail).await);
        }
        results
    }
}

/// What became of rollouts is told beside what kept the rest from being planned.
fn told_besides(trouble: Trouble, results: &[ItemResult]) -> Trouble {
    let told = results.iter().filter(|result| result.verdict != Verdict::Done);
    let told: String =
        told.map(|result| format!("; meanwhile {}: {}", result.document, result.message)).collect();
    Trouble { message: format!("{}{told}", trouble.message), ..trouble }
}

/// A sync that ended without a write of its own.
fn ended(deployment: &Deployment, reading: Reading, results: Vec<ItemResult>) -> (SyncReport, Before) {
    let Reading { live, plan, .. } = reading;
    let status = summarise(deployment, &live, &plan);
    let verdict = worst(&results);
    (SyncReport { plan, results, verdict }, Before { status, is_current: true })
}

fn worst(results: &[ItemResult]) -> Verdict {
    results.iter().map(|result| result.verdict).max().unwrap_or(Verdict::Done)
}

/// The end of the sync, if there is nothing to do.
fn already_done(
    deployment: &Deployment,
    reading: Reading,
    watcher: &dyn Watcher,
) -> ControlFlow<(SyncReport, Before), Reading> {
    let Reading { live, plan, .. } = &reading;
    if plan.items.iter().any(|item| item.change == Change::Prune) {
        return ControlFlow::Continue(reading);
    }
    match Todo::new(deployment, plan, live).already_done(live, watcher) {
        Some(results) => ControlFlow::Break(ended(deployment, reading, results)),
        None => ControlFlow::Continue(reading),
    }
}

/// Everything that is live, and what of it differs.
struct Reading {
    live: Live,
    plan: Plan,
    /// True if it was read while this run had the lease: nobody else writes since.
    alone: bool,
}

async fn read<A: Adapter + Platform>(adapter: &A, deployment: &Deployment) -> Result<Reading, Trouble> {
    let work = async {
        let alone = adapter.is_held();
        let live = traced(work_span!("read live", "planning"), read_live(adapter, deployment)).await?;
        let Deployment { application, commit, manifests } = deployment;
        let compare = work_span!("compare", "planning");
        let plan = compare.in_scope(|| assemble(application, commit, manifests, &live));
        Ok(Reading { live, plan, alone })
    };
    traced(work_span!("plan", "planning"), work).await
}
