//! Waiting for real objects: a real API server with the real controllers, and pods that do what their tags say.

mod line;

use crate::kube_support::{Space, User};
use cutover::engine::Settled;
use cutover::kubernetes::{
    Apply, Cluster, Connect, KubeconfigSource, Preconditions, Propagation, Resource, Verb,
};
use cutover::platform::kubernetes::Watches;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use line::{Line, Watching};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often somebody who waits looks although no watch has told anything.
const LOOKS: Duration = Duration::from_secs(1);

struct Stage {
    space: Space,
    cluster: Cluster,
    watches: Watches,
}

impl Stage {
    async fn new(purpose: &str) -> Stage {
        let space = Space::new(purpose).await;
        let kubeconfig = KubeconfigSource::Files(vec![space.cluster.kubeconfig(User::Admin)]);
        let options = Connect { kubeconfig, ..Connect::default() };
        let cluster = Cluster::connect(options).await.expect("a connection");
        let watches = Watches::new(cluster.clone(), "test", "ours");
        Stage { space, cluster, watches }
    }

    /// One that applies directly and watches through a line.
    async fn with_line(purpose: &str) -> (Stage, Line) {
        let stage = Stage::new(purpose).await;
        let line = Line::new(&stage.space).await;
        let watches = Watches::new(line.cluster().await, "test", "ours");
        (Stage { watches, ..stage }, line)
    }

    async fn live(&self, resource: &Resource, name: &str) -> Value {
        let found = self.cluster.get(resource, Some(&self.space.name), name).await;
        found.expect("a read").expect("it is there")
    }

    async fn delete(&self, resource: &Resource, name: &str) {
        let namespace = resource.namespaced.then_some(self.space.name.as_str());
        let this = Preconditions::default();
        self.cluster
            .delete(resource, namespace, name, &this, Propagation::Background)
            .await
            .expect("a delete");
    }

    /// Applies an object under our label, and gives the answer.
    async fn apply(&self, mut body: Value) -> (Resource, Value) {
        body["metadata"]["labels"]["test"] = "ours".into();
        let kinds = self.cluster.kinds().await.expect("the cluster's kinds");
        let text = |field: &str| body[field].as_str().expect("a text").to_owned();
        let resource = kinds.find(&text("apiVersion"), &text("kind")).expect("a known kind").clone();
        let namespace = resource.namespaced.then_some(self.space.name.as_str());
        let how = Apply { force: true, dry_run: false };
        let applied = self.cluster.apply(&resource, namespace, &body, how).await;
        (resource, applied.unwrap_or_else(|refusal| panic!("{refusal:?}: {body:#}")))
    }

    /// Waits as a sync does: looks whenever something changed, and every now and then.
    async fn end_of(&self, (resource, applied): &(Resource, Value)) -> Settled {
        let wait = async {
            loop {
                match self.watches.settle(resource, applied).await.expect("a look") {
                    Settled::InProgress { .. } => {}
                    end => return end,
                }
                let _ = tokio::time::timeout(LOOKS, self.watches.changed()).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(end) => end,
            Err(_) => panic!("not settled: {:#?}", self.watches.settle(resource, applied).await),
        }
    }

    /// Waits until the state or the troubles of something that is still in progress say this.
    async fn until_told(&self, (resource, applied): &(Resource, Value), words: &str) {
        let wait = async {
            loop {
                let settled = self.watches.settle(resource, applied).await.expect("a look");
                match &settled {
                    Settled::InProgress { state, troubles } => {
                        if state.contains(words) || troubles.iter().any(|trouble| trouble.contains(words)) {
                            return;
                        }
                    }
                    end => panic!("{end:?}"),
                }
                let _ = tokio::time::timeout(LOOKS, self.watches.changed()).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!("not told {words:?}: {:#?}", self.watches.settle(resource, applied).await);
        }
    }

    /// Gives the container of the pods with this label another state, as a kubelet may come to see it.
    async fn set_waiting(&self, app: &str, reason: &str) {
        let pods = self.space.api::<Pod>();
        let of_it = ListParams::default().labels(&format!("app={app}"));
        for pod in pods.list(&of_it).await.expect("pods") {
            let image = pod.spec.as_ref().and_then(|spec| spec.containers[0].image.clone());
            let status = json!({"status": {"containerStatuses": [{"name": "app", "image": image, "imageID": "",
                "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason}}}]}});
            let params = PatchParams::default();
            pods.patch_status(&pod.name_any(), &params, &Patch::Merge(&status)).await.expect("a patch");
        }
    }
}

/// Two pods that are ready when they answer.
fn deployment(name: &str, tag: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "app", "image": format!("registry.test/{name}:{tag}"),
                    "ports": [{"containerPort": 8080}],
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}}}]}}}
    })
}

