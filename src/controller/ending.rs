//! The end of an Application: its finalizer, and the deletion of what it owns where that was asked for.

use super::apps::App;
use super::look::Look;
use super::occurrence::{Occurrence, OccurrenceKind};
use super::reconcile::{Outcome, Task, connect, give_up_rollouts};
use super::run::State;
use crate::engine::{Deployment, ItemResult, SyncReport, Trouble, TroubleKind, Verdict};
use crate::model::{AppKey, Application, Deletion, Manifests, SyncMode};
use crate::rollout::Phase;
use std::sync::Arc;
use std::time::Duration;

/// Results that are told; an application may own thousands of objects.
const TOLD: usize = 5;
/// How often a return is tried before the Application is let go all the same: a deletion never hangs by it.
const RETURN_TRIES: u32 = 3;
const RETURN_PAUSE: Duration = Duration::from_secs(5);

/// What becomes of an Application whose deletion was asked for.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// Its finalizer goes and nothing else, for this reason.
    LetGo(&'static str),
    /// The same, once rollouts under way are back on the side that served: nobody watches them afterwards.
    ReturnAndLetGo(&'static str),
    /// Everything that it owns goes first.
    Cascade,
}

impl State {
    /// How an Application ends that is going; the error says why that can't be done now.
    pub(super) fn ending(&self, key: &AppKey, app: &App) -> Result<(Application, Ending), Look> {
        let application =
            app.registered.application.as_ref().map_err(|wrong| Look::Invalid(wrong.clone()))?;
        let ends = |ending| Ok((application.clone(), ending));
        if application.deletion == Deletion::Orphan {
            let why = "spec.deletion is orphan: what it brought about is left as it runs";
            let is_ours = app.allowed.is_ok() && self.claims.taken_by(key).is_none();
            return ends(match is_ours && !is_still(application, app) {
                true => Ending::ReturnAndLetGo(why),
                false => Ending::LetGo(why),
            });
        }
        if self.claims.taken_by(key).is_some() {
            return ends(Ending::LetGo(
                "everything of its name and destination belongs to an older Application",
            ));
        }
        app.allowed.as_ref().map_err(|why| Look::NotAllowed(why.clone()))?;
        if is_still(application, app) {
            let is_suspended = application.suspend || app.registered.is_suspended;
            let what = if is_suspended { "it is suspended" } else { "sync.mode is observe" };
            let message = format!(
                "its deletion waits, since {what} and nothing is changed; resume it to have everything deleted that it owns, \
                 or set spec.deletion: orphan to leave all of it as it runs"
            );
            return Err(Look::Deleting { is_done: false, message });
        }
        ends(Ending::Cascade)
    }

    /// Tells of rollouts that an Application leaves behind that went without a finalizer.
    pub(super) fn tell_left(&self, key: &AppKey) {
        let (Some(app), Some(entry)) = (self.apps.get(key), self.board.entry(key)) else { return };
        let registered = &app.registered;
        let is_cascade = registered.application.as_ref().is_ok_and(|one| one.deletion == Deletion::Cascade);
        if !app.is_held() || is_cascade && registered.is_going {
            return;
        }
        let at_rest = [Phase::Live, Phase::Quarantined].map(|phase| phase.to_string());
        for workload in entry.status.workloads.iter().filter(|one| !at_rest.contains(&one.phase)) {
            let which = format!(" of BlueGreen/{} ({})", workload.name, workload.phase);
            let (kind, text) = (OccurrenceKind::LeftUnwatched, unwatched(&which, &entry.status.revision));
            let workload = workload.name.clone();
            self.teller.tell(Occurrence { kind, workload, text, ..self.occurrence_at_known(key) });
        }
    }

    /// Sees to the finalizer of an Application that nothing else is done for at the moment.
    pub(super) fn guard_apart(&self, key: &AppKey) {
        let Some(app) = self.apps.get(key).filter(|app| !app.registered.is_going) else { return };
        let Ok(application) = &app.registered.application else { return };
        let on = application.deletion == Deletion::Cascade;
        if on == app.registered.is_guarded {
            return;
        }
        let applications = Arc::clone(&self.world.applications);
        let (key, uid) = (key.clone(), app.registered.uid.clone());
        tokio::spawn(async move {
            if let Err(trouble) = applications.guard(&key, &uid, on).await {
                tracing::warn!(application = %key, "its finalizer can't be written yet: {trouble}");
            }
        });
    }
}

/// True if nothing is changed for it.
fn is_still(application: &Application, app: &App) -> bool {
    application.suspend || app.registered.is_suspended || application.sync.mode == SyncMode::Observe
}

/// Puts the finalizer on before anything is brought about that it stands for, and takes it off where it is no longer wanted.
/// Syncs and returns go on without it; the error is a sentence about what follows from that.
pub(super) async fn guard(task: &Task) -> Result<(), String> {
    let on = task.place.application.deletion == Deletion::Cascade;
    if on == task.is_guarded {
        return Ok(());
    }
    let guarded = task.applications.guard(&task.place.key, &task.uid, on).await;
    guarded.map_err(|trouble| {
        let what = match on {
            true => "deleting the Application will leave everything as it runs, although spec.deletion is cascade, until its \
                     finalizer can be put on",
            false => "deleting the Application will hang until its finalizer can be taken off",
        };
        let sentence = format!("{what}: {}", unwritten(&trouble));
        tracing::warn!("{sentence}");
        sentence
    })
}

/// Why a finalizer could not be written, and what helps.
fn unwritten(trouble: &Trouble) -> String {
    match trouble.kind {
        TroubleKind::Denied => format!(
            "{trouble}; let the controller `get` and `patch` the resource `applications.cutover.dev`, as the roles of `cutover \
             install` do"
        ),
        _ => trouble.to_string(),
    }
}

/// Ends an Application: deletes what it owns where that is wanted, and lets it go once nothing is left.
pub(super) async fn end(task: &Task, ending: &Ending, outcome: &mut Outcome) -> Look {
    let message = match ending {
        Ending::LetGo(why) => (*why).to_owned(),
        Ending::ReturnAndLetGo(why) => {
            if let Err(left) = take_back(task, outcome).await {
                task.follower.tell(OccurrenceKind::LeftUnwatched, "", left);
            }
            if task.stop.is_set() {
                let message = "traffic is brought back before it is let go".to_owned();
                return Look::Deleting { is_done: false, message };
            }
            (*why).to_owned()
        }
        Ending::Cascade => match cascade(task, outcome).await {
            Ok(report) if report.verdict == Verdict::Done => told(&report),
            Ok(report) => return Look::Deleting { is_done: false, message: stuck(&report.results) },
            Err(trouble) => return Look::NoPlan(trouble),
        },
    };
    if let Err(trouble) = task.applications.guard(&task.place.key, &task.uid, false).await {
        let message = format!("{message}; its finalizer can't be taken off: {}", unwritten(&trouble));
        return Look::Deleting { is_done: false, message };
    }
    if matches!(ending, Ending::Cascade) {
        task.follower.tell(OccurrenceKind::Deleted, "", message.clone());
    }
    Look::Deleting { is_done: true, message }
}

/// Tries to bring back what is under way; the error says what is left.
async fn take_back(task: &Task, outcome: &mut Outcome) -> Result<(), String> {
    let mut tries = 1;
    loop {
        match give_up_rollouts(task, outcome).await {
            Ok(()) => return Ok(()),
            Err(_) if task.stop.is_set() => return Ok(()),
            Err(why) if tries == RETURN_TRIES => {
                let commit = task.in_hand.as_ref().map_or(task.found.commit.as_str(), |one| &one.commit);
                return Err(format!("{}: {why}", unwatched("", commit)));
            }
            Err(_) => {
                tries += 1;
                tokio::time::sleep(RETURN_PAUSE).await;
            }
        }
    }
}

/// A rollout that goes on without its Application, and what takes its traffic back.
fn unwatched(which: &str, commit: &str) -> String {
    format!(
        "the Application goes while a rollout{which} is under way, and nobody watches that any more; traffic stays as it is. \
         Register the Application again or, with a copy of it in a file, run `cutover abort -f FILE --revision {commit}` and \
         then `cutover sync -f FILE --revision {commit}`"
    )
}

async fn cascade(task: &Task, outcome: &mut Outcome) -> Result<SyncReport, Trouble> {
    let site = connect(task, &task.place, outcome).await?;
    let deployment = Deployment {
        application: task.place.application.clone(),
        commit: task.found.commit.clone(),
        manifests: Manifests::default(),
    };
    site.delete_all(&deployment, &task.follower, &task.stop).await
}

fn told(report: &SyncReport) -> String {
    let deleted = report.plan.items.len();
    let all = match deleted {
        0 => "nothing that it owned was left to delete".to_owned(),
        1 => "the one thing that it owned is deleted".to_owned(),
        _ => format!("the {deleted} things that it owned are deleted"),
    };
    std::iter::once(all).chain(report.plan.notices.iter().cloned()).collect::<Vec<_>>().join(". ")
}

/// What does not go, and why: the first of it.
fn stuck(results: &[ItemResult]) -> String {
    let left: Vec<String> = results
        .iter()
        .filter(|result| result.verdict != Verdict::Done)
        .map(|result| format!("{}: {}", result.document, result.message))
        .collect();
    let more = match left.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("is being deleted; {}{more}", left.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; "))
}
