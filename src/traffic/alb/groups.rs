//! The target groups of both slots: which ones count as a slot's own, and which one gets its weight. Pure.

use crate::engine::Registered;
use crate::model::{BySlot, Slot};

/// The groups of both slots by ARN, as the documents name them and as live services are registered in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    declared: BySlot<Option<String>>,
    registered: Registered,
}

impl Groups {
    /// `declared`: what the documents name, where that exists.
    pub fn new(declared: BySlot<Option<String>>, registered: &Registered) -> Groups {
        Groups { declared, registered: registered.clone() }
    }

    /// The group that the documents name for `slot`, unless the other slot's live service is registered in it.
    fn declared(&self, slot: Slot) -> Option<&str> {
        let declared = self.declared.get(slot).as_deref()?;
        let taken = self.registered.get(slot.other()).iter().any(|arn| arn == declared)
            && !self.registered.get(slot).iter().any(|arn| arn == declared);
        (!taken).then_some(declared)
    }

    /// The group that the documents name for `slot` though the other slot's live service is registered in it.
    pub fn taken(&self, slot: Slot) -> Option<&str> {
        let declared = self.declared.get(slot).as_deref()?;
        self.declared(slot).is_none().then_some(declared)
    }

    /// True if the documents name this group.
    pub fn declares(&self, arn: &str) -> bool {
        Slot::BOTH.into_iter().any(|slot| self.declared.get(slot).as_deref() == Some(arn))
    }

    /// The groups whose weight is the slot's: those of its live service; without one, the declared one. A group that both
    /// live services are registered in is that of the slot it is declared for, else blue's.
    pub fn own(&self, slot: Slot) -> Vec<&str> {
        let registered = self.registered.get(slot);
        if registered.is_empty() {
            return self.declared(slot).into_iter().collect();
        }
        let other = slot.other();
        let is_others = |arn: &str| {
            let shared = self.registered.get(other).iter().any(|theirs| theirs == arn);
            let declared_for = |slot: Slot| self.declared.get(slot).as_deref() == Some(arn);
            shared && (declared_for(other) || (slot == Slot::Green && !declared_for(slot)))
        };
        registered.iter().map(String::as_str).filter(|arn| !is_others(arn)).collect()
    }

    /// The slot that a group's weight is.
    pub fn owner(&self, arn: &str) -> Option<Slot> {
        Slot::BOTH.into_iter().find(|slot| self.own(*slot).contains(&arn))
    }

    /// The slot's weight in a list of groups.
    pub fn weight(&self, slot: Slot, named: &[(String, u32)]) -> u32 {
        let own = self.own(slot);
        named.iter().filter(|(arn, _)| own.contains(&arn.as_str())).map(|(_, weight)| *weight).sum()
    }

    /// True if the slot can be given weight in this list without a group being added: it has weight there, or the group
    /// that it will be registered in is named.
    pub fn is_named(&self, slot: Slot, named: &[(String, u32)]) -> bool {
        let is = |arn: &str| named.iter().any(|(listed, _)| listed == arn);
        self.weight(slot, named) > 0
            || self.declared(slot).map_or_else(|| self.own(slot).into_iter().any(is), is)
    }

    /// The group that gets the slot's weight in this list: the declared one if the live service is registered in it, else
    /// the one of the live service's that is named.
    pub fn heir(&self, slot: Slot, named: &[(String, u32)]) -> Option<&str> {
        let own = self.own(slot);
        let declared = self.declared(slot).filter(|arn| own.contains(arn));
        let is_named = |arn: &&&str| named.iter().any(|(listed, _)| listed == **arn);
        declared.or_else(|| own.iter().find(is_named).copied()).or_else(|| own.first().copied())
    }

    /// The group to be named before the slot's service is brought to the documents.
    pub fn to_name(&self, slot: Slot, named: &[(String, u32)]) -> Option<&str> {
        self.declared(slot).or_else(|| self.heir(slot, named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(declared: [&str; 2], registered: [&[&str]; 2]) -> Groups {
        let owned = |arns: &[&str]| arns.iter().map(|arn| (*arn).to_owned()).collect();
        let [blue, green] = declared.map(|arn| Some(arn.to_owned()));
        let registered = BySlot { blue: owned(registered[0]), green: owned(registered[1]) };
        Groups::new(BySlot { blue, green }, &registered)
    }

    fn list(named: &[(&str, u32)]) -> Vec<(String, u32)> {
        named.iter().map(|(arn, weight)| ((*arn).to_owned(), *weight)).collect()
    }

    #[test]
    fn what_a_live_service_is_registered_in_outweighs_the_documents() {
        let renamed = groups(["new", "g"], [&["old"], &[]]);
        let rule = list(&[("old", 90), ("g", 10)]);
        assert_eq!((renamed.weight(Slot::Blue, &rule), renamed.weight(Slot::Green, &rule)), (90, 10));
        assert_eq!(renamed.heir(Slot::Blue, &rule), Some("old"));
        let idle = list(&[("old", 0), ("g", 100)]);
        assert!(!renamed.is_named(Slot::Blue, &idle), "its service is about to be moved to `new`");
        assert_eq!(renamed.to_name(Slot::Blue, &idle), Some("new"));
        assert_eq!(renamed.weight(Slot::Blue, &list(&[("new", 100)])), 0, "nobody is registered there");
    }

    #[test]
    fn a_service_in_several_groups_has_the_sum_of_their_weights() {
        let several = groups(["a", "g"], [&["a", "b"], &["g"]]);
        let rule = list(&[("b", 30), ("a", 20), ("g", 50), ("other", 9)]);
        assert_eq!(several.weight(Slot::Blue, &rule), 50);
        assert_eq!(several.heir(Slot::Blue, &rule), Some("a"));
        let outside = groups(["c", "g"], [&["a", "b"], &["g"]]);
        assert_eq!(outside.heir(Slot::Blue, &rule), Some("a"));
    }

    #[test]
    fn groups_that_are_swapped_in_the_documents_stay_with_the_service_that_runs() {
        let swapped = groups(["g", "b"], [&["b"], &["g"]]);
        let rule = list(&[("b", 100), ("g", 0)]);
        assert_eq!(swapped.weight(Slot::Blue, &rule), 100);
        assert_eq!(swapped.taken(Slot::Blue), Some("g"));
        let alone = groups(["g", "b"], [&["b"], &[]]);
        assert_eq!((alone.weight(Slot::Blue, &rule), alone.weight(Slot::Green, &rule)), (100, 0));
        assert_eq!(alone.taken(Slot::Green), Some("b"));
        assert_eq!(alone.own(Slot::Green), [""; 0]);
    }

    #[test]
    fn a_shared_group_is_one_slots_only() {
        let shared = groups(["b", "g"], [&["b", "x"], &["x", "g"]]);
        assert_eq!((shared.owner("x"), shared.owner("g")), (Some(Slot::Blue), Some(Slot::Green)));
    }
}
