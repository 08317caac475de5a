//! Actions of rules and listeners, in the form in which ELBv2 answers them.

use super::target_group;
use crate::simulator::state::State;
use crate::simulator::wire::{ApiError, Input};
use serde_json::{Map, Value, json};

const GROUPS_MAX: usize = 5;
const WEIGHT_MAX: i64 = 999;
const KINDS: [&str; 6] =
    ["forward", "redirect", "fixed-response", "authenticate-oidc", "authenticate-cognito", "jwt-validation"];

/// Checks a whole action list and fills in what ELBv2 fills in.
pub(super) fn normalise(
    state: &State,
    load_balancer: &str,
    actions: &[Input],
) -> Result<Vec<Value>, ApiError> {
    let last = actions.last().and_then(|action| action.text("Type")).unwrap_or_default();
    let ends = |kind: &str| ["forward", "redirect", "fixed-response"].contains(&kind);
    let ends_count = actions.iter().filter(|action| action.text("Type").is_some_and(ends)).count();
    if actions.is_empty() {
        return Err(ApiError::validation("At least one action must be specified"));
    }
    if ends_count != 1 || !ends(last) && actions.iter().all(|action| !action.has("Order")) {
        return Err(ApiError::new(
            "InvalidLoadBalancerAction",
            "Exactly one action must be of type 'forward', 'redirect' or 'fixed-response', and it must come last",
        ));
    }
    actions.iter().map(|action| normalise_one(state, load_balancer, *action)).collect()
}

fn normalise_one(state: &State, load_balancer: &str, action: Input) -> Result<Value, ApiError> {
    let kind = action.must("Type")?;
    if !KINDS.contains(&kind) {
        return Err(ApiError::validation(format!(
            "Action type '{kind}' must be one of '{}'",
            KINDS.join(", ")
        )));
    }
    let mut shown = Map::new();
    shown.insert("Type".into(), json!(kind));
    if let Some(order) = action.number("Order") {
        shown.insert("Order".into(), json!(order));
    }
    match kind {
        "forward" => forward(state, load_balancer, action, &mut shown)?,
        "redirect" => copy(action, "RedirectConfig", "StatusCode", &mut shown)?,
        "fixed-response" => copy(action, "FixedResponseConfig", "StatusCode", &mut shown)?,
        _ => {
            let members = action.0.as_object().into_iter().flatten();
            shown.extend(
                members.filter(|(name, _)| name.ends_with("Config")).map(|(n, v)| (n.clone(), v.clone())),
            );
        }
    }
    Ok(Value::Object(shown))
}

fn copy(action: Input, config: &str, required: &str, shown: &mut Map<String, Value>) -> Result<(), ApiError> {
    let part =
        action.part(config).ok_or_else(|| ApiError::validation(format!("{config} must be specified")))?;
    part.must(required)?;
    let mut value = part.0.clone();
    if config == "RedirectConfig"
        && let Some(members) = value.as_object_mut()
    {
        let defaults = [
            ("Protocol", "#{protocol}"),
            ("Port", "#{port}"),
            ("Host", "#{host}"),
            ("Path", "/#{path}"),
            ("Query", "#{query}"),
        ];
        for (name, default) in defaults {
            members.entry(name).or_insert(json!(default));
        }
    }
    shown.insert(config.into(), value);
    Ok(())
}

