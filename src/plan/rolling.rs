//! Services without BlueGreen.

use super::words::{differing, in_git, several};
use super::{Change, Live, PlanItem};
use crate::diff::{Comparison, FieldChange, compare_service};
use crate::model::{Kind, Origin, Service, marks};
use serde_json::Value;

/// The item of the service document `document`, whose live service is `live` and shall run `task_definition`.
pub(super) fn plan_service(
    application: &str,
    document: &Service,
    live: Option<&Value>,
    task_definition: &str,
) -> PlanItem {
    let mut declared = document.spec.clone();
    if let Some(fields) = declared.as_object_mut() {
        fields.insert("taskDefinition".into(), task_definition.into());
    }
    let name = service_name(document);
    let mut item = match live.filter(|live| status(live) != "INACTIVE") {
        None => creation(document, &declared, name, "does not exist yet"),
        Some(live) if status(live) == "DRAINING" => creation(
            document,
            &declared,
            name,
            "waits until the deleted service of this name is drained, then creates it",
        ),
        Some(live) => change(application, document, &declared, name, live),
    };
    if let (Some(strategy), true) = (strategy_of_ecs(&declared), item.change != Change::Unchanged) {
        item.why.push_str(&format!("; ECS itself moves the traffic ({strategy})"));
    }
    item
}

/// The item with what keeps it from being carried out now.
pub(super) fn with_bars(mut item: PlanItem, live: &Live) -> PlanItem {
    if let Some(why) = live.taken.get(&item.resource).filter(|_| item.change != Change::Unchanged) {
        item.why = why.clone();
        item.change = Change::Blocked;
    }
    match item.change {
        Change::Replace => {
            if let Some(why) = live.held.get(&item.resource) {
                item.why = format!("{}; it is left alone as long as requests reach it: {why}", item.why);
                item.change = Change::Blocked;
            }
        }
        Change::Update => {
            if let Some(why) = live.refused.get(&item.resource) {
                item.why = format!("{}; {why}", item.why);
            }
        }
        _ => {}
    }
    item
}

/// The live name of a rolling service.
pub(super) fn service_name(document: &Service) -> &str {
    document.spec.get("serviceName").and_then(Value::as_str).unwrap_or(&document.name)
}

/// An item for `document` without a difference.
pub(super) fn bare_item(document: &Service, resource: &str, change: Change, why: String) -> PlanItem {
    PlanItem {
        origin: Some(document.origin.clone()),
        ..PlanItem::new(Kind::Service.name(), &document.name, resource, change, why)
    }
}

/// `item` with what `comparison` found.
pub(super) fn with_difference(
    item: PlanItem,
    comparison: Comparison,
    before: &str,
    origin: &Origin,
) -> PlanItem {
    let diff = comparison.unified(before, &in_git(origin));
    let count = comparison.desired_count.map(|count| FieldChange {
        path: "desiredCount".to_owned(),
        before: Some(count.live.into()),
        after: Some(count.declared.into()),
    });
    PlanItem { fields: count.into_iter().chain(comparison.changes).collect(), diff, ..item }
}

/// The item of a service that is not there.
pub(super) fn creation(document: &Service, declared: &Value, name: &str, why: &str) -> PlanItem {
    let item = bare_item(document, name, Change::Create, why.to_owned());
    let comparison = Comparison::creation(Kind::Service, declared);
    with_difference(item, comparison, "live (none)", &document.origin)
}

/// The value of the tag `key` in AWS's answer.
pub(super) fn tag<'a>(live: &'a Value, key: &str) -> Option<&'a str> {
    let tags = live.get("tags")?.as_array()?;
    tags.iter().find(|tag| tag.get("key").and_then(Value::as_str) == Some(key))?.get("value")?.as_str()
}

fn change(application: &str, document: &Service, declared: &Value, name: &str, live: &Value) -> PlanItem {
    let comparison = compare_service(declared, live);
    let (change, why) = match tag(live, marks::APPLICATION) {
        Some(owner) if owner != application => {
            let why = format!(
                "belongs to application {owner} ({}); remove it there, or give one of them another serviceName; to have it \
                 handed over between owners that do not know each other, tag the live service {}={application} and give the \
                 document the tag {}={owner}",
                marks::APPLICATION,
                marks::RELEASE,
                marks::ADOPT
            );
            return bare_item(document, name, Change::Blocked, why);
        }
        owner => verdict(&comparison, owner.is_some()),
    };
    let item = bare_item(document, name, change, why);
    with_difference(item, comparison, &format!("live {name}"), &document.origin)
}

fn verdict(comparison: &Comparison, owned: bool) -> (Change, String) {
    let fixed = comparison.replace_fields();
    if !fixed.is_empty() {
        let why = format!(
            "{} can't be changed on a service: it is deleted and created anew, and serves nothing in between",
            several(fixed)
        );
        return if owned {
            (Change::Replace, why)
        } else {
            (
                Change::Blocked,
                format!("{why}; it is not ours yet, so delete it by hand or declare what is live"),
            )
        };
    }
    let tasks = if comparison.starts_deployment() { "ECS starts new tasks" } else { "no new tasks" };
    match (owned, comparison.is_unchanged()) {
        (true, true) => (Change::Unchanged, "is as declared".into()),
        (true, false) => (Change::Update, format!("differs in {}; {tasks}", differing(comparison))),
        (false, true) => (Change::Adopt, "is as declared; only our tags are put on it".into()),
        (false, false) => {
            (Change::Adopt, format!("exists without our tags; differs in {}; {tasks}", differing(comparison)))
        }
    }
}

fn status(live: &Value) -> &str {
    live.get("status").and_then(Value::as_str).unwrap_or("ACTIVE")
}

fn strategy_of_ecs(declared: &Value) -> Option<&str> {
    let strategy = declared.pointer("/deploymentConfiguration/strategy")?.as_str()?;
    matches!(strategy, "BLUE_GREEN" | "LINEAR" | "CANARY").then_some(strategy)
}
