//! Destinations: one object for each application, which takes its course.

use super::{Course, Sandbox};
use crate::controller::{Place, Request, Site, Sites, Synced};
use crate::engine::{
    Deployment, Event, ItemResult, Left, Status, StopSignal, SyncReport, Trouble, Verdict, Watcher,
    WorkloadStatus,
};
use crate::model::{AppKey, PlatformKind, SyncMode};
use crate::plan::{Change, Plan, PlanItem, UnderWay};
use crate::rollout::Phase;
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

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

/// A workload that was left in the middle of a shift.
fn shifting() -> WorkloadStatus {
    WorkloadStatus {
        document: "BlueGreen/x".into(),
        phase: Some(Phase::Shifting),
        waiting_on: None,
        check_after: None,
        outcome: None,
        serving: None,
        rules: vec![],
        slots: None,
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
        inner.most_syncing = inner.most_syncing.max(inner.syncing.len());
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

/// One that is told to stop still ends what it is at.
async fn safe_point(stop: &StopSignal) {
    stop.wait().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
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
            let manifests = &deployment.manifests;
            let object = manifests.objects.values().next().map(|object| &object.body["data"]["id"]);
            let definition = manifests.task_definitions.values().next();
            let definition = definition.map(|one| &one.spec["containerDefinitions"][0]["image"]);
            let want = object.or(definition).and_then(|id| id.as_str()).expect("an id").to_owned();
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
                        () = safe_point(stop) => (Verdict::Stopped, "between two writes".into()),
                    }
                }
                Course::Fails => (Verdict::Failed, "targets never became healthy".into()),
                Course::Refused(kind) => {
                    return Err(Trouble { kind, doing: "list configmaps".into(), message: "no".into() });
                }
                Course::PlansAnew | Course::Hangs => {
                    if course == Course::PlansAnew {
                        let item = PlanItem::new("ConfigMap", "y", "ConfigMap/shop/y", change, "");
                        watcher.planned(&Plan { items: vec![item], ..plan.clone() });
                    }
                    watcher.event(Event::Phase { workload: "x".into(), phase: Phase::Shifting });
                    safe_point(stop).await;
                    (Verdict::Stopped, "between two writes".into())
                }
            };
            let results = match acts {
                true => {
                    let document = if verdict == Verdict::Failed { "BlueGreen/x" } else { "ConfigMap/x" };
                    vec![ItemResult { document: document.into(), verdict, message }]
                }
                false => vec![],
            };
            let status = Status {
                application: deployment.application.name.clone(),
                commit: deployment.commit.clone(),
                platform: PlatformKind::Kubernetes,
                in_sync: !differs || acts && verdict == Verdict::Done,
                left: match differs && !(acts && verdict == Verdict::Done) {
                    true => Left::of(&plan),
                    false => Left::default(),
                },
                services: vec![],
                objects: vec![],
                workloads: if verdict == Verdict::Stopped { vec![shifting()] } else { vec![] },
                notices: vec![],
                waits: true,
            };
            Ok(Synced { report: SyncReport { plan, results, verdict }, status })
        })
    }

    fn carry_on<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Vec<ItemResult>> {
        Box::pin(async move {
            let _one = self.begin();
            self.sandbox.inner().carried.push((self.place.key.clone(), deployment.commit.clone()));
            let phase = |phase| watcher.event(Event::Phase { workload: "x".into(), phase });
            phase(Phase::Shifting);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(30)) => phase(Phase::Live),
                () = safe_point(stop) => {}
            }
            vec![]
        })
    }

    fn under_way(&self) -> LocalBoxFuture<'_, Result<Vec<UnderWay>, Trouble>> {
        let mut inner = self.sandbox.inner();
        inner.asked_live += 1;
        let found = inner.under_way.get(&self.place.key).cloned().unwrap_or_default();
        Box::pin(async move { Ok(found) })
    }

    fn delete_all<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        _: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<SyncReport, Trouble>> {
        Box::pin(async move {
            let _one = self.begin();
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.place.fence.check().await?;
            let item = PlanItem::new("ConfigMap", "x", "ConfigMap/shop/x", Change::Prune, "");
            let plan = Plan { items: vec![item], commit: deployment.commit.clone(), ..Plan::default() };
            watcher.planned(&plan);
            let mut inner = self.sandbox.inner();
            *inner.deletions.entry(self.place.key.clone()).or_default() += 1;
            let (verdict, message) = match inner.stuck.get(&self.place.key) {
                Some(why) => (Verdict::TimedOut, why.clone()),
                None => (Verdict::Done, String::new()),
            };
            if verdict == Verdict::Done {
                inner.live.remove(&self.place.key);
            }
            let results = vec![ItemResult { document: "ConfigMap/x".into(), verdict, message }];
            Ok(SyncReport { plan, results, verdict })
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
