//! Takes over the fields of an object's former managers: the tools that applied it before it was adopted.
//!
//! A server-side apply removes a field that its manager declared before and does not any more, unless another manager has
//! the field, too. So whatever `kubectl apply`, Helm, Argo CD or Flux once declared would stay for ever after Git took it
//! away. Moved into our own entry of `metadata.managedFields`, as kubectl (`csaupgrade`) and Flux do it, the fields go with
//! the very next apply; that move changes nothing else of the object.
//!
//! It is done once: at the adoption, or on an object that an earlier version adopted without it. A tool whose entry is
//! newer than ours still writes the object: nothing of it is taken then without being told to.

mod act;
mod field_set;
mod known;

pub(super) use act::{Spot, due, is_our_patch};
pub(super) use field_set::FieldSet;

use super::left_alone::our_entry;
use crate::kubernetes::FIELD_MANAGER;
use known::{Habit, habit, kept};
use serde_json::{Value, json};

/// The note in which a client-side `kubectl apply` keeps what it declared. It goes with the takeover.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Fields that a sentence names.
const NAMED: usize = 5;

/// What comes of an object's former managers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Former {
    /// There are none, or they have only what stays with them.
    None,
    /// Their fields are to be taken over before the next apply.
    Taken(Takeover),
    /// One of them wrote the object after we did, and has fields that the document does not: a sentence.
    Writing(String),
}

/// The fields of former managers, and what moving them comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Takeover {
    /// Managers none of whose entries is left as it is.
    managers: Vec<String>,
    /// `metadata.managedFields` afterwards.
    entries: Vec<Value>,
    /// What the next apply removes.
    goes: FieldSet,
    /// What it does not, although it may lie within `goes`.
    staying: FieldSet,
    /// All that anybody has: tells which lists are merged by which keys.
    shape: FieldSet,
    drops_note: bool,
}

/// True if the spec of `live` has fields of former managers that an apply of `body` would remove.
pub(super) fn has_leftovers(live: &Value, body: &Value, left_alone: &[String]) -> bool {
    match former(live, body, left_alone, false) {
        Former::Taken(takeover) => takeover.goes.child("f:spec").is_some(),
        Former::None | Former::Writing(_) => false,
    }
}

/// True for the manager of a tool or person that may have kept an object before.
pub(super) fn is_former(manager: &str) -> bool {
    habit(manager).is_some()
}

/// One entry of `metadata.managedFields`.
struct Entry<'a> {
    entry: &'a Value,
    fields: FieldSet,
    habit: Option<Habit>,
}

impl<'a> Entry<'a> {
    fn read(live: &Value, entry: &'a Value) -> Entry<'a> {
        let is_whole = entry.get("subresource").is_none_or(|name| name == "");
        let manager = entry["manager"].as_str().filter(|_| is_whole).unwrap_or_default();
        let fields = our_fields_of(live, &FieldSet::parse(&entry["fieldsV1"]));
        Entry { entry, fields, habit: habit(manager) }
    }

    fn manager(&self) -> &str {
        self.entry["manager"].as_str().unwrap_or_default()
    }

    /// RFC 3339 in UTC without fractions, so that texts compare as times do.
    fn time(&self) -> &str {
        self.entry["time"].as_str().unwrap_or_default()
    }
}

/// Judges the former managers of `live`, over which `body` will be applied. The fields at the JSON pointers `left_alone`
/// are neither compared nor written. `is_forced`: fields of others are taken in any case.
pub(super) fn former(live: &Value, body: &Value, left_alone: &[String], is_forced: bool) -> Former {
    let entries = entries(live);
    let ours = our_entry(live);
    let our_fields = ours.map(|ours| FieldSet::parse(&ours["fieldsV1"])).unwrap_or_default();
    let is_ours = |entry: &&Entry<'_>| ours.is_some_and(|ours| std::ptr::eq(ours, entry.entry));
    let our_time = ours.map(|ours| ours["time"].as_str().unwrap_or_default());
    let is_before = |entry: &Entry<'_>| our_time.is_none_or(|ours| entry.time() <= ours);
    let is_applier = |entry: &Entry<'_>| entry.habit == Some(Habit::Applies);
    let has_applier = entries.iter().any(|entry| is_applier(entry) && (is_before(entry) || is_forced));
    let moves = |entry: &Entry<'_>| match entry.habit {
        None => false,
        Some(Habit::Applies) => is_before(entry) || is_forced,
        Some(Habit::Edits) => is_before(entry) && (our_time.is_none() || has_applier),
    };
    let sets = |wanted: &dyn Fn(&Entry<'_>) -> bool| {
        FieldSet::united(entries.iter().filter(|entry| wanted(entry)).map(|entry| &entry.fields))
    };
    let others = sets(&|entry| !is_ours(&entry) && entry.habit.is_none());
    let later = |entry: &Entry<'_>| is_applier(entry) && !moves(entry);
    let remaining = sets(&|entry| !is_ours(&entry) && !moves(entry));
    let mut shape = our_fields_of(live, &our_fields);
    entries.iter().for_each(|entry| shape.unite(&entry.fields));
    let judge = Judge { live, body, left_alone, shape: &shape };

