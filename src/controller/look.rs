//! The end of a look at an application, and its meaning to people. Pure.

use super::ports::{SourceTrouble, Synced};
use crate::engine::{Trouble, TroubleKind, Verdict};
use crate::model::{AppKey, ConditionStatus, Health, HealthState, Problem, SyncMode, SyncState};
use crate::plan::Change;
use crate::rollout::Phase;

/// Problems that are told; a repository may have a thousand.
const TOLD: usize = 5;

/// What came of a look.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// The Application itself is wrong.
    Invalid(Vec<Problem>),
    /// The operator's configuration does not allow it; sentences.
    NotAllowed(Vec<String>),
    /// An older Application has the place.
    Taken(AppKey),
    /// The repository can't be read.
    NoSource(SourceTrouble),
    /// The documents are wrong.
    WrongDocuments(Vec<Problem>),
    /// Another application has to be ready first; a sentence.
    Depends(String),
    /// Applications wait for each other; a sentence.
    Cycle(String),
    /// Nothing could be planned.
    NoPlan(Trouble),
    Synced(Box<Synced>),
    /// The Application goes; a sentence says how far that is.
    Deleting {
        is_done: bool,
        message: String,
    },
    /// The look itself broke down, which is a fault of this program.
    Broken(String),
}

/// What to think of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub ready: ConditionStatus,
    /// One word, for conditions, history and metrics.
    pub reason: &'static str,
    pub message: String,
    /// Work goes on, or will without anybody's help.
    pub is_reconciling: bool,
    /// Nothing will become better by itself.
    pub is_stalled: bool,
    pub sync: SyncState,
    /// `None` if nothing was read: it is as it was.
    pub health: Option<HealthState>,
    pub again: Again,
}

/// When to look again without being told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// With the slow resync.
    Late,
    /// Soon, and less soon the more often that was in vain.
    Retry,
    /// At once.
    Now,
}

impl Look {
    /// True if a sync found something to do and went about it. A rollout has a result also when it is at rest.
    pub fn did_something(&self) -> bool {
        matches!(self, Look::Synced(synced) if synced.report.plan.has_changes() && !synced.report.results.is_empty())
    }

    /// Why it came to nothing good, if so, in a sentence.
    pub fn failure(&self) -> Option<String> {
        let is_bad = |verdict| matches!(verdict, Verdict::Failed | Verdict::Error | Verdict::TimedOut);
        match self {
            Look::Synced(synced) if !is_bad(synced.report.verdict) => None,
            Look::Depends(_) | Look::Deleting { is_done: true, .. } => None,
            _ => Some(self.judge_active(SyncMode::Enforce, false).message),
        }
    }

    /// Judges it. What is suspended is so whatever else is the matter with it.
    pub fn judge(&self, mode: SyncMode, is_suspended: bool) -> Judgement {
        let judgement = self.judge_active(mode, is_suspended);
        let health = if is_suspended { Some(HealthState::Suspended) } else { judgement.health };
        Judgement { health, ..judgement }
    }

    fn judge_active(&self, mode: SyncMode, is_suspended: bool) -> Judgement {
        match self {
            Look::Invalid(problems) => stalled("InvalidSpec", told(problems)),
            Look::NotAllowed(sentences) => stalled("NotAllowed", sentences.join("; ")),
            Look::Taken(by) => stalled(
                "NameTaken",
                format!(
                    "Application {by} has the same name and destination, and is older; give this one another name or destination"
                ),
            ),
            Look::NoSource(trouble) => {
                let again = if trouble.is_transient { Again::Retry } else { Again::Late };
                Judgement {
                    again,
                    is_reconciling: trouble.is_transient,
                    ..stalled_if(!trouble.is_transient, "SourceFailed", &trouble.message)
                }
            }
            Look::WrongDocuments(problems) => stalled("InvalidDocuments", told(problems)),
            Look::Depends(sentence) => waiting("DependencyNotReady", sentence),
            Look::Cycle(sentence) => stalled("DependencyCycle", sentence.clone()),
            Look::NoPlan(trouble) => failed_plan(trouble),
            Look::Broken(text) => Judgement { again: Again::Retry, ..stalled("Broken", text.clone()) },
            Look::Deleting { is_done, message } => Judgement {
                again: Again::Retry,
                ..waiting(if *is_done { "Deleted" } else { "Deleting" }, message)
            },
            Look::Synced(synced) => synced_as(synced, mode, is_suspended),
        }
    }
}

fn told(problems: &[Problem]) -> String {
    let mut text: Vec<String> = problems.iter().take(TOLD).map(ToString::to_string).collect();
    if problems.len() > TOLD {
        text.push(format!("and {} more problems", problems.len() - TOLD));
    }
    text.join("\n")
}

fn stalled(reason: &'static str, message: String) -> Judgement {
    Judgement {
        ready: ConditionStatus::False,
        reason,
        message,
        is_reconciling: false,
        is_stalled: true,
        sync: SyncState::Unknown,
        health: None,
        again: Again::Late,
    }
}

fn stalled_if(is_stalled: bool, reason: &'static str, message: &str) -> Judgement {
    Judgement { is_stalled, ..stalled(reason, message.to_owned()) }
}

fn waiting(reason: &'static str, message: &str) -> Judgement {
    Judgement { is_reconciling: true, ..stalled_if(false, reason, message) }
}

