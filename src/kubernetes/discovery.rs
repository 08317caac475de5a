//! Which kinds the cluster serves. Asked once for a connection and again when a CustomResourceDefinition came.

use super::calls::Verb;
use super::send::{Ask, Call, JSON};
use super::{Cluster, Resource};
use crate::engine::{Trouble, TroubleKind};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything in two requests where the server is 1.26 or newer; an older one answers with its plain list.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
/// How many of an older server's groups are asked for at the same time.
const CONCURRENCY: usize = 16;

/// The kinds that can be read, listed and applied, each in every version that is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Of one kind the server's preferred version comes first.
    resources: Vec<Resource>,
    /// Groups whose own API server did not answer: what they serve is not known.
    silent: BTreeSet<String>,
}

impl Kinds {
    /// The kind in this very version (`apps/v1`, `Deployment`).
    pub fn find(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    /// The kind in the version that the server prefers.
    pub fn preferred(&self, group: &str, kind: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.kind == kind && resource.group == group)
    }

    /// Every kind once, in the version that the server prefers.
    pub fn all(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(|one| self.preferred(&one.group, &one.kind) == Some(one))
    }

    /// Why a kind of this group that was not found may exist all the same.
    pub fn uncertainty(&self, group: &str) -> Option<String> {
        self.silent
            .contains(group)
            .then(|| format!("the API server behind {group} does not answer; see `kubectl get apiservices`"))
    }

    /// What may have been meant by a kind that is not served; ends with a full sentence's words, without a full stop.
    pub fn suggestion(&self, api_version: &str, kind: &str) -> String {
        let in_group = |resource: &&Resource| {
            api_version.rsplit_once('/').map_or("", |(group, _)| group) == resource.group
                && resource.kind == kind
        };
        let same_name = || self.resources.iter().find(|resource| resource.kind == kind);
        if let Some(other) = self.resources.iter().find(in_group).or_else(same_name) {
            return format!("did you mean apiVersion: {}?", other.api_version());
        }
        let close = |resource: &&Resource| (strsim::jaro_winkler(&resource.kind, kind) * 1_000.0) as u32;
        match self.resources.iter().max_by_key(close).filter(|resource| close(resource) > 850) {
            Some(other) => format!("did you mean {} of {}?", other.kind, other.api_version()),
            None => "its CustomResourceDefinition may be missing".into(),
        }
    }

    fn add(&mut self, group: &str, version: &str, kind: &str, plural: &str, namespaced: bool, verbs: &Value) {
        let can = |verb: &str| verbs.as_array().is_some_and(|verbs| verbs.iter().any(|known| known == verb));
        if ["get", "list", "patch"].into_iter().all(can) && !kind.is_empty() && !plural.contains('/') {
            self.resources.push(Resource::known(group, version, kind, plural, namespaced));
        }
    }

    fn add_aggregated(&mut self, list: &Value) {
        for group in items(list, "items") {
            let name = text(&group["metadata"], "name");
            for version in items(group, "versions") {
                if text(version, "freshness") == "Stale" {
                    self.silent.insert(name.to_owned());
                }
                for resource in items(version, "resources") {
                    let kind = text(&resource["responseKind"], "kind");
                    let namespaced = text(resource, "scope") == "Namespaced";
                    let plural = text(resource, "resource");
                    self.add(name, text(version, "version"), kind, plural, namespaced, &resource["verbs"]);
                }
            }
        }
    }

    fn add_plain(&mut self, group: &str, version: &str, list: &Value) {
        for resource in items(list, "resources") {
            let namespaced = resource["namespaced"].as_bool().unwrap_or_default();
            self.add(
                group,
                version,
                text(resource, "kind"),
                text(resource, "name"),
                namespaced,
                &resource["verbs"],
            );
        }
    }
}

impl Cluster {
    /// The cluster's kinds, as they were when they were first asked for or refreshed.
    ///
    /// # Errors
    /// Those of the requests. A group whose own server is down is no error.
    pub async fn kinds(&self) -> Result<Arc<Kinds>, Trouble> {
        let mut known = self.shared.kinds.lock().await;
        match &*known {
            Some(kinds) => Ok(Arc::clone(kinds)),
            None => Ok(Arc::clone(known.insert(Arc::new(self.discover().await?)))),
        }
    }

    /// Asks for the cluster's kinds anew.
    ///
    /// # Errors
    /// As [`Cluster::kinds`].
    pub async fn refresh_kinds(&self) -> Result<Arc<Kinds>, Trouble> {
        let mut known = self.shared.kinds.lock().await;
        Ok(Arc::clone(known.insert(Arc::new(self.discover().await?))))
    }

