use super::{Rig, seconds, service, stamp, task_definition};
use cutover::engine::{Settled, TroubleKind, Workloads};
use cutover::platform::ecs::Ecs;
use cutover::simulator::{Failure, Settings};
use serde_json::{Value, json};
use std::fmt::Write;

async fn settled(ecs: &Ecs, name: &str, arn: Option<&str>) -> Settled {
    for _ in 0..200 {
        let settled = ecs.service_settled(name, arn).await.unwrap();
        if !matches!(settled, Settled::InProgress { .. }) {
            return settled;
        }
        seconds(5).await;
    }
    panic!("{name} never settled");
}

#[tokio::test(start_paused = true)]
async fn a_rolling_service_is_created_updated_and_deleted() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut worker = service("worker");
    worker.spec["desiredCount"] = 2.into();
    let first = task_definition("web", "web:v1");
    ecs.apply_service_create(&stamp(), &worker, Some(&first)).await.unwrap();
    assert_eq!(settled(&ecs, "worker", None).await, Settled::Steady);
    assert_eq!(ecs.list_owned("shop").await.unwrap().len(), 1);
    let second = task_definition("web", "web:v2");
    worker.spec["tags"][0]["value"] = "platform".into();
    let arn = ecs.apply_service_update(&stamp(), &worker, Some(&second)).await.unwrap();
    assert_eq!(settled(&ecs, "worker", Some(&arn)).await, Settled::Steady);
    let live = ecs.read_service("worker").await.unwrap().unwrap();
    assert_eq!((live.tags["team"].as_str(), live.count("runningCount")), ("platform", 2));
    assert!(ecs.runs(&live, &second).await.unwrap());
    rig.clear_log();
    ecs.apply_service_update(&stamp(), &worker, Some(&second)).await.unwrap();
    assert_eq!(rig.writes(), 0);
    let trouble = ecs.apply_service_delete("another-app", "worker").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Rejected, "{trouble}");
    ecs.apply_service_delete("shop", "worker").await.unwrap();
    ecs.apply_service_delete("shop", "worker").await.unwrap();
    assert_eq!(rig.count("DeleteService"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_by_the_circuit_breaker_is_a_failure_with_reasons() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut worker = service("worker");
    worker.spec["deploymentConfiguration"] =
        json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
    let first = task_definition("web", "web:v1");
    ecs.apply_service_create(&stamp(), &worker, Some(&first)).await.unwrap();
    settled(&ecs, "worker", None).await;
    let broken = task_definition("web", "web:v2-missing");
    let arn = ecs.apply_service_update(&stamp(), &worker, Some(&broken)).await.unwrap();
    let Settled::Failed { state, troubles } = settled(&ecs, "worker", Some(&arn)).await else { panic!() };
    assert!(state.contains("web:"), "{state}");
    assert!(!troubles.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_only_a_new_service_can_have_is_refused_with_the_way_out() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let mut worker = service("worker");
    let document = task_definition("web", "web:v1");
    ecs.apply_service_create(&stamp(), &worker, Some(&document)).await.unwrap();
    worker.spec["launchType"] = "EC2".into();
    let trouble = ecs.apply_service_update(&stamp(), &worker, Some(&document)).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Rejected);
    assert!(trouble.message.contains("launchType"), "{trouble}");
}

/// A cluster of so many services, each with one task definition of its own and our marks on it.
async fn large(count: usize) -> Rig {
    let mut seed = String::from("clusters: [{clusterName: prod}]\nservices:\n");
    let mut families = String::from("taskDefinitions:\n");
    for i in 0..count {
        let mark = |key: &str, value: &str| format!("{{key: cutover.dev/{key}, value: '{value}'}}");
        let mut spec = task_definition(&format!("f{i}"), "web:v1").spec;
        let hash = cutover::diff::content_hash(&spec);
        (spec["cpu"], spec["memory"]) = ("256".into(), "512".into());
        writeln!(families, "  - {spec}").unwrap();
        let owner = if i % 10 == 9 { "other" } else { "shop" };
        let tags = [mark("application", owner), mark("task-definition", &format!("f{i}:1 {hash}"))];
        writeln!(
            seed,
            "  - {{cluster: prod, serviceName: s{i}, taskDefinition: 'f{i}:1', desiredCount: 0, launchType: FARGATE, \
             networkConfiguration: {{awsvpcConfiguration: {{subnets: [a]}}}}, tags: [{}]}}",
            tags.join(", ")
        )
        .unwrap();
    }
    Rig::with(Settings::default(), &format!("{families}{seed}")).await
}

#[tokio::test(start_paused = true)]
async fn looking_at_a_thousand_services_costs_a_hundred_descriptions_and_the_listing() {
    let rig = large(1_000).await;
    let ecs = rig.ecs();
    let begin = tokio::time::Instant::now();
    let owned = ecs.list_owned("shop").await.unwrap();
    assert_eq!(owned.len(), 900);
    // Ten readers at once, as workloads are observed, and then each by its own content.
    let names: Vec<String> = (0..1_000).map(|i| format!("s{i}")).collect();
    let reads = names.chunks(100).map(|chunk| ecs.read_services(chunk));
    let found = futures_util::future::try_join_all(reads).await.unwrap();
    assert_eq!(found.iter().map(std::collections::BTreeMap::len).sum::<usize>(), 1_000);
    for live in found.iter().flat_map(|services| services.values()) {
        let family = live.name.replace('s', "f");
        assert!(ecs.runs(live, &task_definition(&family, "web:v1")).await.unwrap());
    }
    assert_eq!(rig.count("DescribeServices"), 100);
    assert_eq!(rig.count("ListServices"), 10);
    assert_eq!(rig.count("DescribeTaskDefinition"), 0);
    assert_eq!(rig.writes(), 0);
    assert!(begin.elapsed().as_secs() < 7, "{:?}", begin.elapsed());
    // A plan's next reading is a new one.
    ecs.read_services(&names[..10]).await.unwrap();
    assert_eq!(rig.count("DescribeServices"), 101);
}

#[tokio::test(start_paused = true)]
async fn a_runs_first_observation_uses_what_the_plan_read_and_the_next_one_reads_again() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let rollout = rig.rollout("web:v1");
    let names = ["web-blue", "web-green"].map(ToOwned::to_owned);
    ecs.read_services(&names).await.unwrap();
    ecs.observe_slots(&rollout).await.unwrap();
    assert_eq!(rig.count("DescribeServices"), 1);
    ecs.observe_slots(&rollout).await.unwrap();
    ecs.observe_slots(&rollout).await.unwrap();
    assert_eq!(rig.count("DescribeServices"), 3);
    // Nothing that was read before the lock was ours counts after it.
    ecs.read_services(&names).await.unwrap();
    let owner = cutover::platform::ecs::Owner::with_number("laptop", 1, 1);
    ecs.acquire_lock("shop", owner).await.unwrap();
    ecs.observe_slots(&rollout).await.unwrap();
    assert_eq!(rig.count("DescribeServices"), 5);
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_moment_share_calls() {
    let rig = large(40).await;
    let ecs = rig.ecs();
    let names: Vec<[String; 1]> = (0..40).map(|i| [format!("s{i}")]).collect();
    futures_util::future::try_join_all(names.iter().map(|name| ecs.read_services(name))).await.unwrap();
    assert_eq!(rig.count("DescribeServices"), 4);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_gives_up_leaves_the_others_their_answers() {
    let rig = large(3).await;
    let ecs = rig.ecs();
    let name = |i: usize| [format!("s{i}")];
    let (one, two, three) = (name(0), name(1), name(2));
    let impatient = tokio::time::timeout(std::time::Duration::from_millis(12), ecs.read_services(&one));
    let (gone, found, also) = tokio::join!(impatient, ecs.read_services(&two), ecs.read_services(&three));
    assert!(gone.is_err());
    assert_eq!((found.unwrap().len(), also.unwrap().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_could_not_be_read_whole_is_an_error() {
    let rig = large(120).await;
    let denied = || Failure::Error { code: "AccessDeniedException".into(), message: "no".into() };
    for operation in ["ListServices", "DescribeServices"] {
        rig.inject(operation, denied(), 1);
        let trouble = rig.ecs().list_owned("shop").await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Denied, "{operation}: {trouble}");
    }
    // Only the second page fails.
    let fault = cutover::simulator::Fault::Call {
        operation: "ListServices".into(),
        after: 1,
        times: 1,
        failure: denied(),
    };
    rig.connector.world().inject(fault);
    assert!(rig.ecs().list_owned("shop").await.is_err());
    assert_eq!(rig.ecs().list_owned("shop").await.unwrap().len(), 108);
}

#[tokio::test(start_paused = true)]
async fn fields_the_sdk_does_not_know_pass_through() {
    // The simulator keeps what it is sent; the SDK's own structures would drop this.
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let body = json!({"clusters": ["prod"], "include": ["TAGS"], "aFieldOfNextYear": {"x": [1]}});
    let operation = cutover::aws::EcsOperation::DescribeClusters;
    let answer = rig.aws.ecs(operation, cutover::aws::Conduct::Read, "prod", &body).await.unwrap();
    assert_eq!(answer["clusters"][0]["clusterName"], Value::from("prod"));
    assert_eq!(ecs.cluster(), "prod");
}
