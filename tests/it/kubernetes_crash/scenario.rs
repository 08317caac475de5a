//! What is synced while something goes wrong.

use crate::kube_support::Space;
use cutover::config::{load, load_application};
use cutover::engine::Deployment;
use cutover::model::{PlatformKind, SourceFile};

/// Documents before and after.
#[derive(Default)]
pub struct Scenario {
    pub name: &'static str,
    /// Synced one after the other, undisturbed.
    pub before: Vec<String>,
    pub after: String,
    /// Takes some time: each write is disturbed in three ways, and not in six.
    pub slow: bool,
    /// What is disturbed is the deletion of everything, and not a sync of `after`.
    pub ends: bool,
}

impl Scenario {
    /// The application with these documents; what is no longer among them is pruned.
    pub fn deployment(&self, space: &Space, documents: &str) -> Deployment {
        let application = format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: shop}}\nspec:\n  \
             source: {{repoURL: 'https://git.example/deploy.git', path: shop}}\n  \
             destination: {{kubernetes: {{namespace: {}}}}}\n  sync: {{prune: true, pruneLimit: 100%, timeout: 10m}}\n",
            space.name
        );
        let file = |path: &str, text: &str| SourceFile { path: path.into(), bytes: text.into() };
        let manifests = load(&[file("shop/all.yaml", documents)], Some(PlatformKind::Kubernetes));
        Deployment {
            application: load_application(&file("app.yaml", &application)).expect("an application"),
            commit: "c0ffee".into(),
            manifests: manifests.unwrap_or_else(|problems| panic!("{}: {problems:#?}", self.name)),
        }
    }
}

const SETTINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {level: info}
---
apiVersion: v1
kind: Secret
metadata: {name: token}
stringData: {token: not-a-real-token}
---
";

const WEB: &str = "
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
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: web:1
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: 8080}}
---
";

const BLUE_GREEN: &str = "
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: web}
spec:
  workloadRef: {kind: Deployment, name: web}
  container: {name: app, port: 8080}
  traffic: {service: web}
  gates: {healthyTargets: 100%, stableFor: 0s}
  bakeTime: 0s
  keepPrevious: 24h
  deadline: 10m
---
";

const EXTRA: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: extra}
data: {a: b}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: extra}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: extra}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]
---
";

fn hook(name: &str, phase: &str) -> String {
    format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, annotations: {{cutover.dev/hook: {phase}}}}}
spec:
  template:
    spec: {{restartPolicy: Never, containers: [{{name: app, image: '{name}:ok0'}}]}}
---
"
    )
}

/// All scenarios.
pub fn scenarios() -> Vec<Scenario> {
    let whole = format!("{SETTINGS}{WEB}");
    let newer = whole.replace("level: info", "level: debug").replace("web:1", "web:2");
    let steered = format!("{WEB}{BLUE_GREEN}");
    let newer_steered = steered.replace("web:1", "web:2");
    let hooked = |documents: &str| {
        format!("{}{documents}{}", hook("migrate", "pre-sync"), hook("smoke-test", "post-sync"))
    };
    vec![
        Scenario { name: "first", before: vec![], after: whole.clone(), ..Scenario::default() },
        Scenario { name: "update", before: vec![whole.clone()], after: newer, ..Scenario::default() },
        Scenario {
            name: "prune",
            before: vec![format!("{SETTINGS}{EXTRA}")],
            after: SETTINGS.into(),
            ..Scenario::default()
        },
        Scenario {
            name: "first-slot",
            before: vec![],
            after: steered.clone(),
            slow: true,
            ..Scenario::default()
        },
        Scenario {
            name: "cutover",
            before: vec![steered.clone()],
            after: newer_steered.clone(),
            slow: true,
            ..Scenario::default()
        },
        Scenario {
            name: "return",
            before: vec![steered.clone(), newer_steered.clone()],
            after: steered.clone(),
            slow: true,
            ..Scenario::default()
        },
        Scenario {
            name: "released",
            before: vec![steered.clone(), newer_steered.clone()],
            after: WEB.replace("web:1", "web:2"),
            slow: true,
            ..Scenario::default()
        },
        Scenario {
            name: "deletion",
            before: vec![format!("{SETTINGS}{EXTRA}{steered}")],
            after: SETTINGS.into(),
            slow: true,
            ends: true,
        },
        Scenario {
            name: "hooks",
            before: vec![hooked(SETTINGS)],
            after: hooked(&SETTINGS.replace("level: info", "level: debug")),
            ..Scenario::default()
        },
    ]
}
