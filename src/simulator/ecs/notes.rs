//! Writing service events.

use crate::simulator::queue::ServiceId;
use crate::simulator::state::State;

/// Adds an event to a service's list.
pub(super) fn note(state: &mut State, id: ServiceId, message: &str) {
    let (event, now) = (state.random.uuid(), state.now);
    if let Some(service) = state.services.get_mut(&id) {
        service.note(event, now, message);
    }
}

/// `(task abc) (task def)` for a list of task names.
pub(super) fn name_tasks(names: &[String]) -> String {
    names.iter().map(|name| format!("(task {name})")).collect::<Vec<_>>().join(" ")
}
