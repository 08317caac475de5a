//! The end of an Application: its finalizer, and the deletion of what it owns where that was asked for.

use super::apps::App;
use super::look::Look;
use super::occurrence::OccurrenceKind;
use super::reconcile::{Outcome, Task, connect};
use super::run::State;
use crate::engine::{Deployment, ItemResult, SyncReport, Trouble, Verdict};
use crate::model::{AppKey, Application, Deletion, Manifests, SyncMode};
use std::sync::Arc;

/// Results that are told; an application may own thousands of objects.
const TOLD: usize = 5;

/// What becomes of an Application whose deletion was asked for.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// Its finalizer goes and nothing else, for this reason.
    LetGo(&'static str),
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
            return ends(Ending::LetGo("spec.deletion is orphan: what it brought about is left as it runs"));
        }
        if self.claims.taken_by(key).is_some() {
            return ends(Ending::LetGo(
                "everything of its name and destination belongs to an older Application",
            ));
        }
        app.allowed.as_ref().map_err(|why| Look::NotAllowed(why.clone()))?;
        let is_suspended = application.suspend || app.registered.is_suspended;
        if is_suspended || application.sync.mode == SyncMode::Observe {
            let what = if is_suspended { "it is suspended" } else { "sync.mode is observe" };
            let message = format!(
                "its deletion waits, since {what} and nothing is changed; resume it to have everything deleted that it owns, \
                 or set spec.deletion: orphan to leave all of it as it runs"
            );
            return Err(Look::Deleting { is_done: false, message });
        }
        ends(Ending::Cascade)
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

/// Puts the finalizer on before anything is brought about that it stands for, and takes it off where it is no longer wanted.
pub(super) async fn guard(task: &Task) -> Result<(), Trouble> {
    let on = task.place.application.deletion == Deletion::Cascade;
    match on == task.is_guarded {
        true => Ok(()),
        false => task.applications.guard(&task.place.key, &task.uid, on).await,
    }
}

/// Ends an Application: deletes what it owns where that is wanted, and lets it go once nothing is left.
pub(super) async fn end(task: &Task, ending: &Ending, outcome: &mut Outcome) -> Look {
    let message = match ending {
        Ending::LetGo(why) => (*why).to_owned(),
        Ending::Cascade => match cascade(task, outcome).await {
            Ok(report) if report.verdict == Verdict::Done => told(&report),
            Ok(report) => return Look::Deleting { is_done: false, message: stuck(&report.results) },
            Err(trouble) => return Look::NoPlan(trouble),
        },
    };
    if matches!(ending, Ending::Cascade) {
        task.follower.tell(OccurrenceKind::Deleted, "", message.clone());
    }
    match task.applications.guard(&task.place.key, &task.uid, false).await {
        Ok(()) => Look::Deleting { is_done: true, message },
        Err(trouble) => Look::NoPlan(trouble),
    }
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
    let all = format!("everything that it owned is deleted ({deleted} things)");
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
