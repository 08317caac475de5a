//! Follows one sync: keeps the board up to date and tells people.

use super::board::Board;
use super::look::Look;
use super::occurrence::{Occurrence, OccurrenceKind};
use super::report::{cut, slot_summaries, status_during};
use super::run::Happened;
use super::teller::Teller;
use crate::engine::{Event, ItemResult, Verdict, Watcher, slot_statuses};
use crate::model::{AppKey, HandledRequest, SyncMode, WorkloadSummary};
use crate::plan::{Palette, Plan, render_plan};
use crate::rollout::{Observation, Phase};
use std::sync::{Arc, Once};
use tokio::sync::mpsc;

/// Bytes of a printed plan that are kept for people to read.
const DIFF: usize = 64 << 10;

/// The watcher of one sync of one application.
pub(super) struct Follower {
    pub key: AppKey,
    pub board: Arc<Board>,
    pub teller: Arc<Teller>,
    pub happened: mpsc::UnboundedSender<Happened>,
    pub has_waited: Once,
    /// A plan that changed while its turn was waited for is no second beginning.
    pub has_told: Once,
    /// True where nothing but waiting comes after the plan: on ECS for the lock, and for AWS's rates.
    pub waits_once_planned: bool,
    /// What occurrences of this sync have in common.
    pub common: Occurrence,
    /// True if nothing changed in Git since all was in sync: what differs now is drift.
    pub is_settled_commit: bool,
    /// False if the application is suspended.
    pub is_active: bool,
    pub mode: SyncMode,
}

impl Follower {
    pub fn tell(&self, kind: OccurrenceKind, workload: &str, text: String) {
        let occurrence = Occurrence { kind, workload: workload.to_owned(), text, ..self.common.clone() };
        self.teller.tell(occurrence);
    }

    /// Tells whoever asked what came of it.
    pub fn answered(&self, handled: HandledRequest) {
        self.tell(OccurrenceKind::RequestHandled, "", handled.message.clone());
        self.board.amend(&self.key, |entry| entry.status.handled_request = Some(handled));
    }

    /// Says why nothing new is brought about, before what is under way is looked after.
    pub fn refused(&self, look: &Look) {
        let (key, look, started) = (self.key.clone(), look.clone(), self.teller.now());
        // The controller may have ended meanwhile.
        let _ = self.happened.send(Happened::Refused { key, look, started });
    }

    /// Tells which of the rollouts that were looked after failed.
    pub fn failures(&self, results: &[ItemResult]) {
        for result in results.iter().filter(|result| result.verdict == Verdict::Failed) {
            if let Some(name) = result.document.strip_prefix("BlueGreen/") {
                self.tell(OccurrenceKind::RolloutFailed, name, result.message.clone());
            }
        }
    }

    /// From now on it mostly waits.
    fn waits(&self) {
        // The controller may have ended meanwhile.
        self.has_waited.call_once(|| drop(self.happened.send(Happened::Waits(self.key.clone()))));
    }

    fn note(&self, name: &str, text: &str) {
        self.board.note(&self.key, self.teller.now(), format!("{name}: {}", cut(text)));
    }

    fn workload(&self, name: &str, change: impl FnOnce(&mut WorkloadSummary)) {
        self.board.amend(&self.key, |entry| {
            let workloads = &mut entry.status.workloads;
            let at = workloads.iter().position(|workload| workload.name == name);
            let at = at.unwrap_or_else(|| {
                workloads.push(WorkloadSummary {
                    name: name.to_owned(),
                    phase: String::new(),
                    waiting_for: String::new(),
                    slots: None,
                });
                workloads.len() - 1
            });
            change(&mut workloads[at]);
        });
    }
}

