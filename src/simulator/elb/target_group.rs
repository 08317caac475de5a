//! Target groups.

use super::health::{Target, recheck};
use super::load_balancer::check_name;
use super::page::page;
use super::tags::read_tags;
use crate::simulator::TargetFault;
use crate::simulator::queue::TargetKey;
use crate::simulator::state::{State, Tags};
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How targets are checked.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct HealthCheck {
    pub protocol: String,
    /// `traffic-port` or a number.
    pub port: String,
    pub path: Option<String>,
    pub interval_seconds: u64,
    pub timeout_seconds: u64,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
    pub matcher: Option<String>,
}

/// A target group. Its targets are known by address.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct TargetGroup {
    pub arn: String,
    pub name: String,
    pub protocol: String,
    port: u16,
    vpc: Option<String>,
    pub target_type: String,
    protocol_version: Option<String>,
    pub health_check: HealthCheck,
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
    /// The load balancer one of whose listeners or rules names the group.
    pub load_balancer: Option<String>,
    pub targets: BTreeMap<TargetKey, Target>,
    pub fault: TargetFault,
}

impl TargetGroup {
    pub fn deregistration_delay_ms(&self) -> u64 {
        let seconds = self.attributes.get("deregistration_delay.timeout_seconds");
        seconds.and_then(|s| s.parse::<u64>().ok()).unwrap_or(300) * 1_000
    }

    pub fn default_port(&self) -> u16 {
        self.port
    }
}

const PROTOCOLS: [&str; 6] = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"];

pub(super) fn create(state: &mut State, input: Input) -> Answer {
    let name = input.must("Name")?.to_string();
    check_name("Target group", &name)?;
    let target_type = input.text("TargetType").unwrap_or("instance").to_string();
    if !["instance", "ip"].contains(&target_type.as_str()) {
        return Err(ApiError::validation(format!("Target groups of type '{target_type}' are not simulated")));
    }
    let protocol = input.must("Protocol")?.to_string();
    if !PROTOCOLS.contains(&protocol.as_str()) {
        return Err(ApiError::validation(format!(
            "Protocol '{protocol}' is not one of {}",
            PROTOCOLS.join(", ")
        )));
    }
    let port = input.number("Port").and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0);
    let port = port.ok_or_else(|| ApiError::validation("A port between 1 and 65535 must be specified"))?;
    let http = protocol.starts_with("HTTP");
    let checked_by = input.text("HealthCheckProtocol").unwrap_or(if http { &protocol } else { "TCP" });
    let mut health_check = HealthCheck {
        protocol: checked_by.into(),
        port: "traffic-port".into(),
        path: checked_by.starts_with("HTTP").then(|| "/".into()),
        interval_seconds: 30,
        timeout_seconds: if http { 5 } else { 10 },
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher: checked_by.starts_with("HTTP").then(|| if http { "200" } else { "200-399" }.into()),
    };
    read_health_check(&mut health_check, input)?;
    let tags = read_tags(input)?;
    if state.target_groups.values().any(|group| group.name == name) {
        return Err(ApiError::new(
            "DuplicateTargetGroupName",
            format!("A target group with the same name '{name}' exists, but with different settings"),
        ));
    }
    let id = state.elb_id();
    let arn = state.arn("elasticloadbalancing", &format!("targetgroup/{name}/{id}"));
    let version = http.then(|| input.text("ProtocolVersion").unwrap_or("HTTP1").to_string());
    let group = TargetGroup {
        arn: arn.clone(),
        name,
        attributes: super::attributes::target_group_defaults(&protocol),
        protocol,
        port,
        vpc: input.text("VpcId").map(String::from),
        target_type,
        protocol_version: version,
        health_check,
        tags,
        load_balancer: None,
        targets: BTreeMap::new(),
        fault: TargetFault::None,
    };
    let shown = render(&group);
    state.target_groups.insert(arn, group);
    Ok(json!({"TargetGroups": [shown]}))
}

