//! Carries out what a sync has to do: applies, waits until it has come to rest, runs rollouts.

use super::apart::Apart;
use super::report::{ItemResult, Verdict, are_done};
use super::rollouts::Runs;
use super::todo::{Todo, groups};
use crate::engine::deployment::Deployment;
use crate::engine::events::{Event, Watcher};
use crate::engine::plan::CONCURRENCY;
use crate::engine::ports::{Platform, Settled, Trouble, TroubleKind};
use crate::engine::run::{Adapter, StopSignal, backoff};
use crate::engine::spans::{failed, work_span};
use crate::model::{HookPhase, Turn};
use crate::plan::{Change, PlanItem};
use futures_util::{FutureExt, StreamExt, stream};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{Instrument, Span};

/// How often a rolling service is asked whether it has settled, in seconds.
const POLL: Duration = Duration::from_secs(5);

/// How often whoever was told to look again does so although the time is over.
const LOOKS: u32 = 2;

/// What one look at something that is awaited gave.
pub(super) enum Look<T> {
    Is(T),
    /// A sentence says how far it is.
    NotYet(String),
}

/// A sync under way.
pub(super) struct Work<'a, A> {
    pub adapter: &'a A,
    pub deployment: &'a Deployment,
    pub watcher: &'a dyn Watcher,
    pub stop: &'a StopSignal,
    pub end: Instant,
    pub runs: Runs<'a, A>,
}

