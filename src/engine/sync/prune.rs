//! Deletes what is no longer wanted.

use super::place::document;
use super::read;
use super::report::{ItemResult, Verdict, are_done};
use super::work::{Look, Work};
use crate::engine::events::Event;
use crate::engine::ports::{Platform, Trouble};
use crate::engine::run::Adapter;
use crate::model::Turn;
use crate::plan::{Change, Plan, PlanItem};
use std::collections::BTreeSet;
use std::time::Duration;

impl<A: Adapter + Platform> Work<'_, A> {
    /// Deletes what the plan announced and what may still go. The plan may be an hour old by now, and somebody may have
    /// sent requests to what it was going to delete: everything is read once more, as the only writer.
    pub async fn prune(&self, announced: &[&PlanItem]) -> Vec<ItemResult> {
        let document = document(&self.deployment.application);
        let looked =
            self.patiently(&document, Duration::ZERO, async || self.look_again().await.map(Look::Is)).await;
        let plan = match looked {
            Ok(plan) => plan,
            Err((verdict, why)) => return unpruned(announced, verdict, &why),
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
        Ok(read(self.adapter, self.deployment).await?.plan)
    }
}

fn unpruned(items: &[&PlanItem], verdict: Verdict, why: &str) -> Vec<ItemResult> {
    let result =
        |item: &&PlanItem| ItemResult { document: item.document(), verdict, message: why.to_owned() };
    items.iter().map(result).collect()
}
