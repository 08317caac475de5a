//! The rights that `manifests/rbac` gives are all that an application needs which keeps to its namespace.

use super::desk::KubeDesk;
use crate::kube_support::User;

const SHOP: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG_LEVEL: info}
---
apiVersion: v1
kind: Secret
metadata: {name: database}
stringData: {PASSWORD: hunter2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: web}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {tier: web}}, policyTypes: [Ingress], ingress: [{}]}
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
    metadata: {labels: {app: web, tier: web}}
    spec:
      serviceAccountName: web
      containers:
        - name: app
          image: registry.example/web:v1
          ports: [{containerPort: 8080}]
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: database}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
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
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: '0 3 * * *'
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'registry.example/report:v1'}]}}}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_role_in_manifests_is_enough_for_a_whole_life() {
    let shop = KubeDesk::new("rights", "sync: {prune: true, pruneLimit: 100%, timeout: 3m}", SHOP).await;
    let role = include_str!("../../../manifests/rbac/namespace.yaml");
    let account = "{kind: ServiceAccount, name: cutover, namespace: NAMESPACE}";
    assert!(role.contains(account), "whom the Role is given to");
    let user = "{apiGroup: rbac.authorization.k8s.io, kind: User, name: restricted}";
    shop.space.apply(&role.replace(account, user).replace("NAMESPACE", &shop.space.name)).await;
    let run = |verb: &str, flags: &[&str]| {
        let ran = shop.run_as(User::Restricted, &[&[verb, "-f", "shop.yaml"], flags].concat());
        assert_eq!(ran.code, Some(0), "{verb}: {}", ran.whole());
        ran
    };
    run("verify", &["--live"]);
    run("plan", &[]);
    run("sync", &[]);
    shop.change(&[("web:v1", "web:v2")], "Second");
    run("sync", &[]);
    run("status", &[]);
    shop.change(&[("web:v2", "web:v1")], "Back");
    run("sync", &[]);
    let documents = SHOP.rsplit_once("---\n").expect("documents").0;
    shop.desk.write("deploy/shop.yaml", documents);
    tokio::task::block_in_place(|| shop.desk.commit("No report"));
    let pruned = run("sync", &[]);
    assert!(pruned.whole().contains("prune CronJob.batch/[namespace]/report"), "{}", pruned.whole());
    run("wait", &[]);
    run("plan", &["--detailed-exitcode"]);
}
