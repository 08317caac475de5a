//! Finds what differs between a document and what runs.

use super::align::{Scope, align, pair_items, trim};
use super::content::without_foreign_tags;
use super::fields::{Route, route};
use super::mask::mask_pair;
use super::normalise::spell;
use super::rules::{Node, Order, rules_of};
use super::unified::UnifiedDiff;
use crate::model::Kind;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What differs. Values in here are masked, so it may be printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// In the document's order; without `desiredCount`. Empty: nothing to do.
    pub changes: Vec<FieldChange>,
    /// Set if the document declares a number of tasks and another one is live.
    pub desired_count: Option<CountChange>,
    /// Both sides as far as they count; null when nothing differs.
    #[serde(skip)]
    before: Value,
    #[serde(skip)]
    after: Value,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// `containerDefinitions[app].environment[LOG_LEVEL].value`; elements by name where they have one, else by index.
    pub path: String,
    /// What is live, masked; `None` if the field is absent.
    pub before: Option<Value>,
    /// What is declared, masked; `None` if the field is absent.
    pub after: Option<Value>,
}

/// A number of tasks that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CountChange {
    pub live: u64,
    pub declared: u64,
}

/// Compares a Service document's spec with an element of `DescribeServices`' `services`, read with its tags. Only what
/// the document declares counts: `[]` says that there shall be none, a missing field says nothing. `taskDefinition` is
/// compared if the caller puts it into `declared`. `serviceName`, `cluster` and `clientToken` are not compared; tags
/// that others put on the service are no difference.
pub fn compare_service(declared: &Value, live: &Value) -> Comparison {
    let mut declared = spell(Kind::Service, declared);
    let mut live = spell(Kind::Service, live);
    let wanted = take_count(&mut declared);
    let running = take_count(&mut live);
    let mut comparison = compare(Kind::Service, &declared, &live, Scope::Declared);
    let daemon = declared.get("schedulingStrategy").and_then(Value::as_str) == Some("DAEMON");
    comparison.desired_count = wanted
        .filter(|wanted| !daemon && running != Some(*wanted))
        .map(|declared| CountChange { live: running.unwrap_or(0), declared });
    if let Some(count) = comparison.desired_count {
        put_count(&mut comparison.before, count.live);
        put_count(&mut comparison.after, count.declared);
    }
    comparison
}

/// Compares a TaskDefinition document's spec with a revision as `DescribeTaskDefinition` answers it, its `tags` put
/// beside the other fields. Both directions count, defaults aside: a field taken out of the document is a change. Tags
/// that others put on the revision are none.
pub fn compare_task_definition(declared: &Value, live: &Value) -> Comparison {
    let live = spell(Kind::TaskDefinition, &without_foreign_tags(declared, live));
    let declared = spell(Kind::TaskDefinition, declared);
    compare(Kind::TaskDefinition, &declared, &live, Scope::Whole)
}

impl Comparison {
    /// What it takes to make a document that is not live at all.
    pub fn creation(kind: Kind, declared: &Value) -> Comparison {
        let declared = spell(kind, declared);
        compare(kind, &declared, &Value::Object(Map::new()), Scope::Whole)
    }

    /// What was found elsewhere: all values already masked.
    pub(super) fn shown(changes: Vec<FieldChange>, before: Value, after: Value) -> Comparison {
        Comparison { changes, desired_count: None, before, after }
    }

    /// True if live is as declared, the number of tasks included.
    pub fn is_unchanged(&self) -> bool {
        self.changes.is_empty() && self.desired_count.is_none()
    }

    /// The top-level fields that differ, `desiredCount` aside.
    pub fn changed_top_level_fields(&self) -> BTreeSet<&str> {
        self.changes.iter().map(|change| top_level(&change.path)).collect()
    }

    /// The changed fields that `UpdateService` is to be sent, `desiredCount` aside, and no others: some start a
    /// deployment even when their value is the same.
    pub fn update_fields(&self) -> BTreeSet<&str> {
        self.fields_with(|route| matches!(route, Route::Update { .. }))
    }

    /// The changed fields that take a new service: `UpdateService` has no such member.
    pub fn replace_fields(&self) -> BTreeSet<&str> {
        self.fields_with(|route| route == Route::Replace)
    }

    /// True if tags have to be set with `TagResource`.
    pub fn tags_changed(&self) -> bool {
        !self.fields_with(|route| route == Route::Tag).is_empty()
    }

