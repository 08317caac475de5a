//! What an Application must say beyond its shape.

use super::envelope::Document;
use super::forms::is_document_name;
use super::problems::Problems;
use crate::model::{Application, Destination};

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
        && !is_document_name(namespace)
    {
        note("destination.kubernetes.namespace", "is not the name of a namespace");
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
    for (index, name) in application.depends_on.iter().enumerate() {
        let path = format!("dependsOn[{index}]");
        if *name == application.name {
            note(&path, "an application cannot wait for itself");
        } else if !is_document_name(name) {
            note(&path, "is not the name of an Application");
        }
    }
}
