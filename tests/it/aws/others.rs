//! Rules and target groups that another application uses are told before a rollout begins, with a remedy.

use super::{Rig, documents};
use cutover::engine::{Obstacles, Rollout, Traffic, TroubleKind};
use cutover::rollout::Terms;
use cutover::simulator::Failure;
use cutover::sites::EcsTarget;
use serde_json::{Value, json};

/// A live service without tasks in this target group, with these marks.
fn service(rig: &Rig, name: &str, group: &str, marks: &[(&str, &str)]) {
    let mut rollout = rig.rollout("web:v1");
    let documents = documents(&mut rollout);
    let network = documents.service.spec["networkConfiguration"].clone();
    let mut spec = documents.task_definition.as_ref().unwrap().spec.clone();
    (spec["cpu"], spec["memory"]) = ("256".into(), "512".into());
    let tags: Vec<Value> = marks.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let mut world = rig.connector.world();
    world.call("ecs", "RegisterTaskDefinition", &spec).unwrap();
    let group = world.target_group_arn(group).unwrap();
    let balancer = json!({"targetGroupArn": group, "containerName": "app", "containerPort": 8080});
    let body = json!({"cluster": "prod", "serviceName": name, "taskDefinition": "web:1", "desiredCount": 0,
        "launchType": "FARGATE", "networkConfiguration": network, "loadBalancers": [balancer], "tags": tags});
    world.call("ecs", "CreateService", &body).unwrap();
}

async fn obstacles(rig: &Rig, rollout: &Rollout) -> Obstacles {
    let application = super::places::deployment(0).application;
    let target = EcsTarget::new(rig.aws.without_guard(), &application, "prod", 1);
    target.observe_obstacles(rollout, &Default::default()).await.unwrap()
}

async fn sentences(rig: &Rig) -> Vec<String> {
    let found = obstacles(rig, &rig.rollout("web:v1")).await.hindrances;
    found.iter().map(|hindrance| hindrance.in_words(Terms::Ecs)).collect()
}

const OF_ANOTHER: (&str, &str) = ("cutover.dev/application", "billing");
const SLOT: (&str, &str) = ("cutover.dev/slot", "blue");

#[tokio::test(start_paused = true)]
async fn a_target_group_that_a_service_of_another_application_is_in_is_refused_though_no_task_runs() {
    for (group, slot) in [("web-blue", "blue"), ("web-green", "green")] {
        let rig = Rig::new().await;
        assert_eq!(sentences(&rig).await, [""; 0]);
        service(&rig, "theirs", group, &[OF_ANOTHER]);
        let arn = rig.connector.world().target_group_arn(group).unwrap();
        let expected = format!(
            "service theirs of application billing is registered in {arn}, the target group for {slot}; set \
             alb.targetGroups.{slot} of BlueGreen/web to a target group that no other application uses"
        );
        assert_eq!(sentences(&rig).await, [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_another_applications_slot_is_behind_is_refused_and_a_plain_service_is_not() {
    let rig = Rig::new().await;
    service(&rig, "legacy", "other", &[OF_ANOTHER]);
    assert_eq!(sentences(&rig).await, [""; 0], "its share stays as it is");
    service(&rig, "theirs", "other", &[OF_ANOTHER, SLOT]);
    let expected = format!(
        "{} sends requests to service theirs too, a slot of application billing, which moves its weights as well; set alb \
         of BlueGreen/web to a rule that no other application moves",
        rig.rule(10)
    );
    assert_eq!(sentences(&rig).await, [expected]);
}

#[tokio::test(start_paused = true)]
async fn what_is_nobodys_or_our_own_is_no_obstacle() {
    let rig = Rig::new().await;
    service(&rig, "web-blue", "web-blue", &[("cutover.dev/application", "shop"), SLOT]);
    service(&rig, "plain", "web-green", &[]);
    assert_eq!(sentences(&rig).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn where_services_may_not_be_listed_that_is_said_and_stops_nothing() {
    let rig = Rig::new().await;
    rig.inject("ListServices", Failure::Denied, 9);
    let found = obstacles(&rig, &rig.rollout("web:v1")).await;
    assert_eq!(found.hindrances, []);
    let [notice] = found.notices.as_slice() else { panic!("{:?}", found.notices) };
    assert!(
        notice.starts_with("nobody can tell whether another application uses")
            && notice.contains("ListServices")
    );
    // An answer that is late is no answer.
    let rig = Rig::new().await;
    rig.inject("ListServices", Failure::Internal, 999);
    let application = super::places::deployment(0).application;
    let target = EcsTarget::new(rig.aws.without_guard(), &application, "prod", 1);
    let trouble = target.observe_obstacles(&rig.rollout("web:v1"), &Default::default()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn the_share_of_another_group_is_read_in_percent_of_the_rules_requests() {
    let rig = Rig::new().await;
    let (rule, rollout) = (rig.rule(10), rig.rollout("web:v1"));
    {
        let mut world = rig.connector.world();
        let weights = [("web-blue", 0), ("web-green", 500), ("other", 250)];
        let group = |(name, weight): (&str, u32)| {
            let arn = world.target_group_arn(name).unwrap();
            json!({"TargetGroupArn": arn, "Weight": weight})
        };
        let groups = weights.map(group);
        let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
        world.call("elbv2", "ModifyRule", &json!({"RuleArn": rule, "Actions": actions})).unwrap();
    }
    let reading = rig.alb().observe_traffic(&rollout, &Default::default()).await.unwrap();
    assert_eq!(reading.others[&rule], [("other".to_owned(), 33)]);
}
