//! Deletes what is no longer wanted.

use super::read;
use super::report::{ItemResult, Verdict, are_done};
use super::work::Work;
use crate::engine::events::Event;
use crate::engine::ports::{Platform, Trouble, TroubleKind};
use crate::engine::run::{Adapter, backoff};
use crate::model::Turn;
use crate::plan::{Change, Plan, PlanItem};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

impl<A: Adapter + Platform> Work<'_, A> {
    /// Deletes what the plan announced and what may still go. The plan may be an hour old by now, and somebody may have
    /// sent requests to what it was going to delete: everything is read once more, as the only writer.
    pub async fn prune(&self, announced: &[&PlanItem]) -> Vec<ItemResult> {
        let mut failures = 0;
        let plan = loop {
            let pause = match self.look_again().await {
                Ok(plan) => break plan,
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => Duration::ZERO,
                Err(Trouble { kind: TroubleKind::Transient | TroubleKind::Crowded, .. })
                    if !self.stop.is_set() =>
                {
                    failures += 1;
                    backoff(failures)
                }
                Err(trouble) => return unpruned(announced, Verdict::Error, &trouble.to_string()),
            };
            if Instant::now() + pause >= self.end {
                return unpruned(announced, Verdict::TimedOut, "the time given to the sync is over");
            }
            self.adapter.pause(pause).await;
        };
        let (pruned, kept): (Vec<&PlanItem>, Vec<&PlanItem>) = announced.iter().partition(|item| {
            plan.items.iter().any(|now| now.change == Change::Prune && now.resource == item.resource)
        });
        for item in kept {
            let text = format!("{} is not pruned: it changed since the plan was made", item.resource);
            self.watcher.event(Event::Notice { workload: self.deployment.application.name.clone(), text });
        }
        let mut results = vec![];
        // What was brought first goes last: workloads before what they refer to, namespaces at the very end.
        let turns: BTreeSet<Turn> = pruned.iter().map(|item| item.turn).collect();
        for turn in turns.into_iter().rev() {
            results
                .extend(self.each(pruned.iter().copied().filter(|item| item.turn == turn).collect()).await);
            if !are_done(&results) {
                break;
            }
        }
        results
    }

    async fn look_again(&self) -> Result<Plan, Trouble> {
        self.adapter.check_lease().await?;
        Ok(read(self.adapter, self.deployment).await?.1)
    }
}

fn unpruned(items: &[&PlanItem], verdict: Verdict, why: &str) -> Vec<ItemResult> {
    let result =
        |item: &&PlanItem| ItemResult { document: item.document(), verdict, message: why.to_owned() };
    items.iter().map(result).collect()
}
