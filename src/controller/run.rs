//! The loop: takes what happened, decides which look is due, starts it, and notes what came of it.

use super::apps::{App, Sights, Stopped};
use super::board::Board;
use super::claims::Claims;
use super::crew::Crew;
use super::look::Look;
use super::metrics::Metrics;
use super::neighbours::Directory;
use super::occurrence::Voice;
use super::ports::{Applications, Nudge, Registration, Repositories, RepositoryKey, Seats, Sites};
use super::queue::Queue;
use super::reconcile::Outcome;
use super::teller::Teller;
use super::writer::write_statuses;
use crate::engine::{StopSignal, WriteGuard};
use crate::model::{Allowed, AppKey, Application, Lineage, Timestamp, same_repository};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// What the operator's configuration allows an application that comes from these others, or why not.
pub type Permits = Arc<dyn Fn(&Lineage, &AppKey, &Application) -> Result<Allowed, Vec<String>> + Send + Sync>;

/// Everything around the controller.
pub struct World {
    pub applications: Arc<dyn Applications>,
    pub repositories: Arc<dyn Repositories>,
    pub sites: Arc<dyn Sites>,
    pub seats: Arc<dyn Seats>,
    pub voices: Vec<Arc<dyn Voice>>,
    pub permits: Permits,
    pub crew: Crew,
    /// This machine's wall clock, for what people read.
    pub clock: fn() -> Timestamp,
    /// How long running syncs get to reach a safe point when the process is told to end.
    pub grace: Duration,
}

/// Something that a task of the controller's own reports.
pub(super) enum Happened {
    /// The application's look mostly waits from now on.
    Waits(AppKey),
    /// A look found nothing that may be brought about, and looks after what is under way.
    Refused { key: AppKey, look: Look, started: Timestamp },
    /// A look ended.
    Ended { key: AppKey, outcome: Box<Outcome>, started: Timestamp, took: Duration },
    /// A repository was looked at.
    Sighted { repository: RepositoryKey, sights: Sights },
}

/// The controller's whole state; only its own loop touches it.
pub(super) struct State {
    pub world: World,
    pub board: Arc<Board>,
    pub metrics: Arc<Metrics>,
    pub teller: Arc<Teller>,
    pub happened: mpsc::UnboundedSender<Happened>,
    pub apps: BTreeMap<AppKey, App>,
    pub repositories: BTreeMap<RepositoryKey, super::apps::Repository>,
    pub claims: Claims,
    pub directory: Arc<Directory>,
    /// Applications by when they are due to be looked at.
    pub queue: Queue<AppKey>,
    /// Repositories, likewise.
    pub looks: Queue<RepositoryKey>,
    /// Looks that do not only wait.
    pub at_work: usize,
    /// True once everything that was registered at the start is known.
    pub is_listed: bool,
    pub is_ending: bool,
}

/// The loop is alive at least this often.
const BEAT: Duration = Duration::from_secs(5);

/// Runs until `stop` is set, then stops all syncs at safe points and gives everything back.
///
/// # Errors
/// A sentence if what the controller cannot live without has ended.
pub async fn run(
    world: World,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    mut nudges: mpsc::Receiver<Nudge>,
    pulse: Arc<super::Pulse>,
    stop: StopSignal,
) -> Result<(), String> {
    let (happened, mut happenings) = mpsc::unbounded_channel();
    let mut registrations = world.applications.watch();
    let mut live = world.sites.changes();
    let mut seats = world.seats.changes();
    let (end_writer, ended) = oneshot::channel();
    let writer = tokio::spawn(write_statuses(
        Arc::clone(&board),
        Arc::clone(&world.applications),
        Arc::clone(&world.seats),
        ended,
    ));
    let teller = Arc::new(Teller {
        voices: world.voices.clone(),
        seats: Arc::clone(&world.seats),
        board: Arc::clone(&board),
        clock: world.clock,
    });
    let directory = Arc::new(Directory::new(Arc::clone(&world.repositories)));
    let mut state = State {
        world,
        board,
        metrics,
        teller,
        happened,
        apps: BTreeMap::new(),
        repositories: BTreeMap::new(),
        claims: Claims::default(),
        directory,
        queue: Queue::default(),
        looks: Queue::default(),
        at_work: 0,
        is_listed: false,
        is_ending: false,
    };
    let mut end = None;
    let result = loop {
        pulse.beat();
        state.start_what_is_due(Instant::now());
        if end.is_some_and(|end| Instant::now() >= end) || state.is_ending && !state.is_busy() {
            break Ok(());
        }
        let wake = state.wake_at().unwrap_or_else(|| Instant::now() + BEAT).min(Instant::now() + BEAT);
        tokio::select! {
            biased;
            () = stop.wait(), if !state.is_ending => {
                end = Some(Instant::now() + state.world.grace);
                state.end();
            }
            Some(what) = happenings.recv() => {
                state.take(what);
                // All that is there, before anything new is begun.
                while let Ok(what) = happenings.try_recv() {
                    state.take(what);
                }
            }
            registration = registrations.recv() => {
                let Some(registration) = registration else {
                    break Err("the Applications are no longer told; this process can't go on".to_owned());
                };
                state.register(registration, &pulse);
                while let Ok(registration) = registrations.try_recv() {
                    state.register(registration, &pulse);
                }
            }
            Some(key) = live.recv() => state.live_changed(&key),
            Some(nudge) = nudges.recv() => state.nudge(&nudge),
            Ok(()) = seats.changed() => state.seats_changed(),
            () = tokio::time::sleep_until(wake) => {}
        }
    };
    state.end();
    // Fences go with the sites: only then may another process take over.
    let seats = Arc::clone(&state.world.seats);
    let cut_off = state.apps.values().filter(|app| app.running.is_some()).count();
    if cut_off > 0 {
        tracing::warn!(
            "{cut_off} syncs did not reach a safe point in time; their next one goes on from where they are"
        );
    }
    // Without a receiver the writer has ended already.
    let _ = end_writer.send(());
    let _ = writer.await;
    drop(state);
    seats.leave().await;
    result
}

