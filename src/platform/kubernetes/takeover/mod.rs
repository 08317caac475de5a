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
    /// What was applied as a Secret's `stringData` is kept under `data`, and counted there.
    fields: FieldSet,
    has_plain_text: bool,
    /// `None` for an entry of a subresource, which says who reports and who scales.
    habit: Option<Habit>,
}

impl<'a> Entry<'a> {
    fn read(live: &Value, entry: &'a Value) -> Entry<'a> {
        let is_whole = entry.get("subresource").is_none_or(|name| name == "");
        let manager = entry["manager"].as_str().filter(|_| is_whole).unwrap_or_default();
        let mut fields = FieldSet::parse(&entry["fieldsV1"]);
        let is_secret = live["kind"] == "Secret" && live["apiVersion"] == "v1";
        let has_plain_text = is_secret && fields.child("f:stringData").is_some();
        if has_plain_text {
            fields.rename("f:stringData", "f:data");
        }
        Entry { entry, fields, has_plain_text, habit: habit(manager) }
    }

    fn is_applier(&self) -> bool {
        self.habit == Some(Habit::Applies)
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
    if !may_have_former(live) {
        return Former::None;
    }
    let read = Read::of(live, body, left_alone, is_forced);
    let later = |entry: &Entry<'_>| entry.is_applier() && !read.moves(entry);
    let writing =
        read.entries.iter().filter(|entry| later(entry)).max_by_key(|entry| entry.time().to_owned());
    if let Some(writing) = writing {
        let others = read.sets(|entry| entry.habit.is_none());
        let (extra, _) = read.undeclared(&read.sets(later), &others);
        let extra = extra.without(&others);
        if !extra.is_empty() {
            return Former::Writing(still_writing(writing, &extra));
        }
    }
    read.takeover().map_or(Former::None, Former::Taken)
}

/// The managed fields of an object, read.
struct Read<'a> {
    live: &'a Value,
    body: &'a Value,
    left_alone: &'a [String],
    is_forced: bool,
    /// All but ours.
    entries: Vec<Entry<'a>>,
    ours: Option<Entry<'a>>,
    /// All that anybody has.
    shape: FieldSet,
    /// Set if a tool has fields that are to be taken: then what people edited before goes along.
    has_applied: bool,
}

impl<'a> Read<'a> {
    fn of(live: &'a Value, body: &'a Value, left_alone: &'a [String], is_forced: bool) -> Read<'a> {
        let ours = our_entry(live);
        let all = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
        let (entries, ours): (Vec<_>, Vec<_>) = all
            .map(|entry| Entry::read(live, entry))
            .partition(|entry| ours.is_none_or(|ours| !std::ptr::eq(ours, entry.entry)));
        let shape = FieldSet::united(entries.iter().chain(&ours).map(|entry| &entry.fields));
        let ours = ours.into_iter().next();
        let mut read = Read { live, body, left_alone, is_forced, entries, ours, shape, has_applied: false };
        let applied = read.sets(|entry| entry.is_applier() && read.moves(entry));
        let (_, exempt) = read.undeclared(&applied, &read.sets(|entry| entry.habit.is_none()));
        read.has_applied = !applied.without(&exempt).is_empty();
        read
    }

    /// True if the fields of an entry are taken.
    fn moves(&self, entry: &Entry<'_>) -> bool {
        let is_before = self.ours.as_ref().is_none_or(|ours| entry.time() <= ours.time());
        match entry.habit {
            None => false,
            Some(Habit::Applies) => is_before || self.is_forced,
            Some(Habit::Edits) => is_before && (self.ours.is_none() || self.has_applied),
        }
    }

    fn sets(&self, is_wanted: impl Fn(&Entry<'_>) -> bool) -> FieldSet {
        let wanted = self.entries.iter().filter(|entry| is_wanted(entry));
        FieldSet::united(wanted.map(|entry| &entry.fields))
    }

    /// Of `fields`, those that the document does not declare and that may go, and those that stay with whoever has them.
    fn undeclared(&self, fields: &FieldSet, others: &FieldSet) -> (FieldSet, FieldSet) {
        let undeclared = fields.without(&fields.of(self.body)).of(self.live);
        let staying = FieldSet::united([&self.shape.of(self.body), others]);
        let version = self.body["apiVersion"].as_str().unwrap_or_default();
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let kept = kept(group, self.body["kind"].as_str().unwrap_or_default());
        let mut exempt = FieldSet::default();
        kept.iter().for_each(|path| exempt.unite(&undeclared.at(path, &staying)));
        for pointer in self.left_alone {
            exempt.unite(&undeclared.at_pointer(self.body, pointer));
        }
        (undeclared.without(&exempt), exempt)
    }

    fn takeover(&self) -> Option<Takeover> {
        let remaining = self.sets(|entry| !self.moves(entry));
        let former = self.sets(|entry| self.moves(entry));
        let (_, exempt) = self.undeclared(&former, &remaining);
        let moving = former.without(&exempt);
        if moving.is_empty() && !self.ours.as_ref().is_some_and(|ours| ours.has_plain_text) {
            return None;
        }
        let mut ours = self.ours.as_ref().map(|ours| ours.fields.clone()).unwrap_or_default();
        ours.unite(&moving);
        let (undeclared, _) = self.undeclared(&ours, &remaining);
        let mut managers: Vec<String> = self.moved().map(|entry| entry.manager().to_owned()).collect();
        let is_left = |name: &str| self.entries.iter().any(|e| !self.moves(e) && e.manager() == name);
        managers.retain(|name| !is_left(name));
        let annotation = |object: &Value| object["metadata"]["annotations"].get(LAST_APPLIED).is_some();
        Some(Takeover {
            managers,
            entries: self.entries_then(&ours, &exempt),
            goes: undeclared.without(&remaining),
            staying: FieldSet::united([&self.shape.of(self.body), &remaining, &exempt]),
            shape: self.shape.clone(),
            drops_note: annotation(self.live) && !annotation(self.body),
        })
    }

    fn moved(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| self.moves(entry))
    }

    /// The managed fields after the takeover: ours with `fields`, and former managers with what is exempt.
    fn entries_then(&self, fields: &FieldSet, exempt: &FieldSet) -> Vec<Value> {
        let kept = self.entries.iter().filter_map(|entry| {
            if !self.moves(entry) {
                return Some(entry.entry.clone());
            }
            let kept = entry.fields.within(exempt);
            let mut shrunk = entry.entry.clone();
            shrunk["fieldsV1"] = kept.to_fields();
            (!kept.is_empty()).then_some(shrunk)
        });
        let note = json!({"f:metadata": {"f:annotations": {(format!("f:{LAST_APPLIED}")): {}}}});
        let fields = fields.of(self.live).without(&FieldSet::parse(&note));
        let time = self.moved().chain(&self.ours).map(Entry::time).max().unwrap_or_default();
        let ours = json!({"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": self.body["apiVersion"],
            "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields.to_fields()});
        kept.chain([ours]).collect()
    }
}

/// False for most objects, whose sets of fields then need not be read.
fn may_have_former(live: &Value) -> bool {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    let is_of_former = |entry: &Value| is_former(entry["manager"].as_str().unwrap_or_default());
    entries.is_some_and(|entries| entries.iter().any(is_of_former))
        || our_entry(live).is_some_and(|ours| ours.pointer("/fieldsV1/f:stringData").is_some())
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
