//! What can go wrong with the controller.

use crate::simulator::Millis;
use std::collections::BTreeMap;

/// One thing that goes wrong, put in by
/// [`LoadBalancerController::inject`](super::LoadBalancerController::inject).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControllerFault {
    #[default]
    None,
    /// Everything happens this many milliseconds later, what is already waiting too.
    Late(Millis),
    /// Nothing happens.
    Stuck,
    /// No target is registered beyond this many.
    Partial(usize),
}

impl ControllerFault {
    /// When something that is due at `at` happens; `None`: it does not.
    pub(super) fn delayed(self, at: Millis) -> Option<Millis> {
        match self {
            ControllerFault::Late(by) => Some(at.saturating_add(by)),
            ControllerFault::Stuck => None,
            ControllerFault::None | ControllerFault::Partial(_) => Some(at),
        }
    }

    /// How many targets more may be registered where there are `registered`.
    pub(super) fn room(self, registered: usize) -> usize {
        match self {
            ControllerFault::Partial(most) => most.saturating_sub(registered),
            _ => usize::MAX,
        }
    }
}

/// Faults by binding.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(BTreeMap<String, ControllerFault>);

impl Faults {
    pub fn set(&mut self, binding: &str, fault: ControllerFault) {
        self.0.insert(binding.into(), fault);
    }

    /// The fault of this binding, or that of all.
    pub fn of(&self, binding: &str) -> ControllerFault {
        self.0.get(binding).or_else(|| self.0.get("*")).copied().unwrap_or_default()
    }
}
