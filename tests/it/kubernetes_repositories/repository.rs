//! A fixture as a Git repository with an Application, and the binary on it, behind the counting proxy.

use crate::cli_support::{Desk, Ran};
use crate::kube_support::{Asked, Proxy, Space, User};
use cutover::kubernetes::Verb;
use http::{Method, Request};
use kube::Client;
use kube::discovery::{Discovery, verbs};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every object of the application, by `Kind.group/namespace/name`, without what counts up.
pub type State = BTreeMap<String, Value>;

/// What somebody does by hand.
pub enum Drift {
    Patch(String, Value),
    Delete(String),
}

/// The path of `namespace/plural/name` or `plural/name`.
pub fn object(version: &str, place: &str) -> String {
    let root = if version.contains('/') { "apis" } else { "api" };
    let within = if place.split('/').count() == 3 { "namespaces/" } else { "" };
    format!("/{root}/{version}/{within}{place}")
}

pub struct Repository {
    name: &'static str,
    desk: Desk,
    proxy: Proxy,
    /// Keeps the control plane's first namespace, and a client.
    space: Space,
    first_writes: std::sync::Mutex<Vec<String>>,
}

impl Repository {
    /// The fixture of this name, committed, as an application whose objects go to `namespace`.
    pub async fn new(name: &'static str, namespace: &str) -> Repository {
        Repository::with(name, namespace, &[]).await
    }

