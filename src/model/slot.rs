//! Slots, what is known of both, and the weights between them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One of the two fixed addresses of a blue/green workload: an ECS service with a target group of its own. Which of
/// them is live is never stored; it follows from the weights of the production rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    Blue,
    Green,
}

impl Slot {
    /// Both slots, in their fixed order.
    pub const BOTH: [Slot; 2] = [Slot::Blue, Slot::Green];

    /// The other one.
    pub fn other(self) -> Slot {
        match self {
            Slot::Blue => Slot::Green,
            Slot::Green => Slot::Blue,
        }
    }

    /// `blue` or `green`.
    pub fn name(self) -> &'static str {
        match self {
            Slot::Blue => "blue",
            Slot::Green => "green",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value for each slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BySlot<T> {
    pub blue: T,
    pub green: T,
}

impl<T> BySlot<T> {
    /// Makes both values from their slot.
    pub fn from_fn(mut make: impl FnMut(Slot) -> T) -> Self {
        BySlot { blue: make(Slot::Blue), green: make(Slot::Green) }
    }

    /// The value of `slot`.
    pub fn get(&self, slot: Slot) -> &T {
        match slot {
            Slot::Blue => &self.blue,
            Slot::Green => &self.green,
        }
    }

    /// The value of `slot`, to be changed.
    pub fn get_mut(&mut self, slot: Slot) -> &mut T {
        match slot {
            Slot::Blue => &mut self.blue,
            Slot::Green => &mut self.green,
        }
    }

    /// The slot whose value satisfies `test`, blue first.
    pub fn find(&self, mut test: impl FnMut(Slot, &T) -> bool) -> Option<Slot> {
        Slot::BOTH.into_iter().find(|slot| test(*slot, self.get(*slot)))
    }
}

/// The weights of the two slots' target groups in one forward action, each 0–999 as ELBv2 has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weights {
    pub blue: u32,
    pub green: u32,
}

impl Weights {
    /// `share` percent (0–100) to `slot`, the rest to the other.
    pub fn percent(slot: Slot, share: u32) -> Weights {
        let share = share.min(100);
        match slot {
            Slot::Blue => Weights { blue: share, green: 100 - share },
            Slot::Green => Weights { blue: 100 - share, green: share },
        }
    }

    /// The weight of `slot`.
    pub fn of(self, slot: Slot) -> u32 {
        match slot {
            Slot::Blue => self.blue,
            Slot::Green => self.green,
        }
    }

    /// True if all requests of this forward go to `slot`.
    pub fn all_to(self, slot: Slot) -> bool {
        self.of(slot) > 0 && self.of(slot.other()) == 0
    }

    /// The share of `slot` in percent, rounded down; 0 when both weights are 0.
    pub fn share_percent(self, slot: Slot) -> u32 {
        let sum = self.blue + self.green;
        (self.of(slot) * 100).checked_div(sum).unwrap_or(0)
    }

    /// The shares of both slots, for people: `blue 90% / green 10%`.
    pub fn in_percent(self) -> String {
        let share = |slot: Slot| {
            let (own, sum) = (u64::from(self.of(slot)), u64::from(self.blue) + u64::from(self.green));
            let nearest = (own * 200 + sum).checked_div(sum * 2).unwrap_or(0);
            match nearest {
                0 if own > 0 => "under 1%".to_owned(),
                100 if own < sum => "over 99%".to_owned(),
                share => format!("{share}%"),
            }
        };
        format!("blue {} / green {}", share(Slot::Blue), share(Slot::Green))
    }

    /// True if both split the traffic alike (1/0 is 100/0).
    pub fn same_split(self, other: Weights) -> bool {
        let (a, b) = (u64::from(self.blue), u64::from(self.green));
        let (c, d) = (u64::from(other.blue), u64::from(other.green));
        (a + b == 0) == (c + d == 0) && a * d == b * c
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blue {} / green {}", self.blue, self.green)
    }
}

/// Names what a slot runs: the first 16 hex digits of a SHA-256 over everything that takes new tasks to change
/// (task definition content and declared service fields, without the task count).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionId(pub String);

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
