//! The initial world, described in YAML with AWS's own field names.
//!
//! ```yaml
//! account: "123456789012"                                    # this and the region: as in the settings unless told
//! region: eu-central-1
//! clusters: [{clusterName: prod}]
//! targetGroups:
//!   - {Name: web-blue, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckPath: /healthz,
//!      Attributes: {deregistration_delay.timeout_seconds: "5"}}
//! loadBalancers:
//!   - Name: shop
//!     Subnets: [subnet-a, subnet-b]
//!     listeners:
//!       - Port: 80
//!         Protocol: HTTP
//!         DefaultActions: [{Type: fixed-response, FixedResponseConfig: {StatusCode: "404"}}]
//!         rules:
//!           - {Priority: 10, Conditions: [{Field: path-pattern, Values: [/*]}],
//!              Actions: [{Type: forward, forward: {web-blue: 100, web-green: 0}}], Id: 00000000000000aa}
//! alarms: [{AlarmName: web-5xx, StateValue: OK}]
//! taskDefinitions: [{family: web, …}]                        # RegisterTaskDefinition
//! services: [{cluster: prod, serviceName: web, …}]           # CreateService
//! ```
//!
//! Wherever AWS wants a target group's ARN, its name will do. `Id` (16 hex digits) sets the last part of the ARN of a
//! load balancer, target group, listener or rule, so that documents can name it; `DefaultRuleId` that of a listener's
//! default rule. Services' tasks run and are healthy from the start.

use super::wire::{ApiError, Input};
use super::{World, cloudwatch, ecs, elb};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const PARTS: [&str; 6] =
    ["clusters", "targetGroups", "loadBalancers", "alarms", "taskDefinitions", "services"];

impl World {
    /// Adds what a YAML text describes to the world; see the module's documentation for its form.
    ///
    /// # Errors
    /// What is wrong and where: the YAML, an unknown part, or the API's own refusal of an item.
    pub fn load_seed(&mut self, yaml: &str) -> Result<(), String> {
        let seed: Value =
            serde_yaml::from_str(yaml).map_err(|e| format!("the seed is not valid YAML: {e}"))?;
        self.apply_seed(&seed)
    }

    /// [`World::load_seed`] for a description that is read already.
    ///
    /// # Errors
    /// As for [`World::load_seed`].
    pub fn apply_seed(&mut self, seed: &Value) -> Result<(), String> {
        let parts = seed.as_object().ok_or("the seed is not a mapping")?;
        let known = |name: &str| PARTS.contains(&name) || name == "account" || name == "region";
        if let Some(unknown) = parts.keys().find(|name| !known(name.as_str())) {
            let parts = PARTS.join(", ");
            return Err(format!(
                "the seed has an unknown part `{unknown}`; there are account, region, {parts}"
            ));
        }
        self.set_account(parts)?;
        self.state.instant = true;
        let result = PARTS.iter().try_for_each(|part| self.apply_part(part, seed));
        let now = self.state.now;
        self.state.advance(now);
        self.state.instant = false;
        result
    }

    /// Sets whose world it is, before anything gets an ARN.
    fn set_account(&mut self, parts: &Map<String, Value>) -> Result<(), String> {
        if let Some(account) = parts.get("account") {
            let digits = account.as_str().filter(|a| a.len() == 12 && a.bytes().all(|b| b.is_ascii_digit()));
            let wrong = || format!("the seed's account is {account}; write twelve digits in quotes");
            Arc::make_mut(&mut self.state.settings).account = digits.ok_or_else(wrong)?.into();
        }
        if let Some(region) = parts.get("region") {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let name = region.as_str().filter(|r| (1..=32).contains(&r.len()) && r.bytes().all(fits));
            let wrong = || format!("the seed's region is {region}; write it like eu-central-1");
            Arc::make_mut(&mut self.state.settings).region = name.ok_or_else(wrong)?.into();
        }
        Ok(())
    }

    fn apply_part(&mut self, part: &str, seed: &Value) -> Result<(), String> {
        let Some(items) = seed.get(part).filter(|items| !items.is_null()) else { return Ok(()) };
        let items = items.as_array().ok_or_else(|| format!("the seed's {part} is not a list"))?;
        for (i, item) in items.iter().enumerate() {
            self.apply_item(part, item).map_err(|error| format!("the seed's {part}[{i}]: {error}"))?;
        }
        Ok(())
    }

