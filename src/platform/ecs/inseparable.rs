//! Hindrances of an ECS workload: facts of its documents and of its live services by which requests reach both slots, or
//! by which somebody else steers them. Pure.

use super::LiveService;
use super::live::{groups_of, items, native_strategy, primary, text};
use super::slot::documents;
use crate::diff::same_reference;
use crate::engine::{Rollout, Trouble};
use crate::model::{BySlot, Slot, marks};
use crate::rollout::{Hindrance, Remedy};
use serde_json::Value;

/// Ways to a service's tasks that know no weights: the field, and what it makes of two slots.
const WAYS: [(&str, &str); 3] = [
    ("serviceRegistries", "Cloud Map tells clients the addresses of both slots"),
    ("serviceConnectConfiguration.services", "Service Connect sends requests to both slots"),
    ("vpcLatticeConfigurations", "VPC Lattice sends requests to both slots"),
];

/// What keeps the slots of a workload from being separated, from its documents and its `live` services.
pub(super) fn hindrances(
    rollout: &Rollout,
    live: &BySlot<Option<LiveService>>,
) -> Result<Vec<Hindrance>, Trouble> {
    let mut found = of_documents(rollout)?;
    for slot in Slot::BOTH {
        if let Some(service) = live.get(slot) {
            found.extend(foreign(rollout, slot, service));
            found.extend(native(service));
            found.extend(ways(service));
            found.extend(swapped(rollout, slot, service, live.get(slot.other()).as_ref()));
        }
    }
    if let (Some(blue), Some(green)) = (&live.blue, &live.green) {
        found.extend(shared(rollout, blue, green));
    }
    Ok(found)
}

fn of_documents(rollout: &Rollout) -> Result<Vec<Hindrance>, Trouble> {
    let service = &documents(rollout)?.service;
    let document = format!("Service/{}", service.name);
    let edit = |field: &str, to: &str| Remedy::Edit {
        document: document.clone(),
        field: field.to_owned(),
        to: to.to_owned(),
    };
    let mut found = vec![];
    if let Some(strategy) = native_strategy(&service.spec) {
        let why = format!("{document} declares the strategy {strategy}, by which ECS moves the traffic too");
        found.push(Hindrance::new(why, vec![edit("deploymentConfiguration.strategy", "ROLLING")]));
    }
    for (at, entry) in items(&service.spec, "loadBalancers").enumerate() {
        let is_of_slot = |group: &str| Slot::BOTH.iter().any(|slot| is_group(rollout, *slot, group));
        if groups_of(entry).next().is_some_and(is_of_slot) {
            continue;
        }
        let to = groups_of(entry).next().or(text(entry, "loadBalancerName")).unwrap_or("another balancer");
        let why = format!(
            "{document} registers both slots in {to} (loadBalancers[{at}]), where the new version answers requests \
             before its gates are open"
        );
        found.push(Hindrance::new(why, vec![edit("loadBalancers", "[]")]));
    }
    for (field, effect) in WAYS.into_iter().filter(|(field, _)| has_way(&service.spec, field)) {
        let why = format!("{document} declares {field}: {effect}");
        found.push(Hindrance::new(why, vec![edit(field, "[]")]));
    }
    Ok(found)
}

/// A service that another application has marked. It is left alone, whatever the documents say.
fn foreign(rollout: &Rollout, slot: Slot, service: &LiveService) -> Option<Hindrance> {
    let owner = service.owner().filter(|owner| *owner != rollout.application)?;
    let why = format!(
        "service {}, the {slot} slot of BlueGreen/{}, belongs to application {owner} ({}); application {} leaves it \
         alone",
        service.name,
        rollout.blue_green.name,
        marks::APPLICATION,
        rollout.application
    );
    let to = "the name of a service that belongs to no other application";
    Some(Hindrance::new(why, vec![edit(rollout, &format!("slots.{slot}.service"), to)]))
}

fn native(service: &LiveService) -> Option<Hindrance> {
    let strategy = service.native_strategy()?;
    let why = format!(
        "service {} is deployed by ECS's own strategy {strategy}, which registers tasks in an alternate target group \
         and moves the traffic by itself",
        service.name
    );
    let what = format!("deploymentConfiguration.strategy ROLLING on service {}", service.name);
    Some(Hindrance::new(why, vec![Remedy::Restore { what }]))
}

