//! CloudWatch alarms.

use super::Gates;
use crate::aws::{Call, Conduct, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use crate::rollout::{Alarm, AlarmState};
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use futures_util::future::try_join_all;
use std::collections::HashMap;

/// What one DescribeAlarms call takes.
const NAMES_A_CALL: usize = 100;

impl Gates {
    /// Reads metric and composite alarms by name; the answer is in the order of `names`.
    pub(super) async fn describe_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        let states = try_join_all(names.chunks(NAMES_A_CALL).map(|chunk| self.states_of(chunk))).await?;
        let states: HashMap<String, Option<StateValue>> = states.into_iter().flatten().collect();
        Ok(names.iter().map(|name| alarm(name, states.get(name))).collect())
    }

    /// The states of those alarms that there are, from one call.
    async fn states_of(&self, names: &[String]) -> Result<Vec<(String, Option<StateValue>)>, Trouble> {
        let call = Call::new(ServiceName::CloudWatch, "DescribeAlarms", names.join(", "));
        let limit = i32::try_from(NAMES_A_CALL).unwrap_or(100);
        let request = || {
            self.aws
                .cloudwatch()
                .describe_alarms()
                .set_alarm_names(Some(names.to_vec()))
                .alarm_types(AlarmType::MetricAlarm)
                .alarm_types(AlarmType::CompositeAlarm)
                .max_records(limit)
                .send()
        };
        let answer = self.aws.send(&call, Conduct::Evidence, request).await?;
        if answer.metric_alarms.is_none() && answer.composite_alarms.is_none() {
            // CloudWatch tells an empty list as such: an answer without any list does not say that there is no alarm.
            return Err(Trouble {
                kind: TroubleKind::Transient,
                doing: call.doing(),
                message: "the answer has neither MetricAlarms nor CompositeAlarms".into(),
            });
        }
        let metric = answer.metric_alarms.unwrap_or_default().into_iter();
        let composite = answer.composite_alarms.unwrap_or_default().into_iter();
        let found = metric
            .map(|a| (a.alarm_name, a.state_value))
            .chain(composite.map(|a| (a.alarm_name, a.state_value)));
        Ok(found.filter_map(|(name, state)| Some((name?, state))).collect())
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
