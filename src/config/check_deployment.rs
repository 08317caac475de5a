//! What a BlueGreen asks of the Deployment that it ships on Kubernetes, and of what belongs to it.

use super::check_cluster_traffic::check_cluster_traffic;
use super::envelope::Document;
use super::forms::{items, target_group_name, text};
use super::objects::is_label;
use super::problems::Problems;
use crate::model::{BlueGreen, Manifests, Object, ObjectKey, Slot, selects};
use serde_json::Value;

/// Notes what is wrong with the documents that the BlueGreen needs. Returns the Deployment, if there is one.
pub fn check<'a>(
    document: &Document,
    blue_green: &BlueGreen,
    manifests: &'a Manifests,
    problems: &mut Problems,
) -> Option<&'a Object> {
    let deployment = find(document, blue_green, manifests, problems)?;
    check_container(document, blue_green, deployment, problems);
    check_selector(blue_green, deployment, problems);
    check_names(document, blue_green, deployment, problems);
    check_budgets(deployment, manifests, problems);
    check_taken_names(blue_green, deployment, manifests, problems);
    check_bindings(blue_green, manifests, problems);
    check_cluster_traffic(document, blue_green, deployment, manifests, problems);
    Some(deployment)
}

fn find<'a>(
    document: &Document,
    blue_green: &BlueGreen,
    manifests: &'a Manifests,
    problems: &mut Problems,
) -> Option<&'a Object> {
    let name = &blue_green.workload_ref.name;
    let deployments = || manifests.objects.values().filter(|object| object.key.is("apps", "Deployment"));
    let mut named = deployments().filter(|deployment| deployment.key.name == *name);
    let (first, second) = (named.next(), named.next());
    let message = match (first, second) {
        (Some(first), Some(second)) => format!(
            "there are two Deployments \"{name}\", {} ({}) and {} ({}); a BlueGreen needs one that it can name",
            first.label(),
            first.origin,
            second.label(),
            second.origin
        ),
        (Some(first), None) => return Some(first),
        (None, _) => {
            let hint = problems.guess(name, deployments().map(|deployment| deployment.key.name.as_str()));
            format!("there is no Deployment document \"{name}\"{hint}")
        }
    };
    problems.note(document, "workloadRef.name", message);
    None
}

