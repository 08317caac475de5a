//! What the API server refuses by the schema and by its rules, in its own words.

use super::support::{shop, space};
use crate::kube_support::Space;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

async fn create(space: &Space, application: &Value) -> Result<(), String> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("cutover.dev", "v1alpha1", "Application"));
    let api: Api<DynamicObject> = Api::namespaced_with(space.client.clone(), &space.name, &kind);
    let object: DynamicObject = serde_json::from_value(application.clone()).expect("an object");
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&params, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// The same with one field set, or taken out by null.
fn with(application: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = application.clone();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
    if changed.pointer(parent).is_none() {
        let (grand, name) = parent.rsplit_once('/').expect("a pointer");
        changed.pointer_mut(grand).expect("it is there")[name] = json!({});
    }
    let parent = changed.pointer_mut(parent).expect("it is there");
    match (value, parent.as_object_mut()) {
        (Value::Null, Some(fields)) => _ = fields.remove(field),
        (value, _) => parent[field] = value,
    }
    changed
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_wrong_spec_is_refused_by_the_api_server_with_the_way_out() {
    let space = space("wrong").await;
    let right = shop(&space);
    let ecs = with(&right, "/spec/destination", json!({"ecs": {"cluster": "prod"}}));
    let pointer = |text: &str| json!([{"kind": "Deployment", "jsonPointers": [text]}]);
    let wrong = [
        with(&right, "/spec", Value::Null),
        with(&right, "/metadata/name", json!("shop.web")),
        with(&right, "/spec/source/repoURL", Value::Null),
        with(&right, "/spec/source/repoURL", json!("https://bot:hunter2@git.example/deploy.git")),
        with(&right, "/spec/source/repoURL", json!("file:///var/cache/x.git")),
        with(&right, "/spec/source/repoURL", json!("../deploy")),
        with(&right, "/spec/source/path", json!("/apps")),
        with(&right, "/spec/source/path", json!("apps/../../etc")),
        with(&right, "/spec/source/targetRevision", json!("-x")),
        with(&right, "/spec/destination", json!({})),
        with(&right, "/spec/destination/ecs", json!({"cluster": "prod"})),
        with(&right, "/spec/destination/kubernetes/namespace", json!("Shop")),
        with(&right, "/spec/destination/kubernetes/region", json!("eu central")),
        with(&ecs, "/spec/destination/ecs/cluster", json!("prod cluster")),
        with(&ecs, "/spec/ignoreDifferences", pointer("/spec/replicas")),
        with(&ecs, "/spec/sync/forceConflicts", json!(true)),
        with(&ecs, "/spec/serviceAccountName", json!("deployer")),
        with(&right, "/spec/ignoreDifferences", pointer("spec.replicas")),
        with(&right, "/spec/ignoreDifferences", pointer("/spec/a~b")),
        with(&right, "/spec/ignoreDifferences", pointer("/metadata/name")),
        with(&right, "/spec/sync/mode", json!("force")),
        with(&right, "/spec/sync/interval", json!("often")),
        with(&right, "/spec/sync/interval", json!("0s")),
        with(&right, "/spec/sync/timeout", json!("0")),
        with(&right, "/spec/sync/pruneLimit", json!("130%")),
        with(&right, "/spec/sync/pruneLimit", json!(-1)),
        with(&right, "/spec/dependsOn", json!(["shop"])),
        with(&right, "/spec/dependsOn", json!(["Shop"])),
        with(&right, "/spec/dependsOn", json!(vec!["a"; 101])),
    ];
    let mut told = String::new();
    for application in &wrong {
        let refused = create(&space, application).await.err();
        let refused = refused.unwrap_or_else(|| format!("IS ACCEPTED: {}", application["spec"]));
        told.push_str(&refused.replace("Application.cutover.dev ", ""));
        told.push_str("\n\n");
    }
    insta::assert_snapshot!(told);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_right_is_accepted_by_the_api_server_and_by_the_program() {
    let space = space("right").await;
    let right = shop(&space);
    let full = json!({
        "source": {
            "repoURL": "git@git.example:team/deploy.git", "targetRevision": "main", "path": ".",
            "secretRef": {"name": "git"},
        },
        "destination": {"kubernetes": {
            "namespace": "shop", "region": "eu-central-1", "kubeconfigSecretRef": {"name": "eu", "key": "value"},
        }},
        "sync": {
            "mode": "observe", "interval": "1h30m", "prune": true, "pruneLimit": 0, "timeout": "15m",
            "forceConflicts": true,
        },
        "ignoreDifferences": [{
            "group": "", "kind": "*", "name": "x", "namespace": "y",
            "jsonPointers": ["/spec/replicas", "/metadata/annotations/a~1b"],
        }],
        "suspend": true,
        "serviceAccountName": "deployer",
        "dependsOn": ["database"],
    });
    for application in [
        right.clone(),
        with(&right, "/spec", full),
        with(
            &right,
            "/spec/destination",
            json!({"ecs": {"cluster": "arn:aws:ecs:eu-central-1:1:cluster/prod"}}),
        ),
        with(&right, "/spec/sync/pruneLimit", json!("30%")),
        with(&right, "/spec/source/repoURL", json!("ssh://git@git.example:2222/deploy.git")),
        with(&right, "/spec/source/repoURL", json!("git://127.0.0.1:9418/deploy.git")),
    ] {
        assert_eq!(create(&space, &application).await, Ok(()), "{application}");
        let read = cutover::config::application_of(&application);
        assert!(read.is_ok(), "{read:?}");
    }
}
