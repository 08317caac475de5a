//! What the sites of both platforms do in the same way.

use super::Target;
use crate::controller::{Request, Synced};
use crate::engine::{
    self, Deployment, Event, ItemResult, Platform, StopSignal, SyncReport, Trouble, TroubleKind, Unfit,
    Watcher,
};
use crate::model::Application;
use crate::plan::{self, UnderWay};

/// Syncs, and frees the lock.
pub(super) async fn sync(
    target: &Target,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<Synced, Trouble> {
    let synced = engine::sync_and_look(target, deployment, watcher, stop).await;
    release(target, deployment, watcher).await;
    synced
}

/// Looks after rollouts under way, and frees the lock.
pub(super) async fn carry_on(
    target: &Target,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Vec<ItemResult> {
    let results = engine::carry_on(target, deployment, watcher, stop).await;
    release(target, deployment, watcher).await;
    results
}

/// The rollouts that are not over, as the live slots say.
pub(super) async fn under_way(target: &Target, application: &Application) -> Result<Vec<UnderWay>, Trouble> {
    Ok(plan::under_way(&target.read_slots(application).await?))
}

/// Deletes everything that the application owns, and frees the lock.
pub(super) async fn delete_all(
    target: &Target,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<SyncReport, Trouble> {
    let report = engine::delete_all(target, deployment, watcher, stop).await;
    release(target, deployment, watcher).await;
    report
}

async fn release(target: &Target, deployment: &Deployment, watcher: &dyn Watcher) {
    if let Err(trouble) = target.release().await {
        let text = format!("the application's lock could not be freed; others wait for a minute: {trouble}");
        watcher.event(Event::Notice { workload: deployment.application.name.clone(), text });
    }
}

/// Does what was asked for, and frees the lock.
pub(super) async fn handle(
    target: &Target,
    deployment: &Deployment,
    request: &Request,
) -> Result<String, Trouble> {
    let done = engine::handle(target, deployment, request.verb, request.workload.as_deref()).await;
    // One that could not be freed is free after a minute; what was asked for is done all the same.
    let _ = target.release().await;
    done.map_err(|unfit| match unfit {
        Unfit::Trouble(trouble) => trouble,
        other => Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("cutover {}", request.verb.name()),
            message: other.to_string(),
        },
    })
}
