//! An application on Kubernetes, for the controller.

use super::accounts::Region;
use super::clusters::{Clusters, Reach, Shared};
use super::patrol::{OnBeat, Patrols};
use super::site::{carry_on, delete_all, handle, sync, under_way};
use super::{KubernetesTarget, Target};
use crate::controller::{Place, Request, Site, Synced};
use crate::engine::{Deployment, ItemResult, StopSignal, SyncReport, Trouble, TroubleKind, Watcher};
use crate::kubernetes::Resource;
use crate::model::Destination;
use crate::plan::UnderWay;
use crate::platform::kubernetes::{Followed, Forcing, Identity};
use futures_util::future::LocalBoxFuture;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// Everything of a run is made anew for each sync, so that nothing that one run believed is taken over by the next. What
/// is kept is the connection, which many applications share, and that the application's objects are watched.
pub(super) struct KubernetesSite {
    place: Place,
    /// Where objects go that name no namespace.
    namespace: String,
    region: Region,
    reach: Reach,
    clusters: Arc<Clusters>,
    connected: Mutex<Connected>,
    patrols: Arc<Patrols>,
    /// Where a BlueGreen names a load balancer, whose rules no watch tells of.
    beat: OnceCell<OnBeat>,
}

struct Connected {
    shared: Arc<Shared>,
    followed: Option<Followed>,
}

