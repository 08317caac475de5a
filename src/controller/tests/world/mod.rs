//! Applications, repositories, destinations and seats in memory, with counts of what was asked of them.

mod registry;
mod seats;
mod spot;

use crate::controller::{
    Board, Crew, Found, Metrics, Nudge, Occurrence, OccurrenceKind, Pulse, Registered, Registration, World,
    run,
};
use crate::engine::{StopSignal, TroubleKind};
use crate::model::{Allowed, AppKey, Application, ApplicationStatus, Lineage, SourceFile, Timestamp};
use crate::plan::UnderWay;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::Instant;

pub const REPOSITORY: &str = "https://git.example/deploy.git";

/// What happens in a sync of an application that differs.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// It is done after so long.
    Takes(Duration),
    /// The rollout fails.
    Fails,
    /// It is refused.
    Refused(TroubleKind),
    /// It goes on until it is stopped.
    Hangs,
    /// It is to do something else once its turn has come, and then hangs.
    PlansAnew,
}

#[derive(Default)]
pub struct Inner {
    /// What every reading of documents says was skipped.
    pub skipped: Vec<String>,
    /// True if the documents have a BlueGreen `x`, too.
    pub ships: bool,
    registrations: Option<mpsc::Sender<Registration>>,
    registered: BTreeMap<AppKey, Registered>,
    live_changes: Option<mpsc::UnboundedSender<AppKey>>,
    /// Commit and folder ids by path, by repository and revision.
    git: BTreeMap<String, (Found, BTreeMap<String, String>)>,
    pub git_is_away: bool,
    /// The folder's id that each application runs; another text after somebody's change.
    pub live: BTreeMap<AppKey, String>,
    pub courses: BTreeMap<AppKey, Course>,
    syncing: BTreeSet<AppKey>,
    /// The most syncs that there were at once.
    pub most_syncing: usize,
    pub held: Option<BTreeSet<AppKey>>,
    fences: BTreeMap<AppKey, Weak<seats::Fence>>,
    pub looks: usize,
    pub syncs: BTreeMap<AppKey, usize>,
    pub writes: BTreeMap<AppKey, usize>,
    pub status_writes: usize,
    pub told: Vec<Occurrence>,
    pub requests: Vec<(AppKey, String)>,
    /// What was carried on, at which commit.
    pub carried: Vec<(AppKey, String)>,
    /// What was read of earlier commits is no longer there.
    pub mirror_is_new: bool,
    /// What the live slots say is under way.
    pub under_way: BTreeMap<AppKey, Vec<UnderWay>>,
    /// How often they were asked.
    pub asked_live: usize,
    /// Finalizers that were put on (true) and taken off.
    pub guards: Vec<(AppKey, bool)>,
    /// True while the API server lets nobody write a finalizer.
    pub guards_are_denied: bool,
    /// What keeps everything of an application from being deleted.
    pub stuck: BTreeMap<AppKey, String>,
    /// How often everything of an application was to be deleted.
    pub deletions: BTreeMap<AppKey, usize>,
    /// Folders of earlier commits.
    past: Vec<(Found, BTreeMap<String, String>)>,
    /// Everything that must never happen.
    pub faults: Vec<String>,
}

impl Inner {
    pub fn registered(&self, key: &AppKey) -> &Registered {
        &self.registered[key]
    }
}

/// The world, and the hands of those who change it.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Mutex<Inner>>,
    seats: watch::Sender<u64>,
    pub board: Arc<Board>,
    pub nudge: mpsc::Sender<Nudge>,
    nudges: Arc<Mutex<Option<mpsc::Receiver<Nudge>>>>,
    pub stop: StopSignal,
}

pub fn key(name: &str) -> AppKey {
    AppKey { namespace: "shop".into(), name: name.into() }
}

pub fn application(name: &str, more: &str) -> Application {
    let file = SourceFile {
        path: "app.yaml".into(),
        bytes: format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  source: \
             {{repoURL: '{REPOSITORY}', targetRevision: main, path: apps/{name}}}\n  destination: {{kubernetes: \
             {{namespace: shop}}}}\n{more}"
        )
        .into_bytes(),
    };
    crate::config::load_application(&file).expect("valid")
}

