//! From a kubeconfig or the pod's service account to a client.

use super::{Calls, Clock, Cluster, Shared, kubeconfig};
use crate::engine::{Trouble, TroubleKind};
use kube::client::{AuthError, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Config, Error};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many requests are under way at a time, watches aside. The API server's own fairness queues begin to refuse a
/// single client beyond some dozens.
const REQUESTS_AT_A_TIME: usize = 32;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A plugin that gets credentials may wait for a person to log in.
const EXEC_TIMEOUT: Duration = Duration::from_secs(120);

/// Somebody else to act as, which the API server has to allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Impersonate {
    pub user: String,
}

impl Impersonate {
    /// A service account. The API server itself adds the groups that it is in; to name them would need the right to act
    /// as groups, which is the right to act as anybody.
    pub fn service_account(namespace: &str, name: &str) -> Impersonate {
        Impersonate { user: format!("system:serviceaccount:{namespace}:{name}") }
    }
}

/// Where to connect to, and as whom.
#[derive(Clone, Default)]
pub struct Connect {
    pub kubeconfig: KubeconfigSource,
    /// A context of the kubeconfig in place of its current one.
    pub context: Option<String>,
    /// Lets a kubeconfig of this machine run the program that it names (`aws eks get-token`). One given as bytes never
    /// runs anything.
    pub allow_exec: bool,
    /// In place of the identity that the kubeconfig itself gives.
    pub impersonate: Option<Impersonate>,
}

/// Where the kubeconfig is.
#[derive(Clone, Default)]
pub enum KubeconfigSource {
    /// As kubectl looks for it: `KUBECONFIG`, then `~/.kube/config`, then the pod's own service account.
    #[default]
    Default,
    /// Files of this machine, merged; of two that name the same thing the first one counts.
    Files(Vec<PathBuf>),
    /// From a Secret or a repository: nothing is executed for it, and no file is read.
    Bytes(Vec<u8>),
    /// The service account of the pod that this program runs in.
    InCluster,
}

impl Cluster {
    /// Makes the client. Sends no request; a credential plugin, if one is allowed, is run once.
    ///
    /// # Errors
    /// [`TroubleKind::Rejected`] for a kubeconfig that is not there, not readable or asks for more than is allowed;
    /// [`TroubleKind::Denied`] if credentials can't be had.
    pub async fn connect(options: Connect) -> Result<Cluster, Trouble> {
        let impersonate = options.impersonate.clone();
        let mut config =
            configure(options).await.map_err(|message| trouble(TroubleKind::Rejected, message))?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // Kube's own repetition would send writes twice.
        config.default_retry = false;
        kubeconfig::tame_exec(&mut config.auth_info);
        if let Some(somebody) = impersonate {
            config.auth_info.impersonate = Some(somebody.user);
            config.auth_info.impersonate_groups = None;
        }
        let program = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let default_namespace = config.default_namespace.clone();
        let building = tokio::task::spawn_blocking(move || ClientBuilder::try_from(config));
        let built = tokio::time::timeout(EXEC_TIMEOUT, building).await.map_err(|_| {
            let program = program.as_deref().unwrap_or_default();
            let message = format!("`{program}` has not answered for {} seconds", EXEC_TIMEOUT.as_secs());
            trouble(TroubleKind::Denied, message)
        })?;
        let builder = match built {
            Ok(Ok(builder)) => builder,
            Ok(Err(Error::Auth(error))) => {
                return Err(trouble(TroubleKind::Denied, explain_auth(&error, program.as_deref())));
            }
            Ok(Err(error)) => return Err(trouble(TroubleKind::Rejected, error.to_string())),
            Err(_) => return Err(trouble(TroubleKind::Rejected, "the client could not be made".into())),
        };
        Ok(Cluster::over(builder.build(), server, default_namespace))
    }

    /// On a client that is there.
    pub(super) fn over(client: kube::Client, server: String, default_namespace: String) -> Cluster {
        let shared = Shared {
            client,
            server,
            default_namespace,
            permits: Semaphore::new(REQUESTS_AT_A_TIME),
            clock: Clock::default(),
            calls: Calls::default(),
            kinds: tokio::sync::Mutex::default(),
        };
        Cluster { shared: Arc::new(shared), guard: Arc::default(), fence: None }
    }
}

async fn configure(options: Connect) -> Result<Config, String> {
    let Connect { kubeconfig: source, context, allow_exec, impersonate: _ } = options;
    let inline_only = matches!(source, KubeconfigSource::Bytes(_));
    let config = match source {
        KubeconfigSource::InCluster => return in_cluster(),
        KubeconfigSource::Bytes(bytes) => kubeconfig::parse_bytes(&bytes)?,
        KubeconfigSource::Files(paths) => read_files(&paths)?,
        KubeconfigSource::Default => match default_files() {
            Some(paths) => read_files(&paths)?,
            None if context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
                return in_cluster();
            }
            None => {
                return Err("no kubeconfig: neither KUBECONFIG nor ~/.kube/config names one, and this is no pod; see \
                            `kubectl config view`, or `aws eks update-kubeconfig` for EKS"
                    .into());
            }
        },
    };
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    check(&config, options.context.as_deref(), inline_only, allow_exec)?;
    let mut made = Config::from_custom_kubeconfig(config.clone(), &options)
        .await
        .map_err(|error| kubeconfig::explain(&error))?;
    // The environment's HTTPS_PROXY would be taken without regard to NO_PROXY.
    made.proxy_url = None;
    Ok(made)
}

