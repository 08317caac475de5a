//! One rule's action list, as a tree: what it says about our two groups, and how it is changed without touching the
//! rest. Pure.

use super::Groups;

use crate::aws::Node;
use crate::model::{Seconds, Slot, Step, Weights};
use crate::rollout::RuleSplit;
use crate::traffic::shares::{Division, divide, divisible, shares_of_others};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// ELBv2 allows this many groups in one forward action.
const GROUPS_LIMIT: usize = 5;
/// Its largest weight.
const WEIGHT_LIMIT: u32 = 999;

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

    /// How the forward action spreads its requests over the slots, with the weights that both have there.
    pub fn split(&self, groups: &Groups) -> RuleSplit {
        let Some(forward) = self.forward() else {
            let kinds: Vec<&str> = self.0.children.iter().filter_map(|a| a.text_of("Type")).collect();
            return RuleSplit::Neither(format!("it has no forward action ({})", kinds.join(", ")));
        };
        let named = tuples(forward);
        let weights = ours(&named, groups);
        let others = named.iter().filter(|(arn, _)| groups.owner(arn).is_none());
        let serving: Vec<&str> =
            others.clone().filter(|(_, weight)| *weight > 0).map(|(arn, _)| short(arn)).collect();
        let is_named = |slot: Slot| groups.is_named(slot, &named);
        match (is_named(Slot::Blue), is_named(Slot::Green)) {
            (false, false) => {
                let others: Vec<&str> = others.map(|(arn, _)| short(arn)).collect();
                RuleSplit::Neither(format!(
                    "it forwards to {}, which is neither slot's target group",
                    others.join(", ")
                ))
            }
            _ if weights == Weights::default() && !serving.is_empty() => RuleSplit::Neither(format!(
                "it gives all weight to {}, which is neither slot's target group",
                serving.join(", ")
            )),
            (true, true) => RuleSplit::Both(weights),
            (true, false) => RuleSplit::Only(Slot::Blue),
            (false, true) => RuleSplit::Only(Slot::Green),
        }
    }

    /// The groups that would have to be named beside those that are, if more than ELBv2 allows come together: those that
    /// are no slot's and could go, the ones without weight if there are any.
    pub fn crowding(&self, groups: &Groups) -> Option<Vec<String>> {
        let named = self.weights();
        let missing = Slot::BOTH.into_iter().filter(|slot| !groups.is_named(*slot, &named)).count();
        if named.is_empty() || named.len() + missing <= GROUPS_LIMIT {
            return None;
        }
        let others: Vec<(String, u32)> =
            named.into_iter().filter(|(arn, _)| groups.owner(arn).is_none()).collect();
        let idle = others.iter().any(|(_, weight)| *weight == 0);
        Some(others.into_iter().filter(|(_, weight)| *weight == 0 || !idle).map(|(arn, _)| arn).collect())
    }

    /// If the slots' part beside other groups can't be divided by each of `steps`: the nearest weights that can, with all
    /// of them for the slot that has more now.
    pub fn indivisible(&self, groups: &Groups, steps: &[Step]) -> Option<(Slot, Weights)> {
        let named = self.weights();
        let others = others(&named, groups);
        let weights = ours(&named, groups);
        let part = weights.blue + weights.green;
        if part == 0 || others.iter().all(|weight| *weight == 0) {
            return None;
        }
        let part = divisible(part, &others, steps, WEIGHT_LIMIT)?;
        let slot = if weights.green > weights.blue { Slot::Green } else { Slot::Blue };
        let weights = match slot {
            Slot::Blue => Weights { blue: part, green: 0 },
            Slot::Green => Weights { blue: 0, green: part },
        };
        Some((slot, weights))
    }

    /// The groups with weight that are no slot's, each with its percent of the requests.
    pub fn shares_of_others(&self, groups: &Groups) -> Vec<(String, u32)> {
        let named = self.weights();
        let named = named.iter();
        shares_of_others(
            named.map(|(arn, weight)| (short(arn), u64::from(*weight), groups.owner(arn).is_some())),
        )
    }

    /// True if there is a forward action, whose groups can be changed.
    pub fn forwards(&self) -> bool {
        self.forward().is_some()
    }

    /// False if the answer lacks what every action has: a kind, and the groups and weights of a forward action.
    pub fn is_readable(&self) -> bool {
        self.0.children.iter().all(|action| {
            action.text_of("Type").is_some_and(|kind| !kind.is_empty())
                && (!is_forward(action) || names_groups(action))
        })
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

    /// The list with the slots' part of it divided so; a group that is not named yet is added. Beside other groups that
    /// have weight the slots keep together exactly the share that they have.
    ///
    /// # Errors
    /// A sentence if the list can't be so.
    pub fn with_weights(&self, groups: &Groups, weights: Weights) -> Result<ActionList, String> {
        self.with_groups(|named| {
            let before = ours(named, groups);
            let others = others(named, groups);
            let mut division = Division { slots: weights, others: others.clone() };
            if others.iter().any(|weight| *weight > 0) {
                let part = before.blue + before.green;
                division = divide(part, &others, weights, WEIGHT_LIMIT).ok_or_else(|| {
                    format!(
                        "beside other target groups the slots have the weight {part} together, which can't be divided \
                         into {weights} exactly with weights up to 999; give them a weight that can"
                    )
                })?;
            }
            let mut others = division.others.into_iter();
            for (arn, weight) in named.iter_mut() {
                *weight = if groups.owner(arn).is_some() { 0 } else { others.next().unwrap_or(*weight) };
            }
            for slot in Slot::BOTH {
                let weight = division.slots.of(slot);
                let Some(group) = groups.heir(slot, named).map(ToOwned::to_owned) else {
                    if weight > 0 {
                        return Err(format!("{slot} has no target group"));
                    }
                    continue;
                };
                match named.iter_mut().find(|(arn, _)| *arn == group) {
                    Some((_, listed)) => *listed = weight,
                    None => named.push((group, weight)),
                }
            }
            Ok(())
        })
    }

    /// The list with the slot's group named with weight 0, if it is not named yet. A single group's weight, which
    /// counts for nothing while it is alone, becomes 100.
    ///
    /// # Errors
    /// A sentence if the list can't be so.
    pub fn with_named(&self, groups: &Groups, slot: Slot) -> Result<ActionList, String> {
        self.with_groups(|named| {
            let group = groups.to_name(slot, named).ok_or_else(|| format!("{slot} has no target group"))?;
            if named.iter().any(|(arn, _)| arn == group) {
                return Ok(());
            }
            let group = group.to_owned();
            if let [(_, weight)] = named.as_mut_slice() {
                *weight = 100;
            }
            named.push((group, 0));
            Ok(())
        })
    }

    /// The list forwarding to the slot's group alone.
    ///
    /// # Errors
    /// A sentence if the list can't be so.
    pub fn pointed_at(&self, groups: &Groups, slot: Slot) -> Result<ActionList, String> {
        self.with_groups(|named| {
            let group = groups.heir(slot, named).ok_or_else(|| format!("{slot} has no target group"))?;
            *named = vec![(group.to_owned(), 1)];
            Ok(())
        })
    }

    fn with_groups(
        &self,
        change: impl FnOnce(&mut Vec<(String, u32)>) -> Result<(), String>,
    ) -> Result<ActionList, String> {
        let mut tree = self.0.clone();
        let forward = tree
            .children
            .iter_mut()
            .find(|a| is_forward(a))
            .ok_or("it has no forward action; give it one to either slot's target group")?;
        let mut named = tuples(forward);
        change(&mut named)?;
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

/// True if a forward action says where it sends requests, every group with its ARN and a weight that can be read.
fn names_groups(forward: &Node) -> bool {
    let listed = forward.child("ForwardConfig").and_then(|config| config.child("TargetGroups"));
    let is_whole = |tuple: &Node| {
        tuple.text_of("TargetGroupArn").is_some()
            && tuple.text_of("Weight").is_none_or(|weight| weight.parse::<u32>().is_ok())
    };
    listed.is_none_or(|groups| groups.children.iter().all(is_whole)) && !tuples(forward).is_empty()
}

/// The weights of the slots in a list of groups.
fn ours(named: &[(String, u32)], groups: &Groups) -> Weights {
    Weights { blue: groups.weight(Slot::Blue, named), green: groups.weight(Slot::Green, named) }
}

/// The weights of the groups that are no slot's, in their order.
fn others(named: &[(String, u32)], groups: &Groups) -> Vec<u32> {
    named.iter().filter(|(arn, _)| groups.owner(arn).is_none()).map(|(_, weight)| *weight).collect()
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
pub(super) fn short(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

#[cfg(test)]
mod tests;
