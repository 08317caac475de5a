//! The circuit breaker: deployments that fail, and going back.

use super::deployment::{Deployment, Rollout};
use super::notes::note;
use super::service::{config, is_native};
use super::{native, update};
use crate::simulator::queue::ServiceId;
use crate::simulator::state::State;
use serde_json::Value;
use std::sync::Arc;

/// Ends a deployment whose tasks fail again and again or whose alarms ring, where the service asks for that.
pub(super) fn break_circuit(state: &mut State, id: ServiceId) {
    let Some(service) = state.services.get(&id) else { return };
    let Some(primary) = service.deployments.first().filter(|d| d.rollout == Rollout::InProgress) else {
        return;
    };
    let breaker = config(&service.spec, "deploymentCircuitBreaker");
    let threshold = service.desired.div_ceil(2).clamp(3, 200);
    let failed = breaker["enable"] == true && primary.failed_tasks as usize >= threshold;
    let alarms = config(&service.spec, "alarms");
    let mut names = alarms["alarmNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let ringing = alarms["enable"] == true
        && names.any(|name| state.alarms.get(name).is_some_and(|alarm| alarm.state == "ALARM"));
    if failed {
        fail(
            state,
            id,
            "ECS deployment circuit breaker: tasks failed to start.",
            breaker["rollback"] == true,
        );
    } else if ringing {
        let rollback = alarms["rollback"] == true;
        fail(state, id, "ECS deployment failed: alarm detected.", rollback);
    }
}

/// Ends the PRIMARY deployment as FAILED; with `rollback`, the last completed one is deployed again.
fn fail(state: &mut State, id: ServiceId, reason: &str, rollback: bool) {
    let now = state.now;
    let number = state.fresh();
    let Some(service) = state.services.get_mut(&id) else { return };
    let Some(primary) = service.deployments.first_mut() else { return };
    primary.end(Rollout::Failed, reason.into(), now);
    let (failed_id, failed_side) = (primary.id.clone(), primary.side);
    let native = is_native(&primary.spec);
    let back = service.completed.clone().filter(|_| rollback || native);
    note(
        state,
        id,
        &format!(
            "(deployment {failed_id}) deployment failed: {}",
            reason.rsplit(": ").next().unwrap_or(reason)
        ),
    );
    let Some(back) = back else { return };
    if native {
        native::give_back(state, id, &back, &failed_id);
        return;
    }
    let mut again = Deployment::new(number, Arc::clone(&back.definition), Arc::clone(&back.spec), now);
    again.reason = format!("ECS deployment circuit breaker: rolling back to deploymentId {}.", back.id);
    again.side = failed_side;
    note(state, id, &format!("rolling back to deployment {}.", back.id));
    if let Some(service) = state.services.get_mut(&id) {
        service.spec = Arc::clone(&back.spec);
    }
    update::begin(state, id, again);
}
