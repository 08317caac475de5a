//! A kind of object as one API version serves it.

use crate::model::ObjectKey;
use serde_json::Value;

/// What is needed to send requests about a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub kind: String,
    /// `deployments`
    pub plural: String,
    /// False for what lies in no namespace.
    pub namespaced: bool,
}

impl Resource {
    /// A kind that every cluster serves, without asking.
    pub fn known(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
        let [group, version, kind, plural] = [group, version, kind, plural].map(ToOwned::to_owned);
        Resource { group, version, kind, plural, namespaced }
    }

    /// Namespaces, which need no discovery.
    pub fn namespaces() -> Resource {
        Resource::known("", "v1", "Namespace", "namespaces", false)
    }

    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `deployments.apps`, `configmaps`; as kubectl and RBAC messages name it.
    pub fn label(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// The full key of an object that was read or will be sent.
    pub fn key_of(&self, body: &Value) -> ObjectKey {
        let text = |field: &str| Some(body.get("metadata")?.get(field)?.as_str()?.to_owned());
        ObjectKey {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: self.namespaced.then(|| text("namespace")).flatten(),
            name: text("name").unwrap_or_default(),
        }
    }

    /// The path of the collection, or of one object of it. A namespace is ignored where the kind has none.
    pub(super) fn path(&self, namespace: Option<&str>, name: Option<&str>) -> Result<String, String> {
        let mut path = match self.group.as_str() {
            "" => format!("/api/{}", segment(&self.version)?),
            group => format!("/apis/{}/{}", segment(group)?, segment(&self.version)?),
        };
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            path = format!("{path}/namespaces/{}", segment(namespace)?);
        }
        path = format!("{path}/{}", segment(&self.plural)?);
        match name {
            Some(name) => Ok(format!("{path}/{}", segment(name)?)),
            None => Ok(path),
        }
    }
}

/// One part of a path. A name that would mean another path is refused, anything unusual is escaped.
fn segment(text: &str) -> Result<String, String> {
    if matches!(text, "" | "." | "..") || text.contains(['/', '%']) {
        return Err(format!("`{}` can't be a name", text.escape_debug()));
    }
    Ok(escape(text))
}

/// Percent-escapes everything but unreserved characters and `:`.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                escaped.push(byte.into())
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api_and_names_stay_within_them() {
        let deployments = Resource::known("apps", "v1", "Deployment", "deployments", true);
        let roles = Resource::known("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false);
        assert_eq!(
            deployments.path(Some("shop"), Some("web")).as_deref(),
            Ok("/apis/apps/v1/namespaces/shop/deployments/web")
        );
        assert_eq!(deployments.path(None, None).as_deref(), Ok("/apis/apps/v1/deployments"));
        assert_eq!(
            roles.path(Some("shop"), Some("system:x y")).as_deref(),
            Ok("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:x%20y")
        );
        for name in ["", ".", "..", "a/b", "a%2fb"] {
            assert!(deployments.path(Some("shop"), Some(name)).is_err(), "{name}");
            assert!(deployments.path(Some(name), None).is_err(), "{name}");
        }
    }
}
