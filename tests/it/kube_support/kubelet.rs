//! One node whose pods do what their images' tags say.

use super::addresses::{Addresses, dial_address};
use super::life::{Doing, Life, Moment};
use super::pod_server::PodServer;
use super::status::{Bound, unschedulable};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a second of a tag lasts in these tests.
pub const SECOND: Duration = Duration::from_millis(100);
const NODE: &str = "test-node";
/// How long a pod takes to end that does not linger.
const STOPS_AFTER: Duration = Duration::from_millis(50);

/// The node. It takes every pod of the cluster that has none, as there is no scheduler.
pub struct Kubelet {
    client: Client,
    addresses: Addresses,
}

impl Kubelet {
    /// Makes the node and runs it on this runtime for as long as that lives.
    ///
    /// # Errors
    /// If it cannot be made, or if the cluster has other nodes.
    pub async fn start(client: Client) -> Result<(), String> {
        let text = |error: kube::Error| format!("the test's node: {error}");
        let nodes: Api<Node> = Api::all(client.clone());
        let others = nodes.list(&Default::default()).await.map_err(text)?;
        if let Some(other) = others.iter().find(|node| node.name_any() != NODE) {
            let name = other.name_any();
            return Err(format!(
                "the cluster has a node of its own ({name}); these tests want one without any"
            ));
        }
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}});
        let params = PatchParams::apply("test-kubelet").force();
        nodes.patch(NODE, &params, &Patch::Apply(&node)).await.map_err(text)?;
        // Admission gives every new node the taint "not ready".
        let taints = json!({"spec": {"taints": null}});
        nodes.patch(NODE, &PatchParams::default(), &Patch::Merge(&taints)).await.map_err(text)?;
        let room = json!({"cpu": "1000", "memory": "1Ti", "pods": "4000"});
        let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady",
                           "lastTransitionTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
        let status = json!({"status": {"capacity": room, "allocatable": room, "conditions": [ready]}});
        nodes.patch_status(NODE, &PatchParams::default(), &Patch::Merge(&status)).await.map_err(text)?;
        let addresses =
            Addresses::claim().map_err(|error| format!("no loopback addresses for pods: {error}"))?;
        tokio::spawn(Arc::new(Kubelet { client, addresses }).run());
        Ok(())
    }

    async fn run(self: Arc<Self>) {
        let mut known: HashMap<String, watch::Sender<Pod>> = HashMap::new();
        let pods: Api<Pod> = Api::all(self.client.clone());
        let mut events = std::pin::pin!(watcher::watcher(pods, watcher::Config::default()).default_backoff());
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(pod) | Event::InitApply(pod)) => {
                    let uid = pod.uid().unwrap_or_default();
                    match known.get(&uid) {
                        Some(known) => drop(known.send_replace(pod)),
                        None => {
                            let (sender, receiver) = watch::channel(pod);
                            known.insert(uid, sender);
                            tokio::spawn(Arc::clone(&self).keep(receiver));
                        }
                    }
                }
                // The end of its channel is what tells a pod's task that it is gone.
                Ok(Event::Delete(pod)) => drop(known.remove(&pod.uid().unwrap_or_default())),
                Ok(Event::Init | Event::InitDone) | Err(_) => {}
            }
        }
    }

    /// Keeps one pod until it is gone.
    async fn keep(self: Arc<Self>, pod: watch::Receiver<Pod>) {
        let seen = pod.borrow().clone();
        let phase = seen.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
        let elsewhere =
            seen.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).is_some_and(|node| node != NODE);
        if elsewhere || matches!(phase, "Succeeded" | "Failed") {
            return;
        }
        let api = Api::namespaced(self.client.clone(), &seen.namespace().unwrap_or_default());
        let lives = seen.spec.as_ref().map(Life::of).unwrap_or_default();
        let kept = Kept {
            api,
            name: seen.name_any(),
            uid: seen.uid().unwrap_or_default(),
            pod,
            servers: BTreeMap::new(),
        };
        kept.run(lives.into_iter().map(Arc::new).collect(), &self.addresses).await;
    }
}

struct Kept {
    api: Api<Pod>,
    name: String,
    uid: String,
    pod: watch::Receiver<Pod>,
    /// By container and port.
    servers: BTreeMap<(String, u16), PodServer>,
}

/// The pod no longer exists.
struct Gone;

impl Kept {
    async fn run(mut self, lives: Vec<Arc<Life>>, addresses: &Addresses) {
        if self.live(&lives, addresses).await.is_ok() {
            let _ = self.end(&lives).await;
        }
    }

