//! Asks what an apply after a takeover would come to, and carries takeovers out.

use super::{FieldSet, Former, LAST_APPLIED, Takeover, former};
use crate::engine::Trouble;
use crate::kubernetes::{Apply, FIELD_MANAGER, Refusal, Resource};
use crate::plan::FieldConflict;
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::left_alone::is_called;
use serde_json::{Value, json};

/// Where an object is kept.
#[derive(Clone, Copy)]
pub(in crate::platform::kubernetes) struct Spot<'a> {
    pub resource: &'a Resource,
    pub namespace: Option<&'a str>,
}

/// True for a conflict that is no reason to stop: the field is taken.
pub(in crate::platform::kubernetes) type Yields = fn(&FieldConflict) -> bool;

/// A field of a patch of our own.
pub(in crate::platform::kubernetes) fn is_our_patch(conflict: &FieldConflict) -> bool {
    conflict.manager == FIELD_MANAGER
}

impl Takeover {
    /// True if the manager has nothing any more that a conflict could be about.
    fn takes_from(&self, manager: &str) -> bool {
        self.managers.iter().any(|name| name == manager)
    }

    /// The object that an apply of `body` comes to, told without asking. `applied`: what a dry run made of it that knows
    /// nothing of the takeover, where there is one.
    fn outcome(&self, live: &Value, body: &Value, applied: Option<Value>) -> Value {
        match applied {
            Some(mut object) => {
                self.goes.take_from(&mut object, &self.staying);
                object
            }
            None => {
                let mut object = live.clone();
                self.goes.take_from(&mut object, &self.staying);
                lay_over(&mut object, body, Some(&self.shape));
                object
            }
        }
    }

    fn operations(&self, live: &Value) -> Vec<Value> {
        let mut operations = vec![
            json!({"op": "replace", "path": "/metadata/managedFields", "value": self.entries}),
            // Refused as a conflict if the object is not as it was read.
            json!({"op": "replace", "path": "/metadata/resourceVersion",
                "value": live["metadata"]["resourceVersion"]}),
        ];
        if self.drops_note {
            let name = LAST_APPLIED.replace('/', "~1");
            operations.push(json!({"op": "remove", "path": format!("/metadata/annotations/{name}")}));
        }
        operations
    }
}

impl Kubernetes {
    /// What an apply of `body` over `live` would come to, the takeover before it included.
    pub(in crate::platform::kubernetes) async fn would_apply(
        &self,
        spot: Spot<'_>,
        body: &Value,
        live: Option<&Value>,
        takeover: Option<&Takeover>,
        force: bool,
        yields: Yields,
    ) -> Result<Value, Refusal> {
        let ask = async |force| {
            self.cluster.apply(spot.resource, spot.namespace, body, Apply { force, dry_run: true }).await
        };
        let answer = match ask(force).await {
            Err(Refusal::Conflicts(conflicts)) => {
                let takes = |name: &str| takeover.is_some_and(|takeover| takeover.takes_from(name));
                let yields = |conflict: &FieldConflict| yields(conflict) || takes(&conflict.manager);
                let (_, left): (Vec<_>, Vec<_>) = conflicts.into_iter().partition(yields);
                match left.is_empty() {
                    true => ask(true).await,
                    false => Err(Refusal::Conflicts(left)),
                }
            }
            other => other,
        };
        let (Some(takeover), Some(live)) = (takeover, live) else { return answer };
        let applied = match answer {
            Ok(applied) => Some(applied),
            // Two ports of one name, say: one of them goes, of which this dry run knows nothing.
            Err(Refusal::Invalid { .. }) if !takeover.goes.is_empty() => None,
            Err(refusal) => return Err(refusal),
        };
        let outcome = takeover.outcome(live, body, applied);
        // The server fills in defaults for what went, and says whether it may go.
        let mut outcome = match takeover.goes.is_empty() {
            true => outcome,
            false => self.would_become(spot, live, &outcome).await?,
        };
        outcome["metadata"]["managedFields"] = Value::Array(takeover.entries.clone());
        Ok(outcome)
    }

