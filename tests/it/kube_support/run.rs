//! One process of the program, in this one: its adapters on a connection of its own.

use cutover::aws::Connect as ConnectAws;
use cutover::engine::{Deployment, Event, StopSignal, SyncReport, Trouble, Watcher, delete_all, sync};
use cutover::kubernetes::{Cluster, Connect, KubeconfigSource};
use cutover::model::Destination;
use cutover::platform::kubernetes::Forcing;
use cutover::sites::{Accounts, KubernetesTarget, Target};
use std::cell::RefCell;
use std::path::PathBuf;

/// The adapters, and what the run said.
pub struct Process {
    cluster: Cluster,
    target: Target,
    pub said: RefCell<Vec<String>>,
}

impl Process {
    /// A process that reaches the cluster by this file and AWS, where it has to, by `aws`.
    pub async fn new(kubeconfig: PathBuf, deployment: &Deployment, aws: ConnectAws) -> Process {
        let application = &deployment.application;
        let Destination::Kubernetes { namespace, .. } = &application.destination else {
            panic!("{:?}", application.destination)
        };
        let kubeconfig = KubeconfigSource::Files(vec![kubeconfig]);
        let cluster = Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await;
        let cluster = cluster.map_err(|trouble| trouble.to_string()).expect("a connection");
        let target = KubernetesTarget::new(
            cluster.clone(),
            application,
            namespace,
            Forcing::Never,
            Accounts::new(aws).region(None),
        );
        Process { cluster, target: Target::Kubernetes(Box::new(target)), said: RefCell::default() }
    }

    /// The connection; its counts are the process's.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Syncs, and frees the lock.
    pub async fn run(&self, deployment: &Deployment) -> Result<SyncReport, Trouble> {
        let report = sync(&self.target, deployment, self, &StopSignal::default()).await;
        self.free().await;
        report
    }

    /// Deletes everything that the application owns, and frees the lock.
    pub async fn delete(&self, deployment: &Deployment) -> Result<SyncReport, Trouble> {
        let report = delete_all(&self.target, deployment, self, &StopSignal::default()).await;
        self.free().await;
        report
    }

    async fn free(&self) {
        if let Err(trouble) = self.target.release().await {
            self.said.borrow_mut().push(format!("the lock could not be freed: {trouble}"));
        }
    }
}

impl Watcher for Process {
    fn event(&self, event: Event) {
        self.said.borrow_mut().push(format!("{event:?}"));
    }
}
