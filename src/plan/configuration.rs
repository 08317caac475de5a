//! Holds back configuration that the serving version of a BlueGreen reads, and ports by which requests reach it, where they
//! change together with its version: that would reach users before the new version has passed its gates, and stay after an
//! abort.

use super::refers::configuration_of;
use super::{Change, Live, LiveRollout, Plan, PlanItem};
use crate::model::{BlueGreen, ClusterTraffic, Manifests, Object, ObjectKey, Slot, marks};
use crate::rollout::{Phase, Progress, decide};
use serde_json::Value;
use std::collections::BTreeMap;

/// The fields of ConfigMaps and Secrets that pods read.
const CONTENT: [&str; 3] = ["data", "binaryData", "stringData"];

/// Blocks the items of such objects, but for those whose document allows it.
pub(super) fn hold_back(manifests: &Manifests, live: &Live, plan: &mut Plan) {
    let readers = readers(manifests, live);
    if readers.is_empty() {
        return;
    }
    // A commit that takes the word away again was made for content that it let through.
    let says_so = |object: &&Object| {
        let found = live.objects.get(&object.key).and_then(|found| found.live.as_ref());
        let live = found.and_then(|live| live["metadata"]["annotations"].get(marks::IN_PLACE)?.as_str());
        [object.annotation(marks::IN_PLACE), live].contains(&Some(marks::ALLOWED))
    };
    let allowed = manifests.objects.values().filter(says_so);
    let allowed: Vec<String> = allowed.map(|object| live_key(live, &object.key).to_string()).collect();
    for item in plan.items.iter_mut().filter(|item| !allowed.contains(&item.resource)) {
        let Some(reader) = readers.get(&item.resource).filter(|reader| gives_content(item, reader)) else {
            continue;
        };
        let name = &reader.name;
        let (serves, instead) = match reader.needs {
            Needs::Ports => (
                format!("{name} serves behind it, and its requests would go by these ports"),
                "give the container's port a name and let targetPort be that name",
            ),
            Needs::Content | Needs::Nothing => (
                format!("{name} serves and reads it, and would get this"),
                "give it a new name with each content, as Kustomize's generators do",
            ),
        };
        item.change = Change::Blocked;
        item.why = format!(
            "{}; {serves} before the new version has passed its gates, and keep it after an abort: {instead}; or change it in \
             a commit of its own, while no rollout is due; or say that every version can do with it by the annotation {}: {}",
            item.why,
            marks::IN_PLACE,
            marks::ALLOWED
        );
    }
}

/// A Deployment with requests that an object's change would reach.
struct Reader {
    name: String,
    needs: Needs,
}

/// The part of an object that a Deployment relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Its pods do not start without what they read in it.
    Content,
    /// Its pods run without it: they get its content when it comes.
    Nothing,
    /// Requests reach its pods by the ports that it names.
    Ports,
}

impl Needs {
    fn of_content(is_optional: bool) -> Needs {
        if is_optional { Needs::Nothing } else { Needs::Content }
    }
}

/// By ConfigMap and Secret, and by the Service or HTTPRoute that steers the requests: the Deployment that reads it or gets
/// them, and is to give them to another version. Of a workload that can't be read nobody can tell, and what its document
/// reads stays as it is.
fn readers(manifests: &Manifests, live: &Live) -> BTreeMap<String, Reader> {
    let mut readers = BTreeMap::new();
    for (name, rollout) in &live.rollouts {
        let steering = manifests.blue_greens.get(name).and_then(|blue_green| steering(manifests, blue_green));
        let (Ok(rollout), Some(slots)) = (rollout, live.slots.get(name)) else {
            let blue_green = manifests.blue_greens.get(name);
            if let Some(deployment) = blue_green.and_then(|bg| manifests.steered_deployment(bg)) {
                let name = format!("Deployment {} perhaps", deployment.key.name);
                let reader = |needs| Reader { name: name.clone(), needs };
                let read = configuration_of(&deployment.body).into_iter();
                readers.extend(read.map(|(read, optional)| {
                    (live_key(live, &read).to_string(), reader(Needs::of_content(optional)))
                }));
                readers.extend(steering.map(|key| (live_key(live, &key).to_string(), reader(Needs::Ports))));
            }
            continue;
        };
        for slot in superseded(rollout) {
            let deployments = slots.get(slot).iter().filter(|part| part.key.is("apps", "Deployment"));
            let deployments = deployments.filter_map(|part| Some((&part.key, part.live.as_ref()?)));
            for (key, deployment) in deployments {
                let name = format!("Deployment {}", key.name);
                let reader = |needs| Reader { name: name.clone(), needs };
                readers.extend(
                    read_by(key, deployment)
                        .map(|(read, optional)| (read, reader(Needs::of_content(optional)))),
                );
                let steering = steering.iter().map(|key| live_key(live, key).to_string());
                readers.extend(steering.map(|key| (key, reader(Needs::Ports))));
            }
        }
    }
    readers
}

