//! One rule's action list, as a tree: what it says about our two groups, and how it is changed without touching the
//! rest. Pure.

use crate::aws::Node;
use crate::model::{BySlot, Seconds, Slot, Weights};
use crate::rollout::RuleSplit;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// ELBv2 allows this many groups in one forward action.
const GROUPS_LIMIT: usize = 5;

/// The actions of a rule (`Actions`) or a listener (`DefaultActions`) as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionList(Node);

impl ActionList {
    /// From the tree under a `Rule`'s or `Listener`'s action element.
    pub fn new(actions: Node) -> ActionList {
        ActionList(actions)
    }

    /// The tree as it is read or to be written.
    pub fn tree(&self) -> &Node {
        &self.0
    }

    /// How the forward action spreads traffic over the slots' groups.
    pub fn split(&self, groups: &BySlot<String>) -> RuleSplit {
        let Some(forward) = self.forward() else {
            let kinds: Vec<&str> = self.0.children.iter().filter_map(|a| a.text_of("Type")).collect();
            return RuleSplit::Neither(format!("it has no forward action ({})", kinds.join(", ")));
        };
        let named = tuples(forward);
        let weight =
            |slot: Slot| named.iter().find(|(arn, _)| arn == groups.get(slot)).map(|(_, weight)| *weight);
        match (weight(Slot::Blue), weight(Slot::Green)) {
            (Some(blue), Some(green)) => RuleSplit::Both(Weights { blue, green }),
            (Some(_), None) => RuleSplit::Only(Slot::Blue),
            (None, Some(_)) => RuleSplit::Only(Slot::Green),
            (None, None) => {
                let others: Vec<&str> = named.iter().map(|(arn, _)| short(arn)).collect();
                RuleSplit::Neither(format!(
                    "it forwards to {}, which is neither slot's target group",
                    others.join(", ")
                ))
            }
        }
    }

    /// The weight of each target group that the list forwards to.
    pub fn weights(&self) -> Vec<(String, u32)> {
        self.forward().map(tuples).unwrap_or_default()
    }

    /// For how long clients stick to a target group, if the forward action says so.
    pub fn stickiness(&self) -> Option<Seconds> {
        let config = self.forward()?.find("TargetGroupStickinessConfig")?;
        let enabled = config.text_of("Enabled") == Some("true");
        enabled.then(|| config.text_of("DurationSeconds")?.parse().ok()).flatten()
    }

