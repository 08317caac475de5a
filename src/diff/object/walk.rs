//! Walks two states of an object side by side. What differs is found on the values themselves, what is shown is masked on
//! the way: a mask can't hide a change, and no value gets past it.

use super::hide::Place;
use super::pairs::pairs;
use crate::diff::compare::{Comparison, FieldChange};
use crate::diff::mask::{MASKED, MASKED_CHANGED};
use serde_json::{Map, Value};

pub(in crate::diff) fn walk(before: &Value, after: &Value) -> Comparison {
    let mut walk = Walk::default();
    let old = (!before.is_null()).then(|| (before, Place::top(before)));
    let (old, new) = walk.both(old, Some((after, Place::top(after))), "");
    if walk.changes.is_empty() {
        return Comparison::default();
    }
    Comparison::shown(walk.changes, old.unwrap_or_default(), new.unwrap_or_default())
}

/// A value and where it is.
type Side<'a> = Option<(&'a Value, Place)>;
type Shown = Option<Value>;

#[derive(Default)]
struct Walk {
    changes: Vec<FieldChange>,
}

impl Walk {
    /// What may be shown of both sides; notes what differs.
    fn both(&mut self, before: Side<'_>, after: Side<'_>, path: &str) -> (Shown, Shown) {
        match (before, after) {
            (Some((old @ Value::Object(_), at)), Some((new @ Value::Object(_), then))) => {
                self.fields((old, at), (new, then), path)
            }
            (Some((old @ Value::Array(one), at)), Some((new @ Value::Array(other), then))) => {
                let found = self.changes.len();
                let shown = match pairs(one, other) {
                    Some(pairs) => self.items((one, at), (other, then), pairs, path),
                    None => (Some(shown(old, at, None)), Some(shown(new, then, Some(old)))),
                };
                // A difference must never go missing: here it is the order, or lists of other lengths.
                if old != new && self.changes.len() == found {
                    self.note(path, shown.0.clone(), shown.1.clone());
                }
                shown
            }
            _ => {
                let (old, new) = (before.map(|(value, _)| value), after.map(|(value, _)| value));
                let one = before.map(|(value, place)| shown(value, place, None));
                let other = after.map(|(value, place)| shown(value, place, old));
                if old != new {
                    self.note(path, one.clone(), other.clone());
                }
                (one, other)
            }
        }
    }

    fn note(&mut self, path: &str, before: Shown, after: Shown) {
        self.changes.push(FieldChange { path: path.to_owned(), before, after });
    }

    fn fields(&mut self, before: (&Value, Place), after: (&Value, Place), path: &str) -> (Shown, Shown) {
        fn side<'a>((fields, place): (&'a Value, Place), name: &str) -> Side<'a> {
            fields.get(name).map(|value| (value, place.field(fields, name)))
        }
        let names = |fields: &Value| -> Vec<String> {
            fields.as_object().into_iter().flat_map(Map::keys).cloned().collect()
        };
        let (mine, theirs) = (names(before.0), names(after.0));
        let gone = mine.iter().filter(|name| after.0.get(name.as_str()).is_none());
        let (mut found, mut new) = (Map::new(), Map::new());
        for name in theirs.iter().chain(gone) {
            let (one, other) = self.both(side(before, name), side(after, name), &join(path, name));
            found.extend(one.map(|value| (name.clone(), value)));
            new.extend(other.map(|value| (name.clone(), value)));
        }
        // Each side keeps its own order, or a diff would show moves that are none.
        let old = mine.into_iter().filter_map(|name| found.swap_remove(&name).map(|value| (name, value)));
        let old: Map<String, Value> = old.collect();
        (Some(Value::Object(old)), Some(Value::Object(new)))
    }

    fn items(
        &mut self,
        (before, at): (&[Value], Place),
        (after, then): (&[Value], Place),
        pairs: Vec<super::pairs::Pair>,
        path: &str,
    ) -> (Shown, Shown) {
        let mut old = vec![Value::Null; before.len()];
        let mut new = vec![Value::Null; after.len()];
        for (one, other, name) in pairs {
            let before = one.map(|index| (&before[index], at.item(before, index)));
            let after = other.map(|index| (&after[index], then.item(after, index)));
            let shown = self.both(before, after, &format!("{path}[{name}]"));
            if let (Some(index), Some(value)) = (one, shown.0) {
                old[index] = value;
            }
            if let (Some(index), Some(value)) = (other, shown.1) {
                new[index] = value;
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new)))
    }
}

/// What may be shown of a value that was `other` on the other side.
fn shown(value: &Value, place: Place, other: Option<&Value>) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, inner)| {
                let other = other.and_then(|other| other.get(name));
                (name.clone(), shown(inner, place.field(value, name), other))
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                shown(item, place.item(items, index), other.and_then(|other| other.get(index)))
            })
            .collect(),
        scalar if place.hides(scalar) => match other.is_some_and(|other| other != scalar) {
            true => MASKED_CHANGED.into(),
            false => MASKED.into(),
        },
        scalar => scalar.clone(),
    }
}

/// `metadata.name`; names with dots or slashes in brackets: `metadata.labels[app.kubernetes.io/name]`.
fn join(path: &str, name: &str) -> String {
    match (path, name.contains(['.', '/', '['])) {
        ("", _) => name.to_owned(),
        (_, true) => format!("{path}[{name}]"),
        (_, false) => format!("{path}.{name}"),
    }
}
