//! A sync's turn, where only so many may have their lock at a time.

use super::report::{ItemResult, Verdict};
use crate::engine::events::{Event, Watcher};
use crate::engine::ports::Guard;
use crate::engine::run::StopSignal;
use crate::model::Application;
use crate::plan::Plan;

/// Whether a sync may take its lock.
pub(super) enum Place {
    Free,
    WaitedFor,
    /// It was stopped before.
    NotTaken(ItemResult),
}

/// Waits for a place for the lock, where there is only a number of them.
pub(super) async fn take_place<A: Guard>(
    adapter: &A,
    application: &Application,
    watcher: &dyn Watcher,
    stop: &StopSignal,
) -> Place {
    let document = document(application);
    let waits = |text| watcher.event(Event::Settling { document: document.clone(), text });
    tokio::select! {
        biased;
        has_waited = adapter.take_place(waits) => if has_waited { Place::WaitedFor } else { Place::Free },
        () = stop.wait() => {
            let message = "stopped before its turn had come; nothing was done".to_owned();
            Place::NotTaken(ItemResult { document, verdict: Verdict::Stopped, message })
        }
    }
}

/// Tells that the wait for a place is over, and what is planned `now` if that is not what was planned `before`: what is
/// carried out is what was shown.
pub(super) fn tell_turn(watcher: &dyn Watcher, application: &Application, before: &Plan, now: &Plan) {
    let changed = before != now;
    let text = match changed {
        true => format!("its turn has come, and what is live has changed meanwhile. {}", now.summary()),
        false => "its turn has come; the plan is as it was".to_owned(),
    };
    watcher.event(Event::Notice { workload: document(application), text });
    if changed {
        watcher.planned(now);
    }
}

/// Tells that what is planned `now`, under the lock, is not what was planned `before`.
pub(super) fn tell_lock(watcher: &dyn Watcher, application: &Application, before: &Plan, now: &Plan) {
    if before == now {
        return;
    }
    let text = format!(
        "what is live has changed until this run was the only writer, and it is planned anew. {}",
        now.summary()
    );
    watcher.event(Event::Notice { workload: document(application), text });
    watcher.planned(now);
}

/// What of a sync concerns the application as a whole is told of this.
pub(super) fn document(application: &Application) -> String {
    format!("Application/{}", application.name)
}
