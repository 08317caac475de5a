//! Brings one application to its documents: the plan, then rolling services and rollouts side by side, then pruning.

use super::deployment::Deployment;
use super::events::{Event, Watcher};
use super::plan::{CONCURRENCY, read_live};
use super::ports::{Platform, Rollout, Settled, Trouble, TroubleKind};
use super::run::{Adapter, Ports, Run, RunEnd, StopSignal, backoff};
use super::status::{Status, status, summarise};
use crate::model::{HookPhase, SyncMode, Turn};
use crate::plan::{Change, Live, Plan, PlanItem, assemble};
use crate::rollout::{Outcome, decide};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How often a rolling service is asked whether it has settled, in seconds.
const POLL: Duration = Duration::from_secs(5);
/// How often a reading after the last write is tried again.
const LOOKS: u32 = 2;

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

/// What came of a sync, and how the application stands after it.
#[derive(Clone, Debug)]
pub struct Synced {
    pub report: SyncReport,
    /// As read after the last write; one that had nothing to do costs no further read. If that can't be read, it is how
    /// everything stood before, and a notice says why.
    pub status: Status,
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

    /// The results, if neither an item nor a rollout has anything to do: what was read for the plan says it all.
    fn already_done(&self, live: &Live, watcher: &dyn Watcher) -> Option<Vec<ItemResult>> {
        let is_idle = |item: &&PlanItem| item.turn.phase == HookPhase::SyncFail;
        if !self.items.iter().all(is_idle) {
            return None;
        }
        let decision = |rollout: &Rollout| {
            let reading = live.rollouts.get(&rollout.blue_green.name)?.as_ref().ok()?;
            let decision = decide(&reading.desired, &reading.observation, reading.now);
            (decision.outcome() == Some(Outcome::Done)).then_some((reading, decision))
        };
        let decisions: Vec<_> = self.rollouts.iter().map(decision).collect::<Option<_>>()?;
        let mut results = vec![];
        for (rollout, (reading, decision)) in self.rollouts.iter().zip(decisions) {
            let workload = rollout.blue_green.name.clone();
            watcher.observed(&workload, &reading.observation);
            watcher.event(Event::Phase { workload: workload.clone(), phase: decision.phase });
            if let Some(on) = decision.waiting_on {
                let text = on.to_string();
                watcher.event(Event::Waiting { workload: workload.clone(), on, text });
            }
            let document = format!("BlueGreen/{workload}");
            results.push(ItemResult { document, verdict: Verdict::Done, message: String::new() });
        }
        Some(results)
    }

    fn turns(&self) -> BTreeSet<Turn> {
        let items = self.items.iter().map(|item| item.turn);
        items.chain(self.rollouts.iter().map(|rollout| rollout.turn)).collect()
    }
}

/// Turns that are waited for together: those of one wave, but for its first ranks, each of which the next one needs.
fn groups(turns: impl Iterator<Item = Turn>) -> Vec<Vec<Turn>> {
    let mut groups: Vec<Vec<Turn>> = vec![];
    for turn in turns {
        match groups.last_mut().filter(|group| group.last().is_some_and(|last| last.is_awaited_with(turn))) {
            Some(group) => group.push(turn),
            None => groups.push(vec![turn]),
        }
    }
    groups
}

fn are_done(results: &[ItemResult]) -> bool {
    results.iter().all(|result| result.verdict == Verdict::Done)
}

