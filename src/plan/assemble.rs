//! Puts the plan together.

use super::blue_green::plan_blue_green;
use super::prune::prunable;
use super::rolling::{plan_service, service_name};
use super::task_definition::{Revisions, plan_task_definition};
use super::{Change, Live, Plan, PlanItem};
use crate::model::{
    Application, BlueGreen, Kind, Manifests, Service, Slot, SyncMode, TaskDefinitionRef, marks,
};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The plan for bringing `live` to the documents of `commit`. The work grows with the number of documents, not with
/// its square.
pub fn assemble(application: &Application, commit: &str, manifests: &Manifests, live: &Live) -> Plan {
    let mut plan = Plan {
        application: application.name.clone(),
        commit: commit.to_owned(),
        notices: notices(application),
        ..Plan::default()
    };
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
                plan.items.push(item);
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
    prune(application, manifests, live, &declared, &mut plan);
    plan
}

fn slot_names(blue_green: &BlueGreen, service: &Service) -> [String; 2] {
    Slot::BOTH.map(|slot| blue_green.slot_workload(slot, service_name(service)))
}

fn prune(
    application: &Application,
    manifests: &Manifests,
    live: &Live,
    declared: &BTreeSet<String>,
    plan: &mut Plan,
) {
    let sync = &application.sync;
    let incomplete = live.incomplete.as_deref();
    let found = prunable(&live.owned, declared, sync.prune, &sync.prune_limit, manifests.len(), incomplete);
    for orphan in found.prune {
        let (kind, name) =
            marks::parse_document(&orphan.document).unwrap_or((Kind::Service, &orphan.resource));
        let why = "is no longer in Git";
        plan.items.push(PlanItem::new(kind.name(), name, &orphan.resource, Change::Prune, why));
    }
    plan.notices.extend(found.notices);
}

fn notices(application: &Application) -> Vec<String> {
    let mut notices = Vec::new();
    if application.suspend {
        notices.push(format!(
            "application {} is suspended: sync changes nothing until `cutover resume`",
            application.name
        ));
    }
    if application.sync.mode == SyncMode::Observe {
        notices
            .push("spec.sync.mode is observe: sync reports these differences and changes nothing".to_owned());
    }
    notices
}