fn failed(settled: Settled) -> (String, Vec<String>) {
    match settled {
        Settled::Failed { state, troubles } => (state, troubles),
        other => panic!("not failed: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_deployment_is_waited_for_by_watches_alone_until_its_pods_are_available() {
    let stage = Stage::new("progress").await;
    let applied = stage.apply(deployment("web", "slow5")).await;
    let first = stage.watches.settle(&applied.0, &applied.1).await.expect("a look");
    assert!(matches!(first, Settled::InProgress { .. }), "{first:?}");
    assert_eq!(stage.end_of(&applied).await, Settled::Steady);

    let live = stage.live(&applied.0, "web").await;
    assert_eq!(live["status"]["availableReplicas"], 2, "{live:#}");
    let mut sent = stage.cluster.call_counts().by_verb;
    sent.retain(|verb, _| *verb != Verb::Discover);
    let sent: Vec<(Verb, u64)> = sent.into_iter().map(|(verb, of)| (verb, of.values().sum())).collect();
    assert_eq!(sent, [(Verb::Get, 1), (Verb::Watch, 2), (Verb::Apply, 1)], "the one read is this test's own");

    // What stands costs nothing more: neither a watch nor a read.
    let again = stage.apply(deployment("web", "slow5")).await;
    assert_eq!(stage.watches.settle(&again.0, &again.1).await, Ok(Settled::Steady));
    assert_eq!(stage.cluster.call_counts().of(Verb::Watch), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_hopeless_image_fails_early_with_its_name_and_the_fix_is_not_blamed_for_it() {
    let stage = Stage::new("image").await;
    let applied = stage.apply(deployment("web", "missing")).await;
    let words =
        "2 pods: image registry.test/web:missing of container app cannot be pulled: it does not exist";
    stage.until_told(&applied, words).await;
    let found = stage.watches.troubles(&stage.live(&applied.0, "web").await, Instant::now()).await;
    assert_eq!((found.sentences, found.is_final, found.is_complete), (vec![words.to_owned()], false, true));
    stage.set_waiting("web", "InvalidImageName").await;
    let (state, troubles) = failed(stage.end_of(&applied).await);
    assert!(
        troubles[0].ends_with("registry.test/web:missing is no image name (container app)"),
        "{troubles:?}"
    );
    assert!(state.ends_with("of 2 pods available"), "{state}");

    // The pods that cannot be pulled are still there when the fix is looked at for the first time.
    let fixed = stage.apply(deployment("web", "slow2")).await;
    assert_eq!(stage.end_of(&fixed).await, Settled::Steady);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_container_that_keeps_crashing_fails_with_its_exit_code() {
    let stage = Stage::new("crash").await;
    let applied = stage.apply(deployment("web", "slow5-crash1")).await;
    let (_, troubles) = failed(stage.end_of(&applied).await);
    // The other pod may just be between two of its lives.
    assert!(
        troubles[0].contains("container app keeps crashing: exit code 1 (Error), 5 restarts"),
        "{troubles:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_job_ends_well_or_fails_with_its_exit_code() {
    let stage = Stage::new("job").await;
    let job = |name: &str, tag: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": {}},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never",
                "containers": [{"name": "load", "image": format!("registry.test/job:{tag}")}]}}}})
    };
    let good = stage.apply(job("good", "ok1")).await;
    let bad = stage.apply(job("bad", "fail1")).await;
    assert_eq!(stage.end_of(&good).await, Settled::Steady);
    let (state, troubles) = failed(stage.end_of(&bad).await);
    assert!(state.contains("BackoffLimitExceeded"), "{state}");
    let [trouble] = &troubles[..] else { panic!("{troubles:?}") };
    assert!(trouble.ends_with("container load ended: exit code 1 (Error)"), "{trouble}");
    assert_eq!(stage.cluster.call_counts().of(Verb::Watch), 2, "one for Jobs, one for pods");

    let mut brief = job("brief", "ok1");
    brief["spec"]["ttlSecondsAfterFinished"] = 0.into();
    let brief = stage.apply(brief).await;
    assert_eq!(stage.end_of(&brief).await, Settled::Steady, "gone by itself, but after its end");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_quota_in_the_way_is_named_and_may_be_lifted() {
    let stage = Stage::new("quota").await;
    let quota = |pods: &str| {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team", "labels": {}},
            "spec": {"hard": {"pods": pods}}})
    };
    stage.apply(quota("0")).await;
    let applied = stage.apply(deployment("web", "2")).await;
    stage.until_told(&applied, "exceeded quota: team").await;
    stage.apply(quota("10")).await;
    assert_eq!(stage.end_of(&applied).await, Settled::Steady);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_deleted_while_it_is_waited_for_has_failed() {
    let stage = Stage::new("deleted").await;
    let applied = stage.apply(deployment("web", "missing")).await;
    stage.until_told(&applied, "cannot be pulled").await;
    stage.delete(&applied.0, "web").await;
    assert_eq!(failed(stage.end_of(&applied).await).0, "was deleted by somebody else");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_claim_is_waited_for_only_where_no_pod_has_to_come_first() {
    let stage = Stage::new("claim").await;
    let name = &stage.space.name;
    let class = |suffix: &str, mode: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": format!("{name}-{suffix}"),
            "labels": {}}, "provisioner": "test.example.com", "volumeBindingMode": mode})
    };
    let claim = |suffix: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": suffix, "labels": {}},
            "spec": {"storageClassName": format!("{name}-{suffix}"), "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}}})
    };
    for (suffix, mode) in [("late", "WaitForFirstConsumer"), ("now", "Immediate")] {
        stage.apply(class(suffix, mode)).await;
    }
    let late = stage.apply(claim("late")).await;
    assert_eq!(stage.watches.settle(&late.0, &late.1).await, Ok(Settled::Steady));
    assert_eq!(stage.cluster.call_counts().of(Verb::Watch), 0);
    let now = stage.apply(claim("now")).await;
    let state = format!("is not bound yet (storage class {name}-now)");
    assert_eq!(
        stage.watches.settle(&now.0, &now.1).await,
        Ok(Settled::InProgress { state, troubles: vec![] })
    );
    for suffix in ["late", "now"] {
        let classes = Resource::known("storage.k8s.io", "v1", "StorageClass", "storageclasses", false);
        stage.delete(&classes, &format!("{name}-{suffix}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_definition_is_waited_for_until_it_is_established() {
    let stage = Stage::new("definition").await;
    let group = format!("{}.example.com", stage.space.name);
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}"), "labels": {}},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    let applied = stage.apply(definition).await;
    assert_eq!(stage.end_of(&applied).await, Settled::Steady);
    let name = format!("things.{group}");
    stage.delete(&applied.0, &name).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_wait_asks_once_for_each_kind_and_then_only_listens() {
    let (stage, line) = Stage::with_line("listens").await;
    let applied =
        [stage.apply(deployment("one", "slow20")).await, stage.apply(deployment("two", "slow30")).await];
    for applied in &applied {
        assert_eq!(stage.end_of(applied).await, Settled::Steady);
    }
    assert_eq!(line.asked(), ["list deployments", "list pods", "watch deployments", "watch pods"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn broken_watches_go_on_where_they_were_or_begin_anew() {
    for watching in [Watching::IsDown, Watching::IsTooLate] {
        let (stage, line) = Stage::with_line("broken").await;
        let applied = stage.apply(deployment("web", "slow5")).await;
        stage.until_told(&applied, "of 2 pods").await;
        line.set(watching);
        stage.space.wait_for("web", "it is available", is_available).await;
        line.set(Watching::Works);
        assert_eq!(stage.end_of(&applied).await, Settled::Steady, "{watching:?}");
        let lists = line.asked().iter().filter(|asked| *asked == "list deployments").count();
        match watching {
            Watching::IsTooLate => assert!(lists > 1, "{:?}", line.asked()),
            _ => assert_eq!(lists, 1, "{:?}", line.asked()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_was_deleted_while_no_watch_told_it_is_missed_by_the_next_list() {
    let (stage, line) = Stage::with_line("missed").await;
    let applied = stage.apply(deployment("web", "missing")).await;
    stage.until_told(&applied, "cannot be pulled").await;
    line.set(Watching::IsTooLate);
    stage.delete(&applied.0, "web").await;
    stage.space.wait_gone::<Deployment>("web").await;
    line.set(Watching::Works);
    assert_eq!(failed(stage.end_of(&applied).await).0, "was deleted by somebody else");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn nothing_is_judged_by_what_a_watch_saw_before_the_apply() {
    let (stage, line) = Stage::with_line("stale").await;
    let first = stage.apply(deployment("web", "slow2")).await;
    assert_eq!(stage.end_of(&first).await, Settled::Steady);
    // The watch keeps the first version, at rest, and hears nothing of the second.
    line.set(Watching::IsDown);
    let second = stage.apply(deployment("web", "missing")).await;
    let settled = stage.watches.settle(&second.0, &second.1).await.expect("a look");
    assert!(matches!(settled, Settled::InProgress { .. }), "{settled:?}");
    line.set(Watching::Works);
    stage.until_told(&second, "cannot be pulled").await;
}

fn is_available(deployment: &Deployment) -> bool {
    deployment.status.as_ref().is_some_and(|status| status.available_replicas == Some(2))
}
