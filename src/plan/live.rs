//! What the plan is made from besides the documents: the live state, read by the engine. A plan is only made if every
//! read behind it succeeded; what could not be read of one blue/green workload is said in its place.

use super::Owned;
use crate::model::{BySlot, HealthReport, ObjectKey, Seconds, Timestamp};
use crate::rollout::{Desired, Observation};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The live state of one application.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Elements of `DescribeServices`' `services`, read with `include: [TAGS]`, by service name: those that documents
    /// name, slots included. A name that is missing here is known to be absent.
    pub services: BTreeMap<String, Value>,
    /// Of `services`, those that their platform has not brought to rest.
    pub moving: BTreeSet<String>,
    /// By name, of `services` without blue/green: why a sync does not send what is declared to it now, since its platform
    /// gave that up before. Sentences.
    pub refused: BTreeMap<String, String>,
    /// By name, of `services` without blue/green: why it can't be deleted and created anew. Sentences.
    pub held: BTreeMap<String, String>,
    /// By name, of services without blue/green: why they may not be registered in the target groups that they declare.
    /// Sentences.
    pub taken: BTreeMap<String, String>,
    /// The revisions that are known: those that live services run, those found by content. In any order.
    pub revisions: Vec<LiveRevision>,
    /// By BlueGreen name. The sentence says why a workload could not be read.
    pub rollouts: BTreeMap<String, Result<LiveRollout, String>>,
    /// The Kubernetes objects that documents name, by the document's key. Those that BlueGreens make slots of are in
    /// `slots` instead.
    pub objects: BTreeMap<ObjectKey, LiveObject>,
    /// By BlueGreen name: what each slot on Kubernetes consists of (Deployment, Service, TargetGroupBinding, what is
    /// carried along), as its cluster has it and as it would be if the slot were brought to the documents now, with the
    /// number of pods that it has. A part that is not there and is not needed yet is `Unasked`.
    pub slots: BTreeMap<String, BySlot<Vec<LiveObject>>>,
    /// All services or objects that bear the application's mark.
    pub owned: Vec<Owned>,
    /// Set if `owned` may lack something: the sentence says why. Nothing is pruned then.
    pub incomplete: Option<String>,
    /// Set if nobody knows whether rollouts are under way that no document declares: a sentence. Unlike `incomplete`, it says
    /// nothing of what is pruned.
    pub unlisted: Option<String>,
    /// What of the application's is where it may have nothing any more: it is neither looked at nor touched. Sentences.
    pub beyond: Vec<String>,
    /// What people should know besides and that stops nothing. Sentences.
    pub notices: Vec<String>,
}

/// One registered task definition revision.
#[derive(Clone, Debug, Default)]
pub struct LiveRevision {
    /// The ARN or `family:revision`.
    pub arn: String,
    /// Its content hash, where a tag of ours tells it.
    pub content: Option<String>,
    /// `DescribeTaskDefinition`'s `taskDefinition` with the answer's `tags` put into it, where it was read.
    pub described: Option<Value>,
}

/// A declared Kubernetes object as its cluster has it, and as it would be after an apply.
#[derive(Clone, Debug)]
pub struct LiveObject {
    /// Its full key, with the namespace that it goes to where the kind has one.
    pub key: ObjectKey,
    /// As read, `metadata.managedFields` included; `None`: it is known to be absent.
    pub live: Option<Value>,
    pub would_be: WouldBe,
    pub health: HealthReport,
    /// Declared fields that are left to whoever fills them by design, and has them live.
    pub filled: Vec<FieldConflict>,
}

/// What an apply would make of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum WouldBe {
    /// The managed fields tell that an apply changes nothing.
    Same,
    /// The API server's own answer to a dry run.
    Object(Value),
    /// It could not be asked: the kind or the namespace comes with this very sync.
    Unasked,
    /// It can't be told at the moment, and that concerns this object alone: a webhook or an aggregated API server does not
    /// answer, or the object's definition changes in this very sync. The sentence says why.
    Unanswered(String),
    /// The object itself can't be read at the moment, or its kind is not served; nothing else waits for it. The sentence says
    /// why.
    OutOfReach(String),
    /// Other managers own fields that the document declares with other values.
    Conflicts(Vec<FieldConflict>),
    /// The API server refuses the object: its message and, where that names one, the field.
    Refused { message: String, field: Option<String> },
}

/// One field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    pub manager: String,
    /// `.spec.replicas`
    pub field: String,
}

/// One BlueGreen workload as the cutover machine sees it.
#[derive(Clone, Debug)]
pub struct LiveRollout {
    pub desired: Desired,
    pub observation: Observation,
    /// The time of the observation, on AWS's clock.
    pub now: Timestamp,
    /// How long clients stick to a target group, by ARN of the rule; rules without stickiness are left out.
    pub stickiness: BTreeMap<String, Seconds>,
    /// By ARN of the rule: the groups with weight that are no slot's, each with its percent of the rule's requests.
    pub others: BTreeMap<String, Vec<(String, u32)>>,
    /// What could not be found out and stops nothing, as sentences for people.
    pub notices: Vec<String>,
}
