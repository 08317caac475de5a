//! A sync's turn, where only so many may have their lock at a time.

use super::report::{ItemResult, Verdict};
use crate::engine::events::{Event, Watcher};
use crate::engine::ports::Guard;
use crate::engine::run::StopSignal;
use crate::model::Application;

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
    let document = format!("Application/{}", application.name);
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
