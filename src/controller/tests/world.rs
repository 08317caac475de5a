//! Applications, repositories, destinations and seats in memory, with counts of what was asked of them.

use crate::controller::{
    Applications, Board, Crew, Documents, Found, Metrics, Nudge, Occurrence, OccurrenceKind, Place, Pulse,
    Registered, Registration, Repositories, RepositoryKey, Request, Seats, Site, Sites, SourceTrouble,
    Synced, Voice, World, run,
};
use crate::engine::{
    Deployment, ItemResult, Status, StopSignal, SyncReport, Trouble, TroubleKind, Verdict, Watcher,
    WriteGuard,
};
use crate::model::{
    Allowed, AppKey, Application, ApplicationStatus, PlatformKind, SourceFile, SyncMode, Timestamp,
};
use crate::plan::{Change, Plan, PlanItem};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
}

#[derive(Default)]
pub struct Inner {
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
    pub held: Option<BTreeSet<AppKey>>,
    pub looks: usize,
    pub syncs: BTreeMap<AppKey, usize>,
    pub writes: BTreeMap<AppKey, usize>,
    pub status_writes: usize,
    pub told: Vec<Occurrence>,
    pub requests: Vec<(AppKey, String)>,
    /// Everything that must never happen.
    pub faults: Vec<String>,
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
                status: ApplicationStatus::default(),
                is_going: false,
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
        self.inner().held = Some(names.iter().map(|name| key(name)).collect());
        self.seats.send_modify(|round| *round += 1);
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
            permits: Box::new(|_, application| match application.name.as_str() {
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

/// Lets virtual time pass.
pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // Git is asked on real threads, which a paused clock does not wait for.
    for _ in 0..20 {
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_micros(200));
    }
}

impl Applications for Sandbox {
    fn watch(&self) -> mpsc::Receiver<Registration> {
        let mut inner = self.inner();
        let (sender, receiver) = mpsc::channel(20_000);
        for registered in inner.registered.values() {
            sender.try_send(Registration::Is(Box::new(registered.clone()))).expect("room");
        }
        sender.try_send(Registration::Listed).expect("room");
        inner.registrations = Some(sender);
        receiver
    }

    fn write_status<'a>(
        &'a self,
        key: &'a AppKey,
        status: &'a ApplicationStatus,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(async move {
            let (sender, registered) = {
                let mut inner = self.inner();
                inner.status_writes += 1;
                if inner.held.as_ref().is_some_and(|held| !held.contains(key)) {
                    inner.faults.push(format!("the status of {key} was written without its seat"));
                }
                let Some(registered) = inner.registered.get_mut(key) else { return Ok(()) };
                registered.status = status.clone();
                (inner.registrations.clone(), inner.registered[key].clone())
            };
            if let Some(sender) = sender {
                // A full channel only delays the echo.
                let _ = sender.try_send(Registration::Is(Box::new(registered)));
            }
            Ok(())
        })
    }
}

impl Repositories for Sandbox {
    fn look(
        &self,
        repository: &RepositoryKey,
        revisions: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<Found, SourceTrouble>>, SourceTrouble> {
        let mut inner = self.inner();
        inner.looks += 1;
        if inner.git_is_away || repository.url != REPOSITORY {
            return Err(SourceTrouble { message: "the server is away".into(), is_transient: true });
        }
        let found = revisions.iter().map(|revision| {
            let found = inner.git.get(revision).map(|(found, _)| found.clone());
            let none = || SourceTrouble { message: format!("no {revision}"), is_transient: false };
            (revision.clone(), found.ok_or_else(none))
        });
        Ok(found.collect())
    }

    fn tree_ids(
        &self,
        _: &RepositoryKey,
        commit: &str,
        paths: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<String, SourceTrouble>>, SourceTrouble> {
        let inner = self.inner();
        let folders =
            inner.git.values().find(|(found, _)| found.commit == commit).map(|(_, folders)| folders);
        let ids = paths.iter().map(|path| {
            let none = || SourceTrouble { message: format!("no folder {path}"), is_transient: false };
            (path.clone(), folders.and_then(|folders| folders.get(path)).cloned().ok_or_else(none))
        });
        Ok(ids.collect())
    }

    fn documents(&self, _: &RepositoryKey, commit: &str, path: &str) -> Result<Documents, SourceTrouble> {
        let inner = self.inner();
        let id = inner.git.values().find(|(found, _)| found.commit == commit);
        let id = id.and_then(|(_, folders)| folders.get(path)).cloned().unwrap_or_default();
        let text = match id.contains("@wrong") {
            true => "kind: [".to_owned(),
            false => {
                format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{id: '{id}'}}\n")
            }
        };
        Ok(Documents {
            files: vec![SourceFile { path: format!("{path}/x.yaml"), bytes: text.into_bytes() }],
            notices: vec![],
        })
    }
}

impl Sites for Sandbox {
    fn open<'a>(&'a self, place: Place) -> LocalBoxFuture<'a, Result<Arc<dyn Site>, Trouble>> {
        let site: Arc<dyn Site> = Arc::new(Spot { sandbox: self.clone(), place });
        Box::pin(async move { Ok(site) })
    }

    fn changes(&self) -> mpsc::UnboundedReceiver<AppKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.inner().live_changes = Some(sender);
        receiver
    }
}

struct Spot {
    sandbox: Sandbox,
    place: Place,
}