/// The Service or HTTPRoute whose document says by which ports requests reach the pods.
fn steering(manifests: &Manifests, blue_green: &BlueGreen) -> Option<ObjectKey> {
    let (group, kind, name) = match blue_green.traffic.as_ref()? {
        ClusterTraffic::Service(name) => ("", "Service", name),
        ClusterTraffic::HttpRoute(name) => ("gateway.networking.k8s.io", "HTTPRoute", name),
    };
    let namespace = manifests.steered_deployment(blue_green)?.key.namespace.clone();
    Some(ObjectKey { group: group.into(), kind: kind.into(), namespace, name: name.clone() })
}

/// A document's key with the namespace that it goes to, where that is known.
fn live_key<'a>(live: &'a Live, key: &'a ObjectKey) -> &'a ObjectKey {
    live.objects.get(key).map_or(key, |found| &found.key)
}

fn read_by(key: &ObjectKey, deployment: &Value) -> impl Iterator<Item = (String, bool)> {
    let namespace = key.namespace.clone();
    let of = move |read: ObjectKey| ObjectKey { namespace: read.namespace.or(namespace.clone()), ..read };
    configuration_of(deployment).into_iter().map(move |(read, optional)| (of(read).to_string(), optional))
}

/// The slots with requests that do not run what Git wants, while that is on its way to take over without having served
/// before: a way back is never held up, and what failed takes nothing over.
fn superseded(rollout: &LiveRollout) -> Vec<Slot> {
    let (want, seen) = (&rollout.desired, &rollout.observation);
    let has_served = |slot: &Slot| {
        let record = seen.slots.get(*slot).record.as_ref();
        record.is_some_and(|record| {
            matches!(record.progress, Progress::Done(_)) && record.revision == want.revision
        })
    };
    let phase = decide(want, seen, rollout.now).phase;
    if phase == Phase::Quarantined || Slot::BOTH.iter().any(has_served) {
        return vec![];
    }
    let is_superseded = |slot: &Slot| seen.largest_share(*slot) > 0 && !seen.slots.get(*slot).is_desired();
    Slot::BOTH.into_iter().filter(is_superseded).collect()
}

/// True if pods of the reader get other content by this. What is missing and needed keeps its pods from starting, so that
/// making it helps them; what they run without would reach them.
fn gives_content(item: &PlanItem, reader: &Reader) -> bool {
    let of_content = |path: &str| CONTENT.iter().any(|field| path.split(['.', '[']).next() == Some(field));
    let of_ports = |path: &str| {
        path.starts_with("spec.ports") || path.contains("backendRefs") && path.ends_with(".port")
    };
    match item.change {
        Change::Update | Change::Adopt | Change::Replace => {
            item.fields.iter().any(|field| match reader.needs {
                Needs::Ports => of_ports(&field.path),
                Needs::Content | Needs::Nothing => of_content(&field.path),
            })
        }
        Change::Create => reader.needs == Needs::Nothing,
        Change::Unchanged | Change::Prune | Change::Blocked => false,
    }
}
