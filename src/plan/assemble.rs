//! Puts the plan together.

use super::configuration::hold_back;
use super::objects::plan_objects;
use super::prune::prunable;
use super::released::Released;
use super::services::plan_services;
use super::slots::plan_slots;
use super::undeclared::{block, declared_slots, kept_for_rollouts, undeclared};
use super::{Change, Live, Owned, Plan, PlanItem};
use crate::model::{Application, HookPhase, Kind, Manifests, SyncMode, Turn};
use std::collections::BTreeSet;

/// The plan for bringing `live` to the documents of `commit`. The work grows with the number of documents, not with
/// its square.
pub fn assemble(application: &Application, commit: &str, manifests: &Manifests, live: &Live) -> Plan {
    let mut plan = Plan {
        application: application.name.clone(),
        commit: commit.to_owned(),
        notices: notices(application),
        ..Plan::default()
    };
    let mut declared = plan_services(application, manifests, live, &mut plan);
    declared.extend(plan_objects(application, manifests, live, &mut plan));
    let mut slots = declared_slots(manifests);
    let of_deployments = plan_slots(manifests, live, &mut plan);
    slots.extend(of_deployments.iter().cloned());
    declared.extend(of_deployments);
    hold_back(manifests, live, &mut plan);
    let unread = unread_slots(manifests, live);
    let released = Released::find(manifests, live, &declared, &mut plan);
    let owned = released.freed(&live.owned);
    prune(application, manifests, live, &owned, &declared, unread.as_deref(), &mut plan);
    if unread.is_none() {
        block(undeclared(&live.owned, &slots), &mut plan, &live.owned);
    }
    released.hold_back(&live.owned, &declared, &mut plan);
    let seen = live.rollouts.values().flatten();
    plan.notices.extend(seen.flat_map(|rollout| rollout.notices.clone()));
    plan.notices.extend(live.unlisted.clone());
    plan.notices.extend(live.notices.iter().cloned());
    plan.notices.extend(live.beyond.iter().map(|what| {
        format!("{what}; what is left there is not looked at and not touched: delete it by hand, or allow it again")
    }));
    plan
}

fn prune(
    application: &Application,
    manifests: &Manifests,
    live: &Live,
    owned: &[Owned],
    declared: &BTreeSet<String>,
    unread: Option<&str>,
    plan: &mut Plan,
) {
    let sync = &application.sync;
    let incomplete = live.incomplete.as_deref().or(unread);
    let owned = kept_for_rollouts(owned);
    let found = prunable(&owned, declared, sync.prune, &sync.prune_limit, manifests.len(), incomplete);
    for orphan in found.prune {
        let (kind, name) = orphan.document.split_once('/').unwrap_or(("Service", &orphan.resource));
        let item = PlanItem::new(
            kind,
            name,
            &orphan.resource,
            Change::Prune,
            farewell(&orphan, "is no longer in Git"),
        );
        plan.items.push(PlanItem { turn: orphan.turn, ..item });
    }
    plan.notices.extend(found.notices);
    let blocked = |why| {
        PlanItem::new(Kind::Application.name(), &application.name, &application.name, Change::Blocked, why)
    };
    plan.items.extend(found.in_doubt.map(blocked));
    // It keeps nothing else from being done, and what is not done is told at the very end.
    let last = Turn { phase: HookPhase::PostSync, wave: i32::MAX, ..Turn::default() };
    plan.items.extend(found.withheld.map(|why| PlanItem { turn: last, ..blocked(why) }));
}

/// Why something is deleted, and what else that takes along; or what still holds it up.
pub(super) fn farewell(orphan: &Owned, why: &str) -> String {
    if let Some(leaving) = &orphan.leaving {
        return format!("{why}, and {leaving}");
    }
    let along = match orphan.resource.split('/').next() {
        Some("Namespace") => {
            "; everything in the namespace goes with it, also what this application did not make"
        }
        Some("CustomResourceDefinition.apiextensions.k8s.io") => {
            "; all objects of its kind go with it, in every namespace and whoever made them"
        }
        _ => "",
    };
    format!("{why}{along}")
}

/// Without the parts of a BlueGreen's slots nobody can tell which objects are no longer wanted.
fn unread_slots(manifests: &Manifests, live: &Live) -> Option<String> {
    let mut steered = manifests.blue_greens.values().filter(|bg| manifests.steered_deployment(bg).is_some());
    let unread = steered.find(|bg| !live.slots.contains_key(&bg.name))?;
    Some(format!("the slots of BlueGreen/{} were not read", unread.name))
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
