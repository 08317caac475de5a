//! Brings one application to its documents: the plan, then rolling services and rollouts side by side, then pruning.

use super::deployment::Deployment;
use super::events::{Event, Watcher};
use super::plan::{CONCURRENCY, read_live};
use super::ports::{Platform, Rollout, Settled, Trouble, TroubleKind};
use super::run::{Adapter, Ports, Run, RunEnd, StopSignal, backoff};
use crate::model::{HookPhase, SyncMode, Turn};
use crate::plan::{Change, Live, Plan, PlanItem, assemble};
use crate::rollout::Outcome;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How often a rolling service is asked whether it has settled, in seconds.
const POLL: Duration = Duration::from_secs(5);

/// What came of a sync.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    pub plan: Plan,
    /// One for each resource or workload that had something to do, in the plan's order.
    pub results: Vec<ItemResult>,
    pub verdict: Verdict,
}

/// What came of one resource or workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemResult {
    /// `Service/worker`, `BlueGreen/web`.
    pub document: String,
    pub verdict: Verdict,
    /// A sentence; why it failed, or what is awaited. Empty when all is well.
    pub message: String,
}

/// How a sync ended, the worst of its parts. In ascending order of badness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Done,
    AwaitingApproval,
    TimedOut,
    Failed,
    Error,
    Stopped,
}

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
    let live = read_live(adapter, deployment).await?;
    let plan = assemble(&deployment.application, &deployment.commit, &deployment.manifests, &live);
    watcher.planned(&plan);
    let application = &deployment.application;
    if application.suspend || application.sync.mode == SyncMode::Observe {
        return Ok(SyncReport { plan, results: vec![], verdict: Verdict::Done });
    }
    let end = Instant::now() + Duration::from_secs(application.sync.timeout);
    let work = Work { adapter, deployment, watcher, stop, end };
    let todo = Todo::new(deployment, &plan, &live);
    let mut results = work.apply(&todo, |turn| turn.phase <= HookPhase::Sync).await;
    let prunes: Vec<&PlanItem> = plan.items.iter().filter(|item| item.change == Change::Prune).collect();
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
    Ok(SyncReport { plan, results, verdict })
}

struct Work<'a, A> {
    adapter: &'a A,
    deployment: &'a Deployment,
    watcher: &'a dyn Watcher,
    stop: &'a StopSignal,
    end: Instant,
}

/// What has something to do in a sync, pruning aside.
struct Todo<'a> {
    items: Vec<&'a PlanItem>,
    rollouts: Vec<Rollout>,
}

impl<'a> Todo<'a> {
    fn new(deployment: &Deployment, plan: &'a Plan, live: &Live) -> Todo<'a> {
        let has_work = |item: &&PlanItem| match item.change {
            Change::Prune => false,
            // Nothing is planned for it: it has work only if something else fails.
            _ if item.turn.phase == HookPhase::SyncFail => true,
            // What was changed by a run that was cut off is as declared, but may not have come to rest.
            Change::Unchanged => live.moving.contains(&item.resource),
            _ => true,
        };
        let items = plan.items.iter().filter(|item| !item.carried).filter(has_work).collect();
        Todo { items, rollouts: deployment.rollouts() }
    }

    fn turns(&self) -> BTreeSet<Turn> {
        let items = self.items.iter().map(|item| item.turn);
        items.chain(self.rollouts.iter().map(|rollout| rollout.turn)).collect()
    }
}

fn are_done(results: &[ItemResult]) -> bool {
    results.iter().all(|result| result.verdict == Verdict::Done)
}

impl<A: Adapter + Platform> Work<'_, A> {
    /// One turn after the other, as far as all goes well. Within a turn neither items nor rollouts wait for another.
    async fn apply(&self, todo: &Todo<'_>, wanted: impl Fn(&Turn) -> bool) -> Vec<ItemResult> {
        let mut results = vec![];
        for turn in todo.turns().into_iter().filter(wanted) {
            let items = todo.items.iter().copied().filter(|item| item.turn == turn).collect();
            let rollouts = todo.rollouts.iter().filter(|rollout| rollout.turn == turn).collect();
            let (items, rollouts) = tokio::join!(self.each(items), self.rollouts(rollouts));
            results.extend(items);
            results.extend(rollouts);
            if !are_done(&results) {
                break;
            }
        }
        results
    }

    /// Deletes what the plan announced and what may still go. The plan may be an hour old by now, and somebody may have
    /// sent requests to what it was going to delete: everything is read once more, as the only writer.
    async fn prune(&self, announced: &[&PlanItem]) -> Vec<ItemResult> {
        let mut failures = 0;
        let plan = loop {
            let pause = match self.look_again().await {
                Ok(plan) => break plan,
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => Duration::ZERO,
                Err(trouble) if trouble.kind == TroubleKind::Transient && !self.stop.is_set() => {
                    failures += 1;
                    backoff(failures)
                }
                Err(trouble) => return unpruned(announced, Verdict::Error, &trouble.to_string()),
            };
            if Instant::now() + pause >= self.end {
                return unpruned(announced, Verdict::TimedOut, "the time given to the sync is over");
            }
            self.adapter.pause(pause).await;
        };
        let (pruned, kept): (Vec<&PlanItem>, Vec<&PlanItem>) = announced.iter().partition(|item| {
            plan.items.iter().any(|now| now.change == Change::Prune && now.resource == item.resource)
        });
        for item in kept {
            let text = format!("{} is not pruned: it changed since the plan was made", item.resource);
            self.watcher.event(Event::Notice { workload: self.deployment.application.name.clone(), text });
        }
        self.each(pruned).await
    }

