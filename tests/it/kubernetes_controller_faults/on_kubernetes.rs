//! The application on Kubernetes, behind a load balancer.

use super::rig::{Found, LISTENER};
use crate::kube_support::Space;
use cutover::model::Slot;
use cutover::rollout::Record;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::coordination::v1::Lease;
use std::time::Instant;

/// Everything waits as short as it can, but so long that a process can be caught at it.
const WEB: &str = "\
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
  alb:
    productionListener: [LISTENER]
    targetGroups: {blue: web-blue, green: web-green}
  steps: [{weight: 25, hold: 4s}, {weight: 100}]
  gates: {stableFor: 1s}
  bakeTime: 4s
  keepPrevious: 1h
  deadline: 10m
";

pub fn documents() -> String {
    WEB.replace("[LISTENER]", LISTENER)
}

/// What its slots are.
pub async fn slots(space: &Space) -> Vec<Found> {
    let mut found: Vec<(Slot, Record, i32, String)> = vec![];
    for slot in Slot::BOTH {
        let name = format!("web-{}", slot.name());
        let Some(web) = space.api::<Deployment>().get_opt(&name).await.expect("a read") else {
            continue;
        };
        let record = web.metadata.annotations.as_ref().and_then(|all| all.get("cutover.dev/record"));
        let Some(record) = record.and_then(|text| Record::from_tag(text)) else { continue };
        let ready = web.status.and_then(|status| status.ready_replicas).unwrap_or_default();
        let containers = web.spec.and_then(|spec| spec.template.spec).map(|pod| pod.containers);
        let image = containers.and_then(|mut all| all.pop()?.image).unwrap_or_default();
        found.push((slot, record, ready, image));
    }
    found
}

/// Everything is as after a rollout that nothing disturbed.
pub async fn check_end(space: &Space, version: &str) {
    let sets = space.api::<ReplicaSet>().list(&Default::default()).await.expect("ReplicaSets");
    let mut images: Vec<(String, i32)> = sets
        .iter()
        .map(|set| {
            let spec = set.spec.clone().expect("a spec");
            let pod = spec.template.and_then(|template| template.spec).expect("a template");
            (pod.containers[0].image.clone().unwrap_or_default(), spec.replicas.unwrap_or_default())
        })
        .collect();
    images.sort();
    let image = |version: &str| format!("registry.example/web:{version}");
    let mut wanted = [(image("v1"), 2), (image(version), 2)];
    wanted.sort();
    assert_eq!(images, wanted, "a slot was rolled out more than once");
    let lock = space.api::<Lease>().get("cutover-shop").await.expect("the lock");
    let begun = Instant::now();
    let is_free = |lock: &Lease| {
        lock.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default().is_empty()
    };
    if !is_free(&lock) {
        space.wait_for("cutover-shop", "the lock is free", is_free).await;
    }
    println!("the lock was free after {:?}", begun.elapsed());
}
