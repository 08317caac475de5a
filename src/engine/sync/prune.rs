//! Deletes what is no longer wanted.

use super::place::document;
use super::report::{ItemResult, Verdict};
use super::standing::{Unfinished, is_needed_by, unfinished, waits_for};
use super::work::{Look, Work};
use super::{Reading, read, worst};
use crate::engine::events::Event;
use crate::engine::plan::CONCURRENCY;
use crate::engine::ports::{Platform, Settled, Trouble};
use crate::engine::run::Adapter;
use crate::model::{Destination, Turn};
use crate::plan::{Change, PlanItem};
use futures_util::{StreamExt, stream};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Names that a sentence lists.
const HOLDERS_NAMED: usize = 3;

/// How often it is looked whether something is gone.
const POLL: Duration = Duration::from_secs(1);
/// How long a deletion is tried that the other side does not take: a webhook may be away.
const PATIENCE: Duration = Duration::from_secs(120);

impl<A: Adapter + Platform> Work<'_, A> {
    /// Deletes what the plan announced and what may still go. The plan may be an hour old by now, and somebody may have
    /// sent requests to what it was going to delete: everything is read once more, as the only writer. `results` is what
    /// came of everything else.
    pub async fn prune(&self, announced: &[&PlanItem], results: &[ItemResult]) -> Vec<ItemResult> {
        if announced.is_empty() {
            return vec![];
        }
        let document = document(&self.deployment.application);
        let looked =
            self.patiently(&document, Duration::ZERO, async || self.look_again().await.map(Look::Is)).await;
        let Reading { live, plan, .. } = match looked {
            Ok(reading) => reading,
            Err((verdict, why)) => return unpruned(announced, verdict, &why),
        };
        let mut left: Vec<&PlanItem> = vec![];
        for item in announced {
            match plan.items.iter().find(|now| now.change == Change::Prune && now.resource == item.resource) {
                Some(now) => left.push(now),
                None => self.tell_kept(item),
            }
        }
        let unfinished = [unfinished(&plan, &live, results), self.unfinished_rollouts(results)].concat();
        let (held, free): (Vec<&PlanItem>, Vec<&PlanItem>) =
            left.into_iter().partition(|item| unfinished.iter().any(|one| waits_for(&item.resource, one)));
        // Who waits for a person's word says so with that exit code.
        let verdict = match worst(results) {
            Verdict::AwaitingApproval => Verdict::AwaitingApproval,
            _ => Verdict::TimedOut,
        };
        let waiting = |item: &PlanItem| {
            let others = unfinished.iter().filter(|one| waits_for(&item.resource, one));
            ItemResult { verdict, ..held_up(item, others, "stands") }
        };
        let mut results: Vec<ItemResult> = held.into_iter().map(waiting).collect();
        results.extend(self.in_turns(&free, vec![], None).await);
        results
    }

    /// What was brought first goes last: workloads before what they refer to, namespaces at the very end. What is needed by
    /// something that is still `going` waits for it; nothing else does, after that much `patience`.
    pub(super) async fn in_turns(
        &self,
        pruned: &[&PlanItem],
        mut going: Vec<Unfinished>,
        patience: Option<Duration>,
    ) -> Vec<ItemResult> {
        let mut results = vec![];
        let turns: BTreeSet<Turn> = pruned.iter().map(|item| item.turn).collect();
        for turn in turns.into_iter().rev() {
            let items = pruned.iter().copied().filter(|item| item.turn == turn);
            let (held, free): (Vec<&PlanItem>, Vec<&PlanItem>) =
                items.partition(|item| going.iter().any(|one| is_needed_by(&item.resource, one)));
            for item in held {
                let needing = going.iter().filter(|one| is_needed_by(&item.resource, one));
                results.push(held_up(item, needing, "is gone"));
                going.push(Unfinished::of(item));
            }
            let end = patience.map_or(self.end, |patience| self.end.min(Instant::now() + patience));
            let ended: Vec<ItemResult> = stream::iter(free.iter().copied())
                .map(|item| self.delete(item, end))
                .buffered(CONCURRENCY)
                .collect()
                .await;
            let not_gone = free.iter().zip(&ended).filter(|(_, result)| result.verdict != Verdict::Done);
            going.extend(not_gone.map(|(item, _)| Unfinished::of(item)));
            results.extend(ended);
        }
        results
    }

    async fn delete(&self, item: &PlanItem, end: Instant) -> ItemResult {
        let until = (Instant::now() + PATIENCE).min(end);
        match self.bring(item, until, false).await {
            Ok(_) => self.gone(item, end).await,
            Err(result) => result,
        }
    }

    /// Waits until what was told to go is gone, no longer than until then.
    async fn gone(&self, item: &PlanItem, end: Instant) -> ItemResult {
        let document = item.document();
        let last = RefCell::new(String::new());
        let gone = self.patiently_until(&document, POLL, end, async || {
            let state = match self.adapter.settled(self.deployment, item).await? {
                Settled::Steady => return Ok(Look::Is(())),
                Settled::InProgress { state, .. } | Settled::Failed { state, .. } => state,
            };
            if *last.borrow() != state {
                let text = state.clone();
                self.watcher.event(Event::Settling { document: document.clone(), text });
            }
            *last.borrow_mut() = state.clone();
            Ok(Look::NotYet(state))
        });
        let (verdict, message) = match gone.await {
            Ok(()) => (Verdict::Done, String::new()),
            Err((verdict, why)) => (verdict, why),
        };
        ItemResult { document, verdict, message }
    }

    fn tell_kept(&self, item: &PlanItem) {
        let text = format!("{} is not pruned: it changed since the plan was made", item.resource);
        self.watcher.event(Event::Notice { workload: self.deployment.application.name.clone(), text });
    }

    fn unfinished_rollouts(&self, results: &[ItemResult]) -> Vec<Unfinished> {
        let own = match &self.deployment.application.destination {
            Destination::Kubernetes { namespace, .. } => Some(namespace.as_str()),
            Destination::Ecs { .. } => None,
        };
        let left = self.deployment.rollouts().into_iter().map(|rollout| {
            Unfinished::rollout(&rollout.blue_green.name, own.map(|own| rollout.namespace().unwrap_or(own)))
        });
        let is_done = |one: &Unfinished| {
            results.iter().any(|result| result.document == one.document && result.verdict == Verdict::Done)
        };
        left.filter(|one| !is_done(one)).collect()
    }

    async fn look_again(&self) -> Result<Reading, Trouble> {
        self.adapter.check_lease().await?;
        read(self.adapter, self.deployment).await
    }
}

/// What is not told to go yet; it waits until each of `others` `is_so`.
fn held_up<'a>(item: &PlanItem, others: impl Iterator<Item = &'a Unfinished>, is_so: &str) -> ItemResult {
    let others: Vec<&str> = others.map(|one| one.document.as_str()).collect();
    let named = others.iter().take(HOLDERS_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = match others.len().saturating_sub(HOLDERS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("is not pruned yet: it waits until {named}{more} {is_so}");
    ItemResult { document: item.document(), verdict: Verdict::TimedOut, message }
}

fn unpruned(items: &[&PlanItem], verdict: Verdict, why: &str) -> Vec<ItemResult> {
    let result =
        |item: &&PlanItem| ItemResult { document: item.document(), verdict, message: why.to_owned() };
    items.iter().map(result).collect()
}
