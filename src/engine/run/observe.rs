//! Reads everything that a decision is made from.

use super::memory::Stale;
use super::{Adapter, Run};
use crate::engine::Begun;
use crate::engine::ports::{Rollout, SlotsReading, Trouble, TroubleKind};
use crate::model::{BySlot, ClusterTraffic, Seconds, Slot};
use crate::rollout::{
    Alarm, Content, Desired, Hindrance, HttpAnswer, Observation, Phase, Progress, Remedy, SlotObservation,
    Targets, Workload, decide, http_can_be_asked,
};
use futures_util::future::join;
use std::collections::{BTreeMap, BTreeSet};

impl<A: Adapter> Run<'_, A> {
    /// What the documents want.
    ///
    /// # Errors
    /// Those of the adapter.
    pub async fn desired(&self) -> Result<Desired, Trouble> {
        let revision = self.ports.adapter.desired_revision(self.rollout).await?;
        Ok(desired(self.rollout, revision))
    }

    /// Reads everything once. `None` if an answer was older than our last write.
    ///
    /// # Errors
    /// A read that failed and without which there is no way back either; the others are named holes.
    pub async fn observe(&mut self, want: &Desired) -> Result<Option<Observation>, Trouble> {
        let adapter = self.ports.adapter;
        self.read_alone = adapter.is_held();
        self.unread = None;
        let read = adapter.observe_slots(self.rollout).await;
        let SlotsReading { mut slots, mut hindrances } = read.or_else(|trouble| self.as_known(trouble))?;
        turn_with_their_slots(&mut slots);
        self.registered = BySlot::from_fn(|slot| slots.get(slot).groups.clone());
        let traffic = adapter.observe_traffic(self.rollout, &self.registered).await?;
        if self.memory.check_rules(&traffic, self.now()) == Err(Stale) {
            return Ok(None);
        }
        hindrances.extend(traffic.hindrances);
        self.stickiness = traffic.stickiness;
        self.others = traffic.others;
        let is_production = |rule: &String| traffic.rules.iter().any(|read| read.id == *rule);
        let sticky = self.stickiness.iter().filter(|(rule, _)| is_production(rule));
        let sticky = sticky.map(|(_, seconds)| *seconds).max().unwrap_or(0);
        let members = |slot| self.members(slot, slots.get(slot), traffic.healthy.get(slot));
        let (blue, green) = join(members(Slot::Blue), members(Slot::Green)).await;
        for (slot, members) in [(Slot::Blue, blue), (Slot::Green, green)] {
            let (targets, healthy) = (traffic.targets.get(slot), traffic.healthy.get(slot));
            let has_weight = traffic.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
            let seen = slots.get_mut(slot);
            seen.unread.clone_from(traffic.unread.get(slot));
            count_targets(seen, targets, healthy, members);
            if seen.workload == Workload::Absent && has_weight && !targets.is_empty() {
                // That they are somebody else's is known without a name.
                match adapter.strangers(self.rollout, slot).await {
                    Ok(strangers) => seen.strangers = strangers,
                    Err(trouble) => seen.strangers_unread = Some(trouble.to_string()),
                }
            }
        }
        let mut seen = Observation {
            slots,
            rules: traffic.rules,
            test_rule: traffic.test_rule,
            alarms: vec![],
            http: vec![],
            changed_by_others: None,
            hindrances,
            gate_held_since: None,
            settle: traffic.settle,
            weights_since: None,
            ill_since: BTreeMap::new(),
            watched_since: None,
            sticky,
        };
        self.memory.recall_notes(&mut seen, self.now());
        // A return asks for none of it, and waits for no answer.
        let goes_back = || decide(want, &seen, self.now()).phase == Phase::RollingBack;
        if rollout_is_near(&seen) && !goes_back() {
            // What can't be read closes the way forward.
            match adapter.observe_obstacles(self.rollout, &self.registered).await {
                Ok(obstacles) => {
                    seen.hindrances.extend(obstacles.hindrances);
                    self.notices = obstacles.notices;
                }
                Err(trouble) if trouble.kind.is_passing() => return Err(trouble),
                Err(trouble) => {
                    let restore = Remedy::Restore { what: trouble.doing.clone() };
                    seen.hindrances.push(Hindrance::new(trouble.to_string(), vec![restore]));
                }
            }
        }
        let baking = is_baking(&seen);
        let candidate = seen.candidate();
        let pointed = self.memory.test_rule_pointed_for(seen.test_rule.as_ref(), self.now());
        let alarms = async {
            match candidate.is_some() || baking {
                true => self.read_alarms(want).await,
                false => vec![],
            }
        };
        let http = async {
            let asked = candidate.filter(|slot| http_can_be_asked(want, &seen, *slot));
            let Some(slot) = asked else { return vec![] };
            // Until the load balancer follows the test rule, the old version would answer. A version that has weight was
            // asked before.
            let has_weight = seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
            let left = match pointed {
                Some(pointed) if !has_weight => traffic.test_settle.saturating_sub(pointed),
                _ => 0,
            };
            self.ask_http(want, left).await
        };
        // Side by side: neither waits for what the other one asks.
        let (alarms, http) = join(alarms, http).await;
        (seen.alarms, seen.http) = (alarms, http);
        self.memory.recall_times(want, &mut seen, &traffic.healthy, self.now());
        self.keep_last(&seen);
        self.read_at = Some(Begun::now());
        Ok(Some(seen))
    }

    /// The slots as this run knows them, where users are on a candidate and `trouble` keeps them from being read: a way
    /// back needs no more. What they run now is not known.
    fn as_known(&mut self, trouble: Trouble) -> Result<SlotsReading, Trouble> {
        let Some(mut slots) = self.known.clone().filter(|_| trouble.kind != TroubleKind::LookAgain) else {
            return Err(trouble);
        };
        for slot in Slot::BOTH {
            // Who its members are is not known either: the load balancer's word is enough for a return.
            slots.get_mut(slot).addresses = None;
            if let Workload::Present { content, .. } = &mut slots.get_mut(slot).workload {
                *content = Content::Unknown;
            }
        }
        self.unread = Some(trouble);
        Ok(SlotsReading { slots, hindrances: vec![] })
    }

    /// The gate's alarms; what can't be read is a named hole.
    async fn read_alarms(&self, want: &Desired) -> Vec<Alarm> {
        let names = &want.gates.alarms;
        match self.alarms.ask(self.ports.adapter.read_alarms(names)).await {
            Ok(alarms) => alarms,
            Err(trouble) => names.iter().map(|name| Alarm::unread(name, &trouble)).collect(),
        }
    }

    /// Asks the HTTP gate, unless the test rule takes another `left` seconds to reach the load balancer.
    async fn ask_http(&self, want: &Desired, left: Seconds) -> Vec<HttpAnswer> {
        let why = match left {
            0 => match self.http.ask(self.ports.adapter.ask_http(self.rollout)).await {
                Ok(answers) => return answers,
                Err(trouble) => trouble.to_string(),
            },
            _ => format!("the test rule takes another {left} s to reach the load balancer"),
        };
        want.gates.http.iter().map(|gate| HttpAnswer::unasked(gate, &why)).collect()
    }

    /// Those of a slot's healthy targets that are its own members. `None`: the load balancer's word is enough.
    async fn members(
        &self,
        slot: Slot,
        seen: &SlotObservation,
        healthy: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, Trouble> {
        match seen.addresses.clone() {
            Some(ready) => Ok(Some(ready)),
            None => self.ports.adapter.own_targets(self.rollout, slot, healthy).await,
        }
    }

    /// For how long clients stick to a target group, by rule, as last read.
    pub fn stickiness(&self) -> &BTreeMap<String, Seconds> {
        &self.stickiness
    }

    /// The shares of groups that are no slot's, by rule, as last read.
    pub fn others(&self) -> &BTreeMap<String, Vec<(String, u32)>> {
        &self.others
    }

    /// What could not be found out and stops nothing, as last read.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}

/// A note says by colour where its rollout comes from: from the other side. Where documents have swapped the slots' services
/// since, the services took their notes along, and the other side has the other colour.
fn turn_with_their_slots(slots: &mut BySlot<SlotObservation>) {
    for slot in Slot::BOTH {
        let record = slots.get_mut(slot).record.as_mut();
        if let Some(record) = record.filter(|record| record.from == Some(slot)) {
            record.from = Some(slot.other());
        }
    }
}

/// Counts the slot's targets: where it is known who its members are, only those are healthy.
fn count_targets(
    seen: &mut SlotObservation,
    targets: &Targets,
    healthy: &BTreeSet<String>,
    members: Result<Option<BTreeSet<String>>, Trouble>,
) {
    let own = members.unwrap_or_else(|trouble| {
        // The load balancer's word is enough for a return, and for nothing else; that nobody is healthy needs no other.
        if targets.healthy > 0 {
            seen.unread.get_or_insert_with(|| trouble.to_string());
        }
        None
    });
    seen.targets = own.map_or(*targets, |own| targets.of_these(&own, healthy));
}

/// What `rollout`'s documents ask for, with the revision that the platform computed.
pub fn desired(rollout: &Rollout, revision: crate::model::RevisionId) -> Desired {
    let bg = &rollout.blue_green;
    Desired {
        revision,
        count: rollout.desired_count(),
        most: rollout.most_count(),
        steps: bg.steps.clone(),
        gates: bg.gates.clone(),
        bake_time: bg.bake_time,
        keep_previous: bg.keep_previous,
        deadline: bg.deadline,
        whole_only: matches!(bg.traffic, Some(ClusterTraffic::Service(_))),
        terms: rollout.terms(),
    }
}

fn is_baking(seen: &Observation) -> bool {
    seen.current_record().is_some_and(|(_, record)| matches!(record.progress, Progress::Baking(_)))
}

/// True if nothing is wanted of the rules yet, and what serves is not what the documents want. A bake is watched to its end
/// first.
fn rollout_is_near(seen: &Observation) -> bool {
    match seen.unanimous_slot() {
        Some(_) if is_baking(seen) => false,
        Some(serving) => !seen.slots.get(serving).is_desired(),
        None => seen.current_record().is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RevisionId, Timestamp};
    use crate::rollout::{Intent, Record};

    #[test]
    fn a_note_on_a_service_that_changed_its_colour_still_leads_to_the_other_side() {
        for (from, then) in [(Slot::Blue, Slot::Green), (Slot::Green, Slot::Green)] {
            let record = Record {
                sequence: 3,
                revision: RevisionId("0123456789abcdef".into()),
                from: Some(from),
                started: Timestamp(1),
                progress: Progress::Rolling,
                intent: Intent::default(),
            };
            let mut slots = BySlot::<SlotObservation>::default();
            slots.blue.record = Some(record);
            turn_with_their_slots(&mut slots);
            assert_eq!(slots.blue.record.and_then(|record| record.from), Some(then), "{from}");
        }
    }
}