fn ways(service: &LiveService) -> Vec<Hindrance> {
    // DescribeServices tells of Service Connect and VPC Lattice with each deployment.
    let told = [Some(&service.json), primary(&service.json)];
    let has = |field: &str| told.iter().flatten().any(|json| has_way(json, field));
    WAYS.into_iter()
        .filter(|(field, _)| has(field))
        .map(|(field, effect)| {
            let why = format!("service {} has {field}: {effect}", service.name);
            let what = format!("service {} without {field}", service.name);
            Hindrance::new(why, vec![Remedy::Restore { what }])
        })
        .collect()
}

fn has_way(service: &Value, field: &str) -> bool {
    let entries = match field.split_once('.') {
        Some((parent, child)) => {
            service.get(parent).filter(|parent| parent["enabled"] != false).and_then(|p| p.get(child))
        }
        None => service.get(field),
    };
    entries.and_then(Value::as_array).is_some_and(|entries| !entries.is_empty())
}

/// A slot's service that is registered in the group that the documents give to the other slot.
fn swapped(
    rollout: &Rollout,
    slot: Slot,
    service: &LiveService,
    other: Option<&LiveService>,
) -> Option<Hindrance> {
    let groups = service.groups();
    let theirs = groups.iter().find(|group| is_group(rollout, slot.other(), group))?;
    let why = format!(
        "service {}, the {slot} slot, is registered in {theirs}, which BlueGreen/{} gives to {}",
        service.name,
        rollout.blue_green.name,
        slot.other()
    );
    let in_own = groups.iter().any(|group| is_group(rollout, slot, group));
    let in_theirs = |other: &LiveService| other.groups().contains(theirs);
    let remedy = match in_own || other.is_some_and(in_theirs) {
        true => only_in(service, rollout.blue_green.target_group(slot)),
        false => exchange(rollout),
    };
    Some(Hindrance::new(why, vec![remedy]))
}

/// Each slot gets the group that the documents give to the other one.
fn exchange(rollout: &Rollout) -> Remedy {
    let blue_green = &rollout.blue_green;
    let is_named =
        |slot: &Slot| blue_green.slots.get(*slot).as_ref().is_some_and(|named| named.target_group.is_some());
    let field = match Slot::BOTH.iter().any(is_named) {
        true => "slots.blue.targetGroup and slots.green.targetGroup",
        false => "alb.targetGroups",
    };
    let [blue, green] = Slot::BOTH.map(|slot| blue_green.target_group(slot.other()));
    edit(rollout, field, &format!("{{blue: {blue}, green: {green}}}"))
}

/// Groups of neither slot that both services are registered in.
fn shared(rollout: &Rollout, blue: &LiveService, green: &LiveService) -> Vec<Hindrance> {
    let of_green = green.groups();
    let is_of_slot = |group: &str| Slot::BOTH.iter().any(|slot| is_group(rollout, *slot, group));
    let both = blue.groups().into_iter().filter(|group| of_green.contains(group) && !is_of_slot(group));
    both.map(|group| {
        let why = format!(
            "services {} and {} are both registered in {group}: what sends requests there reaches both slots",
            blue.name, green.name
        );
        let remedies = [(blue, Slot::Blue), (green, Slot::Green)]
            .map(|(service, slot)| only_in(service, rollout.blue_green.target_group(slot)));
        Hindrance::new(why, remedies.into())
    })
    .collect()
}

fn is_group(rollout: &Rollout, slot: Slot, group: &str) -> bool {
    same_reference(rollout.blue_green.target_group(slot), group)
}

fn only_in(service: &LiveService, group: &str) -> Remedy {
    Remedy::Restore { what: format!("service {} with {group} as its only target group", service.name) }
}

fn edit(rollout: &Rollout, field: &str, to: &str) -> Remedy {
    Remedy::Edit {
        document: format!("BlueGreen/{}", rollout.blue_green.name),
        field: field.to_owned(),
        to: to.to_owned(),
    }
}
