//! What makes two slots inseparable is told by the reading of the slots, with a remedy.

use super::slots::{create, observe, steady};
use super::{Rig, documents};
use cutover::engine::{Rollout, Workloads};
use cutover::model::{Slot, SlotName};
use cutover::platform::ecs::Ecs;
use cutover::rollout::{Content, Hindrance, Remedy, Terms, Workload};
use cutover::simulator::Failure;
use serde_json::{Value, json};

async fn hindrances(ecs: &Ecs, rollout: &Rollout) -> Vec<Hindrance> {
    let found = ecs.observe_slots(rollout).await.unwrap().hindrances;
    assert!(found.iter().all(|hindrance| !hindrance.remedies.is_empty()), "{found:?}");
    found
}

async fn sentences(ecs: &Ecs, rollout: &Rollout) -> Vec<String> {
    hindrances(ecs, rollout).await.iter().map(|hindrance| hindrance.in_words(Terms::Ecs)).collect()
}

/// Makes a live service that is to be adopted as the blue slot, with these fields besides those of the document.
fn live(rig: &Rig, rollout: &mut Rollout, fields: &Value) {
    let network = documents(rollout).service.spec["networkConfiguration"].clone();
    let mut spec = documents(rollout).task_definition.as_ref().unwrap().spec.clone();
    (spec["cpu"], spec["memory"]) = ("256".into(), "512".into());
    let mut world = rig.connector.world();
    world.call("ecs", "RegisterTaskDefinition", &spec).unwrap();
    let group = world.target_group_arn("web-blue").unwrap();
    let balancer = json!({"targetGroupArn": group, "containerName": "app", "containerPort": 8080});
    let mut body = json!({"cluster": "prod", "serviceName": "old-web", "taskDefinition": "web:1", "desiredCount": 1,
        "launchType": "FARGATE", "networkConfiguration": network, "loadBalancers": [balancer]});
    for (field, value) in fields.as_object().unwrap() {
        body[field] = value.clone();
    }
    world.call("ecs", "CreateService", &body).unwrap();
    rollout.blue_green.slots.blue = Some(SlotName { service: Some("old-web".into()), ..SlotName::default() });
}

