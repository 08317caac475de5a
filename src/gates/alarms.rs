//! CloudWatch alarms.

use super::Gates;
use crate::aws::{Call, Conduct, ServiceName};
use crate::engine::Trouble;
use crate::rollout::{Alarm, AlarmState};
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use std::collections::HashMap;

/// What one DescribeAlarms call takes.
const NAMES_A_CALL: usize = 100;

impl Gates {
    /// Reads metric and composite alarms by name; the answer is in the order of `names`.
    pub(super) async fn describe_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        let mut states: HashMap<String, Option<StateValue>> = HashMap::new();
        for chunk in names.chunks(NAMES_A_CALL) {
            let call = Call::new(ServiceName::CloudWatch, "DescribeAlarms", chunk.join(", "));
            let limit = i32::try_from(NAMES_A_CALL).unwrap_or(100);
            let answer = self
                .aws
                .send(&call, Conduct::Read, || {
                    self.aws
                        .cloudwatch()
                        .describe_alarms()
                        .set_alarm_names(Some(chunk.to_vec()))
                        .alarm_types(AlarmType::MetricAlarm)
                        .alarm_types(AlarmType::CompositeAlarm)
                        .max_records(limit)
                        .send()
                })
                .await?;
            let metric =
                answer.metric_alarms.unwrap_or_default().into_iter().map(|a| (a.alarm_name, a.state_value));
            let composite = answer.composite_alarms.unwrap_or_default().into_iter();
            let found = metric.chain(composite.map(|a| (a.alarm_name, a.state_value)));
            states.extend(found.filter_map(|(name, state)| Some((name?, state))));
        }
        Ok(names.iter().map(|name| alarm(name, states.get(name))).collect())
    }
}

/// The state of one that is not there, or that says something new, is unknown.
fn alarm(name: &str, state: Option<&Option<StateValue>>) -> Alarm {
    let state = match state {
        Some(Some(StateValue::Ok)) => AlarmState::Ok,
        Some(Some(StateValue::Alarm)) => AlarmState::Alarm,
        Some(Some(StateValue::InsufficientData)) => AlarmState::InsufficientData,
        Some(other) => {
            let said = other.as_ref().map_or("none", |s| s.as_str());
            return Alarm::unread(name, &format!("its state is `{said}`"));
        }
        None => {
            let why = "there is no such alarm; create it, or take it out of gates.alarms";
            return Alarm::unread(name, &why);
        }
    };
    Alarm { name: name.to_owned(), state, detail: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_does_not_exist_or_has_no_known_state_is_unknown_and_says_why() {
        assert_eq!(alarm("a", Some(&Some(StateValue::Ok))).state, AlarmState::Ok);
        for state in [None, Some(&None), Some(&Some(StateValue::from("NEW")))] {
            let alarm = alarm("a", state);
            assert_eq!(alarm.state, AlarmState::Unknown, "{state:?}");
            assert!(!alarm.detail.is_empty(), "{state:?}");
        }
    }
}
