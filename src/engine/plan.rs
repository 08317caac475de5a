//! Reads the live state of one application and plans against it. Writes nothing.

use super::deployment::Deployment;
use super::events::Silent;
use super::ports::{Platform, Rollout, Trouble, TroubleKind};
use super::run::{Adapter, Ports, Run, hold};
use crate::model::Slot;
use crate::plan::{Live, LiveRollout, Owned, Plan, assemble, untold_touch};
use futures_util::{StreamExt, stream};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many workloads are read or rolled out at the same time.
pub(super) const CONCURRENCY: usize = 32;
/// How often an answer that is older than our own last write is asked for again.
const STALE_TRIES: u32 = 5;

/// What a sync of `deployment` would do now.
///
/// # Errors
/// Any read that failed, except those of one blue/green workload alone: they block that workload and say so.
pub async fn plan<A: Adapter + Platform>(adapter: &A, deployment: &Deployment) -> Result<Plan, Trouble> {
    let live = read_live(adapter, deployment).await?;
    Ok(assemble(&deployment.application, &deployment.commit, &deployment.manifests, &live))
}

/// Everything a plan is made from.
///
/// # Errors
/// As [`plan`].
pub async fn read_live<A: Adapter + Platform>(adapter: &A, deployment: &Deployment) -> Result<Live, Trouble> {
    let mut live = adapter.read_live(deployment).await?;
    let rollouts = deployment.rollouts();
    let readings = stream::iter(rollouts.iter())
        .map(|rollout| async move { (rollout.blue_green.name.clone(), observe(adapter, rollout).await) })
        .buffered(CONCURRENCY);
    tokio::pin!(readings);
    while let Some((name, reading)) = readings.next().await {
        match reading {
            // Credentials and throttles concern everything.
            Err(trouble) if matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Transient) => {
                return Err(trouble);
            }
            reading => {
                live.rollouts.insert(name, reading.map_err(|trouble| trouble.to_string()));
            }
        }
    }
    mark_in_use(adapter, deployment, &mut live).await?;
    Ok(live)
}

/// Observes one workload as it is now.
///
/// # Errors
/// Any read that failed.
pub async fn observe<A: Adapter>(adapter: &A, rollout: &Rollout) -> Result<LiveRollout, Trouble> {
    let mut run = Run::new(Ports { adapter, watcher: &Silent }, rollout);
    let desired = run.desired().await?;
    for _ in 0..STALE_TRIES {
        if let Some(observation) = run.observe(&desired).await? {
            let stickiness = run.stickiness().clone();
            let (others, notices) = (run.others().clone(), run.notices().to_vec());
            let now = adapter.now();
            let mut live = LiveRollout { desired, observation, now, stickiness, others, notices };
            // What the sync will ask before it touches a slot is asked here as well, so that both say the same.
            while let Some(slot) = untold_touch(&live) {
                live.observation.slots.get_mut(slot).hold =
                    hold(adapter, rollout, &live.observation, slot).await?;
            }
            return Ok(live);
        }
        adapter.pause(Duration::from_secs(1)).await;
    }
    Err(Trouble {
        kind: TroubleKind::Transient,
        doing: format!("observing {}", rollout.blue_green.name),
        message: "the answers stay older than our own last write".into(),
    })
}

/// Asks for what is no longer declared whether requests still reach it: then it is kept.
async fn mark_in_use<A: Adapter>(
    adapter: &A,
    deployment: &Deployment,
    live: &mut Live,
) -> Result<(), Trouble> {
    let mut declared = declared_services(deployment);
    let parts = live.slots.values().flat_map(|slots| Slot::BOTH.map(|slot| slots.get(slot))).flatten();
    declared.extend(parts.map(|part| part.key.to_string()));
    let is_asked = |owned: &&mut Owned| {
        owned.in_use.is_none() && !owned.target_groups.is_empty() && !declared.contains(&owned.resource)
    };
    for owned in live.owned.iter_mut().filter(is_asked) {
        let behind = adapter.traffic_behind(&owned.target_groups, &[]).await?;
        // To take it out of the rule, as the hindrance says, would leave these requests to nobody.
        owned.in_use = behind.map(|hindrance| {
            format!(
                "{}; bring its documents back, or let something else answer these requests before you take it out of the \
                 rule",
                hindrance.why
            )
        });
    }
    Ok(())
}

/// The live names of all ECS services that documents declare, slots included.
pub fn declared_services(deployment: &Deployment) -> BTreeSet<String> {
    let manifests = &deployment.manifests;
    let mut names = BTreeSet::new();
    for service in manifests.services.values() {
        let name = service.live_name();
        match manifests.blue_green_of(&service.name) {
            Some(blue_green) => names.extend(Slot::BOTH.map(|slot| blue_green.slot_workload(slot, name))),
            None => {
                names.insert(name.to_owned());
            }
        }
    }
    names
}
