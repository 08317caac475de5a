//! What a commit costs and whom it concerns.

use super::world::{Course, Sandbox, key, pass, until};
use crate::controller::{Nudge, OccurrenceKind};
use crate::engine::TroubleKind;
use crate::model::ConditionStatus;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_application_is_synced_and_then_costs_one_look_at_git_an_interval_and_nothing_else() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            let (looks, syncs, statuses) = {
                let inner = world.inner();
                (inner.looks, inner.syncs.clone(), inner.status_writes)
            };
            pass(3_000).await;
            let inner = world.inner();
            assert!((48..=56).contains(&(inner.looks - looks)), "{} looks", inner.looks - looks);
            assert_eq!(
                (&inner.syncs, inner.status_writes),
                (&syncs, statuses),
                "something was done for nothing"
            );
        })
        .await;
    assert_eq!(world.writes("web"), 1);
    assert_eq!(world.status("web").revision, "a".repeat(40));
    assert_eq!(world.status("web").history.len(), 1);
    assert_eq!(world.told(OccurrenceKind::Synced).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_to_one_of_a_thousand_concerns_that_one_alone_and_asks_the_repository_once() {
    let world = Sandbox::new();
    let names: Vec<String> = (0..1_000).map(|number| format!("app-{number}")).collect();
    world.commit("a", &names.iter().map(String::as_str).collect::<Vec<_>>());
    names.iter().for_each(|name| world.register(name, ""));
    world
        .play(async {
            until("all are synced", || {
                names.iter().all(|n| world.standing(n) == "True Synced Synced Healthy")
            })
            .await;
            let (looks, syncs, statuses) = {
                let inner = world.inner();
                (inner.looks, inner.syncs.values().sum::<usize>(), inner.status_writes)
            };
            world.commit("b", &["app-500"]);
            let url = "git@git.example:deploy.git".to_owned();
            world.nudge.send(Nudge::Repository(vec![url])).await.expect("told");
            until("it is live", || world.status("app-500").revision == "b".repeat(40)).await;
            pass(5).await;
            let inner = world.inner();
            assert_eq!(inner.looks - looks, 1, "one repository was asked more than once");
            let more = inner.syncs.values().sum::<usize>() - syncs;
            assert_eq!(more, 1, "others were looked at");
            let written = inner.status_writes - statuses;
            assert!(written <= 3, "{written} statuses were written for one application");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_changes_nothing_of_an_application_is_no_history_of_it() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            world.commit("b", &["other"]);
            pass(100).await;
            world.nudge.send(Nudge::Application(key("web"))).await.expect("told");
            until("it is looked at", || world.status("web").revision == "b".repeat(40)).await;
        })
        .await;
    let status = world.status("web");
    let history: Vec<&str> = status.history.iter().map(|entry| &entry.revision[..1]).collect();
    assert_eq!(history, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_newer_commit_takes_the_place_of_one_that_is_stuck() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.course("web", Course::Hangs);
    world.register("web", "");
    world
        .play(async {
            until("it is under way", || {
                world.standing("web") == "Unknown Syncing Reconciling OutOfSync Missing"
            })
            .await;
            world.course("web", Course::Takes(Duration::from_secs(1)));
            world.commit("b", &["web"]);
            until("the newer one is live", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    let history: Vec<String> =
        world.status("web").history.iter().map(|e| format!("{} {}", &e.revision[..1], e.result)).collect();
    assert_eq!(history, ["b Synced", "a Superseded"]);
    assert_eq!(world.told(OccurrenceKind::Superseded), ["web: commit bbbbbbb takes its place"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_or_hangs_holds_up_nobody_and_is_tried_less_and_less_often() {
    let world = Sandbox::new();
    world.commit("a", &["denied", "hangs", "web"]);
    world.course("denied", Course::Refused(TroubleKind::Denied));
    world.course("hangs", Course::Hangs);
    ["denied", "hangs", "web"].iter().for_each(|name| world.register(name, ""));
    world
        .play(async {
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            pass(3_600).await;
            let tries = world.syncs("denied");
            assert!((14..=24).contains(&tries), "{tries} tries in an hour");
            assert_eq!(world.standing("denied"), "False AccessDenied Stalled Unknown Missing");
        })
        .await;
    assert_eq!(world.told(OccurrenceKind::SyncFailed).len(), 1, "the same failure was told again and again");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_failed_waits_for_another_commit() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.course("web", Course::Fails);
    world.register("web", "");
    world
        .play(async {
            until("it failed", || world.standing("web") == "False RolloutFailed Stalled OutOfSync Degraded")
                .await;
            let tries = world.syncs("web");
            pass(1_800).await;
            assert_eq!(world.syncs("web"), tries, "it was tried again");
            world.course("web", Course::Takes(Duration::from_secs(1)));
            world.commit("b", &["web"]);
            until("the fix is live", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    assert_eq!(world.status("web").last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_for_a_while_changes_nothing_and_drift_is_repaired_meanwhile() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            world.inner().git_is_away = true;
            pass(70).await;
            assert_eq!(
                world.standing("web"),
                "True Synced Synced Healthy",
                "one failed look was made much of"
            );
            world.meddle("web");
            until("drift is repaired", || world.writes("web") == 2).await;
            until("it is told", || world.standing("web") == "False SourceFailed Reconciling Unknown Healthy")
                .await;
            world.inner().git_is_away = false;
            until("it is back", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    assert_eq!(world.told(OccurrenceKind::SourceFailed).len(), 1);
    assert_eq!(world.told(OccurrenceKind::DriftRepaired).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_documents_are_told_with_their_line_and_the_commit_that_mends_them_is_synced() {
    let world = Sandbox::new();
    world.commit("wrong", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("it is told", || world.standing("web") == "False InvalidDocuments Stalled Unknown Missing")
                .await;
            let message =
                world.status("web").condition("Ready").map(|c| c.message.clone()).unwrap_or_default();
            assert!(message.starts_with("apps/web/x.yaml:1"), "{message}");
            world.commit("b", &["web"]);
            until("it is mended", || world.standing("web") == "True Synced Synced Healthy").await;
            let ready = world.status("web");
            assert_eq!(ready.condition("Ready").map(|c| c.status), Some(ConditionStatus::True));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_skipped_in_the_folder_is_told_in_the_status() {
    let world = Sandbox::new();
    world.inner().skipped = vec!["3 files are left out by .cutoverignore: a.yaml, b.yaml, c.yaml".into()];
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("it is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            let status = world.status("web");
            let ready = status.condition("Ready").expect("a condition");
            assert!(ready.message.contains("left out by .cutoverignore: a.yaml"), "{}", ready.message);
        })
        .await;
}
