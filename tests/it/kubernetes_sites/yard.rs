//! Applications on a real API server, and the destinations that a controller has there.

use crate::kube_support::{Proxy, Space, User};
use cutover::aws::Connect as ConnectAws;
use cutover::config::load;
use cutover::controller::{Place, Site, Sites};
use cutover::engine::{Deployment, NoHistory, NoNeighbours, Silent, StopSignal, Synced, Trouble, WriteGuard};
use cutover::kubernetes::{Connect, KubeconfigSource};
use cutover::model::{
    Allowed, AppKey, Application, Destination, Origin, Pattern, PlatformKind, Source, SourceFile, Sync,
};
use cutover::sites::Destinations;
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Longer than anything takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Yard {
    pub space: Space,
    pub destinations: Destinations,
    pub changes: UnboundedReceiver<AppKey>,
    pub fence: Arc<Fence>,
}

/// Passes until it is closed.
#[derive(Default)]
pub struct Fence(pub AtomicBool);

impl WriteGuard for Fence {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(async {
            match self.0.load(Ordering::SeqCst) {
                false => Ok(()),
                true => Err(Trouble {
                    kind: cutover::engine::TroubleKind::Rejected,
                    doing: "writing".into(),
                    message: "the seat is another's".into(),
                }),
            }
        })
    }
}

impl Yard {
    pub async fn new(purpose: &str, user: User) -> Yard {
        let space = Space::new(purpose).await;
        let kubeconfig = space.cluster.kubeconfig(user);
        Yard::with(space, kubeconfig)
    }

    /// Through a proxy, which counts and cuts.
    pub async fn behind(purpose: &str) -> (Yard, Proxy) {
        let space = Space::new(purpose).await;
        let proxy = Proxy::start(space.cluster, User::Admin).await;
        (Yard::with(space, proxy.kubeconfig()), proxy)
    }

    fn with(space: Space, kubeconfig: PathBuf) -> Yard {
        let connect = Connect { kubeconfig: KubeconfigSource::Files(vec![kubeconfig]), ..Connect::default() };
        let destinations = Destinations::new(connect, ConnectAws::default());
        let changes = destinations.changes();
        Yard { space, destinations, changes, fence: Arc::default() }
    }

    pub fn key(&self, name: &str) -> AppKey {
        AppKey { namespace: self.space.name.clone(), name: name.into() }
    }

    /// An application of this name whose documents are this text.
    pub fn commit(&self, name: &str, text: &str) -> Deployment {
        let file = SourceFile { path: "app.yaml".into(), bytes: text.as_bytes().to_vec() };
        let manifests = load(&[file], Some(PlatformKind::Kubernetes)).unwrap_or_else(|problems| {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}\n{text}", problems.join("\n"))
        });
        let source = Source {
            repo_url: String::new(),
            target_revision: String::new(),
            path: ".".into(),
            directory: cutover::model::Directory::default(),
            secret_ref: None,
        };
        let destination = Destination::Kubernetes {
            namespace: self.space.name.clone(),
            context: None,
            region: None,
            kubeconfig_secret_ref: None,
        };
        Deployment {
            application: Application {
                name: name.into(),
                origin: Origin::default(),
                source,
                destination,
                sync: Sync { prune: true, prune_limit: "100%".into(), ..Sync::default() },
                ignore_differences: vec![],
                suspend: false,
                deletion: Default::default(),
                depends_on: vec![],
                service_account_name: None,
            },
            commit: "c0ffee".into(),
            manifests,
        }
    }

    /// Where the application goes, without bounds.
    pub async fn open(&self, deployment: &Deployment) -> Arc<dyn Site> {
        self.try_open(deployment, Allowed::everything()).await.expect("opened")
    }

    pub async fn try_open(
        &self,
        deployment: &Deployment,
        allowed: Allowed,
    ) -> Result<Arc<dyn Site>, Trouble> {
        let application = deployment.application.clone();
        let key = self.key(&application.name);
        self.destinations
            .open(Place {
                key,
                application,
                allowed,
                lineage: cutover::model::Lineage::default(),
                fence: self.fence.clone(),
                neighbours: Arc::new(NoNeighbours),
                history: Arc::new(NoHistory),
            })
            .await
    }

    /// Only this namespace, and these cluster-scoped kinds.
    pub fn own_namespace_and(&self, kinds: &[&str]) -> Allowed {
        let pattern = |text: &str| Pattern(text.to_owned());
        Allowed {
            namespaces: vec![pattern(&self.space.name)],
            cluster_kinds: kinds.iter().map(|kind| pattern(kind)).collect(),
            aws: true,
            within: None,
        }
    }

    /// Waits until the application is told of.
    pub async fn told(&mut self, name: &str) {
        let key = self.key(name);
        let wait = async {
            while let Some(told) = self.changes.recv().await {
                if told == key {
                    return;
                }
            }
            panic!("nothing will be told any more");
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{name} is not told of"));
    }

    /// What is told until nothing is for so long.
    pub async fn told_until_quiet(&mut self, quiet: Duration) -> Vec<String> {
        let mut told = vec![];
        while let Ok(Some(key)) = tokio::time::timeout(quiet, self.changes.recv()).await {
            told.push(key.name);
        }
        told
    }
}

pub async fn sync(site: &Arc<dyn Site>, deployment: &Deployment) -> Synced {
    let stop = StopSignal::default();
    let synced = tokio::time::timeout(PATIENCE, site.sync(deployment, &Silent, &stop)).await;
    synced.expect("in time").expect("a plan")
}

/// What was planned that is no standstill, as `update Deployment/web`.
pub fn planned(synced: &Synced) -> Vec<String> {
    let items = synced.report.plan.items.iter();
    let items = items.filter(|item| item.change != cutover::plan::Change::Unchanged);
    items.map(|item| format!("{} {}/{}", item.change, item.kind, item.name)).collect()
}
