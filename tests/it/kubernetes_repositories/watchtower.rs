//! Large definitions with their first objects, roles that are gathered into others, and what lies in the cluster's own
//! namespaces.

use super::api_server::ApiServer;
use super::repository::{Drift, Repository, object};
use serde_json::json;
use std::fmt::Write;

const GROUP: &str = "watchtower.example.com";
/// What an annotation holds, and so what client-side kubectl can apply.
const ANNOTATION_BYTES: usize = 256 * 1024;

/// A definition with so many fields, each with a description as long as generators write them.
fn definition(plural: &str, kind: &str, fields: usize) -> String {
    let mut text = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {plural}.{GROUP}\n  \
         annotations: {{controller-gen.kubebuilder.io/version: v0.19.0}}\nspec:\n  group: {GROUP}\n  names: {{categories: \
         [watchtower], kind: {kind}, listKind: {kind}List, plural: {plural}, singular: {}}}\n  scope: Namespaced\n  versions:\n    \
         - name: v1\n      served: true\n      storage: true\n      subresources: {{status: {{}}}}\n      schema:\n        \
         openAPIV3Schema:\n          type: object\n          properties:\n            status: {{type: object, \
         x-kubernetes-preserve-unknown-fields: true}}\n            spec:\n              type: object\n              \
         x-kubernetes-preserve-unknown-fields: true\n              properties:\n",
        kind.to_lowercase()
    );
    let description = "It is told to the server as it is written here and, unless something else is said, holds for all \
                       of its parts; see the field of the same name in the pods' own specification. ";
    for number in 0..fields {
        let _ = write!(
            text,
            "                field{number:03}:\n                  description: |-\n                    Field {number}. \
             {0}{0}\n                    {0}\n                  type: object\n                  properties:\n                    \
             level: {{format: int32, minimum: 0, type: integer}}\n                    text: {{minLength: 1, pattern: \
             '^(.+)$', type: string}}\n",
            description
        );
    }
    text
}

/// The objects of the smaller definition, which leave Git and come back together with it.
fn lamps() -> String {
    let lamp = |number: u32| {
        format!(
            "---\napiVersion: {GROUP}/v1\nkind: Lamp\nmetadata: {{name: lamp-{number}, labels: {{of: watchtower}}}}\nspec:\n  \
             field000: {{level: {number}}}\n  endpoints: [{{port: http, interval: 30s, path: /metrics}}]\n"
        )
    };
    (0..4).map(lamp).fold(definition("lamps", "Lamp", 20), |text, lamp| text + &lamp)
}

/// Rules with the templates of their own language, and boards in a list of ConfigMaps.
fn rules_and_boards() -> String {
    let mut text = definition("rules", "Rule", 3);
    let _ = write!(
        text,
        "---\napiVersion: {GROUP}/v1\nkind: Rule\nmetadata: {{name: nodes}}\nspec:\n  groups:\n    - name: nodes\n      rules:\n"
    );
    for number in 0..40 {
        let _ = write!(
            text,
            "        - alert: NodeFills{number}\n          annotations: {{summary: 'Filesystem of {{{{ $labels.node }}}} is at \
             {{{{ printf \"%.2f\" $value }}}}%'}}\n          expr: |\n            (node_avail{{fs!=\"\"}} / node_size{{fs!=\"\"}}) \
             * 100 < {number}\n          for: 30m\n          labels: {{severity: warning}}\n"
        );
    }
    text.push_str("---\napiVersion: v1\nkind: ConfigMapList\nitems:\n");
    for name in ["nodes", "pods", "towers"] {
        let panel = format!("{{\"title\": \"{name}\", \"targets\": [{{\"expr\": \"sum(rate(x[5m]))\"}}]}},");
        let panels = panel.repeat(120);
        let _ = write!(
            text,
            "  - metadata: {{name: board-{name}}}\n    data:\n      board.json: |-\n        [{panels}{{}}]\n"
        );
    }
    text
}

