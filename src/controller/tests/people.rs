//! What people do to Applications.

use super::world::{Course, Sandbox, key, pass, until};
use crate::controller::{OccurrenceKind, Request, RequestVerb};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_at_once_where_it_is_enforced_and_told_where_it_is_observed() {
    let world = Sandbox::new();
    world.commit("a", &["web", "seen"]);
    world.register("web", "");
    world.register("seen", "");
    world
        .play(async {
            until("both are synced", || {
                ["web", "seen"].iter().all(|name| world.standing(name) == "True Synced Synced Healthy")
            })
            .await;
            world.register("seen", "  sync: {mode: observe}");
            pass(5).await;
            world.meddle("web");
            world.meddle("seen");
            pass(3).await;
            assert_eq!((world.writes("web"), world.writes("seen")), (2, 1));
            assert_eq!(world.standing("web"), "True Synced Synced Healthy");
            assert_eq!(world.standing("seen"), "False OutOfSync OutOfSync Healthy");
            assert_eq!(world.status("seen").differing, ["ConfigMap/x"]);
        })
        .await;
    assert_eq!(world.told(OccurrenceKind::DriftFound).len(), 2);
    assert_eq!(world.told(OccurrenceKind::DriftRepaired).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_changed_while_its_turn_was_waited_for_is_shown_and_begins_nothing_twice() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.course("web", Course::PlansAnew);
    world.register("web", "");
    let differing = || world.status("web").differing;
    world.play(async { until("it is shown", || differing() == ["ConfigMap/y"]).await }).await;
    assert_eq!(
        world.told(OccurrenceKind::SyncStarted),
        ["web: Plan: 1 to create, 0 to update, 0 to replace, 0 to prune, 0 unchanged; no traffic moves."]
    );
}

#[tokio::test(start_paused = true)]
async fn a_suspended_application_is_compared_and_left_alone_also_in_the_middle_of_a_sync() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.course("web", Course::Takes(Duration::from_secs(60)));
    world.register("web", "");
    world
        .play(async {
            until("it is under way", || world.standing("web").contains("Syncing")).await;
            world.register_as("web", |registered| registered.is_suspended = true);
            until("it is suspended", || world.standing("web") == "False Suspended OutOfSync Suspended").await;
            pass(600).await;
            assert_eq!(world.writes("web"), 0);
            world.register_as("web", |registered| registered.is_suspended = false);
            assert_eq!(world.told(OccurrenceKind::Resumed), Vec::<String>::new());
            until("it goes on", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    assert_eq!(world.told(OccurrenceKind::Resumed), ["web: it is kept as Git says again"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_handled_once_whatever_else_happens() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            let request =
                Request { text: "promote web 1".into(), verb: RequestVerb::Promote, workload: None };
            world.register_as("web", |registered| registered.request = Some(request));
            until("it is handled", || world.status("web").handled_request.is_some()).await;
            world.meddle("web");
            world.commit("b", &["web"]);
            pass(300).await;
        })
        .await;
    assert_eq!(world.inner().requests, [(key("web"), "promote web 1".to_owned())]);
    assert_eq!(world.told(OccurrenceKind::RequestHandled), ["web: promoted"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_is_answered_once_and_a_commit_is_no_news_of_what_is_suspended() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("it is synced", || world.standing("web").contains("Synced")).await;
            world.register("web", "  suspend: true");
            until("it is suspended", || world.standing("web").contains("Suspended")).await;
            world.register_as("web", |registered| registered.no_request = Some("sudo rm".into()));
            until("it is answered", || world.status("web").handled_request.is_some()).await;
            let before = world.standing("web");
            world.commit("b", &["web"]);
            until("the commit is seen", || world.standing("web") != before).await;
        })
        .await;
    let handled = world.status("web").handled_request.expect("an answer");
    assert_eq!((handled.request.as_str(), handled.done), ("sudo rm", false));
    let answer = "web: the annotation cutover.dev/request is no request: `sudo rm`; write it with cutover promote, \
                  abort or retry";
    assert_eq!(world.told(OccurrenceKind::RequestHandled), [answer]);
    assert_eq!(world.told(OccurrenceKind::Suspended).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_depends_on_another_waits_until_that_is_ready_with_the_same_commit() {
    let world = Sandbox::new();
    world.commit("a", &["db", "web"]);
    world.course("db", Course::Takes(Duration::from_secs(100)));
    world.register("web", "  dependsOn: [db]");
    world.register("db", "");
    world
        .play(async {
            let waits = "False DependencyNotReady Reconciling Unknown Missing";
            until("it waits for db", || world.standing("web") == waits).await;
            assert_eq!(world.status("web").waiting_for, "Application db to be ready");
            until("both are synced", || world.standing("web") == "True Synced Synced Healthy").await;
            world.commit("b", &["db", "web"]);
            until("db is under way", || world.standing("db").contains("Syncing")).await;
            pass(50).await;
            assert_eq!(world.writes("web"), 1, "it did not wait for the same commit of db");
            until("both are at the new commit", || world.writes("web") == 2 && world.writes("db") == 2).await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_for_each_other_are_told_so() {
    let world = Sandbox::new();
    world.commit("a", &["db", "web"]);
    world.register("web", "  dependsOn: [db]");
    world.register("db", "  dependsOn: [web]");
    world
        .play(async {
            until("it is told", || world.standing("db") == "False DependencyCycle Stalled Unknown Missing")
                .await;
            world.register("db", "");
            until("the circle is broken", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
}
