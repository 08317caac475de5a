//! The backends of a route: what they say about the slots' Services, and the same with other weights. Pure.

use crate::model::{BySlot, Slot, Weights};
use crate::rollout::RuleSplit;
use crate::traffic::shares::{Division, divide, shares_of_others};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// How the route spreads requests over the slots' Services. Rules that name neither do not count.
pub(super) fn split(route: &Value, services: &BySlot<String>) -> RuleSplit {
    let mut found: Option<RuleSplit> = None;
    for (index, rule) in rules(route).enumerate() {
        let of_rule = match split_of_rule(rule, services) {
            Ok(None) => continue,
            Ok(Some(split)) => split,
            Err(why) => return RuleSplit::Neither(format!("rule {}: {why}", index + 1)),
        };
        match &found {
            None => found = Some(of_rule),
            Some(before) if before.weights().same_split(of_rule.weights()) => {
                if matches!(of_rule, RuleSplit::Only(_)) {
                    found = Some(of_rule);
                }
            }
            Some(before) => {
                let (one, other) = (before.weights(), of_rule.weights());
                return RuleSplit::Neither(format!(
                    "its rules disagree: {one}, and in rule {} {other}; give all of them the same weights",
                    index + 1
                ));
            }
        }
    }
    found.unwrap_or_else(|| {
        RuleSplit::Neither(format!("none of its backendRefs names {} or {}", services.blue, services.green))
    })
}

/// The backends with weight beside the slots' Services, in the first rule that names one of those, each with its percent
/// of the rule's requests.
pub(super) fn others(route: &Value, services: &BySlot<String>) -> Vec<(String, u32)> {
    let is_ours = |backend: &Value| Slot::BOTH.into_iter().any(|slot| names(backend, services.get(slot)));
    let refs = |rule: &Value| rule.get("backendRefs").and_then(Value::as_array).cloned().unwrap_or_default();
    let of_rule = rules(route).map(refs).find(|refs| refs.iter().any(is_ours)).unwrap_or_default();
    let named = of_rule.iter().map(|backend| {
        let name = backend.get("name").and_then(Value::as_str).unwrap_or_default();
        (name, weight(backend), is_ours(backend))
    });
    shares_of_others(named)
}