    /// With files besides, which the test computes: path and text.
    pub async fn with(name: &'static str, namespace: &str, files: &[(&str, String)]) -> Repository {
        let space = Space::new(name).await;
        let proxy = Proxy::start(space.cluster, User::Admin).await;
        let desk = tokio::task::block_in_place(Desk::new);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kubernetes").join(name);
        copy(&root, Path::new(""), &desk);
        for (path, text) in files {
            desk.write(&format!("deploy/{path}"), text);
        }
        desk.write(
            "app.yaml",
            &format!(
                "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  \
                 source: {{repoURL: ., path: deploy}}\n  destination: {{kubernetes: {{namespace: {namespace}}}}}\n  \
                 sync: {{prune: true, pruneLimit: 50%, timeout: 10m}}\n"
            ),
        );
        desk.commit("First");
        Repository { name, desk, proxy, space, first_writes: std::sync::Mutex::default() }
    }

    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.desk.checkout().join("deploy").join(file)).expect(file);
    }

    pub fn change(&self, file: &str, how: impl Fn(&str) -> String) {
        let path = format!("deploy/{file}");
        let (before, after) = (self.desk.read(&path), how(&self.desk.read(&path)));
        assert_ne!(before, after, "{file} was not changed");
        self.desk.write(&path, &after);
    }

    pub fn commit(&self, message: &str) {
        self.desk.commit(message);
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.desk.command(arguments);
        command.env("KUBECONFIG", self.proxy.kubeconfig()).args(["-f", "app.yaml"]);
        tokio::task::block_in_place(|| self.desk.ran(command))
    }

    /// A sync that has to do well.
    fn sync(&self, flags: &[&str]) -> Ran {
        let ran = self.run(&[&["sync"], flags].concat());
        assert_eq!(ran.code, Some(0), "{}: {}", self.name, ran.whole());
        ran
    }

    /// From nothing: every document is there afterwards, each was written once, and nothing is left to be done.
    pub async fn first_sync(&self, objects: usize) -> State {
        let planned = self.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(planned.code, Some(2), "{}", planned.whole());
        assert_eq!(self.writes(), Vec::<String>::new(), "a plan wrote");
        self.proxy.forget();
        self.sync(&[]);
        *self.first_writes.lock().expect("a lock") = self.writes();
        let mut applied: BTreeMap<String, usize> = BTreeMap::new();
        for asked in self.asked(|asked| asked.verb == Verb::Apply) {
            *applied
                .entry(format!("{asked} {}", asked.namespace.as_deref().unwrap_or_default()))
                .or_default() += 1;
        }
        // The inventory is widened and narrowed; the namespace that the lock lies in comes before the lock.
        let expected = |what: &str| {
            what.contains(&format!(" cutover-{}", self.name)) || what.starts_with("apply namespaces")
        };
        let twice: Vec<_> = applied.iter().filter(|(what, count)| **count > 1 && !expected(what)).collect();
        assert!(twice.is_empty(), "applied more than once: {twice:?}");
        let state = self.state().await;
        assert_eq!(state.len(), objects, "{:#?}", state.keys());
        self.has_nothing_to_do().await;
        state
    }

    /// The writes of the first sync, in order.
    pub fn first_writes(&self) -> Vec<String> {
        self.first_writes.lock().expect("a lock").clone()
    }

    /// A sync that lists each kind once in each namespace, writes nothing and tries nothing.
    pub async fn has_nothing_to_do(&self) {
        self.proxy.forget();
        let ran = self.sync(&[]);
        let tried = self.asked(|asked| asked.verb == Verb::DryRun || asked.verb.is_write());
        let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
        assert!(tried.is_empty(), "{}: {tried:#?}\n{}", self.name, ran.whole());
        let mut lists: BTreeMap<String, usize> = BTreeMap::new();
        for asked in self.asked(|asked| asked.verb == Verb::List) {
            *lists
                .entry(format!("{} {}", asked.namespace.unwrap_or_default(), asked.resource))
                .or_default() += 1;
        }
        // Once for each version that documents use, and of one kind they use two. A Deployment that its autoscaler has just
        // scaled is waited for, which is a list and a watch.
        let twice = ["caches.data.example.com", "greeter deployments.apps"];
        let allowed = |what: &str| if twice.iter().any(|one| what.ends_with(one)) { 2 } else { 1 };
        let often: Vec<_> = lists.iter().filter(|(what, count)| **count > allowed(what)).collect();
        assert!(often.is_empty(), "listed more than once: {often:?}");
        let planned = self.run(&["plan", "--detailed-exitcode"]);
        assert_eq!(planned.code, Some(0), "{}", planned.whole());
    }

    /// What was changed by hand is found, is not taken from whoever has it by itself, and is as declared after it was.
    pub async fn repairs(&self, drifts: &[Drift], wanted: &State) {
        for drift in drifts {
            let (method, path, body) = match drift {
                Drift::Patch(path, patch) => (Method::PATCH, path, patch.to_string()),
                Drift::Delete(path) => (Method::DELETE, path, String::new()),
            };
            self.ask(method, &format!("{path}?fieldManager=kubectl-edit"), body).await;
        }
        let planned = self.run(&["plan", "--detailed-exitcode"]);
        assert!(matches!(planned.code, Some(1 | 2)), "{}", planned.whole());
        for drift in drifts {
            let (Drift::Patch(path, _) | Drift::Delete(path)) = drift;
            let name = path.rsplit('/').next().unwrap_or_default();
            assert!(planned.stdout.contains(name), "{name} is not in the plan: {}", planned.whole());
        }
        let refused = self.run(&["sync"]);
        assert_eq!(refused.code, Some(1), "{}", refused.whole());
        assert!(refused.whole().contains("kubectl-edit"), "{}", refused.whole());
        self.proxy.forget();
        self.sync(&["--force-conflicts"]);
        let written: BTreeSet<String> =
            self.asked(|asked| asked.verb == Verb::Apply).into_iter().filter_map(|a| a.name).collect();
        for name in &written {
            let meant = drifts.iter().any(|drift| {
                let (Drift::Patch(path, _) | Drift::Delete(path)) = drift;
                path.ends_with(&format!("/{name}"))
            });
            assert!(meant || *name == format!("cutover-{}", self.name), "{name} was written, too");
        }
        assert_same(wanted, &self.state().await);
        self.has_nothing_to_do().await;
    }

    /// What is no longer among the documents goes, and nothing else.
    pub async fn prunes(&self, before: &State, gone: &[&str]) {
        self.sync(&[]);
        let after = self.state().await;
        let missing: Vec<&str> =
            before.keys().filter(|key| !after.contains_key(*key)).map(String::as_str).collect();
        assert_eq!(missing, gone);
        self.has_nothing_to_do().await;
    }

    /// The last commit is taken back, and all is as it was.
    pub async fn reverts_to(&self, wanted: &State) {
        self.reverted();
        self.is_as(wanted).await;
    }

    /// The last commit is taken back; the writes of that.
    pub fn reverted(&self) -> Vec<String> {
        self.desk.git(&["revert", "--no-edit", "HEAD"]);
        self.synced()
    }

    /// A sync that does well; its writes.
    pub fn synced(&self) -> Vec<String> {
        self.proxy.forget();
        self.sync(&[]);
        self.writes()
    }

    /// Everything is live as it was, and a sync has nothing to do.
    pub async fn is_as(&self, wanted: &State) {
        assert_same(wanted, &self.state().await);
        self.has_nothing_to_do().await;
    }

    /// A sync that fails, and says of what.
    pub async fn fails(&self, what: &str) {
        let failed = self.run(&["sync"]);
        assert!(matches!(failed.code, Some(1 | 3)), "{}", failed.whole());
        assert!(failed.whole().contains(what), "{}", failed.whole());
    }

    /// The names of the Jobs that ran as hooks.
    pub async fn runs_of_hooks(&self) -> Vec<String> {
        let state = self.state().await;
        let is_hook =
            |object: &Value| object["metadata"]["annotations"].get("cutover.dev/hook-for").is_some();
        let hooks = state.values().filter(|object| is_hook(object));
        hooks.filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// The image of a Deployment's first container.
    pub async fn image_of(&self, namespace: &str, name: &str) -> String {
        let path = object("apps/v1", &format!("{namespace}/deployments/{name}"));
        let found = self.read(&path).await;
        found["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
    }

    pub async fn patch_status(&self, path: &str, patch: Value) {
        self.patch_as("operator", &format!("{path}/status"), patch).await;
    }

    /// What another program writes, as this field manager: a merge patch.
    pub async fn patch_as(&self, manager: &str, path: &str, patch: Value) {
        self.ask(Method::PATCH, &format!("{path}?fieldManager={manager}"), patch.to_string()).await;
    }

    /// What is live there.
    pub async fn read(&self, path: &str) -> Value {
        self.ask(Method::GET, path, String::new()).await
    }

    pub async fn delete(&self, path: &str) {
        self.ask(Method::DELETE, path, String::new()).await;
    }

    /// Deletes the namespaces: other tests of a borrowed control plane begin without them.
    pub async fn end(&self, namespaces: &[&str]) {
        for namespace in namespaces {
            self.delete(&format!("/api/v1/namespaces/{namespace}")).await;
        }
    }

    fn asked(&self, test: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        self.proxy.asked().into_iter().filter(|asked| test(asked)).collect()
    }

    fn writes(&self) -> Vec<String> {
        self.proxy.writes().iter().map(ToString::to_string).collect()
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> Value {
        let answer = self.try_ask(method, path, body).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    async fn try_ask(&self, method: Method, path: &str, body: String) -> kube::Result<Value> {
        let content_type = "application/merge-patch+json";
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        self.space.client.request(request.body(body.into_bytes()).expect("a request")).await
    }

    /// What bears the application's label, in all namespaces, as far as it is not being deleted. Without Jobs that
    /// delete themselves: they are there for a moment.
    pub async fn state(&self) -> State {
        let mut state = State::new();
        for path in collections(&self.space.client).await {
            let path = format!("{path}?labelSelector=cutover.dev/application={}", self.name);
            let list = match self.try_ask(Method::GET, &path, String::new()).await {
                // The kind was another test's, which is over.
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                list => list.unwrap_or_else(|error| panic!("{path}: {error}")),
            };
            let kind = list["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
            let group = list["apiVersion"]
                .as_str()
                .and_then(|version| version.split_once('/'))
                .map(|(group, _)| group);
            for object in list["items"].as_array().into_iter().flatten() {
                let metadata = &object["metadata"];
                // Copies of a Service's labels; the program's own notes.
                let own = metadata["name"] == format!("cutover-{}", self.name).as_str();
                let passes = object["spec"].get("ttlSecondsAfterFinished").is_some();
                if kind.starts_with("Endpoint")
                    || own
                    || passes
                    || metadata.get("deletionTimestamp").is_some()
                {
                    continue;
                }
                let mut object = object.clone();
                object["kind"] = kind.as_str().into();
                let metadata = &object["metadata"];
                let shown = match group {
                    Some(group) if group.contains("example.com") => format!("{kind}.{group}"),
                    _ => kind.clone(),
                };
                let place: Vec<&str> =
                    [Some(shown.as_str()), metadata["namespace"].as_str(), metadata["name"].as_str()]
                        .into_iter()
                        .flatten()
                        .collect();
                state.insert(place.join("/"), tidy(object));
            }
        }
        state
    }
}

fn copy(root: &Path, below: &Path, desk: &Desk) {
    for entry in std::fs::read_dir(root.join(below)).expect("a fixture").flatten() {
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            copy(root, &path, desk);
        } else {
            let text = std::fs::read_to_string(entry.path()).expect("text");
            desk.write(&format!("deploy/{}", path.display()), &text);
        }
    }
}

/// The paths of all kinds that can be listed, in the version that the server likes best.
async fn collections(client: &Client) -> Vec<String> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await.expect("discovery");
    let kinds = discovery.groups().flat_map(|group| group.resources_by_stability());
    let listed = kinds.filter(|(_, can)| can.supports_operation(verbs::LIST));
    let path = |resource: &kube::api::ApiResource| match resource.group.as_str() {
        "" => format!("/api/{}/{}", resource.version, resource.plural),
        group => format!("/apis/{group}/{}/{}", resource.version, resource.plural),
    };
    listed.map(|(resource, _)| path(&resource)).collect()
}

/// Without what the server and controllers count up, and without a status.
fn tidy(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for own in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
            metadata.shift_remove(own);
        }
        if let Some(Value::Object(notes)) = metadata.get_mut("annotations") {
            notes.retain(|key, _| {
                !key.starts_with("deployment.kubernetes.io/") && !key.starts_with("deprecated.daemonset")
            });
        }
    }
    for pointer in [
        "/spec/clusterIP",
        "/spec/clusterIPs",
        "/spec/selector",
        "/spec/template/metadata/labels",
        "/spec/finalizers",
    ] {
        let is_job = object["kind"] == "Job" || pointer.contains("clusterIP");
        if let Some(value) = object.pointer_mut(pointer).filter(|_| is_job) {
            *value = json!("[set by the server]");
        }
    }
    object
}

/// What runs only after a failure is there after one, and stays.
fn is_of_a_failure(object: &Value) -> bool {
    let hook = |key: &str| object["metadata"]["annotations"][key].as_str().unwrap_or_default();
    hook("argocd.argoproj.io/hook") == "SyncFail" || hook("cutover.dev/hook") == "sync-fail"
}

fn assert_same(wanted: &State, found: &State) {
    let text = |state: &State| {
        let state: Vec<_> = state.iter().filter(|(_, object)| !is_of_a_failure(object)).collect();
        serde_json::to_string_pretty(&state).expect("text")
    };
    let diff =
        similar::TextDiff::from_lines(text(wanted), text(found)).unified_diff().context_radius(4).to_string();
    assert!(diff.is_empty(), "not as it was:\n{diff}");
}
