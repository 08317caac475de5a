//! Which fields of an object the API server does not like, from its messages.

use serde_json::Value;

/// What the server says of a Pod that is there.
const POD_UPDATES: &str = "pod updates may not change fields";

/// One field that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidField {
    /// As documents' lines are known by: `spec.template.spec.containers[0].imagee`.
    pub path: String,
    pub message: String,
}

impl InvalidField {
    /// True if the kind has no such field.
    pub fn is_unknown(&self) -> bool {
        matches!(
            self.message.as_str(),
            "unknown field" | "field not declared in schema" | "a field is not known"
        )
    }

    /// True if it is one of the many fields of a Pod that can't be changed once it is there. The message then quotes the
    /// whole Pod.
    pub fn is_of_started_pod(&self) -> bool {
        self.message.contains(POD_UPDATES)
    }

    /// True if the field can't be changed on an object that is there.
    pub fn is_immutable(&self) -> bool {
        [
            "field is immutable",
            "are forbidden",
            "may not change once set",
            "Forbidden: updates to",
            POD_UPDATES,
        ]
        .iter()
        .any(|words| self.message.contains(words))
    }
}

/// All fields that a refusal names. `causes` are field and message of a `Status`; `body` is what was sent.
pub(super) fn invalid_fields(message: &str, causes: &[(&str, &str)], body: &Value) -> Vec<InvalidField> {
    let mut fields: Vec<InvalidField> = causes
        .iter()
        .filter(|(field, _)| !field.is_empty())
        .map(|(field, message)| InvalidField {
            path: index_path(field, body),
            message: (*message).to_owned(),
        })
        .collect();
    if fields.is_empty() {
        fields = typed_errors(message, body);
    }
    if fields.is_empty() {
        fields = strict_errors(message);
    }
    fields
}

/// Server-side apply against the schema:
/// `failed to create typed patch object (/web; apps/v1, Kind=Deployment): errors:\n  .spec.foo: field not declared in schema`.
fn typed_errors(message: &str, body: &Value) -> Vec<InvalidField> {
    let Some((_, list)) = message
        .split_once("failed to create typed patch object (")
        .and_then(|(_, rest)| rest.split_once("): "))
    else {
        return vec![];
    };
    let lines = list.strip_prefix("errors:").unwrap_or(list).lines().map(str::trim);
    let field = |line: &str| {
        let (path, message) = line.strip_prefix('.')?.split_once(": ")?;
        Some(InvalidField { path: index_path(path, body), message: message.to_owned() })
    };
    lines.filter_map(field).collect()
}

/// `strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"`.
fn strict_errors(message: &str) -> Vec<InvalidField> {
    let Some((_, list)) = message.split_once("strict decoding error: ") else { return vec![] };
    let field = |part: &str| {
        let (what, path) = part.trim().split_once(" \"")?;
        let path = path.trim_end_matches('"').to_owned();
        Some(InvalidField { path, message: what.to_owned() })
    };
    list.split(", ").filter_map(field).collect()
}

/// Turns a path with elements by key (`.spec.containers[name="app"].image`) into one with indices
/// (`spec.containers[0].image`), as far as `body` has them.
pub fn index_path(path: &str, body: &Value) -> String {
    let mut written = String::new();
    let mut here = Some(body);
    let mut rest = path.strip_prefix('.').unwrap_or(path);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner);
            let selector = &inner[..end];
            rest = inner.get(end + 1..).unwrap_or_default();
            let index = here.and_then(|list| position(list, selector));
            match index {
                Some(index) => written.push_str(&format!("[{index}]")),
                None => written.push_str(&format!("[{selector}]")),
            }
            here = here.zip(index).and_then(|(list, index)| list.get(index));
            rest = rest.strip_prefix('.').unwrap_or(rest);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            // Names with dots in them (labels) are one step where the body says so.
            let end = here
                .and_then(Value::as_object)
                .map_or(end, |fields| longest_name(rest, fields).unwrap_or(end));
            let name = &rest[..end];
            if !written.is_empty() {
                written.push('.');
            }
            written.push_str(name);
            here = here.and_then(|fields| fields.get(name));
            rest = &rest[end..];
            rest = rest.strip_prefix('.').unwrap_or(rest);
        }
    }
    written
}

fn longest_name(rest: &str, fields: &serde_json::Map<String, Value>) -> Option<usize> {
    let fits = |name: &&String| {
        rest.strip_prefix(name.as_str())
            .is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
    };
    fields.keys().filter(fits).map(String::len).max()
}

/// Where the bracket that is open ends; quotes may hold brackets.
fn closing(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ']' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// The index that `0`, `name="app"`, `containerPort=80,protocol="TCP"` or `="x"` stands for.
fn position(list: &Value, selector: &str) -> Option<usize> {
    if let Ok(index) = selector.parse() {
        return Some(index);
    }
    let keys: Vec<(&str, Value)> = selector
        .split(',')
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((key, serde_json::from_str(value).ok()?))
        })
        .collect::<Option<_>>()?;
    // A key that the document leaves to its default is no mismatch.
    let fits = |item: &Value| {
        keys.iter().all(|(key, value)| match key.is_empty() {
            true => item == value,
            false => item.get(key).is_none_or(|found| found == value),
        })
    };
    list.as_array()?.iter().position(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn elements_by_key_become_indices_of_the_document() {
        let body = json!({"metadata": {"labels": {"a.b/c": "d"}}, "spec": {
            "containers": [{"name": "x"}, {"name": "app", "ports": [{"containerPort": 80}, {"containerPort": 81}]}], "args": ["a", "b"]}});
        for (path, indexed) in [
            (".spec.containers[name=\"app\"].imagee", "spec.containers[1].imagee"),
            (
                ".spec.containers[name=\"app\"].ports[containerPort=81,protocol=\"TCP\"].x",
                "spec.containers[1].ports[1].x",
            ),
            ("spec.containers[1].image", "spec.containers[1].image"),
            (".spec.containers[name=\"none\"].image", "spec.containers[name=\"none\"].image"),
            (".spec.args[=\"b\"]", "spec.args[1]"),
            (".metadata.labels.a.b/c", "metadata.labels.a.b/c"),
            (".spec.containers[name=\"a]b\"].x", "spec.containers[name=\"a]b\"].x"),
            ("", ""),
        ] {
            assert_eq!(index_path(path, &body), indexed, "{path}");
        }
    }

    #[test]
    fn every_field_of_a_refusal_is_found() {
        let body = json!({"spec": {"template": {"spec": {"containers": [{"name": "app"}]}}}});
        let paths = |message: &str, causes: &[(&str, &str)]| -> Vec<String> {
            invalid_fields(message, causes, &body).into_iter().map(|field| field.path).collect()
        };
        assert_eq!(
            paths(
                "failed to create typed patch object (/web; apps/v1, Kind=Deployment): errors:\n  .spec.template.spec.containers[name=\"app\"].imagee: field not declared in schema\n  .spec.fooo: field not declared in schema",
                &[]
            ),
            ["spec.template.spec.containers[0].imagee", "spec.fooo"]
        );
        assert_eq!(
            paths(
                "failed to create typed patch object (/t; e/v1, Kind=T): .spec.x: expected numeric, got string",
                &[]
            ),
            ["spec.x"]
        );
        assert_eq!(
            paths("strict decoding error: unknown field \"spec.foo\", duplicate field \"spec.bar\"", &[]),
            ["spec.foo", "spec.bar"]
        );
        assert_eq!(paths("is invalid", &[("spec.selector", "field is immutable")]), ["spec.selector"]);
        assert_eq!(paths("no", &[]), [""; 0]);
    }
}