    async fn discover(&self) -> Result<Kinds, Trouble> {
        let mut kinds = Kinds::default();
        let (core, groups) = tokio::try_join!(self.ask_discovery("/api"), self.ask_discovery("/apis"))?;
        for list in [&core, &groups] {
            if text(list, "kind") == "APIGroupDiscoveryList" {
                kinds.add_aggregated(list);
            }
        }
        let plain_core = items(&core, "versions").filter_map(Value::as_str);
        let mut versions: Vec<(String, String, String)> = plain_core
            .map(|version| (String::new(), version.to_owned(), format!("/api/{version}")))
            .collect();
        for group in items(&groups, "groups") {
            let name = text(group, "name");
            let mut of_group: Vec<&str> =
                items(group, "versions").map(|version| text(version, "version")).collect();
            let preferred = text(&group["preferredVersion"], "version");
            of_group.sort_by_key(|version| *version != preferred);
            let path =
                |version: &&str| (name.to_owned(), (*version).to_owned(), format!("/apis/{name}/{version}"));
            versions.extend(of_group.iter().map(path));
        }
        let lists: Vec<_> = stream::iter(versions)
            .map(|(group, version, path)| async move { (self.ask_discovery(&path).await, group, version) })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        for (list, group, version) in lists {
            match list {
                Ok(list) => kinds.add_plain(&group, &version, &list),
                Err(trouble) if trouble.kind == TroubleKind::Denied => return Err(trouble),
                Err(_) => drop(kinds.silent.insert(group)),
            }
        }
        Ok(kinds)
    }

    async fn ask_discovery(&self, path: &str) -> Result<Value, Trouble> {
        let call = Call { verb: Verb::Discover, resource: path.to_owned(), about: path.to_owned() };
        let accept = if path.matches('/').count() == 1 { AGGREGATED } else { JSON };
        let ask = Ask { accept, ..Ask::get(path.to_owned()) };
        self.send(&call, &ask).await.map_err(|failure| failure.into_trouble(&call))
    }
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kinds() -> Kinds {
        let all = json!(["get", "list", "patch", "watch"]);
        let resource = |plural: &str, kind: &str, scope: &str| json!({"resource": plural, "responseKind": {"kind": kind}, "scope": scope, "verbs": all});
        let mut kinds = Kinds::default();
        kinds.add_aggregated(&json!({"kind": "APIGroupDiscoveryList", "items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
                resource("deployments", "Deployment", "Namespaced")]}]},
            {"metadata": {"name": "autoscaling"}, "versions": [
                {"version": "v2", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "Namespaced")]},
                {"version": "v1", "resources": [resource("horizontalpodautoscalers", "HorizontalPodAutoscaler", "Namespaced")]}]},
            {"metadata": {"name": "authentication.k8s.io"}, "versions": [{"version": "v1", "resources": [
                {"resource": "tokenreviews", "responseKind": {"kind": "TokenReview"}, "scope": "Cluster", "verbs": ["create"]}]}]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "freshness": "Stale"}]}]}));
        kinds.add_plain(
            "",
            "v1",
            &json!({"resources": [
            {"name": "namespaces", "kind": "Namespace", "namespaced": false, "verbs": all},
            {"name": "namespaces/status", "kind": "Namespace", "namespaced": false, "verbs": all}]}),
        );
        kinds
    }

    #[test]
    fn kinds_are_found_in_the_version_that_is_written() {
        let kinds = kinds();
        assert_eq!(
            kinds.find("apps/v1", "Deployment").map(Resource::label).as_deref(),
            Some("deployments.apps")
        );
        assert!(kinds.find("apps/v1beta1", "Deployment").is_none());
        assert!(!kinds.find("v1", "Namespace").expect("core").namespaced);
        assert!(kinds.find("authentication.k8s.io/v1", "TokenReview").is_none(), "it can't be applied");
        let preferred = kinds.preferred("autoscaling", "HorizontalPodAutoscaler").expect("served");
        assert_eq!(preferred.version, "v2");
        assert!(kinds.uncertainty("metrics.k8s.io").is_some());
        assert!(kinds.uncertainty("apps").is_none());
    }

    #[test]
    fn what_may_have_been_meant_is_said() {
        let kinds = kinds();
        for (api_version, kind, says) in [
            ("extensions/v1beta1", "Deployment", "apiVersion: apps/v1"),
            ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "apiVersion: autoscaling/v2?"),
            ("apps/v1", "Deploymnet", "Deployment of apps/v1"),
            ("acme.dev/v1", "Qux", "CustomResourceDefinition"),
        ] {
            let said = kinds.suggestion(api_version, kind);
            assert!(said.contains(says), "{kind}: {said}");
        }
    }
}
