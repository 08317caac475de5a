//! Configuration that the serving version reads.

use super::desk::KubeDesk;
use k8s_openapi::api::core::v1::ConfigMap;

const WEB: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LEVEL: info}
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
          image: registry.example/web:v1
          ports: [{containerPort: 8080}]
          envFrom: [{configMapRef: {name: settings}}]
          readinessProbe: {httpGet: {path: /healthz, port: 8080}}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: web}
spec:
  workloadRef: {kind: Deployment, name: web}
  container: {name: app, port: 8080}
  traffic: {service: web}
  gates: {stableFor: 1s}
  bakeTime: 1s
  keepPrevious: 1h
  deadline: 90s
";

async fn level(shop: &KubeDesk, name: &str) -> Option<String> {
    let settings = shop.space.api::<ConfigMap>().get_opt(name).await.expect("an answer");
    settings.and_then(|settings| settings.data?.get("LEVEL").cloned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_the_serving_version_reads_changes_by_a_new_name_or_in_a_commit_of_its_own() {
    let shop = KubeDesk::new("configured", "sync: {timeout: 4m}", WEB).await;
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());

    shop.change(&[("web:v1", "web:v2"), ("LEVEL: info", "LEVEL: debug")], "Both at once");
    let refused = shop.verb("sync", &[]);
    assert_eq!(refused.code, Some(1), "{}", refused.whole());
    assert!(refused.whole().contains("serves and reads it"), "{}", refused.whole());
    assert_eq!(level(&shop, "settings").await.as_deref(), Some("info"));

    shop.change(&[("name: settings}", "name: settings-2}")], "A name for each content");
    let named = shop.verb("sync", &[]);
    assert_eq!(named.code, Some(0), "{}", named.whole());
    assert_eq!(level(&shop, "settings-2").await.as_deref(), Some("debug"));

    shop.change(&[("LEVEL: debug", "LEVEL: trace")], "In a commit of its own");
    let alone = shop.verb("sync", &[]);
    assert_eq!(alone.code, Some(0), "{}", alone.whole());
    assert_eq!(level(&shop, "settings-2").await.as_deref(), Some("trace"));

    let allowed = (
        "{name: settings-2}\ndata",
        "{name: settings-2, annotations: {cutover.dev/in-place: allowed}}\ndata",
    );
    shop.change(
        &[allowed, ("LEVEL: trace", "LEVEL: warn"), ("web:v2", "web:v3")],
        "Every version can do with it",
    );
    let together = shop.verb("sync", &[]);
    assert_eq!(together.code, Some(0), "{}", together.whole());
    assert_eq!(level(&shop, "settings-2").await.as_deref(), Some("warn"));
}