    async fn look_again(&self) -> Result<Plan, Trouble> {
        self.adapter.check_lease().await?;
        let live = read_live(self.adapter, self.deployment).await?;
        let Deployment { application, commit, manifests } = self.deployment;
        Ok(assemble(application, commit, manifests, &live))
    }

    async fn each(&self, items: Vec<&PlanItem>) -> Vec<ItemResult> {
        let results = stream::iter(items).map(|item| self.item(item)).buffered(CONCURRENCY);
        results.collect().await
    }

    async fn item(&self, item: &PlanItem) -> ItemResult {
        let document = item.document();
        let (verdict, message) = self.carry_out(item, &document).await;
        ItemResult { document, verdict, message }
    }

    async fn carry_out(&self, item: &PlanItem, document: &str) -> (Verdict, String) {
        if item.change == Change::Blocked {
            return (Verdict::Error, item.why.clone());
        }
        let mut failures = 0;
        let mut applied = item.change == Change::Unchanged && item.turn.phase != HookPhase::SyncFail;
        loop {
            if self.stop.is_set() {
                return (Verdict::Stopped, "stopped before it had settled; the next sync goes on".into());
            }
            let settling = applied;
            let step = if settling {
                self.settle(item, document).await
            } else {
                self.adapter.apply_item(self.deployment, item).await.map(|()| {
                    applied = true;
                    let text = format!("{} {}", item.change, item.resource);
                    self.watcher.event(Event::Applied { document: document.to_owned(), text });
                    None
                })
            };
            let pause = match step {
                Ok(Some(end)) => return end,
                Ok(None) => {
                    failures = 0;
                    if settling { POLL } else { Duration::ZERO }
                }
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => Duration::ZERO,
                Err(trouble) if trouble.kind == TroubleKind::Transient => {
                    failures += 1;
                    let text = trouble.to_string();
                    self.watcher.event(Event::Trouble { workload: document.to_owned(), text });
                    backoff(failures)
                }
                Err(trouble) => return (Verdict::Error, trouble.to_string()),
            };
            if Instant::now() + pause >= self.end {
                return (
                    Verdict::TimedOut,
                    "the time given to the sync is over; the next one goes on".into(),
                );
            }
            tokio::select! {
                () = self.adapter.pause(pause) => {}
                () = self.stop.wait() => {}
            }
        }
    }

    /// Asks whether what the item is about has come to rest; `Some` if that is decided.
    async fn settle(&self, item: &PlanItem, document: &str) -> Result<Option<(Verdict, String)>, Trouble> {
        if item.change == Change::Prune {
            return Ok(Some((Verdict::Done, String::new())));
        }
        Ok(match self.adapter.settled(self.deployment, item).await? {
            Settled::Steady => Some((Verdict::Done, String::new())),
            Settled::Failed { state, troubles } => {
                let why: Vec<String> = std::iter::once(state).chain(troubles).collect();
                Some((Verdict::Failed, why.join("; ")))
            }
            Settled::InProgress { state, troubles } => {
                let text =
                    troubles.first().map_or_else(|| state.clone(), |trouble| format!("{state}; {trouble}"));
                self.watcher.event(Event::Settling { document: document.to_owned(), text });
                None
            }
        })
    }

    async fn rollouts(&self, rollouts: Vec<&Rollout>) -> Vec<ItemResult> {
        let results = stream::iter(rollouts)
            .map(|rollout| async move {
                let ports = Ports { adapter: self.adapter, watcher: self.watcher };
                let left = self.end.saturating_duration_since(Instant::now());
                let end = Run::new(ports, rollout).to_the_end(left, self.stop).await;
                let (verdict, message) = judge(end);
                ItemResult { document: format!("BlueGreen/{}", rollout.blue_green.name), verdict, message }
            })
            .buffered(CONCURRENCY);
        results.collect().await
    }
}

fn unpruned(items: &[&PlanItem], verdict: Verdict, why: &str) -> Vec<ItemResult> {
    let result =
        |item: &&PlanItem| ItemResult { document: item.document(), verdict, message: why.to_owned() };
    items.iter().map(result).collect()
}

fn judge(end: RunEnd) -> (Verdict, String) {
    match end {
        RunEnd::Outcome(Outcome::Done) => (Verdict::Done, String::new()),
        RunEnd::Outcome(Outcome::Failed { reason }) => (Verdict::Failed, reason),
        RunEnd::Outcome(Outcome::AwaitingApproval) => {
            (Verdict::AwaitingApproval, "all gates are open; `cutover promote` lets it go on".into())
        }
        RunEnd::Outcome(Outcome::Blocked { reason }) => (Verdict::Error, reason),
        RunEnd::TimedOut { waiting_on } => (Verdict::TimedOut, waiting_on),
        RunEnd::Stopped { state } => (Verdict::Stopped, state),
        RunEnd::Trouble(trouble) => (Verdict::Error, trouble.to_string()),
    }
}
