//! Listeners. A listener's default action is its last rule, the one without a priority.

use super::action::normalise;
use super::load_balancer;
use super::page::page;
use super::rule::{Rule, propagate};
use super::tags::read_tags;
use super::usage::refresh;
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A listener with its rules: as configured, and as the load balancer follows them at present.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct Listener {
    pub arn: String,
    pub load_balancer: String,
    pub port: u16,
    pub protocol: String,
    /// By priority, the default rule last.
    pub rules: Arc<Vec<Rule>>,
    pub live: Arc<Vec<Rule>>,
    pub version: u64,
    pub live_version: u64,
    /// Certificates, SslPolicy, AlpnPolicy and MutualAuthentication as they were given.
    config: Map<String, Value>,
    pub tags: Tags,
}

const CONFIG: [&str; 4] = ["Certificates", "SslPolicy", "AlpnPolicy", "MutualAuthentication"];

pub(super) fn create(state: &mut State, input: Input) -> Answer {
    let lb_arn = input.must("LoadBalancerArn")?.to_string();
    let lb = load_balancer::find(state, &lb_arn)?;
    let protocol = input.must("Protocol")?.to_string();
    let port = read_port(input)?.ok_or_else(|| ApiError::validation("A port must be specified"))?;
    check_protocol(lb.is_network(), &protocol)?;
    let config = read_config(input);
    if ["HTTPS", "TLS"].contains(&protocol.as_str()) && !config.contains_key("Certificates") {
        return Err(ApiError::validation(format!(
            "A certificate must be specified for {protocol} listeners"
        )));
    }
    if state.listeners.values().any(|l| l.load_balancer == lb_arn && l.port == port) {
        return Err(duplicate());
    }
    let actions = normalise(state, &lb_arn, &input.list("DefaultActions"))?;
    let tags = read_tags(input)?;
    let arn = format!("{}/{}", lb_arn.replacen(":loadbalancer/", ":listener/", 1), state.elb_id());
    let rule_arn = format!("{}/{}", arn.replacen(":listener/", ":listener-rule/", 1), state.elb_id());
    let rules = Arc::new(vec![Rule::default_rule(rule_arn, actions)]);
    let live = Arc::clone(&rules);
    let listener = Listener {
        arn: arn.clone(),
        load_balancer: lb_arn.clone(),
        port,
        protocol,
        rules,
        live,
        version: 0,
        live_version: 0,
        config,
        tags,
    };
    let shown = render(&listener);
    state.listeners.insert(arn, listener);
    refresh(state, &lb_arn);
    Ok(json!({"Listeners": [shown]}))
}

fn read_port(input: Input) -> Result<Option<u16>, ApiError> {
    let Some(port) = input.number("Port") else { return Ok(None) };
    let port = u16::try_from(port).ok().filter(|p| *p > 0);
    port.map(Some).ok_or_else(|| ApiError::validation("The port must be between 1 and 65535"))
}

fn check_protocol(network: bool, protocol: &str) -> Result<(), ApiError> {
    let allowed: &[&str] = if network { &["TCP", "TLS", "UDP", "TCP_UDP"] } else { &["HTTP", "HTTPS"] };
    if allowed.contains(&protocol) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "Listener protocol '{protocol}' must be one of '{}'",
        allowed.join(", ")
    )))
}

fn read_config(input: Input) -> Map<String, Value> {
    let sent = CONFIG.iter().filter_map(|name| Some((name.to_string(), input.get(name)?.clone())));
    sent.filter(|(_, value)| value.as_array().is_none_or(|items| !items.is_empty())).collect()
}

fn duplicate() -> ApiError {
    ApiError::new("DuplicateListener", "A listener already exists on this port for this load balancer")
}

pub(super) fn modify(state: &mut State, input: Input) -> Answer {
    let arn = input.must("ListenerArn")?.to_string();
    let listener = find(state, &arn)?;
    let (lb_arn, old_protocol) = (listener.load_balancer.clone(), listener.protocol.clone());
    let port = read_port(input)?;
    let protocol = input.text("Protocol").unwrap_or(&old_protocol).to_string();
    check_protocol(load_balancer::find(state, &lb_arn)?.is_network(), &protocol)?;
    let clash = |l: &Listener| l.load_balancer == lb_arn && l.arn != arn && Some(l.port) == port;
    if state.listeners.values().any(clash) {
        return Err(duplicate());
    }
    let actions = match input.list("DefaultActions") {
        sent if sent.is_empty() => None,
        sent => Some(normalise(state, &lb_arn, &sent)?),
    };
    let Some(listener) = state.listeners.get_mut(&arn) else { return Err(not_found()) };
    listener.port = port.unwrap_or(listener.port);
    listener.protocol = protocol;
    listener.config.extend(read_config(input));
    let changed = actions.is_some();
    if let (Some(actions), Some(rule)) = (actions, Arc::make_mut(&mut listener.rules).last_mut()) {
        rule.actions = actions;
    }
    if changed {
        propagate(state, &arn);
        refresh(state, &lb_arn);
    }
    Ok(json!({"Listeners": [render(find(state, &arn)?)]}))
}

pub(super) fn delete(state: &mut State, input: Input) -> Answer {
    let arn = input.must("ListenerArn")?.to_string();
    find(state, &arn)?;
    remove(state, &arn);
    Ok(json!({}))
}

/// Takes a listener away with its rules.
pub(super) fn remove(state: &mut State, arn: &str) {
    if let Some(listener) = state.listeners.remove(arn) {
        refresh(state, &listener.load_balancer);
    }
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let arns = input.texts("ListenerArns");
    let mut found = vec![];
    for arn in &arns {
        found.push(find(state, arn)?);
    }
    match input.text("LoadBalancerArn") {
        Some(lb) => {
            load_balancer::find(state, lb)?;
            found.extend(state.listeners.values().filter(|listener| listener.load_balancer == lb));
        }
        None if arns.is_empty() => {
            return Err(ApiError::validation("You must specify either listener ARNs or a load balancer ARN"));
        }
        None => {}
    }
    let (found, next) = page(state, input, found, |listener| &listener.arn)?;
    let shown: Vec<Value> = found.into_iter().map(render).collect();
    Ok(json!({"Listeners": shown, "NextMarker": next}))
}

/// The listener of this ARN.
pub(super) fn find<'a>(state: &'a State, arn: &str) -> Result<&'a Listener, ApiError> {
    state.listeners.get(arn).ok_or_else(not_found)
}

pub(super) fn not_found() -> ApiError {
    ApiError::new("ListenerNotFound", "One or more listeners not found")
}

fn render(listener: &Listener) -> Value {
    let mut shown = Map::new();
    shown.insert("ListenerArn".into(), json!(listener.arn));
    shown.insert("LoadBalancerArn".into(), json!(listener.load_balancer));
    shown.insert("Port".into(), json!(listener.port));
    shown.insert("Protocol".into(), json!(listener.protocol));
    shown.extend(listener.config.clone());
    let actions = listener.rules.last().map(|rule| rule.actions.clone()).unwrap_or_default();
    shown.insert("DefaultActions".into(), Value::Array(actions));
    Value::Object(shown)
}