impl<A: Adapter + Platform> Work<'_, A> {
    /// One group of turns after the other, as far as all goes well.
    async fn apply(&self, todo: &Todo<'_>, wanted: impl Fn(&Turn) -> bool) -> Vec<ItemResult> {
        let mut results = vec![];
        for group in groups(todo.turns().into_iter().filter(wanted)) {
            results.extend(self.group(todo, &group).await);
            if !are_done(&results) {
                break;
            }
        }
        results
    }

    /// Applies turn after turn, and waits for all of it together. The rollouts begin with the last turn, when everything
    /// that their pods may need is on its way; neither they nor the items of that turn wait for another.
    async fn group(&self, todo: &Todo<'_>, turns: &[Turn]) -> Vec<ItemResult> {
        let of = |turn: Turn| todo.items.iter().copied().filter(move |item| item.turn == turn);
        let Some((last, earlier)) = turns.split_last() else { return vec![] };
        let mut applied: Vec<&PlanItem> = vec![];
        for turn in earlier {
            let items: Vec<&PlanItem> = of(*turn).collect();
            let failed: Vec<ItemResult> = stream::iter(items.iter().copied().map(|item| self.bring(item)))
                .buffered(CONCURRENCY)
                .filter_map(|result| async { result.err() })
                .collect()
                .await;
            // How those that were applied come to rest is not waited for: it would only delay the bad news.
            if !failed.is_empty() {
                return failed;
            }
            applied.extend(items);
        }
        let rollouts = todo.rollouts.iter().filter(|rollout| turns.contains(&rollout.turn)).collect();
        let (mut results, last, rollouts) =
            tokio::join!(self.rest_each(applied), self.each(of(*last).collect()), self.rollouts(rollouts));
        results.extend(last);
        results.extend(rollouts);
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
        let mut results = vec![];
        // What was brought first goes last: workloads before what they refer to, namespaces at the very end.
        let turns: BTreeSet<Turn> = pruned.iter().map(|item| item.turn).collect();
        for turn in turns.into_iter().rev() {
            results
                .extend(self.each(pruned.iter().copied().filter(|item| item.turn == turn).collect()).await);
            if !are_done(&results) {
                break;
            }
        }
        results
    }

    async fn look_again(&self) -> Result<Plan, Trouble> {
        self.adapter.check_lease().await?;
        let live = read_live(self.adapter, self.deployment).await?;
        let Deployment { application, commit, manifests } = self.deployment;
        Ok(assemble(application, commit, manifests, &live))
    }

    async fn each(&self, items: Vec<&PlanItem>) -> Vec<ItemResult> {
        let carried_out = |item| async move {
            match self.bring(item).await {
                Ok(()) => self.rest(item).await,
                Err(result) => result,
            }
        };
        stream::iter(items).map(carried_out).buffered(CONCURRENCY).collect().await
    }

    async fn rest_each(&self, items: Vec<&PlanItem>) -> Vec<ItemResult> {
        stream::iter(items).map(|item| self.rest(item)).buffered(CONCURRENCY).collect().await
    }

    /// Writes what the item says, or says why that was not possible.
    async fn bring(&self, item: &PlanItem) -> Result<(), ItemResult> {
        let document = item.document();
        let end = |verdict, message| ItemResult { document: item.document(), verdict, message };
        match item.change {
            Change::Blocked => return Err(end(Verdict::Error, item.why.clone())),
            Change::Unchanged if item.turn.phase != HookPhase::SyncFail => return Ok(()),
            _ => {}
        }
        let applied = self.patiently(&document, Duration::ZERO, async || {
            self.adapter.apply_item(self.deployment, item).await?;
            let text = format!("{} {}", item.change, item.resource);
            self.watcher.event(Event::Applied { document: document.clone(), text });
            Ok(Some(()))
        });
        applied.await.map_err(|(verdict, message)| end(verdict, message))
    }

    /// Waits until what the item is about has come to rest.
    async fn rest(&self, item: &PlanItem) -> ItemResult {
        let document = item.document();
        let settled = self.patiently(&document, POLL, async || self.settle(item, &document).await).await;
        let (verdict, message) = settled.unwrap_or_else(|end| end);
        ItemResult { document, verdict, message }
    }

    /// Repeats `step` until it gives something, with a pause after it gave nothing, longer ones after failures that may
    /// pass. The error is how the wait ended instead.
    async fn patiently<T>(
        &self,
        document: &str,
        pause: Duration,
        step: impl AsyncFn() -> Result<Option<T>, Trouble>,
    ) -> Result<T, (Verdict, String)> {
        let mut failures = 0;
        loop {
            if self.stop.is_set() {
                let text = "stopped before it had settled; the next sync goes on";
                return Err((Verdict::Stopped, text.into()));
            }
            let pause = match step().await {
                Ok(Some(given)) => return Ok(given),
                Ok(None) => {
                    failures = 0;
                    pause
                }
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => Duration::ZERO,
                Err(trouble) if trouble.kind == TroubleKind::Transient => {
                    failures += 1;
                    let text = trouble.to_string();
                    self.watcher.event(Event::Trouble { workload: document.to_owned(), text });
                    backoff(failures)
                }
                Err(trouble) => return Err((Verdict::Error, trouble.to_string())),
            };
            if Instant::now() + pause >= self.end {
                let text = "the time given to the sync is over; the next one goes on";
                return Err((Verdict::TimedOut, text.into()));
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
