//! The ECS part of a plan: task definitions, services, and those that are shipped by blue/green.

use super::blue_green::plan_blue_green;
use super::rolling::{plan_service, service_name, with_bars};
use super::task_definition::{Revisions, plan_task_definition};
use super::{Live, Plan, PlanItem};
use crate::model::{Application, BlueGreen, Manifests, Service, Slot, TaskDefinitionRef};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Adds all items and traffic changes; the answer is the live names of what is declared.
pub(super) fn plan_services(
    application: &Application,
    manifests: &Manifests,
    live: &Live,
    plan: &mut Plan,
) -> BTreeSet<String> {
    let revisions = Revisions::new(&live.revisions);
    let mut wanted_revisions: HashMap<&str, String> = HashMap::new();
    // A service registers the revision it needs by itself.
    let carried: HashSet<&str> =
        manifests.services.values().filter_map(|service| service.task_definition.document()).collect();
    for (name, document) in &manifests.task_definitions {
        let (item, revision) = plan_task_definition(document, &revisions);
        plan.items.push(PlanItem { carried: carried.contains(name.as_str()), ..item });
        wanted_revisions.insert(name, revision);
    }
    let steered: HashMap<&str, &BlueGreen> =
        manifests.blue_greens.values().map(|bg| (bg.workload_ref.name.as_str(), bg)).collect();
    let mut declared = BTreeSet::new();
    for (name, service) in &manifests.services {
        let task_definition = match &service.task_definition {
            TaskDefinitionRef::Document(document) => {
                wanted_revisions.get(document.as_str()).unwrap_or(document)
            }
            TaskDefinitionRef::External(revision) => revision,
        };
        match steered.get(name.as_str()) {
            None => {
                let live_name = service_name(service);
                let item =
                    plan_service(&application.name, service, live.services.get(live_name), task_definition);
                plan.items.push(with_bars(item, live));
                declared.insert(live_name.to_owned());
            }
            Some(blue_green) => {
                let (items, traffic) = plan_blue_green(blue_green, service, live, task_definition);
                plan.items.extend(items.into_iter().map(|item| PlanItem { carried: true, ..item }));
                plan.traffic.extend(traffic);
                declared.extend(slot_names(blue_green, service));
            }
        }
    }
    declared
}

fn slot_names(blue_green: &BlueGreen, service: &Service) -> [String; 2] {
    Slot::BOTH.map(|slot| blue_green.slot_workload(slot, service_name(service)))
}
