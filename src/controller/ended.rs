//! A look has ended: what people are told, and when the next one is due.

use super::apps::{Running, Stopped};
use super::look::{Again, Judgement, Look, short};
use super::news::News;
use super::pace::{RESYNC, backoff, jittered};
use super::reconcile::Outcome;
use super::report::{Seen, status_after};
use super::run::State;
use crate::model::{AppKey, ConditionStatus, SyncMode, SyncState, Timestamp};
use crate::rollout::Phase;
use std::time::Duration;
use tokio::time::Instant;

impl State {
    /// Takes what came of a look.
    pub(super) fn ended(&mut self, key: &AppKey, outcome: Outcome, started: Timestamp, took: Duration) {
        self.waits(key);
        self.queue.ended(key);
        let Some(app) = self.apps.get_mut(key) else {
            // It went while it was looked at; one of the same name may have come.
            return;
        };
        let running = app.running.take();
        app.looked = Some(Instant::now());
        let is_stale = running.as_ref().is_some_and(|running| {
            (running.generation, running.is_suspended)
                != (app.registered.generation, app.registered.is_suspended)
        });
        let is_dropped = running.as_ref().is_some_and(|running| running.stopped == Some(Stopped::Dropped));
        let counts = app.is_held() && !is_dropped;
        // One that was looked after may have been connected by the spec of before.
        let is_present = matches!(outcome.look, Look::Synced(_) | Look::NoPlan(_) | Look::Deleting { .. });
        if counts && !is_stale && is_present {
            app.site.clone_from(&outcome.site);
        }
        if let (Look::Synced(_), Some(running)) = (&outcome.look, &running) {
            app.in_hand = Some(running.spec.clone());
        }
        self.board.amend(key, |entry| entry.is_busy = false);
        if !counts {
            return;
        }
        let Some(judgement) = self.note(key, &outcome, running.as_ref(), started, Some(took)) else { return };
        self.schedule(key, &judgement, running.as_ref(), &outcome);
        if judgement.ready == ConditionStatus::True {
            self.wake_dependents(key);
        }
    }

    /// Tells what a look has found that goes on with what is under way.
    pub(super) fn refused(&mut self, key: &AppKey, look: Look, started: Timestamp) {
        let Some(app) = self.apps.get_mut(key) else { return };
        let outcome = Outcome::of(look, app.site.clone());
        let running = app.running.take();
        if app.is_held() && running.as_ref().is_some_and(|running| running.stopped != Some(Stopped::Dropped))
        {
            self.note(key, &outcome, running.as_ref(), started, None);
        }
        if let Some(app) = self.apps.get_mut(key) {
            app.running = running;
        }
    }

    /// Notes and tells what a look found, and measures one that has ended.
    fn note(
        &mut self,
        key: &AppKey,
        outcome: &Outcome,
        running: Option<&Running>,
        started: Timestamp,
        took: Option<Duration>,
    ) -> Option<Judgement> {
        let app = self.apps.get(key)?;
        let (mode, is_suspended) = match &app.registered.application {
            Ok(application) => (application.sync.mode, application.suspend || app.registered.is_suspended),
            Err(_) => (SyncMode::Enforce, false),
        };
        let mut judgement = outcome.look.judge(mode, is_suspended);
        for besides in [&outcome.unwatched, &outcome.unguarded].into_iter().flatten() {
            judgement.message = format!("{}; {besides}", judgement.message);
        }
        let is_superseded = judgement.again == Again::Now
            && running.is_some_and(|running| running.stopped == Some(Stopped::Superseded));
        let before = self.board.entry(key).map(|entry| entry.status.clone()).unwrap_or_default();
        let seen = Seen {
            look: &outcome.look,
            judgement: &judgement,
            generation: running.map_or(app.registered.generation, |running| running.generation),
            found: running.map(|running| &running.sight.found),
            started,
            now: self.teller.now(),
            result: is_superseded.then_some("Superseded"),
        };
        let status = status_after(&before, &seen);
        let settled = app.settled.as_ref().zip(running.map(|running| &running.sight.tree));
        let newer = || match &app.sight {
            Some(Ok(sight)) => format!("commit {} takes its place", short(&sight.found.commit)),
            _ => "the Application changed".to_owned(),
        };
        let news = News {
            before: &before,
            outcome,
            judgement: &judgement,
            found: running.map(|running| &running.sight.found),
            is_drift: settled.is_some_and(|(settled, tree)| settled == tree),
            is_other_content: settled.is_some_and(|(settled, tree)| settled != tree),
            superseded_by: is_superseded.then(newer),
        };
        if let Some(occurrence) = news.occurrence(&self.occurrence(key, "")) {
            self.teller.tell(occurrence);
        }
        if let Some(took) = took {
            news.measure(&self.metrics, took, self.teller.now());
        }
        let is_settled = judgement.ready == ConditionStatus::True;
        self.board.amend(key, |entry| {
            entry.status = status;
            if is_settled {
                entry.diff.clear();
            }
        });
        Some(judgement)
    }

    fn schedule(
        &mut self,
        key: &AppKey,
        judgement: &Judgement,
        running: Option<&Running>,
        outcome: &Outcome,
    ) {
        let now = Instant::now();
        let Some(app) = self.apps.get_mut(key) else { return };
        if judgement.ready == ConditionStatus::True && judgement.sync == SyncState::Synced {
            app.settled = running.map(|running| running.sight.tree.clone());
        } else if outcome.look.did_something()
            && running.is_some_and(|running| app.settled.as_ref().is_some_and(|it| *it != running.sight.tree))
        {
            // Another content is half there: what differs from the one before is no drift.
            app.settled = None;
        }
        // What is under way is looked after until it is at rest.
        let again = match outcome.again.unwrap_or(judgement.again) {
            Again::Late if outcome.unguarded.is_some() => Again::Retry,
            again => again,
        };
        app.failures = if again == Again::Retry { app.failures.saturating_add(1) } else { 0 };
        let pause = match again {
            Again::Now => Duration::ZERO,
            Again::Retry => backoff(key, app.failures),
            Again::Late => jittered(key, 0, RESYNC, 10),
        };
        // What will happen by itself at a known time: the old version is let go.
        let by_itself = match &outcome.look {
            Look::Synced(synced) => {
                let at_rest = synced.status.workloads.iter().filter(|w| w.phase == Some(Phase::Live));
                at_rest.filter_map(|w| w.check_after).min()
            }
            _ => None,
        };
        let by_itself = by_itself.map(|seconds| Duration::from_secs(seconds.max(1)));
        self.queue.want(key, now + by_itself.map_or(pause, |by_itself| by_itself.min(pause)));
    }
}
