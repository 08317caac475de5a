//! One document to an object.

use super::identity::Identity;
use super::lines::lines;
use super::metadata::check;
use super::turns::{ARGO_HOOK, Timing, argo_name, timing};
use crate::config::node::{Data, Node};
use crate::config::problems::{Problems, clip, differs_from, same_as};
use crate::diff::MASKED;
use crate::model::{Object, ObjectKey, Origin, Problem, marks};
use std::collections::BTreeMap;

/// The objects that were read.
#[derive(Default)]
pub struct Objects {
    pub objects: BTreeMap<ObjectKey, Object>,
    /// What is valid and not applied, and why.
    pub left_out: Vec<Problem>,
}

/// Reads one document (no list). What is wrong is noted; an object that can be named is kept all the same, so that
/// references to it hold.
pub fn read(file: &str, root: Node, objects: &mut Objects, problems: &mut Problems) {
    let Data::Map(_) = &root.data else {
        let message = format!(
            "a document is a map with apiVersion, kind and metadata; this is {}",
            root.describe(false)
        );
        return problems.file(file, root.line, message);
    };
    let Some(who) = Identity::read(file, &root, problems) else { return };
    let metadata = root.get("metadata").filter(|node| matches!(node.data, Data::Map(_)));
    let annotation = |key: &str| metadata?.get("annotations")?.get(key)?.text();
    let mut wrong = vec![];
    let timing = timing(&who.group, &who.kind, annotation, |key, message| wrong.push((key, message)));
    for (key, message) in wrong {
        let path = format!("metadata.annotations.{key}");
        let line =
            metadata.and_then(|node| node.get("annotations")?.entry(key)).map_or(root.line, |e| e.line);
        problems.push(who.problem(line, &path, message));
    }
    let Some(metadata) = who.metadata(&root, problems) else { return };
    let mut note = |line, path: &str, message| problems.push(who.problem(line, path, message));
    check(metadata, &mut note);
    check_slot_labels(&root, &mut note);
    let turns = match timing {
        Timing::Turns(turns) => turns,
        Timing::LeftOut(key, why) => {
            let line =
                metadata.get("annotations").and_then(|node| node.entry(key)).map_or(root.line, |e| e.line);
            objects.left_out.push(who.problem(line, &format!("metadata.annotations.{key}"), why));
            return;
        }
    };
    let Some(names) = who.names(metadata, &turns, problems) else { return };
    check_masks(&who, &root, problems);
    let lines = lines(&root);
    let is_split = turns.len() > 1;
    let mut body = root.to_json();
    for (name, turn) in names.into_iter().zip(turns) {
        if let Some(metadata) = body.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
            metadata.shift_remove("generateName");
            metadata.insert("name".into(), name.as_str().into());
            if is_split && let Some(annotations) = metadata.get_mut("annotations") {
                annotations[ARGO_HOOK] = argo_name(turn.phase).into();
            }
        }
        let key = ObjectKey { name, ..who.key() };
        if let Some(first) = objects.objects.get(&key) {
            let problem = |message| Problem { document: key.label(), ..who.problem(root.line, "", message) };
            match first.body == body {
                true => objects.left_out.push(problem(same_as(&first.origin))),
                false => problems.push(problem(differs_from(&first.origin))),
            }
            continue;
        }
        let object = Object {
            key: key.clone(),
            api_version: who.api_version.clone(),
            origin: Origin { file: file.to_owned(), line: root.line },
            turn,
            body: body.clone(),
            lines: lines.clone(),
        };
        objects.objects.insert(key, object);
    }
}

/// The slot of a pod is the program's to say: a label or selector of that name in a document would send one slot's
/// requests to the other.
fn check_slot_labels(root: &Node, note: &mut impl FnMut(usize, &str, String)) {
    for path in [
        &["spec", "template", "metadata", "labels"][..],
        &["spec", "selector", "matchLabels"],
        &["spec", "selector"],
    ] {
        let (last, outer) = path.split_last().unwrap_or((&"", &[]));
        let holder = outer.iter().try_fold(root, |node, step| node.get(step));
        let Some(entry) = holder.and_then(|node| node.entry(last)) else { continue };
        for label in entry.node.entries().iter().filter(|e| e.key == marks::SLOT) {
            let path = format!("{}.{}", path.join("."), label.key);
            note(label.line, &path, "is set by the program on the pods of its slots; remove it".into());
        }
    }
}

/// `cutover render` prints a mask for the values of Secrets. Nobody shall apply that.
fn check_masks(who: &Identity<'_>, root: &Node, problems: &mut Problems) {
    if (who.group.as_str(), who.kind.as_str()) != ("", "Secret") {
        return;
    }
    for field in ["data", "stringData"] {
        let entries = root.get(field).map_or(&[][..], Node::entries);
        for entry in entries.iter().filter(|entry| entry.node.text() == Some(MASKED)) {
            let path = format!("{field}.{}", clip(&entry.key));
            let message =
                format!("{MASKED} is what is printed in place of a secret value; write the value itself");
            problems.push(who.problem(entry.line, &path, message));
        }
    }
}