    /// True if the update makes ECS start new tasks.
    pub fn starts_deployment(&self) -> bool {
        !self.fields_with(|route| route == Route::Update { deploys: true }).is_empty()
    }

    /// True if a launch type is declared for a service that runs on capacity providers: ECS tells no launch type of those.
    /// `UpdateService` can go back to one, though it has no such field.
    pub fn leaves_capacity_providers(&self) -> bool {
        self.changes.iter().any(|change| change.path == LAUNCH_TYPE && change.before.is_none())
    }

    /// The difference as people read it; `None` when nothing differs. The headers say what the sides are:
    /// `live web:42` and `git apps/shop/web.yaml:14`.
    pub fn unified(&self, before: &str, after: &str) -> Option<UnifiedDiff> {
        (!self.is_unchanged()).then(|| UnifiedDiff::new(before, &self.before, after, &self.after))
    }

    fn fields_with(&self, test: impl Fn(Route) -> bool) -> BTreeSet<&str> {
        let way = |field: &str| match field == LAUNCH_TYPE && self.leaves_capacity_providers() {
            true => Route::Update { deploys: true },
            false => route(field),
        };
        self.changed_top_level_fields().into_iter().filter(|field| test(way(field))).collect()
    }
}

const LAUNCH_TYPE: &str = "launchType";

fn top_level(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

fn take_count(spec: &mut Value) -> Option<u64> {
    spec.as_object_mut()?.shift_remove("desiredCount")?.as_u64()
}

fn put_count(side: &mut Value, count: u64) {
    if side.is_null() {
        *side = Value::Object(Map::new());
    }
    if let Some(fields) = side.as_object_mut() {
        fields.shift_insert(0, "desiredCount".into(), count.into());
    }
}

fn compare(kind: Kind, declared: &Value, live: &Value, scope: Scope) -> Comparison {
    let rules = rules_of(kind);
    let live = align(live, declared, rules, scope);
    let (before, after) = trim(Some(&live), Some(declared), rules);
    if before == after {
        return Comparison::default();
    }
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    let (shown_before, shown_after) = mask_pair(kind, &before, &after);
    let mut changes = Vec::new();
    let pair = Shown { raw: Some(&before), shown: Some(&shown_before) };
    find_changes(pair, Shown { raw: Some(&after), shown: Some(&shown_after) }, rules, "", &mut changes);
    Comparison { changes, desired_count: None, before: shown_before, after: shown_after }
}

/// A value and what may be shown of it; masking keeps the structure, so both are walked together. What differs is
/// found on the raw value: a mask can't hide a change.
#[derive(Clone, Copy)]
struct Shown<'a> {
    raw: Option<&'a Value>,
    shown: Option<&'a Value>,
}

impl<'a> Shown<'a> {
    fn field(self, name: &str) -> Shown<'a> {
        Shown { raw: self.raw.and_then(|v| v.get(name)), shown: self.shown.and_then(|v| v.get(name)) }
    }

    fn item(self, index: Option<usize>) -> Shown<'a> {
        let of = |side: Option<&'a Value>| side.and_then(|list| list.get(index?));
        Shown { raw: of(self.raw), shown: of(self.shown) }
    }
}

fn find_changes(before: Shown, after: Shown, rules: &Node, path: &str, out: &mut Vec<FieldChange>) {
    if before.raw == after.raw {
        return;
    }
    match (before.raw, after.raw) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let gone = old.keys().filter(|name| !new.contains_key(*name));
            for name in new.keys().chain(gone) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                find_changes(before.field(name), after.field(name), rules.field(name), &path, out);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if matches!(rules.order, Order::Keyed(_)) => {
            let found = out.len();
            for (one, other) in pair_items(old, new, rules) {
                let item = one.map(|i| &old[i]).or(other.map(|i| &new[i]));
                let key = item.and_then(|item| rules.key_of(item)).unwrap_or_default();
                let path = format!("{path}[{key}]");
                find_changes(before.item(one), after.item(other), rules.item(), &path, out);
            }
            if out.len() == found {
                // A difference must never go missing, even if no single element shows it.
                out.push(change(before, after, path));
            }
        }
        _ => out.push(change(before, after, path)),
    }
}

fn change(before: Shown, after: Shown, path: &str) -> FieldChange {
    FieldChange { path: path.to_owned(), before: before.shown.cloned(), after: after.shown.cloned() }
}
