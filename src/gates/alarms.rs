//! CloudWatch alarms.

use super::Gates;
use crate::aws::{Call, Conduct, ServiceName};
use crate::engine::{Trouble, TroubleKind};
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
        names.iter().map(|name| alarm(name, states.get(name))).collect()
    }
}

fn alarm(name: &str, state: Option<&Option<StateValue>>) -> Result<Alarm, Trouble> {
    let trouble = |kind, message| Trouble { kind, doing: format!("DescribeAlarms {name}"), message };
    let state = match state {
        Some(Some(StateValue::Ok)) => AlarmState::Ok,
        Some(Some(StateValue::Alarm)) => AlarmState::Alarm,
        Some(Some(StateValue::InsufficientData)) => AlarmState::InsufficientData,
        Some(other) => {
            let said = other.as_ref().map_or("none", |s| s.as_str());
            return Err(trouble(TroubleKind::Transient, format!("its state is `{said}`")));
        }
        None => {
            let message = "there is no such alarm; create it, or take it out of gates.alarms";
            return Err(trouble(TroubleKind::Missing, message.into()));
        }
    };
    Ok(Alarm { name: name.to_owned(), state, detail: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_does_not_exist_or_has_no_known_state_is_an_error() {
        assert_eq!(alarm("a", Some(&Some(StateValue::Ok))).unwrap().state, AlarmState::Ok);
        assert_eq!(alarm("a", None).unwrap_err().kind, TroubleKind::Missing);
        assert!(alarm("a", Some(&None)).is_err());
        assert!(alarm("a", Some(&Some(StateValue::from("NEW")))).is_err());
    }
}
