//! Which look is due, and how it begins.

use super::apps::{App, Running, Sight};
use super::dependencies::circle;
use super::ending::Ending;
use super::follower::Follower;
use super::history::Past;
use super::look::Look;
use super::occurrence::{Occurrence, OccurrenceKind};
use super::ports::{Found, Place, Request};
use super::reconcile::{InHand, Outcome, Task, reconcile};
use super::register::is_ready;
use super::run::{Happened, State};
use crate::engine::{StopSignal, WriteGuard, failed, work_span};
use crate::model::{Allowed, AppKey, Application, Destination, HandledRequest, Lineage, Timestamp, marks};
use crate::rollout::Phase;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::time::Instant;

/// Looks at work at a time: as many as requests may be under way, so that each has what it needs, ends soon and holds no
/// lock for longer than it writes. Those that only wait are not counted.
pub(super) const AT_WORK: usize = 32;
/// A look that is at work for longer waits for something that it does not tell, such as a server that does not answer.
pub(super) const WORK: Duration = Duration::from_secs(30);

/// What a due application gets.
enum Next {
    /// There is nothing to look at yet; it becomes due again when there is.
    Nothing,
    /// The answer is known without a look.
    Known(Look),
    Task(Box<(Task, Running)>),
}

impl State {
    /// True if another look may begin.
    pub(super) fn has_room(&self) -> bool {
        self.at_work < AT_WORK
    }

    /// Starts what is due and has room.
    pub(super) fn start_what_is_due(&mut self, now: Instant) {
        if self.is_ending || !self.is_listed {
            return;
        }
        self.look_at_repositories(now);
        while self.has_room()
            && let Some(key) = self.queue.next(now)
        {
            match self.next(&key) {
                Next::Nothing => self.queue.ended(&key),
                Next::Known(look) => {
                    self.refuse_request(&key);
                    self.guard_apart(&key);
                    let site = self.apps.get(&key).and_then(|app| app.site.clone());
                    let outcome = Outcome::of(look, site);
                    self.ended(&key, outcome, self.teller.now(), Duration::ZERO);
                }
                Next::Task(begun) => {
                    let (task, running) = *begun;
                    self.start(&key, task, running);
                }
            }
        }
        let (waiting, oldest) = self.queue.waiting(now);
        let running = self.apps.values().filter(|app| app.running.is_some()).count();
        self.metrics.queue(waiting, oldest, running);
    }

    fn next(&mut self, key: &AppKey) -> Next {
        let Some(app) = self.apps.get(key) else { return Next::Nothing };
        let Some(fence) = app.fence.clone() else { return Next::Nothing };
        self.refuse_no_request(key, app);
        let place = |(application, allowed): (Application, Allowed)| {
            let mut application = application;
            application.suspend |= app.registered.is_suspended;
            self.place(key, app, application, allowed, fence)
        };
        if app.registered.is_going {
            return match self.ending(key, app) {
                Ok((application, ending)) => {
                    let allowed = app.allowed.clone().unwrap_or_else(|_| Allowed::everything());
                    let sight = self.sight_at_known(key, app);
                    self.task(key, app, sight, place((application, allowed)), None, Some(ending))
                }
                Err(look) => Next::Known(look),
            };
        }
        match self.to_be_brought_about(key, app) {
            Ok((wanted, sight)) => self.task(key, app, sight, place(wanted), None, None),
            Err(None) => Next::Nothing,
            // Who may not work there any more does not look after anything there either.
            Err(Some(look @ (Look::Taken(_) | Look::NotAllowed(_)))) => Next::Known(look),
            Err(Some(look)) => match self.in_hand(key, app, matches!(look, Look::NoSource(_))) {
                Some(in_hand) => {
                    let sight = self.sight_at_known(key, app);
                    self.task(key, app, sight, in_hand.place, Some(look), None)
                }
                None => match self.present(app).filter(|_| self.is_unknown(key)) {
                    Some(present) => {
                        let sight = self.sight_at_known(key, app);
                        self.task(key, app, sight, place(present), Some(look), None)
                    }
                    None => Next::Known(look),
                },
            },
        }
    }