fn forward(
    state: &State,
    load_balancer: &str,
    action: Input,
    shown: &mut Map<String, Value>,
) -> Result<(), ApiError> {
    let single = action.text("TargetGroupArn").filter(|arn| !arn.is_empty());
    let config = action.part("ForwardConfig");
    let mut groups = vec![];
    for group in config.map(|config| config.list("TargetGroups")).unwrap_or_default() {
        let weight = group.number("Weight").unwrap_or(1);
        if !(0..=WEIGHT_MAX).contains(&weight) {
            return Err(ApiError::validation(format!(
                "Target group weight '{weight}' must be between 0 and 999"
            )));
        }
        groups.push((group.must("TargetGroupArn")?, weight));
    }
    match (single, groups.as_slice()) {
        (Some(arn), []) => groups.push((arn, 1)),
        (Some(arn), [(only, _)]) if arn == *only => {}
        (Some(_), _) => {
            return Err(ApiError::validation(
                "A forward action can name a target group in TargetGroupArn or in ForwardConfig, not different ones",
            ));
        }
        (None, []) => {
            return Err(ApiError::validation("A target group must be specified for a forward action"));
        }
        (None, _) => {}
    }
    if groups.len() > GROUPS_MAX {
        return Err(ApiError::validation("A forward action can have 5 target groups at most"));
    }
    for (i, (arn, _)) in groups.iter().enumerate() {
        check_group(state, load_balancer, arn)?;
        if groups[..i].iter().any(|(other, _)| other == arn) {
            return Err(ApiError::validation(format!(
                "Target group '{arn}' is named twice in a forward action"
            )));
        }
    }
    if let [(only, _)] = groups.as_slice() {
        shown.insert("TargetGroupArn".into(), json!(only));
    }
    let listed: Vec<Value> =
        groups.iter().map(|(arn, weight)| json!({"TargetGroupArn": arn, "Weight": weight})).collect();
    let mut forward = Map::new();
    forward.insert("TargetGroups".into(), Value::Array(listed));
    let network = state.load_balancers.get(load_balancer).is_some_and(|lb| lb.is_network());
    if let Some(stickiness) =
        read_stickiness(config)?.or_else(|| (!network).then(|| json!({"Enabled": false})))
    {
        forward.insert("TargetGroupStickinessConfig".into(), stickiness);
    }
    shown.insert("ForwardConfig".into(), Value::Object(forward));
    Ok(())
}

fn read_stickiness(config: Option<Input>) -> Result<Option<Value>, ApiError> {
    let Some(part) = config.and_then(|config| config.part("TargetGroupStickinessConfig")) else {
        return Ok(None);
    };
    let enabled = part.flag("Enabled").unwrap_or(false);
    let seconds = part.number("DurationSeconds");
    if enabled && !seconds.is_some_and(|s| (1..=604_800).contains(&s)) {
        return Err(ApiError::validation("The stickiness duration must be between 1 and 604800 seconds"));
    }
    Ok(Some(match seconds {
        Some(seconds) => json!({"Enabled": enabled, "DurationSeconds": seconds}),
        None => json!({"Enabled": enabled}),
    }))
}

fn check_group(state: &State, load_balancer: &str, arn: &str) -> Result<(), ApiError> {
    let group = target_group::find(state, arn)?;
    if group.load_balancer.as_deref().is_some_and(|other| other != load_balancer) {
        return Err(ApiError::new(
            "TargetGroupAssociationLimit",
            format!(
                "The following target groups cannot be associated with more than one load balancer: {arn}"
            ),
        ));
    }
    let network = state.load_balancers.get(load_balancer).is_some_and(|lb| lb.is_network());
    if network == group.protocol.starts_with("HTTP") {
        return Err(ApiError::new(
            "IncompatibleProtocols",
            format!("The protocol of target group '{arn}' does not fit the listener's"),
        ));
    }
    Ok(())
}

/// Target groups and weights of the forward action in a normalised list.
pub(in crate::simulator) fn forward_weights(actions: &[Value]) -> Vec<(&str, u32)> {
    let forward = actions.iter().find(|action| action["Type"] == "forward");
    let groups =
        forward.and_then(|action| action["ForwardConfig"]["TargetGroups"].as_array()).into_iter().flatten();
    groups
        .filter_map(|group| {
            Some((group["TargetGroupArn"].as_str()?, u32::try_from(group["Weight"].as_u64()?).ok()?))
        })
        .collect()
}

/// The same actions with other weights; groups that are not named yet are added to the forward action.
pub(in crate::simulator) fn set_weights(actions: &[Value], weights: &[(String, u32)]) -> Vec<Value> {
    let mut changed = actions.to_vec();
    let Some(forward) = changed.iter_mut().find(|action| action["Type"] == "forward") else { return changed };
    if let Some(action) = forward.as_object_mut() {
        action.remove("TargetGroupArn");
    }
    if let Some(groups) = forward["ForwardConfig"]["TargetGroups"].as_array_mut() {
        for (arn, weight) in weights {
            match groups.iter_mut().find(|group| group["TargetGroupArn"] == arn.as_str()) {
                Some(group) => group["Weight"] = json!(weight),
                None => groups.push(json!({"TargetGroupArn": arn, "Weight": weight})),
            }
        }
    }
    changed
}
