//! The steps between no weight and all weight.

use super::observation::Desired;
use crate::model::{Seconds, Slot};

/// The share that follows `share`: the next declared step, at last 100. With nothing serving on the other side there
/// is nobody to protect by small steps: straight to 100.
pub(super) fn next_share(want: &Desired, from: Option<Slot>, share: u32) -> u32 {
    if from.is_none() {
        return 100;
    }
    want.steps.iter().map(|step| step.weight).filter(|weight| *weight > share).min().unwrap_or(100).min(100)
}

/// How long `share` is held.
pub(super) fn hold_of(want: &Desired, share: u32) -> Seconds {
    want.steps.iter().find(|step| step.weight == share).map_or(0, |step| step.hold)
}
