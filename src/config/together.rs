//! Rules over several documents.

use super::check_blue_green;
use super::envelope::Document;
use super::forms::{items, target_group_name, text};
use super::problems::{Problems, differs_from, same_as};
use super::repository::Index;
use crate::model::{BlueGreen, Kind, Manifests, ObjectKey, Problem, Slot};
use std::collections::{BTreeMap, HashMap};

/// Rules over several documents: nothing in AWS may have two masters.
pub fn check_together(manifests: &Manifests, index: &Index<'_>, problems: &mut Problems) {
    let mut families = Owners::new("family");
    for task_definition in manifests.task_definitions.values() {
        let family = text(&task_definition.spec, "family").unwrap_or_default();
        if let Some(document) = index.get(Kind::TaskDefinition, &task_definition.name) {
            families.claim(family, document, "family", problems);
        }
    }
    let mut steered: BTreeMap<&str, &BlueGreen> = BTreeMap::new();
    let mut groups = Owners::new("target group");
    let mut rules = Owners::new("rule or listener");
    for blue_green in manifests.blue_greens.values() {
        let Some(document) = index.get(Kind::BlueGreen, &blue_green.name) else { continue };
        let workload = blue_green.workload_ref.name.as_str();
        if let Some(other) = steered.get(workload) {
            let message = format!(
                "{}/{workload} is already steered by BlueGreen/{} ({})",
                blue_green.workload_ref.kind, other.name, other.origin
            );
            problems.note(document, "workloadRef.name", message);
            continue;
        }
        steered.insert(workload, blue_green);
        for slot in Slot::BOTH {
            if let Some(group) = target_group_name(blue_green.target_group(slot)) {
                groups.claim(group, document, &check_blue_green::group_path(blue_green, slot), problems);
            }
        }
        for (path, arn) in check_blue_green::rules(blue_green) {
            rules.claim(&arn, document, &path, problems);
        }
    }
    check_slots_together(manifests, index, problems);
    let mut names = Owners::new("serviceName");
    let mut live = Owners::new("ECS service");
    for service in manifests.services.values() {
        let Some(document) = index.get(Kind::Service, &service.name) else { continue };
        let name = text(&service.spec, "serviceName").unwrap_or_default();
        names.claim(name, document, "serviceName", problems);
        match steered.get(service.name.as_str()) {
            None => live.claim(name, document, "serviceName", problems),
            Some(blue_green) => {
                let Some(document) = index.get(Kind::BlueGreen, &blue_green.name) else { continue };
                for slot in Slot::BOTH {
                    live.claim(
                        &blue_green.slot_workload(slot, name),
                        document,
                        &format!("slots.{slot}"),
                        problems,
                    );
                }
            }
        }
        for (at, balancer) in items(&service.spec, "loadBalancers").iter().enumerate() {
            let group = text(balancer, "targetGroupArn").and_then(target_group_name);
            if let Some(owner) = group.and_then(|group| groups.owner(group)) {
                let message = format!(
                    "{owner} steers this target group; its tasks are registered by the program alone"
                );
                problems.note(document, &format!("loadBalancers[{at}].targetGroupArn"), message);
            }
        }
    }
}

/// Looks for objects without a namespace that are in `namespace`, where they would go, as well. One that says the same as
/// the other is left out.
///
/// # Errors
/// One problem for each pair that differs.
pub fn check_namespace(manifests: &mut Manifests, namespace: &str) -> Result<(), Vec<Problem>> {
    let (mut differ, mut same) = (vec![], vec![]);
    for object in manifests.objects.values().filter(|object| object.key.namespace.is_none()) {
        let key = ObjectKey { namespace: Some(namespace.to_owned()), ..object.key.clone() };
        let Some(other) = manifests.objects.get(&key) else { continue };
        let mut placed = object.body.clone();
        placed["metadata"]["namespace"] = namespace.into();
        let goes = |rest: String| {
            object.problem("", format!("without a namespace it goes to {namespace}, and {rest}"))
        };
        match placed == other.body {
            true => same.push((object.key.clone(), goes(same_as(&other.origin)))),
            false => differ.push(goes(differs_from(&other.origin))),
        }
    }
    for (key, problem) in same {
        manifests.objects.remove(&key);
        manifests.children.remove(&key);
        manifests.left_out.push(problem);
    }
    differ.sort();
    if differ.is_empty() { Ok(()) } else { Err(differ) }
}

/// Two BlueGreens on Kubernetes share neither the Service that their requests come through nor a slot's name.
fn check_slots_together(manifests: &Manifests, index: &Index<'_>, problems: &mut Problems) {
    let mut services = Owners::new("Service");
    let mut slots = Owners::new("Deployment");
    for blue_green in manifests.blue_greens.values() {
        let Some(deployment) = manifests.steered_deployment(blue_green) else { continue };
        let Some(document) = index.get(Kind::BlueGreen, &blue_green.name) else { continue };
        if let Some(service) = manifests.pattern_service(blue_green, deployment) {
            let path = if blue_green.traffic.is_some() { "traffic" } else { "workloadRef.name" };
            services.claim(&service.key.label(), document, path, problems);
        }
        for slot in Slot::BOTH {
            let name = blue_green.slot_workload(slot, &deployment.key.name);
            let key = ObjectKey { name, ..deployment.key.clone() };
            slots.claim(&key.label(), document, &format!("slots.{slot}"), problems);
        }
    }
}

/// Who has claimed what.
struct Owners {
    what: &'static str,
    owners: HashMap<String, (String, String)>,
}

impl Owners {
    fn new(what: &'static str) -> Self {
        Owners { what, owners: HashMap::new() }
    }

    fn owner(&self, thing: &str) -> Option<&str> {
        self.owners.get(thing).map(|(label, _)| label.as_str())
    }

    fn claim(&mut self, thing: &str, document: &Document, path: &str, problems: &mut Problems) {
        let label = document.label();
        match self.owners.get(thing) {
            Some((owner, _)) if *owner == label => {
                problems.note(document, path, format!("the {} \"{thing}\" is named twice", self.what));
            }
            Some((owner, origin)) => {
                let message = format!("the {} \"{thing}\" belongs to {owner} ({origin}) already", self.what);
                problems.note(document, path, message);
            }
            None => {
                self.owners.insert(thing.to_owned(), (label, document.origin.to_string()));
            }
        }
    }
}
