//! Holds back configuration that the serving version of a BlueGreen reads and that changes together with its version: it
//! would reach users before the new version has passed its gates, and stay after an abort.

use super::refers::configuration_of;
use super::{Change, Live, LiveRollout, Plan, PlanItem};
use crate::model::{Manifests, ObjectKey, Slot, marks};
use crate::rollout::{Phase, decide};
use serde_json::Value;
use std::collections::BTreeMap;

/// The fields of ConfigMaps and Secrets that pods read.
const CONTENT: [&str; 3] = ["data", "binaryData", "stringData"];

/// Blocks the items of such ConfigMaps and Secrets, but for those whose document allows it.
pub(super) fn hold_back(manifests: &Manifests, live: &Live, plan: &mut Plan) {
    let readers = readers(live);
    if readers.is_empty() {
        return;
    }
    let allowed = manifests
        .objects
        .values()
        .filter(|object| object.annotation(marks::IN_PLACE).is_some_and(|word| word == marks::ALLOWED));
    let allowed: Vec<String> = allowed
        .map(|object| live.objects.get(&object.key).map_or(&object.key, |found| &found.key).to_string())
        .collect();
    for item in
        plan.items.iter_mut().filter(|item| changes_content(item) && !allowed.contains(&item.resource))
    {
        let Some(reader) = readers.get(&item.resource) else { continue };
        item.change = Change::Blocked;
        item.why = format!(
            "{}; {reader} serves and reads it, and would get this before the new version has passed its gates, and keep it \
             after an abort: give it a new name with each content, as Kustomize's generators do; or change it in a commit \
             of its own; or say that every version can do with it by the annotation {}: {}",
            item.why,
            marks::IN_PLACE,
            marks::ALLOWED
        );
    }
}

/// By ConfigMap and Secret: the Deployment that reads it, has requests, and is to give them to another version.
fn readers(live: &Live) -> BTreeMap<String, String> {
    let mut readers = BTreeMap::new();
    for (name, rollout) in &live.rollouts {
        let (Ok(rollout), Some(slots)) = (rollout, live.slots.get(name)) else { continue };
        for slot in superseded(rollout) {
            let deployments = slots.get(slot).iter().filter(|part| part.key.is("apps", "Deployment"));
            let deployments = deployments.filter_map(|part| Some((&part.key, part.live.as_ref()?)));
            for (key, deployment) in deployments {
                let read = read_by(key, deployment);
                readers.extend(read.map(|read| (read, format!("Deployment {}", key.name))));
            }
        }
    }
    readers
}

fn read_by(key: &ObjectKey, deployment: &Value) -> impl Iterator<Item = String> {
    let namespace = key.namespace.clone();
    let of = move |read: ObjectKey| ObjectKey { namespace: read.namespace.or(namespace.clone()), ..read };
    configuration_of(deployment).into_iter().map(of).map(|read| read.to_string())
}

/// The slots with requests that do not run what Git wants. A return takes them away from such a slot first.
fn superseded(rollout: &LiveRollout) -> Vec<Slot> {
    let seen = &rollout.observation;
    if decide(&rollout.desired, seen, rollout.now).phase == Phase::RollingBack {
        return vec![];
    }
    let is_superseded = |slot: &Slot| seen.largest_share(*slot) > 0 && !seen.slots.get(*slot).is_desired();
    Slot::BOTH.into_iter().filter(is_superseded).collect()
}

fn changes_content(item: &PlanItem) -> bool {
    let is_it = ["ConfigMap", "Secret"].contains(&item.kind.as_str())
        && matches!(item.change, Change::Update | Change::Adopt | Change::Replace);
    let of_content = |path: &str| CONTENT.iter().any(|field| path.split(['.', '[']).next() == Some(field));
    is_it && item.fields.iter().any(|field| of_content(&field.path))
}