    /// What was last seen of its folder or, if nothing was, the commit that was last compared.
    fn sight_at_known(&self, key: &AppKey, app: &App) -> Sight {
        let seen = app.sight.as_ref().and_then(|sight| sight.as_ref().ok()).cloned();
        seen.unwrap_or_else(|| {
            let commit = self.board.entry(key).map(|entry| entry.status.revision.clone());
            let commit = commit.unwrap_or_default();
            let found = Found { commit, summary: String::new(), time: Timestamp::default() };
            Sight { found, tree: String::new() }
        })
    }

    /// The spec and the commit that are to be brought about; the error says why there are none, or nothing if that is not
    /// known yet.
    fn to_be_brought_about(
        &self,
        key: &AppKey,
        app: &App,
    ) -> Result<((Application, Allowed), Sight), Option<Look>> {
        let application =
            app.registered.application.as_ref().map_err(|wrong| Some(Look::Invalid(wrong.clone())))?;
        if let Some(by) = self.claims.taken_by(key) {
            return Err(Some(Look::Taken(by.clone())));
        }
        let allowed = app.allowed.as_ref().map_err(|why| Some(Look::NotAllowed(why.clone())))?;
        let sight = app.sight.as_ref().ok_or(None)?;
        let sight = sight.as_ref().map_err(|trouble| Some(Look::NoSource(trouble.clone())))?;
        match self.dependencies(key, application) {
            Some(look) => Err(Some(look)),
            None => Ok(((application.clone(), allowed.clone()), sight.clone())),
        }
    }

    /// What is looked after as long as there is nothing to be brought about: a rollout under way or, where only the source
    /// is away and this process has seen everything in sync, all of it. Its spec is that of the last sync, not the present
    /// one, which may name another folder.
    fn in_hand(&self, key: &AppKey, app: &App, is_source_away: bool) -> Option<InHand> {
        let fence = app.fence.clone()?;
        let entry = self.board.entry(key)?;
        let at_rest = Phase::Live.to_string();
        let is_begun = entry.status.workloads.iter().any(|workload| workload.phase != at_rest);
        let is_whole = is_source_away && app.settled.is_some();
        if !(is_begun || is_whole) || entry.status.revision.is_empty() {
            return None;
        }
        let (mut application, allowed) = app.in_hand.clone().or_else(|| self.present(app))?;
        let declared = app.registered.application.as_ref().map_or(application.suspend, |one| one.suspend);
        application.suspend = declared || app.registered.is_suspended;
        let place = self.place(key, app, application, allowed, fence);
        Some(InHand { place, commit: entry.status.revision.clone(), is_whole, only: None })
    }

    fn place(
        &self,
        key: &AppKey,
        app: &App,
        application: Application,
        allowed: Allowed,
        fence: Arc<dyn WriteGuard>,
    ) -> Place {
        Place {
            key: key.clone(),
            lineage: lineage_of(app),
            neighbours: self.directory.around(key),
            history: Past::of(&self.world.repositories, key, &application),
            application,
            allowed,
            fence,
        }
    }

    /// The spec as it is registered, if it is valid and allowed.
    fn present(&self, app: &App) -> Option<(Application, Allowed)> {
        Some((app.registered.application.clone().ok()?, app.allowed.clone().ok()?))
    }

    /// True if no status tells what was brought about last: Applications in a folder have none, and this process may have
    /// begun in the middle of a rollout.
    fn is_unknown(&self, key: &AppKey) -> bool {
        self.board.entry(key).is_none_or(|entry| entry.status.revision.is_empty())
    }

