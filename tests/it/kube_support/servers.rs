//! etcd, kube-apiserver and kube-controller-manager, once for the whole program.

use super::kubelet::Kubelet;
use super::process::Guarded;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, Runtime};

const PATIENCE: Duration = Duration::from_secs(120);
/// Another program may take the port between our look for a free one and the server's bind.
const ATTEMPTS: u32 = 3;
/// Deployments, jobs, slices, garbage and the like progress; what needs real nodes, disks or a network does not run.
const CONTROLLERS: &str = "*,-bootstrap-signer-controller,-token-cleaner-controller,-node-ipam-controller,\
    -node-lifecycle-controller,-persistentvolume-binder-controller,-persistentvolume-attach-detach-controller,\
    -persistentvolume-expander-controller,-ttl-controller,-service-cidr-controller,\
    -certificatesigningrequest-signing-controller";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// Is called `restricted` and may do nothing but what a test's roles allow.
    Restricted,
}

/// A running control plane.
#[derive(Debug)]
pub struct Cluster {
    admin: Kubeconfig,
    restricted: Kubeconfig,
    files: PathBuf,
    runtime: Runtime,
    servers: Vec<Guarded>,
}

/// The control plane of this program: of `KUBEBUILDER_ASSETS`, or that of `KUBECONFIG`, which must have neither nodes
/// nor a scheduler.
///
/// # Panics
/// With what to do, if there is none.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    let start = || std::thread::spawn(start).join().unwrap_or_else(|_| Err("the start panicked".to_owned()));
    match CLUSTER.get_or_init(start) {
        Ok(cluster) => cluster,
        Err(why) => panic!("no Kubernetes control plane: {why}"),
    }
}

impl Cluster {
    /// Where and as whom to connect.
    pub async fn config(&self, user: User) -> kube::Config {
        config(self.of(user).clone()).await.expect("a usable kubeconfig")
    }

    /// A client on the calling runtime.
    pub async fn client(&self, user: User) -> Client {
        Client::try_from(self.config(user).await).expect("a client")
    }

    /// A kubeconfig file.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.files.join(match user {
            User::Admin => "admin.yaml",
            User::Restricted => "restricted.yaml",
        })
    }

    /// The processes of the servers.
    pub fn processes(&self) -> Vec<u32> {
        self.servers.iter().map(Guarded::id).collect()
    }

    /// A folder that goes with the servers.
    pub fn folder(&self) -> &Path {
        &self.files
    }

    /// A runtime that outlives every test.
    pub fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    fn of(&self, user: User) -> &Kubeconfig {
        match user {
            User::Admin => &self.admin,
            User::Restricted => &self.restricted,
        }
    }
}

async fn config(kubeconfig: Kubeconfig) -> Result<kube::Config, String> {
    let options = KubeConfigOptions::default();
    kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| error.to_string())
}

fn start() -> Result<Cluster, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cluster = match (set("KUBEBUILDER_ASSETS"), set("KUBECONFIG")) {
        (Some(folder), _) => start_own(Path::new(&folder))?,
        (None, Some(file)) => borrow(Path::new(&file))?,
        (None, None) => {
            return Err(
                "these tests are run by `tests/kubernetes/run`, or with KUBEBUILDER_ASSETS set to a folder \
                        with etcd, kube-apiserver and kube-controller-manager"
                    .to_owned(),
            );
        }
    };
    let admin = cluster.admin.clone();
    let ready = cluster.runtime.block_on(async {
        let client = Client::try_from(config(admin).await?).map_err(|error| error.to_string())?;
        Kubelet::start(client).await
    });
    ready.map(|()| cluster)
}

fn new_runtime() -> Result<Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().map_err(|error| error.to_string())
}

fn borrow(file: &Path) -> Result<Cluster, String> {
    let admin = Kubeconfig::read_from(file).map_err(|error| error.to_string())?;
    let mut restricted = admin.clone();
    for user in &mut restricted.auth_infos {
        user.auth_info.get_or_insert_default().impersonate = Some("restricted".to_owned());
    }
    let files = folder()?;
    write_kubeconfigs(&files, &admin, &restricted)?;
    Ok(Cluster { admin, restricted, files, runtime: new_runtime()?, servers: vec![] })
}

fn start_own(assets: &Path) -> Result<Cluster, String> {
    for program in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        if !assets.join(program).is_file() {
            return Err(format!(
                "KUBEBUILDER_ASSETS is {}, which has no {program}; `tests/kubernetes/servers/build` makes all of them",
                assets.display()
            ));
        }
    }
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        match try_start(assets) {
            Err(error) if error.contains("address already in use") => why = error,
            done => return done,
        }
    }
    Err(why)
}

/// A new folder, in memory if the system has such.
fn folder() -> Result<PathBuf, String> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("cutover-kubernetes-");
    let made = builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir());
    made.map(tempfile::TempDir::keep).map_err(|error| format!("a temporary folder: {error}"))
}