/// An API that is served by somebody else than the API server. No network leads to a pod of these tests, so its Service
/// leads to a port of this machine.
fn api_service(port: u16) -> String {
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: watchtower-metrics}}
spec: {{type: ExternalName, externalName: localhost}}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1beta1.metrics.{GROUP}}}
spec:
  group: metrics.{GROUP}
  groupPriorityMinimum: 100
  insecureSkipTLSVerify: true
  service: {{name: watchtower-metrics, namespace: watchtower, port: {port}}}
  version: v1beta1
  versionPriority: 100
"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn large_definitions_come_with_their_objects_and_gathered_roles_and_other_namespaces_are_left_as_they_are()
 {
    let towers = definition("towers", "Tower", 400);
    assert!(towers.len() > ANNOTATION_BYTES, "{} bytes are no large definition", towers.len());
    let api = tokio::task::block_in_place(|| ApiServer::start(&format!("metrics.{GROUP}/v1beta1")));
    let files = [
        ("setup/towers.yaml", towers),
        ("setup/lamps.yaml", lamps()),
        ("manifests/rules.yaml", rules_and_boards()),
        ("manifests/api.yaml", api_service(api.port)),
    ];
    let watchtower = Repository::with("watchtower", "watchtower", &files).await;
    watchtower.first_sync(31).await;
    let first = watchtower.state().await;
    let gathered =
        watchtower.read(&object("rbac.authorization.k8s.io/v1", "clusterroles/watchtower-keeper")).await;
    assert_eq!(gathered["rules"][0]["verbs"], json!(["get", "list", "watch"]), "{gathered}");
    let registered = object("apiregistration.k8s.io/v1", &format!("apiservices/v1beta1.metrics.{GROUP}"));
    watchtower
        .repairs(
            &[
                Drift::Patch(registered.clone(), json!({"spec": {"versionPriority": 5}})),
                Drift::Patch(
                    object("apiextensions.k8s.io/v1", &format!("customresourcedefinitions/towers.{GROUP}")),
                    json!({"spec": {"names": {"categories": ["all"]}}}),
                ),
                Drift::Patch(
                    object(&format!("{GROUP}/v1"), "watchtower/towers/main"),
                    json!({"spec": {"replicas": 1}}),
                ),
                Drift::Patch(
                    object("rbac.authorization.k8s.io/v1", "kube-system/rolebindings/watchtower-auth-reader"),
                    json!({"subjects": [{"kind": "ServiceAccount", "name": "other", "namespace": "default"}]}),
                ),
                Drift::Delete(object(&format!("{GROUP}/v1"), "watchtower/lamps/lamp-2")),
            ],
            &first,
        )
        .await;
    watchtower.remove("setup/lamps.yaml");
    watchtower.remove("manifests/lists.yaml");
    watchtower.remove("manifests/api.yaml");
    watchtower.commit(
        "Without lamps, without metrics of its own, and nothing of the cluster's own namespaces is read",
    );
    watchtower
        .prunes(
            &first,
            &[
                "APIService/v1beta1.metrics.watchtower.example.com",
                "CustomResourceDefinition/lamps.watchtower.example.com",
                "Lamp.watchtower.example.com/watchtower/lamp-0",
                "Lamp.watchtower.example.com/watchtower/lamp-1",
                "Lamp.watchtower.example.com/watchtower/lamp-2",
                "Lamp.watchtower.example.com/watchtower/lamp-3",
                "Role/default/watchtower",
                "Role/kube-system/watchtower",
                "RoleBinding/default/watchtower",
                "RoleBinding/kube-system/watchtower",
                "Service/watchtower/watchtower-metrics",
            ],
        )
        .await;
    watchtower.reverts_to(&first).await;
    // Before its server is gone: an API that is away holds up the end of every namespace.
    watchtower.delete(&registered).await;
    watchtower.end(&["watchtower"]).await;
}
