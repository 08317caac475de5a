use super::support::{config_maps, deployment, deployments, of, shop, sync};
use crate::kube_support::Space;
use cutover::engine::Platform;
use cutover::kubernetes::{Apply, Resource};
use cutover::model::marks;
use cutover::plan::{Live, WouldBe};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use std::time::Duration;

const KUBECTL: &str = "kubectl-client-side-apply";

/// Creates documents as this manager does, with kubectl's note.
async fn create(space: &Space, manager: &str, documents: &str) {
    for text in documents.split("\n---").filter(|text| !text.trim().is_empty()) {
        let mut value: Value = serde_yaml::from_str(text).unwrap_or_else(|e| panic!("{e}:\n{text}"));
        value["metadata"]["annotations"] =
            json!({"kubectl.kubernetes.io/last-applied-configuration": value.to_string()});
        let object: DynamicObject = serde_json::from_value(value).expect("an object");
        let kind = GroupVersionKind::try_from(object.types.as_ref().expect("a kind")).expect("a kind");
        let api: Api<DynamicObject> =
            Api::namespaced_with(space.client.clone(), &space.name, &ApiResource::from_gvk(&kind));
        let params = PostParams { field_manager: Some(manager.into()), ..PostParams::default() };
        api.create(&params, &object).await.unwrap_or_else(|e| panic!("{e}:\n{text}"));
    }
}

const BEFORE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: red, tier: front}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: web:1
        env: [{name: KEEP, value: a}, {name: DEBUG, value: b}]
        securityContext: {privileged: true}
      - {name: sidecar, image: 'sidecar:1'}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, nodePort: PORT}, {name: old, port: 81}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: '1', old: '2'}
";
const AFTER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: red}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: web:2
        env: [{name: KEEP, value: a}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80}, {name: old, port: 82}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: '1'}
";

async fn get(space: &Space, resource: &Resource, name: &str) -> Value {
    let platform = shop(space).await;
    platform.cluster().get(resource, Some(&space.name), name).await.expect("read").expect("there")
}

fn managers(live: &Value) -> Vec<&str> {
    let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
    let whole = entries.filter(|entry| entry.get("subresource").is_none());
    let mut managers: Vec<&str> = whole.filter_map(|entry| entry["manager"].as_str()).collect();
    managers.retain(|manager| *manager != "kube-controller-manager");
    managers.sort_unstable();
    managers
}

