//! The `BlueGreen` document: which workload is shipped by blue/green, through which rules, and what it must pass.

use super::{BySlot, Origin, Seconds, Slot, serde_duration};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Blue/green for one workload (`cutover.dev/v1alpha1`, kind `BlueGreen`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlueGreen {
    /// `metadata.name`; set by the reader, not part of `spec`.
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    pub origin: Origin,
    pub workload_ref: WorkloadRef,
    pub container: Container,
    /// Left out where `traffic` says how requests are steered.
    #[serde(default)]
    pub alb: Alb,
    /// How requests are steered without an ELB (Kubernetes only).
    #[serde(default)]
    pub traffic: Option<ClusterTraffic>,
    /// Existing services to adopt as slots; without it they are `<service>-blue` and `<service>-green`.
    #[serde(default)]
    pub slots: SlotNames,
    /// Weights on the way; always ends at 100.
    #[serde(default = "straight")]
    pub steps: Vec<Step>,
    #[serde(default)]
    pub gates: Gates,
    #[serde(default = "ten_minutes", with = "serde_duration")]
    pub bake_time: Seconds,
    #[serde(default = "one_day", with = "serde_duration")]
    pub keep_previous: Seconds,
    /// From the start of a rollout until its gates have opened; the wait for approval does not count.
    #[serde(default = "quarter_hour", with = "serde_duration")]
    pub deadline: Seconds,
}

impl BlueGreen {
    /// True if people named the Deployment that is `slot`: it was there before this program.
    pub fn is_adopted(&self, slot: Slot) -> bool {
        self.slots.get(slot).as_ref().is_some_and(|named| named.deployment.is_some())
    }

    /// What a label that the Deployment selects its pods by, with this value in the documents, says on pods of a new
    /// `slot`. Beside an adopted Deployment, whose selector knows no slot and would take these pods too, it is another
    /// value.
    pub fn slot_label(&self, slot: Slot, value: &str) -> String {
        if self.is_adopted(slot.other()) { format!("{value}-{slot}") } else { value.to_owned() }
    }

    /// The name of the ECS service or Deployment that is `slot`, for the one that the documents name `workload`.
    pub fn slot_workload(&self, slot: Slot, workload: &str) -> String {
        let slot_name = self.slots.get(slot).as_ref();
        let named = slot_name.and_then(|named| named.service.clone().or_else(|| named.deployment.clone()));
        named.unwrap_or_else(|| format!("{workload}-{slot}"))
    }

    /// The name of the Service on Kubernetes that has a slot's pods and no others, for the Deployment that the documents
    /// name `workload`. Where the slot is an adopted Deployment of the same name as the Service that traffic is switched
    /// by, it can't be that one.
    pub fn slot_service(&self, slot: Slot, workload: &str) -> String {
        let name = self.slot_workload(slot, workload);
        match &self.traffic {
            Some(ClusterTraffic::Service(steering)) if *steering == name => format!("{name}-{slot}"),
            _ => name,
        }
    }

    /// The name in `slot` of an object `name` that is carried along with the Deployment `workload`. In the slot that is
    /// this very Deployment, adopted as it was, it keeps its name: two autoscalers, or two budgets, for the same pods
    /// would both fail.
    pub fn slot_carried(&self, slot: Slot, workload: &str, name: &str) -> String {
        match self.slot_workload(slot, workload) == workload {
            true => name.to_owned(),
            false => format!("{name}-{slot}"),
        }
    }

    /// The target group (name or ARN) of `slot`.
    pub fn target_group(&self, slot: Slot) -> &str {
        let named = self.slots.get(slot).as_ref().and_then(|s| s.target_group.as_deref());
        named.unwrap_or(match slot {
            Slot::Blue => &self.alb.target_groups.blue,
            Slot::Green => &self.alb.target_groups.green,
        })
    }
}

/// Requests steered by Kubernetes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClusterTraffic {
    /// The name of a Service whose selector is switched to one slot's pods; knows no shares between 0 and 100.
    Service(String),
    /// The name of a Gateway API HTTPRoute whose backends' weights are moved.
    HttpRoute(String),
}

/// The workload that a BlueGreen steers. `kind` is `Service` (ECS) or `Deployment` (Kubernetes).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadRef {
    pub kind: String,
    pub name: String,
}

/// The container and port that the target groups' targets are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub name: String,
    pub port: u16,
}

/// One ARN or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Listeners {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Listeners {
    /// The ARNs, in their written order.
    pub fn arns(&self) -> &[String] {
        match self {
            Listeners::None => &[],
            Listeners::One(arn) => std::slice::from_ref(arn),
            Listeners::Many(arns) => arns,
        }
    }
}

/// The load balancer's side. At least one production rule or listener is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Alb {
    /// Rules whose forward action is shifted.
    pub production_listener_rule: Listeners,
    /// Listeners whose default action is shifted (also for network load balancers).
    pub production_listener: Listeners,
    /// The rule that is pointed at the candidate for the HTTP gate.
    pub test_listener_rule: Option<String>,
    /// The listener whose default action is pointed at the candidate for the HTTP gate.
    pub test_listener: Option<String>,
    pub target_groups: TargetGroups,
}

/// The target groups of the slots, names or ARNs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetGroups {
    pub blue: String,
    pub green: String,
}

/// Existing services named as slots.
pub type SlotNames = BySlot<Option<SlotName>>;

/// One adopted slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlotName {
    /// An ECS service.
    pub service: Option<String>,
    /// A Kubernetes Deployment.
    pub deployment: Option<String>,
    pub target_group: Option<String>,
}

/// One shift: to `weight` percent, then hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub weight: u32,
    #[serde(default, with = "serde_duration")]
    pub hold: Seconds,
}

/// What a candidate must pass before it gets production traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gates {
    /// Share of the wanted tasks that must be healthy targets, 1–100.
    #[serde(with = "percent")]
    pub healthy_targets: u32,
    #[serde(with = "serde_duration")]
    pub stable_for: Seconds,
    pub http: Vec<HttpGate>,
    /// CloudWatch alarms that must not be in state ALARM, now and until the end of the bake.
    pub alarms: Vec<String>,
    /// Wait for `cutover promote` before the first shift.
    pub approval: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Gates { healthy_targets: 100, stable_for: 30, http: vec![], alarms: vec![], approval: false }
    }
}

/// One request through the test listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpGate {
    pub path: String,
    #[serde(default = "ok_status")]
    pub expect_status: u16,
    /// The `Host` header to send; default: the load balancer's DNS name.
    #[serde(default)]
    pub host: Option<String>,
    /// More headers to send, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl HttpGate {
    /// A request for `path` that is answered with 200, with nothing else said.
    pub fn get(path: &str) -> HttpGate {
        let (expect_status, headers) = (ok_status(), BTreeMap::new());
        HttpGate { path: path.to_owned(), expect_status, host: None, headers }
    }
}

mod percent {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
        let text = String::deserialize(input)?;
        let number = text.strip_suffix('%').and_then(|n| n.parse().ok());
        number
            .filter(|n| (1..=100).contains(n))
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a share; write it like 100%")))
    }

    pub fn serialize<S: Serializer>(value: &u32, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&format!("{value}%"))
    }
}

fn straight() -> Vec<Step> {
    vec![Step { weight: 100, hold: 0 }]
}

fn ten_minutes() -> Seconds {
    600
}

fn one_day() -> Seconds {
    86_400
}

fn quarter_hour() -> Seconds {
    900
}

fn ok_status() -> u16 {
    200
}
