//! Load balancers.

use super::page::page;
use super::tags::read_tags;
use crate::simulator::Millis;
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input, iso_date};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An application or network load balancer.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct LoadBalancer {
    pub arn: String,
    pub name: String,
    /// `application` or `network`.
    pub kind: String,
    pub dns_name: String,
    scheme: String,
    subnets: Vec<String>,
    security_groups: Vec<String>,
    ip_address_type: String,
    created_at: Millis,
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
}

impl LoadBalancer {
    pub fn is_network(&self) -> bool {
        self.kind == "network"
    }

    /// True once it is no longer `provisioning`.
    pub fn is_active(&self, state: &State) -> bool {
        state.now >= self.created_at + state.settings.load_balancer_delay_ms
    }
}

/// ELBv2's rule for names of load balancers and target groups.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if name.len() > 32 {
        return Err(ApiError::validation(format!(
            "{what} name '{name}' cannot be longer than '32' characters"
        )));
    }
    if !plain || name.starts_with('-') || name.ends_with('-') {
        return Err(ApiError::validation(format!(
            "{what} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-), \
             and can not begin or end with a hyphen"
        )));
    }
    Ok(())
}

pub(super) fn create(state: &mut State, input: Input) -> Answer {
    let name = input.must("Name")?.to_string();
    check_name("Load balancer", &name)?;
    let kind = input.text("Type").unwrap_or("application").to_string();
    if !["application", "network"].contains(&kind.as_str()) {
        return Err(ApiError::validation(format!("Load balancers of type '{kind}' are not simulated")));
    }
    let mapped = input.list("SubnetMappings").into_iter().filter_map(|m| m.text("SubnetId"));
    let subnets: Vec<String> = input.texts("Subnets").into_iter().chain(mapped).map(String::from).collect();
    let needed = if kind == "application" { 2 } else { 1 };
    if subnets.len() < needed {
        return Err(ApiError::validation(format!("At least {needed} subnets must be specified")));
    }
    if state.load_balancers.values().any(|lb| lb.name == name) {
        return Err(ApiError::new(
            "DuplicateLoadBalancerName",
            format!("A load balancer with the name '{name}' already exists"),
        ));
    }
    let short = if kind == "application" { "app" } else { "net" };
    let id = state.elb_id();
    let arn = state.arn("elasticloadbalancing", &format!("loadbalancer/{short}/{name}/{id}"));
    let taken: Vec<&str> = state.load_balancers.values().map(|lb| lb.dns_name.as_str()).collect();
    let free = state.settings.dns_names.iter().find(|dns| !taken.contains(&dns.as_str())).cloned();
    let lb = LoadBalancer {
        arn: arn.clone(),
        dns_name: free.unwrap_or_else(|| format!("{name}.elb.localhost")),
        name,
        scheme: input.text("Scheme").unwrap_or("internet-facing").into(),
        subnets,
        security_groups: input.texts("SecurityGroups").into_iter().map(String::from).collect(),
        ip_address_type: input.text("IpAddressType").unwrap_or("ipv4").into(),
        created_at: if state.instant { 0 } else { state.now },
        attributes: super::attributes::load_balancer_defaults(&kind),
        kind,
        tags: read_tags(input)?,
    };
    let shown = render(state, &lb);
    state.load_balancers.insert(arn, lb);
    Ok(json!({"LoadBalancers": [shown]}))
}

pub(super) fn delete(state: &mut State, input: Input) -> Answer {
    let arn = input.must("LoadBalancerArn")?.to_string();
    // Deleting what is not there succeeds.
    let Some(lb) = state.load_balancers.get(&arn) else { return Ok(json!({})) };
    if lb.attributes.get("deletion_protection.enabled").is_some_and(|on| on == "true") {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled"),
        ));
    }
    let listeners: Vec<String> =
        state.listeners.values().filter(|l| l.load_balancer == arn).map(|l| l.arn.clone()).collect();
    for listener in listeners {
        super::listener::remove(state, &listener);
    }
    state.load_balancers.remove(&arn);
    Ok(json!({}))
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let (arns, names) = (input.texts("LoadBalancerArns"), input.texts("Names"));
    if arns.len() > 20 || names.len() > 20 {
        return Err(ApiError::validation("Up to 20 load balancers can be described in one call"));
    }
    let mut found = vec![];
    for arn in &arns {
        found.push(find(state, arn)?);
    }
    for name in &names {
        let lb = state.load_balancers.values().find(|lb| lb.name == *name);
        found.push(lb.ok_or_else(|| not_found(name))?);
    }
    if arns.is_empty() && names.is_empty() {
        found = state.load_balancers.values().collect();
    }
    let (found, next) = page(state, input, found, |lb| &lb.arn)?;
    let shown: Vec<Value> = found.into_iter().map(|lb| render(state, lb)).collect();
    Ok(json!({"LoadBalancers": shown, "NextMarker": next}))
}

/// The load balancer of this ARN.
pub(super) fn find<'a>(state: &'a State, arn: &str) -> Result<&'a LoadBalancer, ApiError> {
    state.load_balancers.get(arn).ok_or_else(|| not_found(arn))
}

fn not_found(name: &str) -> ApiError {
    ApiError::new("LoadBalancerNotFound", format!("Load balancers '[{name}]' not found"))
}

fn render(state: &State, lb: &LoadBalancer) -> Value {
    let zones = lb.subnets.iter().enumerate().map(|(i, subnet)| {
        let zone = format!("{}{}", state.settings.region, ["a", "b", "c"][i % 3]);
        json!({"ZoneName": zone, "SubnetId": subnet, "LoadBalancerAddresses": []})
    });
    let code = if lb.is_active(state) { "active" } else { "provisioning" };
    json!({
        "LoadBalancerArn": lb.arn,
        "DNSName": lb.dns_name,
        "CanonicalHostedZoneId": "Z215JYRZR1TBD5",
        "CreatedTime": iso_date(lb.created_at),
        "LoadBalancerName": lb.name,
        "Scheme": lb.scheme,
        "VpcId": "vpc-00000000",
        "State": {"Code": code},
        "Type": lb.kind,
        "AvailabilityZones": zones.collect::<Vec<_>>(),
        "SecurityGroups": lb.security_groups,
        "IpAddressType": lb.ip_address_type,
    })
}
