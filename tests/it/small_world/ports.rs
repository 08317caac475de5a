//! How the engine sees the world and acts on it.

use super::state::{Kind, Rule};
use super::world::{SETTLE, World, transient};
use cutover::engine::{
    Gating, Guard, Registered, Rollout, SlotsReading, Traffic, TrafficReading, Trouble, TroubleKind,
    Workloads,
};
use cutover::model::{BySlot, RevisionId, Slot};
use cutover::rollout::{
    Action, Alarm, AlarmState, Content, Hindrance, HttpAnswer, RuleObservation, RuleSplit, SlotObservation,
    Stage, Workload,
};

impl Workloads for World {
    async fn desired_revision(&self, _: &Rollout) -> Result<RevisionId, Trouble> {
        Ok(revision(self.wanted.get()))
    }

    async fn observe_slots(&self, _: &Rollout) -> Result<SlotsReading, Trouble> {
        let (state, now) = (self.read("DescribeServices")?, self.time());
        let slots = BySlot::from_fn(|slot| {
            let Some(service) = state.slots.get(slot) else { return SlotObservation::default() };
            let crash = self.kinds[service.version] == Kind::CrashLoop;
            let running = service.tasks.iter().filter(|task| now > task.started).count();
            let running = if crash { 0 } else { u32::try_from(running).unwrap_or(0) };
            let content =
                if service.version == self.wanted.get() { Content::Desired } else { Content::Other };
            SlotObservation {
                workload: Workload::Present {
                    content,
                    desired_count: service.count,
                    running,
                    pending: service.count - running.min(service.count),
                    stage: if running >= service.count { Stage::Steady } else { Stage::InProgress },
                    owned: service.owned,
                    label: format!("v{}", service.version),
                    troubles: vec![],
                },
                record: service.record.clone(),
                signals: service.signals,
                addresses: self.platform.addresses(&state, slot, now, &self.kinds),
                ..SlotObservation::default()
            }
        });
        Ok(SlotsReading { slots, hindrances: vec![] })
    }

    async fn apply_workload(&self, _: &Rollout, action: &Action) -> Result<(), Trouble> {
        self.write(&action.to_string(), || {
            self.do_workload(action);
            Ok(())
        })
    }
}

impl Traffic for World {
    async fn observe_traffic(&self, _: &Rollout, _: &Registered) -> Result<TrafficReading, Trouble> {
        let (state, now) = (self.read("DescribeRules")?, self.time());
        let (targets, healthy) = self.platform.targets(&state, now, &self.kinds);
        let rules = state.rules.iter().enumerate().map(|(index, rule)| observation(index, rule)).collect();
        Ok(TrafficReading {
            rules,
            test_rule: None,
            targets,
            healthy,
            stickiness: Default::default(),
            others: Default::default(),
            settle: SETTLE,
            test_settle: 0,
            unread: BySlot::default(),
            hindrances: vec![],
        })
    }

    async fn apply_traffic(
        &self,
        _: &Rollout,
        _: &Registered,
        observed: &RuleObservation,
        action: &Action,
    ) -> Result<RuleObservation, Trouble> {
        if !self.platform.knows_shares() && !is_whole(action) {
            self.broken(format!("a selector is asked for what it can't do: {action}"));
        }
        let (index, split) = match action {
            Action::NameGroup { rule, .. } => {
                (*rule, RuleSplit::Both(self.state.borrow().rules[*rule].split.weights()))
            }
            Action::SetWeights { rule, weights } => (*rule, RuleSplit::Both(*weights)),
            _ => return Err(transient("not a traffic action")),
        };
        let found = observation(index, &self.state.borrow().rules[index]);
        if found.fingerprint != observed.fingerprint {
            return Err(Trouble {
                kind: TroubleKind::ChangedByOthers,
                doing: format!("ModifyRule {index}"),
                message: format!("it has {} and was read with {}", found.fingerprint, observed.fingerprint),
            });
        }
        self.write(&action.to_string(), || {
            if let Action::SetWeights { weights, .. } = action {
                self.may_get_weight(index, *weights);
                self.weight_writes.set(self.weight_writes.get() + 1);
            }
            let mut state = self.state.borrow_mut();
            let rule = &mut state.rules[index];
            if rule.split.weights() != split.weights() {
                rule.changed = self.time();
            }
            rule.writes += 1;
            rule.split = split;
            Ok(observation(index, rule))
        })
    }

    async fn traffic_behind(&self, _: &[String], _: &[String]) -> Result<Option<Hindrance>, Trouble> {
        Ok(None)
    }
}

impl Gating for World {
    async fn read_alarms(&self, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
        let state = self.read("DescribeAlarms")?;
        let ringing = Slot::BOTH.into_iter().any(|slot| {
            let weighted = state.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
            let service = state.slots.get(slot).as_ref();
            weighted && service.is_some_and(|s| self.kinds[s.version] == Kind::RingsAlarm)
        });
        let of = |name: &String| Alarm {
            name: name.clone(),
            state: if ringing { AlarmState::Alarm } else { AlarmState::Ok },
            detail: String::new(),
        };
        Ok(names.iter().map(of).collect())
    }

    async fn ask_http(&self, _: &Rollout) -> Result<Vec<HttpAnswer>, Trouble> {
        Ok(vec![])
    }
}

impl Guard for World {
    async fn check_lease(&self) -> Result<(), Trouble> {
        Ok(())
    }

    fn is_held(&self) -> bool {
        true
    }
}

pub fn revision(version: usize) -> RevisionId {
    RevisionId(format!("{version:016x}"))
}

fn observation(index: usize, rule: &Rule) -> RuleObservation {
    let fingerprint = format!("{:?}", rule.split);
    RuleObservation { id: format!("rule-{}", index + 1), split: rule.split.clone(), fingerprint }
}

/// True for all of the traffic to one side.
fn is_whole(action: &Action) -> bool {
    let Action::SetWeights { weights, .. } = action else { return false };
    Slot::BOTH.into_iter().any(|slot| weights.all_to(slot))
}