/// Names all rules as they are, whatever else the object says.
pub(super) fn fingerprint(route: &Value) -> String {
    let text = route.pointer("/spec/rules").map(Value::to_string).unwrap_or_default();
    let mut hex = String::with_capacity(32);
    for byte in Sha256::digest(text).iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The route's rules with these weights for the slots' Services, in every rule that names one of them; one that is
/// named nowhere in such a rule is added. Everything else is as it was.
///
/// # Errors
/// A sentence if they can't be so.
pub(super) fn with_weights(
    route: &Value,
    services: &BySlot<String>,
    weights: Weights,
) -> Result<Value, String> {
    let mut all = route.pointer("/spec/rules").cloned().unwrap_or_else(|| json!([]));
    for (index, rule) in all.as_array_mut().into_iter().flatten().enumerate() {
        if split_of_rule(rule, services)?.is_none() {
            continue;
        }
        if let Some(refs) = rule.get_mut("backendRefs").and_then(Value::as_array_mut) {
            set(refs, services, weights).map_err(|why| format!("rule {}: {why}", index + 1))?;
        }
    }
    Ok(all)
}

/// The Gateway API's largest weight.
const WEIGHT_LIMIT: u32 = 1_000_000;

/// Beside other backends that have weight, the slots keep exactly the share that they have together; alone, they share 100.
fn set(refs: &mut Vec<Value>, services: &BySlot<String>, weights: Weights) -> Result<(), String> {
    let is_ours = |backend: &Value| Slot::BOTH.into_iter().any(|slot| names(backend, services.get(slot)));
    let of = |backend: &Value| u32::try_from(weight(backend)).unwrap_or(u32::MAX / 200);
    let part = refs.iter().filter(|backend| is_ours(backend)).map(of).sum();
    let others: Vec<u32> = refs.iter().filter(|backend| !is_ours(backend)).map(of).collect();
    let mut division = Division { slots: weights, others: others.clone() };
    if others.iter().any(|weight| *weight > 0) {
        division = divide(part, &others, weights, WEIGHT_LIMIT).ok_or_else(|| {
            format!(
                "beside other backends the slots have the weight {part} together, which can't be split into {weights}; give \
                 their backendRef a weight of 100 or a multiple of it"
            )
        })?;
    }
    let mut others = division.others.into_iter();
    for backend in refs.iter_mut().filter(|backend| !is_ours(backend)) {
        let share = others.next().unwrap_or_default();
        if of(backend) != share {
            backend["weight"] = share.into();
        }
    }
    let pattern = refs.iter().find(|backend| is_ours(backend)).cloned().unwrap_or_default();
    for slot in Slot::BOTH {
        let share = division.slots.of(slot);
        match refs.iter_mut().find(|backend| names(backend, services.get(slot))) {
            Some(backend) if of(backend) == share => {}
            Some(backend) => backend["weight"] = share.into(),
            None => {
                let mut added = pattern.clone();
                added["name"] = services.get(slot).as_str().into();
                added["weight"] = share.into();
                let place = refs.iter().position(&is_ours).map_or(refs.len(), |at| at + 1);
                refs.insert(place, added);
            }
        }
    }
    Ok(())
}

fn split_of_rule(rule: &Value, services: &BySlot<String>) -> Result<Option<RuleSplit>, String> {
    let refs = || rule.get("backendRefs").and_then(Value::as_array).into_iter().flatten();
    let mut weights = BySlot::<Option<u32>>::default();
    for slot in Slot::BOTH {
        let mut named = refs().filter(|backend| names(backend, services.get(slot)));
        let first = named.next().map(|backend| u32::try_from(weight(backend)).unwrap_or(u32::MAX / 200));
        if named.next().is_some() {
            return Err(format!("it names {} twice", services.get(slot)));
        }
        *weights.get_mut(slot) = first;
    }
    Ok(match (weights.blue, weights.green) {
        (Some(blue), Some(green)) => Some(RuleSplit::Both(Weights { blue, green })),
        (Some(_), None) => Some(RuleSplit::Only(Slot::Blue)),
        (None, Some(_)) => Some(RuleSplit::Only(Slot::Green)),
        (None, None) => None,
    })
}

fn rules(route: &Value) -> impl Iterator<Item = &Value> {
    route.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten()
}

/// True if a backendRef names this Service of the route's own namespace.
fn names(backend: &Value, service: &str) -> bool {
    let text = |field: &str| backend.get(field).and_then(Value::as_str);
    text("name") == Some(service)
        && text("kind").is_none_or(|kind| kind == "Service")
        && text("group").is_none_or(str::is_empty)
        && text("namespace").is_none()
}

/// A backendRef without a weight has 1, by the API.
fn weight(backend: &Value) -> u64 {
    backend.get("weight").and_then(Value::as_u64).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> BySlot<String> {
        BySlot { blue: "web-blue".into(), green: "web-green".into() }
    }

    fn route(rules: Value) -> Value {
        json!({"spec": {"rules": rules}})
    }

    fn backend(name: &str, weight: u32) -> Value {
        json!({"name": name, "port": 80, "weight": weight})
    }

    #[test]
    fn the_weights_of_all_rules_that_name_a_slot_are_one_split_or_it_is_said_why_not() {
        let of = |rules: Value| match split(&route(rules), &services()) {
            RuleSplit::Both(weights) => weights.to_string(),
            RuleSplit::Only(slot) => format!("only {slot}"),
            RuleSplit::Neither(why) => why,
        };
        let (blue, green) = (backend("web-blue", 9), backend("web-green", 1));
        for (rules, expected) in [
            (json!([{"backendRefs": [blue, green]}]), "blue 9 / green 1"),
            (
                json!([{"backendRefs": [{"name": "other"}]}, {"backendRefs": [green, blue]}]),
                "blue 9 / green 1",
            ),
            (json!([{"backendRefs": [{"name": "web-green", "port": 80}]}]), "only green"),
            (
                json!([{"backendRefs": [backend("web-blue", 90), backend("web-green", 10)]}, {"backendRefs": [blue, green]}]),
                "blue 90 / green 10",
            ),
            (
                json!([{"backendRefs": [blue]}, {"backendRefs": [blue, green]}]),
                "its rules disagree: blue 100 / green 0, and in rule 2 blue 9 / green 1; give all of them the same weights",
            ),
            (json!([{"backendRefs": [blue, blue]}]), "rule 1: it names web-blue twice"),
            (
                json!([{"backendRefs": [{"name": "web-blue", "namespace": "elsewhere"}]}]),
                "none of its backendRefs names web-blue or web-green",
            ),
            (json!([{}]), "none of its backendRefs names web-blue or web-green"),
        ] {
            assert_eq!(of(rules.clone()), expected, "{rules}");
        }
    }

    #[test]
    fn only_the_weights_change() {
        let filters = json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}]);
        let before = route(json!([
            {"matches": [{"path": {"value": "/a"}}], "filters": filters, "backendRefs": [backend("web-blue", 100), backend("web-green", 0)]},
            {"backendRefs": [backend("other", 3)]},
            {"backendRefs": [{"name": "web-blue", "port": 80, "filters": filters}], "timeouts": {"request": "5s"}},
        ]));
        let after = with_weights(&before, &services(), Weights { blue: 75, green: 25 }).expect("possible");
        assert_eq!(
            after,
            json!([
                {"matches": [{"path": {"value": "/a"}}], "filters": filters, "backendRefs": [backend("web-blue", 75), backend("web-green", 25)]},
                {"backendRefs": [backend("other", 3)]},
                {"backendRefs": [{"name": "web-blue", "port": 80, "filters": filters, "weight": 75},
                    {"name": "web-green", "port": 80, "filters": filters, "weight": 25}], "timeouts": {"request": "5s"}},
            ])
        );
    }

    #[test]
    fn beside_other_backends_the_slots_keep_what_they_have_together() {
        let before = route(json!([{"backendRefs": [backend("other", 100), backend("web-blue", 300)]}]));
        let after = with_weights(&before, &services(), Weights { blue: 90, green: 10 }).expect("possible");
        assert_eq!(
            after,
            json!([{"backendRefs": [backend("other", 100), backend("web-blue", 270), backend("web-green", 30)]}])
        );
        let before = route(json!([{"backendRefs": [backend("other", 1), backend("web-blue", 1)]}]));
        let after = with_weights(&before, &services(), Weights { blue: 90, green: 10 }).expect("possible");
        assert_eq!(
            after,
            json!([{"backendRefs": [backend("other", 10), backend("web-blue", 9), backend("web-green", 1)]}])
        );
        let before = route(json!([{"backendRefs": [backend("other", 1), backend("web-blue", 0)]}]));
        let refused =
            with_weights(&before, &services(), Weights { blue: 0, green: 100 }).expect_err("nothing is ours");
        assert!(refused.starts_with("rule 1: beside other backends"), "{refused}");
    }
}
