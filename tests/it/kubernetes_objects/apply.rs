use super::support::{config_maps, connect, deployment, deployments, of, shop, sync};
use crate::kube_support::{Space, User};
use cutover::engine::Platform;
use cutover::kubernetes::{Apply, Resource, Verb};
use cutover::plan::WouldBe;
use cutover::platform::kubernetes::Kubernetes;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

fn things(group: &str) -> String {
    format!(
        "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Thing, plural: things}}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {{spec: {{type: object, properties: {{size: {{type: integer}}}}}}}}
---
apiVersion: {group}/v1
kind: Thing
metadata: {{name: one}}
spec: {{size: 3}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_definition_and_its_objects_come_in_one_sync() {
    let space = Space::new("crd").await;
    let group = format!("{}.dev", space.name);
    let app = deployment(&space, &things(&group));
    let platform = shop(&space).await;
    let live = platform.read_live(&app).await.expect("read");
    assert_eq!(of(&live, "one").would_be, WouldBe::Unasked);
    assert_eq!(of(&live, "one").key.namespace.as_deref(), Some(space.name.as_str()));
    sync(&platform, &app).await.expect("synced");
    let thing = Resource::known(&group, "v1", "Thing", "things", true);
    let one = platform.cluster().get(&thing, Some(&space.name), "one").await.expect("read").expect("made");
    assert_eq!(one["spec"]["size"], 3);
    assert_eq!(sync(&shop(&space).await, &app).await, Ok(vec![]));
    let definition = Resource::known(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    );
    let name = format!("things.{group}");
    let cluster = platform.cluster();
    let all = cutover::kubernetes::Preconditions::default();
    cluster
        .delete(&definition, None, &name, &all, cutover::kubernetes::Propagation::Background)
        .await
        .expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_object_that_is_there_is_adopted_and_one_of_another_application_is_not() {
    let space = Space::new("adopt").await;
    space.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {a: b}").await;
    let app = deployment(&space, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old}\ndata: {a: b}");
    let platform = shop(&space).await;
    assert_eq!(sync(&platform, &app).await, Ok(vec!["update old".to_owned()]));
    let live = platform.read_live(&app).await.expect("read");
    assert_eq!(
        live.owned.iter().map(|owned| owned.resource.as_str()).collect::<Vec<_>>(),
        [format!("ConfigMap/{}/old", space.name)]
    );
    let other = Kubernetes::new(connect(&space, User::Admin).await, "blog", &space.name);
    let live = other.read_live(&app).await.expect("read");
    let WouldBe::Refused { message, .. } = &of(&live, "old").would_be else { panic!("{live:#?}") };
    assert!(message.contains("application shop"), "{message}");
    assert_eq!(live.owned, []);
}

fn scaled(replicas: u32, autoscaler: bool) -> String {
    let scaler = "
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 9
";
    let text = format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: app, image: 'web:1'}}]}}
