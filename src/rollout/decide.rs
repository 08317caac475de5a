//! stub
use super::*;
use crate::model::{Slot, Timestamp};
/// stub
pub fn decide(_want: &Desired, _seen: &Observation, _now: Timestamp) -> Decision {
    Decision { phase: Phase::Blocked, actions: vec![], waiting_on: None, check_after: None }
}
/// stub
pub fn required_healthy(_want: &Desired, _seen: &Observation, _slot: Slot) -> u32 {
    0
}
/// stub
pub fn serving_slot(_seen: &Observation) -> Option<Slot> {
    None
}
