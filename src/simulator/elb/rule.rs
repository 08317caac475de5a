//! Rules of listeners.

use super::action::normalise;
use super::listener::{self, Listener};
use super::page::page;
use super::tags::read_tags;
use super::usage::refresh;
use super::{condition, load_balancer};
use crate::simulator::queue::Event;
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A rule; the default rule has no priority and no conditions.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Rule {
    pub arn: String,
    pub priority: Option<u32>,
    pub conditions: Vec<Value>,
    pub actions: Vec<Value>,
    transforms: Option<Value>,
    pub tags: Tags,
}

impl Rule {
    pub(super) fn default_rule(arn: String, actions: Vec<Value>) -> Rule {
        Rule { arn, priority: None, conditions: vec![], actions, transforms: None, tags: Tags::new() }
    }
}

/// The ARN of the listener that a rule with this ARN belongs to.
pub(in crate::simulator) fn listener_of_rule(arn: &str) -> String {
    let listener = arn.rsplit_once('/').map_or(arn, |(listener, _)| listener);
    listener.replacen(":listener-rule/", ":listener/", 1)
}

/// Lets the load balancer follow a listener's new rules after the propagation delay.
pub(super) fn propagate(state: &mut State, listener_arn: &str) {
    let Some(listener) = state.listeners.get_mut(listener_arn) else { return };
    listener.version += 1;
    let (version, rules) = (listener.version, Arc::clone(&listener.rules));
    let network = state.load_balancers.get(&listener.load_balancer).is_some_and(|lb| lb.is_network());
    let delay = if network { state.settings.nlb_propagation_ms } else { state.settings.alb_propagation_ms };
    state.later(delay, Event::Propagate { listener: listener_arn.into(), version, rules });
}

/// Sorts the rules, tells the load balancer, and brings the groups' use up to date.
fn changed(state: &mut State, listener_arn: &str) {
    let Some(listener) = state.listeners.get_mut(listener_arn) else { return };
    Arc::make_mut(&mut listener.rules).sort_by_key(|rule| rule.priority.unwrap_or(u32::MAX));
    let load_balancer = listener.load_balancer.clone();
    propagate(state, listener_arn);
    refresh(state, &load_balancer);
}

fn read_priority(input: Input) -> Result<u32, ApiError> {
    let priority =
        input.number("Priority").and_then(|p| u32::try_from(p).ok()).filter(|p| (1..=50_000).contains(p));
    priority.ok_or_else(|| ApiError::validation("A priority between 1 and 50000 must be specified"))
}

fn in_use(priority: u32) -> ApiError {
    ApiError::new("PriorityInUse", format!("Priority '{priority}' is currently in use"))
}

pub(super) fn create(state: &mut State, input: Input) -> Answer {
    let listener_arn = input.must("ListenerArn")?.to_string();
    let listener = listener::find(state, &listener_arn)?;
    if load_balancer::find(state, &listener.load_balancer)?.is_network() {
        return Err(ApiError::validation("Listeners of network load balancers can't have rules"));
    }
    let priority = read_priority(input)?;
    if listener.rules.iter().any(|rule| rule.priority == Some(priority)) {
        return Err(in_use(priority));
    }
    if listener.rules.len() > 100 {
        return Err(ApiError::new("TooManyRules", "The listener has 100 rules already"));
    }
    let rule = Rule {
        arn: String::new(),
        priority: Some(priority),
        conditions: condition::normalise(&input.list("Conditions"))?,
        actions: normalise(state, &listener.load_balancer, &input.list("Actions"))?,
        transforms: input.get("Transforms").cloned(),
        tags: read_tags(input)?,
    };
    let arn = format!("{}/{}", listener_arn.replacen(":listener/", ":listener-rule/", 1), state.elb_id());
    let rule = Rule { arn, ..rule };
    let shown = render(&rule);
    if let Some(listener) = state.listeners.get_mut(&listener_arn) {
        Arc::make_mut(&mut listener.rules).push(rule);
    }
    changed(state, &listener_arn);
    Ok(json!({"Rules": [shown]}))
}

pub(super) fn modify(state: &mut State, input: Input) -> Answer {
    let arn = input.must("RuleArn")?;
    let (listener, mut rule) =
        find(state, arn).map(|(listener, rule)| (listener.arn.clone(), rule.clone()))?;
    if rule.priority.is_none() {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("Default rule '{arn}' cannot be modified"),
        ));
    }
    let load_balancer = listener::find(state, &listener)?.load_balancer.clone();
    if let sent @ [_, ..] = input.list("Actions").as_slice() {
        rule.actions = normalise(state, &load_balancer, sent)?;
    }
    if let sent @ [_, ..] = input.list("Conditions").as_slice() {
        rule.conditions = condition::normalise(sent)?;
    }
    if let Some(transforms) = input.get("Transforms") {
        rule.transforms = Some(transforms.clone());
    }
    let shown = render(&rule);
    put(state, &listener, rule);
    changed(state, &listener);
    Ok(json!({"Rules": [shown]}))
}

