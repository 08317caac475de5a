//! Applications that are custom resources of a cluster.

use super::seen::Seen;
use crate::config;
use crate::controller::{Applications, Registration};
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Resource};
use crate::model::{AppKey, ApplicationStatus};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::select_all;
use tokio::sync::mpsc;

/// News that wait for the controller before the watch does.
const AHEAD: usize = 256;

/// The kind Application, as clusters serve it.
pub fn applications() -> Resource {
    let (group, version) = config::CUTOVER_API.split_once('/').unwrap_or_default();
    Resource::known(group, version, "Application", "applications", true)
}

/// The Applications of a cluster, or of some of its namespaces.
pub struct ClusterApplications {
    cluster: Cluster,
    namespaces: Vec<String>,
}

impl ClusterApplications {
    /// In these namespaces; in all, if none is named.
    pub fn new(cluster: &Cluster, namespaces: Vec<String>) -> ClusterApplications {
        ClusterApplications { cluster: cluster.without_guard(), namespaces }
    }
}

impl Applications for ClusterApplications {
    /// One watch, or one for each of the namespaces. After a break they go on by themselves. Ends when nobody listens.
    fn watch(&self) -> mpsc::Receiver<Registration> {
        let (tell, told) = mpsc::channel(AHEAD);
        let scopes: Vec<Option<&str>> = match self.namespaces.as_slice() {
            [] => vec![None],
            some => some.iter().map(|namespace| Some(namespace.as_str())).collect(),
        };
        let mut seen = Seen::new(scopes.len());
        let watches = scopes.into_iter().enumerate().map(|(number, namespace)| {
            let events = self.cluster.watch(&applications(), namespace, "");
            events.map(move |event| (number, event)).boxed()
        });
        let mut events = select_all(watches);
        tokio::spawn(async move {
            loop {
                let (watch, event) = tokio::select! {
                    next = events.next() => match next {
                        Some(next) => next,
                        None => return,
                    },
                    () = tell.closed() => return,
                };
                let news = match event {
                    Ok(event) => seen.take(watch, event),
                    Err(trouble) => {
                        say(&trouble);
                        continue;
                    }
                };
                for registration in news {
                    if tell.send(registration).await.is_err() {
                        return;
                    }
                }
            }
        });
        told
    }

    fn write_status<'a>(
        &'a self,
        key: &'a AppKey,
        status: &'a ApplicationStatus,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let status = config::status_of(status);
            let kind = applications();
            let written = self.cluster.replace_status(&kind, Some(&key.namespace), &key.name, &status);
            match written.await {
                Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(()),
                other => other,
            }
        })
    }
}

fn say(trouble: &Trouble) {
    let hint = match trouble.kind {
        TroubleKind::Missing => "; `cutover install | kubectl apply -f -` makes the kind Application known",
        TroubleKind::Denied => "; the controller needs the rights of manifests/install.yaml",
        _ => "",
    };
    tracing::warn!("Applications can't be watched, and nothing new is known of them: {trouble}{hint}");
}
