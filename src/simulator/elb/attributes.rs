//! Attributes of load balancers and target groups: key and value, both text.

use super::{load_balancer, target_group};
use crate::simulator::state::State;
use crate::simulator::wire::{Answer, ApiError, Input};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Attributes = BTreeMap<String, String>;

fn table(rows: &[(&str, &str)]) -> Attributes {
    rows.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// What a new load balancer has.
pub(super) fn load_balancer_defaults(kind: &str) -> Attributes {
    let mut attributes = table(&[
        ("access_logs.s3.enabled", "false"),
        ("access_logs.s3.bucket", ""),
        ("access_logs.s3.prefix", ""),
        ("deletion_protection.enabled", "false"),
        ("ipv6.deny_all_igw_traffic", "false"),
        ("load_balancing.cross_zone.enabled", if kind == "application" { "true" } else { "false" }),
    ]);
    if kind == "application" {
        attributes.extend(table(&[
            ("idle_timeout.timeout_seconds", "60"),
            ("client_keep_alive.seconds", "3600"),
            ("routing.http2.enabled", "true"),
            ("routing.http.drop_invalid_header_fields.enabled", "false"),
            ("routing.http.preserve_host_header.enabled", "false"),
            ("routing.http.xff_client_port.enabled", "false"),
            ("routing.http.xff_header_processing.mode", "append"),
            ("routing.http.desync_mitigation_mode", "defensive"),
            ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false"),
            ("waf.fail_open.enabled", "false"),
            ("zonal_shift.config.enabled", "false"),
        ]));
    } else {
        attributes.extend(table(&[("dns_record.client_routing_policy", "any_availability_zone")]));
    }
    attributes
}

/// What a new target group has.
pub(super) fn target_group_defaults(protocol: &str) -> Attributes {
    let mut attributes = table(&[
        ("deregistration_delay.timeout_seconds", "300"),
        ("stickiness.enabled", "false"),
        ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1"),
        ("target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "1"),
        ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off"),
    ]);
    if protocol.starts_with("HTTP") {
        attributes.extend(table(&[
            ("stickiness.type", "lb_cookie"),
            ("stickiness.lb_cookie.duration_seconds", "86400"),
            ("stickiness.app_cookie.duration_seconds", "86400"),
            ("stickiness.app_cookie.cookie_name", ""),
            ("slow_start.duration_seconds", "0"),
            ("load_balancing.algorithm.type", "round_robin"),
            ("load_balancing.algorithm.anomaly_mitigation", "off"),
        ]));
    } else {
        attributes.extend(table(&[
            ("stickiness.type", "source_ip"),
            ("preserve_client_ip.enabled", "false"),
            ("proxy_protocol_v2.enabled", "false"),
            ("deregistration_delay.connection_termination.enabled", "false"),
        ]));
    }
    attributes
}

pub(super) fn describe_load_balancer(state: &State, input: Input) -> Answer {
    Ok(render(&load_balancer::find(state, input.must("LoadBalancerArn")?)?.attributes))
}

pub(super) fn describe_target_group(state: &State, input: Input) -> Answer {
    Ok(render(&target_group::find(state, input.must("TargetGroupArn")?)?.attributes))
}

pub(super) fn modify_load_balancer(state: &mut State, input: Input) -> Answer {
    let arn = input.must("LoadBalancerArn")?;
    let mut attributes = load_balancer::find(state, arn)?.attributes.clone();
    set(&mut attributes, input)?;
    let shown = render(&attributes);
    if let Some(lb) = state.load_balancers.get_mut(arn) {
        lb.attributes = attributes;
    }
    Ok(shown)
}

pub(super) fn modify_target_group(state: &mut State, input: Input) -> Answer {
    let arn = input.must("TargetGroupArn")?;
    let mut attributes = target_group::find(state, arn)?.attributes.clone();
    set(&mut attributes, input)?;
    let shown = render(&attributes);
    if let Some(group) = state.target_groups.get_mut(arn) {
        group.attributes = attributes;
    }
    Ok(shown)
}

fn set(attributes: &mut Attributes, input: Input) -> Result<(), ApiError> {
    for attribute in input.list("Attributes") {
        let (key, value) = (attribute.must("Key")?, attribute.text("Value").unwrap_or_default());
        if !attributes.contains_key(key) {
            return Err(ApiError::validation(format!("Attribute key '{key}' is not recognized")));
        }
        let numeric = key.ends_with("seconds");
        if numeric && value.parse::<u32>().map_or(true, |n| n > 604_800) {
            return Err(ApiError::validation(format!("'{value}' is not a valid value for '{key}'")));
        }
        attributes.insert(key.into(), value.into());
    }
    Ok(())
}

fn render(attributes: &Attributes) -> Value {
    let shown: Vec<Value> =
        attributes.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    json!({"Attributes": shown})
}
