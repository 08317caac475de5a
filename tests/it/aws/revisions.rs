use super::places::{deployment, play};
use super::{Rig, seconds, stamp, tag, task_definition};
use cutover::aws::LOCKS_ON_A_CLUSTER;
use cutover::engine::{Platform, StopSignal, TroubleKind, Verdict};
use cutover::simulator::{Buckets, Failure, Settings};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_revision_is_registered_once_for_its_content() {
    let rig = Rig::new().await;
    let document = task_definition("web", "web:v1");
    let arn = rig.ecs().register(&stamp(), &document, &[]).await.unwrap();
    assert!(arn.ends_with("/web:1"), "{arn}");
    // A second process finds it, however the document spells the same.
    let mut same = document.clone();
    same.spec["cpu"] = "256".into();
    same.spec["containerDefinitions"][0]["essential"] = true.into();
    let again = rig.another().await.ecs().register(&stamp(), &same, &[]).await.unwrap();
    assert_eq!(again, arn);
    let other = rig.ecs().register(&stamp(), &task_definition("web", "web:v2"), &[]).await.unwrap();
    assert!(other.ends_with("/web:2"), "{other}");
    // Back to the first content: the older revision is taken.
    let back = rig.another().await.ecs().register(&stamp(), &document, &[]).await.unwrap();
    assert_eq!(back, arn);
    assert_eq!(rig.connector.world().revisions_registered("web"), 2);
    let input = json!({"taskDefinition": arn, "include": ["TAGS"]});
    let answer = rig.connector.world().call("ecs", "DescribeTaskDefinition", &input).unwrap();
    assert_eq!(tag(&answer["tags"], "cutover.dev/application"), Some("shop"));
    assert_eq!(tag(&answer["tags"], "cutover.dev/content").map(str::len), Some(64));
}

