//! An application on ECS, for the controller.

use super::patrol::{OnBeat, Patrol};
use super::site::{carry_on, delete_all, handle, sync, under_way};
use super::{EcsTarget, Target};
use crate::aws::Aws;
use crate::controller::{Place, Request, Site, Synced};
use crate::engine::{Deployment, ItemResult, StopSignal, SyncReport, Trouble, Watcher};
use crate::plan::UnderWay;
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;

/// Everything of a run is made anew for each sync, so that nothing that one run believed is taken over by the next. What
/// is kept are the clients, which many applications share, and that services and rules are looked at now and then.
pub(super) struct EcsSite {
    place: Place,
    cluster: String,
    aws: Aws,
    time_scale: u32,
    beat: OnBeat,
}

impl EcsSite {
    /// In a cluster, through these clients.
    pub fn new(place: Place, cluster: String, aws: Aws, time_scale: u32, patrol: &Arc<Patrol>) -> EcsSite {
        let beat = patrol.follow(&place.key, &cluster, place.application.sync.interval);
        EcsSite { place, cluster, aws, time_scale, beat }
    }

    fn target(&self) -> EcsTarget {
        let aws = self.aws.fenced(Some(self.place.fence.clone()));
        let target = EcsTarget::new(aws, &self.place.application, &self.cluster, self.time_scale);
        target.beside(Arc::clone(&self.place.neighbours)).remembering(Arc::clone(&self.place.history))
    }
}

impl Site for EcsSite {
    fn sync<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<Synced, Trouble>> {
        Box::pin(async move {
            let busy = self.beat.begin();
            let target = Target::Ecs(Box::new(self.target()));
            let synced = sync(&target, deployment, watcher, stop).await?;
            if let Target::Ecs(target) = &target {
                busy.saw(target.looked());
            }
            Ok(synced)
        })
    }

    fn carry_on<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Vec<ItemResult>> {
        Box::pin(async move {
            let _busy = self.beat.begin();
            carry_on(&Target::Ecs(Box::new(self.target())), deployment, watcher, stop).await
        })
    }

    fn under_way(&self) -> LocalBoxFuture<'_, Result<Vec<UnderWay>, Trouble>> {
        Box::pin(
            async move { under_way(&Target::Ecs(Box::new(self.target())), &self.place.application).await },
        )
    }

    fn delete_all<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<SyncReport, Trouble>> {
        Box::pin(async move {
            let _busy = self.beat.begin();
            delete_all(&Target::Ecs(Box::new(self.target())), deployment, watcher, stop).await
        })
    }

    fn handle<'a>(
        &'a self,
        deployment: &'a Deployment,
        request: &'a Request,
    ) -> LocalBoxFuture<'a, Result<String, Trouble>> {
        Box::pin(async move { handle(&Target::Ecs(Box::new(self.target())), deployment, request).await })
    }
}
