//! Fields that another controller fills by design. A document often holds a placeholder for them, or what the controller
//! wrote on the day when it was exported; neither is worth a conflict, and to write it back would break what works.

use super::left_alone::{is_called, leave};
use crate::kubernetes::FIELD_MANAGER;
use crate::plan::FieldConflict;
use serde_json::Value;

/// The fields: group, kind, what the document has to have (a JSON pointer), and the field, where `*` is every element of a
/// list.
const FILLED: [(&str, &str, Option<&str>, &str); 8] = [
    // The controller manager gathers them from the roles that are selected.
    ("rbac.authorization.k8s.io", "ClusterRole", Some("/aggregationRule"), "/rules"),
    // cert-manager, OpenShift's service CA, and operators that make a certificate of their own.
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        None,
        "/webhooks/*/clientConfig/caBundle",
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        None,
        "/webhooks/*/clientConfig/caBundle",
    ),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        None,
        "/spec/conversion/webhook/clientConfig/caBundle",
    ),
    ("apiregistration.k8s.io", "APIService", None, "/spec/caBundle"),
    // OpenShift's bundles of trusted authorities.
    (
        "",
        "ConfigMap",
        Some("/metadata/labels/config.openshift.io~1inject-trusted-cabundle"),
        "/data/ca-bundle.crt",
    ),
    (
        "",
        "ConfigMap",
        Some("/metadata/annotations/service.beta.openshift.io~1inject-cabundle"),
        "/data/service-ca.crt",
    ),
    ("", "PersistentVolume", None, "/spec/claimRef"),
];
/// What stands for no value: nothing, and a line's end in base64, which generators write where a field may not be empty.
const PLACEHOLDERS: [&str; 3] = ["", "\n", "Cg=="];

/// The declared fields that are left to whoever fills them: JSON pointers into `body`, each with the manager that has it
/// live and the value there. A value that is none is left out; a real one is, too, if somebody else has the field.
pub(super) fn filled(body: &Value, live: Option<&Value>) -> Vec<(String, Option<FieldConflict>)> {
    let version = body["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let is_of = |(of_group, kind, needs, _): &&(&str, &str, Option<&str>, &str)| {
        *of_group == group
            && body["kind"] == *kind
            && needs.is_none_or(|needs| body.pointer(needs).is_some_and(|value| !value.is_null()))
    };
    let pointers = FILLED.iter().filter(is_of).flat_map(|(.., pointer)| expand(body, pointer));
    let left = pointers.filter_map(|pointer| {
        let value = body.pointer(&pointer)?;
        let manager = live.and_then(|live| manager_of(live, body, &pointer));
        let left = manager.map(|manager| FieldConflict { manager, field: readable(&pointer) });
        (left.is_some() || is_placeholder(value)).then_some((pointer, left))
    });
    left.collect()
}

/// Takes placeholders out of what will be created.
pub(super) fn leave_placeholders(body: &mut Value) {
    let pointers: Vec<String> = filled(body, None).into_iter().map(|(pointer, _)| pointer).collect();
    leave(body, &Value::Null, &pointers);
}

fn is_placeholder(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => PLACEHOLDERS.contains(&text.as_str()),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The pointers that one with a `*` stands for.
fn expand(body: &Value, pointer: &str) -> Vec<String> {
    let Some((list, rest)) = pointer.split_once("/*") else { return vec![pointer.to_owned()] };
    let count = body.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
    (0..count).map(|index| format!("{list}/{index}{rest}")).collect()
}

/// `webhooks[0].clientConfig.caBundle`
fn readable(pointer: &str) -> String {
    pointer.split('/').skip(1).fold(String::new(), |path, step| match step.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => step.replace("~1", "/"),
        Err(_) => format!("{path}.{}", step.replace("~1", "/")),
    })
}

/// Who has the field, other than us and the tools that documents came from.
fn manager_of(live: &Value, body: &Value, pointer: &str) -> Option<String> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let others = entries.iter().filter(|entry| {
        let manager = entry["manager"].as_str().unwrap_or_default();
        manager != FIELD_MANAGER && !super::takeover::is_former(manager)
    });
    let steps: Vec<&str> = pointer.split('/').skip(1).collect();
    let mut having = others.filter(|entry| has(&entry["fieldsV1"], body, &steps));
    having.next()?["manager"].as_str().map(ToOwned::to_owned)
}

fn has(owned: &Value, body: &Value, steps: &[&str]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    match body {
        Value::Array(items) => {
            let Some(item) = step.parse::<usize>().ok().and_then(|index| items.get(index)) else {
                return false;
            };
            let elements = owned.as_object().into_iter().flatten();
            let mut named = elements.filter(|(name, _)| is_called(item, name));
            named.any(|(_, owned)| has(owned, item, rest))
        }
        _ => {
            let field = step.replace("~1", "/").replace("~0", "~");
            owned.get(format!("f:{field}")).is_some_and(|owned| has(owned, &body[&field], rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn webhook(bundle: &str) -> Value {
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "webhooks": [{"name": "a.e", "clientConfig": {"caBundle": bundle}}, {"name": "b.e", "clientConfig": {}}]})
    }

    fn live(manager: &str) -> Value {
        json!({"metadata": {"managedFields": [{"manager": manager, "operation": "Update", "fieldsV1":
            {"f:webhooks": {"k:{\"name\":\"a.e\"}": {"f:clientConfig": {"f:caBundle": {}}}}}}]}})
    }

    #[test]
    fn a_bundle_is_left_to_its_injector_and_a_real_one_of_nobody_else_is_sent() {
        let pointer = "/webhooks/0/clientConfig/caBundle".to_owned();
        let field = "webhooks[0].clientConfig.caBundle".to_owned();
        let injector = FieldConflict { manager: "cert-manager-cainjector".into(), field };
        let cases = [
            ("cmVhbA==", "cert-manager-cainjector", vec![(pointer.clone(), Some(injector.clone()))]),
            ("Cg==", "cert-manager-cainjector", vec![(pointer.clone(), Some(injector))]),
            ("Cg==", "cutover", vec![(pointer, None)]),
            ("cmVhbA==", "cutover", vec![]),
            ("cmVhbA==", "kubectl-client-side-apply", vec![]),
        ];
        for (bundle, manager, expected) in cases {
            assert_eq!(filled(&webhook(bundle), Some(&live(manager))), expected, "{bundle} {manager}");
        }
    }

    #[test]
    fn rules_are_filled_only_where_they_are_aggregated() {
        let role = |aggregated: bool, rules: Value| {
            let mut role =
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": rules});
            if aggregated {
                role["aggregationRule"] = json!({"clusterRoleSelectors": []});
            }
            role
        };
        assert_eq!(filled(&role(true, json!([])), None), [("/rules".to_owned(), None)]);
        assert_eq!(filled(&role(false, json!([])), None), []);
        assert_eq!(filled(&role(true, json!([{"verbs": ["get"]}])), None), []);
        let taken = json!({"metadata": {"managedFields": [{"manager": "kube-controller-manager", "fieldsV1": {"f:rules": {}}}]}});
        let rules = json!([{"verbs": ["get"]}]);
        assert_eq!(filled(&role(true, rules), Some(&taken)).len(), 1);
    }
}