fn check_container(
    document: &Document,
    blue_green: &BlueGreen,
    deployment: &Object,
    problems: &mut Problems,
) {
    let wanted = &blue_green.container;
    let containers =
        deployment.body.pointer("/spec/template/spec").map_or(&[][..], |spec| items(spec, "containers"));
    let Some(found) = containers.iter().find(|c| text(c, "name") == Some(&wanted.name)) else {
        let hint = problems.guess(&wanted.name, containers.iter().filter_map(|c| text(c, "name")));
        let message = format!("{} has no container \"{}\"{hint}", deployment.label(), wanted.name);
        return problems.note(document, "container.name", message);
    };
    let is_tcp = |port: &&Value| text(port, "protocol").is_none_or(|protocol| protocol == "TCP");
    let ports: Vec<u64> = items(found, "ports")
        .iter()
        .filter(is_tcp)
        .filter_map(|port| port.get("containerPort").and_then(Value::as_u64))
        .collect();
    if !ports.contains(&wanted.port.into()) {
        let has = match ports.as_slice() {
            [] => "no ports".to_owned(),
            ports => format!("only {}", ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        let message = format!(
            "the container \"{}\" of {} has no containerPort {} for TCP; it has {has}",
            wanted.name,
            deployment.label(),
            wanted.port
        );
        problems.note(document, "container.port", message);
    }
}

/// The slots' selectors are made of the Deployment's.
fn check_selector(blue_green: &BlueGreen, deployment: &Object, problems: &mut Problems) {
    let selector = deployment.body.pointer("/spec/selector");
    let labels = deployment.body.pointer("/spec/template/metadata/labels");
    let wanted = selector.and_then(|selector| selector.get("matchLabels"));
    if selector.is_some_and(|selector| !items(selector, "matchExpressions").is_empty()) {
        let message = format!(
            "BlueGreen/{} makes the selectors of its slots from matchLabels; write these as labels",
            blue_green.name
        );
        problems.push(deployment.problem("spec.selector.matchExpressions", message));
    } else if wanted.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty) {
        problems.push(deployment.problem("spec.selector", "the field \"matchLabels\" is missing or empty"));
    } else if !selects(wanted, labels) {
        let message = "does not select the pods of its own template; put the same labels on both";
        problems.push(deployment.problem("spec.selector.matchLabels", message));
    }
}

/// A slot's Deployment and Service have the same name, so it has to be one for both.
fn check_names(document: &Document, blue_green: &BlueGreen, deployment: &Object, problems: &mut Problems) {
    for slot in Slot::BOTH {
        let name = blue_green.slot_workload(slot, &deployment.key.name);
        if is_label(&name) {
            continue;
        }
        let rule = "a Service gets this name, too: lower-case letters, digits and \"-\" in between, at most 63 characters";
        match blue_green.slots.get(slot).as_ref().and_then(|named| named.deployment.as_ref()) {
            Some(_) => problems.note(document, &format!("slots.{slot}.deployment"), rule),
            None => {
                let message = format!("its slot would be called \"{name}\"; {rule}");
                problems.push(deployment.problem("metadata.name", message));
                // It would be said of both slots.
                return;
            }
        }
    }
}

/// Budgets are carried to the slots by their labels; one that takes the pods by expressions can't be.
fn check_budgets(deployment: &Object, manifests: &Manifests, problems: &mut Problems) {
    let labels = deployment.body.pointer("/spec/template/metadata/labels");
    let budgets = manifests.objects.values().filter(|object| {
        object.key.is("policy", "PodDisruptionBudget") && object.key.namespace == deployment.key.namespace
    });
    for budget in budgets {
        let Some(selector) = budget.body.pointer("/spec/selector") else { continue };
        let expressions = items(selector, "matchExpressions");
        let wanted =
            selector.get("matchLabels").filter(|wanted| wanted.as_object().is_some_and(|w| !w.is_empty()));
        let takes = !expressions.is_empty()
            && (wanted.is_none() || selects(wanted, labels))
            && expressions.iter().all(|expression| holds(expression, labels));
        if takes {
            let message = format!(
                "takes the pods of {}, and is carried to its slots only by matchLabels; write these as labels",
                deployment.label()
            );
            problems.push(budget.problem("spec.selector.matchExpressions", message));
        }
    }
}

/// Whether labels satisfy one expression of a selector.
fn holds(expression: &Value, labels: Option<&Value>) -> bool {
    let value = text(expression, "key").and_then(|key| labels?.get(key));
    let listed = || items(expression, "values").iter().any(|listed| Some(listed) == value);
    match text(expression, "operator") {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

/// What a slot is made of has names of its own, which no other document may have.
fn check_taken_names(
    blue_green: &BlueGreen,
    deployment: &Object,
    manifests: &Manifests,
    problems: &mut Problems,
) {
    let made_into_slots = manifests.parts_of(blue_green, deployment);
    let is_part = |object: &Object| made_into_slots.iter().any(|part| part.key == object.key);
    let mut check = |slot: Slot, group: &str, kind: &str, name: String| {
        let namespace = deployment.key.namespace.clone();
        let key = ObjectKey { group: group.into(), kind: kind.into(), namespace, name };
        let Some(object) = manifests.objects.get(&key).filter(|object| !is_part(object)) else { return };
        let message = format!(
            "BlueGreen/{} makes the {kind} of its slot {slot} with this name; rename this document, or remove it",
            blue_green.name
        );
        problems.push(object.problem("metadata.name", message));
    };
    let workload = &deployment.key.name;
    // The Service of an adopted Deployment stays as it is, and an HTTPRoute leads to it.
    let own = manifests.pattern_service(blue_green, deployment).map(|service| service.key.name.as_str());
    for slot in Slot::BOTH {
        let name = blue_green.slot_workload(slot, workload);
        check(slot, "apps", "Deployment", name.clone());
        let service = blue_green.slot_service(slot, workload);
        let is_adopted = blue_green.is_adopted(slot);
        if !(is_adopted && own == Some(&service)) {
            check(slot, "", "Service", service);
        }
        if blue_green.traffic.is_none() {
            check(slot, "elbv2.k8s.aws", "TargetGroupBinding", name);
        }
        for carried in manifests.carried_with(deployment) {
            check(
                slot,
                &carried.key.group,
                &carried.key.kind,
                blue_green.slot_carried(slot, workload, &carried.key.name),
            );
        }
    }
    for carried in
        manifests.carried_with(deployment).filter(|carried| carried.key.name.len() > 253 - "-green".len())
    {
        let message = "is too long to be carried to the slots, whose names end in \"-blue\" and \"-green\"";
        problems.push(carried.problem("metadata.name", message));
    }
}

/// A slot's target group is bound by the program alone.
fn check_bindings(blue_green: &BlueGreen, manifests: &Manifests, problems: &mut Problems) {
    if blue_green.traffic.is_some() {
        return;
    }
    let groups = Slot::BOTH.map(|slot| target_group_name(blue_green.target_group(slot)));
    let bindings = manifests.objects.values().filter(|o| o.key.is("elbv2.k8s.aws", "TargetGroupBinding"));
    for binding in bindings {
        for field in ["targetGroupARN", "targetGroupName"] {
            let bound =
                binding.body.get("spec").and_then(|spec| text(spec, field)).and_then(target_group_name);
            if bound.is_some() && groups.contains(&bound) {
                let message = format!(
                    "BlueGreen/{} binds this target group itself; remove this document, what runs stays bound",
                    blue_green.name
                );
                problems.push(binding.problem(&format!("spec.{field}"), message));
            }
        }
    }
}

#[cfg(test)]
#[path = "check_deployment_tests.rs"]
mod tests;
