//! What an Application must say beyond its shape.

use super::envelope::Document;
use super::forms::is_document_name;
use super::objects::is_label;
use super::problems::Problems;
use crate::model::{Application, Destination, Glob};

/// Notes what is wrong with the application.
pub fn check(document: &Document, application: &Application, problems: &mut Problems) {
    let mut note = |path: &str, message: &str| problems.note(document, path, message);
    let url = &application.source.repo_url;
    if url.starts_with('-') || url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        note("source.repoURL", "is not a URL or path");
    }
    // The value itself is not printed: it holds a secret.
    let user = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'))
        .map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        note(
            "source.repoURL",
            "holds a password, which everyone who reads this file can use; give it to the program outside of the document",
        );
    }
    let path = &application.source.path;
    if path.starts_with('/')
        || path.split(['/', '\\']).any(|part| part == "..")
        || path.chars().any(char::is_control)
    {
        note("source.path", "must be a folder in the repository, seen from its root, without \"..\"");
    }
    let directory = &application.source.directory;
    for (field, glob) in [("include", &directory.include), ("exclude", &directory.exclude)] {
        if let Some(Err(why)) = glob.as_deref().map(Glob::argo) {
            note(&format!("source.directory.{field}"), &format!("the glob {why}"));
        }
    }
    let revision = &application.source.target_revision;
    if revision.starts_with('-') || revision.contains(|c: char| c.is_whitespace() || c.is_control()) {
        note("source.targetRevision", "is not a branch, tag or commit");
    }
    let (platform, region) = match &application.destination {
        Destination::Ecs { region, .. } => ("ecs", region),
        Destination::Kubernetes { region, .. } => ("kubernetes", region),
    };
    if let Destination::Ecs { cluster, .. } = &application.destination
        && !cluster.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:/".contains(&b))
    {
        note("destination.ecs.cluster", "is neither a cluster's name nor its ARN");
    }
    if let Destination::Kubernetes { namespace, .. } = &application.destination
        && !is_label(namespace)
    {
        note(
            "destination.kubernetes.namespace",
            "is not the name of a namespace: lower-case letters, digits and \"-\" in between, at most 63 characters",
        );
    }
    if let Destination::Kubernetes { context: Some(context), .. } = &application.destination
        && context.chars().any(char::is_control)
    {
        note("destination.kubernetes.context", "is not the name of a context");
    }
    let region_ok =
        |region: &String| region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !region.as_ref().is_none_or(region_ok) {
        note(&format!("destination.{platform}.region"), "is not a region such as eu-central-1");
    }
    for (path, seconds) in
        [("sync.interval", application.sync.interval), ("sync.timeout", application.sync.timeout)]
    {
        if seconds == 0 {
            note(path, "must be longer than 0");
        }
    }
    let on_ecs = matches!(application.destination, Destination::Ecs { .. });
    if on_ecs && !application.ignore_differences.is_empty() {
        note("ignoreDifferences", "is for Kubernetes objects, and this application goes to ECS");
    }
    if on_ecs && application.sync.force_conflicts {
        note("sync.forceConflicts", "is for Kubernetes objects, and this application goes to ECS");
    }
    if on_ecs && application.sync.create_namespace {
        note("sync.createNamespace", "is for Kubernetes, and this application goes to ECS");
    }
    if on_ecs && application.service_account_name.is_some() {
        note("serviceAccountName", "is for Kubernetes, and this application goes to ECS");
    }
    for (index, rule) in application.ignore_differences.iter().enumerate() {
        if rule.namespace.as_ref().is_some_and(|namespace| !is_label(namespace)) {
            note(&format!("ignoreDifferences[{index}].namespace"), "is not the name of a namespace");
        }
        for (at, pointer) in rule.json_pointers.iter().enumerate() {
            if let Some(message) = wrong_pointer(pointer) {
                note(&format!("ignoreDifferences[{index}].jsonPointers[{at}]"), message);
            }
        }
    }
    for (index, name) in application.depends_on.iter().enumerate() {
        let path = format!("dependsOn[{index}]");
        if *name == application.name {
            note(&path, "an application cannot wait for itself");
        } else if !is_document_name(name) {
            note(&path, "is not the name of an Application");
        }
    }
}

/// Notes what an Application that is an object of a cluster may not say: the controller's machine is not its author's.
/// A folder there may be the mirror of a repository that somebody else has the credentials for.
pub fn check_remote(document: &Document, application: &Application, problems: &mut Problems) {
    let url = &application.source.repo_url;
    let is_remote = match url.split_once("://") {
        Some((scheme, _)) => ["http", "https", "ssh", "git+ssh", "ssh+git", "git"].contains(&scheme),
        None => url.split_once(':').is_some_and(|(host, path)| {
            !host.is_empty() && !host.contains('/') && !path.is_empty() && !path.starts_with(':')
        }),
    };
    if !is_remote {
        let message = "is no repository that the controller can reach; write https://host/path, ssh://user@host/path, \
                       user@host:path or git://host/path";
        problems.note(document, "source.repoURL", message);
    }
    if let Destination::Kubernetes { context: Some(_), .. } = &application.destination {
        let message = "is for the command line; name another cluster with kubeconfigSecretRef";
        problems.note(document, "destination.kubernetes.context", message);
    }
}

/// What is wrong with a JSON pointer (RFC 6901), or why its field can't be ignored.
fn wrong_pointer(pointer: &str) -> Option<&'static str> {
    let is_escape_open =
        |part: &str| part.split('~').skip(1).any(|after| !after.starts_with('0') && !after.starts_with('1'));
    if !pointer.starts_with('/') {
        return Some("is not a JSON pointer; it begins with \"/\", like /spec/replicas");
    }
    if is_escape_open(pointer) || pointer.chars().any(char::is_control) {
        return Some("is not a JSON pointer; \"~\" in a field's name is written ~0, and \"/\" is written ~1");
    }
    let first = pointer.split('/').nth(1).unwrap_or_default();
    let names_it = ["/metadata/name", "/metadata/namespace", "/metadata"].contains(&pointer);
    (matches!(first, "" | "apiVersion" | "kind") || names_it)
        .then_some("says which object is meant; it can't be ignored")
}
