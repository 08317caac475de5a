//! Slots that no BlueGreen declares any more, while nothing is under way: what takes their requests over comes up first,
//! then the Service or HTTPRoute that steered them is moved to it, then the slots go.

use super::words::several;
use super::{Change, Live, Owned, Plan, PlanItem};
use crate::model::{ClusterTraffic, MOVES_REQUESTS, Manifests, Object, ObjectKey, Turn, selects};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds of the `apps` group that take requests over.
const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// The Services and HTTPRoutes that a plan moves off such slots.
pub(super) struct Released {
    moved: Vec<Moved>,
}

struct Moved {
    /// As [`PlanItem::resource`].
    resource: String,
    /// The labels of the pods that get its requests then.
    selectors: Vec<Value>,
}

impl Released {
    /// Gives each of them its turn after what takes over has come to rest, and blocks it where nothing does. `declared` has
    /// the live names of what documents name.
    pub fn find(
        manifests: &Manifests,
        live: &Live,
        declared: &BTreeSet<String>,
        plan: &mut Plan,
    ) -> Released {
        let mut moved = vec![];
        for (document, object) in &manifests.objects {
            let Some(key) = live.objects.get(document).map(|found| &found.key) else { continue };
            let resource = key.to_string();
            let slots = steered(&live.owned, &resource).filter(|owned| !declared.contains(&owned.resource));
            let slots: Vec<&str> = slots.map(|owned| owned.document.as_str()).collect();
            if slots.is_empty() || is_steered(manifests, key) {
                continue;
            }
            let selectors = selectors(manifests, live, object, key);
            let heirs = heirs(manifests, live, &selectors, key);
            let item = plan.items.iter_mut().find(|item| item.resource == resource);
            let Some(item) = item.filter(|item| !is_settled(item.change)) else { continue };
            if heirs.is_empty() && key.is("", "Service") {
                item.change = Change::Blocked;
                item.why = format!(
                    "{}; it sends requests to {}, which no BlueGreen declares any more, and nothing in Git runs pods that \
                     would answer them: put the Deployment back, or take {} out of Git, too",
                    item.why,
                    slots.join(", "),
                    item.document()
                );
            } else {
                let wave = heirs.iter().map(|heir| heir.turn.wave).fold(item.turn.wave, i32::max);
                item.turn = Turn { wave, rank: MOVES_REQUESTS, ..item.turn };
                let names = several(heirs.iter().map(|heir| heir.key.name.as_str()));
                let when = if heirs.is_empty() {
                    "the rest of its wave stands".into()
                } else {
                    format!("{names} stands")
                };
                item.why = format!("{}; moved off {} when {when}", item.why, slots.join(", "));
            }
            moved.push(Moved { resource, selectors });
        }
        Released { moved }
    }

    /// `owned` with the reason why slots stay that get requests, but for those that get none any more.
    pub fn freed(&self, owned: &[Owned]) -> Vec<Owned> {
        let is_moved = |by: &String| self.moved.iter().any(|moved| moved.resource == *by);
        let keep = |owned: &Owned| match owned.steered_by.as_ref().filter(|by| !is_moved(by)) {
            Some(by) => Owned { in_use: owned.in_use.clone().or_else(|| Some(sends(by))), ..owned.clone() },
            None => owned.clone(),
        };
        owned.iter().map(keep).collect()
    }

    /// Blocks what would reach, beside the pods that take over, those of slots that stay; what gets requests by anything
    /// that is blocked is not pruned.
    pub fn hold_back(&self, owned: &[Owned], declared: &BTreeSet<String>, plan: &mut Plan) {
        for Moved { resource, selectors } in &self.moved {
            let staying = staying(owned, declared, selectors, &plan.items);
            let Some(item) = plan.items.iter_mut().find(|item| item.resource == *resource) else { continue };
            if item.change != Change::Blocked && !staying.is_empty() {
                item.change = Change::Blocked;
                item.why = format!(
                    "{}; its requests would reach the pods of {} as well, which the Deployment in Git is not the same as and \
                     which stay: have them pruned in this sync (spec.sync.prune: true, and a pruneLimit that allows it), or \
                     put the BlueGreen back",
                    item.why,
                    several(staying.iter().map(String::as_str))
                );
            }
            if item.change == Change::Blocked {
                let slots: BTreeSet<&str> =
                    steered(owned, resource).map(|owned| owned.resource.as_str()).collect();
                let is_kept =
                    |item: &PlanItem| item.change == Change::Prune && slots.contains(item.resource.as_str());
                let kept: Vec<PlanItem> = plan.items.extract_if(.., |item| is_kept(item)).collect();
                let notice = |item: PlanItem| {
                    format!("{} is no longer in Git but not pruned: {}", item.document(), sends(resource))
                };
                plan.notices.extend(kept.into_iter().map(notice));
            }
        }
    }
}

