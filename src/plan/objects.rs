//! Kubernetes objects that are no part of a slot.

use super::words::{in_git, several};
use super::{Change, FieldConflict, Live, LiveObject, Plan, PlanItem, WouldBe};
use crate::diff::{Comparison, FieldChange, declared_part, meaning};
use crate::model::{Application, Health, HookPhase, Manifests, Object, marks};
use serde_json::Value;
use std::collections::BTreeSet;

/// Fields in conflict that a sentence names.
const CONFLICTS_NAMED: usize = 5;

/// Adds the item of every object, in the order of their turns; the answer is the names of what is declared.
pub(super) fn plan_objects(
    application: &Application,
    manifests: &Manifests,
    live: &Live,
    plan: &mut Plan,
) -> BTreeSet<String> {
    let steered = manifests.steered_objects();
    let mut objects: Vec<&Object> =
        manifests.objects.values().filter(|object| !steered.contains_key(&object.key)).collect();
    objects.sort_by_key(|object| object.turn);
    let mut declared = BTreeSet::new();
    for object in objects {
        let item = match live.objects.get(&object.key) {
            Some(found) => {
                declared.insert(found.key.to_string());
                plan_object(application, object, found)
            }
            None => {
                declared.insert(object.key.to_string());
                let resource = object.key.to_string();
                item_of(object, &resource, Change::Blocked, "was not read")
            }
        };
        plan.items.push(item);
    }
    declared
}

/// The item of one document. `found` is the object that it is about.
fn plan_object(application: &Application, object: &Object, found: &LiveObject) -> PlanItem {
    let resource = found.key.to_string();
    let item = |change, why: String| item_of(object, &resource, change, why);
    if let Some(item) = refusal(object, &found.would_be, &item) {
        return item;
    }
    match &found.would_be {
        _ if object.turn.phase == HookPhase::SyncFail => {
            item(Change::Unchanged, format!("{} only if a sync fails", verb(object)))
        }
        _ if is_hook(object) => plan_hook(object, found, item),
        WouldBe::Unasked => unasked(object, found, item),
        WouldBe::Unanswered(why) => unanswered(application, object, found, why, item),
        WouldBe::Object(would_be) => match &found.live {
            None => created(object, item(Change::Create, format!("does not exist yet{}", phase(object)))),
            Some(live) => changed(application, object, live, would_be, |change, why| {
                item(change, format!("{why}{}", left_to_others(application, found)))
            }),
        },
        // A Job that deleted itself.
        _ if found.live.is_none() => item(
            Change::Unchanged,
            match found.health.health {
                Health::Unknown => found.health.message.clone(),
                _ => "has run for this content, and its Job is gone; it is not run again".into(),
            },
        ),
        _ => item(Change::Unchanged, format!("is as declared{}", left_to_others(application, found))),
    }
}

/// Which declared fields are left to whoever fills them, where nobody said so already.
fn left_to_others(application: &Application, found: &LiveObject) -> String {
    let rules = &application.ignore_differences;
    let is_named = |filled: &&FieldConflict| {
        let field = filled.field.rsplit('.').next().unwrap_or_default();
        let mut pointers = rules.iter().flat_map(|rule| &rule.json_pointers);
        pointers.any(|pointer| pointer.rsplit('/').next() == Some(field))
    };
    let mut filled = found.filled.iter().filter(|filled| !is_named(filled));
    let Some(first) = filled.next() else { return String::new() };
    let more = match filled.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "; {}{more} is left to {}, which fills it: take it out of the document, or name it in spec.ignoreDifferences",
        first.field, first.manager
    )
}

