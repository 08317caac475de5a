//! STS: who is asking.

use super::state::State;
use super::wire::{Answer, ApiError};
use serde_json::json;

pub(super) fn read(state: &State, operation: &str) -> Answer {
    match operation {
        "GetCallerIdentity" => Ok(json!({
            "Arn": format!("arn:aws:iam::{}:user/simulator", state.settings.account),
            "UserId": "AKIAIOSIMULATOR",
            "Account": state.settings.account,
        })),
        other => Err(ApiError::new(
            "InvalidAction",
            format!("Could not find operation {other} for version 2011-06-15"),
        )),
    }
}