    if let Some(writing) =
        entries.iter().filter(|entry| later(entry)).max_by_key(|entry| entry.time().to_owned())
    {
        let extra = judge.undeclared(&sets(&later), &others).0.without(&others);
        if !extra.is_empty() {
            return Former::Writing(still_writing(writing, &extra));
        }
    }
    let former = sets(&moves);
    let (_, exempt) = judge.undeclared(&former, &remaining);
    let has_plain_text = our_fields.child("f:stringData").is_some();
    let moving = former.without(&exempt);
    if moving.is_empty() && !has_plain_text {
        return Former::None;
    }
    let mut ours_then = our_fields_of(live, &our_fields);
    ours_then.unite(&moving);
    let (undeclared, _) = judge.undeclared(&ours_then, &remaining);
    let note =
        FieldSet::parse(&json!({"f:metadata": {"f:annotations": {(format!("f:{LAST_APPLIED}")): {}}}}));
    let ours_then = ours_then.of(live).without(&note);
    let staying = FieldSet::united([&shape.of(body), &remaining, &exempt]);
    let mut managers: Vec<String> =
        entries.iter().filter(|entry| moves(entry)).map(|entry| entry.manager().to_owned()).collect();
    managers.retain(|name| !entries.iter().any(|entry| !moves(entry) && entry.manager() == name));
    let mut time = our_time.unwrap_or_default().to_owned();
    let mut left = vec![];
    for entry in entries.iter().filter(|entry| !is_ours(entry)) {
        if !moves(entry) {
            left.push(entry.entry.clone());
            continue;
        }
        time = time.max(entry.time().to_owned());
        let kept = entry.fields.within(&exempt);
        if !kept.is_empty() {
            let mut entry = entry.entry.clone();
            entry["fieldsV1"] = kept.to_fields();
            left.push(entry);
        }
    }
    left.push(json!({"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": body["apiVersion"],
        "time": time, "fieldsType": "FieldsV1", "fieldsV1": ours_then.to_fields()}));
    let annotation = |object: &Value| object["metadata"]["annotations"].get(LAST_APPLIED).is_some();
    Former::Taken(Takeover {
        managers,
        entries: left,
        goes: undeclared.without(&remaining),
        staying,
        shape,
        drops_note: annotation(live) && !annotation(body),
    })
}

struct Judge<'a> {
    live: &'a Value,
    body: &'a Value,
    left_alone: &'a [String],
    shape: &'a FieldSet,
}

impl Judge<'_> {
    /// Of `fields`, those that the document does not declare and that may go, and those that stay with whoever has them.
    fn undeclared(&self, fields: &FieldSet, others: &FieldSet) -> (FieldSet, FieldSet) {
        let undeclared = fields.without(&fields.of(self.body)).of(self.live);
        let staying = FieldSet::united([&self.shape.of(self.body), others]);
        let version = self.body["apiVersion"].as_str().unwrap_or_default();
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let kept = kept(group, self.body["kind"].as_str().unwrap_or_default());
        let mut exempt =
            FieldSet::united(&kept.iter().map(|path| undeclared.at(path, &staying)).collect::<Vec<_>>());
        for pointer in self.left_alone {
            exempt.unite(&undeclared.at_pointer(self.body, pointer));
        }
        (undeclared.without(&exempt), exempt)
    }
}

/// Every entry but those of subresources, which say who reports and who scales, with its fields as a Secret keeps them.
fn entries(live: &Value) -> Vec<Entry<'_>> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().map(|entry| Entry::read(live, entry)).collect()
}

/// Fields of an entry of `live`. What was applied as a Secret's `stringData` is kept under `data`.
fn our_fields_of(live: &Value, fields: &FieldSet) -> FieldSet {
    let mut fields = fields.clone();
    if live["kind"] == "Secret" && live["apiVersion"] == "v1" {
        fields.rename("f:stringData", "f:data");
    }
    fields
}

fn still_writing(entry: &Entry<'_>, extra: &FieldSet) -> String {
    let paths = extra.paths();
    let mut named = paths.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = paths.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push_str(&format!(" and {more} more"));
    }
    let (manager, time) = (entry.manager(), entry.time());
    format!(
        "{manager} wrote it at {time}, after this application did, and has fields there that Git has not: {named}; keep it \
         from writing this object and sync once with --force-conflicts (spec.sync.forceConflicts: true), which takes its \
         fields over, or add them to the document"
    )
}

#[cfg(test)]
mod tests;
