//! CloudWatch: the alarms that gates look at. No metric is ever evaluated; alarms change when they are told to.

use super::Millis;
use super::operations::{Read, Write, find};
use super::state::State;
use super::wire::{Answer, ApiError, Input};
use serde_json::{Map, Value, json};

const STATES: [&str; 3] = ["OK", "ALARM", "INSUFFICIENT_DATA"];
const PAGE_MAX: usize = 100;
const TEXT_FIELDS: [&str; 8] = [
    "AlarmDescription",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Unit",
    "ComparisonOperator",
    "TreatMissingData",
];

/// One metric alarm.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    /// The members of PutMetricAlarm, as they are answered.
    config: Map<String, Value>,
    pub state: String,
    reason: String,
    configured_at: Millis,
    updated_at: Millis,
}

/// The operations that only read.
pub(super) const READS: [(&str, Read); 1] = [("DescribeAlarms", describe)];

/// Runs an operation that only reads; `None`: there is no such operation.
pub(super) fn read(state: &State, operation: &str, input: Input) -> Option<Answer> {
    find(&READS, operation).map(|run| run(state, input))
}

/// The operations that change something.
pub(super) const WRITES: [(&str, Write); 3] =
    [("PutMetricAlarm", put), ("SetAlarmState", set_state), ("DeleteAlarms", delete)];

/// Runs an operation that changes something; `None`: there is no such operation.
pub(super) fn write(state: &mut State, operation: &str, input: Input) -> Option<Answer> {
    find(&WRITES, operation).map(|run| run(state, input))
}

/// Sets an alarm's state, making the alarm if there is none.
pub(super) fn force_state(state: &mut State, name: &str, value: &str, reason: &str) {
    let now = state.now;
    let alarm = state.alarms.entry(name.to_string()).or_insert_with(|| Alarm {
        config: default_config(),
        state: String::new(),
        reason: String::new(),
        configured_at: now,
        updated_at: now,
    });
    (alarm.state, alarm.reason, alarm.updated_at) = (value.into(), reason.into(), now);
}

fn default_config() -> Map<String, Value> {
    let config = json!({
        "ActionsEnabled": true, "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [],
        "MetricName": "HTTPCode_Target_5XX_Count", "Namespace": "AWS/ApplicationELB", "Statistic": "Sum",
        "Dimensions": [], "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    });
    config.as_object().cloned().unwrap_or_default()
}

fn put(state: &mut State, input: Input) -> Answer {
    let name = input.must("AlarmName")?.to_string();
    if name.chars().count() > 255 {
        return Err(ApiError::validation("The alarm's name has more than 255 characters."));
    }
    let mut config = Map::new();
    config.insert("ActionsEnabled".into(), json!(input.flag("ActionsEnabled").unwrap_or(true)));
    for list in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
        config.insert(list.into(), json!(input.texts(list)));
    }
    for field in TEXT_FIELDS {
        if let Some(text) = input.text(field) {
            config.insert(field.into(), json!(text));
        }
    }
    let dimensions = input
        .list("Dimensions")
        .into_iter()
        .map(|d| json!({"Name": d.text("Name"), "Value": d.text("Value")}));
    config.insert("Dimensions".into(), dimensions.collect());
    for field in ["Period", "EvaluationPeriods", "DatapointsToAlarm"] {
        if let Some(number) = input.number(field) {
            config.insert(field.into(), json!(number));
        }
    }
    if let Some(threshold) = input.float("Threshold") {
        config.insert("Threshold".into(), json!(threshold));
    }
    let now = state.now;
    let old = state.alarms.remove(&name);
    let unchecked = "Unchecked: Initial alarm creation".to_string();
    let (was, reason, updated_at) =
        old.map_or(("INSUFFICIENT_DATA".to_string(), unchecked, now), |a| (a.state, a.reason, a.updated_at));
    state.alarms.insert(name, Alarm { config, state: was, reason, configured_at: now, updated_at });
    Ok(Value::Null)
}

fn set_state(state: &mut State, input: Input) -> Answer {
    let (name, value) = (input.must("AlarmName")?, input.must("StateValue")?);
    let reason = input.must("StateReason")?;
    if !STATES.contains(&value) {
        return Err(ApiError::validation(format!("StateValue must be one of {}.", STATES.join(", "))));
    }
    if !state.alarms.contains_key(name) {
        return Err(not_found(name));
    }
    force_state(state, name, value, reason);
    Ok(Value::Null)
}

fn delete(state: &mut State, input: Input) -> Answer {
    let names = input.texts("AlarmNames");
    if let Some(missing) = names.iter().find(|name| !state.alarms.contains_key(**name)) {
        return Err(not_found(missing));
    }
    for name in names {
        state.alarms.remove(name);
    }
    Ok(Value::Null)
}

fn not_found(name: &str) -> ApiError {
    ApiError { status: 404, ..ApiError::new("ResourceNotFound", format!("Alarm {name} does not exist")) }
}

fn describe(state: &State, input: Input) -> Answer {
    let names = input.texts("AlarmNames");
    let prefix = input.text("AlarmNamePrefix").unwrap_or_default();
    if names.len() > PAGE_MAX {
        return Err(ApiError::validation("AlarmNames may hold 100 names at most."));
    }
    let wanted = |name: &str, alarm: &Alarm| {
        (names.is_empty() || names.contains(&name))
            && name.starts_with(prefix)
            && input.text("StateValue").is_none_or(|value| value == alarm.state)
    };
    let types = input.texts("AlarmTypes");
    let metric_alarms = types.is_empty() || types.contains(&"MetricAlarm");
    let after = input.text("NextToken").unwrap_or_default();
    let limit = input.number("MaxRecords").unwrap_or(50).clamp(1, PAGE_MAX as i64) as usize;
    let mut found = state
        .alarms
        .iter()
        .filter(|(name, alarm)| metric_alarms && wanted(name, alarm) && name.as_str() > after);
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let next = found.next().and(page.last().map(|(name, _)| name.as_str()));
    let alarms: Vec<Value> = page.iter().map(|(name, alarm)| render(state, name, alarm)).collect();
    Ok(json!({"MetricAlarms": alarms, "CompositeAlarms": [], "NextToken": next}))
}

fn render(state: &State, name: &str, alarm: &Alarm) -> Value {
    let seconds = |at: Millis| at as f64 / 1_000.0;
    let mut shown = Map::new();
    shown.insert("AlarmName".into(), json!(name));
    shown.insert("AlarmArn".into(), json!(state.arn("cloudwatch", &format!("alarm:{name}"))));
    shown.insert("AlarmConfigurationUpdatedTimestamp".into(), json!(seconds(alarm.configured_at)));
    shown.insert("StateValue".into(), json!(alarm.state));
    shown.insert("StateReason".into(), json!(alarm.reason));
    shown.insert("StateUpdatedTimestamp".into(), json!(seconds(alarm.updated_at)));
    shown.insert("StateTransitionedTimestamp".into(), json!(seconds(alarm.updated_at)));
    shown.extend(alarm.config.clone());
    Value::Object(shown)
}