#[tokio::test(start_paused = true)]
async fn the_way_back_to_any_earlier_content_registers_nothing() {
    let rig = Rig::with(Settings { buckets: Buckets::Real, ..Settings::default() }, super::SEED).await;
    let document = |i: usize| task_definition("web", &format!("web:v{i}"));
    for i in 1..=130 {
        rig.connector.world().call("ecs", "RegisterTaskDefinition", &document(i).spec).unwrap();
        seconds(1).await;
    }
    for (i, reads) in [(130, 1), (128, 15), (100, 45), (1, 131)] {
        rig.clear_log();
        let arn = rig.another().await.ecs().register(&stamp(), &document(i), &[]).await.unwrap();
        assert!(arn.ends_with(&format!("/web:{i}")), "{arn}");
        let read = rig.count("DescribeTaskDefinition");
        assert!(read <= reads, "{read} revisions were read to find the one of v{i}");
    }
    rig.clear_log();
    let ecs = rig.ecs();
    let new = ecs.register(&stamp(), &document(131), &[]).await.unwrap();
    assert!(new.ends_with("/web:131"), "{new}");
    assert_eq!(rig.count("DescribeTaskDefinition"), 130, "the newest is not read twice");
    // What was read once is not read again for another new content, save the newest one.
    ecs.register(&stamp(), &document(132), &[]).await.unwrap();
    assert_eq!(rig.count("DescribeTaskDefinition"), 131);
    assert_eq!(rig.connector.world().revisions_registered("web"), 132);
    let throttled = rig.connector.world().calls().throttled();
    assert!(throttled <= 3, "{throttled} calls were throttled");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_one_revision() {
    let failures = [Failure::LostAnswer, Failure::CutBefore, Failure::Internal];
    for (failure, planned) in
        failures.into_iter().flat_map(|failure| [(failure.clone(), false), (failure, true)])
    {
        let rig = Rig::new().await;
        rig.inject("RegisterTaskDefinition", failure.clone(), 1);
        let (ecs, deployment) = (rig.ecs(), deployment(0));
        let document = &deployment.manifests.task_definitions["a00"];
        if planned {
            ecs.read_live(&deployment).await.unwrap();
        }
        if ecs.register(&stamp(), document, &[]).await.is_err() {
            seconds(1).await;
            ecs.register(&stamp(), document, &[]).await.unwrap();
        }
        assert_eq!(rig.connector.world().revisions_registered("a00"), 1, "{failure:?}, planned: {planned}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_family_is_asked_for_before_and_under_the_lock_and_once_more_before_it_is_registered() {
    for waits in [false, true] {
        let rig = Rig::new().await;
        let all = rig.aws.lock_places("prod").acquire_many_owned(LOCKS_ON_A_CLUSTER as u32).await.unwrap();
        let mut all = Some(all).filter(|_| waits);
        let freed = async {
            seconds(60).await;
            all.take();
        };
        let (deployment, stop) = (deployment(0), StopSignal::default());
        let (played, ()) = tokio::join!(play(&rig, &deployment, &stop), freed);
        assert_eq!(played.report.verdict, Verdict::Done);
        let asked = (rig.count("DescribeTaskDefinition"), rig.count("RegisterTaskDefinition"));
        assert_eq!(asked, (3 + usize::from(waits), 1), "waited for its turn: {waits}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_registered_since_the_plan_is_taken_and_not_registered_again() {
    for (image, taken, registered) in
        [(None, 1, 1), (Some("registry.example/shop/a00:v1"), 1, 1), (Some("x"), 2, 2)]
    {
        let rig = Rig::new().await;
        let (ecs, deployment) = (rig.ecs(), deployment(0));
        let document = &deployment.manifests.task_definitions["a00"];
        ecs.read_live(&deployment).await.unwrap();
        if let Some(image) = image {
            let mut theirs = document.clone();
            theirs.spec["containerDefinitions"][0]["image"] = image.into();
            rig.another().await.ecs().register(&stamp(), &theirs, &[]).await.unwrap();
        }
        let arn = ecs.register(&stamp(), document, &[]).await.unwrap();
        assert!(arn.ends_with(&format!("/a00:{taken}")), "{image:?}: {arn}");
        assert_eq!(rig.connector.world().revisions_registered("a00"), registered, "{image:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_registration_is_repeated_since_nothing_was_done() {
    let rig = Rig::new().await;
    let throttled = Failure::Error { code: "ThrottlingException".into(), message: "Rate exceeded".into() };
    rig.inject("RegisterTaskDefinition", throttled, 2);
    rig.ecs().register(&stamp(), &task_definition("web", "web:v1"), &[]).await.unwrap();
    assert_eq!(rig.connector.world().revisions_registered("web"), 1);
    assert_eq!(rig.aws.call_counts().throttled(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_services_of_one_task_definition_register_it_once() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let document = task_definition("web", "web:v1");
    let stamp = stamp();
    let all = (0..5).map(|_| ecs.register(&stamp, &document, &[]));
    let arns = futures_util::future::try_join_all(all).await.unwrap();
    assert!(arns.iter().all(|arn| *arn == arns[0]));
    assert_eq!(rig.connector.world().revisions_registered("web"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_revision_is_read_once_a_run_and_a_missing_one_is_missing() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let arn = ecs.register(&stamp(), &task_definition("web", "web:v1"), &[]).await.unwrap();
    rig.clear_log();
    let reads = (0..5).map(|_| ecs.read_task_definition(&arn));
    futures_util::future::try_join_all(reads).await.unwrap();
    ecs.read_task_definition("web:1").await.unwrap();
    assert_eq!(rig.count("DescribeTaskDefinition"), 1);
    let trouble = ecs.read_task_definition("web:9").await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing, "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn a_family_whose_name_begins_alike_is_another_family() {
    let rig = Rig::with(Settings::default(), super::SEED).await;
    let ecs = rig.ecs();
    ecs.register(&stamp(), &task_definition("web-admin", "web:v1"), &[]).await.unwrap();
    let arn = ecs.register(&stamp(), &task_definition("web", "web:v1"), &[]).await.unwrap();
    assert!(arn.ends_with("/web:1"), "{arn}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_definition_says_why_and_is_not_repeated() {
    let rig = Rig::new().await;
    let mut document = task_definition("web", "web:v1");
    document.spec["containerDefinitions"] = json!([]);
    let trouble = rig.ecs().register(&stamp(), &document, &[]).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Rejected, "{trouble}");
    assert_eq!(rig.count("RegisterTaskDefinition"), 1);
}

/// Puts a tag on every service and revision, as a tool that books costs does.
fn tag_everything(rig: &Rig, family: &str, services: &[&str]) {
    let mut world = rig.connector.world();
    let listed = world.call("ecs", "ListTaskDefinitions", &json!({"familyPrefix": family})).unwrap();
    let mut arns: Vec<serde_json::Value> = listed["taskDefinitionArns"].as_array().unwrap().clone();
    let described =
        world.call("ecs", "DescribeServices", &json!({"cluster": "prod", "services": services})).unwrap();
    arns.extend(
        described["services"].as_array().unwrap().iter().map(|service| service["serviceArn"].clone()),
    );
    for arn in arns {
        let tags = json!([{"key": "cost-centre", "value": "7"}, {"key": "team", "value": "of the tagger"}]);
        world.call("ecs", "TagResource", &json!({"resourceArn": arn, "tags": tags})).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_tags_everything_causes_no_new_revision() {
    for (alone, tags) in
        [(true, json!([])), (false, json!([])), (true, json!([{"key": "team", "value": "shop"}]))]
    {
        let rig = Rig::new().await;
        let mut deployment = deployment(0);
        let document = deployment.manifests.task_definitions.get_mut("a00").unwrap();
        document.spec["tags"] = tags.clone();
        if alone {
            deployment.manifests.services.clear();
        }
        let services: &[&str] = if alone { &[] } else { &["a00"] };
        for round in 0..3 {
            rig.clear_log();
            let played = play(&rig, &deployment, &StopSignal::default()).await;
            assert_eq!(played.report.verdict, Verdict::Done, "{:?}", played.report.results);
            assert!(round == 0 || rig.writes() == 0, "alone: {alone}, {tags}: {} writes", rig.writes());
            tag_everything(&rig, "a00", if alone { &["-"] } else { services });
        }
        assert_eq!(rig.connector.world().revisions_registered("a00"), 1, "alone: {alone}, {tags}");
        // What the document changes is seen all the same, and once.
        let document = deployment.manifests.task_definitions.get_mut("a00").unwrap();
        document.spec["tags"] = json!([{"key": "stage", "value": "x"}]);
        for _ in 0..2 {
            play(&rig, &deployment, &StopSignal::default()).await;
            tag_everything(&rig, "a00", if alone { &["-"] } else { services });
        }
        assert_eq!(rig.connector.world().revisions_registered("a00"), 2, "alone: {alone}, {tags}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_deregistered_before_its_service_is_created_is_registered_anew() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let (document, worker) = (task_definition("web", "web:v1"), super::service("worker"));
    let arn = ecs.register(&stamp(), &document, &[]).await.unwrap();
    let input = json!({"taskDefinition": arn});
    rig.connector.world().call("ecs", "DeregisterTaskDefinition", &input).unwrap();
    let trouble = ecs.apply_service_create(&stamp(), &worker, Some(&document)).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
    ecs.apply_service_create(&stamp(), &worker, Some(&document)).await.unwrap();
    let live = ecs.read_service("worker").await.unwrap().unwrap();
    assert!(live.task_definition().ends_with("/web:2"), "{}", live.task_definition());
    // A revision that a document names by itself is nobody's to register.
    let mut external = super::service("external");
    external.task_definition = cutover::model::TaskDefinitionRef::External(arn);
    let trouble = ecs.apply_service_create(&stamp(), &external, None).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Rejected, "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn the_longest_names_that_aws_allows_are_synced_and_recognised() {
    let rig = Rig::new().await;
    let mut deployment = deployment(0);
    let long = "n".repeat(253);
    deployment.application.name.clone_from(&long);
    deployment.commit = "a word (for people) ".repeat(20);
    let manifests = &mut deployment.manifests;
    let mut document = manifests.task_definitions.remove("a00").unwrap();
    (document.name, document.spec["family"]) = (long.clone(), "f".repeat(255).into());
    manifests.task_definitions.insert(long.clone(), document);
    let mut service = manifests.services.remove("a00").unwrap();
    service.task_definition = cutover::model::TaskDefinitionRef::Document(long.clone());
    (service.name, service.spec["serviceName"]) = (long.clone(), "s".repeat(255).into());
    manifests.services.insert(long.clone(), service);
    for round in 0..2 {
        rig.clear_log();
        let played = play(&rig, &deployment, &StopSignal::default()).await;
        assert_eq!(played.report.verdict, Verdict::Done, "{:?}", played.report.results);
        if round == 1 {
            assert_eq!(
                (rig.writes(), rig.count("DescribeTaskDefinition")),
                (0, 0),
                "the mark was not recognised"
            );
        }
    }
}