impl State {
    fn take(&mut self, what: Happened) {
        match what {
            Happened::Waits(key) => self.waits(&key),
            Happened::Refused { key, look, started } => self.refused(&key, look, started),
            Happened::Ended { key, outcome, started, took } => {
                match self.apps.get(&key).is_some_and(|app| app.running.is_some()) {
                    true => self.ended(&key, *outcome, started, took),
                    // It was of an Application that is gone; another one of its name may have come.
                    false => self.queue.ended(&key),
                }
            }
            Happened::Sighted { repository, sights } => self.sighted(&repository, sights),
        }
    }

    /// The look gives its place up: another one may begin.
    pub(super) fn waits(&mut self, key: &AppKey) {
        if let Some(running) = self.apps.get_mut(key).and_then(|app| app.running.as_mut())
            && std::mem::take(&mut running.is_at_work)
        {
            self.at_work = self.at_work.saturating_sub(1);
        }
    }

    fn register(&mut self, registration: Registration, pulse: &super::Pulse) {
        match registration {
            Registration::Is(registered) => self.registered(*registered),
            Registration::Gone(key) => {
                self.tell_left(&key);
                self.gone(&key);
            }
            Registration::Listed => {
                self.is_listed = true;
                pulse.listed();
            }
        }
    }

    fn live_changed(&mut self, key: &AppKey) {
        let Some(app) = self.apps.get(key).filter(|app| app.is_held()) else { return };
        // What changes all the time is looked at once a second.
        let now = Instant::now();
        let at = app.looked.map_or(now, |looked| now.max(looked + Duration::from_secs(1)));
        self.queue.want(key, at);
    }

    fn nudge(&mut self, nudge: &Nudge) {
        let now = Instant::now();
        match nudge {
            Nudge::Application(key) if self.apps.contains_key(key) => self.queue.want(key, now),
            Nudge::Application(_) => {}
            Nudge::Repository(urls) => {
                let named = self
                    .repositories
                    .keys()
                    .filter(|repository| urls.iter().any(|url| same_repository(url, &repository.url)));
                for repository in named.cloned().collect::<Vec<_>>() {
                    self.looks.want(&repository, now);
                }
            }
        }
    }

    pub(super) fn seats_changed(&mut self) {
        let now = Instant::now();
        let keys: Vec<AppKey> = self.apps.keys().cloned().collect();
        for key in keys {
            let fence = self.fence(&key);
            let Some(app) = self.apps.get_mut(&key) else { continue };
            if !app.hold(fence) {
                continue;
            }
            self.directory.note(&key, app);
            let stored = app.registered.status.clone();
            if app.is_held() {
                self.board.change(&key, |entry| {
                    entry.status.clone_from(&stored);
                    entry.stored = stored;
                });
                self.queue.want(&key, now);
                if let Some(repository) = self.apps.get(&key).and_then(|app| app.repository.clone()) {
                    self.looks.want(&repository, now);
                }
            } else {
                self.queue.drop_due(&key);
            }
        }
    }

    /// What is asked before each write for an application, if this process works for it.
    pub(super) fn fence(&self, key: &AppKey) -> Option<Arc<dyn WriteGuard>> {
        self.world.seats.holds(key).then(|| self.world.seats.fence(key))
    }

    fn wake_at(&self) -> Option<Instant> {
        if self.is_ending {
            return None;
        }
        // A queue that waits for room is woken by whoever makes room.
        let queue = self.queue.wake_at().filter(|_| self.has_room());
        queue.into_iter().chain(self.looks.wake_at()).min()
    }

    fn is_busy(&self) -> bool {
        self.apps.values().any(|app| app.running.is_some())
    }

    fn end(&mut self) {
        self.is_ending = true;
        for app in self.apps.values_mut() {
            app.stop(Stopped::Dropped);
        }
    }
}
