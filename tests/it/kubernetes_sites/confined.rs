use super::yard::{Yard, planned, sync};
use crate::kube_support::{Space, User};
use cutover::controller::{Request, RequestVerb};
use cutover::engine::{Silent, StopSignal, TroubleKind};
use cutover::model::Allowed;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_is_out_of_bounds_is_listed_and_nothing_is_written() {
    let yard = Yard::new("bounds", User::Admin).await;
    let other = Space::new("other").await;
    let text = format!(
        "
apiVersion: v1
kind: ConfigMap
metadata: {{name: mine}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: theirs, namespace: {0}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {0}}}
rules: []
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {0}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: app, image: 'web:v1', ports: [{{containerPort: 8080}}]}}]}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: {0}}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {{name: web}}
spec: {{workloadRef: {{kind: Deployment, name: web}}, container: {{name: app, port: 8080}}, traffic: {{service: web}}}}
",
        other.name
    );
    let shop = yard.commit("shop", &text);
    let site = yard.try_open(&shop, yard.own_namespace_and(&["ClusterIssuer.*"])).await.expect("opened");
    let refused = site.sync(&shop, &Silent, &StopSignal::default()).await.expect_err("refused");
    assert_eq!(refused.kind, TroubleKind::Rejected);
    let beyond = format!("namespace {} is not among those that it may have objects in", other.name);
    let role = "ClusterRole.rbac.authorization.k8s.io is not among the cluster-scoped kinds that it may have";
    let told: Vec<&str> = refused.message.split("; ").collect();
    for (place, why) in [("app.yaml:6: ", &*beyond), ("app.yaml:10: ", role), ("app.yaml:15: ", &beyond)] {
        assert!(
            told.iter().any(|told| told.starts_with(place) && told.ends_with(why)),
            "{place}{why}: {told:#?}"
        );
    }
    assert!(yard.space.api::<ConfigMap>().get_opt("mine").await.expect("an answer").is_none());
    let nowhere = Allowed { namespaces: vec![], cluster_kinds: vec![], aws: false, within: None };
    assert!(yard.try_open(&shop, nowhere).await.is_err(), "not even its own namespace");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_inventory_that_was_tampered_with_leads_nowhere() {
    let yard = Yard::new("tampered", User::Admin).await;
    let other = Space::new("victim").await;
    let text = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: mine}}}}\n---\n\
         {{apiVersion: v1, kind: ConfigMap, metadata: {{name: theirs, namespace: {}}}}}\n",
        other.name
    );
    let wide = yard.commit("shop", &text);
    sync(&yard.open(&wide).await, &wide).await;
    let narrow = yard.commit("shop", "{apiVersion: v1, kind: ConfigMap, metadata: {name: mine}}\n");
    let site = yard.try_open(&narrow, yard.own_namespace_and(&[])).await.expect("opened");
    let patch = Patch::Merge(json!({"metadata": {"annotations": {
        "applyset.kubernetes.io/additional-namespaces": format!("{},kube-system", other.name)}}}));
    let parents = yard.space.api::<ConfigMap>();
    parents.patch("cutover-shop", &PatchParams::default(), &patch).await.expect("tampered with");
    let synced = sync(&site, &narrow).await;
    assert_eq!(planned(&synced), [""; 0]);
    other.api::<ConfigMap>().get("theirs").await.expect("it is still there");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn load_balancers_are_steered_only_where_that_is_allowed() {
    let yard = Yard::new("balancers", User::Admin).await;
    let rule = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/others/1/2/3";
    let shop = yard.commit(
        "shop",
        &format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: app, image: 'web:v1', ports: [{{containerPort: 8080}}]}}]}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {{name: web}}
spec: {{workloadRef: {{kind: Deployment, name: web}}, container: {{name: app, port: 8080}},
  alb: {{productionListenerRule: '{rule}', targetGroups: {{blue: web-blue, green: web-green}}}}}}
"
        ),
    );
    let without_aws = Allowed { aws: false, ..yard.own_namespace_and(&[]) };
    let site = yard.try_open(&shop, without_aws).await.expect("opened");
    let refused = site.sync(&shop, &Silent, &StopSignal::default()).await.expect_err("refused");
    assert!(refused.message.contains("BlueGreen/web: `alb` steers"), "{refused}");
    for verb in [RequestVerb::Promote, RequestVerb::Abort, RequestVerb::Retry] {
        let request = Request { text: "x".into(), verb, workload: Some("web".into()) };
        let refused = site.handle(&shop, &request).await.expect_err("refused");
        assert!(refused.message.contains("`alb` steers"), "{refused}");
    }
}