fn would_be<'a>(live: &'a Live, name: &str) -> &'a Value {
    match &of(live, name).would_be {
        WouldBe::Object(object) => object,
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_kubectl_applied_and_git_has_not_goes_at_the_adoption() {
    let space = Space::new("takeover").await;
    let free = 30_000 + u32::from(std::process::id() as u16 % 2_700);
    create(&space, KUBECTL, &BEFORE.replace("PORT", &free.to_string())).await;
    let app = deployment(&space, AFTER);
    let platform = shop(&space).await;
    let live = platform.read_live(&app).await.expect("read");
    // The plan is what comes.
    let settings = live.objects.values().find(|object| object.key.kind == "ConfigMap").expect("read");
    let WouldBe::Object(planned) = &settings.would_be else { panic!("{:?}", settings.would_be) };
    assert_eq!(planned["data"], json!({"a": "1"}));
    sync(&platform, &app).await.expect("synced");

    let web = get(&space, &deployments(), "web").await;
    assert_eq!(managers(&web), ["cutover", KUBECTL], "{web:#}");
    let containers = web["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
    assert_eq!(containers.len(), 1, "{web:#}");
    assert_eq!(containers[0]["image"], "web:2");
    assert_eq!(containers[0]["env"], json!([{"name": "KEEP", "value": "a"}]));
    assert_eq!(containers[0]["securityContext"], Value::Null);
    assert_eq!(web["spec"]["replicas"], 0, "replicas stay without an autoscaler, too");
    assert_eq!(web["metadata"]["labels"]["tier"], Value::Null);
    let annotations = web["metadata"]["annotations"].to_string();
    assert!(!annotations.contains("last-applied"), "{annotations}");

    let service = space.api::<Service>().get("web").await.expect("there").spec.expect("spec");
    let ports: Vec<(i32, Option<i32>)> =
        service.ports.expect("ports").iter().map(|port| (port.port, port.node_port)).collect();
    assert_eq!(ports.len(), 2, "{ports:?}");
    assert_eq!(ports[0], (80, i32::try_from(free).ok()), "the port of the nodes stays");
    assert_eq!(ports[1].0, 82);
    assert_eq!(get(&space, &config_maps(), "settings").await["data"], json!({"a": "1"}));

    let second = shop(&space).await;
    assert_eq!(sync(&second, &app).await, Ok(vec![]));
    assert_eq!(second.cluster().call_counts().writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_object_that_was_adopted_without_a_takeover_is_taken_over_as_well() {
    let space = Space::new("late").await;
    create(&space, KUBECTL, BEFORE.rsplit("---").next().expect("a ConfigMap")).await;
    // As earlier versions adopted it.
    let platform = shop(&space).await;
    let labels =
        json!({"applyset.kubernetes.io/part-of": platform.identity().id(), marks::APPLICATION: "shop"});
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": space.name, "labels": labels}, "data": {"a": "1"}});
    platform
        .cluster()
        .apply(&config_maps(), Some(&space.name), &body, Apply::default())
        .await
        .expect("applied");
    let app = deployment(&space, AFTER.rsplit("---").next().expect("a ConfigMap"));
    let live = shop(&space).await.read_live(&app).await.expect("read");
    assert_eq!(would_be(&live, "settings")["data"], json!({"a": "1"}));
    assert_eq!(sync(&platform, &app).await, Ok(vec!["update settings".to_owned()]));
    let settings = get(&space, &config_maps(), "settings").await;
    assert_eq!((managers(&settings), &settings["data"]), (vec!["cutover"], &json!({"a": "1"})));
    assert_eq!(sync(&shop(&space).await, &app).await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_tool_that_still_writes_is_named_and_nothing_is_taken_until_it_is_asked_for() {
    let space = Space::new("fight").await;
    let mut app = deployment(&space, AFTER.rsplit("---").next().expect("a ConfigMap"));
    sync(&shop(&space).await, &app).await.expect("synced");
    // Managed fields know seconds.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let params = PatchParams::apply("argocd-controller");
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"theirs": "1"}});
    space.api::<ConfigMap>().patch("settings", &params, &Patch::Apply(&theirs)).await.expect("applied");
    let refused = sync(&shop(&space).await, &app).await.expect_err("argocd writes");
    for word in ["argocd-controller", "data.theirs", "--force-conflicts"] {
        assert!(refused.message.contains(word), "{refused}");
    }
    let live = get(&space, &config_maps(), "settings").await;
    assert_eq!(live["data"], json!({"a": "1", "theirs": "1"}));
    app.application.sync.force_conflicts = true;
    sync(&shop(&space).await, &app).await.expect("synced");
    assert_eq!(get(&space, &config_maps(), "settings").await["data"], json!({"a": "1"}));
    app.application.sync.force_conflicts = false;
    assert_eq!(sync(&shop(&space).await, &app).await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_key_that_leaves_the_plain_text_of_a_secret_goes() {
    let space = Space::new("plaintext").await;
    let secrets = Resource::known("", "v1", "Secret", "secrets", true);
    let text = |keys: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: NAME}}\nstringData: {{{keys}}}")
    };
    for (name, manager) in [("ours", None), ("theirs", Some(KUBECTL)), ("before", None)] {
        let of = |keys: &str| deployment(&space, &text(keys).replace("NAME", name));
        let both = text("user: a, password: b").replace("NAME", name);
        if let Some(manager) = manager {
            create(&space, manager, &both).await;
        }
        let platform = shop(&space).await;
        if name == "before" {
            // As earlier versions applied it.
            let mut body: Value = serde_yaml::from_str(&both).expect("a Secret");
            body["metadata"]["labels"] = json!({"applyset.kubernetes.io/part-of": platform.identity().id(), marks::APPLICATION: "shop"});
            let applied =
                platform.cluster().apply(&secrets, Some(&space.name), &body, Apply::default()).await;
            applied.expect("applied");
        } else {
            sync(&platform, &of("user: a, password: b")).await.expect("synced");
            assert_eq!(sync(&shop(&space).await, &of("user: a, password: b")).await, Ok(vec![]), "{name}");
        }
        sync(&shop(&space).await, &of("user: c")).await.expect("synced");
        assert_eq!(get(&space, &secrets, name).await["data"], json!({"user": "Yw=="}), "{name}");
        assert_eq!(sync(&shop(&space).await, &of("user: c")).await, Ok(vec![]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_rules_of_an_aggregated_role_are_no_drift() {
    let space = Space::new("aggregated").await;
    let name = format!("{}-all", space.name);
    let text = format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {name}}}
aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{of: {name}}}}}]}}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {name}-part, labels: {{of: {name}}}}}
rules: [{{apiGroups: [''], resources: [pods], verbs: [get]}}]
"
    );
    let app = deployment(&space, &text);
    sync(&shop(&space).await, &app).await.expect("synced");
    let roles: Api<ClusterRole> = Api::all(space.client.clone());
    let filled = async {
        while roles.get(&name).await.expect("there").rules.is_none_or(|rules| rules.is_empty()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(super::support::PATIENCE, filled).await.expect("rules are aggregated");
    assert_eq!(sync(&shop(&space).await, &app).await, Ok(vec![]));
    for name in [name.clone(), format!("{name}-part")] {
        roles.delete(&name, &Default::default()).await.expect("deleted");
    }
}
