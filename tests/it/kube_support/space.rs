//! A namespace of a test's own.

use super::servers::{Cluster, User, cluster};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::runtime::wait::await_condition;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;

/// Longer than anything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// A namespace that goes with this value, and a client that may do everything in it.
pub struct Space {
    pub name: String,
    pub client: Client,
    pub cluster: &'static Cluster,
}

impl Space {
    /// Makes one, on the control plane of this program, which is started if need be. It can hold pods at once.
    pub async fn new(purpose: &str) -> Space {
        let cluster = cluster();
        let client = cluster.client(User::Admin).await;
        let namespace = Namespace {
            metadata: kube::core::ObjectMeta {
                generate_name: Some(format!("t-{purpose}-")),
                ..Default::default()
            },
            ..Default::default()
        };
        let made = Api::<Namespace>::all(client.clone()).create(&Default::default(), &namespace).await;
        let name = made.expect("a namespace").name_any();
        let space = Space { name, client, cluster };
        space.wait_for("default", "the service account for pods is there", |_: &ServiceAccount| true).await;
        space
    }

    /// The objects of a kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Applies YAML documents as the field manager `test`: those of namespaced kinds to this namespace.
    pub async fn apply(&self, documents: &str) {
        for document in format!("\n{documents}").split("\n---").filter(|text| !text.trim().is_empty()) {
            let value: Value =
                serde_yaml::from_str(document).unwrap_or_else(|error| panic!("{error}:\n{document}"));
            let object: DynamicObject = serde_json::from_value(value).expect("apiVersion, kind and metadata");
            let types = object.types.clone().expect("apiVersion and kind");
            let kind = GroupVersionKind::try_from(&types).expect("apiVersion and kind");
            let (resource, capabilities) = pinned_kind(&self.client, &kind).await.expect("a known kind");
            let api: Api<DynamicObject> = match capabilities.scope {
                Scope::Namespaced => Api::namespaced_with(self.client.clone(), &self.name, &resource),
                Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            };
            let params = PatchParams::apply("test").force();
            let applied = api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await;
            applied.unwrap_or_else(|error| panic!("{error}:\n{document}"));
        }
    }

    /// Waits until `test` holds for an object, and gives it.
    ///
    /// # Panics
    /// With the object as it is, if that takes too long.
    pub async fn wait_for<K>(&self, name: &str, what: &str, test: impl Fn(&K) -> bool + Send) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + Send + DeserializeOwned + 'static,
    {
        let condition = |object: Option<&K>| object.is_some_and(&test);
        match tokio::time::timeout(PATIENCE, await_condition(self.api(), name, condition)).await {
            Ok(Ok(Some(object))) => object,
            Ok(other) => panic!("{name}: while waiting until {what}: {other:?}"),
            Err(_) => {
                panic!("{name}: waited in vain until {what}: {:#?}", self.api::<K>().get_opt(name).await)
            }
        }
    }

    /// Waits until no object of this name is there.
    pub async fn wait_gone<K>(&self, name: &str)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + Debug + Send + DeserializeOwned + 'static,
    {
        let gone = await_condition(self.api(), name, |object: Option<&K>| object.is_none());
        let gone = tokio::time::timeout(PATIENCE, gone).await;
        assert!(
            matches!(gone, Ok(Ok(_))),
            "{name} is still there: {:#?}",
            self.api::<K>().get_opt(name).await
        );
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let (name, cluster) = (self.name.clone(), self.cluster);
        let (done, waited) = std::sync::mpsc::channel();
        cluster.runtime().spawn(async move {
            let namespaces: Api<Namespace> = Api::all(cluster.client(User::Admin).await);
            let _ = namespaces.delete(&name, &Default::default()).await;
            let _ = done.send(());
        });
        // A borrowed control plane outlives this process, so the request has to get through.
        let _ = waited.recv_timeout(Duration::from_secs(10));
    }
}