"
    );
    if autoscaler { text + scaler } else { text }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn replicas_under_an_autoscaler_never_fall_back_when_they_are_handed_over() {
    let space = Space::new("hpa").await;
    let platform = shop(&space).await;
    // Ours at first; then the application gets an autoscaler, and the document changes as well.
    sync(&platform, &deployment(&space, &scaled(3, false))).await.expect("synced");
    let app = deployment(&space, &scaled(2, true).replace("web:1", "web:2"));
    sync(&platform, &app).await.expect("synced");
    let replicas = async || {
        let live = platform
            .cluster()
            .get(&deployments(), Some(&space.name), "web")
            .await
            .expect("read")
            .expect("there");
        live["spec"]["replicas"].as_u64()
    };
    assert_eq!(replicas().await, Some(3), "neither the document's number nor the default");
    let client = space.api::<Deployment>();
    let scale = kube::api::Patch::Merge(json!({"spec": {"replicas": 5}}));
    client.patch_scale("web", &kube::api::PatchParams::default(), &scale).await.expect("scaled");
    // It is theirs now; what moves is waited for, and nothing is written.
    let done = sync(&shop(&space).await, &app).await.expect("synced");
    assert!(done.iter().all(|item| item.starts_with("unchanged")), "{done:?}");
    assert_eq!(replicas().await, Some(5));
    let newer = deployment(&space, &scaled(2, true).replace("web:1", "web:3"));
    sync(&shop(&space).await, &newer).await.expect("synced");
    assert_eq!(replicas().await, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn ignored_fields_are_neither_compared_nor_written() {
    let space = Space::new("ignore").await;
    let platform = shop(&space).await;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1', b: '1'}";
    let mut app = deployment(&space, text);
    app.application.ignore_differences = vec![cutover::model::IgnoreDifferences {
        kind: "ConfigMap".into(),
        json_pointers: vec!["/data/a".into()],
        ..Default::default()
    }];
    sync(&platform, &app).await.expect("synced");
    let theirs =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "2"}});
    let patch = kube::api::Patch::Merge(&theirs);
    let api = space.api::<k8s_openapi::api::core::v1::ConfigMap>();
    api.patch(
        "c",
        &kube::api::PatchParams { field_manager: Some("hand".into()), ..Default::default() },
        &patch,
    )
    .await
    .expect("patched");
    sync(&shop(&space).await, &app).await.expect("synced");
    let live =
        platform.cluster().get(&config_maps(), Some(&space.name), "c").await.expect("read").expect("there");
    assert_eq!(live["data"], json!({"a": "2", "b": "1"}));
    assert_eq!(sync(&shop(&space).await, &app).await, Ok(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_job_whose_template_changed_is_made_anew_and_nothing_else_is_deleted_for_a_change() {
    let space = Space::new("replace").await;
    let platform = shop(&space).await;
    let text = |image: &str, cluster_ip: &str| {
        format!(
            "
apiVersion: batch/v1
kind: Job
metadata: {{name: report}}
spec:
  template:
    spec: {{restartPolicy: Never, containers: [{{name: app, image: '{image}'}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80}}]{cluster_ip}}}
"
        )
    };
    let first = deployment(&space, &text("app:ok", ""));
    sync(&platform, &first).await.expect("synced");
    let uid = async |kind: &str| {
        let kinds = platform.cluster().kinds().await.expect("kinds");
        let (group, name) = if kind == "Job" { ("batch", "report") } else { ("", "web") };
        let resource = kinds.preferred(group, kind).expect("served");
        let live =
            platform.cluster().get(resource, Some(&space.name), name).await.expect("read").expect("there");
        live["metadata"]["uid"].clone()
    };
    let (job, service) = (uid("Job").await, uid("Service").await);
    sync(&platform, &deployment(&space, &text("app:ok2", ""))).await.expect("synced");
    assert_ne!(uid("Job").await, job);
    let refused = sync(&platform, &deployment(&space, &text("app:ok2", ", clusterIP: 10.96.77.77"))).await;
    let refused = refused.expect_err("a Service's address can't be changed");
    assert!(refused.message.contains("can't be changed on a live object"), "{refused}");
    assert_eq!(uid("Service").await, service);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_set_leads_to_a_member_before_it_is_there() {
    let space = Space::new("set").await;
    let platform = shop(&space).await;
    let app = deployment(
        &space,
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}",
    );
    sync(&platform, &app).await.expect("synced");
    let parent = platform
        .cluster()
        .get(&config_maps(), Some(&space.name), "cutover-shop")
        .await
        .expect("read")
        .expect("there");
    assert_eq!(parent["metadata"]["labels"]["applyset.kubernetes.io/id"], platform.identity().id());
    assert_eq!(parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"], "Service");
    assert!(
        parent["metadata"]["annotations"]["applyset.kubernetes.io/tooling"]
            .as_str()
            .expect("text")
            .starts_with("cutover/v")
    );
    let counts = platform.cluster().call_counts();
    assert_eq!(counts.of(Verb::Apply), 2, "the set and the Service: {counts:?}");
    let how = Apply { force: false, dry_run: true };
    assert!(
        platform
            .cluster()
            .apply(
                &config_maps(),
                Some(&space.name),
                &json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x"}}),
                how
            )
            .await
            .is_ok()
    );
}
