//! A rollout under way, when nothing new can be brought about.

use super::world::{Course, Sandbox, key, pass, until};
use crate::controller::{OccurrenceKind, Request};
use crate::engine::RequestVerb;
use crate::model::Timestamp;
use crate::plan::UnderWay;
use std::time::Duration;

/// `web` at commit `a`, and commit `b` under way.
async fn under_way(world: &Sandbox) {
    until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
    world.course("web", Course::Hangs);
    world.commit("b", &["web"]);
    until("b is under way", || {
        world.board.entry(&key("web")).is_some_and(|entry| !entry.status.workloads.is_empty())
    })
    .await;
}

fn carried(world: &Sandbox) -> Vec<String> {
    world.inner().carried.iter().map(|(key, commit)| format!("{} {}", key.name, &commit[..1])).collect()
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_documents_are_wrong_leaves_no_rollout_unwatched() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            under_way(&world).await;
            world.commit("wrong", &["web"]);
            until("it is told at once", || world.standing("web").contains("InvalidDocuments")).await;
            pass(5).await;
            assert_eq!(carried(&world), ["web b"]);
            assert_eq!(world.board.entry(&key("web")).unwrap().status.workloads[0].phase, "shifting");
            // What people ask is asked of the rollout that there is.
            world.register_as("web", |registered| {
                registered.request =
                    Some(Request { text: "abort 1".into(), verb: RequestVerb::Abort, workload: None });
            });
            until("it is answered", || world.status("web").handled_request.is_some()).await;
            assert!(world.status("web").handled_request.unwrap().done);
            pass(100).await;
            assert_eq!(carried(&world), ["web b", "web b"]);
            assert!(world.standing("web").contains("InvalidDocuments"), "{}", world.standing("web"));
            pass(10_000).await;
            assert_eq!(carried(&world).len(), 2, "what is at rest is looked after no more");
            world.course("web", Course::Takes(Duration::from_secs(1)));
            world.commit("c", &["web"]);
            until("it is mended", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    assert_eq!(world.told(OccurrenceKind::Refused).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn better_documents_end_the_care_for_the_old_ones_at_once() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            under_way(&world).await;
            world.commit("wrong", &["web"]);
            until("it is looked after", || !carried(&world).is_empty()).await;
            world.course("web", Course::Takes(Duration::from_secs(1)));
            world.commit("c", &["web"]);
            until("it is mended", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    assert_eq!(world.status("web").revision, "c".repeat(40));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_becomes_invalid_or_waits_for_another_is_looked_after() {
    for spoil in ["invalid", "waits"] {
        let world = Sandbox::new();
        world.commit("a", &["web"]);
        world.register("web", "");
        world
            .play(async {
                under_way(&world).await;
                match spoil {
                    "waits" => world.register("web", "  dependsOn: [db]"),
                    _ => world.register_as("web", |registered| registered.application = Err(vec![])),
                }
                until("it is looked after", || !carried(&world).is_empty()).await;
                pass(100).await;
                assert_eq!(carried(&world), ["web b"], "{spoil}");
                world.course("web", Course::Takes(Duration::from_secs(1)));
                world.register("web", "");
                until("it is mended", || world.standing("web") == "True Synced Synced Healthy").await;
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_care_ends_when_what_was_waited_for_is_ready() {
    let world = Sandbox::new();
    world.commit("a", &["web", "db"]);
    world.register("web", "");
    world
        .play(async {
            under_way(&world).await;
            world.register("web", "  dependsOn: [db]");
            until("it is looked after", || !carried(&world).is_empty()).await;
            world.course("web", Course::Takes(Duration::from_secs(1)));
            let before = tokio::time::Instant::now();
            world.register("db", "");
            until("it goes on", || world.standing("web") == "True Synced Synced Healthy").await;
            assert!(before.elapsed() < Duration::from_secs(20), "{:?}", before.elapsed());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_kept_while_the_source_is_away() {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    world
        .play(async {
            until("web is synced", || world.standing("web") == "True Synced Synced Healthy").await;
            world.inner().git_is_away = true;
            until("it is told", || world.standing("web").contains("SourceFailed")).await;
            let writes = world.writes("web");
            world.meddle("web");
            until("the drift is repaired", || world.writes("web") > writes).await;
            pass(5).await;
            assert!(world.standing("web").contains("SourceFailed"), "{}", world.standing("web"));
            world.inner().git_is_away = false;
            until("it is back", || world.standing("web") == "True Synced Synced Healthy").await;
        })
        .await;
    assert_eq!(world.status("web").revision, "a".repeat(40));
}

/// A controller that begins without a status, while the slots of `web` say that a rollout is under way.
fn begun_anew(commit: Option<&str>) -> Sandbox {
    let world = Sandbox::new();
    world.commit("a", &["web"]);
    world.register("web", "");
    let (workload, progress) = ("Deployment/x".to_owned(), "30% reached".to_owned());
    let commit = commit.map(|id| id.repeat(40));
    let one = UnderWay { workload, progress, started: Timestamp(9_000), commit };
    world.inner().under_way.insert(key("web"), vec![one]);
    world
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_only_its_slots_tell_of_is_looked_after_while_git_is_away() {
    let world = begun_anew(Some("a"));
    world.inner().git_is_away = true;
    world
        .play(async {
            until("it is looked after", || !carried(&world).is_empty()).await;
            assert_eq!(carried(&world), ["web a"]);
            world.inner().under_way.clear();
            pass(1_000).await;
            let count = carried(&world).len();
            pass(10_000).await;
            assert_eq!(carried(&world).len(), count, "what is at rest is looked after no more");
            world.inner().git_is_away = false;
            until("git is back", || world.standing("web") == "True Synced Synced Healthy").await;
            let asked = world.inner().asked_live;
            world.inner().git_is_away = true;
            pass(10_000).await;
            assert_eq!(world.inner().asked_live, asked, "what is known needs no question");
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_only_its_slots_tell_of_is_looked_after_while_documents_are_wrong() {
    let world = begun_anew(Some("a"));
    world.commit("wrong", &["web"]);
    world
        .play(async {
            until("it is looked after", || !carried(&world).is_empty()).await;
            assert_eq!(carried(&world), ["web a"]);
            assert!(world.standing("web").contains("InvalidDocuments"), "{}", world.standing("web"));
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_rollout_whose_documents_nobody_has_is_told_with_a_way_out() {
    for (commit, said) in [
        (Some("a"), format!("`cutover sync --revision {}`", "a".repeat(40))),
        (None, "Deployment/x (30% reached)".to_owned()),
    ] {
        let world = begun_anew(commit);
        world.inner().git_is_away = true;
        world.inner().mirror_is_new = true;
        world
            .play(async {
                let message = || world.status("web").condition("Ready").map(|ready| ready.message.clone());
                until("it is told", || message().is_some_and(|message| message.contains(&said))).await;
                let message = message().unwrap();
                assert!(message.contains("the server is away") && message.contains("nobody"), "{message}");
                assert!(message.contains("cutover abort"), "{message}");
            })
            .await;
        assert_eq!(carried(&world), [""; 0]);
    }
}
