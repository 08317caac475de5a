use super::support::{connect, deployment, of, shop, sync};
use crate::kube_support::{Space, User};
use cutover::engine::Platform;
use cutover::kubernetes::Verb;
use cutover::plan::WouldBe;
use cutover::platform::kubernetes::{Forcing, Kubernetes};

const APP: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {level: info}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: more}
data: {level: debug}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: web:1
        ports: [{containerPort: 8080}]
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_plan_without_changes_makes_one_list_a_kind_and_asks_nothing_else() {
    let space = Space::new("noop").await;
    let app = deployment(&space, APP);
    sync(&shop(&space).await, &app).await.expect("synced");
    let platform = shop(&space).await;
    let live = platform.read_live(&app).await.expect("read");
    assert!(live.objects.values().all(|object| object.would_be == WouldBe::Same), "{:#?}", live.objects);
    assert_eq!(live.objects.len(), 4);
    assert_eq!(live.owned.len(), 4);
    assert_eq!((live.incomplete, live.moving.len()), (None, 0));
    let counts = platform.cluster().call_counts();
    // ConfigMap, Service, Deployment, and who scales the Deployment.
    assert_eq!(counts.of(Verb::List), 4, "{counts:?}");
    assert_eq!(counts.of(Verb::Get), 1, "the ApplySet: {counts:?}");
    assert_eq!(counts.of(Verb::DryRun), 0, "{counts:?}");
    assert_eq!(counts.writes(), 0, "{counts:?}");
    assert_eq!(sync(&platform, &app).await, Ok(vec![]));
    assert_eq!(platform.cluster().call_counts().writes(), 0, "a sync without changes wrote");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn drift_is_found_by_a_dry_run_of_that_object_only_and_repaired() {
    let space = Space::new("drift").await;
    let app = deployment(&space, APP);
    sync(&shop(&space).await, &app).await.expect("synced");
    space
        .apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {level: trace, own: x}")
        .await;
    let mut platform = shop(&space).await;
    let live = platform.read_live(&app).await.expect("read");
    let WouldBe::Conflicts(conflicts) = &of(&live, "settings").would_be else { panic!("{live:#?}") };
    assert_eq!((conflicts[0].manager.as_str(), conflicts[0].field.as_str()), ("test", ".data.level"));
    assert_eq!(of(&live, "more").would_be, WouldBe::Same);
    platform = platform.forcing(Forcing::Always);
    let live = platform.read_live(&app).await.expect("read");
    let WouldBe::Object(object) = &of(&live, "settings").would_be else { panic!("{live:#?}") };
    assert_eq!((&object["data"]["level"], &object["data"]["own"]), (&"info".into(), &"x".into()));
    assert_eq!(sync(&platform, &app).await, Ok(vec!["update settings".to_owned()]));
    assert_eq!(sync(&platform, &app).await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_the_server_refuses_is_told_with_its_lines_and_a_kind_it_does_not_have_with_a_guess() {
    let space = Space::new("refused").await;
    let wrong = APP.replace("image: web:1", "imagee: web:1").replace("replicas: 1", "replica: 1");
    let app = deployment(
        &space,
        &format!("{wrong}---\napiVersion: v1\nkind: ConfgMap\nmetadata: {{name: typo}}\n"),
    );
    let live = shop(&space).await.read_live(&app).await.expect("read");
    let refused = |name: &str, kind: &str| {
        let object = live.objects.values().find(|object| object.key.name == name && object.key.kind == kind);
        match &object.expect("read").would_be {
            WouldBe::Refused { message, .. } | WouldBe::OutOfReach(message) => message.clone(),
            other => panic!("{other:?}"),
        }
    };
    let said = refused("web", "Deployment");
    assert!(said.contains("app.yaml:7: spec.replica: unknown field"), "{said}");
    assert!(said.contains("app.yaml:14: spec.template.spec.containers[0].imagee: unknown field"), "{said}");
    assert!(refused("typo", "ConfgMap").contains("did you mean ConfigMap of v1?"));
    let elsewhere = APP.replace("metadata: {name: more}", "metadata: {name: more, namespace: nowhere}");
    let live = shop(&space).await.read_live(&deployment(&space, &elsewhere)).await.expect("read");
    let WouldBe::Refused { message, .. } = &of(&live, "more").would_be else { panic!("{live:#?}") };
    assert!(message.contains("there is no namespace nowhere"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn rights_in_one_namespace_are_enough() {
    let space = Space::new("rights").await;
    space
        .apply(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: cutover}
rules:
- {apiGroups: [''], resources: [configmaps, services], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch, create, patch, delete]}
- {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [list]}
- {apiGroups: [''], resources: [pods, events], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [replicasets], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: cutover}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: cutover}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: restricted}]
",
        )
        .await;
    let app = deployment(&space, APP);
    let platform = Kubernetes::new(connect(&space, User::Restricted).await, "shop", &space.name);
    sync(&platform, &app).await.expect("synced");
    assert_eq!(sync(&platform, &app).await, Ok(vec![]));
    let beyond =
        deployment(&space, &format!("{APP}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n"));
    let denied = platform.read_live(&beyond).await.expect_err("no right to read Secrets");
    assert!(denied.message.contains("secrets"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_first_sync_asks_for_each_object_once_and_writes_it_once() {
    let space = Space::new("first").await;
    let app = deployment(&space, APP);
    let platform = shop(&space).await;
    let live = platform.read_live(&app).await.expect("read");
    assert!(live.objects.values().all(|object| object.live.is_none()));
    let counts = platform.cluster().call_counts();
    assert_eq!((counts.of(Verb::DryRun), counts.of(Verb::Get)), (4, 1), "{counts:?}");
    sync(&platform, &app).await.expect("synced");
    let counts = platform.cluster().call_counts();
    assert_eq!(counts.writes(), 5, "four objects and the ApplySet: {counts:?}");
}