fn failed_plan(trouble: &Trouble) -> Judgement {
    let is_transient = trouble.kind.is_passing()
        || matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Crowded | TroubleKind::LockAwaited);
    let reason = if trouble.kind == TroubleKind::Denied { "AccessDenied" } else { "SyncFailed" };
    Judgement {
        again: Again::Retry,
        is_reconciling: is_transient,
        ..stalled_if(!is_transient, reason, &trouble.to_string())
    }
}

fn synced_as(synced: &Synced, mode: SyncMode, is_suspended: bool) -> Judgement {
    let status = &synced.status;
    let health = health(synced);
    let sync = if status.in_sync { SyncState::Synced } else { SyncState::OutOfSync };
    let judged = |ready, reason, message: String| Judgement {
        ready,
        reason,
        message,
        is_reconciling: false,
        is_stalled: false,
        sync,
        health: Some(health),
        again: Again::Late,
    };
    let worst = synced.report.results.iter().max_by_key(|result| result.verdict);
    let told = || worst.map(|result| format!("{}: {}", result.document, result.message)).unwrap_or_default();
    let not_ready = |reason, message| judged(ConditionStatus::False, reason, message);
    match synced.report.verdict {
        Verdict::Stopped => Judgement {
            is_reconciling: true,
            again: Again::Now,
            ..judged(ConditionStatus::Unknown, "Stopped", told())
        },
        Verdict::Error => {
            Judgement { is_stalled: true, again: Again::Retry, ..not_ready("SyncFailed", told()) }
        }
        Verdict::Failed => {
            let is_rollout = worst.is_some_and(|worst| worst.document.starts_with("BlueGreen/"));
            let reason = if is_rollout { "RolloutFailed" } else { "Degraded" };
            Judgement { is_stalled: true, health: Some(HealthState::Degraded), ..not_ready(reason, told()) }
        }
        Verdict::TimedOut => {
            Judgement { is_reconciling: true, again: Again::Retry, ..not_ready("TimedOut", told()) }
        }
        Verdict::AwaitingApproval => {
            Judgement { is_reconciling: true, ..not_ready("AwaitingApproval", told()) }
        }
        Verdict::Done if is_suspended => {
            let is_unwell = status.waits && !matches!(health, HealthState::Healthy | HealthState::Suspended);
            let is_ready = status.in_sync && !is_unwell;
            let ready = if is_ready { ConditionStatus::True } else { ConditionStatus::False };
            let unwell = if is_unwell { format!("; {}", unwell(synced)) } else { String::new() };
            judged(ready, "Suspended", format!("nothing is changed until it is resumed{unwell}"))
        }
        Verdict::Done if !status.in_sync && mode == SyncMode::Observe => not_ready(
            "OutOfSync",
            format!("sync.mode is observe, nothing is changed; {}", synced.report.plan.summary()),
        ),
        // It changed again while it was synced, or something is still on its way.
        Verdict::Done if !status.in_sync => Judgement {
            is_reconciling: true,
            again: Again::Retry,
            ..not_ready("Progressing", "something is on its way, or changed meanwhile".into())
        },
        Verdict::Done => match health {
            HealthState::Degraded if status.waits => not_ready("Degraded", unwell(synced)),
            HealthState::Progressing | HealthState::Missing if status.waits => {
                Judgement { is_reconciling: true, ..not_ready("Progressing", unwell(synced)) }
            }
            _ => {
                let all = format!("everything is as commit {} says", short(&status.commit));
                let sentences: Vec<&str> =
                    std::iter::once(&all).chain(&status.notices).map(String::as_str).collect();
                judged(ConditionStatus::True, "Synced", sentences.join(". "))
            }
        },
    }
}

/// How what is live fares.
fn health(synced: &Synced) -> HealthState {
    let status = &synced.status;
    let mut worst = HealthState::Healthy;
    let mut note = |state: HealthState| worst = worst.max(state);
    for workload in &status.workloads {
        note(match workload.phase {
            Some(Phase::Live) => HealthState::Healthy,
            Some(Phase::Quarantined | Phase::RollingBack | Phase::Blocked) | None => HealthState::Degraded,
            Some(_) => HealthState::Progressing,
        });
    }
    for service in &status.services {
        note(match service.revision {
            None => HealthState::Missing,
            Some(_) if service.steady => HealthState::Healthy,
            Some(_) => HealthState::Progressing,
        });
    }
    for object in status.objects.iter().filter(|object| object.change != Change::Prune) {
        note(match object.health.health {
            Health::Healthy | Health::Suspended | Health::Unknown => HealthState::Healthy,
            Health::Progressing => HealthState::Progressing,
            Health::Missing => HealthState::Missing,
            Health::Degraded => HealthState::Degraded,
        });
    }
    worst
}

/// What is not well, in words.
fn unwell(synced: &Synced) -> String {
    let objects = synced.status.objects.iter().filter(|object| !object.is_well());
    let objects = objects.map(|object| match object.health.message.as_str() {
        "" => format!(
            "{}: {}",
            object.document,
            if object.health.health == Health::Missing { "missing" } else { "not well" }
        ),
        message => format!("{}: {message}", object.document),
    });
    let workloads = synced.status.workloads.iter().filter(|workload| workload.phase != Some(Phase::Live));
    let workloads = workloads.map(|workload| {
        format!("{}: {}", workload.document, workload.waiting_on.as_deref().unwrap_or("not at rest"))
    });
    let services = synced.status.services.iter().filter(|service| !service.steady);
    let services = services
        .map(|service| format!("{}: {} of {} tasks run", service.document, service.running, service.desired));
    objects.chain(workloads).chain(services).take(TOLD).collect::<Vec<_>>().join("; ")
}

/// The first seven digits of a commit.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}
