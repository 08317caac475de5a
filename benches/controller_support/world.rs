//! The repository, the namespaces and the Applications.

use super::documents::objects;
use super::process::Controller;
use super::watched::Watched;
use crate::git_servers::{Server, git_daemon};
use crate::kube_support::{Space, User, define_applications};
use crate::repository::Bare;
use cutover::model::Seconds;
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The polling interval of all Applications.
pub const INTERVAL: Seconds = 30;
/// As a team's namespace may have.
const APPLICATIONS_A_NAMESPACE: usize = 20;

pub struct World {
    pub count: usize,
    pub space: Space,
    pub folder: TempDir,
    pub applications: Watched,
    /// One ConfigMap of each application: `v1 info`.
    pub settings: Watched,
    repository: Bare,
    daemon: Server,
    versions: Vec<usize>,
}

fn name(number: usize) -> String {
    format!("app-{number:05}")
}

fn kind(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn registrations() -> ApiResource {
    kind("cutover.dev", "v1alpha1", "Application")
}

fn is_ready(application: &DynamicObject) -> String {
    let conditions = application.data.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    ready.and_then(|ready| ready["status"].as_str()).unwrap_or_default().to_owned()
}

fn version_and_level(settings: &DynamicObject) -> String {
    let text = |field: &str| settings.data["data"][field].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("version"), text("level"))
}

impl World {
    /// Everything is registered, and no controller runs.
    pub async fn new(count: usize) -> World {
        let space = Space::new("controller").await;
        define_applications(&space).await;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("git")).expect("a folder");
        let repository = Bare::new(&folder.path().join("git/deploy.git"));
        let daemon = git_daemon(&folder.path().join("git"));
        let client = space.client.clone();
        let registered: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &space.name, &registrations());
        let settings: Api<DynamicObject> = Api::all_with(client, &kind("", "v1", "ConfigMap"));
        let mark = format!("bench={}", space.name);
        let mut world = World {
            applications: Watched::start(registered.clone(), "", is_ready),
            settings: Watched::start(settings, &mark, version_and_level),
            versions: vec![0; count],
            count,
            folder,
            repository,
            daemon,
            space,
        };
        world.commit(0..count);
        let namespaces: Api<Namespace> = Api::all(world.space.client.clone());
        for number in (0..count).step_by(APPLICATIONS_A_NAMESPACE) {
            let namespace: Namespace =
                serde_json::from_value(json!({"metadata": {"name": world.namespace(number)}})).expect("one");
            namespaces.create(&Default::default(), &namespace).await.expect("a namespace");
        }
        let objects: Vec<DynamicObject> = (0..count).map(|number| world.application(number)).collect();
        let made = stream::iter(&objects).map(|object| {
            let registered = registered.clone();
            async move { registered.create(&Default::default(), object).await.expect("an Application") }
        });
        made.buffer_unordered(16).for_each(|made| async { drop(made) }).await;
        world
    }

    fn namespace(&self, number: usize) -> String {
        format!("{}-{}", self.space.name, number / APPLICATIONS_A_NAMESPACE)
    }

    fn application(&self, number: usize) -> DynamicObject {
        let name = name(number);
        let application = json!({
            "apiVersion": "cutover.dev/v1alpha1", "kind": "Application", "metadata": {"name": name},
            "spec": {
                "source": {"repoURL": self.url(), "targetRevision": "main", "path": format!("apps/{name}")},
                "destination": {"kubernetes": {"namespace": self.namespace(number)}},
                "sync": {"mode": "enforce", "prune": true, "interval": format!("{INTERVAL}s"), "timeout": "30m"},
            },
        });
        serde_json::from_value(application).expect("an object")
    }

    pub fn url(&self) -> String {
        format!("git://127.0.0.1:{}/deploy.git", self.daemon.port)
    }

    /// Commits a next version of some applications.
    pub fn commit(&mut self, numbers: impl Iterator<Item = usize>) {
        let files = numbers.map(|number| {
            self.versions[number] += 1;
            let name = name(number);
            (format!("apps/{name}/objects.yaml"), objects(&name, self.versions[number], &self.space.name))
        });
        let files: Vec<(String, Vec<u8>)> = files.collect();
        self.repository.commit(&files);
    }

    /// Commits documents that are wrong to one application.
    pub fn spoil(&mut self, number: usize) {
        let path = format!("apps/{}/objects.yaml", name(number));
        self.repository.commit(&[(path, b"apiVersion: v1\nkind: ConfigMap\nmetadata: {nam: x}\n".to_vec())]);
    }

    /// What the settings of an application should say.
    fn wanted(&self, number: usize) -> String {
        format!("v{} info", self.versions[number])
    }

    /// Waits until the last commit has come to one application.
    pub async fn until_applied(&self, number: usize) {
        let (name, wanted) = (name(number), self.wanted(number));
        self.settings.until("a commit was applied", |all| all.of(&name).1 == wanted).await;
    }

    /// Waits until the last commits have come to all of them.
    pub async fn until_all_applied(&self) {
        let names: Vec<(String, String)> =
            (0..self.count).map(|number| (name(number), self.wanted(number))).collect();
        let all = |settings: &Watched| names.iter().all(|(name, wanted)| settings.of(name).1 == *wanted);
        self.settings.until("a commit was applied everywhere", all).await;
    }

    pub async fn until_all_ready(&self) {
        self.applications.until("all are ready", |all| all.count("True") == self.count).await;
    }

    pub async fn until_not_ready(&self, number: usize) {
        let name = name(number);
        self.applications.until("one is not ready", |all| all.of(&name).1 == "False").await;
    }

    /// Takes the registration of an application away and makes a new one; waits until that is ready.
    pub async fn register_anew(&self, number: usize) {
        let (name, application) = (name(number), self.application(number));
        let registered: Api<DynamicObject> =
            Api::namespaced_with(self.space.client.clone(), &self.space.name, &registrations());
        registered.delete(&name, &Default::default()).await.expect("it goes");
        let made = registered.create(&Default::default(), &application).await.expect("an Application");
        let at: u64 = made.metadata.resource_version.expect("one").parse().expect("a number");
        let is_ready_anew = |all: &Watched| {
            let (version, word) = all.of(&name);
            version > at && word == "True"
        };
        self.applications.until("a new registration is ready", is_ready_anew).await;
    }

    /// Changes a field as somebody else; waits until it is as it was.
    pub async fn disturb(&self, number: usize) -> std::time::Duration {
        let settings: Api<ConfigMap> = Api::namespaced(self.space.client.clone(), &self.namespace(number));
        let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
        let (name, wanted) = (name(number), self.wanted(number));
        let patch = Patch::Merge(json!({"data": {"level": "debug"}}));
        let begun = std::time::Instant::now();
        let patched = settings.patch(&name, &params, &patch).await.expect("a patch");
        let at: u64 = patched.metadata.resource_version.expect("one").parse().expect("a number");
        let is_repaired = |all: &Watched| {
            let (version, word) = all.of(&name);
            version > at && word == wanted
        };
        self.settings.until("drift was repaired", is_repaired).await;
        begun.elapsed()
    }

    /// Starts a controller for these Applications.
    pub fn controller(&self) -> Controller {
        let kubeconfig = self.space.cluster.kubeconfig(User::Admin).display().to_string();
        let environment = [("KUBECONFIG", kubeconfig), ("POD_NAMESPACE", self.space.name.clone())];
        Controller::start(self.folder.path(), &["--watch-namespace", &self.space.name], &environment)
    }
}
