//! Where the blue/green workloads of an application stand, for the verbs that speak to one of them.

use super::error::CliError;
use crate::engine::{self, Deployment, Rollout};
use crate::model::Slot;
use crate::plan::LiveRollout;
use crate::rollout::{Decision, Record, decide};
use crate::sites::Target;
use clap::Args;
use serde::Serialize;

/// Which workload is meant.
#[derive(Args, Clone, Debug)]
pub struct WorkloadArg {
    /// The BlueGreen's name; needed if more than one comes into question
    #[arg(value_name = "WORKLOAD")]
    pub workload: Option<String>,
}

/// One workload as it is now.
pub struct Standing {
    pub rollout: Rollout,
    pub live: LiveRollout,
    pub decision: Decision,
}

impl Standing {
    /// Reads the workload `name`, or all.
    ///
    /// # Errors
    /// If there is no such workload, or a read fails.
    pub async fn read(
        target: &Target,
        deployment: &Deployment,
        name: Option<&str>,
    ) -> Result<Vec<Standing>, CliError> {
        let rollouts = deployment.rollouts();
        let names: Vec<String> = rollouts.iter().map(|rollout| rollout.blue_green.name.clone()).collect();
        let chosen: Vec<Rollout> = rollouts
            .into_iter()
            .filter(|rollout| name.is_none_or(|name| name == rollout.blue_green.name))
            .collect();
        if chosen.is_empty() {
            return Err(match name {
                Some(name) => CliError::refused(format!("there is no BlueGreen/{name} among the documents"))
                    .hint(format!("there are: {}", names.join(", "))),
                None => CliError::refused("there is no BlueGreen among the documents"),
            });
        }
        let mut standings = vec![];
        for rollout in chosen {
            let live = engine::observe(target, &rollout).await?;
            let decision = decide(&live.desired, &live.observation, live.now);
            standings.push(Standing { rollout, live, decision });
        }
        Ok(standings)
    }

    /// `BlueGreen/web`
    pub fn document(&self) -> String {
        format!("BlueGreen/{}", self.rollout.blue_green.name)
    }

    /// The ECS service of a slot.
    pub fn service(&self, slot: Slot) -> String {
        self.rollout.slot_name(slot)
    }

    /// Where it stands, for messages.
    pub fn state(&self) -> String {
        match &self.decision.waiting_on {
            Some(on) => format!("{}, waiting for {on}", self.decision.phase),
            None => self.decision.phase.to_string(),
        }
    }
}

/// What a verb speaks to: one rollout in one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub document: String,
    pub slot: Slot,
    pub service: String,
    pub revision: String,
    /// The rollout's number; a signal counts for this one only.
    pub rollout: u64,
}

impl Subject {
    /// The rollout that `record` speaks of.
    pub fn new(standing: &Standing, slot: Slot, record: &Record) -> Subject {
        Subject {
            document: standing.document(),
            slot,
            service: standing.service(slot),
            revision: record.revision.0.clone(),
            rollout: record.sequence,
        }
    }
}

/// The one of `standings` that `test` accepts.
///
/// # Errors
/// If it accepts none, with the reasons that it gives; or more than one.
pub fn the_one<'a, T>(
    standings: &'a [Standing],
    verb: &str,
    test: impl Fn(&Standing) -> Result<T, String>,
) -> Result<(&'a Standing, T), CliError> {
    let mut accepted = vec![];
    let mut reasons = vec![];
    for standing in standings {
        match test(standing) {
            Ok(value) => accepted.push((standing, value)),
            Err(reason) => reasons.push(format!("{}: {reason}", standing.document())),
        }
    }
    let names: Vec<&str> =
        accepted.iter().map(|(standing, _)| standing.rollout.blue_green.name.as_str()).collect();
    if names.len() > 1 {
        return Err(CliError::usage(format!("several workloads could be meant: {}", names.join(", ")))
            .hint(format!("name one: cutover {verb} {}", names[0])));
    }
    accepted
        .pop()
        .ok_or_else(|| CliError::refused(format!("there is nothing to {verb}: {}", reasons.join("; "))))
}