    /// What the server would make of `outcome` in place of `live`.
    async fn would_become(&self, spot: Spot<'_>, live: &Value, outcome: &Value) -> Result<Value, Refusal> {
        let name = live.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let operations = operations(live, outcome);
        self.cluster.json_patch(spot.resource, spot.namespace, name, &operations, true).await
    }

    /// Moves the fields of former managers into our own entry. The answer is the object as it is then.
    pub(in crate::platform::kubernetes) async fn take_over(
        &self,
        spot: Spot<'_>,
        live: &Value,
        takeover: &Takeover,
    ) -> Result<Value, Trouble> {
        let name = live.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let operations = takeover.operations(live);
        let patched = self.cluster.json_patch(spot.resource, spot.namespace, name, &operations, false).await;
        let doing = || format!("taking over the fields of {} on {name}", takeover.managers.join(", "));
        patched.map_err(|refusal| refusal.into_trouble(&doing()))
    }
}

/// The patch that makes `outcome` of `live`: top-level fields as wholes, and the maps of `metadata`.
fn operations(live: &Value, outcome: &Value) -> Vec<Value> {
    let none = json!({});
    let mut operations = vec![];
    let mut compare = |path: &str, live: &Value, outcome: &Value, skipped: &[&str]| {
        let (live, outcome) = (live.as_object(), outcome.as_object());
        let names = live.into_iter().chain(outcome).flat_map(|fields| fields.keys());
        let mut names: Vec<&String> = names.filter(|name| !skipped.contains(&name.as_str())).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let pointer = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            let of =
                |fields: Option<&serde_json::Map<String, Value>>| fields.and_then(|f| f.get(name)).cloned();
            match (of(live), of(outcome)) {
                (before, after) if before == after => {}
                (_, Some(value)) => operations.push(json!({"op": "add", "path": pointer, "value": value})),
                (_, None) => operations.push(json!({"op": "remove", "path": pointer})),
            }
        }
    };
    compare("", live, outcome, &["metadata", "status"]);
    let metadata = ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"];
    let of = |object: &'_ Value| object.get("metadata").cloned().unwrap_or_else(|| none.clone());
    compare("/metadata", &of(live), &of(outcome), &metadata);
    operations
}

/// Puts what `body` declares over `object`, list elements by the keys that `shape` shows.
fn lay_over(object: &mut Value, body: &Value, shape: Option<&FieldSet>) {
    match (object, body) {
        (Value::Object(fields), Value::Object(declared)) => {
            for (name, value) in declared.iter().filter(|(_, value)| !value.is_null()) {
                let below = shape.and_then(|shape| shape.child(&format!("f:{name}")));
                lay_over(fields.entry(name.clone()).or_insert(Value::Null), value, below);
            }
        }
        (Value::Array(items), Value::Array(declared)) if shape.is_some_and(FieldSet::is_keyed) => {
            for item in declared {
                let name = shape.and_then(|shape| shape.names().find(|name| is_called(item, name)));
                let place = name.and_then(|name| items.iter().position(|found| is_called(found, name)));
                match place {
                    Some(place) => {
                        lay_over(&mut items[place], item, name.and_then(|name| shape?.child(name)))
                    }
                    None => items.push(item.clone()),
                }
            }
        }
        (object, body) => *object = body.clone(),
    }
}

/// The takeover that is due, if one is.
///
/// # Errors
/// A sentence if a former manager still writes.
pub(in crate::platform::kubernetes) fn due(
    live: Option<&Value>,
    body: &Value,
    left_alone: &[String],
    is_forced: bool,
) -> Result<Option<Takeover>, String> {
    match live.map(|live| former(live, body, left_alone, is_forced)) {
        None | Some(Former::None) => Ok(None),
        Some(Former::Taken(takeover)) => Ok(Some(takeover)),
        Some(Former::Writing(message)) => Err(message),
    }
}
