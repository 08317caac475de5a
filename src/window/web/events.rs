//! Server-sent events: everything at first, then what changes.

use super::summary::Summary;
use crate::controller::{Board, Entry};
use crate::model::AppKey;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::sleep;

/// Changes within this time are told together.
const TOGETHER: Duration = Duration::from_millis(200);
/// Keeps proxies from closing a connection on which nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// `snapshot`: every application.
#[derive(Serialize)]
struct Snapshot<'a> {
    applications: Vec<Summary<'a>>,
}

/// `change`: those that changed and those that are gone.
#[derive(Serialize)]
struct Change<'a> {
    changed: Vec<Summary<'a>>,
    gone: Vec<&'a AppKey>,
}

/// One browser that listens. It is asked for the next event only when the last one has gone out, so a slow one costs
/// no memory: it falls behind and gets everything anew.
struct Listener {
    board: Arc<Board>,
    changes: Receiver<AppKey>,
    is_behind: bool,
    /// Its place among those that may listen.
    _place: OwnedSemaphorePermit,
}

/// An endless answer for one browser.
pub(super) fn listen(board: Arc<Board>, place: OwnedSemaphorePermit) -> Response {
    let changes = board.changes();
    let listener = Listener { board, changes, is_behind: true, _place: place };
    let events = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

/// Every application, as the event `snapshot` has it.
pub(super) fn snapshot(board: &Board) -> Option<String> {
    let entries = board.snapshot();
    let applications = entries.iter().map(|entry| Summary::from(&**entry)).collect();
    serde_json::to_string(&Snapshot { applications }).ok()
}

impl Listener {
    /// The next event; `None` ends the answer, and the browser comes again.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if std::mem::take(&mut self.is_behind) {
                // From here on: what was missed is in the snapshot.
                self.changes = self.board.changes();
                return Some(Event::default().event("snapshot").data(snapshot(&self.board)?));
            }
            let mut keys = BTreeSet::new();
            match self.changes.recv().await {
                Ok(key) => keys.insert(key),
                Err(RecvError::Lagged(_)) => {
                    self.is_behind = true;
                    continue;
                }
                Err(RecvError::Closed) => return None,
            };
            sleep(TOGETHER).await;
            if self.take_waiting(&mut keys) {
                return Some(Event::default().event("change").data(self.change(&keys)?));
            }
            self.is_behind = true;
        }
    }

    /// The keys that came meanwhile; false if some were lost.
    fn take_waiting(&mut self, keys: &mut BTreeSet<AppKey>) -> bool {
        loop {
            match self.changes.try_recv() {
                Ok(key) => keys.insert(key),
                Err(TryRecvError::Lagged(_)) => return false,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return true,
            };
        }
    }

    fn change(&self, keys: &BTreeSet<AppKey>) -> Option<String> {
        let entries: Vec<(&AppKey, Option<Arc<Entry>>)> =
            keys.iter().map(|key| (key, self.board.entry(key))).collect();
        let changed = entries.iter().filter_map(|(_, entry)| entry.as_deref()).map(Summary::from).collect();
        let gone = entries.iter().filter(|(_, entry)| entry.is_none()).map(|(key, _)| *key).collect();
        serde_json::to_string(&Change { changed, gone }).ok()
    }
}
