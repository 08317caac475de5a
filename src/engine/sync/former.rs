//! Rollouts under way that the documents do not declare any more: they go on, or back, by the documents that they began with.

use super::report::{ItemResult, Verdict};
use super::rollouts::Runs;
use super::work::Work;
use crate::engine::deployment::Deployment;
use crate::engine::events::{Event, Watcher};
use crate::engine::ports::{Platform, Rollout};
use crate::engine::run::{Adapter, StopSignal};
use crate::model::Kind;
use crate::plan::{Live, Owned, Undeclared, undeclared};
use futures_util::FutureExt;
use std::collections::BTreeSet;
use tokio::time::Instant;

/// The live slots of a reading.
pub(super) fn slots_of(live: &Live) -> Vec<Owned> {
    live.owned.iter().filter(|owned| owned.slot.is_some()).cloned().collect()
}

/// True if `slots` tell of a rollout that the documents do not declare.
pub(super) fn has_former(deployment: &Deployment, slots: &[Owned]) -> bool {
    !undeclared(slots, &declared(deployment)).is_empty()
}

/// Looks after those rollouts until no requests are on a candidate or on their way back. Where the live `slots` are not
/// known they are read. The answer is what did not end well, and what nobody can look after.
pub(super) async fn carry_former<A: Adapter + Platform>(
    adapter: &A,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
    end: Instant,
    slots: Option<Vec<Owned>>,
) -> Vec<ItemResult> {
    let slots = match slots {
        Some(slots) => slots,
        None => match adapter.read_slots(&deployment.application).await {
            Ok(slots) => slots,
            Err(trouble) => {
                let text = format!(
                    "it can't be read whether rollouts are under way that no document declares: {trouble}"
                );
                watcher.event(Event::Trouble { workload: deployment.application.name.clone(), text });
                return vec![];
            }
        },
    };
    let (rollouts, mut results) = former_rollouts(adapter, deployment, &slots).await;
    let runs = Runs::new(adapter, watcher, &rollouts);
    let names = rollouts.iter().map(|rollout| rollout.blue_green.name.clone()).collect();
    let work = Work { adapter, deployment, watcher, stop, end, runs };
    work.carry_on(names, true).boxed_local().await;
    results.extend(work.carried_besides(&[]).await);
    results
}

/// Those rollouts with the documents that they began with, and what nobody can look after.
pub(in crate::engine) async fn former_rollouts<A: Platform>(
    adapter: &A,
    deployment: &Deployment,
    slots: &[Owned],
) -> (Vec<Rollout>, Vec<ItemResult>) {
    let (mut rollouts, mut unwatched) = (vec![], vec![]);
    for one in undeclared(slots, &declared(deployment)) {
        match rollout_of(adapter, deployment, &one).await {
            Ok(rollout) => rollouts.push(rollout),
            Err(reason) => unwatched.push(ItemResult {
                document: format!("{}/{}", Kind::BlueGreen, one.name()),
                verdict: Verdict::Error,
                message: match one.commit {
                    Some(_) => one.why_unwatched(&reason),
                    None => one.why(),
                },
            }),
        }
    }
    (rollouts, unwatched)
}

/// Adds what came of such rollouts; what nobody can look after is no longer told as something that is.
pub(super) fn tell(results: &mut Vec<ItemResult>, former: Vec<ItemResult>) {
    for one in former {
        let same = |result: &&mut ItemResult| {
            result.document == one.document
                && (result.verdict, one.verdict) == (Verdict::Error, Verdict::Error)
        };
        match results.iter_mut().find(same) {
            Some(told) => *told = one,
            None => results.push(one),
        }
    }
}

/// The slots' names of all that the documents declare.
fn declared(deployment: &Deployment) -> BTreeSet<String> {
    let rollouts = deployment.rollouts();
    rollouts.iter().flat_map(|rollout| rollout.slot_resources(deployment.namespace())).collect()
}

/// The rollout as the commit declares it that it began with; the error says why nobody can have it.
async fn rollout_of<A: Platform>(
    adapter: &A,
    deployment: &Deployment,
    one: &Undeclared,
) -> Result<Rollout, String> {
    let Some(commit) = one.commit.clone() else {
        return Err("its slots name no commit that it began with".to_owned());
    };
    let short = commit.get(..7).unwrap_or(&commit).to_owned();
    let manifests = adapter.documents_at(&commit).await;
    let manifests =
        manifests.map_err(|why| format!("the documents of commit {short} can't be read: {why}"))?;
    let former = Deployment { application: deployment.application.clone(), commit, manifests };
    let is_it = |rollout: &Rollout| rollout.slot_resources(former.namespace()).contains(&one.resource);
    let found = former.rollouts().into_iter().find(is_it);
    found.ok_or_else(|| {
        format!("the documents of commit {short}, with which it began, declare no BlueGreen for it")
    })
}