fn try_start(assets: &Path) -> Result<Cluster, String> {
    let files = folder()?;
    let logs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes");
    std::fs::create_dir_all(&logs).map_err(|error| format!("{}: {error}", logs.display()))?;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = port.map_err(|error| error.to_string())?.port();
    let secrets = Secrets::new(&files)?;
    let mut servers: Vec<Guarded> = vec![];
    let run = |servers: &mut Vec<Guarded>, name: &'static str, arguments: &[String]| {
        servers.push(Guarded::start(name, &assets.join(name), arguments, &files, &logs)?);
        Ok::<_, String>(())
    };
    let result: Result<_, String> = (|| {
        run(&mut servers, "etcd", &etcd_arguments())?;
        wait("etcd's socket", &mut servers, || files.join("client:0").exists())?;
        run(&mut servers, "kube-apiserver", &apiserver_arguments(&files, port))?;
        let authority = files.join("certs/apiserver.crt");
        wait("the API server's port", &mut servers, || {
            authority.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        let authority = std::fs::read(&authority).map_err(|error| error.to_string())?;
        let [admin, restricted] = [&secrets.admin, &secrets.restricted]
            .map(|token| serde_json::from_value(kubeconfig(port, &authority, token)));
        let admin: Kubeconfig = admin.map_err(|error| error.to_string())?;
        let restricted: Kubeconfig = restricted.map_err(|error| error.to_string())?;
        write_kubeconfigs(&files, &admin, &restricted)?;
        let runtime = new_runtime()?;
        let client = runtime.block_on(async {
            Client::try_from(config(admin.clone()).await?).map_err(|error| error.to_string())
        })?;
        wait("/readyz of the API server", &mut servers, || {
            let request = http::Request::get("/readyz").body(vec![]).expect("a request");
            runtime.block_on(client.request_text(request)).is_ok()
        })?;
        run(&mut servers, "kube-controller-manager", &controller_arguments())?;
        Ok((admin, restricted, runtime))
    })();
    match result {
        Ok((admin, restricted, runtime)) => Ok(Cluster { admin, restricted, files, runtime, servers }),
        Err(why) => {
            let logs: String = servers.iter().map(Guarded::last_words).collect();
            Err(format!("{why}\n{logs}"))
        }
    }
}

/// Waits until `test` holds; all servers have to run.
fn wait(what: &str, servers: &mut [Guarded], mut test: impl FnMut() -> bool) -> Result<(), String> {
    let end = Instant::now() + PATIENCE;
    while !test() {
        servers.iter_mut().try_for_each(Guarded::check)?;
        if Instant::now() > end {
            return Err(format!("waited {} s in vain for {what}", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

struct Secrets {
    admin: String,
    restricted: String,
}

impl Secrets {
    /// New tokens, and a key for the tokens of service accounts.
    fn new(files: &Path) -> Result<Secrets, String> {
        let random = SystemRandom::new();
        let token = || {
            let mut bytes = [0; 24];
            random.fill(&mut bytes).map_err(|error| error.to_string())?;
            Ok::<_, String>(data_encoding::HEXLOWER.encode(&bytes))
        };
        let secrets = Secrets { admin: token()?, restricted: token()? };
        let tokens = format!(
            "{},admin,admin,system:masters\n{},restricted,restricted\n",
            secrets.admin, secrets.restricted
        );
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let key = key.map_err(|error| error.to_string())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random);
        let mut public = data_encoding::HEXLOWER
            .decode(b"3059301306072a8648ce3d020106082a8648ce3d030107034200")
            .expect("hex");
        public.extend(ring::signature::KeyPair::public_key(&pair.expect("a key")).as_ref());
        let public = data_encoding::BASE64.encode(&public);
        let public = format!("-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----\n");
        std::fs::write(files.join("service-accounts.pub"), public).map_err(|error| error.to_string())?;
        let key = data_encoding::BASE64.encode(key.as_ref());
        let key = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
        for (name, text) in [("tokens.csv", tokens), ("service-accounts.pem", key)] {
            std::fs::write(files.join(name), text).map_err(|error| error.to_string())?;
        }
        Ok(secrets)
    }
}

fn kubeconfig(port: u16, authority: &[u8], token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority-data": data_encoding::BASE64.encode(authority),
        }}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    })
}

fn write_kubeconfigs(files: &Path, admin: &Kubeconfig, restricted: &Kubeconfig) -> Result<(), String> {
    for (name, kubeconfig) in [("admin.yaml", admin), ("restricted.yaml", restricted)] {
        let text = serde_json::to_string(kubeconfig).map_err(|error| error.to_string())?;
        std::fs::write(files.join(name), text).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// On sockets in the folder: nobody else can reach it, and no port is needed. It wants `host:port`, so the file's name
/// looks like that.
fn etcd_arguments() -> Vec<String> {
    words(
        "--name test --data-dir etcd --unsafe-no-fsync --log-level warn \
         --listen-client-urls unix://client:0 --advertise-client-urls unix://client:0 \
         --listen-peer-urls unix://peer:0 --initial-advertise-peer-urls unix://peer:0 \
         --initial-cluster test=unix://peer:0",
    )
}

/// The advertised address is one of those kept for documentation: it only appears in an Endpoints object, and loopback
/// addresses are refused.
fn apiserver_arguments(files: &Path, port: u16) -> Vec<String> {
    let mut arguments = words(
        "--bind-address 127.0.0.1 --advertise-address 192.0.2.1 --endpoint-reconciler-type none --cert-dir certs \
         --token-auth-file tokens.csv --authorization-mode RBAC --service-cluster-ip-range 10.96.0.0/16 \
         --service-account-issuer https://kubernetes.default.svc --allow-privileged \
         --service-account-key-file service-accounts.pub --service-account-signing-key-file service-accounts.pem",
    );
    arguments.push(format!("--etcd-servers=unix://{}/client:0", files.display()));
    arguments.push(format!("--secure-port={port}"));
    arguments
}

fn controller_arguments() -> Vec<String> {
    let mut arguments = words(
        "--kubeconfig admin.yaml --leader-elect=false --secure-port 0 --root-ca-file certs/apiserver.crt \
         --service-account-private-key-file service-accounts.pem --kube-api-qps 500 --kube-api-burst 1000 \
         --horizontal-pod-autoscaler-sync-period 1s",
    );
    arguments.push(format!("--controllers={CONTROLLERS}"));
    arguments
}