    fn apply_item(&mut self, part: &str, item: &Value) -> Result<(), String> {
        let item = self.with_arns(item);
        match part {
            "clusters" => self.create("CreateCluster", &item).map(drop),
            "taskDefinitions" => self.create("RegisterTaskDefinition", &item).map(drop),
            "services" => self.create("CreateService", &item).map(drop),
            "alarms" => {
                self.create("PutMetricAlarm", &item)?;
                if let (Some(name), Some(value)) = (item["AlarmName"].as_str(), item["StateValue"].as_str()) {
                    cloudwatch::force_state(&mut self.state, name, value, "Set by the seed.");
                }
                Ok(())
            }
            "targetGroups" => {
                let made = self.create("CreateTargetGroup", &item)?;
                let attributes =
                    item.get("Attributes").and_then(Value::as_object).cloned().unwrap_or_default();
                let listed: Vec<Value> = attributes
                    .iter()
                    .map(|(key, value)| json!({"Key": key, "Value": plain_text(value)}))
                    .collect();
                let arn = &made["TargetGroups"][0]["TargetGroupArn"];
                self.create(
                    "ModifyTargetGroupAttributes",
                    &json!({"TargetGroupArn": arn, "Attributes": listed}),
                )
                .map(drop)
            }
            _ => self.load_balancer(&item),
        }
    }

    fn load_balancer(&mut self, item: &Value) -> Result<(), String> {
        let made = self.create("CreateLoadBalancer", item)?;
        let arn = &made["LoadBalancers"][0]["LoadBalancerArn"];
        for (i, listener) in item["listeners"].as_array().into_iter().flatten().enumerate() {
            let mut request = object(listener).map_err(|error| format!("listeners[{i}]: {error}"))?;
            request["LoadBalancerArn"] = arn.clone();
            let made = self
                .create("CreateListener", &request)
                .map_err(|error| format!("listeners[{i}]: {error}"))?;
            for (j, rule) in listener["rules"].as_array().into_iter().flatten().enumerate() {
                let mut request =
                    object(rule).map_err(|error| format!("listeners[{i}]: rules[{j}]: {error}"))?;
                request["ListenerArn"] = made["Listeners"][0]["ListenerArn"].clone();
                self.create("CreateRule", &request)
                    .map_err(|error| format!("listeners[{i}]: rules[{j}]: {error}"))?;
            }
        }
        Ok(())
    }

    fn create(&mut self, operation: &str, item: &Value) -> Result<Value, String> {
        let ids = ["Id", "DefaultRuleId"].map(|name| item.get(name).map(plain_text));
        self.state.planned_ids = ids.into_iter().flatten().collect();
        let input = Input(item);
        let state = &mut self.state;
        let answer = ecs::write(state, operation, input)
            .or_else(|| elb::write(state, operation, input))
            .or_else(|| cloudwatch::write(state, operation, input));
        self.state.planned_ids.clear();
        let refused = |error: ApiError| format!("{operation}: {}: {}", error.code, error.message);
        answer.unwrap_or_else(|| Err(ApiError::client("no such operation"))).map_err(refused)
    }

    /// The value with target groups' names replaced by their ARNs and `forward: {name: weight}` written out.
    fn with_arns(&self, value: &Value) -> Value {
        let arn_of = |name: &str| {
            let group = self.state.target_groups.values().find(|group| group.name == name);
            group.map_or_else(|| name.to_string(), |group| group.arn.clone())
        };
        match value {
            Value::Array(items) => items.iter().map(|item| self.with_arns(item)).collect(),
            Value::Object(members) => {
                let mut filled = Map::new();
                for (name, member) in members {
                    match (name.as_str(), member) {
                        (
                            "TargetGroupArn" | "targetGroupArn" | "alternateTargetGroupArn",
                            Value::String(group),
                        ) => {
                            filled.insert(name.clone(), json!(arn_of(group)));
                        }
                        ("forward", Value::Object(weights)) => {
                            let groups: Vec<Value> = weights
                                .iter()
                                .map(|(group, weight)| json!({"TargetGroupArn": arn_of(group), "Weight": weight}))
                                .collect();
                            filled.insert("ForwardConfig".into(), json!({"TargetGroups": groups}));
                        }
                        _ => {
                            filled.insert(name.clone(), self.with_arns(member));
                        }
                    }
                }
                Value::Object(filled)
            }
            scalar => scalar.clone(),
        }
    }
}

/// A copy of what must be a mapping.
fn object(value: &Value) -> Result<Value, String> {
    if value.is_object() { Ok(value.clone()) } else { Err("it is not a mapping".into()) }
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}
