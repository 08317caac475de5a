//! A stranger that tags every new resource, as cost taggers, Terraform's default tags and AWS itself do.

use super::queue::Event;
use super::state::State;
use super::wire::Answer;
use super::{Millis, ecs, elb};
use serde_json::Value;

/// The tag that every new resource gets, and how soon.
#[derive(Clone, Debug)]
pub(super) struct AutoTag {
    pub key: String,
    pub value: String,
    pub delay_ms: Millis,
}

/// Where the answers of the operations that make something name it.
const MADE: [&str; 7] = [
    "/cluster/clusterArn",
    "/service/serviceArn",
    "/taskDefinition/taskDefinitionArn",
    "/LoadBalancers/0/LoadBalancerArn",
    "/TargetGroups/0/TargetGroupArn",
    "/Listeners/0/ListenerArn",
    "/Rules/0/RuleArn",
];

/// Lets the tagger hear of what an operation has made.
pub(super) fn notice(state: &mut State, operation: &str, answer: &Answer) {
    let (Some(tagger), Ok(answer)) = (&state.auto_tag, answer) else { return };
    if !operation.starts_with("Create") && operation != "RegisterTaskDefinition" && operation != "RunTask" {
        return;
    }
    let delay = tagger.delay_ms;
    let tasks = answer["tasks"].as_array().into_iter().flatten().map(|task| &task["taskArn"]);
    let named = MADE.iter().filter_map(|pointer| answer.pointer(pointer)).chain(tasks);
    for arn in named.filter_map(Value::as_str) {
        if delay == 0 {
            tag(state, arn);
        } else {
            state.queue.push(state.now + delay, Event::Tag(arn.into()));
        }
    }
}

/// Tags a resource, if it is still there. Nobody refuses the tagger a key that begins with `aws:`.
pub(super) fn tag(state: &mut State, arn: &str) {
    let Some(AutoTag { key, value, .. }) = state.auto_tag.clone() else { return };
    if arn.contains(":ecs:") {
        ecs::put_tag(state, arn, &key, &value);
    } else {
        elb::put_tag(state, arn, &key, &value);
    }
}
