//! Lets the load balancer controller follow a real Kubernetes API: watches what it looks at, gives it to
//! [`LoadBalancerController::reconcile`], writes statuses back.

use super::events::Event;
use super::handle::WorldHandle;
use super::kubeconfig::chain;
use crate::simulator::load_balancer_controller::{
    BindingStatus, ControllerFault, ControllerSettings, LoadBalancerController, Observed, Reconciled,
};
use futures_util::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// The kinds that are watched, in the order of [`Seen`]: group, version, kind, plural.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding", "targetgroupbindings"),
    ("", "v1", "Service", "services"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    ("", "v1", "Pod", "pods"),
];
/// The wait after a watch that failed.
const RETRY: Duration = Duration::from_secs(1);
/// The longest and the shortest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(10);
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// A controller that follows a cluster until this is dropped.
pub struct ClusterFollower {
    shared: Arc<Following>,
    running: JoinHandle<()>,
}

struct Following {
    client: Client,
    namespace: Option<String>,
    world: WorldHandle,
    controller: Mutex<LoadBalancerController>,
    seen: Mutex<[Seen; KINDS.len()]>,
    wake: Notify,
}

/// The objects of one kind.
#[derive(Debug, Default)]
struct Seen {
    objects: BTreeMap<(String, String), Value>,
    /// A list that is not complete yet; it takes the place of `objects` when it is.
    coming: BTreeMap<(String, String), Value>,
    complete: bool,
}

/// Starts to follow a namespace of a cluster, or all of them: what is registered in the world's target groups from now on is what
/// the cluster's TargetGroupBindings, Services and EndpointSlices say, as late as `settings` say in simulated time.
/// Pods are played by their images ([`Behaviour`](crate::simulator::Behaviour)) until they are deleted, unless
/// [`PodServers`](crate::simulator::load_balancer_controller::PodServers) says otherwise; nothing but loopback
/// addresses is ever connected to. Until all four kinds have been listed nothing is done. Must
/// be called in a tokio runtime.
pub fn follow_cluster(
    client: Client,
    world: impl Into<WorldHandle>,
    namespace: Option<&str>,
    settings: ControllerSettings,
) -> ClusterFollower {
    let shared = Arc::new(Following {
        client,
        namespace: namespace.map(String::from),
        world: world.into(),
        controller: Mutex::new(LoadBalancerController::new(settings)),
        seen: Mutex::default(),
        wake: Notify::new(),
    });
    let running = tokio::spawn(follow(Arc::clone(&shared)));
    ClusterFollower { shared, running }
}

impl ClusterFollower {
    /// Lets something go wrong for the binding of this name, or for all with `*`, until [`ControllerFault::None`].
    pub fn inject(&self, binding: &str, fault: ControllerFault) {
        lock(&self.shared.controller).inject(binding, fault);
        self.shared.wake.notify_one();
    }
}

impl std::fmt::Debug for ClusterFollower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterFollower").finish_non_exhaustive()
    }
}

impl Drop for ClusterFollower {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn resource(kind: usize) -> ApiResource {
    let (group, version, name, plural) = KINDS[kind];
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural)
}

async fn follow(shared: Arc<Following>) {
    // Ends with this future.
    let mut watches = JoinSet::new();
    for kind in 0..KINDS.len() {
        watches.spawn(watch(Arc::clone(&shared), kind));
    }
    loop {
        let result = look(&shared);
        for sentence in result.done {
            shared.world.tell(Event::Controller(sentence));
        }
        for sentence in result.problems {
            shared.world.tell(Event::Trouble(sentence));
        }
        for status in &result.statuses {
            if let Err(why) = write_status(&shared.client, status).await {
                shared.world.tell(Event::Trouble(why));
            }
        }
        let pause = result.next.map_or(PAUSE_MAX, |at| shared.world.until(at)).clamp(PAUSE_MIN, PAUSE_MAX);
        // A burst of events is one look.
        tokio::time::sleep(PAUSE_MIN).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.wake.notified() => {}
        }
    }
}

/// One look of the controller, once everything has been listed.
fn look(shared: &Following) -> Reconciled {
    let seen = lock(&shared.seen);
    if !seen.iter().all(|kind| kind.complete) {
        return Reconciled::default();
    }
    let [bindings, services, slices, pods] = seen.each_ref().map(|kind| kind.objects.values().collect());
    let observed = Observed { bindings, services, slices, pods };
    let mut controller = lock(&shared.controller);
    shared.world.with_world(|world| controller.reconcile(world, &observed))
}

/// Keeps the objects of a kind, over all failures of its watch.
async fn watch(shared: Arc<Following>, kind: usize) {
    let (client, resource) = (shared.client.clone(), resource(kind));
    let api: Api<DynamicObject> = match &shared.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let mut events = pin!(watcher(api, watcher::Config::default()));
    let mut failed = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                failed = false;
                lock(&shared.seen)[kind].note(event);
                shared.wake.notify_one();
            }
            Err(error) => {
                // What was seen last stays: a failed read is not absence.
                if !failed {
                    let (_, _, name, _) = KINDS[kind];
                    let why = chain(&error);
                    shared
                        .world
                        .tell(Event::Trouble(format!("watching {name} objects: {why}; it is tried again")));
                }
                failed = true;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

impl Seen {
    fn note(&mut self, event: watcher::Event<DynamicObject>) {
        match event {
            watcher::Event::Init => self.coming.clear(),
            watcher::Event::InitApply(object) => {
                self.coming.extend(entry(object));
            }
            watcher::Event::InitDone => {
                self.objects = std::mem::take(&mut self.coming);
                self.complete = true;
            }
            watcher::Event::Apply(object) => self.objects.extend(entry(object)),
            watcher::Event::Delete(object) => {
                self.objects.remove(&(object.namespace().unwrap_or_default(), object.name_any()));
            }
        }
    }
}

/// An object as JSON, under its namespace and name.
fn entry(mut object: DynamicObject) -> Option<((String, String), Value)> {
    object.metadata.managed_fields = None;
    let key = (object.namespace().unwrap_or_default(), object.name_any());
    Some((key, serde_json::to_value(object).ok()?))
}

async fn write_status(client: &Client, status: &BindingStatus) -> Result<(), String> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &status.namespace, &resource(0));
    let patch = Patch::Merge(json!({"status": {"observedGeneration": status.observed_generation}}));
    match api.patch_status(&status.name, &PatchParams::default(), &patch).await {
        Ok(_) => Ok(()),
        // Deleted meanwhile.
        Err(kube::Error::Api(answer)) if answer.code == 404 => Ok(()),
        Err(error) => {
            let (namespace, name) = (&status.namespace, &status.name);
            Err(format!("the status of TargetGroupBinding {namespace}/{name}: {}", chain(&error)))
        }
    }
}

#[cfg(test)]
mod tests;
