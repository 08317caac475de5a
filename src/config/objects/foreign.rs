//! Files that look like documents and are the input of another program.

use crate::config::node::Node;
use crate::model::SourceFile;

/// The folders that are Helm charts, with the `Chart.yaml` that says so; a chart within a chart is not listed again.
/// Templates are no YAML: nothing in such a folder can be read.
pub fn chart_folders<'a>(files: &[&'a SourceFile]) -> Vec<(&'a str, &'a str)> {
    let mut folders: Vec<(&str, &str)> = vec![];
    let charts = files.iter().filter_map(|file| {
        let folder = file.path.strip_suffix("Chart.yaml")?;
        (folder.is_empty() || folder.ends_with('/')).then_some((folder, file.path.as_str()))
    });
    let mut charts: Vec<(&str, &str)> = charts.collect();
    charts.sort_unstable();
    for (folder, file) in charts {
        if !folders.iter().any(|(outer, _)| folder.starts_with(outer)) {
            folders.push((folder, file));
        }
    }
    folders
}

/// What is said of a chart.
pub const CHART: &str = "this folder is a Helm chart, and nothing in it is read: documents are applied as they are. Commit what \
     `helm template` prints, and point spec.source.path at it";

/// Says of a file that has to be rendered by another program what to do; `None` for documents.
pub fn needs_rendering(path: &str, root: &Node) -> Option<String> {
    let text = |field: &str| root.get(field).and_then(Node::text);
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (api, kind) = (text("apiVersion"), text("kind"));
    let is_kustomize = api.is_some_and(|api| api.starts_with("kustomize.config.k8s.io/"))
        || (api.is_none() && kind.is_none() && stem == "kustomization");
    if is_kustomize {
        return Some(
            "this is a file for Kustomize, and documents are applied as they are: commit what `kustomize build` prints, \
             and point spec.source.path at it"
                .into(),
        );
    }
    if api.is_none() && kind.is_none() && (stem == "values" || stem.starts_with("values-")) {
        return Some(
            "this is no object (it has neither apiVersion nor kind); if these are values of a Helm chart, commit what \
             `helm template` prints, and point spec.source.path at it"
                .into(),
        );
    }
    None
}
