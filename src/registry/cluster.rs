//! Applications that are custom resources of a cluster.

use super::object::finalizers;
use super::seen::Seen;
use crate::config;
use crate::controller::{Applications, Registration};
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Resource};
use crate::model::{AppKey, ApplicationStatus, marks};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::select_all;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// News that wait for the controller before the watch does.
const AHEAD: usize = 256;

/// How often a finalizer is written onto an Application that somebody else writes as well.
const TRIES: u32 = 5;

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

    fn guard<'a>(&'a self, key: &'a AppKey, uid: &'a str, on: bool) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let kind = applications();
            let mut tries = 0;
            loop {
                let Some(object) = self.cluster.get(&kind, Some(&key.namespace), &key.name).await? else {
                    return Ok(());
                };
                let Some(patch) = guarded(&object, uid, on) else { return Ok(()) };
                tries += 1;
                match self.cluster.merge_patch(&kind, Some(&key.namespace), &key.name, &patch).await {
                    // Somebody else writes it as well.
                    Err(trouble) if trouble.kind == TroubleKind::LookAgain && tries < TRIES => {}
                    Err(trouble) if trouble.kind == TroubleKind::Missing => return Ok(()),
                    other => return other.map(drop),
                }
            }
        })
    }
}

/// The patch that puts our finalizer on an Application as it was read, or takes it off; `None` if there is nothing to do, or
/// if it is another one of that name. One that is going gets no new finalizer.
fn guarded(object: &Value, uid: &str, on: bool) -> Option<Value> {
    let metadata = &object["metadata"];
    let has = finalizers(object).any(|finalizer| finalizer == marks::CASCADE);
    let is_going = metadata.get("deletionTimestamp").is_some();
    if metadata["uid"] != uid || has == on || on && is_going {
        return None;
    }
    let mut left: Vec<&str> = finalizers(object).filter(|finalizer| *finalizer != marks::CASCADE).collect();
    left.extend(on.then_some(marks::CASCADE));
    let version = &metadata["resourceVersion"];
    Some(json!({"metadata": {"resourceVersion": version, "finalizers": left}}))
}

fn say(trouble: &Trouble) {
    let hint = match trouble.kind {
        TroubleKind::Missing => "; `cutover install | kubectl apply -f -` makes the kind Application known",
        TroubleKind::Denied => "; the controller needs the rights of manifests/install.yaml",
        _ => "",
    };
    tracing::warn!("Applications can't be watched, and nothing new is known of them: {trouble}{hint}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_finalizer_comes_and_goes_beside_those_of_others() {
        let object = |finalizers: Value| json!({"metadata": {"uid": "u", "resourceVersion": "7", "finalizers": finalizers}});
        let patched = |object: &Value, on| {
            guarded(object, "u", on).map(|patch| patch["metadata"]["finalizers"].clone())
        };
        let others = object(json!(["a.dev/x"]));
        let both = object(json!(["a.dev/x", marks::CASCADE]));
        assert_eq!(patched(&others, true), Some(json!(["a.dev/x", marks::CASCADE])));
        assert_eq!(patched(&both, false), Some(json!(["a.dev/x"])));
        assert_eq!((patched(&others, false), patched(&both, true)), (None, None));
        assert_eq!(guarded(&both, "another", false), None, "one of the same name");
        let mut going = others;
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert_eq!(patched(&going, true), None);
    }
}
