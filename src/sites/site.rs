//! Where one application goes, for the controller: everything of a run is made anew for each sync, so that nothing that
//! one run believed is taken over by the next, and the application's lock is free between them.

use super::accounts::Region;
use super::{EcsTarget, KubernetesTarget, Target};
use crate::aws::Aws;
use crate::controller::{Place, Request, Site, Synced};
use crate::engine::{self, Deployment, Event, StopSignal, Trouble, TroubleKind, Unfit, Watcher};
use crate::kubernetes::Cluster;
use crate::model::Destination;
use futures_util::future::LocalBoxFuture;

/// An application on ECS.
pub(super) struct EcsSite {
    place: Place,
    aws: Aws,
    time_scale: u32,
}

impl EcsSite {
    pub fn new(place: Place, aws: Aws, time_scale: u32) -> EcsSite {
        EcsSite { place, aws, time_scale }
    }

    fn target(&self) -> Result<Target, Trouble> {
        let Destination::Ecs { cluster, .. } = &self.place.application.destination else {
            return Err(elsewhere(&self.place));
        };
        let aws = self.aws.fenced(Some(self.place.fence.clone()));
        let target = EcsTarget::new(aws, &self.place.application, cluster, self.time_scale);
        Ok(Target::Ecs(Box::new(target)))
    }
}

/// An application on Kubernetes.
pub(super) struct KubernetesSite {
    place: Place,
    cluster: Cluster,
    region: Region,
}

impl KubernetesSite {
    pub fn new(place: Place, cluster: Cluster, region: Region) -> KubernetesSite {
        KubernetesSite { place, cluster, region }
    }

    fn target(&self) -> Result<Target, Trouble> {
        let Destination::Kubernetes { namespace, .. } = &self.place.application.destination else {
            return Err(elsewhere(&self.place));
        };
        let cluster = self.cluster.fenced(self.place.fence.clone());
        let application = &self.place.application;
        let target = KubernetesTarget::new(cluster, application, namespace, false, self.region.clone());
        Ok(Target::Kubernetes(Box::new(target)))
    }
}

impl Site for EcsSite {
    fn sync<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<Synced, Trouble>> {
        Box::pin(async move { sync(self.target()?, deployment, watcher, stop).await })
    }

    fn handle<'a>(
        &'a self,
        deployment: &'a Deployment,
        request: &'a Request,
    ) -> LocalBoxFuture<'a, Result<String, Trouble>> {
        Box::pin(async move { handle(self.target()?, deployment, request).await })
    }
}

impl Site for KubernetesSite {
    fn sync<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<Synced, Trouble>> {
        Box::pin(async move { sync(self.target()?, deployment, watcher, stop).await })
    }

    fn handle<'a>(
        &'a self,
        deployment: &'a Deployment,
        request: &'a Request,
    ) -> LocalBoxFuture<'a, Result<String, Trouble>> {
        Box::pin(async move { handle(self.target()?, deployment, request).await })
    }
}

async fn sync(
    target: Target,
    deployment: &Deployment,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Result<Synced, Trouble> {
    let synced = engine::sync_and_look(&target, deployment, watcher, stop).await;
    if let Err(trouble) = target.release().await {
        let text = format!("the application's lock could not be freed; others wait for a minute: {trouble}");
        watcher.event(Event::Notice { workload: deployment.application.name.clone(), text });
    }
    synced
}

async fn handle(target: Target, deployment: &Deployment, request: &Request) -> Result<String, Trouble> {
    let done = engine::handle(&target, deployment, request.verb, request.workload.as_deref()).await;
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

fn elsewhere(place: &Place) -> Trouble {
    let message = "its destination is on another platform than it was opened for".into();
    Trouble { kind: TroubleKind::Rejected, doing: format!("opening {}", place.key), message }
}
