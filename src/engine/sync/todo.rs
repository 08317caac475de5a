//! What of a plan has something to do, and in which order it is waited for.

use super::report::{ItemResult, Verdict};
use super::standing::is_registration;
use crate::engine::deployment::Deployment;
use crate::engine::events::{Event, Watcher};
use crate::engine::ports::Rollout;
use crate::model::{Health, HookPhase, Turn};
use crate::plan::{Change, Live, Plan, PlanItem};
use crate::rollout::{Outcome, decide};
use std::collections::BTreeSet;

/// What has something to do in a sync, pruning aside.
pub(super) struct Todo<'a> {
    pub items: Vec<&'a PlanItem>,
    pub rollouts: Vec<Rollout>,
    /// Registrations of webhooks and of API servers that are to be pruned: they may keep everything else from being applied.
    pub unregistered: Vec<&'a PlanItem>,
}

impl<'a> Todo<'a> {
    pub fn new(deployment: &Deployment, plan: &'a Plan, live: &Live) -> Todo<'a> {
        let degraded = live.objects.values().filter(|object| object.health.health == Health::Degraded);
        let degraded: BTreeSet<String> = degraded.map(|object| object.key.to_string()).collect();
        let has_work = |item: &&PlanItem| match item.change {
            Change::Prune => false,
            // Nothing is planned for it: it has work only if something else fails.
            _ if item.turn.phase == HookPhase::SyncFail => true,
            // What was changed by a run that was cut off is as declared, but may not have come to rest; what fares badly is told
            // by each sync as by the first.
            Change::Unchanged => live.moving.contains(&item.resource) || degraded.contains(&item.resource),
            _ => true,
        };
        let items = plan.items.iter().filter(|item| !item.carried).filter(has_work).collect();
        let unregistered = plan.items.iter().filter(|item| item.change == Change::Prune && registers(item));
        Todo { items, rollouts: deployment.rollouts(), unregistered: unregistered.collect() }
    }

    /// Registrations that are there and get other content after `turn`.
    pub fn later_registrations(&self, turn: Turn) -> Vec<&'a PlanItem> {
        let is_it = |item: &&PlanItem| {
            item.change == Change::Update
                && item.turn > turn
                && item.turn.phase == turn.phase
                && registers(item)
        };
        self.items.iter().copied().filter(is_it).collect()
    }

    /// The results, if neither an item nor a rollout has anything to do: what was read for the plan says it all.
    pub fn already_done(&self, live: &Live, watcher: &dyn Watcher) -> Option<Vec<ItemResult>> {
        let is_idle = |item: &&PlanItem| item.turn.phase == HookPhase::SyncFail;
        if !self.items.iter().all(is_idle) {
            return None;
        }
        let decision = |rollout: &Rollout| {
            let reading = live.rollouts.get(&rollout.blue_green.name)?.as_ref().ok()?;
            let decision = decide(&reading.desired, &reading.observation, reading.now);
            (decision.outcome() == Some(Outcome::Done)).then_some((reading, decision))
        };
        let decisions: Vec<_> = self.rollouts.iter().map(decision).collect::<Option<_>>()?;
        let mut results = vec![];
        for (rollout, (reading, decision)) in self.rollouts.iter().zip(decisions) {
            let workload = rollout.blue_green.name.clone();
            watcher.observed(&workload, &reading.observation);
            watcher.event(Event::Phase { workload: workload.clone(), phase: decision.phase });
            if let Some(on) = decision.waiting_on {
                let terms = reading.desired.terms;
                let (text, general) = (on.in_words(terms), on.in_general(terms));
                watcher.event(Event::Waiting { workload: workload.clone(), on, text, general });
            }
            let document = format!("BlueGreen/{workload}");
            results.push(ItemResult { document, verdict: Verdict::Done, message: String::new() });
        }
        Some(results)
    }

    /// True if something is written whatever rollouts find.
    pub fn is_certain_to_write(&self) -> bool {
        let writes =
            |item: &&PlanItem| item.turn.phase != HookPhase::SyncFail && item.change != Change::Unchanged;
        self.items.iter().any(writes)
    }

    pub fn turns(&self) -> BTreeSet<Turn> {
        let items = self.items.iter().map(|item| item.turn);
        items.chain(self.rollouts.iter().map(|rollout| rollout.turn)).collect()
    }
}

fn registers(item: &PlanItem) -> bool {
    item.resource.split('/').next().is_some_and(is_registration)
}

/// Turns that are waited for together: those of one wave, but for its first ranks, each of which the next one needs.
pub(super) fn groups(turns: impl Iterator<Item = Turn>) -> Vec<Vec<Turn>> {
    let mut groups: Vec<Vec<Turn>> = vec![];
    for turn in turns {
        match groups.last_mut().filter(|group| group.last().is_some_and(|last| last.is_awaited_with(turn))) {
            Some(group) => group.push(turn),
            None => groups.push(vec![turn]),
        }
    }
    groups
}
