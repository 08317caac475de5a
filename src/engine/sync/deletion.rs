//! Deletes everything that an application owns, traffic first, and what is kept about it.

use super::place::{Place, document, take_place};
use super::report::{ItemResult, SyncReport, Verdict, are_done};
use super::rollouts::Runs;
use super::standing::Unfinished;
use super::work::{Look, Work};
use super::worst;
use crate::engine::deployment::Deployment;
use crate::engine::events::{Event, Watcher};
use crate::engine::ports::{Platform, Trouble};
use crate::engine::request::telling_lock;
use crate::engine::run::{Adapter, StopSignal};
use crate::model::PlatformKind;
use crate::plan::{Change, Plan, PlanItem, plan_deletion};
use crate::rollout::Terms;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long the objects of one turn have to go before those that do not need them are told to go as well.
const PATIENCE: Duration = Duration::from_secs(60);

/// What [`delete_all`] would do now; the documents of `deployment` count for nothing.
///
/// # Errors
/// Any read that failed.
pub async fn plan_delete<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
) -> Result<Plan, Trouble> {
    let live = adapter.read_owned(deployment).await?;
    let terms = match deployment.application.destination.platform() {
        PlatformKind::Ecs => Terms::Ecs,
        PlatformKind::Kubernetes => Terms::BalancedPods,
    };
    let mut held = BTreeMap::new();
    for owned in live.owned.iter().filter(|owned| owned.in_use.is_none() && !owned.target_groups.is_empty()) {
        let behind = adapter.traffic_behind(&owned.target_groups, &[]).await?;
        held.extend(behind.map(|hindrance| (owned.resource.clone(), hindrance.in_words(terms))));
    }
    Ok(plan_deletion(&deployment.application, &deployment.commit, &live, &held))
}

/// Deletes everything that the application owns, as far as it goes, and forgets the application once nothing is left. What
/// does not go is told; another call goes on.
///
/// # Errors
/// Only if there is no plan; everything later is in the report.
pub async fn delete_all<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<SyncReport, Trouble> {
    let document = document(&deployment.application);
    let waits = |text| watcher.event(Event::Settling { document: document.clone(), text });
    telling_lock(adapter, waits, carry_out(adapter, deployment, watcher, stop).boxed_local()).await
}

async fn carry_out<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<SyncReport, Trouble> {
    let time = Duration::from_secs(deployment.application.sync.timeout);
    let end = Instant::now() + time;
    let plan = plan_delete(adapter, deployment).await?;
    watcher.planned(&plan);
    let has_work = plan.items.iter().any(|item| item.change == Change::Prune);
    if !has_work && (!plan.items.is_empty() || !adapter.has_bookkeeping().await?) {
        let results = blocked(&plan);
        return Ok(report(plan, results));
    }
    let end = match take_place(adapter, &deployment.application, watcher, stop).await {
        Place::NotTaken(result) => return Ok(report(plan, vec![result])),
        Place::WaitedFor => Instant::now() + time,
        Place::Free => end,
    };
    adapter.wait_until(end);
    let runs = Runs::new(adapter, watcher, &[]);
    let work = Work { adapter, deployment, watcher, stop, end, runs };
    let results = match work.only_writer().await {
        Ok(plan) => work.delete_planned(&plan).await,
        Err(result) => vec![result],
    };
    Ok(report(plan, results))
}

impl<A: Adapter + Platform> Work<'_, A> {
    /// Takes the lock, and plans once more under it.
    async fn only_writer(&self) -> Result<Plan, ItemResult> {
        let document = document(&self.deployment.application);
        let end = |(verdict, message)| ItemResult { document: document.clone(), verdict, message };
        let taken = async || self.adapter.check_lease().await.map(Look::Is);
        self.patiently(&document, Duration::ZERO, taken).await.map_err(end)?;
        let plan = async || plan_delete(self.adapter, self.deployment).await.map(Look::Is);
        self.patiently(&document, Duration::ZERO, plan).await.map_err(end)
    }

    async fn delete_planned(&self, plan: &Plan) -> Vec<ItemResult> {
        let free: Vec<&PlanItem> = plan.items.iter().filter(|item| item.change == Change::Prune).collect();
        let held = plan.items.iter().filter(|item| item.change == Change::Blocked).map(Unfinished::of);
        let mut results = blocked(plan);
        results.extend(self.in_turns(&free, held.collect(), Some(PATIENCE)).await);
        if are_done(&results) {
            results.extend(self.forget().await);
        }
        results
    }

    /// Removes what is kept about the application, once a reading shows that it owns nothing any more.
    async fn forget(&self) -> Option<ItemResult> {
        let document = document(&self.deployment.application);
        let forgotten = self.patiently(&document, Duration::ZERO, async || {
            let left = plan_delete(self.adapter, self.deployment).await?;
            let names: Vec<String> = left.items.iter().map(PlanItem::document).collect();
            if names.is_empty() {
                self.adapter.remove_bookkeeping().await?;
            }
            Ok(Look::Is(names))
        });
        let end = |verdict, message| Some(ItemResult { document: document.clone(), verdict, message });
        match forgotten.await {
            Ok(left) if left.is_empty() => None,
            Ok(left) => end(
                Verdict::TimedOut,
                format!("{} came while everything was deleted; it goes with the next try", left.join(", ")),
            ),
            Err((verdict, message)) => end(verdict, message),
        }
    }
}

/// What can't go, and why.
fn blocked(plan: &Plan) -> Vec<ItemResult> {
    let blocked = plan.items.iter().filter(|item| item.change == Change::Blocked);
    let result = |item: &PlanItem| ItemResult {
        document: item.document(),
        verdict: Verdict::Error,
        message: item.why.clone(),
    };
    blocked.map(result).collect()
}

fn report(plan: Plan, results: Vec<ItemResult>) -> SyncReport {
    let verdict = worst(&results);
    SyncReport { plan, results, verdict }
}
