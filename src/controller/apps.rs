//! One application and one repository, as the controller knows them.

use super::ports::{Found, Registered, RepositoryKey, Request, Site, SourceTrouble};
use crate::engine::{StopSignal, WriteGuard};
use crate::model::{Allowed, AppKey, Application, Seconds};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// One application.
pub(super) struct App {
    pub registered: Registered,
    /// What the operator's configuration allows it, or why it is refused.
    pub allowed: Result<Allowed, Vec<String>>,
    /// What is asked before each write for it, if this process works for it. Another one: it was lost in between.
    pub fence: Option<Arc<dyn WriteGuard>>,
    pub repository: Option<RepositoryKey>,
    /// The spec whose documents were last brought about, with what it was allowed.
    pub in_hand: Option<(Application, Allowed)>,
    /// What the last look at the repository gave; `None` before the first one.
    pub sight: Option<Result<Sight, SourceTrouble>>,
    /// The folder's id when everything was last in sync: what differs at the same id is drift.
    pub settled: Option<String>,
    pub running: Option<Running>,
    /// Its connection, as long as what it was made of is unchanged.
    pub site: Option<Arc<dyn Site>>,
    /// Looks in a row that did not end well.
    pub failures: u32,
    /// When the last look ended.
    pub looked: Option<Instant>,
}

/// An application's folder at the commit that its revision is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    pub found: Found,
    /// The folder's id.
    pub tree: String,
}

/// A look that is under way.
pub(super) struct Running {
    pub stop: StopSignal,
    pub spec: (Application, Allowed),
    pub sight: Sight,
    pub generation: i64,
    pub is_suspended: bool,
    /// True if it only looks after what is under way, until there are documents to bring about.
    pub is_care: bool,
    /// True until it only waits: so many may be in that stage at a time.
    pub is_at_work: bool,
    /// Why it was told to stop.
    pub stopped: Option<Stopped>,
}

/// Why a look is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// People asked for something that the next look handles.
    Asked,
    /// Git or the Application has something newer.
    Superseded,
    /// This process works for it no longer, or it is gone.
    Dropped,
}

impl App {
    pub fn new(registered: Registered) -> App {
        App {
            registered,
            allowed: Err(vec![]),
            fence: None,
            repository: None,
            in_hand: None,
            sight: None,
            settled: None,
            running: None,
            site: None,
            failures: 0,
            looked: None,
        }
    }

    /// True if this process works for it.
    pub fn is_held(&self) -> bool {
        self.fence.is_some()
    }

    /// Works for it from now on behind `fence`, or no longer. What was begun behind another one is stopped, and nothing
    /// is kept that would ask the old one. False if it is the same as before.
    pub fn hold(&mut self, fence: Option<Arc<dyn WriteGuard>>) -> bool {
        let is_same = match (&self.fence, &fence) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        };
        if !is_same {
            self.stop(Stopped::Dropped);
            self.site = None;
            self.fence = fence;
        }
        !is_same
    }

    /// The request of people that is not handled yet.
    pub fn open_request(&self, handled: Option<&str>) -> Option<&Request> {
        self.registered.request.as_ref().filter(|request| Some(request.text.as_str()) != handled)
    }

    /// Stops a look that is under way at its next safe point. What comes of one that was dropped counts no more, whatever
    /// it was stopped for before.
    pub fn stop(&mut self, why: Stopped) {
        if let Some(running) = &mut self.running {
            match why {
                Stopped::Dropped => running.stopped = Some(why),
                _ => drop(running.stopped.get_or_insert(why)),
            }
            running.stop.set();
        }
    }
}

/// Whether what is registered now needs another look than what was before.
pub(super) fn differs(before: &Registered, now: &Registered) -> bool {
    before.uid != now.uid
        || before.generation != now.generation
        || before.is_suspended != now.is_suspended
        || before.request != now.request
        || before.no_request != now.no_request
        || before.is_going != now.is_going
        || before.lineage != now.lineage
        || before.application.as_ref().err() != now.application.as_ref().err()
        || before.application.as_ref().ok() != now.application.as_ref().ok()
}

/// One repository.
#[derive(Default)]
pub(super) struct Repository {
    pub users: BTreeSet<AppKey>,
    /// Looks in a row that failed.
    pub failures: u32,
    pub rounds: u32,
}

/// What a look at a repository gave, by revision.
pub(super) type Sights = Result<BTreeMap<String, Result<Folders, SourceTrouble>>, SourceTrouble>;

/// A commit with the ids of the folders that were asked for.
pub(super) struct Folders {
    pub found: Found,
    pub trees: BTreeMap<String, Result<String, SourceTrouble>>,
}

/// The shortest interval of a repository's users, in seconds.
pub(super) fn interval<'a>(intervals: impl Iterator<Item = &'a App>) -> Seconds {
    let own = |app: &App| app.registered.application.as_ref().map(|a| a.sync.interval).ok();
    intervals.filter_map(own).min().unwrap_or(60)
}