    fn task(
        &self,
        key: &AppKey,
        app: &App,
        sight: Sight,
        place: Place,
        instead: Option<Look>,
        ending: Option<Ending>,
    ) -> Next {
        let stop = StopSignal::default();
        let follower = Follower {
            key: key.clone(),
            board: Arc::clone(&self.board),
            teller: Arc::clone(&self.teller),
            happened: self.happened.clone(),
            has_waited: Once::new(),
            has_told: Once::new(),
            waits_once_planned: matches!(place.application.destination, Destination::Ecs { .. }),
            common: self.occurrence(key, &sight.found.commit),
            is_settled_commit: ending.is_none() && app.settled.as_ref() == Some(&sight.tree),
            is_active: ending.is_none() && !place.application.suspend,
            mode: place.application.sync.mode,
        };
        let running = Running {
            stop: stop.clone(),
            spec: (place.application.clone(), place.allowed.clone()),
            sight: sight.clone(),
            generation: app.registered.generation,
            is_suspended: app.registered.is_suspended,
            is_care: instead.is_some(),
            is_at_work: true,
            stopped: None,
        };
        let task = Task {
            repositories: Arc::clone(&self.world.repositories),
            sites: Arc::clone(&self.world.sites),
            permits: Arc::clone(&self.world.permits),
            found: sight.found,
            in_hand: self.in_hand(key, app, matches!(instead, Some(Look::NoSource(_)))),
            is_unknown: self.is_unknown(key),
            instead,
            ending,
            applications: Arc::clone(&self.world.applications),
            uid: app.registered.uid.clone(),
            is_guarded: app.registered.is_guarded,
            site: app.site.clone(),
            place,
            request: self.open_request(key),
            follower,
            stop,
        };
        Next::Task(Box::new((task, running)))
    }

    /// Whoever asks for something that can't be done now is told so at once.
    fn refuse_request(&self, key: &AppKey) {
        let Some(request) = self.open_request(key) else { return };
        let why = "it can't be done now; see the conditions of the Application";
        self.refuse(key, request.text, why.to_owned());
    }

    /// Whoever wrote something into the annotation that is no request is told so, once.
    fn refuse_no_request(&self, key: &AppKey, app: &App) {
        let Some(text) = &app.registered.no_request else { return };
        let entry = self.board.entry(key);
        let handled = entry.as_ref().and_then(|entry| entry.status.handled_request.as_ref());
        if handled.is_some_and(|handled| handled.request == *text) {
            return;
        }
        let why = format!(
            "the annotation {} is no request: `{text}`; write it with cutover promote, abort or retry",
            marks::REQUEST
        );
        self.refuse(key, text.clone(), why);
    }

    fn refuse(&self, key: &AppKey, request: String, message: String) {
        let (kind, time) = (OccurrenceKind::RequestHandled, self.teller.now());
        self.teller.tell(Occurrence { kind, text: message.clone(), ..self.occurrence_at_known(key) });
        let handled = HandledRequest { request, done: false, message, time };
        self.board.amend(key, |entry| entry.status.handled_request = Some(handled));
    }

    /// What people ask for and have no answer to yet.
    fn open_request(&self, key: &AppKey) -> Option<Request> {
        let entry = self.board.entry(key);
        let handled = entry.as_ref().and_then(|entry| entry.status.handled_request.as_ref());
        self.apps.get(key)?.open_request(handled.map(|handled| handled.request.as_str())).cloned()
    }

    /// What occurrences have in common that come of no look: they are about the commit that is known.
    pub(super) fn occurrence_at_known(&self, key: &AppKey) -> Occurrence {
        let sight = self.apps.get(key).and_then(|app| app.sight.as_ref()?.as_ref().ok());
        let commit = sight.map(|sight| sight.found.commit.clone());
        let stored = || self.board.entry(key).map(|entry| entry.status.revision.clone()).unwrap_or_default();
        self.occurrence(key, &commit.unwrap_or_else(stored))
    }

