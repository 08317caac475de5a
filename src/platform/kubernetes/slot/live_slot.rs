//! What a cluster has of one slot.

use super::Steered;
use crate::model::{ObjectKey, Slot};
use serde_json::Value;

/// The objects of a slot as they were read; `None` for what is known to be absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::platform::kubernetes) struct LiveSlot {
    pub deployment: Option<Value>,
    pub service: Option<Value>,
    /// The one of the slot's name or, in an adopted slot, the one that fills the slot's target group.
    pub binding: Option<Value>,
    /// True if people made the binding: then it and its Service are used as they are.
    pub has_foreign_binding: bool,
    /// In the order of the documents.
    pub carried: Vec<Option<Value>>,
}

impl LiveSlot {
    /// What is there, by key.
    pub fn into_objects(self) -> Vec<(ObjectKey, Value)> {
        let LiveSlot { deployment, service, binding, has_foreign_binding: _, carried } = self;
        let found = [deployment, service, binding].into_iter().chain(carried).flatten();
        found.map(|object| (key_of(&object), object)).collect()
    }

    /// Finds the slot's binding among those of the namespace.
    ///
    /// # Errors
    /// A sentence if the target group is filled by a binding that is none of the slot's, or with what no pod's address
    /// is.
    pub fn bind(&mut self, steered: &Steered<'_>, slot: Slot, bindings: &[Value]) -> Result<(), String> {
        let Some(group) = steered.target_group(slot) else { return Ok(()) };
        let own = steered.binding_key(slot).name;
        let name = |binding: &Value| binding["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.binding = bindings.iter().find(|binding| name(binding) == own).cloned();
        let mut others = bindings.iter().filter(|binding| name(binding) != own);
        if let Some(other) = others.find(|binding| super::is_bound_to(binding, group)) {
            let other_name = name(other);
            if !steered.is_adopted(slot) {
                return Err(format!(
                    "target group {group} is filled by TargetGroupBinding {other_name} already; name the Deployment \
                     behind it in the BlueGreen's slots, or give the {slot} slot a target group of its own"
                ));
            }
            self.binding = Some(other.clone());
        }
        let Some(binding) = &self.binding else { return Ok(()) };
        let is_ours = steered.identity.owns(binding);
        self.has_foreign_binding = steered.is_adopted(slot) && !is_ours;
        if binding["spec"]["targetType"] == "instance" {
            return Err(format!(
                "TargetGroupBinding {} registers instances, so that nobody can tell which pods answer; blue/green needs \
                 targetType: ip, with a target group of target type ip",
                name(binding)
            ));
        }
        Ok(())
    }
}

/// The key of an object as the API gives it.
fn key_of(object: &Value) -> ObjectKey {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let api_version = text("/apiVersion").unwrap_or_default();
    ObjectKey {
        group: api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned(),
        kind: text("/kind").unwrap_or_default(),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").unwrap_or_default(),
    }
}
