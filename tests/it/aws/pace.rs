use super::{Rig, service, stamp, task_definition};
use cutover::simulator::{Buckets, Settings};
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

/// Seconds that AWS's buckets need at the least for what was called.
fn floor_seconds(rig: &Rig) -> f64 {
    let of = |operations: &[&str], burst: f64, rate: f64| {
        let calls: usize = operations.iter().map(|operation| rig.count(operation)).sum();
        (calls as f64 - burst).max(0.0) / rate
    };
    [
        of(&["RegisterTaskDefinition"], 20.0, 1.0),
        of(&["CreateService", "UpdateService"], 50.0, 5.0),
        of(&["DescribeServices", "ListServices", "ListTasks", "DescribeTasks"], 20.0, 20.0),
        of(&["DescribeTaskDefinition", "ListTaskDefinitions"], 50.0, 20.0),
        of(&["TagResource"], 20.0, 10.0),
        of(&["DescribeTargetHealth", "DescribeRules", "DescribeTargetGroups"], 40.0, 10.0),
        of(&["ModifyRule"], 20.0, 3.0),
    ]
    .into_iter()
    .fold(0.0, f64::max)
}

#[tokio::test(start_paused = true)]
async fn a_mass_change_keeps_to_the_buckets() {
    let rig = Rig::with(Settings { buckets: Buckets::Real, ..Settings::default() }, super::SEED).await;
    let ecs = rig.ecs();
    let begin = Instant::now();
    let all: Vec<usize> = (0..150).collect();
    stream::iter(&all)
        .for_each_concurrent(50, |i| {
            let ecs = &ecs;
            async move {
                let mut service = service(&format!("s{i}"));
                service.spec["desiredCount"] = 0.into();
                let document = task_definition(&format!("f{i}"), "web:v1");
                ecs.apply_service_create(&stamp(), &service, Some(&document)).await.unwrap();
            }
        })
        .await;
    let (took, floor) = (begin.elapsed().as_secs_f64(), floor_seconds(&rig));
    assert_eq!(rig.connector.world().services().len(), 150);
    let throttled = rig.connector.world().calls().throttled();
    assert!(throttled <= 3, "{throttled} calls were throttled");
    assert!(floor > 100.0 && took <= floor * 1.2, "{took} s, the buckets allow {floor} s");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_others_empty_is_respected() {
    let rig = Rig::with(Settings { buckets: Buckets::Real, ..Settings::default() }, super::SEED).await;
    let other = rig.another().await;
    let burn = |rig: &Rig| {
        let ecs = rig.ecs();
        async move {
            for i in 0..30 {
                let names = [format!("x{i}")];
                ecs.read_services(&names).await.unwrap();
            }
        }
    };
    tokio::join!(burn(&rig), burn(&other), burn(&rig), burn(&other));
    let answered = rig.connector.world().calls().all().iter().filter(|c| c.error.is_none()).count();
    assert_eq!(answered, 120);
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_as_the_other_side_counts_them() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let document = task_definition("web", "web:v1");
    ecs.apply_service_create(&stamp(), &service("worker"), Some(&document)).await.unwrap();
    ecs.list_owned("shop").await.unwrap();
    let ours = rig.aws.call_counts();
    let world = rig.connector.world();
    for (operation, count) in world.calls().counts() {
        assert_eq!(ours.of(operation), count as u64, "{operation}");
    }
    assert_eq!(ours.writes(), world.calls().writes().count() as u64);
    assert_eq!(ours.sent(), world.calls().all().len() as u64);
}

#[tokio::test(start_paused = true)]
async fn time_is_the_other_sides() {
    let rig = Rig::new().await;
    for _ in 0..2 {
        assert_eq!(rig.aws.identity().await.unwrap().0, "000000000000");
    }
    let (ours, theirs) = (rig.aws.clock().now().0, rig.connector.now() / 1_000);
    assert!(ours.abs_diff(theirs) <= 1, "{ours} {theirs}");
    super::seconds(1_000).await;
    let (ours, theirs) = (rig.aws.clock().now().0, rig.connector.now() / 1_000);
    assert!(ours.abs_diff(theirs) <= 1, "{ours} {theirs}");
}
