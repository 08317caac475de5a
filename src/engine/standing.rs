//! Where a blue/green workload stands, and what people may ask of it there.

use super::plan::observe;
use super::ports::{Rollout, Trouble};
use super::run::Adapter;
use crate::model::Slot;
use crate::plan::LiveRollout;
use crate::rollout::{Decision, Phase, Progress, Record, decide};
use serde::Serialize;

/// One workload as it is now.
pub struct Standing {
    pub rollout: Rollout,
    pub live: LiveRollout,
    pub decision: Decision,
}

impl Standing {
    /// Reads a workload.
    ///
    /// # Errors
    /// Any read that failed.
    pub async fn read<A: Adapter>(adapter: &A, rollout: Rollout) -> Result<Standing, Trouble> {
        let live = observe(adapter, &rollout).await?;
        let decision = decide(&live.desired, &live.observation, live.now);
        Ok(Standing { rollout, live, decision })
    }

    /// `BlueGreen/web`
    pub fn document(&self) -> String {
        format!("BlueGreen/{}", self.rollout.blue_green.name)
    }

    /// Where it stands, for messages.
    pub fn state(&self) -> String {
        match &self.decision.waiting_on {
            Some(on) => {
                format!("{}, waiting for {}", self.decision.phase, on.in_words(self.live.desired.terms))
            }
            None => self.decision.phase.to_string(),
        }
    }

    /// The rollout that waits for approval, or why none does.
    pub(super) fn to_promote(&self) -> Result<Subject, String> {
        let seen = &self.live.observation;
        let Some((slot, record)) = seen.current_record() else {
            return Err(format!("no rollout is under way ({})", self.state()));
        };
        if !self.live.desired.gates.approval {
            return Err("it asks for no approval (gates.approval is false)".into());
        }
        if record.revision != self.live.desired.revision {
            return Err("its rollout is of another revision than this commit's".into());
        }
        match record.progress {
            Progress::Ready if seen.slots.get(slot).signals.promote == Some(record.sequence) => {
                Err("it is promoted already; the next sync goes on".into())
            }
            Progress::Ready => Ok(self.subject(slot, record)),
            Progress::Rolling => Err(format!("its gates are not open yet ({})", self.state())),
            _ => Err(format!("nothing waits for approval ({})", self.state())),
        }
    }

    /// The rollout that can be given up, or why none can.
    pub(super) fn to_abort(&self) -> Result<Subject, String> {
        let seen = &self.live.observation;
        let Some((slot, record)) = seen.current_record() else {
            return Err(format!("no rollout is under way ({})", self.state()));
        };
        let has_weight = seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
        match record.progress {
            Progress::Rolling | Progress::Ready | Progress::Shifting { .. } | Progress::Baking(_) => {
                if record.from.is_none() && has_weight {
                    return Err("it serves already, and there is no previous version to go back to".into());
                }
                if seen.slots.get(slot).signals.abort == Some(record.sequence) {
                    return Err("it is aborted already; the next sync takes traffic back".into());
                }
                Ok(self.subject(slot, record))
            }
            Progress::Returning { .. } => Err("its traffic is going back already".into()),
            Progress::Done(_) | Progress::Failed(_) => {
                Err(format!("no rollout is under way ({})", self.state()))
            }
        }
    }

    /// The slots whose notes keep a sync from going on. What helps is found by asking the cutover machine itself.
    pub(super) fn to_forget(&self) -> Result<Vec<Slot>, String> {
        let seen = &self.live.observation;
        let failed = |slot: &Slot| {
            seen.slots.get(*slot).record.as_ref().is_some_and(|record| {
                matches!(record.progress, Progress::Failed(_))
                    && record.revision == self.live.desired.revision
            })
        };
        let noted = |slot: &Slot| seen.slots.get(*slot).record.is_some();
        let slots: Vec<Slot> = match self.decision.phase {
            Phase::Quarantined => Slot::BOTH.into_iter().filter(failed).collect(),
            Phase::Blocked => Slot::BOTH.into_iter().filter(noted).collect(),
            _ => return Err(format!("nothing keeps a sync from going on ({})", self.state())),
        };
        let mut without = seen.clone();
        for slot in &slots {
            without.slots.get_mut(*slot).record = None;
        }
        let then = decide(&self.live.desired, &without, self.live.now);
        if slots.is_empty() || then.phase == self.decision.phase {
            return Err(format!("that would not help ({})", self.state()));
        }
        Ok(slots)
    }

    fn subject(&self, slot: Slot, record: &Record) -> Subject {
        Subject {
            document: self.document(),
            slot,
            service: self.rollout.slot_name(slot),
            revision: record.revision.0.clone(),
            rollout: record.sequence,
            progress: record.progress.to_string(),
        }
    }
}

/// One rollout in one slot, as a request speaks of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    pub document: String,
    pub slot: Slot,
    /// The ECS service or Deployment.
    pub service: String,
    pub revision: String,
    /// The rollout's number; a signal counts for this one only.
    pub rollout: u64,
    /// How far it has come, for people.
    #[serde(skip)]
    pub progress: String,
}
