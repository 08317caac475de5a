//! STS: who is asking.

use super::operations::{Read, find};
use super::state::State;
use super::wire::{Answer, Input};
use serde_json::json;

/// The operations that only read.
pub(super) const READS: [(&str, Read); 1] = [("GetCallerIdentity", identity)];

/// Runs an operation that only reads; `None`: there is no such operation.
pub(super) fn read(state: &State, operation: &str, input: Input) -> Option<Answer> {
    find(&READS, operation).map(|run| run(state, input))
}

fn identity(state: &State, _: Input) -> Answer {
    Ok(json!({
        "Arn": format!("arn:aws:iam::{}:user/simulator", state.settings.account),
        "UserId": "AKIAIOSIMULATOR",
        "Account": state.settings.account,
    }))
}