impl KubernetesSite {
    /// # Errors
    /// If no connection can be made, or the destination's namespace is out of bounds.
    pub async fn open(
        place: Place,
        clusters: Arc<Clusters>,
        region: Region,
        patrols: Arc<Patrols>,
    ) -> Result<KubernetesSite, Trouble> {
        let reach = Reach::of(&place)?;
        let namespace = match &place.application.destination {
            Destination::Kubernetes { namespace, .. } => namespace.clone(),
            Destination::Ecs { .. } => String::new(),
        };
        if !place.allowed.has_namespace(&namespace) {
            return Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: format!("opening {}", place.key),
                message: format!("namespace {namespace} is not among those that it may have objects in"),
            });
        }
        let shared = clusters.get(&reach).await?;
        let connected = Mutex::new(Connected { shared, followed: None });
        Ok(KubernetesSite {
            place,
            namespace,
            region,
            reach,
            clusters,
            connected,
            patrols,
            beat: OnceCell::new(),
        })
    }

    fn target(&self) -> KubernetesTarget {
        let cluster = self.connected().shared.cluster.fenced(self.place.fence.clone());
        let (application, region) = (&self.place.application, self.region.clone());
        let target = KubernetesTarget::new(cluster, application, &self.namespace, Forcing::Members, region);
        let lineage = self.place.lineage_of_children().ok().flatten();
        target
            .confined(self.place.allowed.clone())
            .beside(Arc::clone(&self.place.neighbours))
            .remembering(Arc::clone(&self.place.history))
            .recording(lineage.as_ref())
    }

    /// Watches what the documents declare. A kind that its cluster does not serve yet is watched from the next sync on.
    async fn follow(&self, deployment: &Deployment) -> Result<(), Trouble> {
        let shared = Arc::clone(&self.connected().shared);
        let manifests = &deployment.manifests;
        let known = shared.cluster.kinds().await?;
        let keys = manifests.objects.keys();
        let declared = keys.map(|key| (key.group.as_str(), key.kind.as_str()));
        let of_slots = [("", "Service"), ("elbv2.k8s.aws", "TargetGroupBinding")];
        let of_slots = of_slots.into_iter().filter(|_| !manifests.blue_greens.is_empty());
        let names: BTreeSet<(&str, &str)> = declared.chain(of_slots).collect();
        let kinds: BTreeSet<Resource> =
            names.into_iter().filter_map(|(group, kind)| known.preferred(group, kind).cloned()).collect();
        let mut namespaces: BTreeSet<String> =
            manifests.objects.keys().filter_map(|key| key.namespace.clone()).collect();
        namespaces.insert(self.namespace.clone());
        namespaces.retain(|namespace| self.place.allowed.has_namespace(namespace));
        let mut connected = self.connected();
        if !connected.followed.as_ref().is_some_and(|followed| followed.is_of(&kinds, &namespaces)) {
            let identity = Identity::new(&self.place.application.name, &self.namespace);
            let followed = shared.lookout.follow(&self.place.key, &identity, kinds, namespaces);
            connected.followed = Some(followed);
        }
        Ok(())
    }

    async fn sync_once(
        &self,
        deployment: &Deployment,
        watcher: &dyn Watcher,
        stop: &StopSignal,
    ) -> Result<Synced, Trouble> {
        // Before anything is read, so that no change falls in between.
        self.follow(deployment).await?;
        let following = self.connected().followed.as_ref().map(Followed::begin);
        let beat = self.beat_of(deployment).await;
        let busy = beat.map(OnBeat::begin);
        let target = Target::Kubernetes(Box::new(self.target()));
        let synced = sync(&target, deployment, watcher, stop).await?;
        if let Target::Kubernetes(target) = &target {
            if let Some(busy) = busy {
                busy.saw(target.looked());
            }
            if let Some(following) = following {
                following.saw(target.take_sighting());
            }
        }
        // A CustomResourceDefinition may have come.
        self.follow(deployment).await?;
        Ok(synced)
    }

    /// The rounds that look at the application's listener rules, if it has any. That AWS can't be reached is for the sync
    /// itself to say.
    async fn beat_of(&self, deployment: &Deployment) -> Option<&OnBeat> {
        let is_balanced = deployment.manifests.blue_greens.values().any(|one| one.traffic.is_none());
        if !is_balanced {
            return None;
        }
        let follow = || async {
            let patrol = self.patrols.of(&self.region.connect().await?);
            Ok::<_, Trouble>(patrol.follow(&self.place.key, "", self.place.application.sync.interval))
        };
        self.beat.get_or_try_init(follow).await.ok()
    }

    /// Connects anew if the Secret with the kubeconfig has changed; true if it has.
    async fn has_changed(&self) -> Result<bool, Trouble> {
        if !self.reach.is_by_secret() {
            return Ok(false);
        }
        let shared = self.clusters.get(&self.reach).await?;
        let mut connected = self.connected();
        let is_new = !Arc::ptr_eq(&shared, &connected.shared);
        if is_new {
            *connected = Connected { shared, followed: None };
        }
        Ok(is_new)
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site for KubernetesSite {
    fn sync<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<Synced, Trouble>> {
        Box::pin(async move {
            match self.sync_once(deployment, watcher, stop).await {
                Err(trouble)
                    if matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Transient)
                        && self.has_changed().await? =>
                {
                    self.sync_once(deployment, watcher, stop).await
                }
                other => other,
            }
        })
    }

    fn carry_on<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Vec<ItemResult>> {
        Box::pin(async move {
            carry_on(&Target::Kubernetes(Box::new(self.target())), deployment, watcher, stop).await
        })
    }

    fn under_way(&self) -> LocalBoxFuture<'_, Result<Vec<UnderWay>, Trouble>> {
        Box::pin(async move {
            under_way(&Target::Kubernetes(Box::new(self.target())), &self.place.application).await
        })
    }

    fn delete_all<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<SyncReport, Trouble>> {
        Box::pin(async move {
            let once = async || {
                delete_all(&Target::Kubernetes(Box::new(self.target())), deployment, watcher, stop).await
            };
            match once().await {
                Err(trouble)
                    if matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Transient)
                        && self.has_changed().await? =>
                {
                    once().await
                }
                other => other,
            }
        })
    }

    fn handle<'a>(
        &'a self,
        deployment: &'a Deployment,
        request: &'a Request,
    ) -> LocalBoxFuture<'a, Result<String, Trouble>> {
        Box::pin(
            async move { handle(&Target::Kubernetes(Box::new(self.target())), deployment, request).await },
        )
    }
}
