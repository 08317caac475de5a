//! DeleteService.

use super::describe;
use super::scheduler::wake;
use super::service::ServiceStatus;
use super::update::find_active;
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::json;

/// The service drains: its tasks stop, then it is INACTIVE and its name is free.
pub(super) fn delete(state: &mut State, input: Input) -> Answer {
    let service = find_active(state, input)?;
    let (id, desired) = (service.id, service.desired);
    if desired > 0 && input.flag("force") != Some(true) {
        return Err(ApiError::parameter("The service cannot be stopped while it is scaled above 0."));
    }
    if let Some(service) = state.services.get_mut(&id) {
        service.desired = 0;
        service.status = ServiceStatus::Draining;
    }
    wake(state, id, state.settings.scheduler_delay_ms);
    Ok(json!({"service": describe::render(state, &state.services[&id], true)}))
}