impl Spot {
    /// One sync at a time, and the end is noted however it comes.
    fn begin(&self) -> Syncing<'_> {
        let mut inner = self.sandbox.inner();
        *inner.syncs.entry(self.place.key.clone()).or_default() += 1;
        if !inner.syncing.insert(self.place.key.clone()) {
            inner.faults.push(format!("{} was synced twice at a time", self.place.key));
        }
        Syncing(self)
    }

    async fn write(&self, what: &str) -> Result<(), Trouble> {
        self.place.fence.check().await?;
        let mut inner = self.sandbox.inner();
        if inner.held.as_ref().is_some_and(|held| !held.contains(&self.place.key)) {
            inner.faults.push(format!("{} was written without its seat", self.place.key));
        }
        inner.live.insert(self.place.key.clone(), what.to_owned());
        *inner.writes.entry(self.place.key.clone()).or_default() += 1;
        Ok(())
    }
}

struct Syncing<'a>(&'a Spot);

impl Drop for Syncing<'_> {
    fn drop(&mut self) {
        self.0.sandbox.inner().syncing.remove(&self.0.place.key);
    }
}

impl Site for Spot {
    fn sync<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<Synced, Trouble>> {
        Box::pin(async move {
            let _one = self.begin();
            if deployment.application != self.place.application {
                let fault = format!("{} was synced by a connection made for another spec", self.place.key);
                self.sandbox.inner().faults.push(fault);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            let object = deployment.manifests.objects.values().next().expect("one object");
            let want = object.body.pointer("/data/id").and_then(|id| id.as_str()).expect("an id").to_owned();
            let live = self.sandbox.inner().live.get(&self.place.key).cloned();
            let course = self.sandbox.inner().courses.get(&self.place.key).cloned();
            let course = course.unwrap_or(Course::Takes(Duration::from_secs(1)));
            let differs = live.as_ref() != Some(&want);
            let change = match (&live, differs) {
                (None, _) => Change::Create,
                (_, true) => Change::Update,
                _ => Change::Unchanged,
            };
            let plan = Plan {
                application: deployment.application.name.clone(),
                commit: deployment.commit.clone(),
                items: vec![PlanItem::new("ConfigMap", "x", "ConfigMap/shop/x", change, "")],
                ..Plan::default()
            };
            watcher.planned(&plan);
            let acts = differs
                && !deployment.application.suspend
                && deployment.application.sync.mode == SyncMode::Enforce;
            let (verdict, message) = match course {
                _ if !acts => (Verdict::Done, String::new()),
                Course::Takes(duration) => {
                    tokio::select! {
                        () = tokio::time::sleep(duration) => {
                            self.write(&want).await?;
                            (Verdict::Done, String::new())
                        }
                        () = stop.wait() => (Verdict::Stopped, "between two writes".into()),
                    }
                }
                Course::Fails => (Verdict::Failed, "targets never became healthy".into()),
                Course::Refused(kind) => {
                    return Err(Trouble { kind, doing: "list configmaps".into(), message: "no".into() });
                }
                Course::Hangs => {
                    stop.wait().await;
                    (Verdict::Stopped, "between two writes".into())
                }
            };
            let results = match acts {
                true => vec![ItemResult { document: "ConfigMap/x".into(), verdict, message }],
                false => vec![],
            };
            let status = Status {
                application: deployment.application.name.clone(),
                commit: deployment.commit.clone(),
                platform: PlatformKind::Kubernetes,
                in_sync: !differs || acts && verdict == Verdict::Done,
                services: vec![],
                objects: vec![],
                workloads: vec![],
                notices: vec![],
            };
            Ok(Synced { report: SyncReport { plan, results, verdict }, status })
        })
    }

    fn handle<'a>(
        &'a self,
        _: &'a Deployment,
        request: &'a Request,
    ) -> LocalBoxFuture<'a, Result<String, Trouble>> {
        self.sandbox.inner().requests.push((self.place.key.clone(), request.text.clone()));
        Box::pin(async { Ok("promoted".to_owned()) })
    }
}

impl Seats for Sandbox {
    fn holds(&self, key: &AppKey) -> bool {
        self.inner().held.as_ref().is_none_or(|held| held.contains(key))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.seats.subscribe()
    }

    fn fence(&self, key: &AppKey) -> Arc<dyn WriteGuard> {
        Arc::new(Fence { sandbox: self.clone(), key: key.clone() })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut inner = self.inner();
            if !inner.syncing.is_empty() {
                inner.faults.push("a seat was left while a sync ran".into());
            }
        })
    }
}

struct Fence {
    sandbox: Sandbox,
    key: AppKey,
}

impl WriteGuard for Fence {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        let passes = self.sandbox.holds(&self.key);
        Box::pin(async move {
            let message = "the seat is gone".to_owned();
            passes.then_some(()).ok_or(Trouble {
                kind: TroubleKind::Rejected,
                doing: "writing".into(),
                message,
            })
        })
    }
}

impl Voice for Sandbox {
    fn tell(&self, occurrence: &Occurrence) {
        self.inner().told.push(occurrence.clone());
    }
}

/// Waits in virtual time until `test` holds.
pub async fn until(what: &str, test: impl Fn() -> bool) {
    let start = Instant::now();
    while !test() {
        assert!(start.elapsed() < Duration::from_secs(7_200), "it never came that {what}");
        pass(1).await;
    }
}
