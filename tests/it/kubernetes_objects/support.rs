//! An application whose documents are text, on the platform as a run has it.

use crate::kube_support::{Space, User};
use cutover::engine::{Deployment, Platform, Settled, Trouble, TroubleKind};
use cutover::kubernetes::{Cluster, Connect, KubeconfigSource, Resource};
use cutover::model::{
    Application, Destination, HookPhase, Manifests, Object, ObjectKey, Origin, Source, Sync, Turn,
};
use cutover::plan::{Change, Live, LiveObject, PlanItem, WouldBe};
use cutover::platform::kubernetes::Kubernetes;
use serde_json::Value;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection as this user, with the program's own client.
pub async fn connect(space: &Space, user: User) -> Cluster {
    let kubeconfig = KubeconfigSource::Files(vec![space.cluster.kubeconfig(user)]);
    Cluster::connect(Connect { kubeconfig, ..Connect::default() }).await.expect("a connection")
}

/// The application `shop` on a connection of its own.
pub async fn shop(space: &Space) -> Kubernetes {
    Kubernetes::new(connect(space, User::Admin).await, "shop", &space.name)
}

pub fn config_maps() -> Resource {
    Resource::known("", "v1", "ConfigMap", "configmaps", true)
}

pub fn deployments() -> Resource {
    Resource::known("apps", "v1", "Deployment", "deployments", true)
}

/// Documents as text, parted by `---`.
pub fn deployment(space: &Space, documents: &str) -> Deployment {
    let parts = format!("\n{documents}");
    let parts = parts.split("\n---").filter(|text| !text.trim().is_empty());
    let objects =
        parts.map(|text| object(serde_yaml::from_str(text).unwrap_or_else(|e| panic!("{e}:\n{text}"))));
    Deployment {
        application: Application {
            name: "shop".into(),
            origin: Origin::default(),
            source: Source {
                repo_url: String::new(),
                target_revision: String::new(),
                path: ".".into(),
                directory: cutover::model::Directory::default(),
                secret_ref: None,
            },
            destination: Destination::Kubernetes {
                namespace: space.name.clone(),
                context: None,
                region: None,
                kubeconfig_secret_ref: None,
            },
            sync: Sync::default(),
            ignore_differences: vec![],
            suspend: false,
            deletion: Default::default(),
            depends_on: vec![],
            service_account_name: None,
        },
        commit: "c0ffee".into(),
        manifests: Manifests {
            objects: objects.map(|object| (object.key.clone(), object)).collect(),
            ..Manifests::default()
        },
    }
}

fn object(body: Value) -> Object {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    let api_version = text("/apiVersion").expect("apiVersion");
    let kind = text("/kind").expect("kind");
    let phase = match body["metadata"]["annotations"]["cutover.dev/hook"].as_str() {
        Some("pre-sync") => HookPhase::PreSync,
        Some("post-sync") => HookPhase::PostSync,
        Some("sync-fail") => HookPhase::SyncFail,
        _ => HookPhase::Sync,
    };
    let rank = match kind.as_str() {
        "Namespace" => 0,
        "CustomResourceDefinition" => 1,
        _ => 2,
    };
    Object {
        key: ObjectKey {
            group: api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned(),
            kind,
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name").expect("name"),
        },
        api_version,
        origin: Origin { file: "app.yaml".into(), line: 1 },
        turn: Turn { phase, wave: 0, rank },
        lines: [("spec", 7), ("spec.template.spec.containers[0]", 14)].into_iter().collect(),
        body,
    }
}

/// What a reading says of the document with this name.
pub fn of<'a>(live: &'a Live, name: &str) -> &'a LiveObject {
    live.objects
        .values()
        .find(|object| object.key.name == name)
        .unwrap_or_else(|| panic!("no {name} in {live:#?}"))
}

/// Carries out everything that a reading calls for, turn after turn, and waits until it has come to rest.
pub async fn sync(platform: &Kubernetes, deployment: &Deployment) -> Result<Vec<String>, Trouble> {
    let live = platform.read_live(deployment).await?;
    let mut objects: Vec<(&Object, &LiveObject)> =
        deployment.manifests.objects.values().map(|object| (object, &live.objects[&object.key])).collect();
    objects.sort_by_key(|(object, _)| object.turn);
    let mut done = vec![];
    for (object, found) in objects {
        let change = match &found.would_be {
            WouldBe::Same if !live.moving.contains(&found.key.to_string()) => continue,
            WouldBe::Same => Change::Unchanged,
            WouldBe::Refused { message, .. } => {
                return Err(Trouble {
                    kind: TroubleKind::Rejected,
                    doing: object.label(),
                    message: message.clone(),
                });
            }
            WouldBe::Conflicts(conflicts) => {
                let message = format!("{conflicts:?}");
                return Err(Trouble { kind: TroubleKind::Rejected, doing: object.label(), message });
            }
            _ if found.live.is_none() => Change::Create,
            _ => Change::Update,
        };
        let mut item = PlanItem::new(&object.key.kind, &object.key.name, &found.key.to_string(), change, "");
        item.turn = object.turn;
        apply(platform, deployment, &item).await?;
        done.push(format!("{change} {}", object.key.name));
    }
    Ok(done)
}

/// Applies all documents, turn after turn, and waits for nothing but that the API server takes them.
pub async fn apply_only(platform: &Kubernetes, deployment: &Deployment) {
    let live = platform.read_live(deployment).await.expect("read");
    let mut objects: Vec<&Object> = deployment.manifests.objects.values().collect();
    objects.sort_by_key(|object| object.turn);
    for object in objects {
        let found = &live.objects[&object.key];
        let mut item = PlanItem::new("", "", &found.key.to_string(), Change::Create, "");
        item.turn = object.turn;
        let work = async {
            while let Err(trouble) = platform.apply_item(deployment, &item).await {
                assert!(
                    matches!(
                        trouble.kind,
                        TroubleKind::Transient | TroubleKind::LookAgain | TroubleKind::Missing
                    ),
                    "{trouble}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|_| panic!("{} takes too long", item.resource));
    }
}

/// One item, repeated while that helps, until it has come to rest.
pub async fn apply(platform: &Kubernetes, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
    let work = async {
        while let Err(trouble) = platform.apply_item(deployment, item).await {
            if !matches!(trouble.kind, TroubleKind::Transient | TroubleKind::LookAgain) {
                return Err(trouble);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // Nothing here measures pods, so an autoscaler never comes to rest.
        if item.kind == "HorizontalPodAutoscaler" {
            return Ok(());
        }
        loop {
            match platform.settled(deployment, item).await? {
                Settled::Steady => return Ok(()),
                Settled::Failed { state, troubles } => {
                    let message = format!("{state}; {}", troubles.join("; "));
                    return Err(Trouble {
                        kind: TroubleKind::Rejected,
                        doing: item.resource.clone(),
                        message,
                    });
                }
                Settled::InProgress { .. } => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{} takes too long", item.resource))
}

pub fn prune(resource: &str) -> PlanItem {
    PlanItem::new("", "", resource, Change::Prune, "")
}