impl Sandbox {
    pub fn new() -> Sandbox {
        let (nudge, nudges) = mpsc::channel(16);
        Sandbox {
            inner: Arc::default(),
            seats: watch::Sender::new(0),
            board: Arc::default(),
            nudge,
            nudges: Arc::new(Mutex::new(Some(nudges))),
            stop: StopSignal::default(),
        }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers an application, or changes it. `more` is further YAML of its `spec`.
    pub fn register(&self, name: &str, more: &str) {
        self.register_as(name, |registered| registered.application = Ok(application(name, more)));
    }

    pub fn register_as(&self, name: &str, change: impl FnOnce(&mut Registered)) {
        let (sender, registered) = {
            let mut inner = self.inner();
            let count = inner.registered.len() as u64;
            let registered = inner.registered.entry(key(name)).or_insert_with(|| Registered {
                key: key(name),
                uid: format!("uid-{name}"),
                generation: 0,
                created: Timestamp(1_000 + count),
                application: Ok(application(name, "")),
                is_suspended: false,
                request: None,
                no_request: None,
                lineage: Ok(Lineage::default()),
                status: ApplicationStatus::default(),
                is_going: false,
                is_guarded: false,
            });
            let before = registered.application.clone();
            change(registered);
            if registered.generation == 0 || registered.application != before {
                registered.generation += 1;
            }
            (inner.registrations.clone(), inner.registered[&key(name)].clone())
        };
        if let Some(sender) = sender {
            sender.try_send(Registration::Is(Box::new(registered))).expect("room");
        }
    }

    /// A commit that gives these folders another content.
    pub fn commit(&self, id: &str, changed: &[&str]) {
        let mut inner = self.inner();
        let found = Found { commit: id.repeat(40), summary: format!("change {id}"), time: Timestamp(5_000) };
        let (_, mut folders) = inner.git.get("main").cloned().unwrap_or((found.clone(), BTreeMap::new()));
        for name in changed {
            folders.insert(format!("apps/{name}"), format!("{name}@{id}"));
        }
        inner.past.push((found.clone(), folders.clone()));
        inner.git.insert("main".into(), (found, folders));
    }

    /// Somebody changes what runs.
    pub fn meddle(&self, name: &str) {
        let mut inner = self.inner();
        inner.live.insert(key(name), "meddled".into());
        let changes = inner.live_changes.clone();
        drop(inner);
        changes.expect("the controller runs").send(key(name)).expect("the controller runs");
    }

    pub fn course(&self, name: &str, course: Course) {
        self.inner().courses.insert(key(name), course);
    }

    pub fn hold(&self, names: &[&str]) {
        let mut inner = self.inner();
        let held: BTreeSet<AppKey> = names.iter().map(|name| key(name)).collect();
        inner.fences.retain(|key, _| held.contains(key));
        inner.held = Some(held);
        drop(inner);
        self.seats.send_modify(|round| *round += 1);
    }

    /// The seat is lost and got back before anybody looks.
    pub fn lose_for_a_moment(&self, name: &str) {
        self.inner().fences.remove(&key(name));
        self.seats.send_modify(|round| *round += 2);
    }

    pub fn status(&self, name: &str) -> ApplicationStatus {
        self.inner().registered[&key(name)].status.clone()
    }

    /// `Ready=True Synced Healthy`
    pub fn standing(&self, name: &str) -> String {
        let status = self.status(name);
        let ready = status.condition("Ready").map(|c| format!("{:?} {}", c.status, c.reason));
        let others: String = ["Reconciling", "Stalled"]
            .iter()
            .filter(|kind| status.condition(kind).is_some())
            .map(|kind| format!(" {kind}"))
            .collect();
        format!("{}{others} {:?} {:?}", ready.unwrap_or_default(), status.sync, status.health)
    }

    pub fn told(&self, kind: OccurrenceKind) -> Vec<String> {
        let inner = self.inner();
        let of_kind = inner.told.iter().filter(|occurrence| occurrence.kind == kind);
        of_kind.map(|occurrence| format!("{}: {}", occurrence.application.name, occurrence.text)).collect()
    }

    pub fn syncs(&self, name: &str) -> usize {
        self.inner().syncs.get(&key(name)).copied().unwrap_or(0)
    }

    pub fn writes(&self, name: &str) -> usize {
        self.inner().writes.get(&key(name)).copied().unwrap_or(0)
    }

    /// Runs the controller beside `story` and ends it after that.
    pub async fn play<F: Future<Output = ()>>(&self, story: F) {
        let nudges = self.nudges.lock().unwrap_or_else(PoisonError::into_inner).take().expect("played once");
        let world = World {
            applications: Arc::new(self.clone()),
            repositories: Arc::new(self.clone()),
            sites: Arc::new(self.clone()),
            seats: Arc::new(self.clone()),
            voices: vec![Arc::new(self.clone())],
            permits: Arc::new(|_, _, application| match application.name.as_str() {
                "forbidden" => Err(vec!["namespace shop may not use this repository".into()]),
                _ => Ok(Allowed::everything()),
            }),
            crew: Crew::here(),
            clock: || Timestamp(10_000),
            grace: Duration::from_secs(20),
        };
        let controller = run(
            world,
            Arc::clone(&self.board),
            Arc::new(Metrics::default()),
            nudges,
            Arc::new(Pulse::default()),
            self.stop.clone(),
        );
        let local = LocalSet::new();
        let told = async {
            story.await;
            self.stop.set();
        };
        let (result, ()) = local.run_until(async { tokio::join!(controller, told) }).await;
        assert_eq!(result, Ok(()));
        assert_eq!(self.inner().faults, Vec::<String>::new());
    }
}

/// Lets virtual time pass, and a little more: a paused clock moves on when nobody has anything left to do, neither a task
/// nor a thread that asks Git, so whatever was due by then has been done.
pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds) + Duration::from_millis(1)).await;
}

/// Waits in virtual time until `test` holds.
pub async fn until(what: &str, test: impl Fn() -> bool) {
    let start = Instant::now();
    while !test() {
        assert!(start.elapsed() < Duration::from_secs(7_200), "it never came that {what}");
        pass(1).await;
    }
}
