//! N objects of six kinds that nothing has to be waited for, as documents, as bodies and as files.

use cutover::engine::Deployment;
use cutover::model::{
    Application, Destination, FieldLines, Manifests, Object, ObjectKey, Origin, Source, Sync, Turn,
};
use serde_json::{Value, json};
use std::path::Path;

/// The objects of one row.
pub struct Set {
    pub count: usize,
    bodies: Vec<Value>,
}

/// Path of the kind's collection in a namespace.
pub const COLLECTIONS: [(&str, &str); 6] = [
    ("ConfigMap", "api/v1/namespaces/NS/configmaps"),
    ("Secret", "api/v1/namespaces/NS/secrets"),
    ("Service", "api/v1/namespaces/NS/services"),
    ("ServiceAccount", "api/v1/namespaces/NS/serviceaccounts"),
    ("Role", "apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles"),
    ("NetworkPolicy", "apis/networking.k8s.io/v1/namespaces/NS/networkpolicies"),
];

impl Set {
    pub fn new(count: usize) -> Set {
        Set { count, bodies: (0..count).map(body).collect() }
    }

    /// Every object, in a namespace.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Value> {
        let within = |body: &Value| {
            let mut body = body.clone();
            body["metadata"]["namespace"] = namespace.into();
            body
        };
        self.bodies.iter().map(within).collect()
    }

    /// The application that consists of them.
    pub fn deployment(&self, namespace: &str) -> Deployment {
        let objects = self.bodies.iter().map(|body| {
            let object = object(body.clone());
            (object.key.clone(), object)
        });
        Deployment {
            application: Application {
                name: "bench".into(),
                origin: Origin::default(),
                source: Source {
                    repo_url: String::new(),
                    target_revision: String::new(),
                    path: ".".into(),
                    directory: cutover::model::Directory::default(),
                    secret_ref: None,
                },
                destination: Destination::Kubernetes {
                    namespace: namespace.into(),
                    context: None,
                    region: None,
                    kubeconfig_secret_ref: None,
                },
                sync: Sync { prune: true, timeout: 3_600, ..Sync::default() },
                ignore_differences: vec![],
                suspend: false,
                deletion: Default::default(),
                depends_on: vec![],
                service_account_name: None,
            },
            commit: "c0ffee".into(),
            manifests: Manifests { objects: objects.collect(), ..Manifests::default() },
        }
    }

    /// Ten objects a file, as kubectl reads them.
    pub fn write(&self, folder: &Path, namespace: &str) {
        for (number, chunk) in self.in_namespace(namespace).chunks(10).enumerate() {
            let text: Vec<String> = chunk.iter().map(Value::to_string).collect();
            let path = folder.join(format!("{number:04}.yaml"));
            std::fs::write(path, text.join("\n---\n")).expect("a file");
        }
    }
}

fn body(number: usize) -> Value {
    let name = format!("object-{number:05}");
    let metadata =
        json!({"name": name, "labels": {"app.kubernetes.io/part-of": "bench", "number": number.to_string()}});
    match number % 6 {
        0 => json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {
            "LOG_LEVEL": "info", "REGION": "eu-central-1", "settings.yaml": "a: 1\nb: 2\n".repeat(20)}}),
        1 => json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque",
            "data": {"password": "bm90LWEtcmVhbC1wYXNzd29yZA=="}}),
        2 => {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"clusterIP": "None",
            "selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
        }
        3 => json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
        4 => json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]}),
        _ => json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
            "spec": {"podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]}}),
    }
}

fn object(body: Value) -> Object {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let api_version = text("/apiVersion");
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    Object {
        key: ObjectKey { group, kind: text("/kind"), namespace: None, name: text("/metadata/name") },
        api_version,
        origin: Origin { file: "bench.yaml".into(), line: 1 },
        turn: Turn { rank: 2, ..Turn::default() },
        lines: FieldLines::default(),
        body,
    }
}
