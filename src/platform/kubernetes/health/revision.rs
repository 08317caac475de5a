//! Which pods run what was applied. Those of an older revision say nothing about it: a fix must not be given up because
//! the pods it replaces are crashing.

use super::fields::{group_and_kind, items, mark, text};
use super::unseen;
use serde_json::Value;

/// Pods of a workload.
#[derive(Debug)]
pub struct PodsOf<'a> {
    pub pods: Vec<&'a Value>,
    /// True if they are known to be of the revision that was applied.
    pub is_exact: bool,
}

/// The pods of a workload's present revision, or all of its pods where that can't be told. None while its controller has
/// not seen the present spec, since everything that tells the revision is of the old one then. `replica_sets` are needed
/// for a Deployment only.
pub fn pods_of<'a>(
    workload: &Value,
    replica_sets: &[Value],
    pods: impl IntoIterator<Item = &'a Value>,
) -> PodsOf<'a> {
    if unseen(workload).is_some() {
        return PodsOf { pods: vec![], is_exact: false };
    }
    let uid = text(workload, "/metadata/uid").unwrap_or_default();
    let pods = pods.into_iter();
    let labelled = |key: &'static str, wanted: Option<&str>| {
        let wanted = wanted.map(str::to_owned);
        move |pod: &&Value| wanted.is_none() || mark(pod, "labels", key) == wanted.as_deref()
    };
    match group_and_kind(workload) {
        ("apps", "Deployment") => {
            let of = |object: &Value| mark(object, "annotations", REVISION).map(str::to_owned);
            let own: Vec<&Value> = replica_sets.iter().filter(|set| is_owned(set, uid)).collect();
            let (wanted, is_known) = (of(workload), of(workload).is_some());
            let current = own.iter().copied().find(|set| is_known && of(set) == wanted);
            let sets = current.map_or(own, |set| vec![set]);
            let uids: Vec<&str> = sets.iter().filter_map(|set| text(set, "/metadata/uid")).collect();
            let pods = pods.filter(|pod| uids.iter().any(|uid| is_owned(pod, uid))).collect();
            PodsOf { pods, is_exact: current.is_some() }
        }
        ("apps", "StatefulSet") => {
            let revision = text(workload, "/status/updateRevision");
            let of_it = labelled("controller-revision-hash", revision);
            let pods = pods.filter(|pod| is_owned(pod, uid)).filter(of_it).collect();
            PodsOf { pods, is_exact: revision.is_some() }
        }
        ("apps", "DaemonSet") => {
            let revision = mark(workload, "annotations", "deprecated.daemonset.template.generation");
            let of_it = labelled("pod-template-generation", revision);
            let pods = pods.filter(|pod| is_owned(pod, uid)).filter(of_it).collect();
            PodsOf { pods, is_exact: revision.is_some() }
        }
        ("", "Pod") => PodsOf {
            pods: pods.filter(|pod| text(pod, "/metadata/uid") == Some(uid)).collect(),
            is_exact: true,
        },
        // A ReplicaSet's and a Job's template can't change under its pods, or hardly.
        _ => PodsOf { pods: pods.filter(|pod| is_owned(pod, uid)).collect(), is_exact: true },
    }
}

/// Set on a Deployment and on its ReplicaSets; the one with the same number is the one of the present template.
const REVISION: &str = "deployment.kubernetes.io/revision";

fn is_owned(object: &Value, uid: &str) -> bool {
    items(object, "/metadata/ownerReferences").any(|owner| text(owner, "/uid") == Some(uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owned(kind: &str, name: &str, owner: &str) -> Value {
        json!({"kind": kind, "metadata": {"name": name, "uid": name, "labels": {}, "annotations": {},
            "ownerReferences": [{"kind": "X", "uid": owner}]}})
    }

    fn names(found: &PodsOf<'_>) -> Vec<String> {
        found.pods.iter().map(|pod| text(pod, "/metadata/name").unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn pods_of_an_older_replica_set_are_not_the_deployments_present_ones() {
        let mut sets = [owned("ReplicaSet", "old", "d"), owned("ReplicaSet", "new", "d")];
        sets[0]["metadata"]["annotations"][REVISION] = json!("3");
        sets[1]["metadata"]["annotations"][REVISION] = json!("4");
        let pods = [owned("Pod", "a", "old"), owned("Pod", "b", "new"), owned("Pod", "c", "foreign")];
        let mut deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"uid": "d", "annotations": {REVISION: "4"}}});
        let found = pods_of(&deployment, &sets, &pods);
        assert_eq!((names(&found), found.is_exact), (vec!["b".to_owned()], true));
        deployment["metadata"]["annotations"][REVISION] = json!("5");
        let found = pods_of(&deployment, &sets, &pods);
        assert_eq!((names(&found), found.is_exact), (vec!["a".to_owned(), "b".to_owned()], false));
    }

    #[test]
    fn while_a_change_is_not_seen_no_pods_are_those_of_it() {
        let mut sets = [owned("ReplicaSet", "old", "d")];
        sets[0]["metadata"]["annotations"][REVISION] = json!("3");
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "status": {"observedGeneration": 3},
            "metadata": {"uid": "d", "generation": 4, "annotations": {REVISION: "3"}}});
        let pods = [owned("Pod", "a", "old")];
        let found = pods_of(&deployment, &sets, &pods);
        assert_eq!((names(&found).len(), found.is_exact), (0, false));
    }

    #[test]
    fn pods_of_stateful_and_daemon_sets_are_told_apart_by_their_labels() {
        let mut pods = [owned("Pod", "a", "w"), owned("Pod", "b", "w"), owned("Pod", "c", "x")];
        for (pod, revision) in pods.iter_mut().zip(["1", "2", "2"]) {
            let labels = json!({"controller-revision-hash": revision, "pod-template-generation": revision});
            pod["metadata"]["labels"] = labels;
        }
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"uid": "w"},
            "status": {"updateRevision": "2"}});
        assert_eq!(names(&pods_of(&set, &[], &pods)), ["b"]);
        let mut daemons = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"uid": "w",
            "annotations": {"deprecated.daemonset.template.generation": "2"}}});
        assert_eq!(names(&pods_of(&daemons, &[], &pods)), ["b"]);
        daemons["metadata"]["annotations"] = json!({});
        let found = pods_of(&daemons, &[], &pods);
        assert_eq!((names(&found).len(), found.is_exact), (2, false));
    }
}
