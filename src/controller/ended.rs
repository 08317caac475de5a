//! A look has ended: what people are told, and when the next one is due.

use super::apps::{App, Running, Stopped};
use super::look::{Again, Judgement, Look, short};
use super::occurrence::{Occurrence, OccurrenceKind};
use super::pace::{RESYNC, backoff, jittered};
use super::reconcile::Outcome;
use super::report::{Seen, cut, status_after};
use super::run::State;
use crate::engine::Verdict;
use crate::model::{AppKey, ApplicationStatus, ConditionStatus, SyncMode, SyncState, Timestamp};
use crate::rollout::Phase;
use std::time::Duration;
use tokio::time::Instant;

impl State {
    /// Takes what came of a look.
    pub(super) fn ended(&mut self, key: &AppKey, outcome: Outcome, started: Timestamp, took: Duration) {
        self.planned(key);
        self.queue.ended(key);
        let Some(app) = self.apps.get_mut(key) else {
            // It went while it was looked at; one of the same name may have come.
            return;
        };
        let running = app.running.take();
        app.looked = Some(Instant::now());
        let is_stale =
            running.as_ref().is_some_and(|running| running.generation != app.registered.generation);
        if app.is_held && !is_stale {
            app.site.clone_from(&outcome.site);
        }
        self.board.change(key, |entry| entry.is_busy = false);
        let stopped = running.as_ref().and_then(|running| running.stopped);
        if stopped == Some(Stopped::Dropped) || !self.apps.get(key).is_some_and(|app| app.is_held) {
            return;
        }
        self.note(key, &outcome, running.as_ref(), started, took);
    }

    fn note(
        &mut self,
        key: &AppKey,
        outcome: &Outcome,
        running: Option<&Running>,
        started: Timestamp,
        took: Duration,
    ) {
        let Some(app) = self.apps.get(key) else { return };
        let (mode, is_suspended) = match &app.registered.application {
            Ok(application) => (application.sync.mode, application.suspend || app.registered.is_suspended),
            Err(_) => (SyncMode::Enforce, false),
        };
        let judgement = outcome.look.judge(mode, is_suspended);
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
        let is_drift = running.is_some_and(|running| app.settled.as_ref() == Some(&running.sight.tree));
        for occurrence in
            self.occurrences(key, app, &before, &judgement, outcome, running, is_drift, is_superseded)
        {
            self.teller.tell(occurrence);
        }
        self.measure(app, &before, &judgement, outcome, running, is_drift, took);
        let is_settled = judgement.ready == ConditionStatus::True;
        self.board.change(key, |entry| {
            entry.status = status;
            if is_settled {
                entry.diff.clear();
            }
        });
        self.schedule(key, &judgement, running, outcome);
        if is_settled {
            self.wake_dependents(key);
        }
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
        }
        app.failures = if judgement.again == Again::Retry { app.failures.saturating_add(1) } else { 0 };
        let pause = match judgement.again {
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

    #[allow(clippy::too_many_arguments, reason = "all of it is what the sentence is made of")]
    fn occurrences(
        &self,
        key: &AppKey,
        app: &App,
        before: &ApplicationStatus,
        judgement: &Judgement,
        outcome: &Outcome,
        running: Option<&Running>,
        is_drift: bool,
        is_superseded: bool,
    ) -> Vec<Occurrence> {
        let revision = running.map(|running| running.sight.found.commit.as_str()).unwrap_or_default();
        let common = self.occurrence(key, revision);
        let say = |kind, text: String| Occurrence { kind, text, ..common.clone() };
        let mut told = vec![];
        if is_superseded {
            let newer = match &app.sight {
                Some(Ok(sight)) => format!("commit {} takes its place", short(&sight.found.commit)),
                _ => "the Application changed".into(),
            };
            told.push(say(OccurrenceKind::Superseded, newer));
            return told;
        }
        let was = before.condition("Ready");
        let is_same = was.is_some_and(|was| was.reason == judgement.reason && was.status == judgement.ready);
        // The condition says something else while it is tried again.
        let error = before.last_error.as_ref();
        let is_repeated =
            error.is_some_and(|e| e.reason == judgement.reason && e.message == cut(&judgement.message));
        let did_something = outcome.look.did_something();
        let kind = match judgement.reason {
            "Synced" if is_drift && did_something => OccurrenceKind::DriftRepaired,
            "Synced" if !is_same || did_something && before.revision != revision => OccurrenceKind::Synced,
            "Synced" => return told,
            _ if is_same || is_repeated => return told,
            "InvalidSpec" | "NotAllowed" | "NameTaken" | "InvalidDocuments" | "DependencyCycle" => {
                OccurrenceKind::Refused
            }
            "SourceFailed" => OccurrenceKind::SourceFailed,
            "RolloutFailed" => OccurrenceKind::RolloutFailed,
            "SyncFailed" | "AccessDenied" | "TimedOut" | "Broken" | "Degraded" => OccurrenceKind::SyncFailed,
            "Suspended" => OccurrenceKind::Suspended,
            _ => return told,
        };
        told.push(say(kind, judgement.message.clone()));
        told
    }

    #[allow(clippy::too_many_arguments, reason = "all of it is measured")]
    fn measure(
        &self,
        app: &App,
        before: &ApplicationStatus,
        judgement: &Judgement,
        outcome: &Outcome,
        running: Option<&Running>,
        is_drift: bool,
        took: Duration,
    ) {
        self.metrics.reconciled(judgement.reason, took);
        let (Look::Synced(synced), Some(running)) = (&outcome.look, running) else { return };
        let found = &running.sight.found;
        if is_drift && synced.report.plan.has_changes() {
            self.metrics.drift("found");
            if synced.report.verdict == Verdict::Done && outcome.look.did_something() {
                self.metrics.drift("repaired");
            }
        }
        // A controller that has just begun has not brought about what it finds.
        let is_news = app.settled.as_ref().is_some_and(|settled| *settled != running.sight.tree);
        if judgement.reason == "Synced" && is_news && before.revision != found.commit {
            self.metrics.live(Duration::from_secs(self.teller.now().since(found.time)));
        }
    }
}
