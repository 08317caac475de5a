//! Looking into the world, and acting on it without the wire: for tests, the demo's summary and people who interfere.

use super::ecs::TaskStatus;
use super::elb::{Behind, behind, forward_weights};
use super::state::State;
use super::wire::{ApiError, Input};
use super::{Millis, TaskId, World, autotag, cloudwatch, ecs, elb, sts};
use serde_json::Value;
use std::collections::BTreeMap;

/// A service, as far as tests care. INACTIVE ones are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    pub cluster: String,
    pub name: String,
    /// `ACTIVE` or `DRAINING`.
    pub status: String,
    pub desired: usize,
    pub running: usize,
    pub pending: usize,
    /// The PRIMARY deployment's task definition, its release and its rollout state.
    pub task_definition: String,
    pub release: String,
    pub rollout_state: String,
    pub deployments: usize,
    pub tags: BTreeMap<String, String>,
}

/// A rule or a listener's default action, as configured and as the load balancer follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleView {
    pub arn: String,
    pub listener_arn: String,
    /// `None` for the default rule.
    pub priority: Option<u32>,
    /// As DescribeRules shows them; all of them have to match.
    pub conditions: Vec<Value>,
    /// Target groups' names and weights, in the rule's order; empty if the action is no forward.
    pub weights: Vec<(String, u32)>,
    pub live_weights: Vec<(String, u32)>,
    /// The whole action list.
    pub actions: Vec<Value>,
}

/// A target as DescribeTargetHealth words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    pub ip: String,
    pub port: u16,
    pub state: String,
    pub reason: Option<String>,
    pub task: Option<TaskId>,
    /// The release of the target's task or of what was said to be at its address, if that still runs.
    pub release: Option<String>,
}

/// A call that was refused: the API's code and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub code: String,
    pub message: String,
}

impl World {
    /// Runs an API operation without the wire, unrecorded, never throttled, stale or faulty: a person's hand.
    /// `service` is `ecs`, `elbv2`, `cloudwatch` or `sts`; `input` has the request shape's members.
    ///
    /// # Errors
    /// The API's refusal.
    pub fn call(&mut self, service: &str, operation: &str, input: &Value) -> Result<Value, Refused> {
        let (state, input) = (&mut self.state, Input(input));
        let answer = match service {
            "ecs" => ecs::read(state, operation, input).or_else(|| ecs::write(state, operation, input)),
            "elbv2" => elb::read(state, operation, input).or_else(|| elb::write(state, operation, input)),
            "cloudwatch" => cloudwatch::read(state, operation, input)
                .or_else(|| cloudwatch::write(state, operation, input)),
            "sts" => sts::read(state, operation, input),
            _ => None,
        };
        let answer = answer.unwrap_or_else(|| Err(ApiError::client("no such operation")));
        autotag::notice(&mut self.state, operation, &answer);
        answer.map_err(|error: ApiError| Refused { code: error.code, message: error.message })
    }

    /// All services that are not INACTIVE, by cluster and name.
    pub fn services(&self) -> Vec<ServiceView> {
        let known = self.state.service_names.values().filter_map(|id| self.state.services.get(id));
        let shown = known.filter(|service| !service.is_inactive()).map(|service| {
            let tasks: Vec<_> = service.tasks.iter().filter_map(|id| self.state.tasks.get(id)).collect();
            let primary = service.deployments.first();
            ServiceView {
                cluster: service.cluster.clone(),
                name: service.name.clone(),
                status: service.status.name().into(),
                desired: service.desired,
                running: tasks.iter().filter(|task| task.status == TaskStatus::Running).count(),
                pending: tasks
                    .iter()
                    .filter(|task| task.status < TaskStatus::Running && !task.stopping)
                    .count(),
                task_definition: primary.map(|d| d.definition.arn.clone()).unwrap_or_default(),
                release: primary.map(|d| d.definition.program.release.clone()).unwrap_or_default(),
                rollout_state: primary.map(|d| d.rollout.name()).unwrap_or_default().into(),
                deployments: service.deployments.len(),
                tags: service.tags.clone(),
            }
        });
        shown.collect()
    }

