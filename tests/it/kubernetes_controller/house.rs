//! An installation in a namespace of a test's own, and its users.

use crate::cli_support::{Desk, Ran};
use crate::git_servers::{Server, git_daemon};
use crate::kube_support::{Space, User};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// A version of blue/green without a load balancer that waits as short as it can.
pub const WEB: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: registry.example/web:v1
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /healthz, port: 8080}}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: web}
spec:
  workloadRef: {kind: Deployment, name: web}
  container: {name: app, port: 8080}
  traffic: {service: web}
  gates: {stableFor: 1s, approval: true}
  bakeTime: 1s
  keepPrevious: 1h
";

/// The installation, a repository, and the controller's process.
pub struct House {
    /// The controller's namespace.
    pub space: Space,
    pub desk: Desk,
    daemon: Server,
    process: Option<Child>,
    log: PathBuf,
    kubeconfig: PathBuf,
    /// Where the servers are, as the log says: metrics, web page, webhooks.
    addresses: Vec<(String, String)>,
    /// Namespaces that applications brought along.
    pub others: Vec<String>,
}

impl House {
    /// Installs as the README says; the controller does not run yet. What kubectl said comes along.
    pub async fn install(purpose: &str) -> (House, String) {
        let space = Space::new(purpose).await;
        let desk = tokio::task::block_in_place(Desk::new);
        let folder = desk.checkout().parent().expect("a folder").to_owned();
        let daemon = tokio::task::block_in_place(|| git_daemon(&folder));
        let house = House {
            log: folder.join("controller.log"),
            kubeconfig: folder.join("controller.kubeconfig"),
            space,
            desk,
            daemon,
            process: None,
            addresses: vec![],
            others: vec![],
        };
        let installation = house.cutover(&["install", "--namespace", &house.space.name]).stdout;
        let said = house.kubectl_with(&["apply", "--server-side", "-f", "-"], &installation);
        // For a moment the API server answers that the storage of the new kind begins. Pods come later than that.
        let begun = Instant::now();
        while house.try_kubectl(&["get", "applications.cutover.dev", "-n", &house.space.name], "").code
            != Some(0)
        {
            assert!(begun.elapsed() < PATIENCE, "Applications are not served");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // So do rights; those of the namespace are known by themselves.
        house.until_allowed(&["list", "applications.cutover.dev", "--all-namespaces"]).await;
        house.until_allowed(&["create", "leases.coordination.k8s.io", "-n", &house.space.name]).await;
        (house, said)
    }

    /// Waits until the API server knows that the installed service account may do this.
    pub async fn until_allowed(&self, what: &[&str]) {
        let account = format!("system:serviceaccount:{}:cutover", self.space.name);
        let question = [&["auth", "can-i"], what, &["--as", &account]].concat();
        let begun = Instant::now();
        while self.try_kubectl(&question, "").code != Some(0) {
            assert!(begun.elapsed() < PATIENCE, "{account} may not {what:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until there is an Event with such a reason in the controller's namespace.
    pub async fn until_event(&self, test: impl Fn(&str) -> bool) {
        let query = ["get", "events", "-n", &self.space.name, "-o", "jsonpath={.items[*].reason}"];
        let begun = Instant::now();
        loop {
            let reasons = self.kubectl(&query);
            if reasons.split(' ').any(&test) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain for an Event: {reasons}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Installs and starts the controller, with `spec` in the place of the installed configuration's empty one.
    pub async fn start(purpose: &str, spec: &str, flags: &[&str]) -> House {
        let (mut house, _) = House::install(purpose).await;
        house.run(spec, &[], flags).await;
        house
    }

    /// Starts the controller with nothing but the rights of the installed service account; it watches its own namespace
    /// and these (one that watched all of them would work for the Applications of other tests).
    pub async fn run(&mut self, spec: &str, watched: &[&str], flags: &[&str]) {
        let namespace = self.space.name.clone();
        let token = self.kubectl(&["create", "token", "cutover", "-n", &namespace]);
        let admin =
            std::fs::read_to_string(self.space.cluster.kubeconfig(User::Admin)).expect("a kubeconfig");
        let mut kubeconfig: Value = serde_yaml::from_str(&admin).expect("a kubeconfig");
        kubeconfig["users"][0]["user"] = serde_json::json!({"token": token.trim()});
        std::fs::write(&self.kubeconfig, kubeconfig.to_string()).expect("a file");
        let configuration = self.kubectl(&[
            "get",
            "configmap",
            "cutover",
            "-n",
            &namespace,
            "-o",
            "jsonpath={.data.controller\\.yaml}",
        ]);
        assert!(configuration.contains("\nspec: {}\n"), "{configuration}");
        let configuration = configuration.replace("\nspec: {}\n", &format!("\nspec: {spec}\n"));
        let file = self.folder().join("controller.yaml");
        std::fs::write(&file, configuration).expect("a file");
        let watched = [&[namespace.as_str()], watched].concat();
        let watched = watched.into_iter().flat_map(|name| ["--watch-namespace", name]);
        let mut command = self.desk.command(&["controller", "--own-namespace", &namespace]);
        command.args(watched).args(["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0"]);
        command.args(["--log-format", "json"]).args(flags).arg("--config").arg(file);
        let log = File::create(&self.log).expect("a log");
        command.stdout(Stdio::from(log.try_clone().expect("a file"))).stderr(Stdio::from(log));
        self.process = Some(command.env("KUBECONFIG", &self.kubeconfig).spawn().expect("the program"));
        let begun = Instant::now();
        loop {
            if let Some((_, servers)) = self.log().split_once("metrics on http://") {
                let servers = servers.split('"').next().unwrap_or_default();
                let all = format!("metrics on http://{servers}");
                let split = all.split(", ").filter_map(|server| server.split_once(" on "));
                self.addresses = split.map(|(what, at)| (what.to_owned(), at.to_owned())).collect();
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the controller does not begin");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn folder(&self) -> &Path {
        self.log.parent().expect("a folder")
    }

    /// The URL of the desk's repository.
    pub fn repository(&self) -> String {
        format!("git://127.0.0.1:{}/shop", self.daemon.port)
    }

    /// What the controller has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The log's lines that warn or tell of errors.
    pub fn warnings(&self) -> Vec<String> {
        warnings(&self.log())
    }

    /// A server of the controller: `metrics`, `web page` or `webhooks`.
    pub fn url(&self, server: &str, path: &str) -> String {
        let found = self.addresses.iter().find(|(what, _)| what == server);
        format!("{}{path}", found.unwrap_or_else(|| panic!("no {server}: {:?}", self.addresses)).1)
    }

    /// What a server of the controller answers.
    pub fn get(&self, server: &str, path: &str) -> Result<String, ureq::Error> {
        let url = self.url(server, path);
        tokio::task::block_in_place(|| ureq::get(&url).call()?.body_mut().read_to_string())
    }

    /// The application, as the web page has it.
    pub fn page(&self, name: &str) -> Value {
        let text = self.get("web page", &format!("/api/applications/{}/{name}", self.space.name));
        serde_json::from_str(&text.expect("an answer")).expect("JSON")
    }

    /// Runs a verb of the program as somebody who may do everything.
    pub fn cutover(&self, arguments: &[&str]) -> Ran {
        let mut command = self.desk.command(arguments);
        command.env("KUBECONFIG", self.space.cluster.kubeconfig(User::Admin));
        tokio::task::block_in_place(|| self.desk.ran(command))
    }

    /// Asks the controller, which has to do it.
    pub fn ask(&self, verb: &str, name: &str) -> String {
        let ran = self.cutover(&[verb, "--app", name, "--app-namespace", &self.space.name]);
        assert_eq!(ran.code, Some(0), "{verb}: {}\n{}", ran.whole(), self.log());
        ran.stdout.replace(&self.space.name, "[cutover]")
    }

    /// What kubectl prints; it has to succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
    }

    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        let ran = self.try_kubectl(arguments, input);
        assert_eq!(ran.code, Some(0), "kubectl {arguments:?}: {}", ran.whole());
        ran.stdout
    }

    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Ran {
        let folder = std::env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty());
        let program = folder.map_or_else(|| "kubectl".into(), |folder| Path::new(&folder).join("kubectl"));
        let file = self.folder().join("input");
        std::fs::write(&file, input).expect("a file");
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdin(File::open(&file).expect("a file"));
        command.env("HOME", self.folder().join("home")).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("KUBECONFIG", self.space.cluster.kubeconfig(User::Admin));
        tokio::task::block_in_place(|| self.desk.ran(command))
    }

    /// Runs a script that calls kubectl.
    pub fn shell(&self, script: &str) -> Ran {
        let mut command = Command::new("sh");
        let folder = std::env::var("KUBEBUILDER_ASSETS").unwrap_or_default();
        command.args(["-ec", script]).env_clear().env("HOME", self.folder().join("home"));
        command.env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin"));
        command.env("KUBECONFIG", self.space.cluster.kubeconfig(User::Admin));
        tokio::task::block_in_place(|| self.desk.ran(command))
    }

    /// Applies an Application of the controller's namespace whose documents are in `folder` of the repository and go to
    /// `namespace`.
    pub fn register(&self, name: &str, folder: &str, namespace: &str, sync: &str) {
        let application = self.application(name, folder, namespace, sync);
        self.kubectl_with(&["apply", "-n", &self.space.name, "-f", "-"], &application);
    }

    pub fn application(&self, name: &str, folder: &str, namespace: &str, sync: &str) -> String {
        format!(
            "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {{name: {name}}}\nspec:\n  \
             source: {{repoURL: \"{}\", path: {folder}}}\n  \
             destination: {{kubernetes: {{namespace: {namespace}}}}}\n  sync: {sync}\n",
            self.repository()
        )
    }

    /// Commits one file.
    pub fn ship(&self, file: &str, text: &str, message: &str) -> String {
        self.desk.write(file, text);
        tokio::task::block_in_place(|| self.desk.commit(message));
        self.head()
    }

    pub fn head(&self) -> String {
        tokio::task::block_in_place(|| self.desk.git(&["rev-parse", "HEAD"]))
    }

    pub async fn status(&self, namespace: &str, name: &str) -> Value {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("cutover.dev", "v1alpha1", "Application"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.space.client.clone(), namespace, &kind);
        api.get(name).await.expect("the Application").data["status"].clone()
    }

    /// Waits until the status of an Application of the controller's namespace is as `test` wants it, and gives it.
    pub async fn until(&self, name: &str, what: &str, test: impl Fn(&Value) -> bool) -> Value {
        self.until_in(&self.space.name, name, what, test).await
    }

    pub async fn until_in(
        &self,
        namespace: &str,
        name: &str,
        what: &str,
        test: impl Fn(&Value) -> bool,
    ) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.status(namespace, name).await;
            if test(&status) {
                println!("{name}: {what} after {:.1?}", begun.elapsed());
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}: {status:#}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a commit is live and everything is well.
    pub async fn until_ready(&self, name: &str, commit: &str) -> Value {
        let test = |status: &Value| is(status, "True", "Synced") && status["revision"] == commit;
        self.until(name, &format!("{} is live", &commit[..7]), test).await
    }

    /// The image of the slot that the Service leads to.
    pub async fn live_image(&self, namespace: &str) -> String {
        let services: Api<Service> = Api::namespaced(self.space.client.clone(), namespace);
        let selector = services.get("web").await.expect("the Service").spec.and_then(|spec| spec.selector);
        let slot = selector.unwrap_or_default()["cutover.dev/slot"].clone();
        let deployments: Api<Deployment> = Api::namespaced(self.space.client.clone(), namespace);
        let deployment = deployments.get(&format!("web-{slot}")).await.expect("the Deployment");
        let pod = deployment.spec.and_then(|spec| spec.template.spec).expect("a template");
        pod.containers[0].image.clone().unwrap_or_default()
    }
}

/// The lines of a controller's log that warn or tell of errors, but for what only a busy machine brings about.
pub fn warnings(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| !line.contains("\"level\":\"info\""));
    lines.filter(|line| !line.contains("takes too long to list the Leases")).map(str::to_owned).collect()
}

/// True if the condition Ready has this status and this reason.
pub fn is(status: &Value, value: &str, reason: &str) -> bool {
    let ready = condition(status, "Ready");
    ready["status"] == value && ready["reason"] == reason
}

/// A condition of a status, or null.
pub fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// Summary and result of each sync, newest first.
pub fn history(status: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = status["history"].as_array().cloned().unwrap_or_default();
    entries.iter().map(|entry| (text(&entry["summary"]), text(&entry["result"]))).collect()
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
        let others = std::mem::take(&mut self.others);
        let cluster = self.space.cluster;
        cluster.runtime().spawn(async move {
            let namespaces: Api<Namespace> = Api::all(cluster.client(User::Admin).await);
            for name in others {
                let _ = namespaces.delete(&name, &Default::default()).await;
            }
        });
        if std::thread::panicking() {
            println!("{}", self.log());
        }
    }
}