fn put(state: &mut State, listener: &str, rule: Rule) {
    let Some(listener) = state.listeners.get_mut(listener) else { return };
    if let Some(old) = Arc::make_mut(&mut listener.rules).iter_mut().find(|old| old.arn == rule.arn) {
        *old = rule;
    }
}

/// Replaces a rule's actions, the default rule's too, as ECS does when it shifts traffic itself.
pub(in crate::simulator) fn replace_actions(state: &mut State, arn: &str, actions: Vec<Value>) {
    let Ok((listener, rule)) = find(state, arn).map(|(listener, rule)| (listener.arn.clone(), rule.clone()))
    else {
        return;
    };
    put(state, &listener, Rule { actions, ..rule });
    changed(state, &listener);
}

pub(super) fn set_priorities(state: &mut State, input: Input) -> Answer {
    let mut wanted = vec![];
    for pair in input.list("RulePriorities") {
        let (listener, rule) = find(state, pair.must("RuleArn")?)?;
        if rule.priority.is_none() {
            return Err(ApiError::new("OperationNotPermitted", "The default rule has no priority"));
        }
        wanted.push((listener.arn.clone(), rule.arn.clone(), read_priority(pair)?));
    }
    for (listener, arn, priority) in &wanted {
        let others = listener::find(state, listener)?.rules.iter().filter(|rule| rule.arn != *arn);
        for other in others {
            let after = wanted
                .iter()
                .find(|(_, moved, _)| *moved == other.arn)
                .map(|(_, _, p)| *p)
                .or(other.priority);
            if after == Some(*priority) {
                return Err(in_use(*priority));
            }
        }
    }
    let mut shown = vec![];
    for (listener, arn, priority) in wanted {
        let rule = Rule { priority: Some(priority), ..find(state, &arn)?.1.clone() };
        shown.push(render(&rule));
        put(state, &listener, rule);
        changed(state, &listener);
    }
    Ok(json!({"Rules": shown}))
}

pub(super) fn delete(state: &mut State, input: Input) -> Answer {
    let arn = input.must("RuleArn")?;
    let (listener, rule) = find(state, arn)?;
    if rule.priority.is_none() {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("Default rule '{arn}' cannot be deleted"),
        ));
    }
    let listener = listener.arn.clone();
    if let Some(listener) = state.listeners.get_mut(&listener) {
        Arc::make_mut(&mut listener.rules).retain(|rule| rule.arn != arn);
    }
    changed(state, &listener);
    Ok(json!({}))
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let arns = input.texts("RuleArns");
    let mut found = vec![];
    for arn in &arns {
        found.push(find(state, arn)?.1);
    }
    match input.text("ListenerArn") {
        Some(_) if !arns.is_empty() => {
            return Err(ApiError::validation("You can't specify both rule ARNs and a listener ARN"));
        }
        Some(listener) => found.extend(listener::find(state, listener)?.rules.iter()),
        None if arns.is_empty() => {
            return Err(ApiError::validation("You must specify either rule ARNs or a listener ARN"));
        }
        None => {}
    }
    let (found, next) = page(state, input, found, |rule| &rule.arn)?;
    let shown: Vec<Value> = found.into_iter().map(render).collect();
    Ok(json!({"Rules": shown, "NextMarker": next}))
}

/// The rule of this ARN with its listener.
pub(super) fn find<'a>(state: &'a State, arn: &str) -> Result<(&'a Listener, &'a Rule), ApiError> {
    let listener = state.listeners.get(&listener_of_rule(arn));
    listener
        .and_then(|listener| Some((listener, listener.rules.iter().find(|rule| rule.arn == arn)?)))
        .ok_or_else(|| ApiError::new("RuleNotFound", "One or more rules not found"))
}

fn render(rule: &Rule) -> Value {
    let mut shown = Map::new();
    shown.insert("RuleArn".into(), json!(rule.arn));
    shown.insert("Priority".into(), json!(rule.priority.map_or("default".into(), |p| p.to_string())));
    shown.insert("Conditions".into(), json!(rule.conditions));
    shown.insert("Actions".into(), json!(rule.actions));
    shown.insert("IsDefault".into(), json!(rule.priority.is_none()));
    if let Some(transforms) = &rule.transforms {
        shown.insert("Transforms".into(), transforms.clone());
    }
    Value::Object(shown)
}