    /// One service by name, whatever its cluster.
    pub fn service(&self, name: &str) -> Option<ServiceView> {
        self.services().into_iter().find(|service| service.name == name)
    }

    /// All rules, default ones too, by listener and priority.
    pub fn rules(&self) -> Vec<RuleView> {
        let named = |actions: &[Value]| -> Vec<(String, u32)> {
            let weights = forward_weights(actions).into_iter();
            weights.map(|(arn, weight)| (group_name(&self.state, arn), weight)).collect()
        };
        let listeners = self.state.listeners.values();
        let rules = listeners.flat_map(|listener| listener.rules.iter().map(move |rule| (listener, rule)));
        rules
            .map(|(listener, rule)| RuleView {
                arn: rule.arn.clone(),
                listener_arn: listener.arn.clone(),
                priority: rule.priority,
                conditions: rule.conditions.clone(),
                weights: named(&rule.actions),
                live_weights: {
                    let live = listener.live.iter().find(|live| live.arn == rule.arn);
                    live.map(|live| named(&live.actions)).unwrap_or_default()
                },
                actions: rule.actions.clone(),
            })
            .collect()
    }

    /// The targets of a group, by its name or ARN.
    pub fn target_health(&self, group: &str) -> Vec<TargetView> {
        let found = self.state.target_groups.values().find(|g| g.name == group || g.arn == group);
        let targets = found.into_iter().flat_map(|group| group.targets.iter());
        targets
            .map(|(key, target)| {
                let (state, reason, _) = target.describe();
                let release = match behind(&self.state, key, target) {
                    Behind::Program { release, .. } => Some(release.to_string()),
                    Behind::Unknown | Behind::Nobody => None,
                };
                TargetView {
                    ip: key.0.clone(),
                    port: key.1,
                    state: state.into(),
                    reason: reason.map(String::from),
                    task: target.task,
                    release,
                }
            })
            .collect()
    }

    /// How many targets of a group are healthy.
    pub fn healthy_targets(&self, group: &str) -> usize {
        self.target_health(group).iter().filter(|target| target.state == "healthy").count()
    }

    /// The ARN of the target group of this name or ARN.
    pub fn target_group_arn(&self, name: &str) -> Option<String> {
        let groups = &mut self.state.target_groups.values();
        groups.find(|group| group.name == name || group.arn == name).map(|group| group.arn.clone())
    }

    /// How many tasks were ever started.
    pub fn tasks_started_total(&self) -> u64 {
        self.state.tasks_started
    }

    /// How many tasks occupy room now.
    pub fn tasks_alive(&self) -> usize {
        self.state.tasks_alive
    }

    /// How many revisions of a family were ever registered.
    pub fn revisions_registered(&self, family: &str) -> u32 {
        self.state.families.get(family).map_or(0, |family| family.last)
    }

    /// How many revisions of all families were ever registered.
    pub fn revisions_registered_total(&self) -> u32 {
        self.state.families.values().map(|family| family.last).sum()
    }

    /// Sets an alarm's state (`OK`, `ALARM`, `INSUFFICIENT_DATA`), making the alarm if there is none.
    pub fn set_alarm_state(&mut self, name: &str, value: &str) {
        cloudwatch::force_state(&mut self.state, name, value, "Set by hand.");
        ecs::wake_all(&mut self.state);
    }

    /// Lets time pass until `test` holds; returns when it does, or `None` after `limit` milliseconds.
    pub fn run_until(&mut self, limit: Millis, mut test: impl FnMut(&World) -> bool) -> Option<Millis> {
        let end = self.now() + limit;
        loop {
            if test(self) {
                return Some(self.now());
            }
            match self.next_event().filter(|at| *at <= end) {
                Some(at) => self.advance(at),
                None => {
                    self.advance(end);
                    return test(self).then_some(end);
                }
            }
        }
    }
}

fn group_name(state: &State, arn: &str) -> String {
    state.target_groups.get(arn).map_or_else(|| arn.to_string(), |group| group.name.clone())
}
