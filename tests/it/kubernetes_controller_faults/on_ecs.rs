//! The application on ECS. Its time is the simulated AWS's, which is as fast as ours.

use super::rig::{Found, LISTENER, PATIENCE};
use cutover::model::Slot;
use cutover::rollout::Record;
use cutover::simulator::shell::Simulator;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Everything waits as short as it can, but so long that a process can be caught at it.
const WEB: &str = "\
apiVersion: ecs.cutover.dev/v1alpha1
kind: TaskDefinition
metadata: {name: web}
spec:
  family: web
  networkMode: awsvpc
  requiresCompatibilities: [FARGATE]
  cpu: '256'
  memory: '512'
  containerDefinitions:
    - name: app
      portMappings: [{containerPort: 8080}]
      image: registry.example/web:v1
---
apiVersion: ecs.cutover.dev/v1alpha1
kind: Service
metadata: {name: web}
spec:
  taskDefinition: web
  desiredCount: 2
  launchType: FARGATE
  networkConfiguration: {awsvpcConfiguration: {subnets: [subnet-0a, subnet-0b]}}
---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {name: web}
spec:
  workloadRef: {kind: Service, name: web}
  container: {name: app, port: 8080}
  alb:
    productionListener: [LISTENER]
    targetGroups: {blue: web-blue, green: web-green}
  steps: [{weight: 50, hold: 4s}, {weight: 100}]
  gates: {stableFor: 1s}
  bakeTime: 4s
  keepPrevious: 1h
  deadline: 10m
";

pub fn documents() -> String {
    WEB.replace("[LISTENER]", LISTENER)
}

fn call(simulator: &Simulator, operation: &str, input: &Value) -> Value {
    simulator.with_world(|world| world.call("ecs", operation, input)).expect("an answer")
}

/// What its slots are.
pub fn slots(simulator: &Simulator) -> Vec<Found> {
    let found = Slot::BOTH.into_iter().filter_map(|slot| {
        let name = format!("web-{}", slot.name());
        let service = simulator.with_world(|world| world.service(&name))?;
        let record = service.tags.get("cutover.dev/record").and_then(|text| Record::from_tag(text))?;
        let input = json!({"taskDefinition": service.task_definition});
        let answer = call(simulator, "DescribeTaskDefinition", &input);
        let image = answer["taskDefinition"]["containerDefinitions"][0]["image"].as_str()?.to_owned();
        Some((slot, record, i32::try_from(service.running).ok()?, image))
    });
    found.collect()
}

/// Everything is as after a rollout that nothing disturbed.
pub async fn check_end(simulator: &Simulator, version: &str) {
    let mut slots: Vec<(i32, String)> =
        slots(simulator).into_iter().map(|(_, _, running, image)| (running, image)).collect();
    slots.sort();
    let image = |version: &str| format!("registry.example/web:{version}");
    let mut wanted = [(2, image("v1")), (2, image(version))];
    wanted.sort();
    assert_eq!(slots, wanted);
    let started = simulator.with_world(|world| world.tasks_started_total());
    assert_eq!(started, 4, "a slot was rolled out more than once");
    let answer = call(simulator, "ListTaskDefinitions", &json!({"familyPrefix": "web"}));
    let revisions = answer["taskDefinitionArns"].as_array().map(Vec::len);
    assert_eq!(revisions, Some(2), "{answer}");
    let begun = Instant::now();
    let is_locked = || {
        let input = json!({"clusters": ["prod"], "include": ["TAGS"]});
        let answer = call(simulator, "DescribeClusters", &input);
        answer["clusters"][0]["tags"].to_string().contains("cutover.dev/lock/")
    };
    while is_locked() {
        assert!(begun.elapsed() < PATIENCE, "the lock stays");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("the lock was free after {:?}", begun.elapsed());
}
