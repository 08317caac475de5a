//! Who may work for what.

use super::world::{Course, Sandbox, application, pass, until};
use crate::controller::start::{AT_WORK, WORK};
use crate::model::{Application, Destination, Origin, Problem};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_stopped_at_once_and_what_is_gained_is_taken_up_where_it_is() {
    let world = Sandbox::new();
    world.commit("a", &["web", "db"]);
    world.course("web", Course::Takes(Duration::from_secs(60)));
    world.register("web", "");
    world.register("db", "");
    world.hold(&["web"]);
    world
        .play(async {
            until("web is under way", || world.standing("web").contains("Syncing")).await;
            assert_eq!(world.syncs("db"), 0, "it worked for one that it does not hold");
            world.hold(&["db"]);
            until("db is synced", || world.standing("db") == "True Synced Synced Healthy").await;
            pass(300).await;
            assert_eq!(world.writes("web"), 0);
            world.hold(&["db", "web"]);
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_sync_finds_out_after_its_seat_has_gone_is_not_told() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world.hold(&["web"]);
    world
        .play(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(world.syncs("web"), 1, "it reads what is live, and has no plan yet");
            world.hold(&[]);
            pass(5).await;
            assert!(world.inner().told.is_empty(), "{:?}", world.inner().told);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_a_seat_back_works_behind_its_new_fence() {
    for is_seen in [true, false] {
        let world = Sandbox::new();
        world.commit("a", &["web"]);
        world.course("web", Course::Takes(Duration::from_secs(60)));
        world.register("web", "");
        world.hold(&["web"]);
        world
            .play(async {
                until("it is under way", || world.standing("web").contains("Syncing")).await;
                pass(2).await;
                match is_seen {
                    true => {
                        world.hold(&[]);
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        world.hold(&["web"]);
                    }
                    false => world.lose_for_a_moment("web"),
                }
                pass(80).await;
                assert_eq!(world.standing("web"), "True Synced Synced Healthy", "seen: {is_seen}");
                assert_eq!(world.syncs("web"), 2);
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_safe_points_and_leaves_the_status_for_the_next_one() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.course("web", Course::Hangs);
    world.register("web", "");
    world.play(async { until("web is under way", || world.standing("web").contains("Syncing")).await }).await;
    assert_eq!(world.writes("web"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_or_not_allowed_is_told_and_not_synced() {
    let world = Sandbox::new();
    world.commit("a", &["forbidden", "wrong"]);
    world.register("forbidden", "");
    let problem = Problem {
        origin: Origin::default(),
        document: "Application/wrong".into(),
        field: "spec.source".into(),
        message: "is missing".into(),
    };
    world.register_as("wrong", |registered| registered.application = Err(vec![problem]));
    world
        .play(async {
            until("both are told", || {
                world.standing("forbidden") == "False NotAllowed Stalled Unknown Missing"
                    && world.standing("wrong") == "False InvalidSpec Stalled Unknown Missing"
            })
            .await;
            pass(100).await;
        })
        .await;
    assert_eq!(world.inner().syncs.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_application_is_not_synced_while_one_among_its_documents_asks_for_too_much() {
    let world = Sandbox::new();
    world.commit("child", &["root"]);
    world.commit("a", &["odd"]);
    world.register("root", "");
    world.register_as("odd", |registered| registered.lineage = Err("can't be told".into()));
    world
        .play(async {
            until("both are refused", || {
                let is_refused = |name| world.standing(name) == "False NotAllowed Stalled Unknown Missing";
                is_refused("root") && is_refused("odd")
            })
            .await;
            pass(100).await;
            assert_eq!(world.inner().syncs.len(), 0);
            world.commit("b", &["root"]);
            until("the other documents are synced", || world.inner().syncs.len() == 1).await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn of_two_that_claim_the_same_place_the_older_one_has_it() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world.register_as("twin", |registered| registered.application = Ok(application("web", "")));
    world
        .play(async {
            until("it is told", || world.standing("twin") == "False NameTaken Stalled Unknown Missing").await;
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            assert_eq!(world.syncs("twin"), 0);
            world.register_as("web", |registered| registered.is_going = true);
            until("the place is free", || world.standing("twin") == "True Synced Synced Healthy").await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_the_same_place_by_its_name_and_by_its_arn() {
    let world = Sandbox::new();
    world.commit("a", &["ecs-web"]);
    let region = Some("eu-central-1".to_owned());
    let arn = "arn:aws:ecs:eu-central-1:000000000000:cluster/prod";
    for (name, region, cluster) in [("first", region, "prod"), ("twin", None, arn)] {
        let destination = Destination::Ecs { region, cluster: cluster.into() };
        let application = Application { destination, ..application("ecs-web", "") };
        world.register_as(name, |registered| registered.application = Ok(application));
    }
    world
        .play(async {
            until("it is told", || world.standing("twin") == "False NameTaken Stalled Unknown Missing").await;
            until("the first is synced", || world.standing("first") == "True Synced Synced Healthy").await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_made_anew_under_the_same_name_inherits_nothing_of_a_sync_that_was_under_way() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.course("web", Course::Hangs);
    world.register("web", "");
    world
        .play(async {
            until("it is under way", || world.standing("web").contains("Syncing")).await;
            world.course("web", Course::Takes(Duration::from_secs(1)));
            world.register_as("web", |registered| {
                registered.uid = "uid-anew".into();
                registered.application = Ok(application("web", "  sync: {timeout: 7m}"));
                registered.status = Default::default();
            });
            until("the new one is synced", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    assert_eq!(world.status("web").history.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn so_many_are_at_work_at_once_and_those_that_take_too_long_keep_nobody_waiting() {
    let world = Sandbox::new();
    let slow: Vec<String> = (0..AT_WORK).map(|number| format!("slow-{number}")).collect();
    let quick: Vec<String> = (0..3 * AT_WORK).map(|number| format!("quick-{number}")).collect();
    world.commit("a", &slow.iter().chain(&quick).map(String::as_str).collect::<Vec<_>>());
    quick.iter().for_each(|name| world.register(name, ""));
    world
        .play(async {
            let all_of =
                |names: &[String], standing: &str| names.iter().all(|n| world.standing(n) == standing);
            until("all are synced", || all_of(&quick, "True Synced Synced Healthy")).await;
            assert_eq!(world.inner().most_syncing, AT_WORK);
            for name in &slow {
                world.course(name, Course::Hangs);
                world.register(name, "");
            }
            until("they hang", || slow.iter().all(|name| world.standing(name).contains("Syncing"))).await;
            let begun = tokio::time::Instant::now();
            world.meddle("quick-0");
            until("drift is repaired", || world.writes("quick-0") == 2).await;
            assert!(begun.elapsed() <= WORK + Duration::from_secs(5), "{:?}", begun.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn those_on_ecs_that_wait_for_lock_and_rates_keep_nobody_waiting() {
    let world = Sandbox::new();
    let slow: Vec<String> = (0..3 * AT_WORK).map(|number| format!("ecs-{number}")).collect();
    world.commit("a", &slow.iter().map(String::as_str).chain(["web"]).collect::<Vec<_>>());
    for name in &slow {
        world.course(name, Course::Hangs);
        let destination = Destination::Ecs { region: None, cluster: "prod".into() };
        let application = Application { destination, ..application(name, "") };
        world.register_as(name, |registered| registered.application = Ok(application));
    }
    world.register("web", "");
    world
        .play(async {
            let begun = tokio::time::Instant::now();
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            assert!(slow.iter().all(|name| world.standing(name).contains("Syncing")));
        })
        .await;
}
