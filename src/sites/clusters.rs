//! The connections to Kubernetes clusters that many applications share.

use crate::controller::Place;
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{CallCounts, Cluster, Connect, Impersonate, KubeconfigSource, Resource};
use crate::model::{AppKey, Destination, SecretRef};
use crate::platform::kubernetes::Lookout;
use data_encoding::BASE64;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex, mpsc};

/// The key of a Secret that holds a kubeconfig, where the Application names none.
const KUBECONFIG_KEY: &str = "value";

/// A cluster as one identity sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reach {
    context: Option<String>,
    /// Namespace, name and key of the Secret with the kubeconfig.
    secret: Option<(String, String, String)>,
    impersonate: Option<Impersonate>,
}

/// A connection with its watches. It ends when no application uses it any more.
pub(super) struct Shared {
    pub cluster: Cluster,
    pub lookout: Lookout,
    /// What the Secret held.
    kubeconfig: Option<Vec<u8>>,
}

/// All connections.
pub(super) struct Clusters {
    /// How the controller itself connects.
    own: Connect,
    made: Mutex<BTreeMap<Reach, Weak<Shared>>>,
    /// For the Secrets; kept, since it is needed again and again.
    home: tokio::sync::OnceCell<Arc<Shared>>,
    changed: mpsc::UnboundedSender<AppKey>,
}

impl Reach {
    /// How an Application's cluster is reached.
    ///
    /// # Errors
    /// If it names a Secret or a service account and is in no namespace that could have one.
    pub fn of(place: &Place) -> Result<Reach, Trouble> {
        let namespace = &place.key.namespace;
        let in_cluster = |what: &str| match namespace.is_empty() {
            true => Err(trouble(format!("{what} is only for Applications that are registered in a cluster"))),
            false => Ok(namespace.clone()),
        };
        let Destination::Kubernetes { context, kubeconfig_secret_ref, .. } = &place.application.destination
        else {
            return Err(trouble("its destination is no Kubernetes cluster".into()));
        };
        let secret = match kubeconfig_secret_ref {
            Some(SecretRef { name, key }) => {
                let key = key.clone().unwrap_or_else(|| KUBECONFIG_KEY.to_owned());
                Some((in_cluster("destination.kubernetes.kubeconfigSecretRef")?, name.clone(), key))
            }
            None => None,
        };
        let impersonate = match &place.application.service_account_name {
            Some(name) => Some(Impersonate::service_account(&in_cluster("serviceAccountName")?, name)),
            None => None,
        };
        Ok(Reach { context: context.clone(), secret, impersonate })
    }

    /// True if what is read from a Secret decides where it goes.
    pub fn is_by_secret(&self) -> bool {
        self.secret.is_some()
    }
}

impl Clusters {
    /// The controller's own cluster is reached by `own`; `changed` is told of applications whose objects changed.
    pub fn new(own: Connect, changed: mpsc::UnboundedSender<AppKey>) -> Clusters {
        Clusters { own, made: Mutex::default(), home: tokio::sync::OnceCell::new(), changed }
    }

    /// The connection, made anew if its Secret has changed.
    ///
    /// # Errors
    /// Those of [`Cluster::connect`]; of reading the Secret; one that holds no kubeconfig.
    pub async fn get(&self, reach: &Reach) -> Result<Arc<Shared>, Trouble> {
        // Read before the lock is taken: one Secret that can't be read keeps nobody else waiting.
        let kubeconfig = match &reach.secret {
            Some((namespace, name, key)) => Some(self.kubeconfig(namespace, name, key).await?),
            None => None,
        };
        let mut made = self.made.lock().await;
        let known = made.get(reach).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.kubeconfig == kubeconfig) {
            return Ok(known);
        }
        made.retain(|_, shared| shared.strong_count() > 0);
        let own = self.own.clone();
        let connect = match &kubeconfig {
            Some(bytes) => Connect {
                kubeconfig: KubeconfigSource::Bytes(bytes.clone()),
                context: reach.context.clone(),
                allow_exec: false,
                impersonate: reach.impersonate.clone(),
            },
            None => Connect {
                context: reach.context.clone().or(own.context),
                impersonate: reach.impersonate.clone().or(own.impersonate),
                ..own
            },
        };
        let cluster = Cluster::connect(connect).await?;
        let lookout = Lookout::new(cluster.without_guard(), self.changed.clone());
        let shared = Arc::new(Shared { cluster, lookout, kubeconfig });
        made.insert(reach.clone(), Arc::downgrade(&shared));
        Ok(shared)
    }

    /// What was sent to all clusters that are connected; `None` while one is being connected.
    pub fn call_counts(&self) -> Option<Vec<CallCounts>> {
        let made = self.made.try_lock().ok()?;
        Some(made.values().filter_map(Weak::upgrade).map(|shared| shared.cluster.call_counts()).collect())
    }

    async fn kubeconfig(&self, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>, Trouble> {
        let home = self.home.get_or_try_init(|| Box::pin(self.get(&HOME))).await?;
        let secrets = Resource::known("", "v1", "Secret", "secrets", true);
        let secret = home.cluster.get(&secrets, Some(namespace), name).await?;
        let there = format!("Secret/{namespace}/{name}");
        let Some(secret) = secret else {
            return Err(trouble(format!("there is no {there}; it should hold the kubeconfig")));
        };
        let value = secret.get("data").and_then(|data| data.get(key)).and_then(Value::as_str);
        let value = value.ok_or_else(|| trouble(format!("{there} has no key `{key}` with a kubeconfig")))?;
        BASE64.decode(value.as_bytes()).map_err(|_| trouble(format!("{there}: `{key}` is not base64")))
    }
}

/// As the controller itself.
static HOME: Reach = Reach { context: None, secret: None, impersonate: None };

fn trouble(message: String) -> Trouble {
    Trouble { kind: TroubleKind::Rejected, doing: "connecting to the application's cluster".into(), message }
}
