//! Checks an object's `metadata`, and knows what in it is ours.

use super::helm_hooks::{HELM_HOOK, HELM_WEIGHT};
use super::turns::{ARGO_HOOK, ARGO_WAVE, HOOK, WAVE};
use crate::config::node::{Data, Entry, Node};
use crate::config::problems::{clip, guess};
use crate::model::marks;

/// `disabled` or `false`: the object stays when it is no longer in Git.
const PRUNE: &str = "cutover.dev/prune";
/// The annotations of ours that documents may have.
const OUR_ANNOTATIONS: [&str; 7] =
    [WAVE, HOOK, PRUNE, marks::WAIT, marks::IN_PLACE, marks::RELEASE, marks::ADOPT];

/// True for the annotations by which documents tell the program something.
pub fn is_word_to_us(key: &str) -> bool {
    OUR_ANNOTATIONS.contains(&key)
}

/// Checks labels and annotations; `note` takes a line, a path and what is wrong there.
pub fn check(metadata: &Node, note: &mut impl FnMut(usize, &str, String)) {
    check_labels(metadata.entry("labels"), "metadata.labels", note);
    let Some(annotations) = metadata.entry("annotations") else { return };
    check_texts(annotations, "metadata.annotations", note);
    for entry in annotations.node.entries() {
        let path = format!("metadata.annotations.{}", clip(&entry.key));
        let value = entry.node.text();
        if marks::is_ours(&entry.key) && !is_word_to_us(&entry.key) {
            let hint = guess(&entry.key, OUR_ANNOTATIONS);
            let known = OUR_ANNOTATIONS.join(", ");
            note(entry.line, &path, format!("is not known{hint}; of {} only {known} are", marks::PREFIX));
        } else if let Some(words) = words_of(&entry.key)
            && value.is_some_and(|value| !words.contains(&value))
        {
            note(entry.line, &path, format!("is none of {}", words.join(", ")));
        }
    }
}

/// The values that an annotation of ours may have, where they are words.
fn words_of(annotation: &str) -> Option<&'static [&'static str]> {
    match annotation {
        PRUNE => Some(&["disabled", "enabled", marks::ALLOWED, "false", "true"]),
        marks::WAIT => Some(&["disabled", "enabled", "false", "true"]),
        marks::IN_PLACE => Some(&[marks::ALLOWED]),
        _ => None,
    }
}

/// Checks that labels are texts and none of them ours: the program sets those itself.
fn check_labels(labels: Option<&Entry>, path: &str, note: &mut impl FnMut(usize, &str, String)) {
    let Some(labels) = labels else { return };
    check_texts(labels, path, note);
    for entry in labels.node.entries().iter().filter(|entry| marks::is_ours(&entry.key)) {
        let path = format!("{path}.{}", clip(&entry.key));
        let message = format!("labels that begin with {} are set by the program; remove it", marks::PREFIX);
        note(entry.line, &path, message);
    }
}

/// A map of texts. One left empty counts as not written, as templates leave it.
fn check_texts(texts: &Entry, path: &str, note: &mut impl FnMut(usize, &str, String)) {
    match &texts.node.data {
        Data::Map(entries) => {
            for entry in entries.iter().filter(|entry| entry.node.text().is_none()) {
                // What is not known to be harmless is not printed.
                let show = [WAVE, HOOK, PRUNE, ARGO_WAVE, ARGO_HOOK, HELM_HOOK, HELM_WEIGHT]
                    .contains(&entry.key.as_str());
                let found = entry.node.describe(show);
                let hint = match &entry.node.data {
                    Data::Plain { written, .. } if show && !written.is_empty() => {
                        format!("write \"{written}\" in quotes")
                    }
                    Data::Plain { .. } => "write it in quotes".into(),
                    _ => "a label or annotation is one text".into(),
                };
                let path = format!("{path}.{}", clip(&entry.key));
                note(entry.line, &path, format!("expected text, found {found}; {hint}"));
            }
        }
        _ if texts.node.is_null() => {}
        _ => note(texts.line, path, format!("expected a map, found {}", texts.node.describe(false))),
    }
}