/// Looks up what the context names, and refuses what is not allowed. What is not found is reported by the reader.
fn check(
    config: &Kubeconfig,
    context: Option<&str>,
    inline_only: bool,
    allow_exec: bool,
) -> Result<(), String> {
    let wanted = context.or(config.current_context.as_deref());
    let named = config.contexts.iter().find(|named| Some(named.name.as_str()) == wanted);
    let Some(context) = named.and_then(|named| named.context.as_ref()) else { return Ok(()) };
    let user = config.auth_infos.iter().find(|named| Some(&named.name) == context.user.as_ref());
    let cluster = config.clusters.iter().find(|named| named.name == context.cluster);
    kubeconfig::check(
        user.and_then(|named| named.auth_info.as_ref()),
        cluster.and_then(|named| named.cluster.as_ref()),
        inline_only,
        allow_exec,
    )
}

fn in_cluster() -> Result<Config, String> {
    Config::incluster().map_err(|error| format!("the pod's service account can't be used: {error}"))
}

/// The files that kubectl would read, if there are any.
fn default_files() -> Option<Vec<PathBuf>> {
    if let Some(list) = std::env::var_os("KUBECONFIG") {
        let paths: Vec<PathBuf> =
            std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect();
        if !paths.is_empty() {
            return Some(paths);
        }
    }
    let path = std::env::home_dir()?.join(".kube").join("config");
    path.exists().then(|| vec![path])
}

fn read_files(paths: &[PathBuf]) -> Result<Kubeconfig, String> {
    paths.iter().try_fold(Kubeconfig::default(), |merged, path| {
        let say = |error| format!("{}: {}", path.display(), kubeconfig::explain(&error));
        merged.merge(Kubeconfig::read_from(path).map_err(say)?).map_err(say)
    })
}

/// Why credentials could not be had; never what the plugin printed on its standard output, which may be a token.
pub(super) fn explain_auth(error: &AuthError, program: Option<&str>) -> String {
    let program = program.unwrap_or("the credential plugin");
    match error {
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            format!("`{program}` failed ({}): {}", out.status, super::status::clean(&said, 400))
        }
        AuthError::AuthExecStart(error) => {
            format!("`{program}` could not be started: {error}; is it installed?")
        }
        AuthError::AuthExecParse(_) => format!("`{program}` printed no ExecCredential"),
        other => other.to_string(),
    }
}

fn trouble(kind: TroubleKind, message: String) -> Trouble {
    Trouble { kind, doing: "connecting to Kubernetes".into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(user: &str) -> Connect {
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
             users: [{{name: u, user: {user}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u, namespace: shop}}}}]\n\
             current-context: x\n"
        );
        Connect {
            kubeconfig: KubeconfigSource::Bytes(text.into_bytes()),
            allow_exec: true,
            ..Connect::default()
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_given_as_bytes_connects_with_its_own_data_and_executes_nothing() {
        let cluster =
            Cluster::connect(bytes("{token: t}")).await.map_err(|t| t.to_string()).expect("connected");
        assert_eq!((cluster.server(), cluster.default_namespace()), ("http://127.0.0.1:1", "shop"));
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("executed");
        let user = format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['{}']}}}}",
            mark.display()
        );
        let refused = Cluster::connect(bytes(&user)).await.err().expect("refused");
        assert_eq!(refused.kind, TroubleKind::Rejected, "{refused}");
        assert!(!mark.exists(), "a foreign kubeconfig ran a program");
    }

    /// A kubeconfig file whose user runs this shell script.
    fn with_plugin(script: &str) -> (tempfile::TempDir, Connect) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        let args = serde_json::json!(["-c", script]);
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]\n\
             users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: {args}}}}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
        );
        std::fs::write(&file, text).expect("written");
        let kubeconfig = KubeconfigSource::Files(vec![file]);
        (folder, Connect { kubeconfig, allow_exec: true, ..Connect::default() })
    }

    #[tokio::test]
    async fn a_plugin_of_this_machines_kubeconfig_runs_when_it_is_allowed_and_its_output_is_never_told() {
        let credential = r#"echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "hunter2"}}'"#;
        let (_folder, allowed) = with_plugin(credential);
        assert!(Cluster::connect(allowed.clone()).await.is_ok());
        let refused =
            Cluster::connect(Connect { allow_exec: false, ..allowed }).await.err().expect("refused");
        assert!(refused.message.contains("--allow-exec"), "{refused}");
        let (_folder, failing) = with_plugin("echo hunter2; echo the session has ended >&2; exit 3");
        let failed = Cluster::connect(failing).await.err().expect("no credentials");
        assert_eq!(failed.kind, TroubleKind::Denied);
        assert!(
            failed.message.contains("the session has ended") && !failed.message.contains("hunter2"),
            "{failed}"
        );
        let (_folder, mute) = with_plugin("echo hunter2");
        let failed = Cluster::connect(mute).await.err().expect("no credentials");
        assert!(!failed.message.contains("hunter2"), "{failed}");
    }

    #[tokio::test]
    async fn a_context_that_is_not_there_is_named() {
        let refused = Cluster::connect(Connect { context: Some("y".into()), ..bytes("{}") })
            .await
            .err()
            .expect("refused");
        assert!(refused.message.contains("`y`"), "{refused}");
    }
}