#[tokio::test(start_paused = true)]
async fn ways_around_the_weights_are_found_in_the_documents_and_in_the_live_service() {
    for (field, value, part) in [
        (
            "serviceRegistries",
            json!([{"registryArn": "arn:aws:servicediscovery:r:1:service/srv-1"}]),
            "Cloud Map",
        ),
        (
            "serviceConnectConfiguration",
            json!({"enabled": true, "namespace": "shop", "services": [{"portName": "http"}]}),
            "Service Connect",
        ),
        (
            "vpcLatticeConfigurations",
            json!([{"roleArn": "arn:aws:iam::0:role/r", "targetGroupArn": "arn:l", "portName": "http"}]),
            "VPC Lattice",
        ),
    ] {
        let rig = Rig::new().await;
        let ecs = rig.ecs();
        let mut declared = rig.rollout("web:v1");
        assert!(hindrances(&ecs, &declared).await.is_empty());
        documents(&mut declared).service.spec[field] = value.clone();
        let found = sentences(&ecs, &declared).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("Service/web declares {field}")), "{found:?}");
        assert!(found[0].contains(part) && found[0].contains("of Service/web to []"), "{found:?}");
        // Taken out of the document it still runs.
        let mut adopted = rig.rollout("web:v1");
        live(&rig, &mut adopted, &json!({field: value}));
        let found = sentences(&ecs, &adopted).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("service old-web has ") && found[0].contains(part), "{found:?}");
    }
    // A client of Service Connect is registered nowhere.
    let rig = Rig::new().await;
    let mut client = rig.rollout("web:v1");
    let configuration = json!({"enabled": true, "namespace": "shop"});
    documents(&mut client).service.spec["serviceConnectConfiguration"] = configuration.clone();
    live(&rig, &mut client, &json!({"serviceConnectConfiguration": configuration}));
    assert!(hindrances(&rig.ecs(), &client).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_live_native_strategy_is_found_whatever_the_document_says() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut rollout = rig.rollout("web:v1");
    let (blue, spare) = {
        let world = rig.connector.world();
        (world.target_group_arn("web-blue").unwrap(), world.target_group_arn("other").unwrap())
    };
    let advanced = json!({"alternateTargetGroupArn": spare, "productionListenerRule": rig.rule(10),
        "roleArn": "arn:aws:iam::0:role/r"});
    let balancers = json!([{"targetGroupArn": blue, "containerName": "app", "containerPort": 8080,
        "advancedConfiguration": advanced}]);
    let strategy = json!({"strategy": "BLUE_GREEN"});
    live(&rig, &mut rollout, &json!({"loadBalancers": balancers, "deploymentConfiguration": strategy}));
    let found = sentences(&ecs, &rollout).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("service old-web is deployed by ECS's own strategy BLUE_GREEN"),
        "{found:?}"
    );
    // Its tasks may be in either group.
    assert_eq!(observe(&ecs, &rollout, Slot::Blue).await.groups, [blue, spare]);
    documents(&mut rollout).service.spec["deploymentConfiguration"] = strategy;
    assert_eq!(hindrances(&ecs, &rollout).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_group_that_both_slots_are_in_is_found_declared_and_live() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let plain = rig.rollout("web:v1");
    let mut second = rig.rollout("web:v1");
    let other = rig.connector.world().target_group_arn("other").unwrap();
    let balancer = json!([{"targetGroupArn": other, "containerName": "app", "containerPort": 8080}]);
    documents(&mut second).service.spec["loadBalancers"] = balancer;
    let found = hindrances(&ecs, &second).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].why.contains(&other) && found[0].why.contains("loadBalancers[0]"), "{found:?}");
    let edit =
        Remedy::Edit { document: "Service/web".into(), field: "loadBalancers".into(), to: "[]".into() };
    assert_eq!(found[0].remedies, [edit]);
    for slot in Slot::BOTH {
        ecs.apply_workload(&second, &create(slot, 1, 1)).await.unwrap();
    }
    // The document is mended, the services are not.
    let found = sentences(&ecs, &plain).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("web-blue and web-green are both registered in"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn swapped_groups_are_found_and_the_remedy_swaps_them_back() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut rollout = rig.rollout("web:v1");
    live(&rig, &mut rollout, &json!({}));
    assert!(hindrances(&ecs, &rollout).await.is_empty());
    let groups = &mut rollout.blue_green.alb.target_groups;
    std::mem::swap(&mut groups.blue, &mut groups.green);
    let found = hindrances(&ecs, &rollout).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let blue = rig.connector.world().target_group_arn("web-blue").unwrap();
    assert!(
        found[0].why.contains(&format!("service old-web, the blue slot, is registered in {blue}")),
        "{found:?}"
    );
    let Remedy::Edit { field, to, .. } = &found[0].remedies[0] else { panic!("{found:?}") };
    assert_eq!((field.as_str(), to.as_str()), ("alb.targetGroups", "{blue: web-blue, green: web-green}"));
    (rollout.blue_green.alb.target_groups.blue, rollout.blue_green.alb.target_groups.green) =
        ("web-blue".into(), "web-green".into());
    assert!(hindrances(&ecs, &rollout).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_return_does_not_need_is_left_unknown_where_it_cannot_be_read() {
    for (operation, content) in [
        ("ListTasks", Content::Other),
        ("DescribeTasks", Content::Other),
        ("DescribeTaskDefinition", Content::Unknown),
        ("DescribeTargetGroups", Content::Unknown),
    ] {
        let rig = Rig::new().await;
        let first = rig.rollout("web:v1");
        rig.ecs().apply_workload(&first, &create(Slot::Blue, 1, 1)).await.unwrap();
        steady(&rig.ecs(), &first, Slot::Blue).await;
        let arn = rig.connector.world().target_group_arn("web-blue").unwrap();
        let wanted = first;
        match operation {
            // Tasks stop, and nobody may know why.
            "ListTasks" | "DescribeTasks" => {
                let broken = rig.rollout("web:v2-crash1");
                let update = cutover::rollout::Action::UpdateSlot { slot: Slot::Blue, count: 1 };
                rig.ecs().apply_workload(&broken, &update).await.unwrap();
                super::seconds(60).await;
            }
            "DescribeTaskDefinition" => {
                let service = rig.ecs().read_service("web-blue").await.unwrap().unwrap();
                rig.ecs().untag_service(&service, &["cutover.dev/task-definition"]).await.unwrap();
            }
            _ => {}
        }
        rig.inject(operation, Failure::Denied, u32::MAX);
        // Another process knows nothing yet.
        let seen = observe(&rig.another().await.ecs(), &wanted, Slot::Blue).await;
        let Workload::Present { content: found, desired_count: 1, .. } = seen.workload else {
            panic!("{seen:?}")
        };
        assert_eq!(found, content, "{operation}");
        assert_eq!(seen.groups, [arn], "{operation}");
        assert!(seen.record.is_some(), "{operation}");
    }
}