    /// Names the list as a whole: equal for lists that mean the same, in whatever order AWS tells them.
    pub fn fingerprint(&self) -> String {
        let mut lines: Vec<String> = self.0.children.iter().map(|a| canonical(a).join("\n")).collect();
        lines.sort();
        let mut hex = String::with_capacity(32);
        for byte in Sha256::digest(lines.join("\n\n")).iter().take(16) {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// The list with these weights for the slots' groups; a group that is not named yet is added.
    ///
    /// # Errors
    /// A sentence if the list can't be so.
    pub fn with_weights(&self, groups: &BySlot<String>, weights: Weights) -> Result<ActionList, String> {
        self.with_groups(|named| {
            for slot in Slot::BOTH {
                let group = groups.get(slot);
                match named.iter_mut().find(|(arn, _)| arn == group) {
                    Some((_, weight)) => *weight = weights.of(slot),
                    None => named.push((group.clone(), weights.of(slot))),
                }
            }
        })
    }

    /// The list with the slot's group named with weight 0, if it is not named yet. A single group's weight, which
    /// counts for nothing while it is alone, becomes 100.
    ///
    /// # Errors
    /// A sentence if the list can't be so.
    pub fn with_named(&self, groups: &BySlot<String>, slot: Slot) -> Result<ActionList, String> {
        let group = groups.get(slot);
        self.with_groups(|named| {
            if named.iter().any(|(arn, _)| arn == group) {
                return;
            }
            if let [(_, weight)] = named.as_mut_slice() {
                *weight = 100;
            }
            named.push((group.clone(), 0));
        })
    }

    /// The list forwarding to the slot's group alone.
    ///
    /// # Errors
    /// A sentence if the list can't be so.
    pub fn pointed_at(&self, groups: &BySlot<String>, slot: Slot) -> Result<ActionList, String> {
        self.with_groups(|named| *named = vec![(groups.get(slot).clone(), 1)])
    }

    fn with_groups(&self, change: impl FnOnce(&mut Vec<(String, u32)>)) -> Result<ActionList, String> {
        let mut tree = self.0.clone();
        let forward = tree
            .children
            .iter_mut()
            .find(|a| is_forward(a))
            .ok_or("it has no forward action; give it one to either slot's target group")?;
        let mut named = tuples(forward);
        change(&mut named);
        if named.len() > GROUPS_LIMIT {
            return Err(format!(
                "it names {} target groups already, and {GROUPS_LIMIT} are allowed; take one out",
                named.len() - 1
            ));
        }
        let members = named
            .iter()
            .map(|(arn, weight)| {
                Node::branch("member", vec![Node::leaf("TargetGroupArn", arn), Node::leaf("Weight", weight)])
            })
            .collect();
        // TargetGroupArn beside a ForwardConfig is accepted for a single group only.
        forward.remove("TargetGroupArn");
        if forward.child("ForwardConfig").is_none_or(|config| config.children.is_empty()) {
            forward.set(Node::branch("ForwardConfig", vec![]));
        }
        if let Some(config) = forward.child_mut("ForwardConfig") {
            config.set(Node::branch("TargetGroups", members));
        }
        Ok(ActionList(tree).for_writing())
    }

    /// Describe never tells a client secret; Modify keeps the one it has only if it is told to.
    fn for_writing(mut self) -> ActionList {
        for action in &mut self.0.children {
            if let Some(oidc) = action.child_mut("AuthenticateOidcConfig")
                && oidc.child("ClientSecret").is_none()
            {
                oidc.set(Node::leaf("UseExistingClientSecret", "true"));
            }
        }
        self
    }

    fn forward(&self) -> Option<&Node> {
        self.0.children.iter().find(|a| is_forward(a))
    }
}

fn is_forward(action: &Node) -> bool {
    action.text_of("Type") == Some("forward")
}

/// The groups of a forward action with their weights; a group without a weight has 1, as AWS defaults it.
fn tuples(forward: &Node) -> Vec<(String, u32)> {
    let listed = forward.child("ForwardConfig").and_then(|config| config.child("TargetGroups"));
    let named: Vec<(String, u32)> = listed
        .into_iter()
        .flat_map(|groups| &groups.children)
        .filter_map(|tuple| {
            let weight = tuple.text_of("Weight").and_then(|w| w.parse().ok()).unwrap_or(1);
            Some((tuple.text_of("TargetGroupArn")?.to_owned(), weight))
        })
        .collect();
    if !named.is_empty() {
        return named;
    }
    forward.text_of("TargetGroupArn").map(|arn| (arn.to_owned(), 1)).into_iter().collect()
}

/// An action as sorted lines. The two ways to write one group are one; the order of groups does not count; stickiness
/// that is off is as none.
fn canonical(action: &Node) -> Vec<String> {
    let mut action = action.clone();
    if is_forward(&action) {
        let mut named = tuples(&action);
        named.sort();
        let members = named
            .into_iter()
            .map(|(arn, weight)| {
                Node::branch("member", vec![Node::leaf("TargetGroupArn", arn), Node::leaf("Weight", weight)])
            })
            .collect();
        action.remove("TargetGroupArn");
        if action.child("ForwardConfig").is_none() {
            action.set(Node::branch("ForwardConfig", vec![]));
        }
        if let Some(config) = action.child_mut("ForwardConfig") {
            config.set(Node::branch("TargetGroups", members));
            let sticky = config.child("TargetGroupStickinessConfig");
            if sticky.is_some_and(|s| s.text_of("Enabled") != Some("true")) {
                config.remove("TargetGroupStickinessConfig");
            }
        }
    }
    let mut lines: Vec<String> =
        action.parameters().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.sort();
    lines
}

/// `web-green` of a target group's ARN.
fn short(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

#[cfg(test)]
mod tests;
