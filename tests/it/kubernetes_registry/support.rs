//! A namespace with the kind Application, and what the controller has of it.

use crate::kube_support::{Space, User, define_applications};
use cutover::controller::{Applications, Registered, Registration};
use cutover::kubernetes::{Cluster, Connect, KubeconfigSource};
use cutover::registry::ClusterApplications;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const PATIENCE: Duration = Duration::from_secs(60);

pub async fn space(purpose: &str) -> Space {
    let space = Space::new(purpose).await;
    define_applications(&space).await;
    space
}

/// A connection with the program's own client.
pub async fn connect(space: &Space, user: User) -> Cluster {
    let kubeconfig = KubeconfigSource::Files(vec![space.cluster.kubeconfig(user)]);
    Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await.expect("a connection")
}

/// The Applications of the namespace, as the controller has them.
pub async fn applications(space: &Space, user: User) -> ClusterApplications {
    ClusterApplications::new(&connect(space, user).await, vec![space.name.clone()])
}

/// A right Application.
pub fn shop(space: &Space) -> Value {
    json!({
        "apiVersion": "cutover.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": space.name},
        "spec": {
            "source": {"repoURL": "https://git.example/deploy.git", "path": "apps/shop"},
            "destination": {"kubernetes": {"namespace": space.name}},
        },
    })
}

/// Waits for something that `test` takes.
pub async fn told<T>(
    news: &mut Receiver<Registration>,
    what: &str,
    mut test: impl FnMut(Registration) -> Option<T>,
) -> T {
    let wait = async {
        loop {
            let registration = news.recv().await.expect("the watch goes on");
            if let Some(found) = test(registration) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// Waits until an Application is as `test` wants it.
pub async fn told_of(
    news: &mut Receiver<Registration>,
    what: &str,
    test: impl Fn(&Registered) -> bool,
) -> Registered {
    told(news, what, |registration| match registration {
        Registration::Is(is) if test(&is) => Some(*is),
        _ => None,
    })
    .await
}

/// Starts a watch and waits until all was told.
pub async fn watch(applications: &ClusterApplications) -> Receiver<Registration> {
    let mut news = applications.watch();
    told(&mut news, "all is told", |r| matches!(r, Registration::Listed).then_some(())).await;
    news
}
