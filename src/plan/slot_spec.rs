//! The service of a slot, as declared.

use crate::model::{BlueGreen, Service, Slot};
use serde_json::{Map, Value, json};

/// The spec of the service that is `slot`: the Service document's, under the slot's name, with the slot's target group
/// beside any other load balancer it declares, running `task_definition` (an ARN or `family:revision`). Without
/// `desiredCount`, which the cutover machine chooses. `target_group` is an ARN, or a name where it is only compared.
pub fn slot_spec(
    service: &Service,
    blue_green: &BlueGreen,
    slot: Slot,
    target_group: &str,
    task_definition: &str,
) -> Value {
    let name = service.spec.get("serviceName").and_then(Value::as_str).unwrap_or(&service.name);
    let mut spec = Map::new();
    spec.insert("serviceName".into(), blue_green.slot_workload(slot, name).into());
    spec.insert("taskDefinition".into(), task_definition.into());
    for (field, value) in service.spec.as_object().into_iter().flatten() {
        if field != "desiredCount" {
            spec.entry(field.as_str()).or_insert_with(|| value.clone());
        }
    }
    let balancers = spec.entry("loadBalancers").or_insert_with(|| json!([]));
    let container = &blue_green.container;
    if let Some(balancers) = balancers.as_array_mut() {
        balancers.push(json!({
            "targetGroupArn": target_group, "containerName": container.name, "containerPort": container.port,
        }));
    }
    Value::Object(spec)
}
