//! What a request asks, read off its method, path and query.

use cutover::kubernetes::Verb;
use http::Method;
use serde_json::Value;
use std::fmt;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub verb: Verb,
    /// `deployments.apps`, `services`, `deployments.apps/status`; the path of what is no resource.
    pub resource: String,
    pub namespace: Option<String>,
    /// Of one object.
    pub name: Option<String>,
    /// Of writes and dry runs.
    pub body: Option<Value>,
}

impl Asked {
    /// `path` has its query, `content_type` tells the sorts of patches apart.
    pub fn of(method: &Method, path: &str, content_type: &str, body: &[u8]) -> Asked {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let set = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let place = place(path);
        let is_one = place.as_ref().is_some_and(|place| place.name.is_some());
        let verb = match *method {
            Method::GET if place.is_none() => Verb::Discover,
            Method::GET if set("watch").is_some_and(|value| matches!(value, "1" | "true")) => Verb::Watch,
            Method::GET if is_one => Verb::Get,
            Method::GET => Verb::List,
            _ if set("dryRun").is_some() => Verb::DryRun,
            Method::PATCH if content_type.starts_with("application/apply-patch") => Verb::Apply,
            Method::PATCH => Verb::Patch,
            Method::POST => Verb::Create,
            Method::PUT => Verb::Replace,
            _ => Verb::Delete,
        };
        // YAML is what an apply calls it; what is sent is JSON.
        let body = serde_json::from_slice(body).ok();
        let Some(place) = place else {
            return Asked { verb, resource: path.to_owned(), namespace: None, name: None, body };
        };
        let named = || body.as_ref()?.pointer("/metadata/name")?.as_str().map(str::to_owned);
        let name = place.name.or_else(|| if *method == Method::POST { named() } else { None });
        Asked { verb, resource: place.resource, namespace: place.namespace, name, body }
    }
}

/// `apply deployments.apps web`
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

struct Place {
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
}

/// Of `/api/v1/…` and `/apis/GROUP/VERSION/…`.
fn place(path: &str) -> Option<Place> {
    let mut parts = path.trim_matches('/').split('/');
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let _version = parts.next()?;
    let rest: Vec<&str> = parts.collect();
    let (namespace, rest) = match rest[..] {
        ["namespaces", namespace, _, ..] if !matches!(rest[2], "status" | "finalize") => {
            (Some(namespace.to_owned()), &rest[2..])
        }
        _ => (None, &rest[..]),
    };
    let (plural, name, sub) = match *rest {
        [] => return None,
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, sub, ..] => (plural, Some(name), Some(sub)),
    };
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let sub = sub.map_or(String::new(), |sub| format!("/{sub}"));
    Some(Place { resource: format!("{plural}{group}{sub}"), namespace, name: name.map(str::to_owned) })
}
