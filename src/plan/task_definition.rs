//! Which revision each TaskDefinition document is, or that one has to be registered.

use super::words::{differing, in_git, revision_name};
use super::{Change, LiveRevision, PlanItem};
use crate::diff::{Comparison, TaskContent, compare_task_definition, content_hash};
use crate::model::{Kind, TaskDefinition};
use serde_json::Value;
use std::collections::HashMap;

/// The known revisions, by family, newest first.
pub(super) struct Revisions<'a> {
    by_family: HashMap<&'a str, Vec<(u64, &'a LiveRevision)>>,
}

impl<'a> Revisions<'a> {
    pub(super) fn new(revisions: &'a [LiveRevision]) -> Self {
        let mut by_family: HashMap<&str, Vec<(u64, &LiveRevision)>> = HashMap::new();
        for revision in revisions {
            let Some((family, number)) = revision_name(&revision.arn).rsplit_once(':') else { continue };
            let Ok(number) = number.parse() else { continue };
            by_family.entry(family).or_default().push((number, revision));
        }
        for revisions in by_family.values_mut() {
            revisions.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        }
        Revisions { by_family }
    }

    fn of(&self, family: &str) -> &[(u64, &'a LiveRevision)] {
        self.by_family.get(family).map_or(&[], Vec::as_slice)
    }
}

/// The document's item, and the revision that its services shall run: `web:42`, or `web:new`.
pub(super) fn plan_task_definition(document: &TaskDefinition, revisions: &Revisions) -> (PlanItem, String) {
    let family = document.spec.get("family").and_then(Value::as_str).unwrap_or(&document.name);
    let known = revisions.of(family);
    let item = |resource: &str, change, why: String| PlanItem {
        origin: Some(document.origin.clone()),
        ..PlanItem::new(Kind::TaskDefinition.name(), &document.name, resource, change, why)
    };
    let hash = content_hash(&document.spec);
    if let Some((_, same)) = known.iter().find(|(_, revision)| is_same(document, &hash, revision)) {
        let name = revision_name(&same.arn);
        return (item(name, Change::Unchanged, "has this content".into()), name.to_owned());
    }
    let name = format!("{family}:new");
    let newest = known.iter().find_map(|(_, revision)| Some((revision, revision.described.as_ref()?)));
    let (comparison, before, why) = match newest {
        Some((revision, described)) => {
            let old = revision_name(&revision.arn);
            let comparison = compare_task_definition(&document.spec, described);
            let fields = match comparison.is_unchanged() {
                // It was registered with tags that the document no longer has, beside which others put theirs.
                true => "tags".to_owned(),
                false => differing(&comparison),
            };
            let why = format!("registers a revision; differs from {old} in {fields}");
            (comparison, format!("live {old}"), why)
        }
        None => {
            let comparison = Comparison::creation(Kind::TaskDefinition, &document.spec);
            (comparison, "live (none)".to_owned(), format!("registers a revision of family {family}"))
        }
    };
    let diff = comparison.unified(&before, &in_git(&document.origin));
    (PlanItem { fields: comparison.changes, diff, ..item(&name, Change::Create, why) }, name)
}

/// True if the revision can be used as it is. One that an older version of this program marked with another hash is
/// still the same if it compares so.
fn is_same(document: &TaskDefinition, hash: &str, revision: &LiveRevision) -> bool {
    let status = revision.described.as_ref().and_then(|described| described.get("status")?.as_str());
    if !matches!(status, None | Some("ACTIVE")) {
        return false;
    }
    revision.content.as_deref() == Some(hash)
        || revision.described.as_ref().is_some_and(|described| {
            let declared = TaskContent::of(&document.spec);
            declared.is_had_by(&TaskContent::of(described))
        })
}
