//! Kubernetes objects as documents: what holds for every kind without asking a cluster. Fields are the API server's to
//! judge; here it is who an object is, where it goes, when its turn comes, and what of it is ours to refuse.

mod foreign;
mod helm_hooks;
mod identity;
mod lines;
mod metadata;
mod names;
mod read;
mod turns;

pub use foreign::{CHART, chart_folders, needs_rendering};
pub use metadata::is_word_to_us;
pub use names::is_label;
pub use read::{Objects, read};

use super::node::{Data, Entry, Node};
use super::{CUTOVER_API, ECS_API};
use crate::model::PlatformKind;

/// True for documents of the program's own API groups, whatever their kind.
pub fn is_ours(root: &Node) -> bool {
    let written = root.get("apiVersion").and_then(Node::text).map(group_of).unwrap_or_default();
    written == group_of(CUTOVER_API) || written.ends_with(&format!(".{}", group_of(CUTOVER_API)))
}

/// The group of an API version, empty for the core's.
pub fn group_of(api_version: &str) -> String {
    api_version.split_once('/').map(|(group, _)| group.to_owned()).unwrap_or_default()
}

/// The platform that documents are for: any document of ours for ECS tells it, then any foreign kind, then what a
/// BlueGreen steers.
pub fn platform_of<'a>(roots: impl Iterator<Item = &'a Node> + Clone) -> PlatformKind {
    let is_for_ecs = |root: &Node| root.get("apiVersion").and_then(Node::text) == Some(ECS_API);
    let is_foreign = |root: &Node| {
        let has = |field: &str| root.get(field).and_then(Node::text).is_some();
        has("apiVersion") && has("kind") && !is_ours(root)
    };
    let steers_deployment = |root: &Node| {
        let kind = root.get("spec").and_then(|spec| spec.get("workloadRef")?.get("kind")?.text());
        is_ours(root) && kind == Some("Deployment")
    };
    let is_kubernetes = |root: &Node| is_foreign(root) || steers_deployment(root);
    match !roots.clone().any(is_for_ecs) && roots.clone().any(is_kubernetes) {
        true => PlatformKind::Kubernetes,
        false => PlatformKind::Ecs,
    }
}

/// The objects of a `List` (also `ConfigMapList` and the like, whose items need not say their kind), or the document
/// itself. Lists in lists are no deeper than a document may be.
pub fn unfold(root: Node) -> Vec<Node> {
    let field = |name: &str| root.get(name).and_then(Node::text).map(ToOwned::to_owned);
    let (api, kind) = (field("apiVersion").unwrap_or_default(), field("kind").unwrap_or_default());
    let Some(item_kind) = kind.strip_suffix("List") else { return vec![root] };
    let is_list = |node: &Node| matches!(node.data, Data::List(_)) || node.is_null();
    if !root.get("items").is_some_and(is_list) {
        return vec![root];
    }
    let Data::Map(entries) = root.data else { return vec![] };
    let items = entries.into_iter().find(|entry| entry.key == "items").map(|entry| entry.node.data);
    let Some(Data::List(items)) = items else { return vec![] };
    let told = |mut item: Node| {
        if let (Data::Map(entries), false) = (&mut item.data, item_kind.is_empty()) {
            for (key, value) in [("kind", item_kind), ("apiVersion", api.as_str())] {
                if !entries.iter().any(|entry| entry.key == key) {
                    let node = Node { line: item.line, data: Data::Text(value.to_owned()) };
                    entries.insert(0, Entry { key: key.to_owned(), line: item.line, node });
                }
            }
        }
        item
    };
    items.into_iter().map(told).flat_map(unfold).collect()
}

#[cfg(test)]
mod tests;
