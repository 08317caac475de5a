//! Where a blue/green workload stands, and what people may ask of it there.

use super::plan::observe;
use super::ports::{Rollout, Trouble};
use super::run::Adapter;
use crate::model::Slot;
use crate::plan::LiveRollout;
use crate::rollout::{Content, Decision, Phase, Progress, Record, Workload, decide};
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
        if !self.live.desired.gates.approval {
            return Err("it asks for no approval (gates.approval is false)".into());
        }
        let Some((slot, record)) = seen.current_record().filter(|(_, record)| record.progress.is_under_way())
        else {
            return Err(self.no_rollout_is_noted());
        };
        let wanted = &self.live.desired.revision;
        if record.revision != *wanted {
            return Err(format!(
                "the rollout that is noted is of revision {}, and this commit wants {wanted}; {}",
                record.revision,
                self.runs(slot)
            ));
        }
        if !seen.slots.get(slot).is_desired() {
            return Err(format!(
                "the rollout that is noted is of this commit's revision, but {}",
                self.runs(slot)
            ));
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

    /// Nothing waits for approval, as far as is noted; and what the side that does not serve really runs where it has no
    /// note, which may have been lost.
    fn no_rollout_is_noted(&self) -> String {
        let seen = &self.live.observation;
        let is_unnoted =
            |slot: &Slot| seen.slots.get(*slot).count() > 0 && seen.slots.get(*slot).record.is_none();
        let idle = seen.serving_slot().map(Slot::other).filter(is_unnoted);
        let runs = idle.map(|slot| format!("; {}", self.runs(slot))).unwrap_or_default();
        format!("no rollout that waits for approval is noted ({}){runs}", self.state())
    }

    /// What `slot` runs, as the platform tells it: `green (web-green) runs web:2, which is what this commit wants`.
    fn runs(&self, slot: Slot) -> String {
        let name = self.rollout.slot_name(slot);
        match &self.live.observation.slots.get(slot).workload {
            Workload::Absent | Workload::Draining => format!("{slot} ({name}) is not there"),
            Workload::Present { content, label, .. } => {
                let label = if label.is_empty() { "a version without a name" } else { label };
                let is = match content {
                    Content::Desired => "which is what this commit wants",
                    Content::Other => "which is not what this commit wants",
                    Content::Unknown => "of which nobody can tell whether it is what this commit wants",
                };
                format!("{slot} ({name}) runs {label}, {is}")
            }
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