/// The item of what can't be applied, made by `item`; `None` if it can.
pub(super) fn refusal(
    object: &Object,
    would_be: &WouldBe,
    item: &impl Fn(Change, String) -> PlanItem,
) -> Option<PlanItem> {
    match would_be {
        WouldBe::Conflicts(conflicts) => {
            Some(conflicting(item(Change::Blocked, in_conflict(conflicts)), conflicts))
        }
        WouldBe::Refused { message, field } => {
            let origin =
                field.as_deref().map_or_else(|| object.origin.clone(), |field| object.origin_of(field));
            Some(PlanItem { origin: Some(origin), ..item(Change::Blocked, message.clone()) })
        }
        WouldBe::OutOfReach(why) => {
            let origin = Some(object.origin_of("kind"));
            Some(PlanItem { origin, apart: true, ..item(Change::Blocked, why.clone()) })
        }
        WouldBe::Same | WouldBe::Object(_) | WouldBe::Unasked | WouldBe::Unanswered(_) => None,
    }
}

/// An item for `object` without a difference.
pub(super) fn item_of(object: &Object, resource: &str, change: Change, why: impl Into<String>) -> PlanItem {
    let name = match &object.key.namespace {
        Some(namespace) => format!("{namespace}/{}", object.key.name),
        None => object.key.name.clone(),
    };
    PlanItem {
        origin: Some(object.origin.clone()),
        turn: object.turn,
        ..PlanItem::new(&object.key.kind, &name, resource, change, why)
    }
}

/// What the document says, as something new: what the API server would add to it is the same for everybody.
pub(super) fn created(object: &Object, item: PlanItem) -> PlanItem {
    differing(item, &Comparison::of_objects(&Value::Null, &meaning(&object.body, false)), "(none)", object)
}

/// `item` with what was found to differ from what is live under the name `before`.
pub(super) fn differing(item: PlanItem, found: &Comparison, before: &str, object: &Object) -> PlanItem {
    let diff = found.unified(&format!("live {before}"), &in_git(&object.origin));
    PlanItem { fields: found.changes.clone(), diff, ..item }
}

fn changed(
    application: &Application,
    object: &Object,
    live: &Value,
    would_be: &Value,
    item: impl Fn(Change, String) -> PlanItem,
) -> PlanItem {
    let is_ours = is_ours(application, live);
    let found = Comparison::of_objects(&meaning(live, !is_ours), &meaning(would_be, !is_ours));
    let change = if is_ours { Change::Update } else { Change::Adopt };
    let declared = Comparison::of_objects(&meaning(live, false), &meaning(would_be, false));
    let names = several(declared.changes.iter().map(|change| change.path.as_str()));
    let taken = taken_over(live, would_be);
    let why = match (is_ours, declared.is_unchanged()) {
        (true, false) => format!("differs in {names}"),
        (true, true) if taken.is_empty() => {
            "is as declared; only which fields are this application's is written down".to_owned()
        }
        (true, true) => "is as declared".to_owned(),
        (false, true) => "is as declared; only our labels are put on it".to_owned(),
        (false, false) => format!("exists without our labels; differs in {names}"),
    };
    let why = format!("{why}{taken}");
    differing(item(change, format!("{why}{}", phase(object))), &found, &named(live), object)
}

/// Whose fields become this application's.
fn taken_over(live: &Value, would_be: &Value) -> String {
    let managers = |object: &Value| -> BTreeSet<(String, String)> {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let entries = entries.into_iter().flatten();
        entries.map(|entry| (text(entry, "manager"), entry["fieldsV1"].to_string())).collect()
    };
    let (before, after) = (managers(live), managers(would_be));
    let former: BTreeSet<&str> = before
        .difference(&after)
        .map(|(manager, _)| manager.as_str())
        .filter(|manager| *manager != marks::FIELD_MANAGER)
        .collect();
    let names: Vec<&str> = former.into_iter().collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("; takes fields over from {}", names.join(" and ")),
    }
}