impl<A: Adapter + Platform> Work<'_, A> {
    /// One group of turns after the other, as far as all goes well. What is kept from being applied by something that
    /// concerns it alone is set apart until the rest of its wave is applied.
    pub async fn apply(&self, todo: &Todo<'_>, wanted: impl Fn(&Turn) -> bool) -> Vec<ItemResult> {
        let mut results = vec![];
        let apart = Apart::default();
        let mut groups = groups(todo.turns().into_iter().filter(wanted)).into_iter().peekable();
        while let Some(group) = groups.next() {
            results.extend(self.group(todo, &group, &apart).boxed_local().await);
            let Some(last) = group.last() else { continue };
            let next = groups.peek().filter(|_| are_done(&results)).and_then(|next| next.first());
            if next.is_none_or(|next| (next.phase, next.wave) != (last.phase, last.wave)) {
                results.extend(self.set_apart(todo, *last, apart.take()).boxed_local().await);
            }
            if !are_done(&results) {
                break;
            }
        }
        results
    }

    /// Applies turn after turn, and waits for all of it together. The rollouts begin with the last turn, when everything
    /// that their pods may need is on its way; neither they nor the items of that turn wait for another.
    async fn group<'b>(&self, todo: &Todo<'b>, turns: &[Turn], apart: &Apart<'b>) -> Vec<ItemResult> {
        let of = |turn: Turn| todo.items.iter().copied().filter(move |item| item.turn == turn);
        let Some((last, earlier)) = turns.split_last() else { return vec![] };
        let mut applied: Vec<&PlanItem> = vec![];
        for turn in earlier {
            let items: Vec<&'b PlanItem> = of(*turn).collect();
            let span = apply_span(*turn, items.len());
            let brought: Vec<Result<bool, ItemResult>> =
                stream::iter(items.iter().copied().map(|item| self.bring_or_set_apart(item, apart)))
                    .buffered(CONCURRENCY)
                    .collect()
                    .instrument(span.clone())
                    .await;
            let is_brought = |(item, brought): (&'b PlanItem, &Result<bool, ItemResult>)| {
                (*brought == Ok(true)).then_some(item)
            };
            let items: Vec<&PlanItem> = items.iter().copied().zip(&brought).filter_map(is_brought).collect();
            let failed: Vec<ItemResult> = brought.into_iter().filter_map(Result::err).collect();
            note_failures(&span, &failed);
            // How those that were applied come to rest is not waited for: it would only delay the bad news.
            if !failed.is_empty() {
                return failed;
            }
            applied.extend(items);
        }
        let rollouts = todo.rollouts.iter().filter(|rollout| turns.contains(&rollout.turn));
        let rollouts = rollouts.map(|rollout| rollout.blue_green.name.as_str()).collect();
        let items: Vec<&'b PlanItem> = of(*last).collect();
        let span = apply_span(*last, items.len());
        let each = async {
            let results = self.each_or_set_apart(items, apart).boxed_local().instrument(span.clone()).await;
            note_failures(&span, &results);
            results
        };
        let (mut results, last, rollouts) =
            tokio::join!(self.rest_each(applied).boxed_local(), each, self.rollouts(rollouts).boxed_local());
        results.extend(last);
        results.extend(rollouts);
        results
    }

    async fn rest_each(&self, items: Vec<&PlanItem>) -> Vec<ItemResult> {
        let span = match items.len() {
            0 => Span::none(),
            count => work_span!("settle", "syncing", items = count),
        };
        let resting = stream::iter(items).map(|item| self.rest(item)).buffered(CONCURRENCY);
        let results: Vec<ItemResult> = resting.collect().instrument(span.clone()).await;
        note_failures(&span, &results);
        results
    }

    /// Writes what the item says, or says why that was not possible until then. False if it `may_be_apart` and is kept from
    /// being written by something that concerns it alone.
    pub(super) async fn bring(
        &self,
        item: &PlanItem,
        until: Instant,
        may_be_apart: bool,
    ) -> Result<bool, ItemResult> {
        let document = item.document();
        let end = |verdict, message| ItemResult { document: item.document(), verdict, message };
        match item.change {
            Change::Blocked if may_be_apart && item.apart => return Ok(false),
            Change::Blocked => return Err(end(Verdict::Error, item.why.clone())),
            Change::Unchanged if item.turn.phase != HookPhase::SyncFail => return Ok(true),
            _ => {}
        }
        let applied = self.patiently_until(&document, Duration::ZERO, until, async || {
            match self.apply_item(item).await {
                Ok(()) => Ok(Look::Is(true)),
                Err(trouble) if may_be_apart && trouble.kind == TroubleKind::Unavailable => {
                    let text = format!("{trouble}; what does not need it goes on");
                    self.watcher.event(Event::Trouble { workload: document.clone(), text });
                    Ok(Look::Is(false))
                }
                Err(trouble) => Err(trouble),
            }
        });
        applied.await.map_err(|(verdict, message)| end(verdict, message))
    }

    pub(super) async fn apply_item(&self, item: &PlanItem) -> Result<(), Trouble> {
        self.adapter.apply_item(self.deployment, item).await?;
        let text = format!("{} {}", item.change, item.resource);
        self.watcher.event(Event::Applied { document: item.document(), text });
        Ok(())
    }

    /// Waits until what the item is about has come to rest.
    pub(super) async fn rest(&self, item: &PlanItem) -> ItemResult {
        let document = item.document();
        let settled = self.patiently(&document, POLL, async || self.settle(item, &document).await).await;
        let (verdict, message) = settled.unwrap_or_else(|end| end);
        ItemResult { document, verdict, message }
    }

    /// Repeats `step` until what it looks for is there, with a pause while it is not, longer ones after failures that may
    /// pass. The error is how the wait ended instead.
    pub async fn patiently<T>(
        &self,
        document: &str,
        pause: Duration,
        step: impl AsyncFn() -> Result<Look<T>, Trouble>,
    ) -> Result<T, (Verdict, String)> {
        self.patiently_until(document, pause, self.end, step).await
    }

    /// [`Work::patiently`], no longer than until then.
    pub async fn patiently_until<T>(
        &self,
        document: &str,
        pause: Duration,
        end: Instant,
        step: impl AsyncFn() -> Result<Look<T>, Trouble>,
    ) -> Result<T, (Verdict, String)> {
        let (mut failures, mut looks) = (0, 0);
        loop {
            if self.stop.is_set() {
                let text = "stopped before it had settled; the next sync goes on";
                return Err((Verdict::Stopped, text.into()));
            }
            let (pause, awaited) = match step().await {
                Ok(Look::Is(given)) => return Ok(given),
                Ok(Look::NotYet(text)) => {
                    failures = 0;
                    (pause, Some(text))
                }
                // It is no wait: who has just taken the lock looks, also when the time is over.
                Err(trouble) if trouble.kind == TroubleKind::LookAgain && looks < LOOKS => {
                    looks += 1;
                    continue;
                }
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => (Duration::ZERO, None),
                Err(trouble) if trouble.kind.is_passing() => {
                    failures += 1;
                    let text = trouble.to_string();
                    self.watcher.event(Event::Trouble { workload: document.to_owned(), text: text.clone() });
                    (backoff(failures), Some(text))
                }
                Err(Trouble {
                    kind: TroubleKind::Crowded | TroubleKind::LockAwaited, message: text, ..
                }) => {
                    failures += 1;
                    let settling = Event::Settling { document: document.to_owned(), text: text.clone() };
                    self.watcher.event(settling);
                    (backoff(failures), Some(text))
                }
                Err(trouble) => return Err((Verdict::Error, trouble.to_string())),
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = match end < self.end {
                    true => "it is left for the next sync",
                    false => "the time given to the sync is over; the next one goes on",
                };
                let why = awaited.map(|why| format!(" (it waited for this: {why})")).unwrap_or_default();
                return Err((Verdict::TimedOut, format!("{text}{why}")));
            }
            tokio::select! {
                () = self.adapter.pause(pause.min(left)) => {}
                () = self.stop.wait() => {}
            }
        }
    }

    /// Asks whether what the item is about has come to rest, and how.
    async fn settle(&self, item: &PlanItem, document: &str) -> Result<Look<(Verdict, String)>, Trouble> {
        let is_hook = item.turn.phase != HookPhase::Sync;
        if !self.deployment.application.sync.wait && !is_hook {
            return Ok(Look::Is((Verdict::Done, String::new())));
        }
        Ok(match self.adapter.settled(self.deployment, item).await? {
            Settled::Steady => Look::Is((Verdict::Done, String::new())),
            Settled::Failed { state, troubles } => {
                let why: Vec<String> = std::iter::once(state).chain(troubles).collect();
                Look::Is((Verdict::Failed, why.join("; ")))
            }
            Settled::InProgress { state, troubles } => {
                let text =
                    troubles.first().map_or_else(|| state.clone(), |trouble| format!("{state}; {trouble}"));
                self.watcher.event(Event::Settling { document: document.to_owned(), text: text.clone() });
                Look::NotYet(text)
            }
        })
    }
}

/// The span of what has one turn; none if that is nothing.
fn apply_span(turn: Turn, items: usize) -> Span {
    match items {
        0 => Span::none(),
        _ => work_span!("apply", "syncing", items, hook = ?turn.phase, wave = turn.wave, rank = turn.rank),
    }
}

/// The first of what failed speaks for all of it.
pub(super) fn note_failures(span: &Span, results: &[ItemResult]) {
    let is_failure = |verdict| matches!(verdict, Verdict::Failed | Verdict::Error | Verdict::TimedOut);
    if let Some(result) = results.iter().find(|result| is_failure(result.verdict)) {
        failed(span, &format_args!("{}: {}", result.document, result.message));
    }
}
