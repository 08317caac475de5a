//! Makes the writes of a decision.

use super::last::in_two;
use super::{Adapter, Run, is_lasting};
use crate::engine::events::Event;
use crate::engine::ports::{Rollout, Traffic, Trouble, TroubleKind};
use crate::engine::write_guard::is_on_the_way_back;
use crate::model::Slot;
use crate::rollout::{Action, Hold, Observation, RuleObservation};
use std::time::Duration;

/// Nothing is written on the way back, where there may be no lock, for an observation that is older: whoever had the lock
/// meanwhile may have changed what it is about.
const OLD_AFTER: Duration = Duration::from_secs(60);

impl<A: Adapter> Run<'_, A> {
    /// Makes one write, after the lease was checked; the answer is why it was not made, if it need not be.
    pub(super) async fn act(
        &mut self,
        action: &Action,
        rules: &[RuleObservation],
        care: Care,
    ) -> Result<Option<Trouble>, Trouble> {
        let done = match (self.may_write().await, action) {
            // The lock can't be had. What need not be written is left out then; what may pass is waited for.
            (Err(trouble), _) if is_lasting(&trouble) => Err(trouble),
            (Err(trouble), _) => return Err(trouble),
            (Ok(()), Action::NameGroup { .. } | Action::PointTestRule { .. } | Action::SetWeights { .. }) => {
                self.write_rule(action, rules).await
            }
            (Ok(()), _) => self.ports.adapter.apply_workload(self.rollout, action).await.map(|()| true),
        };
        let now = self.now();
        if let Some(trouble) = done.as_ref().err().filter(|trouble| care.may_do_without(action, trouble)) {
            if let Action::WriteRecord { slot, record } = action {
                self.memory.record_noted(*slot, record.clone(), false, now);
                self.keep_record(*slot, record);
            }
            let text = format!("could not {}, going on: {trouble}", action.in_words(self.rollout.terms()));
            let trouble = trouble.clone();
            self.tell(Event::Trouble { workload: self.name(), text });
            return Ok(Some(trouble));
        }
        if !done? {
            return Ok(None);
        }
        match action {
            Action::WriteRecord { slot, record } => {
                self.memory.record_noted(*slot, record.clone(), true, now);
                self.keep_record(*slot, record);
            }
            Action::CreateSlot { .. } => self.last = None,
            Action::SetWeights { rule, weights } => {
                if let (Some(last), Some(rule)) = (&mut self.last, rules.get(*rule)) {
                    last.split.retain(|known| !known.starts_with(&rule.id));
                    last.split.extend(in_two(&rule.id, *weights));
                }
            }
            _ => {}
        }
        let text = action.in_words(self.rollout.terms());
        self.tell(Event::Wrote { workload: self.name(), action: action.clone(), text });
        Ok(None)
    }

    /// Passes if this run is the only writer, and has been since it read what it writes for.
    async fn may_write(&self) -> Result<(), Trouble> {
        let adapter = self.ports.adapter;
        adapter.check_lease().await?;
        let look_again = |message: &str| Trouble {
            kind: TroubleKind::LookAgain,
            doing: format!("writing to BlueGreen/{}", self.name()),
            message: message.into(),
        };
        // Without the lock another run may have worked while this machine slept.
        if is_on_the_way_back() && self.read_at.is_some_and(|at| at.elapsed() > OLD_AFTER) {
            return Err(look_again("it was observed too long ago"));
        }
        // One of several rollouts took the lease for all. What the others decided on may be older than that.
        match self.read_alone || !adapter.is_held() {
            true => Ok(()),
            false => Err(look_again("it was observed before this run had the lock")),
        }
    }

    /// Writes a rule if it is still as it was observed; false if it is not.
    pub(super) async fn write_rule(
        &mut self,
        action: &Action,
        rules: &[RuleObservation],
    ) -> Result<bool, Trouble> {
        let index = match action {
            Action::NameGroup { rule, .. } | Action::SetWeights { rule, .. } => Some(*rule),
            _ => None,
        };
        let observed = match index {
            Some(index) => rules.get(index),
            None => rules.last(),
        };
        let Some(observed) = observed else {
            return Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: action.to_string(),
                message: "the rule was not observed".into(),
            });
        };
        let written =
            self.ports.adapter.apply_traffic(self.rollout, &self.registered, observed, action).await;
        let now = self.now();
        match (&written, index) {
            (Ok(after), Some(index)) => self.memory.rule_written(index, after, now),
            (Err(trouble), Some(index)) if trouble.kind.is_passing() => {
                let attempted = match action {
                    Action::SetWeights { weights, .. } => *weights,
                    _ => observed.split.weights(),
                };
                self.memory.rule_uncertain(index, attempted, now);
            }
            (Err(trouble), index) if trouble.kind == TroubleKind::ChangedByOthers => {
                // Right after our own write it may be the observation that was old, not the rule that is new. Where the
                // test rule points is asked again anyway.
                if index.is_some_and(|index| !self.memory.rule_in_motion(index, now)) {
                    self.memory.found_changed(&observed.id, trouble.to_string());
                }
                return Ok(false);
            }
            _ => {}
        }
        written.map(|_| true)
    }
}

/// What becomes of a write that can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Nothing that comes after it is done.
    Exactly,
    /// Notes, marks and counts are left out, and the rest is done.
    AsFarAsPossible,
}

impl Care {
    pub(super) fn may_do_without(self, action: &Action, trouble: &Trouble) -> bool {
        let is_aside = match action {
            // The gate stays closed without it; what else is done does not depend on it.
            Action::PointTestRule { .. } => true,
            Action::WriteRecord { .. } | Action::AdoptSlot { .. } | Action::ScaleSlot { .. } => {
                self == Care::AsFarAsPossible
            }
            _ => false,
        };
        let is_awaited = match trouble.kind {
            TroubleKind::LookAgain | TroubleKind::LockAwaited => true,
            TroubleKind::Crowded => self == Care::Exactly,
            _ => false,
        };
        is_aside && !is_awaited
    }
}

/// Asks whether requests may still reach the live service of a slot by a rule that the documents do not name. Its test
/// rule is no such rule.
///
/// # Errors
/// Any read that failed: then it may.
pub(in crate::engine) async fn hold<A: Traffic>(
    adapter: &A,
    rollout: &Rollout,
    seen: &Observation,
    slot: Slot,
) -> Result<Hold, Trouble> {
    let mut groups = seen.slots.get(slot).groups.clone();
    // Where it is going to be registered, somebody else's rule would send requests to it at once.
    groups.extend(Some(rollout.blue_green.target_group(slot).to_owned()).filter(|group| !group.is_empty()));
    if groups.is_empty() {
        return Ok(Hold::Free);
    }
    // The weights of the documents' own rules are known.
    let except: Vec<String> = seen.rules.iter().chain(&seen.test_rule).map(|rule| rule.id.clone()).collect();
    let behind = adapter.traffic_behind(&groups, &except).await?;
    Ok(behind.map_or(Hold::Free, Hold::Held))
}
