//! Values that look like secrets, in documents that are about to be written into Git.

use crate::diff::{is_secret_name, is_secret_text};
use crate::model::{Manifests, PlatformKind};
use serde_json::Value;

/// A sentence for each value that nobody should commit as it is. The value itself is never in it.
pub(super) fn told(manifests: &Manifests, platform: PlatformKind) -> Vec<String> {
    let definitions = manifests.task_definitions.values();
    let definitions = definitions.map(|one| (format!("TaskDefinition/{}", one.name), &one.spec));
    let services = manifests.services.values().map(|one| (format!("Service/{}", one.name), &one.spec));
    let objects = manifests.objects.values().map(|one| (one.label(), &one.body));
    let instead = match platform {
        PlatformKind::Ecs => {
            "keep it in Secrets Manager or Parameter Store, and name that under `secrets` of the container"
        }
        PlatformKind::Kubernetes => "keep it in a Secret, and refer to that with `valueFrom.secretKeyRef`",
    };
    let mut sentences = vec![];
    for (document, body) in definitions.chain(services).chain(objects) {
        let mut found = vec![];
        walk(body, "", &mut found);
        let said = |what| format!("{document}: {what} looks like a secret; before you commit it, {instead}");
        sentences.extend(found.into_iter().map(said));
    }
    sentences
}

/// Notes what in `value`, which is at `path`, looks like a secret.
fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let text = |field: &str| fields.get(field).and_then(Value::as_str);
            if let (Some(name), Some(value)) = (text("name"), text("value")) {
                if !value.is_empty() && (is_secret_name(name) || is_secret_text(value)) {
                    found.push(format!("the value of {name}"));
                }
                return;
            }
            for (field, value) in fields {
                let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
                walk(value, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), found);
            }
        }
        Value::String(text) if is_secret_text(text) => found.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_looks_like_a_secret_is_named_and_not_shown() {
        let body = json!({"containerDefinitions": [{"name": "app", "environment": [
            {"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "LOG_LEVEL", "value": "info"},
            {"name": "DB_URL", "value": "postgres://app:hunter2@db/app"}, {"name": "API_TOKEN", "value": ""}],
            "command": ["run", "--password=hunter2"],
            "secrets": [{"name": "KEY", "valueFrom": "arn:aws:secretsmanager:eu-central-1:1:secret:key"}]}]});
        let mut found = vec![];
        walk(&body, "", &mut found);
        assert_eq!(
            found,
            ["the value of DB_PASSWORD", "the value of DB_URL", "containerDefinitions[0].command[1]"]
        );
    }
}
