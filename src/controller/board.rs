//! Where all applications stand at this moment, for those who look in from outside: the web page, the metrics, health.

use crate::model::{AppKey, ApplicationStatus, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// Lines of activity that are kept for one application.
const LINES: usize = 50;
/// Changes that a slow reader may be behind before it has to read everything anew.
const BEHIND: usize = 4096;

/// One application, as people see it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub key: AppKey,
    /// The repository's URL, without secrets.
    pub repository: String,
    pub target_revision: String,
    pub path: String,
    /// `ecs prod (eu-central-1)`, `kubernetes shop`
    pub destination: String,
    /// `enforce` or `observe`.
    pub mode: String,
    pub suspended: bool,
    pub status: ApplicationStatus,
    /// The status that is known to be written where the Application is registered.
    #[serde(skip)]
    pub stored: ApplicationStatus,
    /// What differs, as `cutover plan` prints it, without secrets; empty if nothing does. 64 kB at most.
    pub diff: String,
    /// What happened lately, oldest first.
    pub activity: Vec<Line>,
    /// True while a sync is under way.
    pub is_busy: bool,
}

/// One line of activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    #[serde(with = "crate::model::rfc3339")]
    pub time: Timestamp,
    pub text: String,
}

/// All applications. Cheap to read; readers are told what changed.
pub struct Board {
    entries: Mutex<BTreeMap<AppKey, Arc<Entry>>>,
    changes: broadcast::Sender<AppKey>,
}

impl Default for Board {
    fn default() -> Board {
        Board { entries: Mutex::default(), changes: broadcast::Sender::new(BEHIND) }
    }
}

impl Board {
    /// Every entry, by key.
    pub fn snapshot(&self) -> Vec<Arc<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One entry.
    pub fn entry(&self, key: &AppKey) -> Option<Arc<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The keys of what changes from now on, also of what goes. A reader that falls behind is told so and reads
    /// everything anew.
    pub fn changes(&self) -> broadcast::Receiver<AppKey> {
        self.changes.subscribe()
    }

    /// Changes one entry, or makes it.
    pub fn change(&self, key: &AppKey, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(key.clone()).or_default();
        let entry = Arc::make_mut(entry);
        entry.key.clone_from(key);
        change(entry);
        drop(entries);
        // Without readers there is nobody to tell.
        let _ = self.changes.send(key.clone());
    }

    /// Changes one entry, if it is still there: what is told of an application after its end makes no entry of it again.
    pub fn amend(&self, key: &AppKey, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get_mut(key) else { return };
        change(Arc::make_mut(entry));
        drop(entries);
        // Without readers there is nobody to tell.
        let _ = self.changes.send(key.clone());
    }

    /// Adds a line of activity.
    pub fn note(&self, key: &AppKey, time: Timestamp, text: String) {
        self.amend(key, |entry| {
            entry.activity.push(Line { time, text });
            let over = entry.activity.len().saturating_sub(LINES);
            entry.activity.drain(..over);
        });
    }

    /// Takes an entry off.
    pub fn remove(&self, key: &AppKey) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        let _ = self.changes.send(key.clone());
    }
}
