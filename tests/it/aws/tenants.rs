//! Services without blue/green stay out of target groups that a service of another application is registered in.

use super::Rig;
use super::begun::sync_of;
use crate::account::{RULE, Shop, Worker, seed};
use cutover::engine::{Deployment, Verdict, plan};
use cutover::plan::Change;
use cutover::simulator::{Failure, Settings};
use cutover::sites::EcsTarget;
use serde_json::json;

/// The shop of one application, live on green, and a target group of nobody.
async fn live_shop() -> Rig {
    let spare = "targetGroups:\n  - {Name: spare, Protocol: HTTP, Port: 8080, TargetType: ip}\n";
    let seed = seed(&[RULE]).replace("targetGroups:\n", spare);
    let nothing = "[{Type: fixed-response, FixedResponseConfig: {StatusCode: \"404\"}}]";
    let seed = seed.replace(nothing, "[{Type: forward, TargetGroupArn: spare}]");
    let rig = Rig::with(Settings::default(), &seed).await;
    let (ended, said) = sync_of(&rig, &Shop::default().deployment(), "").await;
    assert_eq!(ended.unwrap().verdict, Verdict::Done, "{said:?}");
    rig
}

/// A worker of another application, in this target group.
fn tenant(rig: &Rig, group: Option<&str>, image: &'static str) -> Deployment {
    let workers = vec![Worker { name: "worker", image }];
    let mut deployment = Shop { workers, ..Shop::default() }.deployment();
    deployment.application.name = "tenant".into();
    let manifests = &mut deployment.manifests;
    manifests.blue_greens.clear();
    manifests.services.remove("web");
    manifests.task_definitions.remove("web");
    if let Some(group) = group {
        let arn = rig.connector.world().target_group_arn(group).unwrap();
        let service = manifests.services.get_mut("worker").unwrap();
        service.spec["loadBalancers"] =
            json!([{"targetGroupArn": arn, "containerName": "app", "containerPort": 8080}]);
    }
    deployment
}

/// Why the plan refuses the worker, if it does; the sync says the same and writes nothing.
async fn refusal(rig: &Rig, deployment: &Deployment) -> Option<String> {
    let process = rig.another().await;
    let target = EcsTarget::new(process.aws.clone(), &deployment.application, "prod", 1);
    let plan = plan(&target, deployment).await.unwrap();
    let item = plan.items.iter().find(|item| item.change == Change::Blocked)?.clone();
    assert_eq!(item.document(), "Service/worker");
    rig.clear_log();
    let report = sync_of(rig, deployment, "").await.0.unwrap();
    assert_eq!(report.verdict, Verdict::Error);
    assert!(report.results.iter().any(|result| result.message == item.why), "{:?}", report.results);
    assert_eq!((rig.count("CreateService"), rig.count("UpdateService")), (0, 0));
    Some(item.why)
}

fn expected(rig: &Rig, group: &str) -> String {
    let arn = rig.connector.world().target_group_arn(group).unwrap();
    format!(
        "service {group} of application shop is registered in {arn}, and would share its requests with this one; set \
         loadBalancers of Service/worker to target groups that no other application uses"
    )
}

#[tokio::test(start_paused = true)]
async fn a_service_is_not_created_in_a_target_group_of_another_application() {
    let rig = live_shop().await;
    let deployment = tenant(&rig, Some("web-green"), "v1");
    assert_eq!(refusal(&rig, &deployment).await, Some(expected(&rig, "web-green")));
}

#[tokio::test(start_paused = true)]
async fn a_service_is_not_moved_into_a_target_group_of_another_application() {
    let rig = live_shop().await;
    assert_eq!(sync_of(&rig, &tenant(&rig, None, "v1"), "").await.0.unwrap().verdict, Verdict::Done);
    let moved = tenant(&rig, Some("web-green"), "v1");
    assert_eq!(refusal(&rig, &moved).await, Some(expected(&rig, "web-green")));
}

#[tokio::test(start_paused = true)]
async fn a_service_in_a_group_of_nobody_else_is_made_and_costs_one_listing_once_it_is_there() {
    let rig = live_shop().await;
    let deployment = tenant(&rig, Some("spare"), "v1");
    assert_eq!(sync_of(&rig, &deployment, "").await.0.unwrap().verdict, Verdict::Done);
    rig.clear_log();
    assert_eq!(sync_of(&rig, &deployment, "").await.0.unwrap().verdict, Verdict::Done);
    // For rollouts that no document declares any more.
    assert_eq!((rig.count("ListServices"), rig.writes()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn where_services_may_not_be_listed_no_group_is_joined() {
    let rig = live_shop().await;
    let deployment = tenant(&rig, Some("web-green"), "v1");
    rig.inject("ListServices", Failure::Denied, u32::MAX);
    let ended = sync_of(&rig, &deployment, "").await.0;
    assert!(ended.expect_err("unreadable").doing.contains("ListServices"));
}