/// Where the API server can't be asked, the document is held against what is live.
fn unasked(object: &Object, found: &LiveObject, item: impl Fn(Change, String) -> PlanItem) -> PlanItem {
    let Some(live) = &found.live else {
        let why = "does not exist yet; its kind or namespace comes with this sync";
        return created(object, item(Change::Create, format!("{why}{}", phase(object))));
    };
    let is_going = live.pointer("/metadata/deletionTimestamp").is_some();
    let (change, why) = match object.key.is("batch", "Job") {
        _ if is_going => (Change::Replace, "is being deleted, and is made anew when it is gone"),
        true => (Change::Replace, "its template can't be changed: the Job is deleted and runs anew"),
        false => (
            Change::Update,
            "may differ; the API server can't say what an apply would make of it, since a webhook allows no dry run",
        ),
    };
    against(object, live, item(change, format!("{why}{}", phase(object))))
}

fn is_ours(application: &Application, live: &Value) -> bool {
    let label = live.pointer("/metadata/labels").and_then(|labels| labels.get(marks::APPLICATION));
    label.and_then(Value::as_str) == Some(application.name.as_str())
}

/// Where the API server can't answer for this object at the moment.
fn unanswered(
    application: &Application,
    object: &Object,
    found: &LiveObject,
    why: &str,
    item: impl Fn(Change, String) -> PlanItem,
) -> PlanItem {
    let when = phase(object);
    let Some(live) = &found.live else {
        return created(
            object,
            item(
                Change::Create,
                format!("does not exist yet; whether it is accepted is not known: {why}{when}"),
            ),
        );
    };
    let change = if is_ours(application, live) { Change::Update } else { Change::Adopt };
    let text = format!("may differ; what an apply would make of it is not known: {why}{when}");
    against(object, live, item(change, text))
}

/// `item` with the difference between the document and what is live of its fields.
fn against(object: &Object, live: &Value, item: PlanItem) -> PlanItem {
    let wanted = meaning(&object.body, false);
    let part = declared_part(&meaning(live, false), &wanted);
    differing(item, &Comparison::of_objects(&part, &wanted), &named(live), object)
}

fn plan_hook(object: &Object, found: &LiveObject, item: impl Fn(Change, String) -> PlanItem) -> PlanItem {
    let when = match object.turn.phase {
        HookPhase::PostSync => "after the sync",
        _ => "before the sync",
    };
    match (&found.would_be, &found.live) {
        (WouldBe::Same, _) => item(Change::Unchanged, format!("runs {when}, and has for this content")),
        (_, None) => created(object, item(Change::Create, format!("runs {when}"))),
        (_, Some(live)) => {
            let why =
                format!("runs {when} again, since something changed; the Job of the last run is deleted");
            against(object, live, item(Change::Replace, why))
        }
    }
}

fn is_hook(object: &Object) -> bool {
    object.turn.phase != HookPhase::Sync && object.key.is("batch", "Job")
}

fn verb(object: &Object) -> &'static str {
    if is_hook(object) { "runs" } else { "is applied" }
}

/// When something that is no Job, but bears a hook's annotation, is applied.
fn phase(object: &Object) -> &'static str {
    match object.turn.phase {
        HookPhase::PreSync => "; applied before the sync",
        HookPhase::PostSync => "; applied after the sync",
        HookPhase::Sync | HookPhase::SyncFail => "",
    }
}

fn named(live: &Value) -> String {
    live.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn conflicting(item: PlanItem, conflicts: &[FieldConflict]) -> PlanItem {
    let field = |conflict: &FieldConflict| FieldChange {
        path: conflict.field.trim_start_matches('.').to_owned(),
        before: None,
        after: None,
    };
    PlanItem { fields: conflicts.iter().map(field).collect(), ..item }
}

fn in_conflict(conflicts: &[FieldConflict]) -> String {
    let one = |conflict: &FieldConflict| format!("{} belongs to {}", conflict.field, conflict.manager);
    let mut told: Vec<String> = conflicts.iter().take(CONFLICTS_NAMED).map(one).collect();
    if let Some(more) = conflicts.len().checked_sub(CONFLICTS_NAMED).filter(|more| *more > 0) {
        told.push(format!("{more} more"));
    }
    format!(
        "{}, with other values; take them with --force-conflicts (spec.sync.forceConflicts: true), leave them to their \
         managers with spec.ignoreDifferences, or take them out of the document",
        told.join(", ")
    )
}