fn read_health_check(check: &mut HealthCheck, input: Input) -> Result<(), ApiError> {
    let number = |name: &str, low: i64, high: i64| match input.number(name) {
        None => Ok(None),
        Some(n) if (low..=high).contains(&n) => Ok(Some(n)),
        Some(n) => Err(ApiError::validation(format!("{name} '{n}' must be in the range {low}-{high}"))),
    };
    if let Some(protocol) = input.text("HealthCheckProtocol") {
        check.protocol = protocol.into();
        if !protocol.starts_with("HTTP") {
            (check.path, check.matcher) = (None, None);
        }
    }
    if let Some(port) = input.text("HealthCheckPort") {
        check.port = port.into();
    }
    if let Some(path) = input.text("HealthCheckPath") {
        if !path.starts_with('/') || path.len() > 1_024 {
            return Err(ApiError::validation(format!(
                "Health check path '{path}' must begin with a '/' character"
            )));
        }
        check.path = Some(path.into());
    }
    if let Some(seconds) = number("HealthCheckIntervalSeconds", 5, 300)? {
        check.interval_seconds = seconds.unsigned_abs();
    }
    if let Some(seconds) = number("HealthCheckTimeoutSeconds", 2, 120)? {
        check.timeout_seconds = seconds.unsigned_abs();
    }
    for (name, threshold) in [
        ("HealthyThresholdCount", &mut check.healthy_threshold),
        ("UnhealthyThresholdCount", &mut check.unhealthy_threshold),
    ] {
        if let Some(count) = number(name, 2, 10)? {
            *threshold = count.unsigned_abs() as u32;
        }
    }
    if let Some(codes) = input.part("Matcher").and_then(|m| m.text("HttpCode").or(m.text("GrpcCode"))) {
        check.matcher = Some(codes.into());
    }
    if check.timeout_seconds >= check.interval_seconds && check.protocol.starts_with("HTTP") {
        return Err(ApiError::validation(format!(
            "Health check timeout '{}' must be smaller than the interval '{}'",
            check.timeout_seconds, check.interval_seconds
        )));
    }
    Ok(())
}

pub(super) fn modify(state: &mut State, input: Input) -> Answer {
    let arn = input.must("TargetGroupArn")?.to_string();
    let mut check = find(state, &arn)?.health_check.clone();
    read_health_check(&mut check, input)?;
    let shown = state.target_groups.get_mut(&arn).map(|group| {
        group.health_check = check;
        render(group)
    });
    recheck(state, &arn);
    Ok(json!({"TargetGroups": [shown]}))
}

pub(super) fn delete(state: &mut State, input: Input) -> Answer {
    let arn = input.must("TargetGroupArn")?;
    if state.target_groups.get(arn).is_some_and(|group| group.load_balancer.is_some()) {
        return Err(ApiError::new(
            "ResourceInUse",
            format!("Target group '{arn}' is currently in use by a listener or a rule"),
        ));
    }
    state.target_groups.remove(arn);
    Ok(json!({}))
}

pub(super) fn describe(state: &State, input: Input) -> Answer {
    let (arns, names) = (input.texts("TargetGroupArns"), input.texts("Names"));
    let mut found = vec![];
    for arn in &arns {
        found.push(find(state, arn)?);
    }
    for name in &names {
        found.push(state.target_groups.values().find(|group| group.name == *name).ok_or_else(not_found)?);
    }
    if let Some(lb) = input.text("LoadBalancerArn") {
        super::load_balancer::find(state, lb)?;
        found.extend(state.target_groups.values().filter(|group| group.load_balancer.as_deref() == Some(lb)));
    } else if arns.is_empty() && names.is_empty() {
        found = state.target_groups.values().collect();
    }
    let (found, next) = page(state, input, found, |group| &group.arn)?;
    let shown: Vec<Value> = found.into_iter().map(render).collect();
    Ok(json!({"TargetGroups": shown, "NextMarker": next}))
}

/// The target group of this ARN.
pub(super) fn find<'a>(state: &'a State, arn: &str) -> Result<&'a TargetGroup, ApiError> {
    state.target_groups.get(arn).ok_or_else(not_found)
}

pub(super) fn not_found() -> ApiError {
    ApiError::new("TargetGroupNotFound", "One or more target groups not found")
}

fn render(group: &TargetGroup) -> Value {
    let check = &group.health_check;
    let matcher = check.matcher.as_ref().map(|codes| match group.protocol_version.as_deref() {
        Some("GRPC") => json!({"GrpcCode": codes}),
        _ => json!({"HttpCode": codes}),
    });
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": group.port,
        "VpcId": group.vpc,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": check.interval_seconds,
        "HealthCheckTimeoutSeconds": check.timeout_seconds,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": matcher,
        "LoadBalancerArns": group.load_balancer.iter().collect::<Vec<_>>(),
        "TargetType": group.target_type,
        "ProtocolVersion": group.protocol_version,
        "IpAddressType": "ipv4",
    })
}