/// The slots that get requests by this.
fn steered<'a>(owned: &'a [Owned], by: &str) -> impl Iterator<Item = &'a Owned> {
    owned.iter().filter(move |owned| owned.slot.is_some() && owned.steered_by.as_deref() == Some(by))
}

/// `Service/shop/web sends requests to it`, of what has this name where it lives.
fn sends(by: &str) -> String {
    let (kind, rest) = by.split_once('/').unwrap_or((by, ""));
    format!("{}/{rest} sends requests to it", kind.split('.').next().unwrap_or(kind))
}

/// True for what a BlueGreen of these documents steers by.
fn is_steered(manifests: &Manifests, key: &ObjectKey) -> bool {
    manifests.blue_greens.values().any(|blue_green| match &blue_green.traffic {
        Some(ClusterTraffic::Service(name)) => key.is("", "Service") && *name == key.name,
        Some(ClusterTraffic::HttpRoute(name)) => key.kind == "HTTPRoute" && *name == key.name,
        None => false,
    })
}

fn is_settled(change: Change) -> bool {
    matches!(change, Change::Unchanged | Change::Blocked | Change::Prune)
}

/// What selects the pods that this document sends requests to, as far as documents say it.
fn selectors(manifests: &Manifests, live: &Live, object: &Object, key: &ObjectKey) -> Vec<Value> {
    if key.is("", "Service") {
        return object.body.pointer("/spec/selector").cloned().into_iter().collect();
    }
    let rules = object.body.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten();
    let backends = rules.flat_map(|rule| rule["backendRefs"].as_array().into_iter().flatten());
    let names: BTreeSet<&str> = backends.filter_map(|backend| backend["name"].as_str()).collect();
    let services = manifests.objects.iter().filter(|(document, _)| {
        document.is("", "Service") && names.contains(document.name.as_str()) && is_beside(live, document, key)
    });
    services.filter_map(|(_, service)| service.body.pointer("/spec/selector").cloned()).collect()
}

/// The documents whose pods one of the selectors takes.
fn heirs<'a>(manifests: &'a Manifests, live: &Live, selectors: &[Value], key: &ObjectKey) -> Vec<&'a Object> {
    let is_heir = |(document, object): &(&ObjectKey, &Object)| {
        let labels = object.body.pointer("/spec/template/metadata/labels");
        document.group == "apps"
            && WORKLOADS.contains(&document.kind.as_str())
            && is_beside(live, document, key)
            && selectors.iter().any(|selector| selects(Some(selector), labels))
    };
    manifests.objects.iter().filter(is_heir).map(|(_, object)| object).collect()
}

/// True if a document goes to the namespace of `key`.
fn is_beside(live: &Live, document: &ObjectKey, key: &ObjectKey) -> bool {
    live.objects.get(document).is_some_and(|found| found.key.namespace == key.namespace)
}

/// The slots that one of the selectors takes and that this plan does not delete.
fn staying(
    owned: &[Owned],
    declared: &BTreeSet<String>,
    selectors: &[Value],
    items: &[PlanItem],
) -> Vec<String> {
    let goes =
        |resource: &str| items.iter().any(|item| item.change == Change::Prune && item.resource == resource);
    let is_reached = |owned: &&Owned| {
        let pods = owned.slot.as_ref().and_then(|mark| mark.pods.as_ref());
        pods.is_some() && selectors.iter().any(|selector| selects(Some(selector), pods))
    };
    let stays = |owned: &&Owned| !declared.contains(&owned.resource) && !goes(&owned.resource);
    owned.iter().filter(is_reached).filter(stays).map(|owned| owned.document.clone()).collect()
}
