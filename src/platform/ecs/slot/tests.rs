use super::*;
use crate::model::{
    Alb, BlueGreen, Container, Gates, Origin, Service, SlotNames, Step, TargetGroups, Timestamp, Turn,
    WorkloadRef,
};
use crate::rollout::{Intent, Progress};

pub fn rollout() -> Rollout {
    let target_groups = TargetGroups { blue: "web-blue".into(), green: "web-green".into() };
    let blue_green = BlueGreen {
        name: "web".into(),
        origin: Origin::default(),
        workload_ref: WorkloadRef { kind: "Service".into(), name: "web".into() },
        container: Container { name: "app".into(), port: 8080 },
        alb: Alb { target_groups, ..Alb::default() },
        traffic: None,
        slots: SlotNames::default(),
        steps: vec![Step { weight: 100, hold: 0 }],
        gates: Gates::default(),
        bake_time: 0,
        keep_previous: 0,
        deadline: 900,
    };
    let spec = json!({"serviceName": "shop-web", "launchType": "FARGATE"});
    let service = Service {
        name: "web".into(),
        origin: Origin::default(),
        spec,
        task_definition: TaskDefinitionRef::Document("web".into()),
    };
    let spec = json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "web:1"}]});
    let task_definition = TaskDefinition { name: "web".into(), origin: Origin::default(), spec };
    Rollout {
        application: "shop".into(),
        commit: "c0ffee".into(),
        blue_green,
        workload: WorkloadDocuments::Ecs(EcsDocuments { service, task_definition: Some(task_definition) }),
        turn: Turn::default(),
    }
}

fn ecs(rollout: &mut Rollout) -> &mut EcsDocuments {
    match &mut rollout.workload {
        WorkloadDocuments::Ecs(documents) => documents,
        WorkloadDocuments::Kubernetes(_) => panic!("a workload of ECS"),
    }
}

fn groups() -> BySlot<String> {
    let arn = |name: &str| format!("arn:aws:elasticloadbalancing:r:1:targetgroup/{name}/1");
    BySlot { blue: arn("web-blue"), green: arn("web-green") }
}

#[test]
fn a_slot_has_its_own_name_and_target_group_beside_other_declared_balancers() {
    let mut rollout = rollout();
    ecs(&mut rollout).service.spec["loadBalancers"] = json!([
        {"targetGroupArn": groups().blue, "containerName": "app", "containerPort": 8080},
        {"targetGroupArn": "arn:aws:elasticloadbalancing:r:1:targetgroup/admin/1", "containerName": "app",
         "containerPort": 9090},
    ]);
    let spec = slot_spec(&rollout, Slot::Green, &groups()).unwrap();
    assert_eq!(spec["serviceName"], "shop-web-green");
    assert_eq!(
        spec["loadBalancers"],
        json!([
            {"targetGroupArn": "arn:aws:elasticloadbalancing:r:1:targetgroup/admin/1", "containerName": "app",
             "containerPort": 9090},
            {"targetGroupArn": groups().green, "containerName": "app", "containerPort": 8080},
        ])
    );
}

#[test]
fn the_revision_follows_tasks_service_and_port_but_not_the_count() {
    let base = desired_revision(&rollout()).unwrap();
    let mut count = rollout();
    ecs(&mut count).service.spec["desiredCount"] = 9.into();
    assert_eq!(desired_revision(&count).unwrap(), base);
    let mut image = rollout();
    ecs(&mut image).task_definition.as_mut().unwrap().spec["containerDefinitions"][0]["image"] =
        "web:2".into();
    let mut launch = rollout();
    ecs(&mut launch).service.spec["launchType"] = "EC2".into();
    let mut port = rollout();
    port.blue_green.container.port = 9090;
    for changed in [image, launch, port] {
        assert_ne!(desired_revision(&changed).unwrap(), base);
    }
}

#[test]
fn a_dangling_task_definition_is_an_error_and_no_revision() {
    let mut rollout = rollout();
    ecs(&mut rollout).task_definition = None;
    assert_eq!(desired_revision(&rollout).unwrap_err().kind, TroubleKind::Rejected);
}

#[test]
fn a_creation_token_is_the_same_for_the_same_creation_only() {
    let record = |sequence| Record {
        sequence,
        revision: RevisionId("0123456789abcdef".into()),
        from: None,
        started: Timestamp(1_700_000_000),
        progress: Progress::Rolling,
        intent: Intent::default(),
    };
    let token = |name, sequence| client_token(&rollout(), name, &record(sequence));
    assert_eq!(token("web-blue", 1), token("web-blue", 1));
    assert_ne!(token("web-blue", 1), token("web-blue", 2));
    assert_ne!(token("web-blue", 1), token("web-green", 1));
    assert!(token("web-blue", 1).len() <= 36);
}