    /// Until it is to be deleted.
    async fn live(&mut self, lives: &[Arc<Life>], addresses: &Addresses) -> Result<(), Gone> {
        if lives.iter().any(|life| life.unschedulable) {
            let status = unschedulable(&self.pod.borrow());
            self.write(&status).await?;
            return self.until_deletion().await;
        }
        self.bind().await?;
        let bound = Bound { address: addresses.next(), at: Timestamp::now(), second: SECOND };
        let start = Instant::now();
        let mut written = Value::Null;
        loop {
            let pod = self.pod.borrow_and_update().clone();
            if pod.metadata.deletion_timestamp.is_some() {
                return Ok(());
            }
            let age = (start.elapsed().as_millis() * 1_000 / SECOND.as_millis()) as u64;
            let mut moments: Vec<Moment> = lives.iter().map(|life| life.at(age)).collect();
            self.serve(&pod, lives, &mut moments, &bound, start).await;
            let plain: Vec<Life> = lives.iter().map(|life| life.as_ref().clone()).collect();
            let status = bound.status(&pod, &plain, &moments);
            if status != written {
                self.write(&status).await?;
                written = status;
            }
            let next = moments.iter().filter_map(|moment| moment.next).min();
            let wait = next.map(|next| SECOND.mul_f64((next.saturating_sub(age)) as f64 / 1_000.0));
            let wait = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait.max(Duration::from_millis(1))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.pod.changed() => changed.map_err(|_| Gone)?,
                () = wait => {}
            }
        }
    }

    /// Opens and closes servers, so that those of all containers that serve are there.
    async fn serve(
        &mut self,
        pod: &Pod,
        lives: &[Arc<Life>],
        moments: &mut [Moment],
        bound: &Bound,
        start: Instant,
    ) {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        for ((life, moment), container) in lives.iter().zip(moments).zip(containers) {
            for port in container.ports.iter().flatten() {
                let Ok(port) = u16::try_from(port.container_port) else { continue };
                let key = (life.name.clone(), port);
                let Some(since) = moment.serves else {
                    self.servers.remove(&key);
                    continue;
                };
                if self.servers.contains_key(&key) {
                    continue;
                }
                let address = SocketAddr::from((dial_address(bound.address), port));
                let started = start + SECOND.mul_f64(since as f64 / 1_000.0);
                match PodServer::open(address, Arc::clone(life), self.name.clone(), started).await {
                    Ok(server) => drop(self.servers.insert(key, server)),
                    Err(error) => {
                        let message = format!("{address}: {error}");
                        moment.doing = Doing::Waiting { reason: "RunContainerError", message };
                        moment.ready = false;
                    }
                }
            }
        }
    }

    async fn bind(&mut self) -> Result<(), Gone> {
        loop {
            let pod = self.pod.borrow_and_update().clone();
            let spec = pod.spec.as_ref();
            if spec.and_then(|spec| spec.node_name.as_ref()).is_some()
                || pod.metadata.deletion_timestamp.is_some()
            {
                return Ok(());
            }
            if spec.and_then(|spec| spec.scheduling_gates.as_ref()).is_some_and(|gates| !gates.is_empty()) {
                self.pod.changed().await.map_err(|_| Gone)?;
                continue;
            }
            let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": self.name, "uid": self.uid},
                                 "target": {"apiVersion": "v1", "kind": "Node", "name": NODE}});
            let params = PostParams::default();
            let binding = self.api.create_subresource::<_, Value>("binding", &self.name, &params, &binding);
            match binding.await {
                Ok(_) => return Ok(()),
                Err(error) => self.bear(error).await?,
            }
        }
    }

    async fn write(&mut self, status: &Value) -> Result<(), Gone> {
        loop {
            let mut patch = status.clone();
            // So that a pod of the same name that came after it is never meant.
            patch["metadata"] = json!({"uid": self.uid});
            let patched =
                self.api.patch_status(&self.name, &PatchParams::default(), &Patch::Strategic(&patch)).await;
            match patched {
                Ok(_) => return Ok(()),
                Err(error) => self.bear(error).await?,
            }
        }
    }

    /// Something went wrong: the pod is gone, or it is tried again.
    async fn bear(&mut self, error: kube::Error) -> Result<(), Gone> {
        match &error {
            kube::Error::Api(status) if status.code == 404 => return Err(Gone),
            // Of another pod by now, or bound already; what is true comes by the watch.
            kube::Error::Api(status) if status.code == 409 => {}
            error => println!("test kubelet: {}: {error}", self.name),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.pod.has_changed().map(drop).map_err(|_| Gone)
    }

    async fn until_deletion(&mut self) -> Result<(), Gone> {
        while self.pod.borrow_and_update().metadata.deletion_timestamp.is_none() {
            self.pod.changed().await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Lets it serve through its preStop hook's sleep, ends it and takes it away.
    async fn end(&mut self, lives: &[Arc<Life>]) -> Result<(), Gone> {
        let pod = self.pod.borrow().clone();
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(30).max(0) as u64;
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let sleeps = containers.filter_map(|container| {
            container
                .lifecycle
                .as_ref()?
                .pre_stop
                .as_ref()?
                .sleep
                .as_ref()
                .map(|sleep| sleep.seconds.max(0) as u64)
        });
        let sleep = sleeps.max().unwrap_or(0).min(grace);
        tokio::time::sleep(SECOND.mul_f64(sleep as f64)).await;
        for server in std::mem::take(&mut self.servers).into_values() {
            server.finish();
        }
        let lingers = lives.iter().map(|life| life.lingers).max().unwrap_or(0).min((grace - sleep) * 1_000);
        tokio::time::sleep(STOPS_AFTER + SECOND.mul_f64(lingers as f64 / 1_000.0)).await;
        let this = Preconditions { uid: Some(self.uid.clone()), ..Preconditions::default() };
        let now = DeleteParams::default().grace_period(0).preconditions(this);
        while let Err(error) = self.api.delete(&self.name, &now).await {
            self.bear(error).await?;
        }
        Ok(())
    }
}
