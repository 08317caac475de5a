//! What has to hold right before every write, asked of the API server itself.

use crate::kube_support::{Asked, Check, Space};
use cutover::kubernetes::Verb;
use cutover::model::marks;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;
use std::sync::Arc;

/// The Service and the number of pods of the scenarios.
const NAME: &str = "web";
const PODS: usize = 2;

/// For the writes to one namespace.
pub fn of(space: &Space) -> Check {
    let (services, deployments, pods) = (space.api::<Service>(), space.api(), space.api());
    Arc::new(move |asked| {
        let (services, deployments, pods) = (services.clone(), deployments.clone(), pods.clone());
        Box::pin(async move {
            let live =
                services.get_opt(NAME).await.expect("the Service").and_then(|service| selected(&service))?;
            match asked.resource.as_str() {
                "services" if asked.name.as_deref() == Some(NAME) => traffic(&asked, &live, &pods).await,
                "deployments.apps" => untouched(&asked, &live, &deployments).await,
                _ => None,
            }
        })
    })
}

/// The slot that gets the traffic.
fn selected(service: &Service) -> Option<String> {
    service.spec.as_ref()?.selector.as_ref()?.get(marks::SLOT).cloned()
}

/// Traffic goes to a slot all of whose pods are ready.
async fn traffic(asked: &Asked, live: &str, pods: &Api<Pod>) -> Option<String> {
    let slot = asked.body.as_ref()?["spec"]["selector"][marks::SLOT].as_str().filter(|slot| *slot != live)?;
    let listed =
        pods.list(&ListParams::default().labels(&format!("{}={slot}", marks::SLOT))).await.expect("pods");
    let is_ready = |pod: &&Pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let going = pod.metadata.deletion_timestamp.is_some();
        !going && conditions.clone().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    let ready = listed.items.iter().filter(is_ready).count();
    (ready < PODS).then(|| format!("traffic goes to {slot} with {ready} of {PODS} pods ready"))
}

/// A slot with traffic keeps its pods and what they run.
async fn untouched(asked: &Asked, live: &str, deployments: &Api<Deployment>) -> Option<String> {
    let name = asked.name.as_deref().filter(|name| *name == format!("{NAME}-{live}"))?;
    if asked.verb == Verb::Delete {
        return Some(format!("{name} has the traffic and is deleted"));
    }
    let before = deployments.get_opt(name).await.expect("the Deployment")?;
    let before = serde_json::to_value(before).expect("JSON");
    let body = asked.body.as_ref()?;
    let of = |object: &Value, pointer: &str| object.pointer(pointer).cloned();
    let image = "/spec/template/spec/containers/0/image";
    if of(body, image).is_some_and(|image_after| Some(image_after) != of(&before, image)) {
        return Some(format!("{name} has the traffic and gets another image"));
    }
    let replicas = |object: &Value| object.pointer("/spec/replicas").and_then(Value::as_u64);
    let fewer = replicas(body) < replicas(&before) && replicas(body).is_some();
    fewer.then(|| format!("{name} has the traffic and is scaled down"))
}