impl Watcher for Follower {
    fn planned(&self, plan: &Plan) {
        let acts = plan.has_changes() && self.is_active && self.mode == SyncMode::Enforce;
        let diff = if plan.has_changes() { render_plan(plan, &Palette::plain()) } else { String::new() };
        let now = self.teller.now();
        let mut has_begun = false;
        self.board.amend(&self.key, |entry| {
            let ready = entry.status.condition("Ready");
            has_begun = entry.status.revision == self.common.revision
                && ready.is_some_and(|ready| ready.reason == "AwaitingApproval");
            entry.diff = clip(diff);
            if acts {
                // Whoever takes over goes on with this commit's documents.
                entry.status.revision.clone_from(&self.common.revision);
                status_during(&mut entry.status, plan, now);
            }
        });
        let summary = plan.summary().to_string();
        if plan.has_changes() && self.is_settled_commit {
            let first: Vec<&str> = plan
                .items
                .iter()
                .filter(|item| item.change != crate::plan::Change::Unchanged)
                .map(|item| item.resource.as_str())
                .take(5)
                .collect();
            let text = format!("{summary} ({})", first.join(", "));
            self.has_told.call_once(|| self.tell(OccurrenceKind::DriftFound, "", text));
        } else if acts && !has_begun {
            self.has_told.call_once(|| self.tell(OccurrenceKind::SyncStarted, "", summary));
        }
        if self.waits_once_planned {
            self.waits();
        }
    }

    fn event(&self, event: Event) {
        if matches!(event, Event::Waiting { .. } | Event::Settling { .. } | Event::Trouble { .. }) {
            self.waits();
        }
        match &event {
            Event::Phase { workload, phase } => {
                let text = phase.to_string();
                let mut is_news = false;
                self.workload(workload, |summary| {
                    is_news = summary.phase != text;
                    summary.phase.clone_from(&text);
                    summary.waiting_for.clear();
                });
                // Each look finds the phase anew: what waits for approval for days would be told whenever a pod changes.
                if !is_news {
                    return;
                }
                self.note(workload, &text);
                match phase {
                    Phase::Live => {}
                    Phase::AwaitingApproval => {
                        let text = "all gates are open; `cutover promote` lets it go on".to_owned();
                        self.tell(OccurrenceKind::AwaitingApproval, workload, text);
                    }
                    // Going back is what a revert in Git asks for, too; whether a rollout failed is told in the end.
                    _ => self.tell(OccurrenceKind::RolloutProgressed, workload, text),
                }
            }
            Event::Waiting { workload, text, general, on: _ } => {
                // In words that stay the same while it lasts: each change is a write to the API server.
                let text = general.as_ref().unwrap_or(text);
                self.workload(workload, |summary| summary.waiting_for = cut(text));
                let about = format!("{workload}: {text}");
                self.board.amend(&self.key, |entry| entry.status.waiting_for = cut(&about));
            }
            Event::Settling { document, text } => {
                let about = format!("{document}: {text}");
                self.board.amend(&self.key, |entry| entry.status.waiting_for = cut(&about));
            }
            Event::Wrote { workload, text, .. } => self.note(workload, text),
            Event::Applied { document, text } => self.note(document, text),
            Event::Trouble { workload, text } => {
                tracing::info!(workload, "not yet: {text}");
                self.note(workload, &format!("not yet: {text}"));
            }
            Event::Notice { workload, text } => {
                tracing::info!(workload, "{text}");
                self.note(workload, text);
            }
        }
    }

    fn observed(&self, workload: &str, seen: &Observation) {
        let weights = seen.rules.first().map(|rule| rule.split.weights());
        let slots = slot_summaries(&slot_statuses(seen), weights);
        self.workload(workload, |summary| summary.slots = Some(slots));
    }
}

/// The beginning of a long diff, by whole lines.
fn clip(mut diff: String) -> String {
    if diff.len() > DIFF {
        let end = (0..=DIFF).rev().find(|at| diff.is_char_boundary(*at)).unwrap_or(0);
        let end = diff[..end].rfind('\n').unwrap_or(end);
        diff.truncate(end);
        diff.push_str("\n… more differs than is shown here; see `cutover plan`\n");
    }
    diff
}