    /// What all occurrences of an application have in common.
    pub(super) fn occurrence(&self, key: &AppKey, revision: &str) -> Occurrence {
        Occurrence {
            application: key.clone(),
            uid: self.apps.get(key).map(|app| app.registered.uid.clone()).unwrap_or_default(),
            kind: OccurrenceKind::Synced,
            workload: String::new(),
            revision: revision.to_owned(),
            repository: self.board.entry(key).map(|entry| entry.repository.clone()).unwrap_or_default(),
            text: String::new(),
            time: Timestamp::default(),
        }
    }

    fn start(&mut self, key: &AppKey, task: Task, running: Running) {
        self.at_work += 1;
        if let Some(app) = self.apps.get_mut(key) {
            app.running = Some(running);
        }
        self.board.amend(key, |entry| entry.is_busy = true);
        let happened = self.happened.clone();
        let (key, started, begun) = (key.clone(), self.teller.now(), Instant::now());
        self.world.crew.put(Box::new(move || {
            Box::pin(async move {
                let revision = task.found.commit.clone();
                let span = work_span!(in None, "reconcile", "planning", application = %key, revision);
                let site = task.site.clone();
                let work = tracing::Instrument::instrument(reconcile(task), span.clone());
                // A fault in one look ends that look and nothing else.
                let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
                let outcome = match tokio::time::timeout(WORK, work.as_mut()).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        let _ = happened.send(Happened::Waits(key.clone()));
                        work.await
                    }
                };
                let outcome = outcome.unwrap_or_else(|_| {
                    let text =
                        "this look broke down, which is a fault of the program; see its log".to_owned();
                    Outcome::of(Look::Broken(text), site)
                });
                if let Some(why) = outcome.look.failure() {
                    failed(&span, &why);
                }
                drop(span);
                let (outcome, took) = (Box::new(outcome), begun.elapsed());
                // The controller may have ended meanwhile.
                let _ = happened.send(Happened::Ended { key, outcome, started, took });
            })
        }));
    }

    /// Why it can't be synced yet, if others have to be ready first.
    fn dependencies(&self, key: &AppKey, application: &Application) -> Option<Look> {
        if application.depends_on.is_empty() {
            return None;
        }
        let named = |key: &AppKey, names: &[String]| -> Vec<AppKey> {
            names.iter().map(|name| AppKey { namespace: key.namespace.clone(), name: name.clone() }).collect()
        };
        let edges = |of: &AppKey| match self.apps.get(of).map(|app| &app.registered.application) {
            Some(Ok(application)) => named(of, &application.depends_on),
            _ => vec![],
        };
        if let Some(circle) = circle(key, edges) {
            let names: Vec<String> = circle.iter().map(|key| key.name.clone()).collect();
            let text = format!("Applications wait for each other in a circle: {}", names.join(" → "));
            return Some(Look::Cycle(text));
        }
        let unready =
            named(key, &application.depends_on).into_iter().find_map(|other| self.unready(&other))?;
        Some(Look::Depends(unready))
    }

    fn unready(&self, key: &AppKey) -> Option<String> {
        let Some(app) = self.apps.get(key) else {
            return Some(format!("Application {} to exist", key.name));
        };
        // Of those that this process works for it knows more than their statuses tell: the same commit may change both.
        let is_moving = app.is_held() && (app.running.is_some() || self.queue.is_due(key, Instant::now()));
        let entry = self.board.entry(key);
        let status = match (&entry, app.is_held()) {
            (Some(entry), true) => &entry.status,
            _ => &app.registered.status,
        };
        if is_moving || !is_ready(app.registered.generation, status) {
            return Some(format!("Application {} to be ready", key.name));
        }
        None
    }
}

/// One that can't be told allows nothing, so that no place is made of it.
fn lineage_of(app: &App) -> Lineage {
    app.registered.lineage.clone().unwrap_or_default()
}
