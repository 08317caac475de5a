//! What `cutover install` prints is accepted, and its rights are enough for what the registry does.

use super::support::{applications, connect, shop, space, told_of, watch};
use crate::cli_support::Desk;
use crate::kube_support::{Space, User};
use cutover::controller::{Applications, Occurrence, OccurrenceKind, Voice};
use cutover::engine::TroubleKind;
use cutover::kubernetes::{Cluster, Connect, Impersonate, KubeconfigSource, Resource};
use cutover::model::ApplicationStatus;
use cutover::registry::KubernetesEvents;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use serde_json::{Value, json};
use std::time::Duration;

fn installed(arguments: &[&str]) -> Vec<Value> {
    let ran =
        tokio::task::block_in_place(|| Desk::new().run(&[&["install", "-o", "json"], arguments].concat()));
    assert_eq!(ran.code, Some(0), "{}", ran.whole());
    ran.json()["items"].as_array().expect("a list").clone()
}

async fn dry_run(space: &Space, body: &Value) -> Result<(), kube::Error> {
    let object: DynamicObject = serde_json::from_value(body.clone()).expect("an object");
    let kind = GroupVersionKind::try_from(object.types.as_ref().expect("a kind")).expect("a kind");
    let (resource, capabilities) = pinned_kind(&space.client, &kind).await?;
    let api: Api<DynamicObject> = match (capabilities.scope, object.metadata.namespace.as_deref()) {
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(space.client.clone(), namespace, &resource)
        }
        _ => Api::all_with(space.client.clone(), &resource),
    };
    let mut params = PatchParams::apply("kubectl").force().dry_run();
    params.field_validation = Some(kube::api::ValidationDirective::Strict);
    api.patch(object.metadata.name.as_deref().expect("a name"), &params, &Patch::Apply(body)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn every_object_of_an_installation_is_accepted() {
    let space = space("install").await;
    for flags in [vec![], vec!["--shards", "2", "--watch-namespace", &space.name]] {
        for object in installed(&[&["--namespace", &space.name], flags.as_slice()].concat()) {
            let done = dry_run(&space, &object).await;
            assert!(done.is_ok(), "{} {}: {done:?}", object["kind"], object["metadata"]["name"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_rights_of_an_installation_are_enough_to_watch_and_to_report() {
    let space = space("report").await;
    let rules = installed(&[]).into_iter().find(|object| object["metadata"]["name"] == "cutover-controller");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "cutover"},
        "rules": rules.expect("the role")["rules"],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "cutover"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "cutover"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}],
    });
    space.apply(&format!("{role}\n---\n{binding}\n---\n{}", shop(&space))).await;
    let registry = applications(&space, User::Restricted).await;
    let mut news = registry.watch();
    let is = told_of(&mut news, "it is there", |_| true).await;
    registry.write_status(&is.key, &ApplicationStatus::default()).await.expect("written");
    let voice = KubernetesEvents::new(&connect(&space, User::Restricted).await, "cutover-0");
    voice.tell(&Occurrence {
        application: is.key.clone(),
        uid: is.uid.clone(),
        kind: OccurrenceKind::Synced,
        workload: String::new(),
        revision: String::new(),
        repository: String::new(),
        text: "everything is as Git says".into(),
        time: is.created,
    });
    let events: Api<Event> = space.api();
    let told = async {
        while !events.list(&Default::default()).await.expect("a list").items.iter().any(|event| {
            event.regarding.as_ref().and_then(|regarding| regarding.uid.as_deref()) == Some(&is.uid)
        }) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("the Event is written");
    drop(watch(&registry).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_rights_of_an_installation_are_enough_to_act_as_a_service_account() {
    let space = space("act").await;
    let rules = installed(&[]).into_iter().find(|object| object["metadata"]["name"] == "cutover-controller");
    let role = |name: &str, rules: &Value| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules});
    let binding = |name: &str, subject: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [subject],
        })
    };
    let reads = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    let user = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"});
    // As Applications are most often allowed things: by the group of all service accounts of their namespace.
    let group = format!("system:serviceaccounts:{}", space.name);
    let group = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group});
    let documents = [
        role("cutover", &rules.expect("the role")["rules"]),
        binding("cutover", user),
        role("deployer", &reads),
        binding("deployer", group),
    ];
    space.apply(&documents.map(|document| document.to_string()).join("\n---\n")).await;
    let config_maps = Resource::known("", "v1", "ConfigMap", "configmaps", true);
    let itself = connect(&space, User::Restricted).await;
    let refused = itself.get(&config_maps, Some(&space.name), "none").await.expect_err("no right of its own");
    assert_eq!(refused.kind, TroubleKind::Denied, "{refused}");
    let kubeconfig = KubeconfigSource::Files(vec![space.cluster.kubeconfig(User::Restricted)]);
    let impersonate = Some(Impersonate::service_account(&space.name, "deployer"));
    let deployer = Cluster::connect(Connect { kubeconfig, impersonate, ..Connect::default() }).await;
    let found = deployer.expect("a connection").get(&config_maps, Some(&space.name), "none").await;
    assert!(matches!(found, Ok(None)), "{found:?}");
}
