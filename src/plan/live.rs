//! What the plan is made from besides the documents: the live state, read by the engine. A plan is only made if every
//! read behind it succeeded; what could not be read of one blue/green workload is said in its place.

use super::Owned;
use crate::model::{Seconds, Timestamp};
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
    /// The revisions that are known: those that live services run, those found by content. In any order.
    pub revisions: Vec<LiveRevision>,
    /// By BlueGreen name. The sentence says why a workload could not be read.
    pub rollouts: BTreeMap<String, Result<LiveRollout, String>>,
    /// All services that bear the application's mark.
    pub owned: Vec<Owned>,
    /// Set if `owned` may lack something: the sentence says why. Nothing is pruned then.
    pub incomplete: Option<String>,
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

/// One BlueGreen workload as the cutover machine sees it.
#[derive(Clone, Debug)]
pub struct LiveRollout {
    pub desired: Desired,
    pub observation: Observation,
    /// The time of the observation, on AWS's clock.
    pub now: Timestamp,
    /// How long clients stick to a target group, by ARN of the rule; rules without stickiness are left out.
    pub stickiness: BTreeMap<String, Seconds>,
}
